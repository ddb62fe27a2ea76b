"""A document as the filter sees it: its text, the cell of each character, and where deleted characters lay.

Text and cells are kept in blocks, so that an edit costs the same in a large document as in a small one. A deleted
character hangs on its left neighbour (its *anchor*) for as long as its event is pending, so that a span of text
knows every character that was ever typed into it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from event_model.errors import PositionError

BLOCK_CHARS = 2048
"""Blocks are cut to this size (code points): an edit copies at most twice that, in about a microsecond."""

MAX_BLOCK_CHARS = 2 * BLOCK_CHARS
START = 0
"""The anchor of what was deleted at the very start of a document."""

Span = tuple[int, int]


class ShadowText:
    """Text with cells. Positions and lengths count code points."""

    __slots__ = ("_at", "_blocks", "_cells", "_graves", "_offset", "length")

    def __init__(self, text: str = "", first_cell: int = 1) -> None:
        """Start from a text whose cells count up from ``first_cell``."""
        self._blocks: list[str] = [""]
        self._cells: list[array[int]] = [array("I")]
        # Per anchor: pairs (start, end) of cells, flat, the rightmost first, so that a backspace appends.
        self._graves: dict[int, array[int]] = {}
        self._at = 0
        self._offset = 0
        self.length = 0
        if text:
            self.replace(0, 0, text, first_cell=first_cell, floor=0)

    def text(self) -> str:
        """Give the whole text."""
        return "".join(self._blocks)

    def slice(self, start: int, end: int) -> str:
        """Give the text between two positions, cut at the document's ends."""
        start = max(start, 0)
        at, offset = self._locate(start)
        block = self._blocks[at]
        if end - offset <= len(block):
            return block[start - offset : end - offset]
        pieces = [block[start - offset :]]
        offset += len(block)
        while offset < end and at + 1 < len(self._blocks):
            at += 1
            block = self._blocks[at]
            pieces.append(block[: end - offset])
            offset += len(block)
        return "".join(pieces)

    def cells(self, start: int, end: int) -> array[int]:
        """Give the cells between two positions, cut at the document's ends."""
        start = max(start, 0)
        at, offset = self._locate(start)
        found = self._cells[at][start - offset : end - offset]
        offset += len(self._blocks[at])
        while offset < end and at + 1 < len(self._blocks):
            at += 1
            found += self._cells[at][: end - offset]
            offset += len(self._blocks[at])
        return found

    def replace(self, position: int, deleted: int, inserted: str, *, first_cell: int, floor: int) -> None:
        """Take ``deleted`` characters out and put ``inserted`` in, its cells counting up from ``first_cell``.

        Deleted cells below ``floor`` leave no trace. PositionError: if the span lies outside the text.
        """
        if position < 0 or deleted < 0 or position + deleted > self.length:
            raise PositionError("the edit lies outside its document")
        at, offset = self._locate(position)
        if deleted:
            self._bury(self.anchor(position), self.cells(position, position + deleted), floor)
            self._cut(at, position - offset, deleted)
        block, cells, local = self._blocks[at], self._cells[at], position - offset
        if len(inserted) == 1:
            cells.insert(local, first_cell)
        elif inserted:
            cells[local:local] = array("I", range(first_cell, first_cell + len(inserted)))
        self._blocks[at] = block[:local] + inserted + block[local:]
        self.length += len(inserted) - deleted
        size = len(self._blocks[at])
        if size > MAX_BLOCK_CHARS:
            self._split(at)
        elif not size and len(self._blocks) > 1:
            del self._blocks[at], self._cells[at]
            self._at = self._offset = 0

    def anchor(self, position: int) -> int:
        """Give the cell left of a position."""
        return self.cells(position - 1, position)[0] if position > 0 else START

    def graves(self, anchor: int) -> list[Span]:
        """Give the deleted cells that hang on an anchor, from left to right."""
        pairs = self._graves.get(anchor)
        if pairs is None:
            return []
        return [(pairs[at], pairs[at + 1]) for at in range(len(pairs) - 2, -1, -2)]

    def drop_graves(self, floor: int) -> None:
        """Forget deleted cells below ``floor``."""
        kept: dict[int, array[int]] = {}
        for anchor, pairs in self._graves.items():
            live = array("I")
            for at in range(0, len(pairs), 2):
                if pairs[at + 1] > floor:
                    live.append(max(pairs[at], floor))
                    live.append(pairs[at + 1])
            if live:
                kept[anchor] = live
        self._graves = kept

    @property
    def anchors(self) -> int:
        """How many places have deleted characters hanging on them."""
        return len(self._graves)

    def grave_spans(self) -> Iterator[Span]:
        """Give all deleted cells, in no order."""
        for pairs in self._graves.values():
            for at in range(0, len(pairs), 2):
                yield pairs[at], pairs[at + 1]

    def _locate(self, position: int) -> tuple[int, int]:
        """Find the block that holds a position; the place is remembered, because the next edit is mostly near."""
        at, offset, blocks = self._at, self._offset, self._blocks
        while position < offset:
            at -= 1
            offset -= len(blocks[at])
        last = len(blocks) - 1
        while at < last and position > offset + len(blocks[at]):
            offset += len(blocks[at])
            at += 1
        self._at, self._offset = at, offset
        return at, offset

    def _cut(self, at: int, local: int, deleted: int) -> None:
        """Take characters out of a block and those after it; emptied blocks go."""
        while deleted:
            block = self._blocks[at]
            gone = min(deleted, len(block) - local)
            self._blocks[at] = block[:local] + block[local + gone :]
            del self._cells[at][local : local + gone]
            deleted -= gone
            if deleted:
                following = at + 1
                while following < len(self._blocks) and len(self._blocks[following]) <= deleted:
                    deleted -= len(self._blocks[following])
                    following += 1
                del self._blocks[at + 1 : following], self._cells[at + 1 : following]
                if deleted:
                    self._blocks[at + 1] = self._blocks[at + 1][deleted:]
                    del self._cells[at + 1][:deleted]
                return

    def _split(self, at: int) -> None:
        block, cells = self._blocks[at], self._cells[at]
        cuts = range(0, len(block), BLOCK_CHARS)
        self._blocks[at : at + 1] = [block[cut : cut + BLOCK_CHARS] for cut in cuts]
        self._cells[at : at + 1] = [cells[cut : cut + BLOCK_CHARS] for cut in cuts]

    def _bury(self, anchor: int, gone: array[int], floor: int) -> None:
        """Hang deleted cells, and what hung on them, on their left neighbour."""
        pairs = array("I")
        for start, end in _runs_reversed(gone, self._graves):
            hung = self._graves.pop(end - 1, None)
            if hung is not None:
                pairs += hung
            start = max(start, floor)  # noqa: PLW2901 - cut to what is pending
            if start >= end:
                continue
            if pairs and pairs[-2] == end:
                pairs[-2] = start
            else:
                pairs.append(start)
                pairs.append(end)
        if pairs:
            old = self._graves.pop(anchor, None)
            if old is not None:
                pairs += old
            self._graves[anchor] = pairs


def _runs_reversed(cells: array[int], anchors: dict[int, array[int]]) -> list[Span]:
    """Group cells into runs that count up, the last run first; only the last cell of a run is an anchor."""
    count = len(cells)
    if count > 1 and cells[-1] - cells[0] == count - 1 and cells == array("I", range(cells[0], cells[0] + count)):
        inside = sorted(cell + 1 for cell in anchors if cells[0] <= cell < cells[-1]) if len(anchors) < count else None
        if inside is not None:
            bounds = [cells[0], *inside, cells[-1] + 1]
            return [(bounds[at - 1], bounds[at]) for at in range(len(bounds) - 1, 0, -1)]
    runs: list[Span] = []
    for at in range(count - 1, -1, -1):
        cell = cells[at]
        if not runs or cell != runs[-1][0] - 1 or cell in anchors:
            runs.append((cell, cell + 1))
        else:
            runs[-1] = (cell, runs[-1][1])
    return runs
