"""Columns: lists of numbers and texts as bytes that compress well, and back.

A number column is a byte that says how many bytes its largest value takes, then all lowest bytes, all second
bytes, and so on: bytes of one kind stand together. Numbers that are all multiples of one, as times of a coarse clock
are, are divided by it first. Columns of some length become a zstd block (RFC 8878) of
their own, so that each gets its own entropy table. Nothing says how long a column is: the reader knows.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Sequence

import zstandard

from event_model.errors import SegmentError

_TYPECODES = {1: "B", 2: "H", 3: "I", 4: "I", 5: "Q", 6: "Q", 7: "Q"}
_SWAP = sys.byteorder == "big"

MAX_VALUE = (1 << 56) - 1
"""The largest number in a column: 7 bytes hold twice the largest count (2^53 - 1), which zigzag needs."""

MAX_UNPACKED_BYTES = 256 << 20
"""A segment when unpacked: a few opened files of the largest size a collector takes (50 MB) and their edits."""

_BLOCK_BYTES = 200
"""Columns from this length on get a zstd block of their own; a block costs some 3 bytes and an entropy table."""

_PLAIN_BYTES = 160
"""What is shorter is not worth compressing: setting zstd up costs more time than a journal row of a few edits."""

_HAS_UNIT = 0x08
"""Beside a column's width: a number follows by which all of the column's are to be multiplied."""

_UNIT_BYTES = 8
"""At least so much must be saved by dividing."""

_RAW = b"\x00"
_ZSTD = b"\x01"


def zigzag(value: int) -> int:
    """Fold signed numbers into unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(value: int) -> int:
    """Undo ``zigzag``."""
    return -(value + 1 >> 1) if value & 1 else value >> 1


class Writer:
    """Collects columns."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def number(self, value: int) -> None:
        """Write one number as LEB128. SegmentError: if it is negative or above ``MAX_VALUE``."""
        if 0 <= value <= 0x7F:
            self._parts.append(bytes((value,)))
            return
        if not 0 <= value <= MAX_VALUE:
            raise SegmentError("a number that the format can't hold")
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        self._parts.append(bytes(out))

    def column(self, values: Sequence[int]) -> None:
        """Write numbers as byte planes. SegmentError: if one is negative or above ``MAX_VALUE``."""
        if not values:
            return
        top = max(values)
        if top > MAX_VALUE or min(values) < 0:
            raise SegmentError("a number that the format can't hold")
        width = (top.bit_length() + 7) // 8
        if width > 1 and (unit := math.gcd(*values)) > 1:
            divided = (top // unit).bit_length() + 7 >> 3
            if len(values) * (width - divided) > _UNIT_BYTES:
                width, values = divided, [value // unit for value in values]
                self._parts.append(bytes((width | _HAS_UNIT,)))
                self.number(unit)
                self._planes(values, width)
                return
        self._parts.append(bytes((width,)))
        self._planes(values, width)

    def zeros(self, count: int) -> None:
        """Write a column of ``count`` zeros."""
        if count:
            self._parts.append(bytes(1))

    def _planes(self, values: Sequence[int], width: int) -> None:
        if width == 1:
            self._parts.append(bytes(values))
        elif width:
            packed = array(_TYPECODES[width], values)
            if _SWAP:
                packed.byteswap()
            raw = packed.tobytes()
            self._parts.extend(raw[plane :: packed.itemsize] for plane in range(width))

    def texts(self, texts: Sequence[str]) -> None:
        """Write texts as one, in UTF-8; their lengths are the caller's. SegmentError: if a surrogate stands alone."""
        try:
            data = "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise SegmentError("a text with half a surrogate pair") from error
        self.number(len(data))
        self._parts.append(data)

    def raw(self, data: bytes) -> None:
        """Write bytes, with their length."""
        self.number(len(data))
        self._parts.append(data)

    def pack(self, level: int) -> bytes:
        """Give everything written, compressed when that is shorter. SegmentError: if it is more than a reader takes."""
        plain = b"".join(self._parts)
        if len(plain) > MAX_UNPACKED_BYTES:
            raise SegmentError(f"at most {MAX_UNPACKED_BYTES} bytes go together", code="segment-too-large")
        if len(plain) < _PLAIN_BYTES:
            return _RAW + plain
        packed = _compress(self._parts, len(plain), level)
        return _ZSTD + packed if len(packed) < len(plain) else _RAW + plain


def _compress(parts: Iterable[bytes], size: int, level: int) -> bytes:
    stream = zstandard.ZstdCompressor(level=level, write_checksum=False).compressobj(size=size)
    out: list[bytes] = []
    for part in parts:
        if len(part) >= _BLOCK_BYTES:
            out.extend(
                (
                    stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
                    stream.compress(part),
                    stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
                )
            )
        else:
            out.append(stream.compress(part))
    out.append(stream.flush())
    return b"".join(out)


def unpack(data: bytes, max_bytes: int) -> bytes:
    """Undo ``Writer.pack``. SegmentError: if the bytes are malformed or hold more than ``max_bytes``."""
    form, body = data[:1], data[1:]
    if form == _RAW:
        if len(body) > max_bytes:
            raise SegmentError("a segment that is too large", code="segment-too-large")
        return body
    if form != _ZSTD:
        raise SegmentError("a segment in an unknown form")
    try:
        size = zstandard.frame_content_size(body)
        if not 0 <= size <= max_bytes:
            raise SegmentError("a segment that is too large when unpacked", code="segment-too-large")
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise SegmentError("a segment that can't be unpacked") from error


class Reader:
    """Reads columns in the order in which they were written.

    Every method raises SegmentError when bytes are missing.
    """

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        start = self._at
        self._at = end = start + count
        if end > len(self._data):
            raise SegmentError("a segment that is cut short")
        return self._data[start:end]

    def number(self, limit: int = MAX_VALUE) -> int:
        """Read one number. SegmentError: if it is above ``limit``."""
        value = shift = 0
        while True:
            (byte,) = self._take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 56:
                raise SegmentError("a number that is too long")
        if value > limit:
            raise SegmentError("a number that is too large")
        return value

    def column(self, count: int) -> Sequence[int]:
        """Read ``count`` numbers."""
        if not count:
            return ()
        (width,) = self._take(1)
        if width > _HAS_UNIT:
            unit = self.number()
            if unit < 2:  # what a writer never makes
                raise SegmentError("a column whose unit says nothing")
            values = self._planes(count, width ^ _HAS_UNIT)
            if max(values) * unit > MAX_VALUE:
                raise SegmentError("a column of numbers that are too large")
            return [value * unit for value in values]
        return self._planes(count, width)

    def _planes(self, count: int, width: int) -> Sequence[int]:
        if width == 0:
            return bytes(count)
        if width == 1:
            return self._take(count)
        if width not in _TYPECODES:
            raise SegmentError("a column of an unknown width")
        packed = array(_TYPECODES[width])
        raw = bytearray(packed.itemsize * count)
        for plane in range(width):
            raw[plane :: packed.itemsize] = self._take(count)
        packed.frombytes(raw)
        if _SWAP:
            packed.byteswap()
        return packed.tolist()

    def texts(self) -> str:
        """Read what ``Writer.texts`` wrote, still as one. SegmentError: if it is not UTF-8."""
        try:
            return self.raw().decode()
        except UnicodeDecodeError as error:
            raise SegmentError("a text that is not UTF-8") from error

    def raw(self) -> bytes:
        """Read bytes with their length."""
        return self._take(self.number())

    def end(self) -> None:
        """Check that nothing is left. SegmentError: if something is."""
        if self._at != len(self._data):
            raise SegmentError("a segment that runs on")
