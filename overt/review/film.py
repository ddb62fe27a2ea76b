"""A document's life as a film: where it stood, and every step from there, masked spans as typed placeholders. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from event_model.events import CaptureGap, DocumentEdit, DocumentOpen, DocumentSave, Event, SelectionChange
from event_model.ids import DocumentId
from overt.review.preview import Chapter
from overt.review.sheet import MaskIndex, Run, Sheet, replay
from privacy_filter.masks import placeholder

REEL_STEPS = 5000
"""Steps in one reel: some 300 kB; the next is fetched while this one plays."""

Step = tuple[int, int, int, str, list[tuple[int, int, int]], int, str]
"""Wall time, position, deleted, inserted, masked spans (start, end, finding), index, and what made it."""


class Reel(msgspec.Struct, frozen=True):
    """A part of a film. ``base`` is the document before the first step; ``next`` the index where the next begins."""

    name: str
    language: str
    base: list[Run]
    steps: list[Step]
    labels: dict[int, str]
    broken: bool
    next: int | None


class Cutter:
    """Finds one document's reel in a session's chapters, given in order."""

    def __init__(self, document: DocumentId, *, start: int, end: int | None = None, steps: int = REEL_STEPS) -> None:
        self._wanted = {document}
        self._start = start
        self._end = end
        self._limit = steps
        self._sheets: dict[DocumentId, Sheet] = {}
        self._masks: list[MaskIndex] = []
        self._labels: dict[int, str] = {}
        self._steps: list[Step] = []
        self._base: list[Run] | None = None
        self._name = self._language = ""
        self._broken = False
        self._next: int | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more is needed."""
        return self._next is not None

    def chapter(self, chapter: Chapter) -> None:
        """Take in the next piece of the session."""
        masked = MaskIndex(chapter.masks)
        self._masks.append(masked)
        self._labels.update((finding.number, placeholder(finding)) for finding in chapter.findings)
        before: list[Event] = []
        for event in chapter.events:
            if event.index < self._start:
                before.append(event)
            elif self._end is not None and event.index > self._end:
                break
            else:
                if before:
                    self._rewind(before)
                    before = []
                self._step(event, masked)
                if self.done:
                    return
        self._rewind(before)

    def reel(self) -> Reel:
        """Give what was found."""
        return Reel(self._name, self._language, self._base or [], self._steps, self._labels, self._broken, self._next)

    def _rewind(self, events: list[Event]) -> None:
        """Bring the documents to where the reel begins."""
        for event in events:
            self._follow(event)
        replay(self._sheets, events)

    def _follow(self, event: Event) -> None:
        body = event.body
        if isinstance(body, DocumentOpen):
            if body.document in self._wanted and body.continues is not None:
                self._wanted.add(body.continues)
            if body.continues in self._wanted:
                self._wanted.add(body.document)

    def _step(self, event: Event, masked: MaskIndex) -> None:
        body = event.body
        self._follow(event)
        document: DocumentId | None = getattr(body, "document", None)
        if document is None or document not in self._wanted:
            return
        if self._base is None:
            self._begin(document)
        if isinstance(body, DocumentOpen):
            self._name, self._language = body.path, body.language
            if body.continues is None:
                text = body.text
                self._add(event, 0, -1, text, masked, "open")  # -1: whatever was there before goes
                self._broken = False
        elif isinstance(body, DocumentEdit):
            self._add(event, body.position, body.deleted, body.inserted, masked, body.origin.value)
        elif isinstance(body, CaptureGap):
            self._broken = True
            self._add(event, 0, 0, "", masked, "gap")
        elif isinstance(body, SelectionChange):
            self._add(event, body.active, 0, "", masked, "caret")
        elif isinstance(body, DocumentSave):
            self._add(event, 0, 0, "", masked, "save")
        if len(self._steps) >= self._limit:
            self._next = event.index + 1

    def _begin(self, document: DocumentId) -> None:
        sheet = self._sheets.get(document)
        self._base = []
        if sheet is not None:
            self._name = self._name or sheet.name
            self._broken = sheet.broken
            self._base = sheet.runs(_Joined(self._masks))

    def _add(self, event: Event, position: int, deleted: int, text: str, masked: MaskIndex, what: str) -> None:
        self._steps.append((event.wall_ms, position, deleted, text, masked.of(event.index), event.index, what))


class _Joined(MaskIndex):
    """The masks of several pieces: an event lies in one of them."""

    def __init__(self, parts: Iterable[MaskIndex]) -> None:
        super().__init__(())
        for part in parts:
            self._spans.update(part._spans)


def ending(reel: Reel) -> list[Run]:
    """Give the document after a reel's last step."""
    cells: list[tuple[str, int]] = [(sign, finding) for text, finding in reel.base for sign in text]
    for _, position, deleted, text, masked, _, _ in reel.steps:
        fresh = [(sign, 0) for sign in text]
        for start, end, finding in masked:
            fresh[start:end] = [(sign, finding) for sign, _ in fresh[start:end]]
        end_at = len(cells) if deleted < 0 else position + deleted
        if text or deleted:
            cells[position:end_at] = fresh
    runs: list[Run] = []
    for sign, finding in cells:
        if runs and runs[-1][1] == finding:
            runs[-1] = (runs[-1][0] + sign, finding)
        else:
            runs.append((sign, finding))
    return runs
