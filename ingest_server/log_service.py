"""The audit logs without HTTP: checkpoints, proofs, entries, and what members of a study have written into them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence

from event_model.checkpoint import Checkpoint, origin_of, sign_checkpoint
from event_model.clock import Clock
from event_model.errors import AuditError, CryptoError, FormatError, ReceiverError
from event_model.ids import StudyId
from event_model.keys import SigningKey
from event_model.log_entries import (
    LOG_STATEMENT,
    WITH_PURPOSE,
    LogEntry,
    LogProof,
    LogStatement,
    check_purpose,
    encode_entry,
)
from event_model.merkle import Node, consistency_path, inclusion_path, root_of
from event_model.roles import Roles
from event_model.signed import Signed, open_document
from ingest_server.metadata import Metadata
from ingest_server.rows import LogRow

MAX_ENTRIES = 1000
"""Entries in one answer: some 200 kB."""

MAX_STATERS = 16
"""Members who state one thing together: SLIP-39 knows no more shares."""

MAX_STATEMENT_AGE_MS = 10 * 60 * 1000
"""How old a statement may be: what was signed long ago can't be brought forward later."""


NONCE_CHARACTERS = 32
MAX_TEXT_CHARACTERS = 500

_Prove = Callable[[Node], list[bytes]]


def log_row(entry: LogEntry, occasion: str) -> LogRow:
    """Make the row of an entry."""
    return LogRow(encode_entry(entry), hashlib.sha256(occasion.encode()).hexdigest())


class StudyLogs:
    """The logs of the studies served."""

    def __init__(self, roles: Mapping[StudyId, Roles], *, key: SigningKey, metadata: Metadata, clock: Clock) -> None:
        self._roles = roles
        self._key = key
        self._metadata = metadata
        self._clock = clock

    async def checkpoint(self, study: StudyId) -> bytes:
        """Sign how the log stands. ReceiverError: 404."""
        self._known(study)
        size, root = await self._metadata.log_view(study, _state)
        return self._signed(study, size, root)

    async def entries(self, study: StudyId, start: int, end: int) -> list[bytes]:
        """Read entries from ``start`` up to ``end``, at most ``MAX_ENTRIES`` of them. ReceiverError: 404."""
        self._known(study)
        return await self._metadata.log_entries(study, start, min(end, start + MAX_ENTRIES))

    async def inclusion(self, study: StudyId, index: int, size: int) -> list[bytes]:
        """Prove that an entry is among the first ``size``. ReceiverError: 404."""
        self._known(study)
        return await self._proof(study, size, lambda node: inclusion_path(index, size, node))

    async def consistency(self, study: StudyId, first: int, second: int) -> list[bytes]:
        """Prove that a smaller log is the beginning of a larger one. ReceiverError: 404."""
        self._known(study)
        return await self._proof(study, second, lambda node: consistency_path(first, second, node))

    async def state(self, study: StudyId, documents: Sequence[bytes]) -> LogProof:
        """Write what members of the study state together, and prove that it stands there. ReceiverError: 403, 404."""
        roles = self._known(study)
        signed = _read_statements(documents)
        statement = signed[0].payload
        if statement.study != study or abs(self._clock.wall_ms() - statement.stated_ms) > MAX_STATEMENT_AGE_MS:
            raise _refused()
        try:
            names = roles.stating(statement.kind, [each.key for each in signed])
            purpose = check_purpose(statement.purpose) if statement.kind in WITH_PURPOSE else statement.purpose
        except AuditError as error:
            raise _refused() from error
        entry = LogEntry(
            kind=statement.kind,
            study=study,
            at_ms=self._clock.wall_ms(),
            by=names,
            purpose=purpose,
            digest=statement.digest,
            count=statement.count,
        )
        return await self._append(study, log_row(entry, f"statement {signed[0].digest}"))

    async def _append(self, study: StudyId, row: LogRow) -> LogProof:
        index = await self._metadata.append_entry(study, row)
        # What was stated before is answered with the entry of then.
        (data,) = await self._metadata.log_entries(study, index, index + 1)

        def view(size: int, node: Node) -> tuple[int, bytes, list[bytes]]:
            return size, root_of(size, node), inclusion_path(index, size, node)

        size, root, path = await self._metadata.log_view(study, view)
        checkpoint = self._signed(study, size, root).decode()
        return LogProof(base64.b64encode(data).decode(), index, checkpoint, tuple(path))

    async def _proof(self, study: StudyId, size: int, prove: _Prove) -> list[bytes]:
        def view(now: int, node: Node) -> list[bytes]:
            if size > now:
                raise AuditError("the log is not that long", code="log-range")
            return prove(node)

        try:
            return await self._metadata.log_view(study, view)
        except AuditError as error:
            raise ReceiverError("the log has no such place", status=404, code="log-range") from error

    def _signed(self, study: StudyId, size: int, root: bytes) -> bytes:
        return sign_checkpoint(Checkpoint(origin_of(study), size, root), self._key)

    def _known(self, study: StudyId) -> Roles:
        roles = self._roles.get(study)
        if roles is None:
            raise ReceiverError("no such study here", status=404, code="study-unknown")
        return roles


def _state(size: int, node: Node) -> tuple[int, bytes]:
    return size, root_of(size, node)


def _read_statements(documents: Sequence[bytes]) -> list[Signed[LogStatement]]:
    if not 1 <= len(documents) <= MAX_STATERS:
        raise _refused()
    try:
        signed = [open_document(LOG_STATEMENT, data, LogStatement) for data in documents]
    except (FormatError, CryptoError) as error:
        raise _refused() from error
    if len({each.digest for each in signed}) != 1:
        raise _refused()
    statement = signed[0].payload
    texts = (statement.nonce, statement.purpose, statement.digest)
    if len(statement.nonce) != NONCE_CHARACTERS or any(len(text) > MAX_TEXT_CHARACTERS for text in texts):
        raise _refused()
    return signed


def _refused() -> ReceiverError:
    return ReceiverError("this statement is not accepted", status=403, code="statement-refused")
