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

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class LineBuffer:
    """A document's text, as lines in blocks.

    Lines end with LF, CR LF or CR and keep their terminator; the last line has none and may be
    empty. A cursor remembers the line of the last edit, since the next one is most often near it.
    """

    __slots__ = (
        "_block",
        "_blocks",
        "_first",
        "_index",
        "_line_ends",
        "_line_start",
        "_lines",
        "_sizes",
        "_start",
        "size",
    )

    def __init__(self, text: str = "") -> None:
        lines = _split(text)
        self._blocks = [lines[at : at + _BLOCK_LINES] for at in range(0, len(lines), _BLOCK_LINES)]
        self._sizes = [_length(block) for block in self._blocks]
        self._lines = len(lines)
        self.size = len(text)
        self._line_ends: list[int] | None = None
        """For each block the number of lines up to its end; None when lines came or went."""
        # The cursor: a block, the number and offset of its first line; a line in it, and that line's offset.
        self._block = self._first = self._start = 0
        self._index = self._line_start = 0

    def __len__(self) -> int:
        return self.size

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
        if line - self._first == self._index and self._is_plain(character):
            return self._line_start + character
        text = self._seek_line(line)
        return self._line_start + _column(text, character, encoding)

    def position(self, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
        """Convert an offset in code points to a line and character, both from 0: the inverse of ``offset``.

        PositionError: if it is outside the document.
        """
        self._check(offset, 0)
        text = self._seek_position(offset)
        column = offset - self._line_start
        line = self._first + self._index
        if encoding is PositionEncoding.UTF32 or text.isascii():
            return line, column
        if encoding is PositionEncoding.UTF16:
            return line, len(text[:column].encode("utf-16-le", "surrogatepass")) // 2
        return line, len(text[:column].encode("utf-8", "surrogatepass"))

    def slice(self, position: int, length: int) -> str:
        """Give ``length`` code points from ``position``. PositionError: if they are not all in the document."""
        self._check(position, length)
        text = self._seek_position(position)
        column = position - self._line_start
        if column + length <= len(text):
            return text[column : column + length]
        parts = [text[column:], *self._blocks[self._block][self._index + 1 :]]
        missing = length - _length(parts)
        at = self._block + 1
        while missing > 0:
            parts.extend(self._blocks[at])
            missing -= self._sizes[at]
            at += 1
        return "".join(parts)[:length]

    def replace(self, position: int, deleted: int, inserted: str) -> None:
        """Take ``deleted`` code points out at ``position`` and put text there. PositionError: if they are outside."""
        self._check(position, deleted)
        text = self._seek_position(position)
        self._edit(text, position - self._line_start, deleted, inserted)

    def apply(
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
        if (
            start_line == end_line
            and start_char == end_char
            and start_line - self._first == self._index
            and inserted.isprintable()
            and inserted
            and self._is_plain(start_char)
        ):
            block, index = self._block, self._index
            text = self._blocks[block][index]
            self._blocks[block][index] = text[:start_char] + inserted + text[start_char:]
            self._sizes[block] += len(inserted)
            self.size += len(inserted)
            return self._line_start + start_char, 0
        end = -1 if end_line == start_line else self.offset(end_line, end_char, encoding)
        text = self._seek_line(start_line)
        column = _column(text, start_char, encoding)
        if end_line != start_line:
            deleted = end - self._line_start - column
        elif end_char == start_char:
            deleted = 0
        else:
            deleted = _column(text, end_char, encoding) - column
        if deleted < 0 or end_line < start_line:
            raise PositionError("a range that ends before it starts")
        position = self._line_start + column
        self._edit(text, column, deleted, inserted)
        return position, deleted

    def _is_plain(self, character: int) -> bool:
        """Say whether a character of the cursor's line is the same in every encoding, and not past its end."""
        text = self._blocks[self._block][self._index]
        return text.isascii() and "\r" not in text and 0 <= character <= len(text) - text.endswith("\n")

    def _check(self, position: int, length: int) -> None:
        if position < 0 or length < 0 or position + length > self.size:
            raise PositionError(f"{length} code points at {position} are outside a document of {self.size}")

    def _seek_line(self, line: int) -> str:
        """Move the cursor to a line and give its text."""
        lines = self._blocks[self._block]
        index = line - self._first
        if not 0 <= index < len(lines):
            if not 0 <= line < self._lines:
                raise PositionError(f"line {line} is outside a document of {self._lines} lines")
            if self._line_ends is None:
                self._line_ends = list(accumulate(map(len, self._blocks)))
            self._seek_block(bisect_right(self._line_ends, line))
            lines = self._blocks[self._block]
            index = line - self._first
        self._seek_index(lines, index)
        return lines[index]

    def _seek_position(self, position: int) -> str:
        """Move the cursor to the line that holds an offset and give its text.

        The offset just past a terminator is the start of the next line; the document's end is in its last line.
        """
        lines = self._blocks[self._block]
        column = position - self._line_start
        if 0 <= column < len(lines[self._index]):
            return lines[self._index]
        if not self._start <= position < self._start + self._sizes[self._block]:
            ends = list(accumulate(self._sizes))
            self._seek_block(min(bisect_right(ends, position), len(ends) - 1))
            lines = self._blocks[self._block]
        starts = list(accumulate(map(len, lines), initial=self._start))
        self._index = min(bisect_right(starts, position) - 1, len(lines) - 1)
        self._line_start = starts[self._index]
        return lines[self._index]

    def _seek_block(self, block: int) -> None:
        """Move the cursor to the first line of a block."""
        self._first = sum(map(len, self._blocks[:block])) if self._line_ends is None else self._lines_before(block)
        self._start = self._line_start = sum(self._sizes[:block])
        self._block, self._index = block, 0

    def _lines_before(self, block: int) -> int:
        assert self._line_ends is not None
        return self._line_ends[block - 1] if block else 0

    def _seek_index(self, lines: list[str], index: int) -> None:
        """Move the cursor to a line of its block."""
        before = self._index
        if index > before:
            self._line_start += _length(lines[before:index])
        elif index < before:
            self._line_start -= _length(lines[index:before])
        self._index = index

    def _edit(self, text: str, column: int, deleted: int, inserted: str) -> None:
        """Edit from a column of the cursor's line on."""
        end = column + deleted
        if (
            end <= _content_length(text)
            and "\n" not in inserted
            and "\r" not in inserted
            # A line emptied down to its "\n" may follow a "\r", with which it would become one terminator.
            and (column or inserted or text[end : end + 1] != "\n")
        ):
            self._blocks[self._block][self._index] = text[:column] + inserted + text[end:]
            change = len(inserted) - deleted
            self._sizes[self._block] += change
            self.size += change
        else:
            self._edit_lines(column, deleted, inserted)

    def _edit_lines(self, column: int, deleted: int, inserted: str) -> None:
        """Edit where lines are made, joined or removed: rewrite all lines that the edit touches."""
        blocks = self._blocks
        first = last = self._block
        index = stop = self._index
        missing = column + deleted
        # Find the line that holds what comes after the deletion: the next one, if that is at a terminator's end.
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
            if not index:
                first -= 1
                index = len(blocks[first])
            index -= 1
            text = blocks[first][index] + text
        new = _split(text)
        if last < len(blocks) - 1 or stop < len(blocks[last]) - 1:
            # The text keeps the terminator of its last line, after which ``_split`` sees an empty line.
            new.pop()
        change = len(inserted) - deleted
        self._lines += len(new) - (sum(map(len, blocks[first:last])) + stop + 1 - index)
        self.size += change
        self._line_ends = None
        if first == last and len(blocks[first]) + len(new) <= _MAX_BLOCK_LINES:
            blocks[first][index : stop + 1] = new
            self._sizes[first] += change
            if index == self._index:
                # The cursor's line begins where it did.
                return
        else:
            self._cut(first, [*blocks[first][:index], *new, *blocks[last][stop + 1 :]], last)
        self._seek_block(first)

    def _cut(self, first: int, lines: list[str], last: int) -> None:
        """Put lines in the place of the blocks ``first`` to ``last``."""
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
