"""Reads, writes, syncs and locks of an open file, by the platform's own calls."""

from __future__ import annotations

import contextlib
import os
import sys
import time

FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""For opening a file to read and write."""

_TRY_S = 0.001


def read_all(handle: int) -> bytes:
    """Read from the start to the end. OSError: if that can't be done."""
    os.lseek(handle, 0, os.SEEK_SET)
    parts: list[bytes] = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def write_at(handle: int, data: bytes, at: int) -> None:
    """Write all of it at a place. OSError: if that can't be done."""
    done = _write(handle, data, at)
    while done < len(data):
        done += _write(handle, data[done:], at + done)


def close(handle: int) -> None:
    """Close it. What a system says at that moment changes nothing: it is closed, and what matters was synced."""
    with contextlib.suppress(OSError):
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    _LOCK_AT = 1 << 30
    """A byte that no file reaches: Windows forbids others to read what is locked."""

    def read_at(handle: int, size: int, at: int) -> bytes:
        """Read some bytes from a place on. OSError: if that can't be done."""
        os.lseek(handle, at, os.SEEK_SET)
        return os.read(handle, size)

    def _write(handle: int, data: bytes, at: int) -> int:
        os.lseek(handle, at, os.SEEK_SET)
        return os.write(handle, data)

    def lock(handle: int, *, wait: bool, share: bool) -> bool:  # noqa: ARG001 - locks are not shared here
        """Take the file's lock; false if it is held, without ``wait``. OSError: if the file system has none."""
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

    def unlock(handle: int) -> None:
        """Give the file's lock back. OSError: if that can't be done."""
        os.lseek(handle, _LOCK_AT, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    sync = os.fsync
else:
    import fcntl

    read_at = os.pread
    _write = os.pwrite

    def lock(handle: int, *, wait: bool, share: bool) -> bool:
        """Take the file's lock; false if it is held, without ``wait``. OSError: if the file system has none."""
        try:
            kind = fcntl.LOCK_SH if share else fcntl.LOCK_EX
            fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(handle: int) -> None:
        """Give the file's lock back. OSError: if that can't be done."""
        fcntl.flock(handle, fcntl.LOCK_UN)

    # macOS has no fdatasync, and its fsync leaves the data in the drive's cache.
    if sys.platform == "darwin":

        def sync(handle: int) -> None:
            """Make what was written durable. OSError: if that can't be done."""
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        sync = os.fdatasync
