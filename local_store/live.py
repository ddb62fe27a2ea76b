"""Which sessions are running: one lock file each, held by the process that writes the session.

The operating system lets go of a lock when its process ends, however it ends; so a session that is not ended and
whose lock is free is an orphan.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from event_model.errors import StoreConflict
from event_model.ids import SessionId
from local_store.files import PRIVATE_FILE, unwritable


class LiveLocks:
    """The locks that this process holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[SessionId, FileLock] = {}

    def holds(self, session: SessionId) -> bool:
        """Say whether this store holds the session."""
        return session in self._held

    def take(self, session: SessionId) -> bool:
        """Take a session's lock; false if another holds it. StoreUnwritable: if there can be no lock file."""
        if session in self._held:
            return False
        lock = FileLock(self._path(session), blocking=False, mode=PRIVATE_FILE, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            raise unwritable("a session's lock", error) from error
        self._held[session] = lock
        return True

    def need(self, session: SessionId) -> None:
        """Take a session's lock. StoreConflict: if another holds it."""
        if not self.take(session):
            raise StoreConflict("the session is running elsewhere", code="session-live")

    def release(self, session: SessionId, *, ended: bool) -> None:
        """Let go of a session; the lock file of one that ended goes too."""
        lock = self._held.pop(session, None)
        if lock is None:
            return
        if ended:
            with contextlib.suppress(OSError):
                self._path(session).unlink()
        with contextlib.suppress(OSError):  # the lock goes with the process at the latest
            lock.release()

    def release_all(self) -> None:
        """Let go of everything, without ending it."""
        for session in list(self._held):
            self.release(session, ended=False)

    def running_elsewhere(self, session: SessionId) -> bool:
        """Say whether another process writes the session now."""
        if session in self._held:
            return False
        if not self.take(session):
            return True
        self.release(session, ended=False)
        return False

    def _path(self, session: SessionId) -> Path:
        return self._folder / f"{session}.lock"
