"""Replay: one session's events in, rows of the tables out, with each document rebuilt to the character. Pure.

A document *lives* from its open event to its close, to the next open of the same document, or to the session's end.
A life is exact when every edit of it was applied inside the document. A gap that names the document, events missing
from the session, or an edit outside the document break a life: it keeps the text it had, and later edits of it are
counted but not applied, until the document is opened again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping

import msgspec

from dataset_builder.bursts import Burst, BurstTracker
from dataset_builder.slots import Slots
from dataset_builder.text import BlockText
from event_model.errors import SegmentError
from event_model.events import (
    CaptureGap,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Event,
    Mask,
)
from event_model.levels import Level

MAX_SESSION_CHARS = 256 << 20
"""First and last texts of one session's documents (code points). Opening every file of a large repository stays far
below; a segment of 2 KB that renames one document eight thousand times does not."""


class Ended(enum.Enum):
    """What ended a document's life."""

    CLOSED = "closed"
    REOPENED = "reopened"
    CONTINUED = "continued"
    SESSION_END = "session-end"


class Broken(enum.Enum):
    """What broke a document's life, besides the reasons of ``GapReason``."""

    EVENTS_MISSING = "events-missing"
    EDIT_OUTSIDE = "edit-outside"
    NOT_OPENED = "not-opened"
    NOT_CONTINUED = "not-continued"


class Life:
    """One life of a document while it is replayed; texts hold slots where they are masked."""

    __slots__ = (
        "applied",
        "broken_by",
        "bursts",
        "continues",
        "document",
        "edits",
        "ended",
        "first",
        "gaps",
        "initial",
        "language",
        "last",
        "level",
        "number",
        "path",
        "saves",
        "text",
        "workspace",
    )

    def __init__(self, document: int, number: int, event: Event, *, broken_by: str | None = None) -> None:
        self.document = document
        self.number = number
        self.path = self.language = self.workspace = self.initial = ""
        self.continues: int | None = None
        self.text = BlockText()
        self.level = event.level
        self.first = self.last = event
        self.edits = self.applied = self.saves = self.gaps = 0
        self.broken_by = broken_by
        self.ended = Ended.SESSION_END
        self.bursts = BurstTracker()

    @property
    def exact(self) -> bool:
        """Whether every edit so far was applied."""
        return self.broken_by is None


class Step(msgspec.Struct, frozen=True):
    """An event as the tables show it: masked texts, what an edit took out, and the life it belongs to."""

    event: Event
    life: Life | None
    shown: str
    """The text of the event's own: inserted, or the path of an opened document."""
    removed: str | None
    applied: bool | None


class SessionReplay:
    """Replays one session. Feed events in the order of their index, then ``end``.

    ``on_life`` is given each life when it ends and reads its texts at once: they are let go of afterwards.
    ``on_burst`` is given each burst of a document at level content.
    """

    def __init__(
        self, *, slots: Slots, on_life: Callable[[Life], None], on_burst: Callable[[Burst], None] = lambda _burst: None
    ) -> None:
        self._slots = slots
        self._on_life = on_life
        self._on_burst = on_burst
        self._live: dict[int, Life] = {}
        self._lives: dict[int, int] = {}
        self._next_index: int | None = None
        self._current: Life | None = None
        self._chars = 0

    def feed(self, events: Iterable[Event], masks: Mapping[int, list[Mask]]) -> list[Step]:
        """Replay the next events; ``masks`` are by event index.

        SegmentError: if a mask does not fit its event, or the session has more than ``MAX_SESSION_CHARS`` of text.
        """
        steps: list[Step] = []
        for event in events:
            if self._next_index is not None and event.index != self._next_index:
                self._break_all(Broken.EVENTS_MISSING.value)
            self._next_index = event.index + 1
            body = event.body
            own = masks.get(event.index, ())
            if type(body) is DocumentEdit:
                steps.append(self._edit(event, body, own))
            elif type(body) is DocumentOpen:
                steps.append(self._open(event, body, own))
            else:
                steps.append(self._other(event))
        return steps

    def end(self) -> None:
        """The session is over: every document still open ends."""
        for document in sorted(self._live):
            self._finish(document, Ended.SESSION_END)

    def _open(self, event: Event, body: DocumentOpen, masks: Iterable[Mask]) -> Step:
        mask = self._slots.mask
        if body.document in self._live:
            self._finish(body.document, Ended.REOPENED)
        life = self._begin(body.document, event)
        life.path = mask(body.path, [each for each in masks if each.field == "path"])
        life.language, life.workspace = body.language, body.workspace
        life.initial = mask(body.text, [each for each in masks if each.field == "text"])
        life.text = BlockText(life.initial)
        if body.continues is not None:
            self._continue(life, body.continues)
        return Step(event, life, self._slots.show(life.path), None, None)

    def _continue(self, life: Life, document: int) -> None:
        """Take over the text of an earlier document, which is over with it."""
        life.continues = document
        earlier = self._live.get(document)
        if earlier is None or not earlier.exact:
            life.broken_by = Broken.NOT_CONTINUED.value
        if earlier is None:
            return
        self._close_burst(earlier)
        life.text = earlier.text
        life.initial = earlier.text.text()
        life.level = min(life.level, earlier.level, key=_rank)
        self._finish(document, Ended.CONTINUED)

    def _edit(self, event: Event, body: DocumentEdit, masks: Iterable[Mask]) -> Step:
        life = self._life_of(body.document, event)
        life.last = event
        life.edits += 1
        inserted = self._slots.mask(body.inserted, masks) if masks else self._slots.escape(body.inserted)
        shown = self._slots.show(inserted)
        if event.level is not Level.CONTENT:
            life.level = min(life.level, event.level, key=_rank)
        if not life.exact:
            return Step(event, life, shown, None, applied=False)
        if body.position + body.deleted > len(life.text):
            self._break(life, Broken.EDIT_OUTSIDE.value)
            return Step(event, life, shown, None, applied=False)
        if life.level is Level.CONTENT:
            self._track(life, event, body)
        removed = life.text.replace(body.position, body.deleted, inserted)
        life.applied += 1
        return Step(event, life, shown, self._slots.show(removed), applied=True)

    def _track(self, life: Life, event: Event, body: DocumentEdit) -> None:
        """Take an edit into a burst. One burst is open at a time, so that those before it are all of the past."""
        current = self._current
        if current is not None and not life.bursts.fits(body, event.wall_ms):
            self._close_burst(current)
        self._current = life
        life.bursts.begin(body, life.text, event.index, event.wall_ms)

    def _other(self, event: Event) -> Step:
        body = event.body
        document: int | None = getattr(body, "document", None)
        life = None if document is None else self._live.get(document)
        if isinstance(body, CaptureGap):
            self._gap(body)
        elif life is not None:
            life.last = event
            if isinstance(body, DocumentSave):
                life.saves += 1
            elif isinstance(body, DocumentClose):
                self._finish(life.document, Ended.CLOSED)
        return Step(event, life, "", None, None)

    def _gap(self, body: CaptureGap) -> None:
        """A gap with a document breaks it; one without is counted for every document that is open."""
        hit = self._live.values() if body.document is None else [self._live.get(body.document)]
        for life in hit:
            if life is not None:
                life.gaps += 1
                if body.document is not None:
                    self._break(life, body.reason.value)

    def _life_of(self, document: int, event: Event) -> Life:
        life = self._live.get(document)
        return self._begin(document, event, broken_by=Broken.NOT_OPENED.value) if life is None else life

    def _begin(self, document: int, event: Event, *, broken_by: str | None = None) -> Life:
        number = self._lives.get(document, 0) + 1
        self._lives[document] = number
        life = self._live[document] = Life(document, number, event, broken_by=broken_by)
        return life

    def _break(self, life: Life, reason: str) -> None:
        self._close_burst(life)
        if life.broken_by is None:
            life.broken_by = reason

    def _break_all(self, reason: str) -> None:
        for life in self._live.values():
            self._break(life, reason)

    def _finish(self, document: int, ended: Ended) -> None:
        life = self._live.pop(document)
        life.ended = ended
        self._close_burst(life)
        self._chars += len(life.initial) + len(life.text)
        if self._chars > MAX_SESSION_CHARS:
            raise SegmentError("a session with more text than is kept", code="session-too-large")
        self._on_life(life)
        # Steps and the open burst still name the life: thousands of renames must not hold a text each.
        life.initial = ""
        life.text = BlockText()

    def _close_burst(self, life: Life) -> None:
        if life.bursts.open:
            self._on_burst(life.bursts.close(life.text, document=life.document, life=life.number, path=life.path))


def _rank(level: Level) -> int:
    return level.rank
