"""What is pending, as it would be sealed now: the filter's own masks, found again from what is on disk.

The collector that writes a session holds its redactor in memory; another is made here from the same parts, so that a
person sees within a second what is taken out of what they type, long before it is sealed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from capture_gate.channel import lowered
from capture_gate.sessions import new_redactor
from consent_ledger.grants import Grant
from event_model.events import DocumentOpen, Event, Finding, Mask
from event_model.ids import DocumentId
from event_model.keys import Secret
from event_model.levels import Level
from overt.review.sheet import Sheet, replay
from privacy_filter.detectors import Detector
from privacy_filter.masks import apply_masks


class Chapter(msgspec.Struct, frozen=True):
    """A piece of a session as a person may see it: events masked and lowered, and what was taken out of them."""

    events: tuple[Event, ...]
    masks: tuple[Mask, ...] = ()
    findings: tuple[Finding, ...] = ()


class Preview:
    """One session's pending events. ``base`` are its documents as sealed, which are masked already."""

    def __init__(
        self, *, installation: Secret, grant: Grant, detector: Detector, base: dict[DocumentId, Sheet], findings: int
    ) -> None:
        self._redactor = new_redactor(installation, grant, detector, first_finding=findings + 1)
        self._base = base
        self._first = 0
        self._events: tuple[Event, ...] = ()
        self._chapter = Chapter(())

    def see(self, events: Sequence[Event], now_ms: int) -> Chapter | None:
        """Take in what is pending now; ``None`` if it does not follow what was seen before: begin anew then."""
        events = tuple(events)
        if events == self._events:
            return self._chapter
        if self._events:
            known = [event for event in self._events if not events or event.index >= events[0].index]
            if not events or list(events[: len(known)]) != known:
                return None
            if events[0].index > self._events[0].index:
                self._redactor.take(events[0].index)
            fresh: Sequence[Event] = events[len(known) :]
        else:
            self._stand_in(events)
            fresh = events
        for event in fresh:
            self._redactor.feed(event, now_ms)
        self._events = events
        found = self._redactor.preview()
        masks = tuple(mask for mask in found.masks if events and mask.index >= events[0].index)
        kept = tuple(lowered(event) for event in apply_masks(events, masks))
        self._chapter = Chapter(kept, masks, found.findings)
        return self._chapter

    def _stand_in(self, events: tuple[Event, ...]) -> None:
        """Show the redactor the documents as they were sealed, so that it can follow what comes after."""
        first = events[0] if events else None
        known = [(document, sheet) for document, sheet in self._base.items() if not sheet.broken]
        if first is None or first.index < len(known):
            return
        for at, (document, sheet) in enumerate(known):
            body = DocumentOpen(document, "", "", "", sheet.text)
            index = first.index - len(known) + at
            self._redactor.feed(Event(index, first.wall_ms, 0, Level.CONTENT, body), 0)
        if known:
            self._redactor.take(first.index)


def base_of(chapters: Sequence[Chapter]) -> tuple[dict[DocumentId, Sheet], int]:
    """Replay what is sealed of a session; gives its documents and the highest number of a finding."""
    sheets: dict[DocumentId, Sheet] = {}
    highest = 0
    for chapter in chapters:
        replay(sheets, chapter.events)
        highest = max(highest, *(finding.number for finding in chapter.findings), 0)
    return sheets, highest


def without_text(events: Sequence[Event]) -> Chapter:
    """Give events as they are shown where the filter fails: that they happened, and when."""
    return Chapter(tuple(lowered(msgspec.structs.replace(event, level=Level.RHYTHM)) for event in events))
