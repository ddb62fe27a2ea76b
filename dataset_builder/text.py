"""A document's text in blocks, so that an edit costs the same in a large document as in a small one."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from event_model.errors import PositionError

BLOCK_CHARS = 2048
"""Blocks are cut to this size (code points): an edit copies at most twice that, in well under a microsecond."""

MAX_BLOCK_CHARS = 2 * BLOCK_CHARS

_NEAR_CHARS = 16 * BLOCK_CHARS
"""How far a search walks from the last edit before it builds a table of all blocks."""


class BlockText:
    """Text that is edited at offsets in code points; one line may be as long as the whole document.

    A cursor remembers the block of the last edit, since the next one is most often near it.
    """

    __slots__ = ("_at", "_blocks", "_size", "_sizes", "_start")

    def __init__(self, text: str = "") -> None:
        self._blocks = _cut(text)
        self._sizes = [len(block) for block in self._blocks]
        self._size = len(text)
        self._at = 0
        self._start = 0

    def __len__(self) -> int:
        return self._size

    def text(self) -> str:
        """The whole text."""
        return "".join(self._blocks)

    def slice(self, start: int, end: int) -> str:
        """Give the text between two offsets, cut at the document's ends."""
        start, end = max(start, 0), min(end, self._size)
        if start >= end:
            return ""
        offset = self._seek(start)
        at = self._at
        missing = end - start
        parts: list[str] = []
        while missing > 0:
            part = self._blocks[at][offset : offset + missing]
            parts.append(part)
            missing -= len(part)
            at, offset = at + 1, 0
        return "".join(parts)

    def count(self, sign: str, end: int) -> int:
        """Count a character before an offset."""
        offset = self._seek(min(max(end, 0), self._size))
        return sum([block.count(sign) for block in self._blocks[: self._at]]) + self._blocks[self._at].count(
            sign, 0, offset
        )

    def replace(self, position: int, deleted: int, inserted: str) -> str:
        """Take ``deleted`` code points out at ``position``, put text there, and give what was taken out.

        PositionError: if they are not all in the document, which is then unchanged.
        """
        if position < 0 or deleted < 0 or position + deleted > self._size:
            raise PositionError(f"{deleted} code points at {position} are outside a document of {self._size}")
        offset = self._seek(position)
        at = self._at
        block = self._blocks[at]
        end = offset + deleted
        change = len(inserted) - deleted
        size = len(block) + change
        self._size += change
        if end <= len(block) and 0 < size <= MAX_BLOCK_CHARS:
            self._blocks[at] = block[:offset] + inserted + block[end:]
            self._sizes[at] = size
            return block[offset:end]
        return self._replace_blocks(offset, end, inserted)

    def _replace_blocks(self, offset: int, end: int, inserted: str) -> str:
        """Edit where blocks are joined, emptied or cut: rewrite all that the edit touches."""
        first = last = self._at
        held = self._sizes[last]
        while held < end:
            last += 1
            held += self._sizes[last]
        text = "".join(self._blocks[first : last + 1])
        new = _cut(text[:offset] + inserted + text[end:])
        if new == [""] and last - first + 1 < len(self._blocks):
            new = []
        self._blocks[first : last + 1] = new
        self._sizes[first : last + 1] = [len(block) for block in new]
        if first == len(self._blocks):
            self._at, self._start = 0, 0
        return text[offset:end]

    def _seek(self, position: int) -> int:
        """Move the cursor to a block that holds or ends at an offset; give the offset in it."""
        sizes = self._sizes
        at, start = self._at, self._start
        if abs(position - start) > _NEAR_CHARS:
            ends = list(accumulate(sizes))
            at = bisect_left(ends, position)
            start = ends[at] - sizes[at]
        else:
            while position < start:
                at -= 1
                start -= sizes[at]
            while position > start + sizes[at]:
                start += sizes[at]
                at += 1
        self._at, self._start = at, start
        return position - start


def _cut(text: str) -> list[str]:
    return [text[at : at + BLOCK_CHARS] for at in range(0, len(text), BLOCK_CHARS)] or [""]
