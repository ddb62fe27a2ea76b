"""Frames of the LSP base protocol out of a byte stream, without I/O: bounded, and hard to lead astray.

A frame is a header block and a JSON body (LSP 3.17, Base Protocol). What an honest client sends is cut by its
``Content-Length``. When that lies, one fact leads back: inside JSON no string may hold a raw line feed, so bytes that
look like a header line with its line end *are* one. A lie costs at most the message it was told about.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from event_model.errors import FormatError
from event_model.events import GapReason

MAX_BODY_BYTES = 64 << 20
"""Bytes in one body. Larger than any document that is captured, escaped; bounds what a client can make us hold."""

MAX_HEADER_BYTES = 4096
"""Bytes in one header block; a real one has 20 to 80."""

MAX_SKIP_BYTES = 1 << 30
"""A body announced with more than this is taken for a lie, and the next header is searched at once."""

MAX_GARBAGE_BYTES = 64 << 20
"""So many bytes without a header: this stream is not LSP and never will be."""

HEAD_BYTES = 4096
"""How much of a lost message is shown, so that the document it was about can be named."""

PLAIN_HEADER = re.compile(rb"Content-Length: (\d{1,8})\r\n\r\n")
"""What nearly every client writes; all else takes the long way."""

_BLOCK_END = re.compile(rb"\r?\n\r?\n")
_LENGTH_LINE = re.compile(rb"content-length[ \t]*:[ \t]*\d{1,20}[ \t]*\r?\n", re.IGNORECASE)
_LENGTH_NAME = b"content-length"
_LENGTH_BEGUN = re.compile(rb"content-length[ \t]*:?[ \t]*\d{0,20}[ \t]*\r?$")
_DIGITS = re.compile(rb"\d{1,10}")
_OVERLAP = 64
"""A length line that is cut by the end of what has arrived is found again from so many bytes before it."""


class Fault(msgspec.Struct, frozen=True):
    """A message that was lost: why, and its first bytes."""

    reason: GapReason
    head: bytes


class FramingLost(FormatError):
    """The stream holds no frames any more."""

    code = "framing-lost"
    default_hint = "Restart the language server from the editor."


class FrameReader:
    """Takes bytes in any pieces, and gives bodies and faults in order."""

    __slots__ = ("_buffer", "_excused", "_garbage", "_need", "_pos", "_scanned", "_searching", "_skip")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._pos = 0
        self._need: int | None = None
        self._scanned = 0
        self._skip = 0
        self._searching = False
        self._excused = False
        self._garbage = 0

    @property
    def idle(self) -> bool:
        """Whether everything that was fed is dealt with, so that what comes next begins with a header."""
        return self._pos == len(self._buffer) and self._need is None and not (self._skip or self._searching)

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        if self._pos == len(self._buffer):
            self._buffer.clear()
            self._pos = self._scanned = 0
        elif self._pos > HEAD_BYTES:
            del self._buffer[: self._pos]
            self._scanned = max(0, self._scanned - self._pos)
            self._pos = 0
        self._buffer += data

    def next(self) -> bytes | Fault | None:
        """Give the next body or fault, or ``None`` until more arrives. FramingLost: if nothing will ever come."""
        while True:
            if self._searching:
                if not self._search():
                    return None
            elif self._skip:
                if not self._skip_on():
                    return None
            elif self._need is not None:
                return self._take()
            else:
                found = self._header()
                if found is not True:
                    return found

    def reject(self, body: bytes) -> bytes | None:
        """Say that the last body is not JSON; give the shorter one that may stand in it, if there is.

        A length that is too large takes the start of the next header along: it is given back to the stream.
        """
        match = _LENGTH_LINE.search(body)
        at = match.start() if match else _header_tail(body)
        self._excused = True
        if not at:
            return None
        self._buffer[: self._pos] = body[at:]
        self._pos = self._scanned = 0
        return body[:at]

    def _header(self) -> Fault | Literal[True] | None:
        """Read a header block: true when a body follows, ``None`` when more must arrive."""
        buffer = self._buffer
        while buffer.startswith((b"\r", b"\n"), self._pos):
            self._pos += 1
        plain = PLAIN_HEADER.match(buffer, self._pos)
        if plain is not None and 0 < int(plain[1]) <= MAX_BODY_BYTES:
            self._pos = self._scanned = plain.end()
            self._need = int(plain[1])
            self._excused = False
            return True
        end = _BLOCK_END.search(buffer, self._pos, self._pos + MAX_HEADER_BYTES)
        if end is None:
            if len(buffer) - self._pos < MAX_HEADER_BYTES:
                return None
            return self._lose(self._pos)
        length = _content_length(bytes(memoryview(buffer)[self._pos : end.start()]))
        if length is None:
            # Perhaps garbage before a good header in the same block: search it, but not the same place again.
            return self._lose(self._pos + 1)
        start = end.end()
        if length == 0 or length > MAX_SKIP_BYTES:
            return self._lose(start)
        if length > MAX_BODY_BYTES:
            return self._too_large(start, length)
        self._pos = self._scanned = start
        self._need = length
        self._excused = False
        return True

    def _too_large(self, start: int, length: int) -> Fault | None:
        """Give a fault as soon as enough of the body is there to name its document; the body is then skipped."""
        if len(self._buffer) - start < HEAD_BYTES:
            return None
        self._pos = start
        self._skip = length
        self._excused = False
        return Fault(GapReason.MESSAGE_TOO_LARGE, bytes(self._buffer[start : start + HEAD_BYTES]))

    def _take(self) -> bytes | None:
        """Give the body that was announced, or the shorter one before a header that should not be in it."""
        buffer = self._buffer
        end = self._pos + (self._need or 0)
        if len(buffer) < end:
            inner = self._inner_header(len(buffer))
            if inner is None:
                return None
            end = inner
        body = bytes(memoryview(buffer)[self._pos : end])
        self._pos = end
        self._need = None
        return body

    def _inner_header(self, stop: int) -> int | None:
        """Find a header in what has arrived of an unfinished body; each byte is looked at once."""
        start = max(self._pos, self._scanned - _OVERLAP)
        self._scanned = stop
        # The plain search is some 50 times faster than the expression, which then confirms.
        at = self._buffer.find(b"ontent-", start, stop)
        if at < 0:
            return None
        match = _LENGTH_LINE.search(self._buffer, max(self._pos, at - 1), stop)
        return match.start() if match else None

    def _skip_on(self) -> bool:
        """Let a body go that is too large; true when it is past, or when it was not as large as it said."""
        stop = min(len(self._buffer), self._pos + self._skip)
        match = _LENGTH_LINE.search(self._buffer, self._pos, stop)
        if match:
            self._pos = match.start()
            self._skip = 0
            return True
        if stop == self._pos + self._skip:
            self._pos = stop
            self._skip = 0
            return True
        keep = max(self._pos, stop - _OVERLAP)
        self._skip -= keep - self._pos
        self._pos = keep
        return False

    def _search(self) -> bool:
        """Look for the next length line; true when the stream stands at one."""
        match = _LENGTH_LINE.search(self._buffer, self._pos)
        if match:
            self._pos = match.start()
            self._searching = False
            self._garbage = 0
            return True
        keep = max(self._pos, len(self._buffer) - _OVERLAP)
        self._garbage += keep - self._pos
        self._pos = keep
        if self._garbage > MAX_GARBAGE_BYTES:
            raise FramingLost("no frame in the last 64 MiB of the stream")
        return False

    def _lose(self, search_from: int) -> Fault | Literal[True]:
        """Begin to search; a fault, unless the message that led here is already known to be lost."""
        head = bytes(self._buffer[search_from : search_from + HEAD_BYTES])
        self._pos = min(search_from, len(self._buffer))
        self._searching = True
        if self._excused:
            self._excused = False
            return True
        return Fault(GapReason.MESSAGE_MALFORMED, head)


def _content_length(block: bytes) -> int | None:
    """Read the length out of a header block; ``None`` when it is missing, contradicts itself or is not a number."""
    length: int | None = None
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            return None
        if name.strip().lower() != b"content-length":
            continue
        digits = value.strip()
        if not digits.isdigit():
            return None
        # Twenty digits are still a length, only one that nobody sends.
        found = int(digits) if _DIGITS.fullmatch(digits) else MAX_SKIP_BYTES + 1
        if length is not None and length != found:
            return None
        length = found
    return length


def _header_tail(body: bytes) -> int | None:
    """Find where a body ends in the beginning of a length line, whose rest is still in the stream."""
    tail = body[-_OVERLAP:].lower()
    begun = _LENGTH_BEGUN.search(tail)
    if begun:
        return len(body) - len(tail) + begun.start()
    for size in range(len(_LENGTH_NAME), 0, -1):
        if tail.endswith(_LENGTH_NAME[:size]):
            return len(body) - size
    return None
