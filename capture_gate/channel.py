"""One study's stream in one session, without I/O: numbers events, redacts them, and makes what the store accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from capture_gate.decision import level_of, text_of
from consent_ledger.grants import Grant
from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.events import (
    Body,
    CaptureGap,
    CompletionAccept,
    DocumentEdit,
    Event,
    GapReason,
    SelectionChange,
    ViewportChange,
)
from event_model.ids import DocumentId, RecordId, SessionId, StudyId
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES, PageBody
from event_model.segment import MAX_SEGMENT_EVENTS
from privacy_filter.masks import apply_masks, lower_level
from privacy_filter.redactor import Redactions, Redactor
from privacy_filter.rhythm import collapse_rhythm

MAX_SEGMENT_TEXT_CHARS = 1_000_000
"""Text in one segment before it is cut: at four bytes a character, incompressible, it still fits the 4 MiB."""


T = TypeVar("T")

UNREAD_EVENTS = 64
"""So many small events wait for the filter, which reads a row of keys for little more than a single one. Meanwhile they
lie in the journal as all that is pending does, and none of them is settled."""

_SMALL = frozenset({DocumentEdit, SelectionChange, ViewportChange, CompletionAccept})
_SMALL_CHARS = 64


class Channel:
    """Admitted events of one study on their way to the journal, and the redactor that follows them.

    ``index`` is gapless from ``next_index`` on; times are monotonic deltas, never negative. ``failed`` is told what the
    redactor stumbles over; from then on nothing of the channel is settled any more.
    """

    def __init__(
        self,
        *,
        grant: Grant,
        session: SessionId,
        source: str,
        redactor: Redactor,
        failed: Callable[[Channel, Exception], None],
    ) -> None:
        self._grant = grant
        self._levels: dict[type[Body], Level | None] = {}
        self.session = session
        self.source = source
        self._redactor = redactor
        self._failed = failed
        self._broken = False
        self._unread: list[tuple[Event, int]] = []
        self.documents: set[DocumentId] = set()
        self.begun = False
        self.next_index = 0
        self.durable = 0
        self.sealed = 0
        self._buffer: list[Event] = []
        self._last_monotonic_ms: int | None = None
        self._untaken = Redactions(masks=(), findings=())

    @property
    def grant(self) -> Grant:
        """What the person agreed to."""
        return self._grant

    @grant.setter
    def grant(self, grant: Grant) -> None:
        self._grant = grant
        self._levels.clear()

    @property
    def study(self) -> StudyId:
        """The study that this channel serves."""
        return self._grant.study

    def level_of(self, body: Body) -> Level | None:
        """Give what may be kept of an event by its kind, or ``None`` when the study does not ask for it."""
        kind = type(body)
        if kind not in self._levels:
            self._levels[kind] = level_of(self._grant.levels, body)
        return self._levels[kind]

    @property
    def buffered(self) -> int:
        """Events admitted, not yet on disk."""
        return len(self._buffer)

    def admit(self, body: Body, level: Level, *, ceiling: Level, wall_ms: int, monotonic_ms: int) -> None:
        """Number an event, show it to the redactor and buffer it; small ones are shown a few at a time.

        What may be kept is lowered at once where the redactor has nothing to find: at ``rhythm``, where the document's
        size sets a lower ceiling or the redactor can't follow it any more, and in events of pages. Everything else is
        lowered when it is masked.
        """
        if self._redactor.unfollowed and getattr(body, "document", None) in self._redactor.unfollowed:
            ceiling = min(ceiling, Level.SHAPE)
            level = min(level, ceiling)
        delta = 0 if self._last_monotonic_ms is None else max(0, monotonic_ms - self._last_monotonic_ms)
        event = Event(index=self.next_index, wall_ms=max(0, wall_ms), delta_ms=delta, level=level, body=body)
        shown = event
        if level is Level.RHYTHM or ceiling is not Level.CONTENT or type(body) in PAGE_TYPES:
            event = lowered(event)
            shown = event if ceiling is Level.CONTENT else _unseen(event)
        self._unread.append((shown, monotonic_ms))
        long = isinstance(body, DocumentEdit) and len(body.inserted) > _SMALL_CHARS
        if long or type(body) not in _SMALL or len(self._unread) >= UNREAD_EVENTS:
            self._read()
        if self._broken:
            return
        self._last_monotonic_ms = monotonic_ms
        self.next_index += 1
        self._buffer.append(event)

    def drain(self) -> PendingBatch | None:
        """Take what is buffered as a batch for the journal; ``restore`` puts it back when it could not be written."""
        if not self._buffer:
            return None
        events, self._buffer = tuple(self._buffer), []
        return PendingBatch(
            STAMP,
            study=self.study,
            session=self.session,
            source=self.source,
            consent_record=self.grant.record.record_id,
            events=events,
        )

    def restore(self, batch: PendingBatch) -> None:
        """Put a batch back in front of what was admitted since."""
        self._buffer[:0] = batch.events

    def settled(self, monotonic_ms: int) -> int:
        """One past the last durable event that is final."""
        return self._ask(lambda: min(self._redactor.settled(monotonic_ms), self.durable), self.sealed)

    def flush(self, monotonic_ms: int) -> int:
        """Let the filter look at everything now; gives one past the last durable event that is final."""
        return self._ask(lambda: min(self._redactor.flush(monotonic_ms), self.durable), self.sealed)

    def tick(self, monotonic_ms: int) -> None:
        """Let the filter look at what was left alone for a moment."""
        self._ask(lambda: self._redactor.tick(monotonic_ms), None)

    def found(self, monotonic_ms: int) -> dict[str, int]:
        """Count what the filter found so far, by kind."""
        return self._ask(lambda: self._redactor.found(monotonic_ms), {})

    def take(self, upto: int) -> Redactions | None:
        """Give every redaction below ``upto`` that was not sealed yet; keeps them until ``mark_sealed``.

        ``None`` if the filter failed: then nothing may be sealed.
        """
        fresh = self._ask(lambda: self._redactor.take(upto), None)
        if fresh is None:
            return None
        known = {each.number: each for each in (*self._untaken.findings, *fresh.findings)}
        self._untaken = Redactions(masks=self._untaken.masks + fresh.masks, findings=tuple(known.values()))
        return self._untaken

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Ask the redactor, once it has read everything. Whatever it stumbles over, the channel fails closed."""
        self._read()
        if self._broken:
            return otherwise
        try:
            return question()
        except Exception as error:  # as above
            self._fail(error)
            return otherwise

    def _read(self) -> None:
        """Show the redactor what it has not seen."""
        unread, self._unread = self._unread, []
        if unread and not self._broken:
            try:
                for event, monotonic_ms in unread:
                    self._redactor.feed(event, monotonic_ms)
            except Exception as error:  # as above
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._broken = True
        self._failed(self, error)

    def mark_sealed(self, batch: MaskedBatch) -> None:
        """Note that a batch is in a segment; its redactions are not needed any more."""
        self.sealed = batch.next_index
        masks = tuple(each for each in self._untaken.masks if each.index >= batch.next_index)
        self._untaken = Redactions(masks=masks, findings=self._untaken.findings if masks else ())


def masked_batches(
    *,
    study: StudyId,
    session: SessionId,
    source: str,
    consent_record: RecordId,
    events: tuple[Event, ...],
    redactions: Redactions,
) -> Iterator[MaskedBatch]:
    """Mask settled events, lower them to their level, and cut them into batches that fit a segment."""
    masks = sorted(redactions.masks, key=lambda each: each.index)
    findings = {each.number: each for each in redactions.findings}
    position = 0
    for part in _cut(events):
        end = part[-1].index + 1
        start = position
        while position < len(masks) and masks[position].index < end:
            position += 1
        part_masks = tuple(masks[start:position])
        masked = tuple(lowered(event) for event in collapse_rhythm(apply_masks(part, part_masks), part_masks))
        numbers = sorted({each.finding for each in part_masks})
        yield MaskedBatch(
            STAMP,
            study=study,
            session=session,
            source=source,
            consent_record=consent_record,
            events=masked,
            masks=part_masks,
            findings=tuple(findings[number] for number in numbers),
        )


def lowered(event: Event) -> Event:
    """Bring an event's text down to its level; a pending event already bears the level it will be kept at."""
    if event.level is Level.CONTENT:
        return event
    return lower_level(msgspec.structs.replace(event, level=Level.CONTENT), event.level)


def _cut(events: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
    part: list[Event] = []
    chars = 0
    for event in events:
        size = _chars(event.body)
        if part and (len(part) >= MAX_SEGMENT_EVENTS or chars + size > MAX_SEGMENT_TEXT_CHARS):
            yield tuple(part)
            part, chars = [], 0
        part.append(event)
        chars += size
    if part:
        yield tuple(part)


def _chars(body: Body) -> int:
    """Say about how many characters of text a body brings into a segment."""
    return len(msgspec.json.encode(body)) if isinstance(body, PageBody) else len(text_of(body))


def _unseen(event: Event) -> Event:
    """Stand in for an event of a document that is too large to be followed: the redactor lets go of it."""
    document: DocumentId | None = getattr(event.body, "document", None)
    gap = CaptureGap(count=0, reason=GapReason.DOCUMENT_TOO_LARGE, document=document)
    return Event(event.index, event.wall_ms, event.delta_ms, event.level, gap)
