"""What a forgetting would do, found by the same walk without changing anything: so that a person can be told first."""

from __future__ import annotations

import sqlite3

import msgspec

from event_model.errors import StoreDamaged
from event_model.events import DocumentOpen, Event
from event_model.ids import DocumentId
from event_model.page_events import PageNavigate, PageOpen
from local_store.forgetting import Eraser
from local_store.inspection import Inspection, Piece
from local_store.model import SegmentState


class Weighed(msgspec.Struct, frozen=True):
    """What would go: events, the segments that hold them, how many of those were sent, and the documents' paths.

    ``set_aside`` names damaged databases, which go with any forgetting: nobody can tell what is in them.
    An event counts here when it is selected, when it can't be replayed without one that is, or when it lies in a
    segment that was sent, which the receiver can only erase as a whole.
    """

    events: int = 0
    segments: int = 0
    sent: int = 0
    paths: frozenset[str] = frozenset()
    set_aside: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether anything would go."""
        return bool(self.events or self.set_aside)


class Weigher:
    """Walks one session, piece by piece, as the erasure would."""

    def __init__(self, inspection: Inspection, eraser: Eraser) -> None:
        self._inspection = inspection
        self._eraser = eraser
        self._names: dict[DocumentId, str] = {}
        self.events = self.segments = self.sent = 0
        self.paths: set[str] = set()

    def piece(self, connection: sqlite3.Connection, session_no: int, index: int) -> int | None:
        """Weigh the piece that begins at ``index``; gives where the next one does."""
        info = self._inspection.head(connection, session_no, index)
        if info is not None:
            needed = self._eraser.needs(info.first_wall_ms, info.last_wall_ms)
            needle = self._eraser.needle
            if needed and needle is not None and info.state is not SegmentState.FORGOTTEN:
                needed = self._inspection.may_hold(connection, info, needle)
            if info.state is SegmentState.FORGOTTEN or not needed:
                self._eraser.pass_by(info.last_wall_ms)
                return info.first_index + info.count
        try:
            piece = self._inspection.piece(connection, session_no, index)
        except StoreDamaged:
            return None
        self._weigh(piece)
        return piece.next_index

    def _weigh(self, piece: Piece) -> None:
        info = piece.info
        if piece.damaged and info is not None:  # what can't be read may hold it: it goes as a whole
            self.events, self.segments = self.events + info.count, self.segments + 1
            return
        if info is not None and info.state is SegmentState.UPLOADED:
            if self._eraser.skip(piece.events):
                self.events, self.segments, self.sent = self.events + info.count, self.segments + 1, self.sent + 1
                self._note(piece.events, piece.events)
            return
        after, replaced = self._eraser.apply(piece.events)
        if replaced:
            self.events += replaced
            self.segments += info is not None
        self._note(piece.events, [old for old, new in zip(piece.events, after, strict=True) if old.body != new.body])

    def _note(self, events: tuple[Event, ...], gone: list[Event] | tuple[Event, ...]) -> None:
        for event in events:
            if isinstance(event.body, DocumentOpen):
                self._names[event.body.document] = event.body.path
            elif isinstance(event.body, PageOpen | PageNavigate):
                self._names[event.body.document] = event.body.route
        for event in gone:
            name = self._names.get(getattr(event.body, "document", DocumentId(0)))
            if name:
                self.paths.add(name)
