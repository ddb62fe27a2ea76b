"""Locks that several processes on one machine hold by stripe, and that end with their process."""

from __future__ import annotations

import os
from pathlib import Path

import filelock

if os.name != "nt":
    import fcntl


KEPT_OPEN = 256
"""Lock files that stay open; all of them would be as many descriptors as a process may have on many systems."""


class StripeLocks:
    """A lock file for each stripe. Its descriptor may stay open: a lock then costs one system call, not four."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, int] = {}
        self._held: dict[int, filelock.BaseFileLock] = {}

    def take(self, stripe: int) -> bool:
        """Take a lock if no other process has it; within a process the caller keeps count."""
        path = self._folder / f"{stripe:03x}.lock"
        if os.name == "nt":  # written to the rule; the descriptor can't stay open there
            return self._take_with_library(stripe, path)
        if stripe not in self._open:
            self._open[stripe] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._open[stripe], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self, stripe: int) -> None:
        """Let go of a lock."""
        if os.name == "nt":
            self._held.pop(stripe).release()
        elif len(self._open) > KEPT_OPEN:
            os.close(self._open.pop(stripe))
        else:
            fcntl.flock(self._open[stripe], fcntl.LOCK_UN)

    def close(self) -> None:
        """Close all files, and with them let go of what is held."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _take_with_library(self, stripe: int, path: Path) -> bool:
        lock = filelock.FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        self._held[stripe] = lock
        return True
