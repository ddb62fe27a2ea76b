"""A study by invitation only, on either pair of stores: each invitation is for one pseudonym, once, until revoked."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from event_model.clock import ManualClock
from event_model.ids import StudyId
from event_model.invitations import HEADER, REVOCATION, Revocation, make_invitation, to_header
from event_model.keys import Secret, SigningKey
from event_model.log_entries import LogKind, decode_entry, subject_of
from event_model.signed import sign_document
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.backends import Backend
from tests.ingest_server.kit import NOW, OWNER, Person, client_of

Client = httpx.AsyncClient
FORGER = SigningKey(Secret(b"\x71" * 32))


@pytest.fixture
async def client(backend: Backend, settings: ReceiverSettings, clock: ManualClock) -> AsyncIterator[Client]:
    settings = msgspec.structs.replace(settings, invited_only=True)
    app = create_app(settings, clock, objects=backend.objects(), metadata=backend.metadata())
    async with (
        app.router.lifespan_context(app),
        client_of(app) as made,
    ):
        yield made


def invitation(study: str, identity: str = "1" * 32, *, owner: SigningKey = OWNER, expires_ms: int = NOW + 1) -> str:
    return to_header(make_invitation(StudyId(study), owner, identity=identity, expires_ms=expires_ms))


async def join(client: Client, person: Person, header: str | None) -> tuple[int, str]:
    headers = {} if header is None else {HEADER: header}
    answer = await client.put(f"{person.path}/consent", content=person.consent(), headers=headers)
    return answer.status_code, answer.json().get("code", "")


def revocation(person: Person, identity: str, owner: SigningKey = OWNER) -> bytes:
    return sign_document(REVOCATION, Revocation(person.study, identity, NOW), owner)


async def test_an_invitation_lets_one_in_once(client: Client, person: Person, stranger: Person) -> None:
    assert await join(client, person, None) == (403, "invitation-missing")
    assert await join(client, person, invitation(person.study)) == (201, "")
    assert await join(client, person, invitation(person.study)) == (200, "")
    assert await join(client, person, None) == (200, "")
    assert await join(client, stranger, invitation(person.study)) == (403, "invitation-used")
    assert await join(client, stranger, invitation(person.study, "2" * 32)) == (201, "")
    assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 201


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (invitation("study-a", owner=FORGER), "invitation-invalid"),
        (invitation("study-b"), "invitation-invalid"),
        (invitation("study-a", "short"), "invitation-invalid"),
        (invitation("study-a", expires_ms=NOW), "invitation-expired"),
        ("%%%", "invitation-invalid"),
        ("", "invitation-invalid"),
        ("A" * 9000, "invitation-invalid"),
    ],
)
async def test_what_is_no_valid_invitation_lets_nobody_in(
    client: Client, person: Person, header: str, code: str
) -> None:
    assert await join(client, person, header) == (403, code)
    assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 403


async def test_of_many_at_once_with_one_invitation_one_gets_in(client: Client, person: Person) -> None:
    people = [Person(person.manifest, seed=number) for number in range(20, 28)]
    answers = await asyncio.gather(*(join(client, each, invitation(person.study)) for each in people))
    assert sorted(answers) == [(201, "")] + [(403, "invitation-used")] * 7


async def test_who_is_revoked_sends_no_more_and_can_still_leave(
    client: Client, person: Person, stranger: Person
) -> None:
    await join(client, person, invitation(person.study))
    chain = person.chain(2)
    await client.put(person.segment_path(0), content=chain[0])
    url = f"/v1/studies/{person.study}/revocations"
    for wrong in (revocation(person, "1" * 32, FORGER), b"{}", revocation(person, "x")):
        assert (await client.post(url, content=wrong)).status_code == 403
    for _ in range(2):
        assert (await client.post(url, content=revocation(person, "1" * 32))).status_code == 201
    assert (await client.put(person.segment_path(1), content=chain[1])).status_code == 403
    # Told as what it is, also under the record that counts as withdrawn.
    assert await join(client, person, None) == (403, "enrolment-revoked")
    again = person.give("2" * 32)
    answer = await client.put(f"{person.path}/consent", content=person.consent(again))
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment-revoked")
    assert (await client.put(f"{person.path}/consent", content=person.withdrawn())).status_code == 201
    assert (await client.post(f"{person.path}/deletions", content=person.deletion())).status_code == 201
    assert (await client.post(url, content=revocation(person, "9" * 32))).status_code == 201
    assert await join(client, stranger, invitation(person.study, "9" * 32)) == (403, "invitation-used")
    entries = (await client.get(f"/v1/studies/{person.study}/log/entries", params={"start": 0, "end": 99})).json()
    told = [decode_entry(base64.b64decode(each)) for each in entries["entries"]]
    revoked = [entry.subject for entry in told if entry.kind is LogKind.REVOCATION]
    assert revoked == [subject_of(person.study, person.pseudonym), ""]
