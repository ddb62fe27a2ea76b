"""Sync from a real store, by a real ledger, over real sockets, to a real receiver process."""

from __future__ import annotations

from pathlib import Path

import pytest

from event_model.envelope import open_envelope, parse_envelope
from event_model.errors import UploadError
from event_model.events import DocumentEdit
from event_model.segment import decode_segment
from local_store.forgetting import Selection
from local_store.model import SegmentState
from local_store.store import Store
from sync_client.client import SyncIncomplete
from tests.ingest_server.kit import CUSTODIAN, RECEIVER_KEY
from tests.sync_client.device import SHORT, Device, manifest_for
from tests.sync_client.front import (
    Act,
    Front,
    drip,
    endless,
    forward,
    half_answer,
    half_head,
    lose_answer,
    lose_request,
    say,
    stall,
)

pytestmark = pytest.mark.system


def received(data: Path, device: Device) -> list[str]:
    """Open what the receiver keeps of a device, as the dataset builder does; give the texts typed, in order."""
    texts = []
    for path in sorted(data.glob(f"segments/{device.study}/{device.pseudonym}/**/*.overt")):
        content = decode_segment(open_envelope(parse_envelope(path.read_bytes()), CUSTODIAN))
        texts += [event.body.inserted for event in content.events if isinstance(event.body, DocumentEdit)]
    return texts


async def states(store: Store) -> list[SegmentState]:
    return [info.state for info in await store.segments()]


async def test_what_is_past_its_hold_arrives_once_and_in_order(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one", "two", "three")
    device.pass_hold()
    await device.type(store, "not yet")
    report = await device.sync(store)
    assert (report.uploaded, report.already, report.held, report.waiting) == (3, 0, 1, 0)
    assert report.bytes_sent == sum(len(request.body) for request in front.requests)
    assert front.seen() == ["consent", "segment", "segment", "segment"]
    assert received(data, device) == ["one", "two", "three"]
    assert await states(store) == [SegmentState.UPLOADED] * 3 + [SegmentState.HELD]
    front.requests.clear()
    assert (await device.sync(store)).uploaded == 0
    assert front.seen() == []


async def test_what_has_its_envelope_goes_out_without_a_key(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one", "two", "three")
    device.pass_hold()
    front.acts = [forward, forward, *[lose_request] * 3]  # the consent, the first; the second does not arrive
    with pytest.raises(SyncIncomplete):
        await device.sync(store)
    sent = await states(store)
    assert sent == [SegmentState.UPLOADED, SegmentState.ENVELOPED, SegmentState.HELD]
    front.acts = []
    device.installation = None  # type: ignore[assignment]
    async with await Store.open(device.home, None, clock=device.clock) as keyless:
        with pytest.raises(SyncIncomplete) as caught:
            await device.sync(keyless)
        assert "without the key" in str(caught.value)
        assert await states(keyless) == [SegmentState.UPLOADED, SegmentState.UPLOADED, SegmentState.HELD]
    assert received(data, device) == ["one", "two"]


async def test_the_consent_record_is_sent_once(device: Device, store: Store, front: Front) -> None:
    for text in ("one", "two"):
        await device.type(store, text)
        device.pass_hold()
        await device.sync(store)
    assert front.seen() == ["consent", "segment", "segment"]


async def test_a_receiver_that_lost_the_consent_record_is_given_it_again(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one")
    device.pass_hold()
    await device.sync(store)
    await device.type(store, "two")
    device.pass_hold()
    front.requests.clear()
    front.acts = [say(403, b'{"code":"consent-missing","message":""}')]
    assert (await device.sync(store)).uploaded == 1
    assert front.seen() == ["segment", "consent", "segment"]
    assert received(data, device) == ["one", "two"]


@pytest.mark.parametrize("fault", [lose_answer, lose_request, half_answer, half_head])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
async def test_a_lost_request_or_answer_is_made_good_and_everything_arrives_once(
    device: Device, store: Store, front: Front, data: Path, fault: Act, at: int
) -> None:
    await device.type(store, "one", "two", "three")
    device.pass_hold()
    front.acts = [forward] * at + [fault]
    report = await device.sync(store)
    stored_before = fault is not lose_request and at > 0
    assert (report.uploaded, report.already) == (3, int(stored_before))
    assert device.slept == [1.0]
    assert received(data, device) == ["one", "two", "three"]
    assert await states(store) == [SegmentState.UPLOADED] * 3


async def test_what_one_run_could_not_finish_the_next_does_with_the_same_bytes(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one", "two")
    device.pass_hold()
    front.acts = [forward, lose_answer, lose_answer, lose_answer]
    with pytest.raises(SyncIncomplete):
        await device.sync(store)
    assert await states(store) == [SegmentState.ENVELOPED, SegmentState.HELD]
    report = await device.sync(store)
    assert (report.uploaded, report.already) == (2, 1)
    bodies = {(request.path, request.body) for request in front.requests if request.what == "segment"}
    assert len(bodies) == 2
    assert received(data, device) == ["one", "two"]


REFUSALS = [
    (say(503), "http-503", False),
    (say(500, b"oops"), "http-500", False),
    (say(429, b'{"code":"slow-down"}'), "slow-down", False),
    (say(200, b"<html>welcome to this hotel</html>"), "receipt-invalid", False),
    (say(200), "receipt-invalid", False),
    (endless, "receipt-invalid", False),
    (stall, "receiver-unreachable", False),
    (lose_request, "receiver-unreachable", False),
    (drip, "receiver-unreachable", False),
    (half_head, "receiver-unreachable", False),
    (half_answer, "receiver-unreachable", False),
    (say(307, Location="http://127.0.0.1:1/"), "http-307", True),
    (say(400), "http-400", True),
    (say(401), "http-401", True),
    (say(403, b'{"code":"consent-expired"}'), "consent-expired", True),
    (say(404, b'{"code":"study-unknown"}'), "study-unknown", True),
    (say(409, b'{"code":"segment-conflict"}'), "segment-conflict", True),
    (say(410, b'{"code":"segment-erased"}'), "segment-erased", True),
    (say(413, b'{"code":"body-too-large"}'), "body-too-large", True),
    (say(422, b'{"code":"content-refused"}'), "content-refused", True),
]


HANGING = (stall, drip)


@pytest.mark.parametrize(("act", "code", "permanent"), REFUSALS)
async def test_whatever_a_server_answers_nothing_is_lost(
    device: Device, store: Store, front: Front, data: Path, act: Act, code: str, permanent: bool
) -> None:
    patient = device.deadlines
    await device.type(store, "zero")
    device.pass_hold()
    assert (await device.sync(store)).uploaded == 1
    await device.type(store, "one", "two")
    device.pass_hold()
    front.otherwise = act
    # Only where no answer ever comes: one that comes must be heard, however slow the machine is.
    device.deadlines = SHORT if act in HANGING else patient
    with pytest.raises(UploadError) as caught:
        await device.sync(store)
    assert caught.value.code == code
    assert caught.value.hint
    assert isinstance(caught.value, SyncIncomplete)
    report = caught.value.report
    assert [problem.permanent for problem in report.problems] == [permanent]
    assert (report.uploaded, report.waiting) == (0, 2)
    assert await states(store) == [SegmentState.UPLOADED, SegmentState.ENVELOPED, SegmentState.HELD]
    front.otherwise = forward
    device.deadlines = patient
    assert (await device.sync(store)).uploaded == 2
    assert received(data, device) == ["zero", "one", "two"]


async def test_someone_elses_receipt_is_not_believed(
    device: Device, store: Store, front: Front, data: Path, tmp_path: Path
) -> None:
    """A receipt of the same receiver for another segment, and a receipt of another key, count for nothing."""
    await device.type(store, "one")
    device.pass_hold()
    await device.sync(store)
    (first,) = [info for info in await store.segments() if info.receipt]
    assert first.receipt is not None
    await device.type(store, "two")
    device.pass_hold()
    front.otherwise = say(201, first.receipt)
    with pytest.raises(SyncIncomplete, match="no receipt"):
        await device.sync(store)
    assert await states(store) == [SegmentState.UPLOADED, SegmentState.ENVELOPED]


async def test_a_receiver_with_another_key_is_not_believed(front: Front, data: Path, tmp_path: Path) -> None:
    manifest = manifest_for(front.url)
    other = Device(tmp_path / "other", manifest)
    other.manifest = manifest
    other.join()
    store = await other.open()
    try:
        await other.type(store, "one")
        other.pass_hold()
        from event_model.keys import Secret, SigningKey, encode_key
        from event_model.receipts import SEGMENT_RECEIPT, SegmentReceipt
        from event_model.signed import sign_document

        impostor = SigningKey(Secret(b"\x66" * 32))
        assert encode_key(impostor.verify_key.raw) != encode_key(RECEIVER_KEY.verify_key.raw)

        def lie(front: Front, connection, raw: bytes) -> None:  # type: ignore[no-untyped-def]
            envelope = parse_envelope(raw.partition(b"\r\n\r\n")[2])
            header = envelope.header
            receipt = SegmentReceipt(header.study, header.pseudonym, header.epoch, header.number, envelope.digest, 1)
            say(201, sign_document(SEGMENT_RECEIPT, receipt, impostor))(front, connection, raw)

        front.acts = [forward, lie, lie, lie]
        with pytest.raises(SyncIncomplete) as caught:
            await other.sync(store)
        assert caught.value.code == "receipt-invalid"
        assert received(data, other) == []
    finally:
        await store.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_to_another_host_or_anywhere(
    device: Device, store: Store, front: Front, status: int
) -> None:
    elsewhere = Front()
    try:
        await device.type(store, "one")
        device.pass_hold()
        front.otherwise = say(status, Location=f"{elsewhere.url}/v1/")
        with pytest.raises(SyncIncomplete) as caught:
            await device.sync(store)
        assert caught.value.code == f"http-{status}"
        assert elsewhere.requests == []
        assert front.seen() == ["consent"]
    finally:
        elsewhere.close()


async def test_retry_after_is_waited_for_and_a_long_one_ends_the_run(
    device: Device, store: Store, front: Front
) -> None:
    await device.type(store, "one")
    device.pass_hold()
    front.acts = [say(503, Retry_After="20"), forward, say(429, Retry_After="7")]
    assert (await device.sync(store)).uploaded == 1
    assert device.slept == [20.0, 7.0]
    await device.type(store, "two")
    device.pass_hold()
    front.acts = [say(503, Retry_After="1800")]
    with pytest.raises(SyncIncomplete) as caught:
        await device.sync(store)
    assert caught.value.report.problems[0].retry_ms == 1_800_000
    assert device.slept == [20.0, 7.0]


async def test_a_receiver_that_is_down_is_an_upload_error_with_a_hint(tmp_path: Path) -> None:
    gone = Front()
    gone.close()
    device = Device(tmp_path / "home", manifest_for(gone.url))
    device.join()
    store = await device.open()
    try:
        await device.type(store, "one")
        device.pass_hold()
        with pytest.raises(UploadError) as caught:
            await device.sync(store)
        assert caught.value.code == "receiver-unreachable"
        assert "Nothing is lost" in caught.value.hint
        assert device.slept == [1.0, 4.0]
        assert await states(store) == [SegmentState.HELD]
    finally:
        await store.close()


async def test_a_damaged_segment_is_set_aside_and_the_others_go(device: Device, store: Store, data: Path) -> None:
    await device.type(store, "one", "two", "three")
    device.pass_hold()

    def damage(connection) -> None:  # type: ignore[no-untyped-def]
        connection.execute(
            "UPDATE segments SET body = zeroblob(length(body)) WHERE number = 1 + (SELECT min(number) FROM segments)"
        )

    await store._database.write(damage)
    report = await device.sync(store)
    assert (report.uploaded, report.damaged) == (2, 1)
    assert received(data, device) == ["one", "three"]


async def test_after_leaving_nothing_but_the_deletion_goes_out(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one", "two")
    device.pass_hold()
    await device.sync(store)
    await device.type(store, "three")
    device.pass_hold()
    front.requests.clear()
    device.leave()
    report = await device.sync(store)
    assert (report.uploaded, report.deletions_settled, report.deletions_waiting) == (0, 1, 0)
    assert front.seen() == ["deletions"]
    assert received(data, device) == []
    assert device.ledger.outbox() == []


async def test_a_deletion_goes_out_while_capture_is_paused(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    (info, _) = await device.type(store, "one", "two")
    device.pass_hold()
    await device.sync(store)
    device.ledger.pause(None, device.clock.wall_ms())
    device.ledger.request_deletion(
        device.study,
        segments=((info.epoch, info.number),),
        installation=device.installation,
        now_ms=device.clock.wall_ms(),
        reason="forgotten",
    )
    assert (await device.sync(store)).deletions_settled == 1
    assert received(data, device) == ["two"]


@pytest.mark.parametrize("fault", [lose_answer, lose_request, half_answer, say(200, b"{}"), say(503)])
async def test_a_deletion_is_asked_until_its_receipt_is_here(
    device: Device, store: Store, front: Front, data: Path, fault: Act
) -> None:
    await device.type(store, "one")
    device.pass_hold()
    await device.sync(store)
    device.leave()
    front.otherwise = fault
    with pytest.raises(SyncIncomplete) as caught:
        await device.sync(store)
    assert caught.value.report.deletions_waiting == 1
    front.otherwise = forward
    assert (await device.sync(store)).deletions_settled == 1
    assert received(data, device) == []


async def test_who_left_and_joined_again_is_erased_first_and_then_sends(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "old")
    device.pass_hold()
    await device.sync(store)
    device.leave()
    await store.forget_study(device.study)
    device.clock.advance(1000)
    device.join()
    await device.type(store, "new")
    device.pass_hold()
    front.requests.clear()
    front.acts = [say(503)] * 3
    with pytest.raises(SyncIncomplete):
        await device.sync(store)
    assert front.seen() == ["deletions"] * 3
    assert (await device.sync(store)).uploaded == 1
    assert received(data, device) == ["new"]


async def test_what_was_on_hold_when_the_person_agreed_anew_goes_under_the_old_record(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "under the first")
    device.clock.advance(1000)
    device.join()
    await device.type(store, "under the second")
    device.pass_hold()
    assert (await device.sync(store)).uploaded == 2
    assert front.seen() == ["consent", "consent", "segment", "segment"]
    assert received(data, device) == ["under the first", "under the second"]


async def test_leaving_while_a_run_goes_on_ends_it_before_the_next_body(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    await device.type(store, "one", "two")
    device.pass_hold()

    def leave_then_forward(front: Front, connection, raw: bytes) -> None:  # type: ignore[no-untyped-def]
        device.leave()
        forward(front, connection, raw)

    front.acts = [leave_then_forward]
    report = await device.sync(store)
    assert report.uploaded == 0
    assert front.seen() == ["consent", "deletions"]
    assert received(data, device) == []


async def test_a_segment_forgotten_after_a_lost_answer_is_erased_there_and_sent_anew(
    device: Device, store: Store, front: Front, data: Path
) -> None:
    (info,) = await device.type(store, "password")
    await device.type(store, "harmless")
    device.pass_hold()
    front.acts = [forward, lose_answer, lose_answer, lose_answer]
    with pytest.raises(SyncIncomplete):
        await device.sync(store)
    assert received(data, device) == ["password"]
    forgotten = await store.forget(Selection(study=device.study, session=info.session, indexes=frozenset({1})))
    assert forgotten.uploaded_segments == ((device.study, info.epoch, info.number),)
    device.ledger.request_deletion(
        device.study,
        segments=((info.epoch, info.number),),
        installation=device.installation,
        now_ms=device.clock.wall_ms(),
        reason="forgotten",
    )
    report = await device.sync(store)
    assert (report.deletions_settled, report.uploaded) == (1, 2)
    assert received(data, device) == ["harmless"]


async def test_the_same_when_no_deletion_was_asked_for(device: Device, store: Store, front: Front, data: Path) -> None:
    (info,) = await device.type(store, "password")
    device.pass_hold()
    front.acts = [forward, lose_answer, lose_answer, lose_answer]
    with pytest.raises(SyncIncomplete):
        await device.sync(store)
    await store.forget(Selection(study=device.study, session=info.session, indexes=frozenset({1})))
    report = await device.sync(store)
    assert (report.deletions_settled, report.uploaded) == (1, 1)
    assert received(data, device) == []
    assert await states(store) == [SegmentState.UPLOADED]


async def test_progress_tells_each_step(device: Device, store: Store) -> None:
    from sync_client.client import SyncProgress, sync

    await device.type(store, "one", "two")
    device.pass_hold()
    told: list[SyncProgress] = []
    await sync(
        store=store, ledger=device.ledger, installation=device.installation, clock=device.clock, progress=told.append
    )
    assert [(step.done, step.total) for step in told] == [(0, 2), (1, 2), (2, 2)]
    assert told[-1].bytes_sent > 0


async def test_another_study_than_the_one_asked_for_is_left_alone(device: Device, store: Store, front: Front) -> None:
    from sync_client.client import sync

    await device.type(store, "one")
    device.pass_hold()
    report = await sync(
        store=store,
        ledger=device.ledger,
        installation=device.installation,
        clock=device.clock,
        study="study-b",  # type: ignore[arg-type]
    )
    assert (report.uploaded, front.seen()) == (0, [])
