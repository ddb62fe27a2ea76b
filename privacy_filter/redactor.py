"""The stream: events of one session go in, masks come out when what they wrote has settled.

The redactor looks at documents, not at events: it replays every edit, scans what was written before anything of it
can be destroyed, and masks each event that brought a character of what was found, also those that were deleted
since. What can't be followed is masked whole.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

import msgspec

from event_model.errors import PositionError
from event_model.events import (
    FILLER,
    CaptureGap,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Event,
    Finding,
    Mask,
)
from event_model.ids import DocumentId
from event_model.keys import Secret
from event_model.levels import Level
from event_model.page_events import PageBody
from privacy_filter.detectors.base import SECRET, Detector, Hit
from privacy_filter.echoes import LONG_GRAM_CHARS, Echoes
from privacy_filter.findings import Findings
from privacy_filter.page_watch import PageWatch
from privacy_filter.provenance import Provenance, Span
from privacy_filter.tracked import TrackedDocument

IDLE_SCAN_MS = 2_000
"""A pause in typing after which a document is scanned: longer than between keys, shorter than any hold."""

MAX_HOLD_FACTOR = 10
"""A line that is written on and on is held this many times the settle time, then let go as it is masked by then."""

MAX_DOCUMENT_CHARS = 1 << 20
"""Larger documents are not followed; their text is masked whole."""

MAX_PENDING_CHARS = 8 << 20
"""Characters whose origin is remembered, at most some 80 MB; what comes on top of them is masked whole."""

LARGE_INSERT_CHARS = 4096
"""A larger insert is a file's text, not something that somebody wrote: random tokens in it are mostly digests."""

MIN_MOVED_CHARS = 4
"""Shorter pieces come again by chance."""

MAX_MOVED_CHARS = 4096
MAX_CUTS = 32
"""Pieces that were cut out last and may be pasted again: a clipboard holds one, an undo list some more."""

MAX_PARKED = 8
"""Closed documents that are kept in case a rename goes on with them."""

UNFOLLOWED = "unscanned"
"""The kind of what was masked because it could not be looked at in its place."""


class Redactions(msgspec.Struct, frozen=True):
    """The masks of some events, and the findings that they name."""

    masks: tuple[Mask, ...]
    findings: tuple[Finding, ...]


class Redactor:
    """Finds what must be masked in one session's events, over all of its documents.

    ``unfollowed`` are the open documents that it had to let go of, for their size or for what is pending: no more than
    the shape of what is written in them may be kept.

    Feed it every event in the order of its index; ask ``settled`` how far the events are final, then ``take`` their
    masks. Times are milliseconds of any clock that does not go back.
    """

    def __init__(self, *, detector: Detector, tag_key: Secret, settle_ms: int, first_finding: int = 1) -> None:
        self._detector = detector
        self._settle_ms = settle_ms
        self._origin = Provenance()
        self._findings = Findings(tag_key, first_finding)
        self._echoes = Echoes()
        self._documents: dict[DocumentId, TrackedDocument] = {}
        self._parked: dict[DocumentId, TrackedDocument] = {}
        self._dirty: set[DocumentId] = set()
        self.unfollowed: set[DocumentId] = set()
        self._first = 0
        self._times = array("Q")
        self._whole: list[Mask] = []
        self._tail = ""
        self._cuts: dict[str, list[Span]] = {}
        self._pages = PageWatch(detector, self._findings, self._echoes)

    def feed(self, event: Event, now_ms: int) -> None:
        """Take in the next event, its text unmasked."""
        if not self._times:
            self._first = event.index
        self._times.append(max(now_ms, self._times[-1] if self._times else 0))
        body = event.body
        if type(body) is DocumentEdit:
            self._edit(event.index, body, now_ms)
        elif type(body) is DocumentOpen:
            self._open(event.index, body, now_ms)
        elif type(body) is DocumentSave:
            self._settle_document(body.document)
        elif type(body) is DocumentClose:
            self._close(body.document)
        elif type(body) is CaptureGap and body.document is not None:
            self._drop(body.document)
        elif isinstance(body, PageBody) and event.level is Level.CONTENT:
            self._whole += [mask for mask in self._pages.feed(event.index, body) if mask.index >= self._first]

    def tick(self, now_ms: int) -> None:
        """Scan what was written and left alone for a moment."""
        for document in [key for key in self._dirty if now_ms - self._documents[key].touched_ms >= IDLE_SCAN_MS]:
            self._scan(document)

    def found(self, now_ms: int) -> dict[str, int]:
        """Count what was found and will be masked, by kind, in all that was left alone for a moment."""
        self.tick(now_ms)
        return self._findings.kinds()

    def settled(self, now_ms: int) -> int:
        """Give the index below which events are final: old enough, scanned, and no part of a line being written."""
        bound = self._older_than(now_ms - self._settle_ms)
        if bound == self._first:
            return bound
        for document in tuple(self._dirty):
            self._scan(document)
        held = bound
        for tracked in self._documents.values():
            if tracked.active and now_ms - tracked.touched_ms < self._settle_ms:
                cell = tracked.oldest_cell(self._origin.floor)
                if cell is not None:
                    held = min(held, self._origin.event_of(cell))
        return max(held, self._older_than(now_ms - MAX_HOLD_FACTOR * self._settle_ms))

    def flush(self, now_ms: int) -> int:
        """Scan everything now and give the index below which events are final: all of them."""
        del now_ms
        for document in tuple(self._dirty):
            self._scan(document)
        return self._first + len(self._times)

    def preview(self) -> Redactions:
        """Give the masks of all that was not taken, as they would be if it were now; forgets nothing."""
        upto, tail = self._first + len(self._times), self._tail
        for document in tuple(self._dirty):
            self._scan(document)
        self._mask_echoes(upto)
        self._tail = tail
        masks = sorted([*self._whole, *self._origin.masks(upto)], key=_place)
        return Redactions(tuple(masks), self._findings.look({mask.finding for mask in masks}))

    def take(self, upto: int) -> Redactions:
        """Give the masks of the events below ``upto`` and forget where their characters came from."""
        upto = min(upto, self._first + len(self._times))
        if upto <= self._first:
            return Redactions((), ())
        for document in tuple(self._dirty):
            self._scan(document)
        self._mask_echoes(upto)
        masks = [mask for mask in self._whole if mask.index < upto]
        self._whole = [mask for mask in self._whole if mask.index >= upto]
        masks += self._origin.take(upto)
        masks.sort(key=_place)
        del self._times[: upto - self._first]
        self._first = upto
        for tracked in self._documents.values():
            tracked.forget_graves(self._origin.floor)
        return Redactions(tuple(masks), self._findings.give({mask.finding for mask in masks}))

    # What events do

    def _open(self, index: int, body: DocumentOpen, now_ms: int) -> None:
        self._drop(body.document)
        self._find_in_path(index, body.path)
        if body.continues is not None:
            tracked = self._documents.pop(body.continues, None) or self._parked.pop(body.continues, None)
            if body.continues in self._dirty:
                self._dirty.discard(body.continues)
                self._dirty.add(body.document)
            if tracked is not None:
                self._documents[body.document] = tracked
            else:
                self._mask_whole(index, "text", body.text)
            return
        if not self._fits(0, body.text):
            self.unfollowed.add(body.document)
            self._mask_whole(index, "text", body.text)
            return
        first = self._origin.add(index, "text", body.text) if body.text else self._origin.next_cell
        tracked = TrackedDocument(body.text, first, now_ms)
        self._documents[body.document] = tracked
        for hit in self._detector.find(body.text, whole_file=True):
            self._mark(tracked, hit, body.text, 0)
        tracked.note(body.text)

    def _edit(self, index: int, body: DocumentEdit, now_ms: int) -> None:
        tracked = self._documents.get(body.document)
        inserted = body.inserted
        if tracked is None:
            self._mask_whole(index, "inserted", inserted)
            return
        if tracked.dirty and (body.deleted or body.position != tracked.dirty_end or tracked.overlong):
            self._scan(body.document)
        if not self._fits(tracked.length, inserted):
            self._drop(body.document)
            self.unfollowed.add(body.document)
            self._mask_whole(index, "inserted", inserted)
            return
        first = self._origin.add(index, "inserted", inserted) if inserted else self._origin.next_cell
        if len(inserted) >= MIN_MOVED_CHARS and inserted in self._cuts:
            self._origin.moved(first, self._cuts[inserted])
        if MIN_MOVED_CHARS <= body.deleted <= MAX_MOVED_CHARS:
            self._remember_cut(tracked, body.position, body.position + body.deleted)
        try:
            tracked.edit(body, first_cell=first, floor=self._origin.floor, now_ms=now_ms)
        except PositionError:
            self._drop(body.document)
            self._mask_whole(index, "inserted", inserted)
            return
        self._dirty.add(body.document)

    def _remember_cut(self, tracked: TrackedDocument, start: int, end: int) -> None:
        """Remember what is cut out: pasted elsewhere it may become a part of a secret that it was not here."""
        text = tracked.slice(start, end)
        self._cuts.pop(text, None)
        self._cuts[text] = tracked.spans(start, end)
        if len(self._cuts) > MAX_CUTS:
            del self._cuts[next(iter(self._cuts))]

    def _settle_document(self, document: DocumentId) -> None:
        if document in self._dirty:
            self._scan(document)
        tracked = self._documents.get(document)
        if tracked is not None:
            tracked.active = False

    def _close(self, document: DocumentId) -> None:
        self.unfollowed.discard(document)
        self._settle_document(document)
        tracked = self._documents.pop(document, None)
        if tracked is not None:
            self._parked[document] = tracked
            while len(self._parked) > MAX_PARKED:
                del self._parked[next(iter(self._parked))]

    def _drop(self, document: DocumentId) -> None:
        if document in self._dirty:
            self._scan(document)
        self._documents.pop(document, None)

    def _fits(self, length: int, text: str) -> bool:
        return length + len(text) <= MAX_DOCUMENT_CHARS and self._origin.pending + len(text) <= MAX_PENDING_CHARS

    # Scanning

    def _scan(self, document: DocumentId) -> None:
        self._dirty.discard(document)
        tracked = self._documents[document]
        start, end = tracked.window()
        text = tracked.slice(start, end)
        if tracked.note(text):  # the first line of a key: what is written of the rest stands further away
            start, end = tracked.window()
            text = tracked.slice(start, end)
        large = tracked.dirty_end - tracked.dirty_start > LARGE_INSERT_CHARS
        for hit in self._detector.find(text, whole_file=large):
            if not hit.opaque or self._written(tracked, start + hit.start, start + hit.end):
                self._mark(tracked, hit, text, start)
        if FILLER in text:
            for hit in _beside_filler(text):
                self._mark(tracked, hit, text, start)
        tracked.clean()

    def _written(self, tracked: TrackedDocument, start: int, end: int) -> bool:
        """Say whether most of a span was typed or pasted, and not there when the document was opened."""
        cells = tracked.cells(start, end)
        return 2 * sum(map(self._origin.is_edit, cells)) > len(cells)

    def _mark(self, tracked: TrackedDocument, hit: Hit, text: str, offset: int) -> None:
        spans = tracked.touched_cells(offset + hit.start, offset + hit.end)
        grown_from: int | None = None
        fresh = False
        for start, end in spans:
            for cell in range(max(start, self._origin.floor), end):
                if not self._origin.is_tainted(cell):
                    fresh = True
                elif grown_from is None:
                    grown_from = self._origin.finding_of(cell)
        if not fresh:
            return
        start, end = hit.core or (hit.start, hit.end)
        value = text[start:end]
        number = self._findings.number(hit.category, hit.kind, value, guessable=hit.guessable, grown_from=grown_from)
        self._origin.taint(spans, number)
        if hit.category == SECRET:
            self._echoes.learn(value)
            if hit.core is not None:
                self._echoes.learn_surroundings(text[hit.start : hit.end])

    def _find_in_path(self, index: int, path: str) -> None:
        for hit in self._detector.find(path, whole_file=False):
            value = path[hit.start : hit.end]
            number = self._findings.number(hit.category, hit.kind, value, guessable=hit.guessable, grown_from=None)
            self._whole.append(Mask(index, "path", hit.start, hit.end - hit.start, number))
            if hit.category == SECRET:
                self._echoes.learn(value)

    def _mask_whole(self, index: int, field: str, text: str) -> None:
        if text:
            number = self._findings.number(SECRET, UNFOLLOWED, "", guessable=True, grown_from=None)
            self._whole.append(Mask(index, field, 0, len(text), number))

    def _mask_echoes(self, upto: int) -> None:
        """Mask what repeats a part of a secret in the events that are about to be taken."""
        floor, limit = self._origin.floor, self._origin.cell_of(upto)
        # The end of what was taken before and the begin of what comes next: a part may lie across.
        text = self._tail + self._origin.text(floor, limit + LONG_GRAM_CHARS - 1)
        if self._echoes:
            base = floor - len(self._tail)
            for start, end in self._echoes.find(text):
                span = (max(base + start, floor), base + end)
                number = self._findings.number(
                    SECRET, "repeated-secret", text[start:end], guessable=True, grown_from=None
                )
                self._origin.taint([span], number)
        taken = len(self._tail) + limit - floor
        self._tail = text[max(taken - LONG_GRAM_CHARS + 1, 0) : taken]

    def _older_than(self, time_ms: int) -> int:
        return self._first + bisect_right(self._times, time_ms)


def _place(mask: Mask) -> tuple[int, str, int]:
    return mask.index, mask.field, mask.offset


def _beside_filler(text: str) -> list[Hit]:
    """Find what touches a mask: the rest of a secret whose first part was sealed by an earlier process."""
    hits: list[Hit] = []
    at = text.find(FILLER)
    while at >= 0:
        start, end = at, at
        while start > 0 and _in_token(text[start - 1]):
            start -= 1
        while end < len(text) and (text[end] == FILLER or _in_token(text[end])):
            end += 1
        hits.append(Hit(start, end, SECRET, "continued", guessable=True))
        at = text.find(FILLER, end)
    return hits


def _in_token(sign: str) -> bool:
    return sign.isalnum() or sign in "_-+/"
