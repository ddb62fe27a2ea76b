"""The receiver's notes in one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event

from ingest_server.migrations import migrate
from ingest_server.rows import Participant
from ingest_server.sql_metadata import CLAIM_POLL_S, SqlMetadata, claim_stripe, database_errors, writing
from ingest_server.stripe_locks import StripeLocks

BUSY_TIMEOUT_S = 30
"""How long a write waits for another process's before the request is answered with 503."""


class SqliteMetadata(SqlMetadata):
    """The notes in one SQLite file, shared by any number of processes on one machine."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it and its tables if need be. StoreUnwritable: if that fails."""
        with database_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            claims = path.with_suffix(".claims")
            claims.mkdir(mode=0o700, exist_ok=True)
            self._locks = StripeLocks(claims)
            engine = _sqlite_engine(path)
            with writing(engine) as connection:
                migrate(connection)
        super().__init__(engine)

    @asynccontextmanager
    async def claim(self, participant: Participant) -> AsyncIterator[None]:
        """Hold a participant for oneself, across all replicas."""
        stripe = claim_stripe(participant)
        # Within the process one waits in line; only another process is polled for.
        async with self._stripes[stripe]:
            with database_errors():
                while not self._locks.take(stripe):  # noqa: ASYNC110 - another process can't set an event here
                    await asyncio.sleep(CLAIM_POLL_S)
            try:
                yield
            finally:
                self._locks.release(stripe)

    def close(self) -> None:
        """Give back connections and lock files."""
        super().close()
        self._locks.close()


def _sqlite_engine(path: Path) -> sql.Engine:
    engine = sql.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Transactions are begun by us: the driver's own BEGIN can't be IMMEDIATE and fails under several writers.
        connection.isolation_level = None
        # A rollback journal, not WAL: SQLite before 3.51.3 can lose a WAL that several connections reset at once.
        connection.execute("PRAGMA journal_mode=TRUNCATE").close()
        connection.execute("PRAGMA synchronous=FULL").close()
        connection.execute("PRAGMA secure_delete=ON").close()

    @event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
