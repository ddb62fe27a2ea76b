"""Who sends, and who waits until nothing is sent any more: a lock per study, held for as long as a body is under way.

``overt leave`` ends the consent first and then takes the lock. Whoever sends holds it before asking about the consent,
so once it is free no byte of that study is on its way out, and none will be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import filelock

from consent_ledger.files import make_private_folder
from event_model.errors import StoreUnwritable
from event_model.ids import StudyId

POLL_S = 0.02
SILENCE_S = 10.0
"""How long leaving waits for an upload to be cut off; it takes a tenth of a second."""


class Sending:
    """The locks of one installation, in the folder ``sending/``."""

    def __init__(self, home: Path) -> None:
        self._path = home / "sending"

    @asynccontextmanager
    async def held(self, study: StudyId) -> AsyncIterator[None]:
        """Hold a study's lock while a body is sent. StoreUnwritable: if the folder can't be written."""
        lock = self._lock(study)
        while not _try(lock):  # noqa: ASYNC110 - another process can't set an event here
            await asyncio.sleep(POLL_S)
        try:
            yield
        finally:
            lock.release()

    def wait_until_silent(self, study: StudyId, timeout_s: float = SILENCE_S) -> bool:
        """Wait until nothing of a study is under way; say whether that came about."""
        with suppress(StoreUnwritable, OSError):
            try:
                with self._lock(study).acquire(timeout=timeout_s, poll_interval=POLL_S):
                    return True
            except filelock.Timeout:
                return False
        # Where no lock file can be made no sender could have made one: it sends nothing then.
        return True

    def _lock(self, study: StudyId) -> filelock.BaseFileLock:
        make_private_folder(self._path)
        return filelock.FileLock(self._path / f"{study}.lock", thread_local=False)


def _try(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    except OSError as error:
        raise StoreUnwritable(f"the lock of an upload can't be taken: {error}") from error
    return True
