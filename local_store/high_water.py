"""A session's high-water mark: one past the last event of which its writer was told that it is durable.

It stands in a file of its own beside the tail and is written after each sync and before the acknowledgement, itself
without one. So a mark that can be read never says too much, a killed process leaves the right one, and a power cut may
leave an older one. What is missing below it was there, and is counted as lost: a file that was emptied, cut or removed
can't look like one that never held more.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import msgspec

from local_store.files import PRIVATE_FILE
from local_store.handles import FLAGS, close, read_at, write_at

_MARK = struct.Struct(">4sBxxxQQ")
"""Magic, version, the number of the key that the last events lie under, the mark; a CRC-32 of these follows."""

_CRC = struct.Struct(">I")
_MAGIC, _VERSION = b"OVHW", 1

SUFFIX = ".mark"


class Mark(msgspec.Struct, frozen=True):
    """``end`` is one past the last acknowledged event; it holds while the key numbered ``key`` is the session's."""

    key: int
    end: int


class MarkFile:
    """A mark's file, open for writing."""

    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def open(cls, path: Path) -> MarkFile:
        """Open a mark's file, and make it if there is none. OSError: if that can't be done."""
        return cls(os.open(path, FLAGS | os.O_CREAT, PRIVATE_FILE))

    def put(self, mark: Mark) -> None:
        """Write the mark, in one sector. Where that fails the one before stands, which says less."""
        packed = _MARK.pack(_MAGIC, _VERSION, mark.key, mark.end)
        with contextlib.suppress(OSError):
            write_at(self._handle, packed + _CRC.pack(zlib.crc32(packed)), 0)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            close(self._handle)
            self._handle = -1


def mark_path(tail: Path) -> Path:
    """Give the place of the mark that belongs to a tail."""
    return tail.with_suffix(SUFFIX)


def read_mark(path: Path) -> Mark | None:
    """Read a mark; ``None`` if there is none, or none that can be trusted."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        data = read_at(handle, _MARK.size + _CRC.size, 0)
    except OSError:
        return None
    finally:
        close(handle)
    if len(data) != _MARK.size + _CRC.size or _CRC.unpack_from(data, _MARK.size)[0] != zlib.crc32(data[: _MARK.size]):
        return None
    magic, version, key, end = _MARK.unpack_from(data)
    return Mark(key, end) if (magic, version) == (_MAGIC, _VERSION) else None
