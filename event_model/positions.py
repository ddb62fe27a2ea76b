"""Positions: from an editor's lines and characters to code points, in documents that change.

An editor names a place by line and character, and counts characters in the units of one encoding (LSP 3.17,
"Text Documents"); overt counts Unicode code points from the start of the document. ``LineBuffer`` keeps a
document so that converting and editing cost the same however long the document is.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_right
from itertools import accumulate

from event_model.errors import PositionError


class PositionEncoding(enum.Enum):
    """What an editor counts characters in, by its LSP name."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


_BLOCK_LINES = 128
"""Lines in a block. Fewer make far jumps dearer, more make every edit dearer; this is the flat bottom between."""

_MAX_BLOCK_LINES = 2 * _BLOCK_LINES
"""A block that grows past this many lines is cut up again."""

_NEAR_BLOCKS = 16
"""How many blocks a search walks from the last edit before it builds a table of all of them."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class LineBuffer:
    """A document's text, as lines in blocks.

    Lines end with LF, CR LF or CR and keep their terminator; the last line has none and may be
    empty. A cursor remembers the block of the last edit, since the next one is most often near it.
    """

    __slots__ = ("_block", "_blocks", "_line", "_lines", "_size", "_sizes", "_start")

    def __init__(self, text: str = "") -> None:
        lines = _split(text)
        self._blocks = [lines[at : at + _BLOCK_LINES] for at in range(0, len(lines), _BLOCK_LINES)]
        self._sizes = [_length(block) for block in self._blocks]
        self._lines = len(lines)
        self._size = len(text)
        # The cursor: a block, and the number and offset of its first line.
        self._block = 0
        self._line = 0
        self._start = 0

    def __len__(self) -> int:
        return self._size

    @property
    def line_count(self) -> int:
        """The number of lines; an empty document has one."""
        return self._lines

    def text(self) -> str:
        """The whole document."""
        return "".join(["".join(block) for block in self._blocks])

    def offset(self, line: int, character: int, encoding: PositionEncoding) -> int:
        """Convert a line and character, both from 0, to an offset in code points.

        A character past the line's end is taken as the end, before the terminator (LSP). PositionError: if the
        line does not exist, a number is negative, or the place is inside an encoded character.
        """
        index = self._seek_line(line)
        lines = self._blocks[self._block]
        return self._start + _length(lines[:index]) + _column(lines[index], character, encoding)

    def position(self, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
        """Convert an offset in code points to a line and character, both from 0: the inverse of ``offset``.

        PositionError: if it is outside the document.
        """
        self._check(offset, 0)
        index, column = self._seek_position(offset)
        text = self._blocks[self._block][index]
        if encoding is PositionEncoding.UTF32 or text.isascii():
            return self._line + index, column
        units = text[:column].encode("utf-16-le" if encoding is PositionEncoding.UTF16 else "utf-8", "surrogatepass")
        return self._line + index, len(units) // 2 if encoding is PositionEncoding.UTF16 else len(units)

    def slice(self, position: int, length: int) -> str:
        """Give ``length`` code points from ``position``. PositionError: if they are not all in the document."""
        self._check(position, length)
        index, column = self._seek_position(position)
        text = self._blocks[self._block][index]
        if column + length <= len(text):
            return text[column : column + length]
        parts = [text[column:], *self._blocks[self._block][index + 1 :]]
        wanted = length - _length(parts)
        at = self._block + 1
        while wanted > 0:
            parts.extend(self._blocks[at])
            wanted -= self._sizes[at]
            at += 1
        return "".join(parts)[:length]

    def replace(self, position: int, deleted: int, inserted: str) -> None:
        """Take ``deleted`` code points out at ``position`` and put text there. PositionError: if they are outside."""
        self._check(position, deleted)
        index, column = self._seek_position(position)
        self._edit(index, column, deleted, inserted)

    def apply(  # noqa: PLR0917 - a range and a text, in the order in which LSP names them
        self,
        start_line: int,
        start_char: int,
        end_line: int,
        end_char: int,
        inserted: str,
        encoding: PositionEncoding,
    ) -> tuple[int, int]:
        """Replace a range as an editor names it; give its position and length in code points.

        PositionError: as for ``offset``, or if the range ends before it starts; the document is then unchanged.
        """
        if end_line == start_line:
            index = self._seek_line(start_line)
            lines = self._blocks[self._block]
            text = lines[index]
            column = _column(text, start_char, encoding)
            deleted = (column if end_char == start_char else _column(text, end_char, encoding)) - column
            position = self._start + _length(lines[:index]) + column
        else:
            end = self.offset(end_line, end_char, encoding)
            index = self._seek_line(start_line)
            lines = self._blocks[self._block]
            column = _column(lines[index], start_char, encoding)
            position = self._start + _length(lines[:index]) + column
            deleted = end - position
        if deleted < 0:
            raise PositionError("a range that ends before it starts")
        self._edit(index, column, deleted, inserted)
        return position, deleted

    def _check(self, position: int, length: int) -> None:
        if position < 0 or length < 0 or position + length > self._size:
            raise PositionError(f"{length} code points at {position} are outside a document of {self._size}")

    def _seek_line(self, line: int) -> int:
        """Move the cursor to the block of a line; give the line's index in it."""
        if not 0 <= line < self._lines:
            raise PositionError(f"line {line} is outside a document of {self._lines} lines")
        blocks, sizes = self._blocks, self._sizes
        at, first, start = self._block, self._line, self._start
        for _ in range(_NEAR_BLOCKS):
            if line < first:
                at -= 1
                first -= len(blocks[at])
                start -= sizes[at]
            elif line >= first + len(blocks[at]):
                first += len(blocks[at])
                start += sizes[at]
                at += 1
            else:
                break
        else:
            ends = list(accumulate(map(len, blocks)))
            at = bisect_right(ends, line)
            first = ends[at] - len(blocks[at])
            start = sum(sizes[:at])
        self._block, self._line, self._start = at, first, start
        return line - first

    def _seek_position(self, position: int) -> tuple[int, int]:
        """Move the cursor to the block of an offset; give the line's index in it, and the column.

        The offset just past a terminator is the start of the next line; the document's end is in its last line.
        """
        blocks, sizes = self._blocks, self._sizes
        at, first, start = self._block, self._line, self._start
        last = len(blocks) - 1
        for _ in range(_NEAR_BLOCKS):
            if position < start:
                at -= 1
                first -= len(blocks[at])
                start -= sizes[at]
            elif at < last and position >= start + sizes[at]:
                first += len(blocks[at])
                start += sizes[at]
                at += 1
            else:
                break
        else:
            ends = list(accumulate(sizes))
            at = min(bisect_right(ends, position), last)
            start = ends[at] - sizes[at]
            first = sum(map(len, blocks[:at]))
        self._block, self._line, self._start = at, first, start
        lines = blocks[at]
        starts = list(accumulate(map(len, lines), initial=0))
        index = min(bisect_right(starts, position - start) - 1, len(lines) - 1)
        return index, position - start - starts[index]

    def _edit(self, index: int, column: int, deleted: int, inserted: str) -> None:
        """Edit from a line of the cursor's block on."""
        lines = self._blocks[self._block]
        text = lines[index]
        end = column + deleted
        # A line emptied down to its "\n" may follow a "\r", with which it would become one terminator.
        if (
            end <= _content_length(text)
            and "\n" not in inserted
            and "\r" not in inserted
            and (column or inserted or text[end : end + 1] != "\n")
        ):
            lines[index] = text[:column] + inserted + text[end:]
            change = len(inserted) - deleted
            self._sizes[self._block] += change
            self._size += change
        else:
            self._edit_lines(index, column, deleted, inserted)

    def _edit_lines(self, index: int, column: int, deleted: int, inserted: str) -> None:
        """Edit where lines are made, joined or removed: rewrite all lines that the edit touches."""
        blocks = self._blocks
        first = last = self._block
        stop = index
        missing = column + deleted
        # The line in which the deletion ends, and one more when it ends just past a terminator.
        while True:
            length = len(blocks[last][stop])
            if missing < length or (last == len(blocks) - 1 and stop == len(blocks[last]) - 1):
                break
            missing -= length
            stop += 1
            if stop == len(blocks[last]):
                last, stop = last + 1, 0
        text = blocks[first][index][:column] + inserted + blocks[last][stop][missing:]
        # "\r" and "\n" that come to stand side by side become one terminator.
        if text.startswith("\n") and (index or first):
            if index:
                index -= 1
            else:
                first -= 1
                index = len(blocks[first]) - 1
                self._block, self._line = first, self._line - len(blocks[first])
                self._start -= self._sizes[first]
            text = blocks[first][index] + text
        ends = last == len(blocks) - 1 and stop == len(blocks[last]) - 1
        new = _split(text)
        if not ends:
            # ``text`` keeps the terminator of its last line, after which ``_split`` sees an empty line.
            new.pop()
        self._lines += len(new) - self._count(first, index, last, stop)
        self._size += len(inserted) - deleted
        self._put(first, [*blocks[first][:index], *new, *blocks[last][stop + 1 :]], last)

    def _count(self, first: int, index: int, last: int, stop: int) -> int:
        """How many lines there are from one to another, both included."""
        return sum(map(len, self._blocks[first:last])) + stop + 1 - index

    def _put(self, first: int, lines: list[str], last: int) -> None:
        """Put lines in the place of the blocks ``first`` to ``last``."""
        if first == last and len(lines) <= _MAX_BLOCK_LINES:
            self._blocks[first] = lines
            self._sizes[first] = _length(lines)
            return
        blocks = [lines[at : at + _BLOCK_LINES] for at in range(0, len(lines), _BLOCK_LINES)]
        self._blocks[first : last + 1] = blocks
        self._sizes[first : last + 1] = [_length(block) for block in blocks]


def _split(text: str) -> list[str]:
    """Cut a text into lines with their terminators, and a last line without."""
    if "\r" not in text:
        lines = text.split("\n")
        last = lines.pop()
        lines = [line + "\n" for line in lines]
        lines.append(last)
        return lines
    lines = _LINE.findall(text)
    if text[-1] in "\r\n":
        lines.append("")
    return lines


def _length(lines: list[str]) -> int:
    return sum(map(len, lines))


def _content_length(line: str) -> int:
    """A line's length without its terminator."""
    if line.endswith("\n"):
        return len(line) - 2 if line.endswith("\r\n") else len(line) - 1
    return len(line) - 1 if line.endswith("\r") else len(line)


def _column(line: str, character: int, encoding: PositionEncoding) -> int:
    """Convert a character of a line to code points; past the end is the end, before the terminator."""
    if character < 0:
        raise PositionError("a negative character")
    end = _content_length(line)
    if encoding is PositionEncoding.UTF32 or line.isascii():
        return min(character, end)
    if encoding is PositionEncoding.UTF16:
        return _utf16_column(line[:end], character)
    return _utf8_column(line[:end], character)


def _utf16_column(line: str, character: int) -> int:
    units = line.encode("utf-16-le", "surrogatepass")
    if 2 * character >= len(units):
        return len(line)
    if len(units) == 2 * len(line):
        return character
    # The second half of a pair is U+DC00 to U+DFFF (RFC 2781).
    if units[2 * character + 1] & 0xFC == 0xDC:
        raise PositionError("a position inside a surrogate pair")
    return len(units[: 2 * character].decode("utf-16-le", "surrogatepass"))


def _utf8_column(line: str, character: int) -> int:
    units = line.encode("utf-8", "surrogatepass")
    if character >= len(units):
        return len(line)
    # Bytes 10xxxxxx continue a character (RFC 3629).
    if units[character] & 0xC0 == 0x80:
        raise PositionError("a position inside a multi-byte character")
    return len(units[:character].decode("utf-8", "surrogatepass"))
