"""Replay: one session's events in, what the tables show out, with each document rebuilt to the character. Pure.

A document *lives* from its open event to its close, to the next open of the same document, or to the session's end.
A life is exact when every edit of it was applied inside the document. A gap that names the document, events missing
from the session, or an edit outside the document break a life: it keeps the text it had, and later edits of it are
counted but not applied, until the document is opened again.

Edits that each begin where the one before ended, as typing does, are applied together: one edit of the text, however
many keys it took.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import msgspec

from dataset_builder.bursts import Burst, BurstTracker
from dataset_builder.edit_runs import EditRun, EditRuns, Moment, Spliced
from dataset_builder.event_arrays import EventArrays
from dataset_builder.slots import Slots
from dataset_builder.text import BlockText
from event_model.errors import SegmentError
from event_model.events import (
    Body,
    CaptureGap,
    DocumentClose,
    DocumentOpen,
    DocumentSave,
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
        "first_index",
        "first_ms",
        "gaps",
        "initial",
        "language",
        "last_index",
        "last_ms",
        "level",
        "number",
        "path",
        "saves",
        "text",
        "workspace",
    )

    def __init__(self, document: int, number: int, at: Moment, *, broken_by: str | None = None) -> None:
        self.document = document
        self.number = number
        self.path = self.language = self.workspace = self.initial = ""
        self.continues: int | None = None
        self.text = BlockText()
        self.first_index = self.last_index = at.number
        self.first_ms = self.last_ms = at.wall_ms
        self.level = at.level
        self.edits = self.applied = self.saves = self.gaps = 0
        self.broken_by = broken_by
        self.ended = Ended.SESSION_END
        self.bursts = BurstTracker()

    @property
    def exact(self) -> bool:
        """Whether every edit so far was applied."""
        return self.broken_by is None


class Replayed(msgspec.Struct, frozen=True):
    """What the replay says of some events: the life of each, where it has one; and of the edits what follows.

    ``shown`` is the text that all edits put in, filler where it is masked: as long, piece by piece, as that of the
    events. ``removed`` is what each took out, None where it was not applied.
    """

    lives: list[Life | None]
    shown: str
    removed: list[str | None]


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

    def feed(self, events: EventArrays, masks: Mapping[int, list[Mask]]) -> Replayed:
        """Replay the next events; ``masks`` are by event index.

        SegmentError: if a mask does not fit its event, or the session has more than ``MAX_SESSION_CHARS`` of text.
        """
        if self._next_index is not None and events.first_index != self._next_index:
            self._break_all(Broken.EVENTS_MISSING.value)
        self._next_index = events.indexes.stop
        reader = EditRuns(events, masks)
        lives: list[Life | None] = [None] * len(events)
        removed: list[str | None] = [None] * len(events)
        shown = Spliced(events.text)
        runs = iter(reader)
        run = next(runs, None)
        for place, body in [*events.others, (len(events), None)]:
            while run is not None and run.place < place:
                life = self._edits(run, removed, shown)
                lives[run.place : run.place + run.count] = [life] * run.count
                run = next(runs, None)
            if body is not None:
                lives[place] = self._other(reader.moment(place), body, masks.get(events.first_index + place, ()))
        return Replayed(lives, shown.text(), removed)

    def end(self) -> None:
        """The session is over: every document still open ends."""
        for document in sorted(self._live):
            self._finish(document, Ended.SESSION_END)

    def _open(self, at: Moment, body: DocumentOpen, masks: Iterable[Mask]) -> Life:
        mask = self._slots.mask
        if body.document in self._live:
            self._finish(body.document, Ended.REOPENED)
        life = self._begin(body.document, at)
        life.path = mask(body.path, [each for each in masks if each.field == "path"])
        life.language, life.workspace = body.language, body.workspace
        life.initial = mask(body.text, [each for each in masks if each.field == "text"])
        life.text = BlockText(life.initial)
        if body.continues is not None:
            self._continue(life, body.continues)
        return life

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

    def _edits(self, run: EditRun, removed: list[str | None], shown: Spliced) -> Life:
        """Apply edits of one document, each at the end of the one before; the first may also delete."""
        life = self._life_of(run.document, run.moment)
        life.last_index, life.last_ms = run.when(run.count - 1)
        life.edits += run.count
        if run.moment.level is not Level.CONTENT:
            life.level = min(life.level, run.moment.level, key=_rank)
        inserted = self._slots.mask(run.inserted, run.masks) if run.masks else self._slots.escape(run.inserted)
        if run.masks:
            shown.put(run.begin, self._slots.show(inserted))
        if life.exact and run.position + run.deleted > len(life.text):
            self._break(life, Broken.EDIT_OUTSIDE.value)
        if life.exact:
            if life.level is Level.CONTENT:
                taken = self._apply_tracked(life, run, inserted)
            else:
                taken = life.text.replace(run.position, run.deleted, inserted)
            taken = self._slots.show(taken) if taken else ""
            removed[run.place : run.place + run.count] = [taken, *[""] * (run.count - 1)]
            life.applied += run.count
        return life

    def _apply_tracked(self, life: Life, run: EditRun, inserted: str) -> str:
        """Apply edits as one or several bursts have room for them; gives what the first took out.

        One burst is open at a time, so that those before it are all of the past.
        """
        bursts, text, first_taken = life.bursts, life.text, ""
        done, at, deleted = 0, run.position, run.deleted
        while done < run.count:
            if self._current is not None and not bursts.fits(at, run.when(done)[1]):
                self._close_burst(self._current)
            self._current = life
            upto, chars = bursts.take(run, done, at, deleted, text)
            begin = at - run.position
            taken = text.replace(at, deleted, inserted[begin : begin + chars])
            if not done:
                first_taken = taken
            done, at, deleted = upto, at + chars, 0
        return first_taken

    def _other(self, at: Moment, body: Body, masks: Iterable[Mask]) -> Life | None:
        kind = type(body)  # asking isinstance of every body would cost more than all else that is done here
        if kind is DocumentOpen:
            return self._open(at, cast("DocumentOpen", body), masks)
        document: int | None = getattr(body, "document", None)
        life = None if document is None else self._live.get(document)
        if kind is CaptureGap:
            self._gap(cast("CaptureGap", body))
        elif life is not None:
            life.last_index, life.last_ms = at.number, at.wall_ms
            if kind is DocumentSave:
                life.saves += 1
            elif kind is DocumentClose:
                self._finish(life.document, Ended.CLOSED)
        return life

    def _gap(self, body: CaptureGap) -> None:
        """A gap with a document breaks it; one without is counted for every document that is open."""
        hit = self._live.values() if body.document is None else [self._live.get(body.document)]
        for life in hit:
            if life is not None:
                life.gaps += 1
                if body.document is not None:
                    self._break(life, body.reason.value)

    def _life_of(self, document: int, at: Moment) -> Life:
        life = self._live.get(document)
        return self._begin(document, at, broken_by=Broken.NOT_OPENED.value) if life is None else life

    def _begin(self, document: int, at: Moment, *, broken_by: str | None = None) -> Life:
        number = self._lives.get(document, 0) + 1
        self._lives[document] = number
        life = self._live[document] = Life(document, number, at, broken_by=broken_by)
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
        # The rows to come and the open burst still name the life: thousands of renames must not hold a text each.
        life.initial = ""
        life.text = BlockText()

    def _close_burst(self, life: Life) -> None:
        if life.bursts.open:
            self._on_burst(life.bursts.close(life.text, document=life.document, life=life.number, path=life.path))


def _rank(level: Level) -> int:
    return level.rank
