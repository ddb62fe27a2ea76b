"""Forgetting as a pure function: which events go, and what stands in their place so that the count stays gapless.

A forgotten event becomes ``capture.gap`` with its index. Its time collapses onto the event before; the monotonic
time that passed is carried to the next event that stays. Where an edit or the opening of a document goes, its
later edits up to its next opening can't be replayed, and go too.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from event_model.events import CaptureGap, DocumentEdit, DocumentOpen, Event, Finding, GapReason, Mask
from event_model.ids import DocumentId, SessionId, StudyId
from event_model.levels import Level
from event_model.page_events import PageNavigate, PageOpen

_PLAIN = re.compile(r'[^*?\[\\"\x00-\x1f\x7f]+')
"""What stands for itself alone, both as a glob and in JSON."""


class Selection(msgspec.Struct, frozen=True):
    """What to forget: all criteria that are given must hold; none given means everything.

    ``path`` is a document's path as stored, or a glob; ``site`` is a web origin, whose pages are meant;
    ``since_ms`` is inclusive, ``until_ms`` exclusive.
    """

    study: StudyId | None = None
    session: SessionId | None = None
    indexes: frozenset[int] | None = None
    path: str | None = None
    site: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def overlaps(self, first_wall_ms: int, last_wall_ms: int) -> bool:
        """Say whether a span of time can hold anything that is selected."""
        return (self.since_ms is None or last_wall_ms >= self.since_ms) and (
            self.until_ms is None or first_wall_ms < self.until_ms
        )


EVERYTHING = Selection()
"""Selects all that is stored."""


class Eraser:
    """Walks one session's events in index order, piece by piece, and replaces those that are selected."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._chosen: set[DocumentId] = set()
        self._broken: set[DocumentId] = set()
        self._sound: set[DocumentId] | None = None
        self._wall_ms: int | None = None
        self._carry_ms = 0

    def needs(self, first_wall_ms: int, last_wall_ms: int) -> bool:
        """Say whether a piece of that time has to be read: it may hold what is selected, or what depends on it."""
        waiting = bool(self._broken or self._carry_ms or self._sound is not None)
        chosen = self._selection
        named = chosen.path is not None or chosen.site is not None
        return waiting or named or chosen.overlaps(first_wall_ms, last_wall_ms)

    @property
    def needle(self) -> str | None:
        """A text without which a piece can be passed by: none of its documents is meant, nor is any from before it.

        ``None`` where every piece has to be read.
        """
        chosen = self._selection
        if self._chosen or self._broken or self._carry_ms or self._sound is not None:
            return None
        named = chosen.path if chosen.site is None else chosen.site if chosen.path is None else None
        return None if named is None or not _PLAIN.fullmatch(named) else named

    def pass_by(self, last_wall_ms: int) -> None:
        """Pass over a piece that need not be read."""
        self._wall_ms = last_wall_ms

    def copy(self) -> Eraser:
        """Give another that goes on from here: a transaction may have to be tried twice."""
        return copy.deepcopy(self)

    def skip(self, events: Sequence[Event]) -> int:
        """Pass over a piece that goes or stays as a whole; gives how many of its events are selected."""
        selected = 0
        for event in events:
            self._note_path(event)
            selected += self._selects(event)
        return selected

    def apply(self, events: Sequence[Event]) -> tuple[tuple[Event, ...], int]:
        """Replace what is selected in a piece; gives the events and how many were replaced."""
        kept: list[Event] = []
        replaced = 0
        for event in events:
            self._note_path(event)
            if self._goes(event):
                replaced += 1
                self._carry_ms += event.delta_ms
                kept.append(gap_for(event, GapReason.FORGOTTEN, wall_ms=self._wall_ms))
            else:
                kept.append(self._with_carry(event))
            self._wall_ms = kept[-1].wall_ms
        return tuple(kept), replaced

    def lose(self, *, first: int, count: int, level: Level, wall_ms: int) -> tuple[Event, ...]:
        """Stand in for events that can't be read and go as a whole; every document is in doubt from here on."""
        self._broken, self._sound = set(), set()
        self._wall_ms = wall_ms if self._wall_ms is None else self._wall_ms
        body = CaptureGap(count=1, reason=GapReason.FORGOTTEN)
        return tuple(Event(index, self._wall_ms, 0, level, body) for index in range(first, first + count))

    def _goes(self, event: Event) -> bool:
        body = event.body
        selected = self._selects(event)
        if isinstance(body, DocumentOpen):
            broken = selected or self._is_broken(body.continues)
            self._mark(body.document, broken=broken)
            return broken
        if isinstance(body, DocumentEdit):
            if selected:
                self._mark(body.document, broken=True)
            return self._is_broken(body.document)
        return selected

    def _is_broken(self, document: DocumentId | None) -> bool:
        if document is None:
            return False
        return document in self._broken or (self._sound is not None and document not in self._sound)

    def _mark(self, document: DocumentId, *, broken: bool) -> None:
        (self._broken.add if broken else self._broken.discard)(document)
        if self._sound is not None:
            (self._sound.discard if broken else self._sound.add)(document)

    def _selects(self, event: Event) -> bool:
        chosen = self._selection
        if is_forgotten(event):
            return False
        if chosen.indexes is not None and event.index not in chosen.indexes:
            return False
        named = chosen.path is not None or chosen.site is not None
        if named and getattr(event.body, "document", None) not in self._chosen:
            return False
        return chosen.overlaps(event.wall_ms, event.wall_ms)

    def _note_path(self, event: Event) -> None:
        body = event.body
        if isinstance(body, DocumentOpen) and self._selection.path is not None:
            same = body.path == self._selection.path or fnmatchcase(body.path, self._selection.path)
            # A renamed document still holds the text of the one it continues.
            if same or body.continues in self._chosen:
                self._chosen.add(body.document)
        elif isinstance(body, PageOpen | PageNavigate) and self._selection.site is not None:
            # A page that moves to another site is another site's from there on, and back.
            same = origin_of(body.route) == self._selection.site
            (self._chosen.add if same else self._chosen.discard)(body.document)

    def _with_carry(self, event: Event) -> Event:
        if not self._carry_ms:
            return event
        carried = msgspec.structs.replace(event, delta_ms=event.delta_ms + self._carry_ms)
        self._carry_ms = 0
        return carried


def origin_of(route: str) -> str:
    """Give the web origin that a route begins with."""
    scheme, separator, rest = route.partition("://")
    return f"{scheme}{separator}{rest.split('/', 1)[0]}" if separator else ""


def gap_for(event: Event, reason: GapReason, *, wall_ms: int | None) -> Event:
    """Make the gap that stands for an event; it names a document only where that document's replay breaks."""
    body = event.body
    document = body.document if isinstance(body, DocumentOpen | DocumentEdit) else None
    return Event(
        index=event.index,
        wall_ms=event.wall_ms if wall_ms is None else wall_ms,
        delta_ms=0,
        level=event.level,
        body=CaptureGap(count=1, reason=reason, document=document),
    )


def keep_masks(
    before: Sequence[Event], after: Sequence[Event], masks: Sequence[Mask], findings: Sequence[Finding]
) -> tuple[tuple[Mask, ...], tuple[Finding, ...]]:
    """Give the masks of the events that stayed, and the findings that these refer to."""
    stayed = {old.index for old, new in zip(before, after, strict=True) if old.body is new.body}
    kept = tuple(mask for mask in masks if mask.index in stayed)
    numbers = {mask.finding for mask in kept}
    return kept, tuple(finding for finding in findings if finding.number in numbers)


def fill_holes(chunks: Sequence[tuple[Event, ...]], *, start: int, end: int, wall_ms: int) -> tuple[Event, ...]:
    """Join chunks of a session in index order, with a gap for every index that a damaged chunk took along.

    After a hole every document is in doubt: its edits up to its next opening become gaps too. ``wall_ms`` is the
    time of a gap with nothing before it.
    """
    events: list[Event] = []
    in_doubt = False
    sound: set[DocumentId] = set()
    for chunk in (*chunks, ()):
        first = chunk[0].index if chunk else end
        for index in range(events[-1].index + 1 if events else start, first):
            before = events[-1] if events else None
            events.append(_hole(index, before.wall_ms if before else wall_ms, before.level if before else Level.RHYTHM))
            in_doubt, sound = True, set()
        events.extend(_unless_in_doubt(event, sound) if in_doubt else event for event in chunk)
    return tuple(events)


def _unless_in_doubt(event: Event, sound: set[DocumentId]) -> Event:
    body = event.body
    if isinstance(body, DocumentOpen) and (body.continues is None or body.continues in sound):
        sound.add(body.document)
    elif isinstance(body, DocumentOpen | DocumentEdit) and body.document not in sound:
        return gap_for(event, GapReason.CRASHED, wall_ms=event.wall_ms)
    return event


def _hole(index: int, wall_ms: int, level: Level) -> Event:
    return Event(index, wall_ms, 0, level, CaptureGap(count=1, reason=GapReason.CRASHED))


def is_forgotten(event: Event) -> bool:
    """Say whether an event is the gap of a forgotten one."""
    return isinstance(event.body, CaptureGap) and event.body.reason is GapReason.FORGOTTEN
