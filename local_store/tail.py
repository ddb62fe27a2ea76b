"""A session's tail: its newest chunks in a file that is only added to, so that a commit is one write and one sync.

Only the process that writes the session appends; the rows of the database take the chunks over before anything else is
done with them. Each chunk says which events it holds, so that one which the rows hold too is passed over, whatever
was cut off in between. The file's own lock keeps the writer and a transaction of another process apart.

The file has room in advance, zeros, so that most syncs have no new length to write. What tells a commit that was cut
off from damage: a disk writes sectors whole, a chunk's head never lies across two, and room is made before it is used.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from local_store.files import PRIVATE_FILE, sync_folder
from local_store.handles import FLAGS, close, lock, read_all, read_at, sync, unlock, write_at
from local_store.high_water import Mark, MarkFile, mark_path

_MAGIC = b"OVTL\x01"
_HEADER = struct.Struct(">5s3xQ")
"""Magic and version, the number of the key that all its chunks lie under. A writer goes on only while it stands."""

_HEAD = struct.Struct(">III")
"""A chunk's length in bytes, first index and count; a CRC-32 of these three follows."""

_CRC = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CRC.size

_SECTOR_BYTES = 512
"""What a disk writes whole."""

ROOM_BYTES = 8192
"""The file's length is a multiple of it: some ninety commits of single keystrokes."""

_END = b"."
"""Closes a chunk, so that a last sector of which only zeros are there never arrived."""

NEW_SUFFIX = ".new"
"""A file that is being made; what a crash leaves of it is swept."""

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

    __slots__ = ("_handle", "_header", "_held", "_key", "_mark", "_path", "_room", "_size")

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path
        self._header = b""
        self._key = 0
        self._mark: MarkFile | None = None
        self._size = 0
        self._room = 0
        self._held = False

    @classmethod
    def open(cls, path: Path) -> TailFile | None:
        """Open a file; ``None`` if there is none. OSError: if that can't be done."""
        try:
            return cls(os.open(path, FLAGS), path)
        except FileNotFoundError:
            return None

    @classmethod
    def create(cls, path: Path) -> TailFile:
        """Make a file that is whole from its first moment on. OSError: if that can't be done."""
        new = path.with_suffix(NEW_SUFFIX)
        handle = os.open(new, FLAGS | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        try:
            write_at(handle, _HEADER.pack(_MAGIC, 0).ljust(ROOM_BYTES, b"\0"), 0)
            os.fsync(handle)
        finally:
            close(handle)  # Windows renames no open file
        new.replace(path)
        sync_folder(path.parent)
        return cls(os.open(path, FLAGS), path)

    def hold(self, *, wait: bool = True) -> None:
        """Take the lock. OSError: if the file system has none. BlockingIOError: if it is held, without ``wait``."""
        if not self._held:
            if not lock(self._handle, wait=wait, share=False):
                raise BlockingIOError
            self._held = True

    def let_go(self) -> None:
        """Give the lock back."""
        if self._held:
            try:  # noqa: SIM105 - at each commit, where a context costs as much as the call
                unlock(self._handle)
            except OSError:
                pass
            self._held = False

    def close(self) -> None:
        """Close the file, and with it its lock."""
        if self._handle >= 0:
            self.let_go()
            close(self._handle)
            self._handle = -1
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    def begin(self, key: int, end: int) -> None:
        """Overwrite what the file holds, for chunks under a key, behind rows up to ``end``. OSError: if that fails."""
        self._header = b""
        self._key = key
        self._mark = self._mark or MarkFile.open(mark_path(self._path))
        self._mark.put(Mark(key, end))
        header = _HEADER.pack(_MAGIC, key)
        self._wipe(header)
        os.ftruncate(self._handle, ROOM_BYTES)
        self._header, self._size, self._room = header, len(header), ROOM_BYTES

    def stands(self) -> bool:
        """Say whether the file is still as this writer left it; asked while it is held."""
        if not self._header:
            return False
        return read_at(self._handle, _HEADER.size, 0) == self._header

    def append(self, first: int, count: int, body: bytes) -> None:
        """Write a chunk, durable on return. OSError: if that fails; then it is taken back, and nothing more goes in."""
        head = _HEAD.pack(len(body), first, count)
        record = b"".join((head, _CRC.pack(zlib.crc32(head)), body, _END))
        header, self._header = self._header, b""
        at = _head_at(self._size)
        end = at + len(record)
        room = max(self._room, -(-end // ROOM_BYTES) * ROOM_BYTES)
        try:
            write_at(self._handle, record if room == self._room else record.ljust(room - at, b"\0"), at)
            sync(self._handle)
        except OSError:
            with contextlib.suppress(OSError):
                write_at(self._handle, bytes(self._room - at), at)
                os.ftruncate(self._handle, self._room)
            raise
        self._header, self._size, self._room = header, end, room
        if self._mark is not None:
            self._mark.put(Mark(self._key, first + count))

    def spoil(self) -> None:
        """Make the writer, whoever it is, look into the database before it goes on."""
        self._header = b""
        if os.fstat(self._handle).st_size:
            write_at(self._handle, b"-", 0)

    def empty(self) -> None:
        """Overwrite what the file holds, and take it out. OSError: if that fails."""
        self._header = b""
        self._wipe(b"-" + read_at(self._handle, _HEADER.size, 0)[1:])
        os.ftruncate(self._handle, ROOM_BYTES)

    def _wipe(self, header: bytes) -> None:
        """Put a header and zeros in the place of everything: what stood there is in rows by now."""
        write_at(self._handle, header.ljust(os.fstat(self._handle).st_size, b"\0"), 0)
        sync(self._handle)

    def chunks(self) -> list[TailChunk]:
        """Read all chunks; asked while it is held."""
        return _parse(read_all(self._handle))


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
        if not os.fstat(handle).st_size:
            return []
        for _ in range(_TRIES):
            if lock(handle, wait=False, share=True):
                break
            time.sleep(_TRY_S)
        return _parse(read_all(handle))
    finally:
        with contextlib.suppress(OSError):  # a close that fails would keep the writer waiting
            unlock(handle)
        close(handle)


def _parse(data: bytes) -> list[TailChunk]:
    if not data:
        return []
    chunks: list[TailChunk] = []
    # The first byte may have been spoilt, which concerns the writer alone.
    magic, key = _HEADER.unpack(data[: _HEADER.size].ljust(_HEADER.size, b"\0"))
    begun, at = 0, _HEADER.size
    while (at := _head_at(at)) + _HEAD_BYTES <= len(data):
        head = _head(data, at)
        if head is None:
            later = _resume(data, at, chunks)
            if later == len(data) and any(data[at : at + _HEAD_BYTES]):
                chunks.append(_lost(chunks, key))
            at = later
            continue
        length, first, count = head
        begun, start, at = at, at + _HEAD_BYTES, at + _HEAD_BYTES + length + len(_END)
        if at > len(data) or (_is_last(data, at) and _is_torn(data, start, at)):
            break  # a commit that was cut off: nobody was told that it is durable
        chunks.append(TailChunk(first, count, key, data[start : start + length]))
    # A file is made at its first length and grows by as much: what began behind the last such length had room before.
    whole = len(data) // ROOM_BYTES * ROOM_BYTES
    if len(data) != whole and (not whole or begun > whole):
        chunks.append(_lost(chunks, key))
    if not chunks and magic[1:] != _MAGIC[1:]:
        chunks.append(_lost(chunks, -1))
    return chunks


def _head_at(at: int) -> int:
    """Give the place of a chunk's head, from ``at`` on: where it lies in one sector."""
    left = _SECTOR_BYTES - at % _SECTOR_BYTES
    return at if left >= _HEAD_BYTES else at + left


def _head(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Read a chunk's head: length, first index and count; ``None`` if there is none."""
    raw = data[at : at + _HEAD.size]
    if not any(raw) or _CRC.unpack_from(data, at + _HEAD.size)[0] != zlib.crc32(raw):
        return None
    length, first, count = _HEAD.unpack(raw)
    return length, first, count


def _resume(data: bytes, at: int, chunks: Sequence[TailChunk]) -> int:
    """Find the next head behind a place that has none, by trying; gives the end if there is none."""
    expected = _expected(chunks)
    for place in range(at, len(data) - _HEAD_BYTES + 1) if any(data[at:]) else ():
        head = _head(data, place)
        if head is not None and head[1] >= expected:
            return place
    return len(data)


def _expected(chunks: Sequence[TailChunk]) -> int:
    return chunks[-1].first + chunks[-1].count if chunks else -1


def _lost(chunks: Sequence[TailChunk], key: int) -> TailChunk:
    """Stand for what can't be found any more: for one event, because nobody knows how many there were."""
    return TailChunk(_expected(chunks), 1, key, b"")


def _is_last(data: bytes, end: int) -> bool:
    """Say whether no chunk follows."""
    return not any(data[end:])


def _is_torn(data: bytes, start: int, end: int) -> bool:
    """Say whether a sector of a chunk never reached the disk, and reads as zeros: each holds ciphertext or the end."""
    at = _next_sector(start)
    while at < end:
        if not any(data[at : min(end, at + _SECTOR_BYTES)]):
            return True
        at += _SECTOR_BYTES
    return False


def _next_sector(at: int) -> int:
    return -(-at // _SECTOR_BYTES) * _SECTOR_BYTES
