"""The second pass: a newer filter reads a session again, before anything of it is written. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from dataset_builder.event_arrays import EventArrays
from dataset_builder.opening import Opened
from event_model.events import CaptureGap, DocumentEdit, DocumentOpen, Event, Finding, GapReason, Mask
from event_model.keys import Secret
from event_model.levels import Level
from privacy_filter.detectors.base import Detector
from privacy_filter.masks import apply_masks
from privacy_filter.redactor import Redactor

FIRST_FINDING = 1 << 40
"""Findings of the second pass are counted from here, far from those of the device."""

SETTLE_MS = 120_000
"""How long an event waits for what is typed after it, by the session's own clock; as long as on the device."""

MAX_WAITING_CHARS = 4 << 20
MAX_WAITING_EVENTS = 1 << 16
"""What may wait at most. The filter masks what it can't remember, so it is made to decide before that."""


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive events of a session, with the masks of the device and of the second pass.

    ``first_seq`` belongs to the first event; a chunk never spans a gap in the sequence.
    """

    first_seq: int
    events: EventArrays
    masks: tuple[Mask, ...]
    findings: tuple[Finding, ...]
    more_masks: tuple[Mask, ...] = ()


def first_pass(contents: Iterable[Opened]) -> Iterator[Chunk]:
    """Give the events as they came from the device."""
    for content in contents:
        yield Chunk(content.header.first_seq, content.events, content.masks, content.findings)


def second_pass(chunks: Iterable[Chunk], *, detector: Detector, tag_key: Secret) -> Iterator[Chunk]:
    """Read the events again with a detector, and give them once nothing more can be found in them."""
    reader = _Reader(detector, tag_key)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.end()


class _Reader:
    """Feeds a session to the filter, and holds its events until they are final."""

    def __init__(self, detector: Detector, tag_key: Secret) -> None:
        self._redactor = Redactor(detector=detector, tag_key=tag_key, settle_ms=SETTLE_MS, first_finding=FIRST_FINDING)
        self._waiting: deque[Chunk] = deque()
        self._masks: dict[int, list[Mask]] = {}
        self._findings: list[Finding] = []
        self._now_ms = self._events = self._chars = 0
        self._final = 0

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """Take in events; give those that are final."""
        self._waiting.append(chunk)
        for event in apply_masks(chunk.events.events(), chunk.masks):
            self._now_ms += event.delta_ms
            self._redactor.feed(_shown(event), self._now_ms)
            self._events += 1
            self._chars += _length(event)
            if self._events >= MAX_WAITING_EVENTS or self._chars >= MAX_WAITING_CHARS:
                self._take(self._redactor.flush(self._now_ms))
                self._events = self._chars = 0
        self._take(self._redactor.settled(self._now_ms))
        yield from self._release()

    def end(self) -> Iterator[Chunk]:
        """The session is over: give what is left."""
        self._take(self._redactor.flush(self._now_ms))
        yield from self._release()

    def _take(self, upto: int) -> None:
        if upto <= self._final:
            return
        found = self._redactor.take(upto)
        self._final = upto
        self._findings += found.findings
        for mask in found.masks:
            self._masks.setdefault(mask.index, []).append(mask)

    def _release(self) -> Iterator[Chunk]:
        while self._waiting and self._waiting[0].events.indexes.stop <= self._final:
            chunk = self._waiting.popleft()
            found = [mask for index in chunk.events.indexes for mask in self._masks.pop(index, ())]
            more = _beyond(found, chunk.masks)
            findings = (*chunk.findings, *self._findings)
            self._findings = []
            yield msgspec.structs.replace(chunk, findings=findings, more_masks=tuple(more))


def _shown(event: Event) -> Event:
    """Give what the filter reads of an event: of a shape there is nothing to find, and following it costs memory."""
    body = event.body
    if event.level is Level.CONTENT or not isinstance(body, DocumentOpen | DocumentEdit):
        return event
    gap = CaptureGap(count=0, reason=GapReason.DOCUMENT_TOO_LARGE, document=body.document)
    return msgspec.structs.replace(event, body=gap)


def _beyond(found: Iterable[Mask], known: Iterable[Mask]) -> list[Mask]:
    """Leave out what lies within a mask of the first pass: filler after a telling name looks like a secret too."""
    spans: dict[tuple[int, str], list[Mask]] = {}
    for mask in known:
        spans.setdefault((mask.index, mask.field), []).append(mask)
    return [
        mask
        for mask in found
        if not any(
            each.offset <= mask.offset and mask.offset + mask.length <= each.offset + each.length
            for each in spans.get((mask.index, mask.field), ())
        )
    ]


def _length(event: Event) -> int:
    body = event.body
    if isinstance(body, DocumentEdit):
        return len(body.inserted)
    return len(body.text) if isinstance(body, DocumentOpen) else 0
