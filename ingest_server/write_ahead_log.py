"""Empties SQLite's write-ahead log of what was erased: until then the old rows lie in that file."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing

import sqlalchemy as sql

from event_model.errors import StoreUnwritable
from ingest_server.operations import Log, log_to_stderr
from ingest_server.prepared import DRIVER_ERRORS

WAIT_MS = 250
"""How long an attempt waits for readers to end. It keeps every writer out meanwhile."""

AGAIN_S = 1.0
"""How soon after an attempt that a reader blocked the next one follows."""


class WriteAheadLog:
    """The log of one database, from the view of one process."""

    def __init__(self, engine: sql.Engine, *, wait_ms: int, log: Log = log_to_stderr) -> None:
        """``wait_ms`` is the busy timeout that the engine's connections have otherwise."""
        self._log = log
        self._engine = engine
        self._wait_ms = wait_ms
        self._attempt = threading.Lock()
        self._again: asyncio.Task[None] | None = None
        self.blocked = False
        """Whether erased rows still lie in the log, since somebody read while it was to be emptied."""

    async def empty(self) -> None:
        """Take the log over into the database and cut it; if that is blocked, it is tried again until it succeeds."""
        if not await asyncio.to_thread(self.try_to_empty) and self._again is None:
            self._log({"event": "erasure-waits"})
            self._again = asyncio.create_task(self._keep_trying())

    def try_to_empty(self) -> bool:
        """Try once, and say whether it is empty."""
        with self._attempt:
            try:
                self.blocked = self._cut() != 0
            except (OSError, StoreUnwritable, *DRIVER_ERRORS):  # Uploads will say so too; it stays to be done.
                self.blocked = True
            return not self.blocked

    def stop(self) -> None:
        """Try no more: the database is about to be closed, by which its last connection empties the log."""
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _cut(self) -> int:
        with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                busy: int = cursor.fetchall()[0][0]
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {self._wait_ms}")
        return busy

    async def _keep_trying(self) -> None:
        while self.blocked:
            await asyncio.sleep(AGAIN_S)
            await asyncio.to_thread(self.try_to_empty)
        self._again = None
        self._log({"event": "erasure-done"})
