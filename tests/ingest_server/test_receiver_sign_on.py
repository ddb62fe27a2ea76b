"""Enrolment by sign-on, against a real provider on loopback: a token lets its own installation in, and no other."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import msgspec
import pytest
from joserfc.jwk import OctKey

from event_model.clock import ManualClock
from event_model.ids import StudyId
from event_model.invitations import HEADER, REVOCATION, Revocation, make_invitation, to_header
from event_model.keys import Secret, SigningKey
from event_model.log_entries import LogKind, decode_entry, subject_of
from event_model.sign_on import PERSON_CHARACTERS, TOKEN_HEADER, SignOnSettings, nonce_of, person_digest
from event_model.signed import sign_document
from ingest_server import sign_on
from ingest_server.app import create_app
from ingest_server.rows import Participant
from ingest_server.settings import ReceiverSettings
from ingest_server.sign_on import INSTALLATIONS, SignOn
from tests.ingest_server.kit import NOW, OWNER, Person, client_of, make_manifest
from tests.sign_on_provider import CLIENT, FOREIGN, RSA, Provider, provider_running, symmetric

Client = httpx.AsyncClient


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_running() as running:
        running.now_s = NOW // 1000
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def people() -> list[Person]:
    manifest = make_manifest(start="2020-01-01", end="2099-12-31")
    made = [Person(manifest, seed=seed) for seed in range(1, INSTALLATIONS + 3)]
    for person in made:
        person.be(person.key, given_ms=NOW - 1000)
    return made


@pytest.fixture
async def client(
    settings: ReceiverSettings, clock: ManualClock, provider: Provider, people: list[Person]
) -> AsyncIterator[Client]:
    settings = msgspec.structs.replace(
        settings, studies=(people[0].manifest,), sign_on=SignOnSettings(provider.issuer, CLIENT)
    )
    app = create_app(settings, clock)
    async with app.router.lifespan_context(app), client_of(app, clock.wall_ms) as made:
        yield made


def nonce(person: Person) -> str:
    return nonce_of(person.study, person.pseudonym)


async def join(client: Client, person: Person, token: str | None) -> tuple[int, str]:
    headers = {} if token is None else {TOKEN_HEADER: token.encode("latin-1")}
    answer = await client.put(f"{person.path}/consent", content=person.consent(), headers=headers)
    return answer.status_code, answer.json().get("code", "")


async def test_a_token_lets_its_installation_in_and_is_not_asked_for_again(
    client: Client, provider: Provider, people: list[Person]
) -> None:
    person = people[0]
    assert await join(client, person, None) == (403, "sign-on-missing")
    assert await join(client, person, provider.token(nonce=nonce(person))) == (201, "")
    assert await join(client, person, None) == (200, "")
    assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 201
    about = (await client.get("/v1/receiver")).json()
    assert about["sign_on"] == {"issuer": provider.issuer, "client_id": CLIENT}


BAD: dict[str, Callable[[Provider, Person], str]] = {
    "nothing": lambda _provider, _person: "",
    "no token": lambda _provider, _person: "a.b.c",
    "not text": lambda _provider, _person: "\xe9" * 20,
    "too long": lambda provider, person: provider.token(nonce=nonce(person), name="x" * 20_000),
    "another nonce": lambda provider, _person: provider.token(nonce="x"),
    "no nonce": lambda provider, _person: provider.token(nonce=None),
    "another issuer": lambda provider, person: provider.token(nonce=nonce(person), iss="https://elsewhere.example"),
    "another audience": lambda provider, person: provider.token(nonce=nonce(person), aud="another"),
    "two audiences": lambda provider, person: provider.token(nonce=nonce(person), aud=[CLIENT, "another"]),
    "another party": lambda provider, person: provider.token(nonce=nonce(person), azp="another"),
    "expired": lambda provider, person: provider.token(nonce=nonce(person), exp=NOW // 1000 - 120),
    "no expiry": lambda provider, person: provider.token(nonce=nonce(person), exp=None),
    "from the future": lambda provider, person: provider.token(nonce=nonce(person), iat=NOW // 1000 + 3600),
    "no subject": lambda provider, person: provider.token(nonce=nonce(person), sub=""),
    "a foreign key of the same name": lambda provider, person: provider.token(nonce=nonce(person), key=FOREIGN),
    "a key of another kind": lambda provider, person: provider.token(
        nonce=nonce(person), key=RSA, header={"alg": "RS256"}
    ),
    "the public key as a secret": lambda provider, person: symmetric(provider, provider.token(nonce=nonce(person))),
    "unsigned": lambda provider, person: provider.token(nonce=nonce(person), header={"alg": "none"}),
    "a claim changed": lambda provider, person: altered(provider.token(nonce=nonce(person))),
}


def altered(token: str) -> str:
    head, claims, signature = token.split(".")
    return f"{head}.{claims[:-4]}{'AAAA' if claims[-4:] != 'AAAA' else 'BBBB'}.{signature}"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_what_is_no_token_of_this_installation_lets_nobody_in(
    client: Client, provider: Provider, people: list[Person]
) -> None:
    met = {what: await join(client, people[0], made(provider, people[0])) for what, made in BAD.items()}
    assert met == dict.fromkeys(BAD, (403, "sign-on-refused"))
    assert (await client.put(people[0].segment_path(0), content=people[0].envelope(0))).status_code == 403


async def test_a_token_does_not_enrol_another_key(client: Client, provider: Provider, people: list[Person]) -> None:
    token = provider.token(nonce=nonce(people[0]))
    assert await join(client, people[1], token) == (403, "sign-on-refused")
    assert await join(client, people[0], token) == (201, "")


async def test_a_person_takes_part_with_a_few_installations(
    client: Client, provider: Provider, people: list[Person]
) -> None:
    for person in people[:INSTALLATIONS]:
        assert await join(client, person, provider.token(nonce=nonce(person))) == (201, "")
    extra, other = people[INSTALLATIONS:]
    assert await join(client, extra, provider.token(nonce=nonce(extra))) == (403, "sign-on-used")
    assert await join(client, other, provider.token(nonce=nonce(other), sub="employee-18")) == (201, "")


async def test_an_invitation_lets_in_too(client: Client, people: list[Person]) -> None:
    invitation = make_invitation(people[0].study, OWNER, identity="1" * 32, expires_ms=NOW + 10_000)
    answer = await client.put(
        f"{people[0].path}/consent", content=people[0].consent(), headers={HEADER: to_header(invitation)}
    )
    assert answer.status_code == 201


async def test_what_is_kept_names_nobody(
    client: Client, provider: Provider, people: list[Person], settings: ReceiverSettings
) -> None:
    token = provider.token(nonce=nonce(people[0]), email="someone@example.org")
    assert await join(client, people[0], token) == (201, "")
    kept = b"".join(path.read_bytes() for path in settings.data.rglob("*") if path.is_file())
    for secret in (provider.subject, "someone@example.org", token, nonce(people[0])):
        assert secret.encode() not in kept


async def test_a_revoked_person_does_not_come_back_with_another_installation(
    client: Client, provider: Provider, people: list[Person], settings: ReceiverSettings, clock: ManualClock
) -> None:
    person, again = people[:2]
    assert await join(client, person, provider.token(nonce=nonce(person))) == (201, "")
    checker = SignOn(SignOnSettings(provider.issuer, CLIENT), secret=settings.key.seed, clock=clock)
    participant = Participant(person.study, person.pseudonym)
    place = (await checker.places(participant, provider.token(nonce=nonce(person))))[0]
    assert await revoke(client, Revocation(person.study, place, NOW)) == 201
    assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 403
    assert await join(client, again, provider.token(nonce=nonce(again))) == (403, "enrolment-revoked")


async def revoke(client: Client, revocation: Revocation, by: SigningKey = OWNER) -> int:
    data = sign_document(REVOCATION, revocation, by)
    return (await client.post(f"/v1/studies/{revocation.study}/revocations", content=data)).status_code


async def revoked_in_log(client: Client, study: StudyId) -> list[str]:
    found = (await client.get(f"/v1/studies/{study}/log/entries", params={"start": 0, "end": 99})).json()
    entries = [decode_entry(base64.b64decode(each)) for each in found["entries"]]
    return [entry.subject for entry in entries if entry.kind is LogKind.REVOCATION]


async def test_the_owner_shuts_a_person_out_with_all_installations_by_their_subject(
    client: Client, provider: Provider, people: list[Person], settings: ReceiverSettings
) -> None:
    first, second, third, other = people[:4]
    for person in (first, second):
        assert await join(client, person, provider.token(nonce=nonce(person))) == (201, "")
    assert await join(client, other, provider.token(nonce=nonce(other), sub="employee-18")) == (201, "")
    whom = Revocation(first.study, "", NOW, person_digest(provider.issuer, first.study, provider.subject))
    assert await revoke(client, whom, Person(first.manifest, seed=99).key) == 403
    assert await revoke(client, msgspec.structs.replace(whom, invitation="1" * 32)) == 403
    assert await revoke(client, msgspec.structs.replace(whom, person="x")) == 403
    assert await revoked_in_log(client, first.study) == []
    for _ in range(2):
        assert await revoke(client, whom) == 201
    for person in (first, second):
        assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 403
    assert await join(client, third, provider.token(nonce=nonce(third))) == (403, "enrolment-revoked")
    assert (await client.put(other.segment_path(0), content=other.envelope(0))).status_code == 201
    assert sorted(await revoked_in_log(client, first.study)) == sorted(
        subject_of(person.study, person.pseudonym) for person in (first, second)
    )
    kept = b"".join(path.read_bytes() for path in settings.data.rglob("*") if path.is_file())
    assert provider.subject.encode() not in kept
    assert whom.person.encode() not in kept


async def test_a_person_can_be_shut_out_before_signing_on(
    client: Client, provider: Provider, people: list[Person]
) -> None:
    person = people[0]
    whom = Revocation(person.study, "", NOW, person_digest(provider.issuer, person.study, provider.subject))
    assert await revoke(client, whom) == 201
    assert await join(client, person, provider.token(nonce=nonce(person))) == (403, "enrolment-revoked")
    assert await revoked_in_log(client, person.study) == [""]


async def test_where_nobody_signs_on_no_person_can_be_named(
    settings: ReceiverSettings, clock: ManualClock, people: list[Person]
) -> None:
    app = create_app(msgspec.structs.replace(settings, studies=(people[0].manifest,)), clock)
    async with app.router.lifespan_context(app), client_of(app, clock.wall_ms) as client:
        whom = Revocation(people[0].study, "", NOW, person_digest("https://id.example", people[0].study, "x"))
        assert await revoke(client, whom) == 403


def test_a_person_has_another_digest_with_each_provider_and_study() -> None:
    made = {
        person_digest(issuer, StudyId(study), subject)
        for issuer in ("https://a.example", "https://b.example")
        for study in ("study-a", "study-b")
        for subject in ("x", "y")
    }
    assert len(made) == 8
    assert {len(each) for each in made} == {PERSON_CHARACTERS}


async def test_places_differ_by_person_study_and_receiver(
    provider: Provider, clock: ManualClock, people: list[Person]
) -> None:
    def checker(seed: bytes = b"a" * 32) -> SignOn:
        return SignOn(SignOnSettings(provider.issuer, CLIENT), secret=Secret(seed), clock=clock)

    here = Participant(people[0].study, people[0].pseudonym)
    there = Participant(type(here.study)("study-b"), here.pseudonym)
    tokens = {each: provider.token(nonce=nonce_of(each.study, each.pseudonym)) for each in (here, there)}
    first = await checker().places(here, tokens[here])
    assert await checker().places(here, tokens[here]) == first
    found = {
        *first,
        *await checker().places(there, tokens[there]),
        *await checker(b"b" * 32).places(here, tokens[here]),
        *await checker().places(here, provider.token(nonce=nonce_of(here.study, here.pseudonym), sub="employee-18")),
    }
    assert len(found) == 4 * INSTALLATIONS


async def test_keys_are_asked_for_once_and_again_when_the_provider_has_new_ones(
    client: Client, provider: Provider, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in people[:2]:
        assert (await join(client, person, provider.token(nonce=nonce(person))))[0] == 201
    assert provider.asked["/keys"] == 1
    provider.rotate("second")
    late = people[2]
    # Whoever makes up key names does not have the provider asked each time.
    assert await join(client, late, provider.token(nonce=nonce(late))) == (403, "sign-on-refused")
    assert provider.asked["/keys"] == 1
    monkeypatch.setattr(sign_on, "KEYS_AGAIN_S", 0.0)
    assert await join(client, late, provider.token(nonce=nonce(late))) == (201, "")
    assert provider.asked["/keys"] == 2


async def test_a_key_that_was_withdrawn_goes_out(
    client: Client, provider: Provider, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await join(client, people[0], provider.token(nonce=nonce(people[0]))))[0] == 201
    stolen = provider.key
    provider.rotate("second")
    monkeypatch.setattr(sign_on, "KEYS_LAST_S", 0.0)
    token = provider.token(nonce=nonce(people[1]), key=stolen, header={"kid": stolen.kid})
    assert await join(client, people[1], token) == (403, "sign-on-refused")


@pytest.mark.parametrize(
    "wrong",
    ["issuer", "plain", "redirect", "endless keys", "endless description", "failing keys", "failing description"],
)
async def test_a_provider_that_can_not_be_believed_lets_nobody_in(
    client: Client, provider: Provider, people: list[Person], wrong: str
) -> None:
    provider.wrong = wrong
    token = provider.token(nonce=nonce(people[0]))
    assert await join(client, people[0], token) == (503, "sign-on-unreachable")
    provider.wrong = ""
    assert await join(client, people[0], token) == (201, "")


def test_keys_are_fetched_from_a_safe_address_of_the_providers_own_description() -> None:
    def description(issuer: str, keys: str) -> bytes:
        return json.dumps({"issuer": issuer, "jwks_uri": keys}).encode()

    issuer = "https://id.example.org"
    assert sign_on._keys_address(description(issuer, f"{issuer}/keys"), issuer) == f"{issuer}/keys"
    for wrong in (description(issuer, "http://id.example.org/keys"), description("https://other.example", issuer)):
        with pytest.raises(ValueError, match="another provider"):
            sign_on._keys_address(wrong, issuer)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_symmetric_key_signs_nothing_even_if_the_provider_names_it(
    client: Client, provider: Provider, people: list[Person]
) -> None:
    key = OctKey.import_key("anyone can read this in the key set", {"kid": "shared"})
    provider.shared.append(key)
    token = provider.token(nonce=nonce(people[0]), key=key, header={"alg": "HS256", "kid": "shared"})
    assert await join(client, people[0], token) == (403, "sign-on-refused")
    assert await join(client, people[0], provider.token(nonce=nonce(people[0]))) == (201, "")


async def test_leaving_needs_no_sign_on(client: Client, provider: Provider, people: list[Person]) -> None:
    person = people[0]
    assert (await join(client, person, provider.token(nonce=nonce(person))))[0] == 201
    provider.wrong = "issuer"
    answer = await client.put(f"{person.path}/consent", content=person.withdrawn(at_ms=NOW))
    assert (answer.status_code, json.loads(answer.content)["state"]) == (201, "withdrawn")
