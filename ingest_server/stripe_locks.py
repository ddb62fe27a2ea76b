"""Locks that several processes on one machine hold by stripe, and that end with their process."""

from __future__ import annotations

import os
from pathlib import Path

import filelock

if os.name != "nt":
    import fcntl


class StripeLocks:
    """A lock file for each stripe. Its descriptor stays open: a lock then costs one system call, not four."""

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
