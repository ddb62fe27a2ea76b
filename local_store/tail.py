"""A session's tail: its newest chunks in a file that only grows, so that a commit is one write and one sync.

Only the process that writes the session appends; the rows of the database take the chunks over before anything else is
done with them. Each chunk says which events it holds, so that one which the rows hold too is passed over, whatever
was cut off in between. The file's own lock keeps the writer and a transaction of another process apart.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
import zlib
from pathlib import Path

import msgspec

from local_store.files import PRIVATE_FILE, sync_folder

_MAGIC = b"OVTL\x01"
_HEADER = struct.Struct(">5s3xQ")
"""Magic and version, the number of the key that all its chunks lie under. A writer goes on only while it stands."""

_HEAD = struct.Struct(">III")
"""A chunk's length in bytes, first index and count; a CRC-32 of these three follows."""

_CRC = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CRC.size

_SECTOR_BYTES = 512
"""What a disk writes whole."""

_SURE_BYTES = 16
"""So many zeros in a ciphertext are no accident."""

_TRIES = 100
_TRY_S = 0.001
"""A reader waits this often and this long for an append to end: it takes a millisecond or a few."""


class TailChunk(msgspec.Struct, frozen=True):
    """One commit's events, sealed; ``body`` is empty if what is in the file's place can't be trusted."""

    first: int
    count: int
    key: int
    body: bytes


class TailFile:
    """One session's file, open for writing."""

    __slots__ = ("_handle", "_header", "_held", "_size")

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._header = b""
        self._size = 0
        self._held = False

    @classmethod
    def open(cls, path: Path, *, create: bool) -> TailFile | None:
        """Open a file; ``None`` if there is none and none is to be made. OSError: if that can't be done."""
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            return cls(os.open(path, flags))
        except FileNotFoundError:
            if not create:
                return None
        handle = os.open(path, flags | os.O_CREAT, PRIVATE_FILE)
        try:
            sync_folder(path.parent)
        except BaseException:
            os.close(handle)
            raise
        return cls(handle)

    def hold(self) -> None:
        """Wait for the file's lock, and take it. OSError: if the file system has none."""
        if not self._held:
            _lock(self._handle, wait=True)
            self._held = True

    def let_go(self) -> None:
        """Give the lock back."""
        if self._held:
            with contextlib.suppress(OSError):
                _unlock(self._handle)
            self._held = False

    def close(self) -> None:
        """Close the file, and with it its lock."""
        if self._handle >= 0:
            self.let_go()
            os.close(self._handle)
            self._handle = -1

    def begin(self, key: int) -> None:
        """Empty the file, for chunks under a key."""
        self._header = b""
        os.ftruncate(self._handle, 0)
        header = _HEADER.pack(_MAGIC, key)
        _write(self._handle, header, 0)
        self._header, self._size = header, len(header)

    def stands(self) -> bool:
        """Say whether the file is still as this writer left it; asked while it is held."""
        if not self._header:
            return False
        os.lseek(self._handle, 0, os.SEEK_SET)
        return os.read(self._handle, _HEADER.size) == self._header

    def append(self, first: int, count: int, body: bytes) -> None:
        """Write a chunk, durable on return. OSError: if that fails; then it is taken back, and nothing more goes in."""
        head = _HEAD.pack(len(body), first, count)
        record = b"".join((head, _CRC.pack(zlib.crc32(head)), body))
        header, self._header = self._header, b""
        try:
            _write(self._handle, record, self._size)
            _sync(self._handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)
            raise
        self._header = header
        self._size += len(record)

    def spoil(self) -> None:
        """Make the writer, whoever it is, look into the database before it goes on."""
        self._header = b""
        if os.fstat(self._handle).st_size:
            _write(self._handle, b"-", 0)

    def empty(self) -> None:
        """Take everything out."""
        self._header = b""
        os.ftruncate(self._handle, 0)

    def chunks(self) -> list[TailChunk]:
        """Read all chunks; asked while it is held."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        return _parse(_read_all(self._handle))


def read_chunks(path: Path) -> list[TailChunk]:
    """Read a file's chunks beside its writer; none if there is no file. OSError: if it can't be read.

    A transaction that holds the lock for longer waits for its readers before it changes the file, so that it may then
    be read without the lock.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return []
    try:
        if os.fstat(handle).st_size <= _HEADER.size:
            return []
        for _ in range(_TRIES):
            if _lock(handle, wait=False):
                break
            time.sleep(_TRY_S)
        return _parse(_read_all(handle))
    finally:
        os.close(handle)


def _parse(data: bytes) -> list[TailChunk]:
    if len(data) < _HEADER.size:
        return []
    # The first byte may have been spoilt, which concerns the writer alone.
    magic, key = _HEADER.unpack_from(data)
    chunks: list[TailChunk] = []
    if magic[1:] != _MAGIC[1:]:
        return [_lost(chunks, key)] if any(data) else []
    at = _HEADER.size
    while len(data) - at >= _HEAD_BYTES:
        head = data[at : at + _HEAD.size]
        length, first, count = _HEAD.unpack(head)
        start = at + _HEAD_BYTES
        if _CRC.unpack_from(data, at + _HEAD.size)[0] != zlib.crc32(head):
            if any(head):
                chunks.append(_lost(chunks, key))
            break
        end = start + length
        if end > len(data) or (end == len(data) and _is_torn(data, start)):
            break  # a commit that was cut off: nobody was told that it is durable
        chunks.append(TailChunk(first, count, key, data[start:end]))
        at = end
    return chunks


def _lost(chunks: list[TailChunk], key: int) -> TailChunk:
    """What stands behind a damaged head can't be found any more; it is reported as one event."""
    first = chunks[-1].first + chunks[-1].count if chunks else -1
    return TailChunk(first, 1, key, b"")


def _is_torn(data: bytes, start: int) -> bool:
    """Say whether a sector of the last chunk never reached the disk: it reads as zeros."""
    at = start
    while at < len(data):
        end = min(len(data), (at // _SECTOR_BYTES + 1) * _SECTOR_BYTES)
        if end - at >= _SURE_BYTES and not any(data[at:end]):
            return True
        at = end
    return False


def _read_all(handle: int) -> bytes:
    parts: list[bytes] = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write(handle: int, data: bytes, at: int) -> None:
    os.lseek(handle, at, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


if sys.platform == "win32":
    import msvcrt

    _LOCK_AT = 1 << 30
    """A byte that no file reaches: Windows forbids others to read what is locked."""

    def _lock(handle: int, *, wait: bool) -> bool:
        while True:
            os.lseek(handle, _LOCK_AT, os.SEEK_SET)
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(_TRY_S)
            else:
                return True
            finally:
                os.lseek(handle, 0, os.SEEK_SET)

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCK_AT, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    _sync = os.fsync
else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

    # macOS has no fdatasync, and its fsync leaves the data in the drive's cache.
    if sys.platform == "darwin":

        def _sync(handle: int) -> None:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        _sync = os.fdatasync
