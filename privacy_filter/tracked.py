"""One document that is being followed: its shadow, and which part of it was written since the last scan."""

from __future__ import annotations

import re
from array import array

from event_model.events import DocumentEdit
from privacy_filter.shadow import ShadowText, Span

LOOK_CHARS = 512
"""How far a scan looks to either side of what was written: a name before its value, a value after its name."""

NEIGHBOURS = 2
"""Lines to either side: entries such as those of .netrc are written over three."""

TOKEN_CHARS = 4096
"""How far it looks when there is no blank to stop at: tokens with embedded claims are that long."""

BLOCK_LOOK_CHARS = 16_384
"""How far it looks for the header of a key block: the largest keys in use have 13 kB."""

MAX_DIRTY_CHARS = 4096
"""So much is written on at one place before it is scanned without waiting for a pause."""

MAX_BLOCK_LINES = 200
"""Lines of one value that are followed: those of the largest keys in use."""

_VALUE_LINE = re.compile(r"[ \t]*[A-Za-z0-9+/=_\-]{12,}[ \t]*\r?")
"""A line of a value over several: nothing but its characters, and no word is so long."""

KEY_HEADER = "-----BEGIN"
BLANKS = " \t\n\r"


class TrackedDocument:
    """A document's text and cells, and the span that is dirty: written since the last scan.

    There is one dirty span at a time, because it is scanned before anything is written elsewhere or deleted.
    """

    __slots__ = ("_anchors", "_blocks", "_shadow", "active", "dirty", "dirty_end", "dirty_start", "touched_ms")

    def __init__(self, text: str, first_cell: int, now_ms: int) -> None:
        self._shadow = ShadowText(text, first_cell)
        self._blocks = False
        self._anchors = 0
        self.active = False
        self.dirty = False
        self.dirty_start = 0
        self.dirty_end = 0
        self.touched_ms = now_ms

    @property
    def length(self) -> int:
        """The document's length in code points."""
        return self._shadow.length

    @property
    def overlong(self) -> bool:
        """Whether so much is dirty that it should be scanned now."""
        return self.dirty_end - self.dirty_start > MAX_DIRTY_CHARS

    def edit(self, edit: DocumentEdit, *, first_cell: int, floor: int, now_ms: int) -> None:
        """Apply an edit; what was dirty elsewhere must have been scanned. PositionError: if it lies outside."""
        position, inserted = edit.position, edit.inserted
        self._shadow.replace(position, edit.deleted, inserted, first_cell=first_cell, floor=floor)
        if not self.dirty:
            self.dirty_start = position
        self.dirty_end = position + len(inserted)
        self.dirty = self.active = True
        self.touched_ms = now_ms

    def clean(self) -> None:
        """Say that the dirty span was scanned."""
        self.dirty = False

    def note(self, text: str) -> bool:
        """Remember whether a text has a key block, for which scans look further; true when it is the first one."""
        first = not self._blocks and KEY_HEADER in text
        self._blocks = self._blocks or first
        return first

    def slice(self, start: int, end: int) -> str:
        """Give the text between two positions."""
        return self._shadow.slice(start, end)

    def cells(self, start: int, end: int) -> array[int]:
        """Give the cells between two positions."""
        return self._shadow.cells(start, end)

    def spans(self, start: int, end: int) -> list[Span]:
        """Give the cells between two positions in the order of the text, as spans that count up."""
        return _spans(self._shadow.cells(start, end))

    def window(self) -> Span:
        """Give the span to scan: the dirty lines, their neighbours, and a whole key block when in one."""
        start, end = self.dirty_start, self.dirty_end
        left = self._shadow.slice(start - LOOK_CHARS, start)
        right = self._shadow.slice(end, end + LOOK_CHARS)
        begin = len(left)
        for _ in range(NEIGHBOURS + 1):
            begin = max(left.rfind("\n", 0, begin), 0)
        begin += left[begin : begin + 1] == "\n"
        if begin == 0 and len(left) == LOOK_CHARS:
            left = self._to_blank_left(left, start)
        finish = -1
        for _ in range(NEIGHBOURS + 1):
            finish = right.find("\n", finish + 1)
            if finish < 0:
                break
        if finish < 0 and len(right) == LOOK_CHARS:
            right = self._to_blank_right(right, end)
        first = start - len(left) + begin
        last = end + (len(right) if finish < 0 else finish)
        first, last = self._whole_block(first, last)
        if self._blocks:
            before = self._shadow.slice(first - BLOCK_LOOK_CHARS, first)
            header = before.rfind(KEY_HEADER)
            if header >= 0:
                first -= len(before) - header
                last = min(last + BLOCK_LOOK_CHARS, self._shadow.length)
        return first, last

    def _whole_block(self, first: int, last: int) -> Span:
        """Go on over lines that are one value written over several: its name stands above the first."""
        for _ in range(MAX_BLOCK_LINES):
            line = self._shadow.slice(first, first + LOOK_CHARS).partition("\n")[0]
            if not first or _VALUE_LINE.fullmatch(line) is None:
                break
            before = self._shadow.slice(first - LOOK_CHARS, first - 1)
            first -= len(before) - before.rfind("\n")
        for _ in range(MAX_BLOCK_LINES):
            line = self._shadow.slice(last + 1, last + 1 + LOOK_CHARS).partition("\n")[0]
            if last >= self._shadow.length or _VALUE_LINE.fullmatch(line) is None:
                break
            last += 1 + len(line)
        return first, min(last, self._shadow.length)

    def _to_blank_left(self, left: str, start: int) -> str:
        if any(blank in left[:64] for blank in BLANKS):
            return left
        longer = self._shadow.slice(start - TOKEN_CHARS, start)
        cut = max(longer.rfind(blank, 0, len(longer) - len(left)) for blank in BLANKS)
        return longer[cut + 1 :]

    def _to_blank_right(self, right: str, end: int) -> str:
        if any(blank in right[-64:] for blank in BLANKS):
            return right
        longer = self._shadow.slice(end, end + TOKEN_CHARS)
        cuts = [cut for cut in (longer.find(blank, len(right)) for blank in BLANKS) if cut >= 0]
        return longer[: min(cuts)] if cuts else longer

    def touched_cells(self, start: int, end: int) -> list[Span]:
        """Give the cells of a span of text and of what was deleted in it, as spans.

        Of what was deleted at its two ends only as much as the span is long belongs to it: a first try that was
        erased, characters too many that were taken back.
        """
        length = end - start
        cells = self._shadow.cells(start, end)
        spans = _spans(cells)
        graves = self._shadow.graves
        if self._shadow.anchors:
            spans += _last(graves(self._shadow.anchor(start)), length)
            for cell in cells[:-1]:
                spans += graves(cell)
            spans += _first(graves(cells[-1]), length)
        return spans

    def oldest_cell(self, floor: int) -> int | None:
        """Give the oldest pending cell of the line where was written last, deleted ones included."""
        left = self._shadow.slice(self.dirty_end - LOOK_CHARS, self.dirty_end)
        right = self._shadow.slice(self.dirty_end, self.dirty_end + LOOK_CHARS)
        first = self.dirty_end - len(left) + left.rfind("\n") + 1
        cut = right.find("\n")
        cells = self._shadow.cells(first, self.dirty_end + (len(right) if cut < 0 else cut))
        found = [cell for cell in cells if cell >= floor]
        for anchor in (self._shadow.anchor(first), *cells):
            found += [start for start, _ in self._shadow.graves(anchor) if start >= floor]
        return min(found, default=None)

    def forget_graves(self, floor: int) -> None:
        """Forget deleted characters below ``floor``, when there are enough of them to be worth it."""
        if self._shadow.anchors > 2 * self._anchors:
            self._shadow.drop_graves(floor)
            self._anchors = self._shadow.anchors


def _spans(cells: array[int]) -> list[Span]:
    """Group cells into spans that count up."""
    spans: list[Span] = []
    if not cells:
        return spans
    start = last = cells[0]
    for cell in cells:
        if cell > last + 1 or cell < last:
            spans.append((start, last + 1))
            start = cell
        last = cell
    spans.append((start, last + 1))
    return spans


def _first(spans: list[Span], count: int) -> list[Span]:
    """Cut spans to their first ``count`` cells."""
    kept: list[Span] = []
    for start, end in spans:
        if count <= 0:
            break
        kept.append((start, min(end, start + count)))
        count -= end - start
    return kept


def _last(spans: list[Span], count: int) -> list[Span]:
    """Cut spans to their last ``count`` cells."""
    kept: list[Span] = []
    for start, end in reversed(spans):
        if count <= 0:
            break
        kept.append((max(start, end - count), end))
        count -= end - start
    return kept
