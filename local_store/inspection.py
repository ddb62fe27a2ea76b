"""Looking at what is stored, piece by piece: for the person, for recovery, and for the full check."""

from __future__ import annotations

import sqlite3

import msgspec

from event_model.errors import StoreDamaged
from event_model.events import Event
from event_model.ids import SessionId, StudyId
from event_model.segment import SegmentContent
from local_store.forgetting import Selection
from local_store.journal import Journal
from local_store.model import (
    Damage,
    SegmentInfo,
    SegmentState,
    SessionInfo,
    StoreStats,
    StudyStats,
)
from local_store.segments import Segments
from local_store.sessions import all_sessions, find_session, find_session_no

PENDING = "pending"


class Piece(msgspec.Struct, frozen=True):
    """A segment's events, or what is pending of a session; ``next_index`` is where the next piece begins."""

    next_index: int | None
    state: str
    events: tuple[Event, ...] = ()
    content: SegmentContent | None = None
    info: SegmentInfo | None = None
    damaged: tuple[Damage, ...] = ()


class Inspection:
    """Reads pieces; each method runs in one transaction, so that an event is seen in one place only."""

    def __init__(self, journal: Journal, segments: Segments) -> None:
        self._journal = journal
        self._segments = segments

    def piece(
        self, connection: sqlite3.Connection, session_no: int, index: int, selection: Selection | None = None
    ) -> Piece:
        """Give the session's piece that begins at ``index``; unread if it can't hold what is selected."""
        row = find_session_no(connection, session_no)
        if row is None:
            return Piece(None, PENDING)
        info = self._segments.of_session(connection, session_no, index)
        if info is None:
            stored = self._journal.read(connection, row)
            return Piece(None, PENDING, _from(stored.events, index), damaged=stored.damaged)
        end, state = info.first_index + info.count, info.state.value
        unread = selection is not None and not selection.overlaps(info.first_wall_ms, info.last_wall_ms)
        if unread or info.state is SegmentState.FORGOTTEN:
            return Piece(end, state, info=info)
        try:
            content = self._segments.read(connection, info)
        except StoreDamaged as error:
            damage = Damage("segment", info.study, info.session, info.first_index, info.count, error.message)
            return Piece(end, SegmentState.DAMAGED.value, info=info, damaged=(damage,))
        return Piece(end, state, _from(content.events, index), content, info)

    def head(self, connection: sqlite3.Connection, session_no: int, index: int) -> SegmentInfo | None:
        """Describe the session's segment that holds ``index`` or comes after it; ``None`` where the rest is pending."""
        return self._segments.of_session(connection, session_no, index)

    def may_hold(self, connection: sqlite3.Connection, info: SegmentInfo, text: str) -> bool:
        """Say whether a segment may hold a path or an origin; what does not open may hold anything."""
        try:
            return self._segments.may_hold(connection, info, text)
        except StoreDamaged:
            return True

    def session(self, connection: sqlite3.Connection, session: SessionId) -> SessionInfo | None:
        """Describe a session."""
        row = find_session(connection, session)
        if row is None:
            return None
        end = self._journal.next_index(connection, row)
        return SessionInfo(row.study, row.session, row.source, row.consent_record, end, row.sealed)

    def stats(self, connection: sqlite3.Connection) -> StoreStats:
        """Count events by study and by where they stand; opens nothing."""
        rows = connection.execute(
            "SELECT no, study, (SELECT count(*) FROM segments g WHERE g.study = t.no AND g.epoch >= t.forgotten_below)"
            " FROM studies t ORDER BY study"
        ).fetchall()
        studies = [self._study_stats(connection, *row) for row in rows]
        (sessions,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
        return StoreStats(tuple(studies), sessions, size_bytes(connection) + self._journal.size_bytes())

    def _study_stats(self, connection: sqlite3.Connection, number: int, study: str, segments: int) -> StudyStats:
        counts: dict[str, int] = dict(
            connection.execute(
                "SELECT g.state, sum(g.count) FROM segments g JOIN studies t ON t.no = g.study"
                " WHERE t.no = ? AND g.epoch >= t.forgotten_below GROUP BY g.state",
                (number,),
            ).fetchall()
        )
        pending = sum(
            self._journal.count(connection, row)
            for row in all_sessions(connection, open_only=True)
            if row.study_no == number
        )
        held = counts.get(SegmentState.HELD.value, 0) + counts.get(SegmentState.ENVELOPED.value, 0)
        return StudyStats(
            study=StudyId(study),
            pending=pending,
            held=held,
            uploaded=counts.get(SegmentState.UPLOADED.value, 0),
            forgotten=counts.get(SegmentState.FORGOTTEN.value, 0),
            damaged=counts.get(SegmentState.DAMAGED.value, 0),
            segments=segments,
        )


def _from(events: tuple[Event, ...], index: int) -> tuple[Event, ...]:
    """Leave out what was seen already: while it was pending, before it was sealed with more behind it."""
    return events if not events or events[0].index >= index else events[index - events[0].index :]


def size_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the database file; the fixed reserve is not counted."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page_bytes)
