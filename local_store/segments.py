"""Sealed segments: one row each, encrypted under a data key of its own. Each method runs in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from event_model.errors import DecryptError, SegmentError, StoreConflict, StoreDamaged
from event_model.ids import RecordId, SessionId, StudyId
from event_model.segment import SegmentContent, SegmentHeader, decode_segment, may_hold
from local_store import vault
from local_store.model import SegmentAct, SegmentInfo, SegmentState, transition
from local_store.sessions import Keys, SessionRow, StudyRow, rotten

_INFO = """
    SELECT t.study, g.epoch, g.number, s.session, s.source, s.consent_record, g.first_seq, g.count, g.first_index,
        g.sealed_ms, g.first_wall_ms, g.last_wall_ms, g.size, g.state, g.revision, g.digest, g.receipt
    FROM segments g JOIN sessions s ON s.no = g.session JOIN studies t ON t.no = g.study
    WHERE g.epoch >= t.forgotten_below"""

_STATES = {each.value: each for each in SegmentState}
"""A state that rotted is that of a segment which is set aside."""

_ON_THE_WAY = (SegmentState.HELD.value, SegmentState.ENVELOPED.value)


class Segments:
    """The segment rows of all studies."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def add(
        self, connection: sqlite3.Connection, study: StudyRow, row: SessionRow, content: SegmentContent, encoded: bytes
    ) -> SegmentInfo:
        """Seal a segment that is the study's next, and count it."""
        header, events = content.header, content.events
        about = _about(header, len(events))
        key_no, key = self._keys.epoch(connection, study.no, header.epoch)
        wrapped, body = vault.seal_body(key, encoded, about, self._keys.random)
        walls = [event.wall_ms for event in events]
        connection.execute(
            "INSERT INTO segments (study, epoch, number, session, first_seq, count, first_index, sealed_ms,"
            " first_wall_ms, last_wall_ms, state, revision, size, digest, key, wrapped, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '', ?, ?, ?)",
            (
                study.no, header.epoch, header.number, row.no, header.first_seq, len(events), events[0].index,
                header.sealed_ms, min(walls), max(walls), SegmentState.HELD.value, len(body), key_no, wrapped, body,
            ),
        )  # fmt: skip
        connection.execute(
            "UPDATE studies SET next_number = ?, next_seq = ? WHERE no = ?",
            (header.number + 1, header.first_seq + len(events), study.no),
        )
        return self.get(connection, study.study, header.epoch, header.number)

    def listed(self, connection: sqlite3.Connection, study: StudyId | None = None) -> list[SegmentInfo]:
        """List segments by study, epoch and number."""
        where, values = ("", ()) if study is None else (" AND t.study = ?", (study,))
        return _infos(connection.execute(f"{_INFO}{where} ORDER BY t.study, g.epoch, g.number", values))

    def due(self, connection: sqlite3.Connection, study: StudyId, sealed_before_ms: int) -> list[SegmentInfo]:
        """List what is to be sent next, in sequence order; nothing overtakes a segment that is still on hold."""
        due: list[SegmentInfo] = []
        rows = connection.execute(
            f"{_INFO} AND t.study = ? AND g.state IN (?, ?) ORDER BY g.epoch, g.number", (study, *_ON_THE_WAY)
        )
        for row in rows:
            (info,) = _infos((row,))
            if info.sealed_ms > sealed_before_ms:
                break
            due.append(info)
        return due

    def ahead(self, connection: sqlite3.Connection, study: StudyId, now_ms: int) -> bool:
        """Say whether a segment that waits was sealed later than now: the clock has been set back since."""
        statement = f"SELECT 1 FROM segments {_AHEAD} LIMIT 1"  # noqa: S608 - a constant; the values are bound
        return connection.execute(statement, (study, now_ms, *_ON_THE_WAY)).fetchone() is not None

    def restart_holds(self, connection: sqlite3.Connection, study: StudyId, now_ms: int) -> None:
        """Let the hold of segments sealed later than now begin now; never is one shortened."""
        statement = f"UPDATE segments SET sealed_ms = ? {_AHEAD}"  # noqa: S608 - a constant; the values are bound
        connection.execute(statement, (now_ms, study, now_ms, *_ON_THE_WAY))

    def get(self, connection: sqlite3.Connection, study: StudyId, epoch: int, number: int) -> SegmentInfo:
        """Give a segment's metadata as it is now. StoreConflict: if there is none any more."""
        rows = connection.execute(f"{_INFO} AND t.study = ? AND g.epoch = ? AND g.number = ?", (study, epoch, number))
        for info in _infos(rows):
            return info
        raise StoreConflict("there is no such segment any more", code="segment-unknown")

    def of_session(self, connection: sqlite3.Connection, session_no: int, index: int = 0) -> SegmentInfo | None:
        """Give the session's segment that holds ``index``, or else the next one after it."""
        around = f"{_INFO} AND g.session = ? AND g.first_index <= ? ORDER BY g.first_index DESC LIMIT 1"
        after = f"{_INFO} AND g.session = ? AND g.first_index > ? ORDER BY g.first_index LIMIT 1"
        for info in _infos(connection.execute(around, (session_no, index))):
            if info.first_index + info.count > index:
                return info
        return next(iter(_infos(connection.execute(after, (session_no, index)))), None)

    def read(self, connection: sqlite3.Connection, info: SegmentInfo) -> SegmentContent:
        """Open a segment. StoreDamaged: if it does not open, or holds what its row does not say."""
        try:
            content = decode_segment(self._open(connection, info))
            _compare(info, content)
        except (DecryptError, SegmentError) as error:
            raise _damaged(info, error) from error
        return content

    def may_hold(self, connection: sqlite3.Connection, info: SegmentInfo, text: str) -> bool:
        """Say whether a segment may hold a path or an origin, without reading it. StoreDamaged: if it does not open."""
        try:
            return may_hold(self._open(connection, info), text)
        except (DecryptError, SegmentError) as error:
            raise _damaged(info, error) from error

    def read_opened(self, connection: sqlite3.Connection, info: SegmentInfo) -> bytes:
        """Give a segment's bytes, decrypted and not decoded. StoreDamaged: if it does not open."""
        try:
            return self._open(connection, info)
        except (DecryptError, SegmentError) as error:
            raise _damaged(info, error) from error

    def _open(self, connection: sqlite3.Connection, info: SegmentInfo) -> bytes:
        row = connection.execute(_BODY, info.place).fetchone()
        if row is None or row[0] is None:
            raise StoreDamaged("the segment's bytes are gone", code="segment-gone")
        return vault.open_body(self._keys.get(connection, row[0]), row[1], row[2], _about(info, info.count))

    def rewrite(
        self, connection: sqlite3.Connection, info: SegmentInfo, content: SegmentContent, encoded: bytes
    ) -> None:
        """Put other content in a segment's place, under a new data key, and take back it and what was to follow it."""
        state = transition(info.state, SegmentAct.REWRITE)
        about = _about(info, info.count)
        study_no = _study_no(connection, info.study)
        key_no, key = self._keys.epoch(connection, study_no, info.epoch)
        wrapped, body = vault.seal_body(key, encoded, about, self._keys.random)
        walls = [event.wall_ms for event in content.events]
        _change(
            connection,
            info,
            state=state.value,
            revision=info.revision + 1,
            size=len(body),
            digest="",
            key=key_no,
            wrapped=wrapped,
            body=body,
            first_wall_ms=min(walls),
            last_wall_ms=max(walls),
        )

    def remove(self, connection: sqlite3.Connection, info: SegmentInfo) -> None:
        """Take a segment's row out, with its number: it goes on in another place."""
        connection.execute(f"DELETE FROM segments {_WHERE}", info.place)  # noqa: S608 - a constant

    def erase(self, connection: sqlite3.Connection, info: SegmentInfo) -> None:
        """Destroy a segment's key and bytes; the row stays, because its number and digest are in the chain."""
        state = transition(info.state, SegmentAct.ERASE)
        _change(
            connection,
            info,
            state=state.value,
            revision=info.revision + 1,
            size=0,
            receipt=None,
            key=None,
            wrapped=None,
            body=None,
            envelope=None,
        )

    def mark_damaged(self, connection: sqlite3.Connection, info: SegmentInfo) -> None:
        """Set a segment aside: it is not sent any more, unless its envelope was made before."""
        now = self.get(connection, info.study, info.epoch, info.number)
        _change(connection, now, state=transition(now.state, SegmentAct.DAMAGE).value)

    def take_back_envelopes(self, connection: sqlite3.Connection, info: SegmentInfo) -> list[SegmentInfo]:
        """Destroy the envelopes from this segment on, which are chained to it; gives those that may have been sent."""
        where = "AND t.study = ? AND g.epoch = ? AND g.number >= ? AND g.state = 'enveloped'"
        later = _infos(connection.execute(f"{_INFO} {where} ORDER BY g.number", info.place))
        for each in later:
            _change(connection, each, state=SegmentState.HELD.value, digest="", envelope=None)
        return later

    def envelope(self, connection: sqlite3.Connection, info: SegmentInfo) -> bytes | None:
        """Give the envelope that was made of a segment and not receipted yet."""
        row = connection.execute(_ENVELOPE, info.place).fetchone()
        return None if row is None else row[0]

    def put_envelope(self, connection: sqlite3.Connection, info: SegmentInfo, data: bytes, digest: str) -> SegmentInfo:
        """Keep an envelope until its receipt is in hand.

        StoreConflict: if the segment was rewritten since ``info`` was read, or if one before it has no envelope yet.
        """
        now = self.get(connection, info.study, info.epoch, info.number)
        if now.revision != info.revision:
            raise StoreConflict("the segment was rewritten meanwhile; read it again", code="segment-rewritten")
        state = transition(now.state, SegmentAct.ENVELOPE)
        before = connection.execute(
            "SELECT 1 FROM segments WHERE study = ? AND epoch = ? AND number < ? AND state = ? LIMIT 1",
            (_study_no(connection, info.study), info.epoch, info.number, SegmentState.HELD.value),
        ).fetchone()
        if before is not None:
            raise StoreConflict("an earlier segment has no envelope yet; the chain needs it first")
        _change(connection, now, state=state.value, digest=digest, envelope=data)
        return self.get(connection, info.study, info.epoch, info.number)

    def last_digest(self, connection: sqlite3.Connection, study: StudyId, epoch: int) -> str:
        """Give the digest of the epoch's last envelope; empty before the first."""
        row = connection.execute(
            "SELECT g.digest FROM segments g JOIN studies t ON t.no = g.study WHERE t.study = ? AND g.epoch = ?"
            " AND g.digest != '' ORDER BY g.number DESC LIMIT 1",
            (study, epoch),
        ).fetchone()
        return "" if row is None else str(row[0])

    def mark_uploaded(self, connection: sqlite3.Connection, info: SegmentInfo, receipt: bytes) -> SegmentInfo:
        """Keep the receipt, drop the envelope. StoreConflict: if the segment was forgotten or rewritten meanwhile."""
        now = self.get(connection, info.study, info.epoch, info.number)
        if info.digest and now.digest != info.digest:
            raise StoreConflict("the segment was rewritten meanwhile", code="segment-rewritten")
        state = transition(now.state, SegmentAct.UPLOAD)
        _change(connection, now, state=state.value, receipt=receipt, envelope=None)
        return self.get(connection, info.study, info.epoch, info.number)


_WHERE = "WHERE study = (SELECT no FROM studies WHERE study = ?) AND epoch = ? AND number = ?"
_AHEAD = "WHERE study = (SELECT no FROM studies WHERE study = ?) AND sealed_ms > ? AND state IN (?, ?)"
_BODY = """
    SELECT key, wrapped, body FROM segments
    WHERE study = (SELECT no FROM studies WHERE study = ?) AND epoch = ? AND number = ?"""
_ENVELOPE = """
    SELECT envelope FROM segments
    WHERE study = (SELECT no FROM studies WHERE study = ?) AND epoch = ? AND number = ?"""


def _change(connection: sqlite3.Connection, info: SegmentInfo, **columns: str | int | bytes | None) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    statement = f"UPDATE segments SET {names} {_WHERE}"  # noqa: S608 - the names are ours, the values are bound
    connection.execute(statement, (*columns.values(), *info.place))


def _study_no(connection: sqlite3.Connection, study: StudyId) -> int:
    (number,) = connection.execute("SELECT no FROM studies WHERE study = ?", (study,)).fetchone()
    return int(number)


def _damaged(info: SegmentInfo, error: DecryptError | SegmentError) -> StoreDamaged:
    return StoreDamaged(f"segment {info.number} of study {info.study}: {error.message}", code="segment-damaged")


def _about(info: SegmentInfo | SegmentHeader, count: int) -> bytes:
    return vault.about_segment(info.study, info.epoch, info.number, info.session, info.first_seq, count)


def _compare(info: SegmentInfo, content: SegmentContent) -> None:
    header, events = content.header, content.events
    said = (info.study, info.session, info.epoch, info.number, info.first_seq, info.count, info.first_index)
    holds = (
        header.study, header.session, header.epoch, header.number, header.first_seq, len(events),
        events[0].index if events else -1,
    )  # fmt: skip
    if said != holds:
        raise SegmentError("it holds what its row does not say")


def _infos(rows: Iterable[tuple[Any, ...]]) -> list[SegmentInfo]:
    return [_info(*row) for row in rows]


def _info(*row: Any) -> SegmentInfo:
    study, epoch, number, session, source, record, *counts, state, revision, digest, receipt = row
    first_seq, count, first_index, sealed_ms, first_wall_ms, last_wall_ms, size = counts
    if not all(isinstance(each, int) for each in (epoch, number, revision, *counts)) or not isinstance(digest, str):
        raise rotten("a segment's row")
    return SegmentInfo(
        StudyId(study), epoch, number, SessionId(session), source, RecordId(record), first_seq, count, first_index,
        sealed_ms, first_wall_ms, last_wall_ms, size, _STATES.get(state, SegmentState.DAMAGED), revision, digest,
        receipt,
    )  # fmt: skip
