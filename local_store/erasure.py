"""Forgetting in the database, one piece (a segment, or a chunk of the journal) per transaction.

Small transactions need little journal space, so that they go through when the disk is full but for the reserve; and
each leaves a store that is whole, so that a forgetting that was cut off is finished by asking for it again.
"""

from __future__ import annotations

import sqlite3

import msgspec

from event_model.errors import StoreDamaged
from event_model.events import Event
from event_model.ids import StudyId
from event_model.levels import Level
from event_model.segment import SegmentContent, encode_segment
from local_store.consistency import still_readable
from local_store.forgetting import Eraser, is_forgotten, keep_masks
from local_store.journal import Chunk, Journal
from local_store.model import SegmentInfo, SegmentPlace, SegmentState
from local_store.segments import Segments
from local_store.sessions import SessionRow, find_session_no, find_study

SWEEP_BYTES = 64 * 1024
"""Row bytes per transaction when a forgotten study is swept: their copies in the journal fit into the reserve."""


class Piece(msgspec.Struct, frozen=True):
    """What became of one piece.

    ``next_index`` is where the next begins, ``None`` after the last; ``pending`` counts what of ``events`` was not
    sealed; ``eraser`` is how the walk goes on.
    """

    next_index: int | None
    events: int = 0
    segments: int = 0
    pending: int = 0
    uploaded: tuple[SegmentPlace, ...] = ()
    eraser: Eraser | None = None


_END = Piece(next_index=None)


class Erasure:
    """The acts of forgetting on the rows of journal and segments."""

    def __init__(self, journal: Journal, segments: Segments) -> None:
        self._journal = journal
        self._segments = segments

    def piece(self, connection: sqlite3.Connection, session_no: int, first_index: int, eraser: Eraser) -> Piece:
        """Forget what is selected in the session's piece that reaches beyond ``first_index``."""
        row = find_session_no(connection, session_no)
        if row is None:
            return _END
        eraser = eraser.copy()  # this transaction may not happen
        info = self._segments.of_session(connection, session_no, first_index)
        if info is None:
            done = self._pending(connection, row, first_index, eraser)
        else:
            done = self._segment(connection, info, first_index, eraser)
        if done.events or done.segments:
            _revise(connection, row)
        return msgspec.structs.replace(done, eraser=eraser)

    def rekey(self, connection: sqlite3.Connection, session_no: int, *, live: bool) -> None:
        """Put what is left of a session's pending events under one new key; the others are destroyed."""
        row = find_session_no(connection, session_no)
        if row is None:
            return
        self._journal.gather(connection, row)
        events = self._journal.read(connection, row).events
        if not live:  # nobody will count on from here: what is forgotten at the end needs no gap
            events = _without_forgotten_end(events)
        self._journal.replace(connection, row, events)
        _revise(connection, row)

    def _pending(self, connection: sqlite3.Connection, row: SessionRow, index: int, eraser: Eraser) -> Piece:
        chunk = self._journal.chunk(connection, row, index)
        if chunk is None:
            return _END
        end = chunk.first + chunk.count
        if chunk.events is None:
            after, replaced = _lost(eraser, chunk, row), chunk.count
        else:
            after, replaced = eraser.apply(chunk.events)
        if after != chunk.events:
            self._journal.rewrite(connection, row, after)
        return Piece(end, replaced, pending=replaced)

    def _segment(self, connection: sqlite3.Connection, info: SegmentInfo, first_index: int, eraser: Eraser) -> Piece:
        end = info.first_index + info.count
        if info.state is SegmentState.FORGOTTEN or not eraser.needs(info.first_wall_ms, info.last_wall_ms):
            eraser.pass_by(info.last_wall_ms)
            return Piece(next_index=end)
        try:
            needle = eraser.needle
            if needle is not None and not self._segments.may_hold(connection, info, needle):
                eraser.pass_by(info.last_wall_ms)
                return Piece(next_index=end)
            content = self._segments.read(connection, info)
        except StoreDamaged:
            return self._unreadable(connection, info, eraser)
        # What was pending when its piece was walked may have been sealed since, with more behind it.
        walked = max(0, first_index - info.first_index)
        if info.state is SegmentState.UPLOADED:
            if not eraser.skip(content.events[walked:]):
                return Piece(next_index=end)
            self._segments.erase(connection, info)
            return Piece(end, info.count, 1, uploaded=(info.place,))
        after, replaced = eraser.apply(content.events[walked:])
        after = content.events[:walked] + after
        if after == content.events:
            return Piece(next_index=end)
        return self._rewrite(connection, info, content, after, replaced)

    def _rewrite(
        self,
        connection: sqlite3.Connection,
        info: SegmentInfo,
        content: SegmentContent,
        after: tuple[Event, ...],
        replaced: int,
    ) -> Piece:
        masks, findings = keep_masks(content.events, after, content.masks, content.findings)
        new = SegmentContent(content.header, after, masks, findings)
        sent = self._segments.take_back_envelopes(connection, info)
        self._segments.rewrite(connection, info, new, encode_segment(new))
        uploaded = tuple(each.place for each in sent)
        return Piece(info.first_index + info.count, replaced, 1 if replaced else 0, uploaded=uploaded)

    def _unreadable(self, connection: sqlite3.Connection, info: SegmentInfo, eraser: Eraser) -> Piece:
        """What can't be read may hold what is to be forgotten: it goes as a whole."""
        self._segments.erase(connection, info)
        eraser.lose(first=info.first_index, count=info.count, level=Level.RHYTHM, wall_ms=info.last_wall_ms)
        sent = (info.place,) if info.digest else ()  # an envelope was made, and may have arrived
        return Piece(info.first_index + info.count, info.count, 1, uploaded=sent)


def destroy_study(connection: sqlite3.Connection, study: StudyId) -> bool:
    """Destroy a study's keys and begin a new epoch; false if it is not known. The bytes are swept afterwards."""
    row = find_study(connection, study)
    if row is None:
        return False
    connection.execute("DELETE FROM keys WHERE study = ?", (row.no,))
    connection.execute(
        "UPDATE studies SET epoch = epoch + 1, forgotten_below = epoch + 1, next_number = 0, next_seq = 0 WHERE no = ?",
        (row.no,),
    )
    return True


def sweep(connection: sqlite3.Connection) -> bool:
    """Remove some rows of forgotten epochs, whose keys are gone; false when none is left."""
    if connection.execute("SELECT 1 FROM studies WHERE forgotten_below > 0 LIMIT 1").fetchone() is None:
        return False  # without a walk through everything at each opening
    if still_readable(connection):
        return False  # a number rotted, and this would destroy what nobody forgot
    doomed = connection.execute(
        "SELECT g.no, g.size + ifnull(length(g.envelope), 0) FROM segments g JOIN studies t ON t.no = g.study"
        " WHERE g.epoch < t.forgotten_below LIMIT 256"
    ).fetchall()
    if doomed:
        _delete_some(connection, "DELETE FROM segments WHERE no = ?", doomed)
        return True
    sessions = connection.execute(
        "SELECT s.no FROM sessions s JOIN studies t ON t.no = s.study WHERE s.epoch < t.forgotten_below LIMIT 64"
    ).fetchall()
    for (number,) in sessions:
        doomed = connection.execute(
            "SELECT place, length(body) FROM journal WHERE place BETWEEN ? << 32 AND (? << 32) + 4294967295 LIMIT 256",
            (number, number),
        ).fetchall()
        if doomed:
            _delete_some(connection, "DELETE FROM journal WHERE place = ?", doomed)
            return True
        connection.execute("DELETE FROM sessions WHERE no = ?", (number,))
    return bool(sessions)


def _delete_some(connection: sqlite3.Connection, statement: str, doomed: list[tuple[int, int]]) -> None:
    room = SWEEP_BYTES
    for number, size in doomed:
        connection.execute(statement, (number,))
        room -= size
        if room <= 0:
            return


def _revise(connection: sqlite3.Connection, row: SessionRow) -> None:
    """Tell the session's writer that what it read before does not stand any more."""
    connection.execute("UPDATE sessions SET revision = revision + 1 WHERE no = ?", (row.no,))


def _lost(eraser: Eraser, chunk: Chunk, row: SessionRow) -> tuple[Event, ...]:
    return eraser.lose(first=chunk.first, count=chunk.count, level=Level.RHYTHM, wall_ms=row.begun_ms)


def _without_forgotten_end(events: tuple[Event, ...]) -> tuple[Event, ...]:
    end = len(events)
    while end and is_forgotten(events[end - 1]):
        end -= 1
    return events[:end]
