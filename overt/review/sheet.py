"""A document as it stood at a moment: replayed from events, each character knowing which event brought it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from event_model.events import CaptureGap, DocumentEdit, DocumentOpen, Event, Mask
from event_model.ids import DocumentId

OFFSET_BITS = 22
"""Characters in one event's text: the gate takes four million at most."""

DOCUMENT_TEXTS = frozenset({"text", "inserted"})
"""The fields whose masks are spans of a document."""

Run = tuple[str, int]
"""Consecutive characters, and the finding that they belong to (0: none)."""

_OFFSET_MASK = (1 << OFFSET_BITS) - 1


class Sheet:
    """One document. ``caret`` is where it was last written, ``broken`` that something before is missing."""

    __slots__ = ("broken", "caret", "chars", "name", "origins")

    def __init__(self, name: str, text: str, index: int) -> None:
        self.name = name
        self.chars = list(text)
        self.origins = [_origin(index, at) for at in range(len(text))]
        self.caret = 0
        self.broken = False

    def edit(self, index: int, body: DocumentEdit) -> None:
        """Apply an edit; one that does not fit breaks the sheet, which then stands still."""
        end = body.position + body.deleted
        if self.broken or end > len(self.chars):
            self.broken = True
            return
        self.chars[body.position : end] = body.inserted
        self.origins[body.position : end] = [_origin(index, at) for at in range(len(body.inserted))]
        self.caret = body.position + len(body.inserted)

    def copy(self) -> Sheet:
        """Give another that goes on from here."""
        other = Sheet(self.name, "", 0)
        other.chars, other.origins = self.chars.copy(), self.origins.copy()
        other.caret, other.broken = self.caret, self.broken
        return other

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chars)

    def runs(self, masked: MaskIndex, start: int = 0, end: int | None = None) -> list[Run]:
        """Give a part as runs, cut where a finding begins or ends."""
        runs: list[Run] = []
        stop = len(self.chars) if end is None else min(end, len(self.chars))
        begin = start
        before = 0
        for at in range(start, stop):
            finding = masked.finding(self.origins[at])
            if finding != before:
                if at > begin:
                    runs.append(("".join(self.chars[begin:at]), before))
                begin, before = at, finding
        if stop > begin:
            runs.append(("".join(self.chars[begin:stop]), before))
        return runs

    def around(self, lines: int) -> tuple[int, int, int]:
        """Give start and end of the lines around the caret, and the number (from 1) of the first of them."""
        start = self.caret
        for _ in range(lines):
            start = self._line_start(start - 1) if start > 0 else 0
        start = self._line_start(start)
        end = self.caret
        for _ in range(lines):
            while end < len(self.chars) and self.chars[end] != "\n":
                end += 1
            end = min(end + 1, len(self.chars))
        return start, end, self.chars[:start].count("\n") + 1

    def _line_start(self, at: int) -> int:
        while at > 0 and self.chars[at - 1] != "\n":
            at -= 1
        return max(at, 0)


class MaskIndex:
    """Masks by event, to be asked for single characters."""

    def __init__(self, masks: Iterable[Mask]) -> None:
        self._spans: dict[int, list[tuple[int, int, int]]] = {}
        for mask in masks:
            if mask.field in DOCUMENT_TEXTS:
                self._spans.setdefault(mask.index, []).append((mask.offset, mask.offset + mask.length, mask.finding))

    def of(self, index: int) -> list[tuple[int, int, int]]:
        """Give start, end and finding of each masked span of an event's text."""
        return self._spans.get(index, [])

    def finding(self, origin: int) -> int:
        """Give the finding that a character belongs to, or 0."""
        spans = self._spans.get(origin >> OFFSET_BITS)
        if spans is None:
            return 0
        offset = origin & _OFFSET_MASK
        return next((finding for start, end, finding in spans if start <= offset < end), 0)


def replay(sheets: dict[DocumentId, Sheet], events: Sequence[Event]) -> None:
    """Bring a session's sheets forward by some of its events."""
    for event in events:
        body = event.body
        if isinstance(body, DocumentEdit):
            sheet = sheets.get(body.document)
            if sheet is not None:
                sheet.edit(event.index, body)
        elif isinstance(body, DocumentOpen):
            before = sheets.pop(body.continues, None) if body.continues is not None else None
            if before is None:
                before = Sheet(body.path, body.text, event.index)
                before.broken = body.continues is not None
            before.name = body.path
            sheets[body.document] = before
        elif isinstance(body, CaptureGap) and body.document is not None and body.document in sheets:
            sheets[body.document].broken = True


def _origin(index: int, offset: int) -> int:
    return index << OFFSET_BITS | offset
