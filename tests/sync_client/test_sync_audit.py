"""A device follows the real receiver's audit log, and finds a log that was rewritten, cut or forked."""

from __future__ import annotations

import base64

import httpx
import msgspec
import pytest

from event_model.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from event_model.errors import AuditError, UploadError
from event_model.keys import Secret, SigningKey
from event_model.log_entries import LogEntry, LogKind, encode_entry, subject_of
from event_model.merkle import consistency_path, leaf_hash, new_nodes, root_of
from event_model.receipts import DELETION_RECEIPT, DELETION_REQUEST, DeletionReceipt, DeletionRequest
from event_model.signed import open_document
from local_store.store import Store
from overt.audit import check_kept, openings, tellings
from sync_client.audit import AuditFolder, VerifiedLog, check_foreign, follow_log, kept_log, read_log
from sync_client.report import SyncIncomplete
from sync_client.transport import Deadlines, Transport
from tests.ingest_server.kit import NOW, RECEIVER_KEY
from tests.sync_client.device import Device
from tests.sync_client.front import Act, Front, Request, forward, say

KEY = RECEIVER_KEY.verify_key
PURPOSE = "Train the completion model, first round"


class ForgedLog:
    """What a dishonest receiver, which has the real key, may serve instead."""

    def __init__(self, device: Device, *entries: LogEntry) -> None:
        self.origin = f"overt/{device.study}"
        self.entries = [encode_entry(entry) for entry in entries]
        self._nodes: dict[tuple[int, int], bytes] = {}
        for size, data in enumerate(self.entries):
            for level, index, value in new_nodes(size, leaf_hash(data), self.node):
                self._nodes[level, index] = value

    def node(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def checkpoint(self, size: int | None = None, key: SigningKey = RECEIVER_KEY) -> bytes:
        size = len(self.entries) if size is None else size
        return sign_checkpoint(Checkpoint(self.origin, size, root_of(size, self.node)), key)

    def __call__(self, front: Front, connection: object, raw: bytes) -> None:
        path = Request(raw).path
        query = dict(part.split("=") for part in path.partition("?")[2].split("&") if part)
        if "/checkpoint" in path:
            body = self.checkpoint()
        elif "/consistency" in path:
            proof = consistency_path(int(query["first"]), int(query["second"]), self.node)
            body = msgspec.json.encode({"path": proof})
        else:
            body = msgspec.json.encode({"entries": self.entries[int(query["start"]) : int(query["end"])]})
        say(200, body)(front, connection, raw)  # type: ignore[arg-type]


@pytest.fixture
def folder(device: Device) -> AuditFolder:
    return AuditFolder(device.home)


@pytest.fixture
async def transport(front: Front):
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Transport(http, front.url, Deadlines())


def entry(device: Device, number: int, **changes: object) -> LogEntry:
    made = LogEntry(LogKind.KEY_OPENING, device.study, NOW + number, by=("custodian-1",), purpose=PURPOSE)
    return msgspec.structs.replace(made, **changes)


async def test_sync_keeps_the_checkpoint_and_the_whole_log_is_verified(
    device: Device, store: Store, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    device.audit = folder
    await device.type(store, "a = 1")
    device.pass_hold()
    await device.sync(store)
    first = open_checkpoint(folder.checkpoint(device.study) or b"", origin=f"overt/{device.study}", key=KEY)
    await device.sync(store)
    second = open_checkpoint(folder.checkpoint(device.study) or b"", origin=f"overt/{device.study}", key=KEY)
    assert second.size == first.size + 1  # this person's enrolment came with the first upload
    log = await read_log(transport, folder, study=device.study, key=KEY)
    assert log is not None
    told = [each for each in tellings(log, device.pseudonym) if each.mine]
    assert [each.text for each in told] == ["you joined the study"]
    assert subject_of(device.study, device.pseudonym) == log.entries[told[0].index].subject
    assert kept_log(folder, study=device.study, key=KEY) == log


async def test_a_longer_log_is_followed_and_openings_are_told(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    entries = [entry(device, number) for number in range(11)]
    assert openings(folder, device.ledger, device.study) is None
    for length in (1, 2, 3, 8, 11):
        front.otherwise = ForgedLog(device, *entries[:length])
        log = await read_log(transport, folder, study=device.study, key=KEY)
        assert log is not None
        assert log.entries == tuple(entries[:length])
    assert [each.entries for each in check_kept(folder, device.ledger, [device.study])] == [11]
    told = openings(folder, device.ledger, device.study)
    assert told is not None
    assert [(each.purpose, each.by) for each in told] == [(PURPOSE, ("custodian-1",))] * 11
    assert [each.index for each in told] == list(range(10, -1, -1))


def rewritten(device: Device) -> Act:
    return ForgedLog(device, *(entry(device, number + (number == 2)) for number in range(9)))


def cut(device: Device) -> Act:
    return ForgedLog(device, *(entry(device, number) for number in range(4)))


def same_size(device: Device) -> Act:
    return ForgedLog(device, *(entry(device, number + 1) for number in range(5)))


def no_proof(device: Device) -> Act:
    honest = ForgedLog(device, *(entry(device, number) for number in range(9)))

    def act(front: Front, connection: object, raw: bytes) -> None:
        if "/consistency" in Request(raw).path:
            say(200, b'{"path":[]}')(front, connection, raw)  # type: ignore[arg-type]
        else:
            honest(front, connection, raw)

    return act


@pytest.mark.parametrize("forge", [rewritten, cut, same_size, no_proof])
async def test_a_rewritten_cut_or_forked_log_is_found_and_nothing_more_is_sent(
    device: Device, store: Store, front: Front, folder: AuditFolder, transport: Transport, forge: object
) -> None:
    front.otherwise = ForgedLog(device, *(entry(device, number) for number in range(5)))
    await follow_log(transport, folder, study=device.study, key=KEY)
    kept = folder.checkpoint(device.study)
    front.otherwise = forge(device)  # type: ignore[operator]
    with pytest.raises(AuditError) as caught:
        await follow_log(transport, folder, study=device.study, key=KEY)
    assert caught.value.code == "log-rewritten"
    assert folder.checkpoint(device.study) == kept
    (proof,) = folder.evidence(device.study)
    open_checkpoint(proof.read_bytes(), origin=f"overt/{device.study}", key=KEY)
    front.requests.clear()
    front.otherwise = forward
    device.audit = folder
    await device.type(store, "b = 2")
    device.pass_hold()
    with pytest.raises(SyncIncomplete) as incomplete:
        await device.sync(store)
    assert [problem.code for problem in incomplete.value.report.problems] == ["log-rewritten"]
    assert front.seen() == []
    with pytest.raises(AuditError):
        openings(folder, device.ledger, device.study)
    (checked,) = check_kept(folder, device.ledger, [device.study])
    assert (checked.entries, checked.problem) == (None, "log-rewritten")
    folder.start_anew(device.study)
    report = await device.sync(store)
    assert report.uploaded == 1
    assert list((device.home / "audit").glob("*.seen-*"))


async def test_a_log_that_vanished_is_found(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    front.otherwise = say(404, b"{}")
    assert await follow_log(transport, folder, study=device.study, key=KEY) is None
    front.otherwise = ForgedLog(device, entry(device, 0))
    await follow_log(transport, folder, study=device.study, key=KEY)
    front.otherwise = say(404, b"{}")
    with pytest.raises(AuditError) as caught:
        await follow_log(transport, folder, study=device.study, key=KEY)
    assert caught.value.code == "log-missing"


async def test_a_checkpoint_by_another_key_is_no_checkpoint(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    other = SigningKey(Secret(b"\x77" * 32))
    front.otherwise = say(200, ForgedLog(device, entry(device, 0)).checkpoint(key=other))
    with pytest.raises(AuditError) as caught:
        await follow_log(transport, folder, study=device.study, key=KEY)
    assert caught.value.code == "log-signature"
    assert folder.checkpoint(device.study) is None


async def test_entries_other_than_the_signed_ones_are_found(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    honest = ForgedLog(device, *(entry(device, number) for number in range(3)))

    def hide(front: Front, connection: object, raw: bytes) -> None:
        if "/entries" in Request(raw).path:
            shown = [
                honest.entries[0],
                encode_entry(entry(device, 1, purpose="Nothing to see here")),
                honest.entries[2],
            ]
            say(200, msgspec.json.encode({"entries": shown}))(front, connection, raw)  # type: ignore[arg-type]
        else:
            honest(front, connection, raw)

    front.otherwise = hide
    with pytest.raises(AuditError) as caught:
        await read_log(transport, folder, study=device.study, key=KEY)
    assert caught.value.code == "log-entries"
    for answer in (b'{"entries":[]}', b'{"entries":["' + base64.b64encode(bytes(9999)) + b'"]}', b"\xff", b"[]"):

        def lie(front: Front, connection: object, raw: bytes, answer: bytes = answer) -> None:
            (say(200, answer) if "/entries" in Request(raw).path else honest)(front, connection, raw)  # type: ignore[arg-type]

        front.otherwise = lie
        with pytest.raises(AuditError):
            await read_log(transport, folder, study=device.study, key=KEY)


async def test_what_lies_here_damaged_is_read_anew(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    front.otherwise = ForgedLog(device, *(entry(device, number) for number in range(5)))
    log = await read_log(transport, folder, study=device.study, key=KEY)
    path = device.home / "audit" / f"{device.study}.log"
    path.write_bytes(path.read_bytes().replace(b"first", b"other"))
    with pytest.raises(AuditError):
        kept_log(folder, study=device.study, key=KEY)
    assert await read_log(transport, folder, study=device.study, key=KEY) == log


async def test_two_people_who_were_shown_two_logs_find_out(
    device: Device, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    mine = ForgedLog(device, *(entry(device, number) for number in range(6)))
    front.otherwise = mine
    log = await read_log(transport, folder, study=device.study, key=KEY)
    assert isinstance(log, VerifiedLog)
    same = check_foreign(mine.checkpoint(4), folder, log, study=device.study, key=KEY)
    assert same.size == 4
    theirs = ForgedLog(device, *(entry(device, number + 1) for number in range(4)))
    with pytest.raises(AuditError) as caught:
        check_foreign(theirs.checkpoint(), folder, log, study=device.study, key=KEY)
    assert caught.value.code == "log-rewritten"
    assert folder.evidence(device.study)


@pytest.mark.parametrize("status", [500, 503, 301])
async def test_a_log_that_can_not_be_read_now_does_not_stop_the_upload(
    device: Device, store: Store, front: Front, folder: AuditFolder, transport: Transport, status: int
) -> None:
    front.otherwise = say(status, b"")
    with pytest.raises(UploadError):
        await follow_log(transport, folder, study=device.study, key=KEY)
    front.otherwise = forward
    front.acts = [say(status, b"")]
    device.audit = folder
    await device.type(store, "c = 3")
    device.pass_hold()
    assert (await device.sync(store)).uploaded == 1


async def test_the_receipt_of_an_erasure_is_kept_and_the_log_names_it(
    device: Device, store: Store, front: Front, folder: AuditFolder, transport: Transport
) -> None:
    device.audit = folder
    await device.type(store, "d = 4")
    device.pass_hold()
    await device.sync(store)
    (info,) = await store.segments()
    path = device.ledger.request_deletion(
        device.study,
        segments=((info.epoch, info.number),),
        installation=device.installation,
        now_ms=NOW,
        reason="forgotten",
    )
    request = path.read_bytes()
    await device.sync(store)
    (kept,) = folder.receipts(device.study)
    receipt = open_document(DELETION_RECEIPT, kept.read_bytes(), DeletionReceipt, key=KEY).payload
    assert receipt.request == open_document(DELETION_REQUEST, request, DeletionRequest).digest
    log = await read_log(transport, folder, study=device.study, key=KEY)
    assert log is not None
    told = [each.text for each in tellings(log, device.pseudonym) if each.mine]
    assert told == ["you joined the study", f"{receipt.segments_erased} segment of yours were erased on request"]
    assert log.entries[-1].digest == receipt.request
