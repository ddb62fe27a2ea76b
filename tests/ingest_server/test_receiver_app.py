from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest

from consent_ledger.manifest import StudyManifest, read_manifest, sign_manifest
from consent_ledger.record import ConsentAct, transition
from event_model.clock import ManualClock
from event_model.envelope import MAX_ENVELOPE_BYTES, open_envelope, parse_envelope, seal_envelope
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from event_model.receipts import DELETION_RECEIPT, DELETION_REQUEST, SEGMENT_RECEIPT, DeletionReceipt, SegmentReceipt
from event_model.signed import Signed, open_document, sign_document
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.kit import CUSTODIAN, NOW, OWNER, RECEIVER_KEY, Person, client_of, make_manifest

Client = httpx.AsyncClient


async def join(receiver: Client, person: Person) -> None:
    answer = await receiver.put(f"{person.path}/consent", content=person.consent())
    assert answer.status_code == 201, answer.text


def objects(settings: ReceiverSettings) -> dict[str, bytes]:
    found = sorted(settings.data.glob("segments/**/*.overt"))
    return {str(path.relative_to(settings.data)): path.read_bytes() for path in found}


def receipt_of(answer: httpx.Response) -> SegmentReceipt:
    return open_document(SEGMENT_RECEIPT, answer.content, SegmentReceipt, key=RECEIVER_KEY.verify_key).payload


async def test_it_says_that_it_lives_and_whom_it_serves(receiver: Client) -> None:
    assert (await receiver.get("/healthz")).json() == {"status": "ok"}
    told = (await receiver.get("/v1/receiver")).json()
    assert told["key"] == encode_key(RECEIVER_KEY.verify_key.raw)
    assert told["studies"] == [{"id": "study-a", "versions": [1]}]


async def test_it_gives_the_newest_version_of_a_study_as_its_owner_signed_it(
    settings: ReceiverSettings, clock: ManualClock, manifest: Signed[StudyManifest]
) -> None:
    newer = read_manifest(sign_manifest(msgspec.structs.replace(manifest.payload, version=2), OWNER))
    app = create_app(msgspec.structs.replace(settings, studies=(newer, manifest)), clock)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
    ):
        answer = await client.get("/v1/studies/study-a/manifest")
        assert (answer.status_code, answer.content) == (200, newer.raw)
        answer = await client.get("/v1/studies/study-b/manifest")
        assert (answer.status_code, answer.json()["code"]) == (404, "study-unknown")


async def test_a_segment_is_stored_and_receipted(receiver: Client, person: Person, settings: ReceiverSettings) -> None:
    await join(receiver, person)
    sealed = person.envelope(0, payload=b"what was typed")
    answer = await receiver.put(person.segment_path(0), content=sealed)
    assert answer.status_code == 201
    receipt = receipt_of(answer)
    digest = parse_envelope(sealed).digest
    assert receipt == SegmentReceipt(person.study, person.pseudonym, 1, 0, digest, NOW)
    key = f"segments/study-a/{person.pseudonym}/00000001/0000000000.overt"
    assert objects(settings) == {key: sealed}
    assert open_envelope(parse_envelope(objects(settings)[key]), CUSTODIAN) == b"what was typed"


async def test_the_same_bytes_again_give_the_same_receipt(
    receiver: Client, person: Person, clock: ManualClock, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    sealed = person.envelope(0)
    first = await receiver.put(person.segment_path(0), content=sealed)
    clock.advance(60_000)
    for _ in range(5):
        again = await receiver.put(person.segment_path(0), content=sealed)
        assert (again.status_code, again.content) == (200, first.content)
    assert len(objects(settings)) == 1


async def test_sixteen_at_once_are_stored_once(receiver: Client, person: Person, settings: ReceiverSettings) -> None:
    await join(receiver, person)
    sealed = person.envelope(0)
    answers = await asyncio.gather(*(receiver.put(person.segment_path(0), content=sealed) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert len(objects(settings)) == 1


async def test_sixteen_different_at_once_are_one_and_fifteen_conflicts(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    sealed = [person.envelope(0) for _ in range(16)]
    answers = await asyncio.gather(*(receiver.put(person.segment_path(0), content=each) for each in sealed))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    (stored,) = objects(settings).values()
    (winner,) = (answer for answer in answers if answer.status_code == 201)
    assert receipt_of(winner).digest == parse_envelope(stored).digest


async def test_other_bytes_under_the_same_number_are_a_conflict(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    first = person.envelope(0)
    await receiver.put(person.segment_path(0), content=first)
    answer = await receiver.put(person.segment_path(0), content=person.envelope(0))
    assert (answer.status_code, answer.json()["code"]) == (409, "segment-conflict")
    assert list(objects(settings).values()) == [first]


async def test_a_chain_is_taken_in_order(receiver: Client, person: Person, settings: ReceiverSettings) -> None:
    await join(receiver, person)
    for number, sealed in enumerate(person.chain(4)):
        assert (await receiver.put(person.segment_path(number), content=sealed)).status_code == 201
    assert len(objects(settings)) == 4


async def test_a_number_may_be_skipped_but_not_a_digest(receiver: Client, person: Person) -> None:
    await join(receiver, person)
    first = person.envelope(0)
    await receiver.put(person.segment_path(0), content=first)
    late = person.envelope(2, prev=first)
    assert (await receiver.put(person.segment_path(2), content=late)).status_code == 201
    back = person.envelope(1, prev=first)
    assert (await receiver.put(person.segment_path(1), content=back)).status_code == 422


def refused_bodies(person: Person, stranger: Person, first: bytes) -> dict[str, bytes]:
    """Make one body per cause for which segment 1 is refused after segment 0."""
    good = person.envelope(1, prev=first)
    foreign = seal_envelope(
        msgspec.structs.replace(stranger.header(1), prev_digest=parse_envelope(first).digest),
        b"x",
        CUSTODIAN.public,
        stranger.key,
    )
    elsewhere = RecipientSecretKey(Secret(b"\x77" * 96)).public
    header = person.header(1, recipient=elsewhere.key_id, prev_digest=parse_envelope(first).digest)
    misdirected = seal_envelope(header, b"x", elsewhere, person.key)
    return {
        "empty": b"",
        "text": b"{}",
        "truncated": good[:-1],
        "longer": good + b"\0",
        "flipped header": bytes([*good[:40], good[40] ^ 1, *good[41:]]),
        "flipped payload": bytes([*good[:600], good[600] ^ 1, *good[601:]]),
        "flipped signature": good[:-1] + bytes([good[-1] ^ 1]),
        "another person's": foreign,
        "another number's": person.envelope(2, prev=first),
        "another epoch's": person.envelope(1, prev=first, epoch=2),
        "another study's": person.envelope(1, prev=first, study="study-b"),
        "another version's": person.envelope(1, prev=first, study_version=2),
        "sealed to another key": misdirected,
        "no predecessor": person.envelope(1),
        "wrong predecessor": person.envelope(1, prev=person.envelope(0)),
        "sequence ahead": person.envelope(1, prev=first, first_seq=11),
        "sequence behind": person.envelope(1, prev=first, first_seq=9),
    }


async def test_what_is_not_right_is_refused_before_storage_with_one_constant_answer(
    receiver: Client, person: Person, stranger: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    await join(receiver, stranger)
    first = person.envelope(0)
    await receiver.put(person.segment_path(0), content=first)
    before = objects(settings)
    answers = set()
    for cause, body in refused_bodies(person, stranger, first).items():
        answer = await receiver.put(person.segment_path(1), content=body)
        assert answer.status_code == 422, cause
        answers.add((answer.content, tuple(sorted(answer.headers.items()))))
    assert len(answers) == 1
    assert objects(settings) == before


async def test_reordered_segments_are_refused(receiver: Client, person: Person) -> None:
    await join(receiver, person)
    chain = person.chain(3)
    assert (await receiver.put(person.segment_path(1), content=chain[1])).status_code == 422
    assert (await receiver.put(person.segment_path(0), content=chain[0])).status_code == 201
    assert (await receiver.put(person.segment_path(2), content=chain[2])).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/v1/studies/study-a/participants/x/segments/1/01",
        "/v1/studies/study-a/participants/x/segments/1/-1",
        "/v1/studies/study-a/participants/x/segments/1/1e3",
        "/v1/studies/study-a/participants/x/segments/1/%C2%B2",
        "/v1/studies/study-a/participants/x/segments/1/9999999999999999",
        "/v1/studies/study-a/participants/x/segments/1/2/3",
        "/v1/studies/no-such/participants/x/segments/1/1",
        "/v1/studies/no-such/participants/x/consent",
        "/v1/studies/study-a/../../etc/passwd",
        "/nowhere",
    ],
)
async def test_an_address_that_is_not_there_is_404(receiver: Client, path: str) -> None:
    answer = await receiver.put(path, content=b"x")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message"}


async def test_a_wrong_method_is_405(receiver: Client, person: Person) -> None:
    assert (await receiver.get(person.segment_path(0))).status_code == 405
    assert (await receiver.delete("/healthz")).status_code == 405


async def test_without_a_consent_record_nothing_is_stored(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    answer = await receiver.put(person.segment_path(0), content=person.envelope(0))
    assert (answer.status_code, answer.json()["code"]) == (403, "consent-missing")
    assert objects(settings) == {}


async def test_after_a_withdrawal_nothing_is_stored_and_no_replay_brings_it_back(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    assert (await receiver.put(f"{person.path}/consent", content=person.withdrawn())).status_code == 201
    assert (await receiver.put(f"{person.path}/consent", content=person.withdrawn())).status_code == 200
    replayed = await receiver.put(f"{person.path}/consent", content=person.consent())
    assert (replayed.status_code, replayed.json()["code"]) == (403, "consent-withdrawn")
    answer = await receiver.put(person.segment_path(0), content=person.envelope(0))
    assert (answer.status_code, answer.json()["code"]) == (403, "consent-withdrawn")
    assert objects(settings) == {}


async def test_a_withdrawn_record_that_was_never_seen_given_counts(receiver: Client, person: Person) -> None:
    assert (await receiver.put(f"{person.path}/consent", content=person.withdrawn())).status_code == 201
    assert (await receiver.put(f"{person.path}/consent", content=person.consent())).status_code == 403


async def test_consent_runs_out_by_itself(receiver: Client, person: Person, clock: ManualClock) -> None:
    person.record = person.give("2" * 32, expires_ms=NOW + 1000)
    await join(receiver, person)
    assert (await receiver.put(person.segment_path(0), content=person.envelope(0))).status_code == 201
    clock.advance(1000)
    follower = person.envelope(1, prev=person.envelope(0))
    answer = await receiver.put(person.segment_path(1), content=follower)
    assert (answer.status_code, answer.json()["code"]) == (403, "consent-expired")


async def test_a_consent_record_must_be_the_participants_own_and_for_a_manifest_served_here(
    receiver: Client, person: Person, stranger: Person
) -> None:
    other_version = Person(make_manifest(version=2))
    bodies = {
        "another person's": stranger.consent(),
        "an unknown manifest": other_version.consent(),
        "garbage": b"{",
        "tampered": person.consent().replace(b'"study_version":1', b'"study_version":2'),
        "another document": person.deletion(),
    }
    answers = set()
    for cause, body in bodies.items():
        answer = await receiver.put(f"{person.path}/consent", content=body)
        assert answer.status_code == 422, cause
        answers.add(answer.content)
    assert len(answers) == 1


async def test_a_body_over_the_limit_is_413_declared_or_not(receiver: Client, person: Person) -> None:
    body = b"x" * (MAX_ENVELOPE_BYTES + 1)

    async def pieces():
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    declared = await receiver.put(person.segment_path(0), content=body)
    streamed = await receiver.put(person.segment_path(0), content=pieces())
    consent = await receiver.put(f"{person.path}/consent", content=b"x" * ((1 << 20) + 1))
    assert [answer.status_code for answer in (declared, streamed, consent)] == [413] * 3


async def delete(receiver: Client, person: Person, body: bytes) -> httpx.Response:
    return await receiver.post(f"{person.path}/deletions", content=body)


def deletion_of(answer: httpx.Response) -> DeletionReceipt:
    return open_document(DELETION_RECEIPT, answer.content, DeletionReceipt, key=RECEIVER_KEY.verify_key).payload


async def upload(receiver: Client, person: Person, chain: list[bytes]) -> None:
    for number, sealed in enumerate(chain):
        assert (await receiver.put(person.segment_path(number), content=sealed)).status_code == 201


async def test_deleting_everything_erases_and_refuses_what_comes_late(
    receiver: Client, person: Person, stranger: Person, settings: ReceiverSettings, clock: ManualClock
) -> None:
    chain = person.chain(3)
    await join(receiver, person)
    await upload(receiver, person, chain[:2])
    await join(receiver, stranger)
    await upload(receiver, stranger, stranger.chain(1))
    body = person.deletion()
    answer = await delete(receiver, person, body)
    assert answer.status_code == 201
    receipt = deletion_of(answer)
    assert (receipt.segments_erased, receipt.completed_ms) == (2, NOW)
    assert len(objects(settings)) == 1
    clock.advance(5)
    assert (await delete(receiver, person, body)).content == answer.content
    for number, sealed in enumerate(chain):
        assert (await receiver.put(person.segment_path(number), content=sealed)).status_code == 403
    assert (await receiver.put(f"{person.path}/consent", content=person.consent())).status_code == 403
    assert len(objects(settings)) == 1


async def test_who_joins_again_begins_again(receiver: Client, person: Person) -> None:
    await join(receiver, person)
    await upload(receiver, person, person.chain(2))
    old = person.deletion()
    await delete(receiver, person, old)
    person.record = person.give("9" * 32, given_ms=NOW)
    await join(receiver, person)
    await upload(receiver, person, person.chain(2))
    assert (await delete(receiver, person, old)).status_code == 200
    assert (await receiver.put(person.segment_path(1), content=person.chain(2)[1])).status_code == 409


async def test_deleting_segments_leaves_the_others_and_the_chain(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    chain = person.chain(4)
    await join(receiver, person)
    await upload(receiver, person, chain[:3])
    answer = await delete(receiver, person, person.deletion([(1, 1), (1, 1)]))
    assert deletion_of(answer).segments_erased == 1
    assert len(objects(settings)) == 2
    replayed = await receiver.put(person.segment_path(1), content=chain[1])
    assert (replayed.status_code, replayed.json()["code"]) == (410, "segment-erased")
    assert (await receiver.put(person.segment_path(3), content=chain[3])).status_code == 201


async def test_what_is_left_of_a_forgotten_segment_takes_its_place_at_the_end(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    chain = person.chain(2)
    await join(receiver, person)
    await upload(receiver, person, chain)
    await delete(receiver, person, person.deletion([(1, 1)]))
    rest = person.envelope(1, prev=chain[0], payload=b"rest")
    assert (await receiver.put(person.segment_path(1), content=rest)).status_code == 201
    assert (await receiver.put(person.segment_path(1), content=chain[1])).status_code == 409
    assert (await receiver.put(person.segment_path(2), content=person.envelope(2, prev=rest))).status_code == 201
    assert rest in objects(settings).values()


async def test_a_segment_that_was_asked_to_be_erased_before_it_ever_came_can_still_come_rewritten(
    receiver: Client, person: Person
) -> None:
    await join(receiver, person)
    answer = await delete(receiver, person, person.deletion([(1, 0)]))
    assert deletion_of(answer).segments_erased == 0
    await upload(receiver, person, person.chain(2))


async def test_a_deletion_must_be_asked_by_the_participant(
    receiver: Client, person: Person, stranger: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    await upload(receiver, person, person.chain(1))
    request = msgspec.json.decode(person.deletion())["payload"]
    forged = msgspec.convert(request, type=msgspec.defstruct("Any", [(name, object) for name in request]))
    bodies = [
        sign_document(DELETION_REQUEST, forged, stranger.key),
        sign_document(DELETION_REQUEST, forged, OWNER),
        sign_document("consent-record", forged, person.key),
        stranger.deletion(),
        person.deletion([(1, -1)]),
        person.deletion().replace(b"forgotten", b"forgotteN"),
        b"",
    ]
    answers = [await delete(receiver, person, body) for body in bodies]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.content for answer in answers}) == 1
    assert len(objects(settings)) == 1


async def test_a_full_disk_is_503_with_retry_after_and_no_receipt(
    receiver: Client, person: Person, settings: ReceiverSettings
) -> None:
    await join(receiver, person)
    (settings.data / "segments").write_text("in the way")
    answer = await receiver.put(person.segment_path(0), content=person.envelope(0))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    (settings.data / "segments").unlink()
    assert (await receiver.put(person.segment_path(0), content=person.envelope(0))).status_code == 201


async def test_what_was_on_hold_when_a_new_version_was_agreed_to_still_comes(
    tmp_path: Path, clock: ManualClock
) -> None:
    new_key = RecipientSecretKey(Secret(b"\x14" * 96)).public
    versions = (make_manifest(), make_manifest(version=2, recipients=(encode_key(new_key.raw),)))
    app = create_app(ReceiverSettings(data=tmp_path / "data", studies=versions, key=RECEIVER_KEY), clock)
    old, new = Person(versions[0]), Person(versions[1])
    new.record = new.give("2" * 32)
    async with client_of(app) as receiver:
        await join(receiver, old)
        await join(receiver, new)
        # Sealed to the key of the version agreed to last, under the record of the version it was captured under.
        header = old.header(0, recipient=new_key.key_id)
        sealed = seal_envelope(header, b"x", new_key, old.key)
        assert (await receiver.put(old.segment_path(0), content=sealed)).status_code == 201
        superseded = old.consent(transition(old.record, ConsentAct.SUPERSEDE, at_ms=NOW))
        assert (await receiver.put(f"{old.path}/consent", content=superseded)).status_code == 201
        follower = old.envelope(1, prev=sealed)
        assert (await receiver.put(old.segment_path(1), content=follower)).status_code == 201
        await receiver.put(f"{new.path}/consent", content=new.withdrawn())
        last = old.envelope(2, prev=follower)
        assert (await receiver.put(old.segment_path(2), content=last)).status_code == 403
    async with app.router.lifespan_context(app):
        pass


async def test_two_replicas_on_the_same_data_store_once(
    settings: ReceiverSettings, person: Person, clock: ManualClock
) -> None:
    apps = [create_app(settings, clock) for _ in range(2)]
    clients = [client_of(app) for app in apps]
    await join(clients[0], person)
    sealed = person.envelope(0)
    answers = await asyncio.gather(*(clients[n % 2].put(person.segment_path(0), content=sealed) for n in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    for app, client in zip(apps, clients, strict=True):
        await client.aclose()
        async with app.router.lifespan_context(app):
            pass


async def test_no_answer_holds_another_key_than_the_receivers(receiver: Client, person: Person) -> None:
    await join(receiver, person)
    answer = await receiver.put(person.segment_path(0), content=person.envelope(0))
    other = SigningKey(Secret(b"\x55" * 32))
    with pytest.raises(Exception, match="another key"):
        open_document(SEGMENT_RECEIPT, answer.content, SegmentReceipt, key=other.verify_key)
