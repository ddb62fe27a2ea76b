"""The participant's eye on a study's audit log: every checkpoint must go on where the last one ended.

``audit/`` below ``OVERT_HOME`` holds, for each study, the last checkpoint (``.checkpoint``), the entries as last read
(``.log``) with the checkpoint they were verified against (``.log-checkpoint``), and, when a log was rewritten or
forked, the signed checkpoint that proves it (``.forked-...``); and the receipts of erasures (``.erased-...``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from consent_ledger.files import make_private_folder, write_files
from event_model.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, open_checkpoint, origin_of
from event_model.errors import AuditError, UploadError
from event_model.ids import StudyId
from event_model.keys import VerifyKey
from event_model.log_entries import MAX_ENTRY_BYTES, LogEntry, decode_entry
from event_model.merkle import EMPTY_ROOT, check_consistency, leaf_hash, new_nodes, root_of
from sync_client.answers import Answer
from sync_client.transport import Transport

MAX_ANSWER_BYTES = 4 << 20
"""A thousand entries have some 300 kB."""

MAX_ENTRIES = 1_000_000
"""What is read of one log: more than any study has, and 200 MB."""

PAGE = 1000

_OK, _NOT_FOUND = 200, 404


class _Entries(msgspec.Struct, frozen=True):
    entries: list[bytes]


class _Path(msgspec.Struct, frozen=True):
    path: list[bytes]


class VerifiedLog(msgspec.Struct, frozen=True):
    """All entries of a log up to a checkpoint, whose root they make."""

    study: StudyId
    size: int
    entries: tuple[LogEntry, ...]


class AuditFolder:
    """What is kept of the logs on this machine."""

    def __init__(self, home: Path) -> None:
        self._path = home / "audit"

    def checkpoint(self, study: StudyId) -> bytes | None:
        """Give the last checkpoint, as it came."""
        return self._read(f"{study}.checkpoint")

    def keep(self, study: StudyId, checkpoint: bytes) -> None:
        """Keep a checkpoint in place of the last one. StoreUnwritable: if there is no space."""
        self._write({f"{study}.checkpoint": checkpoint})

    def log(self, study: StudyId) -> tuple[list[bytes], bytes | None]:
        """Give the entries as last read, and the checkpoint they belong to."""
        return (self._read(f"{study}.log") or b"").splitlines(), self._read(f"{study}.log-checkpoint")

    def keep_log(self, study: StudyId, entries: Sequence[bytes], checkpoint: bytes) -> None:
        """Keep entries that were verified. StoreUnwritable: if there is no space."""
        data = b"".join(entry + b"\n" for entry in entries)
        self._write({f"{study}.log": data, f"{study}.log-checkpoint": checkpoint})

    def evidence(self, study: StudyId) -> list[Path]:
        """Name the checkpoints that prove a fork or a rewriting."""
        return sorted(self._path.glob(f"{study}.forked-*"))

    def keep_evidence(self, study: StudyId, checkpoint: bytes) -> None:
        """Keep a checkpoint that contradicts the last one."""
        self._write({f"{study}.forked-{hashlib.sha256(checkpoint).hexdigest()[:16]}": checkpoint})

    def keep_receipt(self, study: StudyId, request: str, receipt: bytes) -> None:
        """Keep the receiver's signed word that something was erased. StoreUnwritable: if there is no space."""
        self._write({f"{study}.erased-{request[:16]}.json": receipt})

    def receipts(self, study: StudyId) -> list[Path]:
        """Name the receipts of erasure."""
        return sorted(self._path.glob(f"{study}.erased-*.json"))

    def start_anew(self, study: StudyId) -> None:
        """Forget what was followed so far, but not the evidence: it is moved aside as ``.seen-...``."""
        for path in self.evidence(study):
            path.rename(path.with_name(path.name.replace(".forked-", ".seen-")))
        for name in ("checkpoint", "log", "log-checkpoint"):
            (self._path / f"{study}.{name}").unlink(missing_ok=True)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, files: dict[str, bytes]) -> None:
        make_private_folder(self._path)
        write_files([(self._path / name, data) for name, data in files.items()])


async def follow_log(transport: Transport, folder: AuditFolder, *, study: StudyId, key: VerifyKey) -> Checkpoint | None:
    """Fetch a checkpoint, check that it goes on where the kept one ended, and keep it; None if there is no log.

    AuditError: if the log was rewritten or forked, now or at an earlier look; the proof is kept. UploadError: if the
    receiver can't be reached.
    """
    if folder.evidence(study):
        raise _rewritten(study)
    answer = await _get(transport, f"/v1/studies/{study}/log/checkpoint", limit=MAX_CHECKPOINT_BYTES + 1)
    kept = folder.checkpoint(study)
    if answer.status == _NOT_FOUND and kept is None:
        return None
    data = _content(answer)
    found = open_checkpoint(data, origin=origin_of(study), key=key)
    if kept is not None:
        before = open_checkpoint(kept, origin=origin_of(study), key=key)
        path = await _consistency(transport, study, before, found)
        try:
            check_consistency(before.size, found.size, before.root, found.root, path)
        except AuditError as error:
            folder.keep_evidence(study, data)
            raise _rewritten(study) from error
    if data != kept:
        folder.keep(study, data)
    return found


async def read_log(transport: Transport, folder: AuditFolder, *, study: StudyId, key: VerifyKey) -> VerifiedLog | None:
    """Fetch the entries that are new, and check that all together make the checkpoint; None if there is no log.

    AuditError: as ``follow_log``, and if entries are missing or changed. UploadError: if the receiver can't be reached.
    """
    checkpoint = await follow_log(transport, folder, study=study, key=key)
    if checkpoint is None:
        return None
    if checkpoint.size > MAX_ENTRIES:
        raise AuditError("this log is too long to be read here", code="log-range")
    entries = folder.log(study)[0][: checkpoint.size]
    try:
        await _complete(transport, study, entries, checkpoint)
        verified = _verified(study, entries, checkpoint)
    except AuditError:
        if not entries:
            raise
        # What lies here may be damaged: once more, from the first entry on.
        entries = []
        await _complete(transport, study, entries, checkpoint)
        verified = _verified(study, entries, checkpoint)
    folder.keep_log(study, entries, folder.checkpoint(study) or b"")
    return verified


def kept_log(folder: AuditFolder, *, study: StudyId, key: VerifyKey) -> VerifiedLog | None:
    """Give the entries as last read, verified again, without the network; None if they never were.

    AuditError: if what is kept does not hold, or the log was found rewritten.
    """
    if folder.evidence(study):
        raise _rewritten(study)
    entries, data = folder.log(study)
    if data is None:
        return None
    return _verified(study, entries, open_checkpoint(data, origin=origin_of(study), key=key))


def check_foreign(found: bytes, folder: AuditFolder, log: VerifiedLog, *, study: StudyId, key: VerifyKey) -> Checkpoint:
    """Compare a checkpoint that another participant was shown with one's own log: the same log, or a split view.

    AuditError: if it is no beginning of the log as read here; the proof is kept.
    """
    checkpoint = open_checkpoint(found, origin=origin_of(study), key=key)
    if checkpoint.size > log.size:
        raise AuditError("that checkpoint is newer than this log; run `overt audit` again", code="log-newer", hint="")
    if _root(folder.log(study)[0][: checkpoint.size]) != checkpoint.root:
        folder.keep_evidence(study, found)
        raise _rewritten(study)
    return checkpoint


async def _consistency(transport: Transport, study: StudyId, before: Checkpoint, after: Checkpoint) -> list[bytes]:
    if before.size in (0, after.size) or before.size > after.size:
        return []
    query = f"first={before.size}&second={after.size}"
    answer = await _get(transport, f"/v1/studies/{study}/log/consistency?{query}", limit=MAX_ANSWER_BYTES)
    try:
        return msgspec.json.decode(_content(answer), type=_Path).path
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []  # no proof: the check fails


async def _complete(transport: Transport, study: StudyId, entries: list[bytes], checkpoint: Checkpoint) -> None:
    while len(entries) < checkpoint.size:
        start, end = len(entries), min(len(entries) + PAGE, checkpoint.size)
        path = f"/v1/studies/{study}/log/entries?start={start}&end={end}"
        answer = await _get(transport, path, limit=MAX_ANSWER_BYTES)
        try:
            found = msgspec.json.decode(_content(answer), type=_Entries).entries
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise AuditError("the log's entries can't be read", code="log-malformed") from error
        if not found or len(found) > end - start or any(len(each) > MAX_ENTRY_BYTES for each in found):
            raise AuditError("the log gives other entries than it says it has", code="log-entries")
        entries += found


def _verified(study: StudyId, entries: Sequence[bytes], checkpoint: Checkpoint) -> VerifiedLog:
    if len(entries) != checkpoint.size or _root(entries) != checkpoint.root:
        raise AuditError("the log's entries are not those that its checkpoint stands for", code="log-entries")
    return VerifiedLog(study, checkpoint.size, tuple(decode_entry(entry) for entry in entries))


def _root(entries: Sequence[bytes]) -> bytes:
    nodes: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        return nodes[level, index]

    for size, entry in enumerate(entries):
        for level, index, value in new_nodes(size, leaf_hash(entry), node):
            nodes[level, index] = value
    return root_of(len(entries), node) if entries else EMPTY_ROOT


async def _get(transport: Transport, path: str, *, limit: int) -> Answer:
    return await transport.send("GET", path, b"", may_go=lambda: True, limit=limit)


def _content(answer: Answer) -> bytes:
    if answer.status == _NOT_FOUND:
        raise AuditError("the receiver has lost the study's log", code="log-missing")
    if answer.status != _OK:
        note = answer.note or f"it answered {answer.status}"
        raise UploadError(f"the study's log can't be read: {note}", code="log-unreachable", hint="Try again later.")
    return answer.body


def _rewritten(study: StudyId) -> AuditError:
    return AuditError(
        f"the audit log of {study} was rewritten: what it says now is not what it said before",
        code="log-rewritten",
        hint=(
            "Nothing more is sent to this study. The signed proof lies in the folder audit/; show it to the study's "
            "contact and to others. `overt leave` works; `overt audit --start-anew` goes on with the log as it is now."
        ),
    )
