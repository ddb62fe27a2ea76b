"""The receiver's notes in one SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event

from consent_ledger.record import ConsentState
from event_model.errors import StoreUnwritable
from event_model.ids import StudyId
from ingest_server.migrations import migrate
from ingest_server.rows import ConsentRow, LogRow, Participant
from ingest_server.sql_metadata import SqlMetadata, database_errors, writing
from ingest_server.sqlite_driver import DRIVER
from ingest_server.stripe_locks import StripeLocks
from ingest_server.write_ahead_log import WriteAheadLog

WAL_FROM = (3, 51, 3)
"""Before this version SQLite can lose a write-ahead log that several connections reset at once."""

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
        self._log = WriteAheadLog(engine, wait_ms=BUSY_TIMEOUT_S * 1000) if uses_wal() else None
        if self._log is not None:
            self._log.try_to_empty()  # A process that was killed may have left erased rows in it.

    def _take(self, stripes: Sequence[int]) -> tuple[set[int], Callable[[], None]]:
        taken = {stripe for stripe in stripes if self._locks.take(stripe)}

        def give_back() -> None:
            for stripe in taken:
                self._locks.release(stripe)

        return taken, give_back

    def _lock_logs(self, connection: sql.Connection) -> None:
        """Do nothing: SQLite has one writer at a time."""

    async def complete_deletion(self, study: StudyId, digest: str, completed_ms: int, entry: LogRow) -> None:
        """Note that the objects of a deletion are gone, and tell the log; what the rows were is overwritten then."""
        await super().complete_deletion(study, digest, completed_ms, entry)
        await self._empty_log()

    async def save_consent(self, participant: Participant, row: ConsentRow, entry: LogRow | None = None) -> None:
        """Keep a consent record; what it was before is overwritten, if it is taken back."""
        await super().save_consent(participant, row, entry)
        if row.state is ConsentState.WITHDRAWN:
            await self._empty_log()

    async def revoke(self, study: StudyId, invitations: Sequence[str], entry: Callable[[str, str], LogRow]) -> None:
        """Shut out who used one of these invitations; what their rows were is overwritten then."""
        await super().revoke(study, invitations, entry)
        await self._empty_log()

    async def finish_erasing(self) -> None:
        """Overwrite what an earlier process erased, where somebody read when this one started."""
        if self.erasing:
            await self._empty_log()

    @property
    def erasing(self) -> bool:
        """Whether rows that were erased still lie in a file; emptying it is tried again until it succeeds."""
        return self._log is not None and self._log.blocked

    async def _empty_log(self) -> None:
        if self._log is not None:
            await self._log.empty()

    def close(self) -> None:
        """Give back connections and lock files."""
        if self._log is not None:
            self._log.stop()
        super().close()
        self._locks.close()


def uses_wal() -> bool:
    """Say whether the SQLite at hand may write ahead: one fsync a commit in place of four, and readers never wait."""
    version: tuple[int, int, int] = DRIVER.sqlite_version_info
    return version >= WAL_FROM


def _sqlite_engine(path: Path) -> sql.Engine:
    # The connection given back last has the newest pages in its cache.
    engine = sql.create_engine(
        f"sqlite:///{path}", module=DRIVER, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_use_lifo=True
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Transactions are begun by us: the driver's own BEGIN can't be IMMEDIATE and fails under several writers.
        connection.isolation_level = None
        mode = "wal" if uses_wal() else "truncate"
        (actual,) = connection.execute(f"PRAGMA journal_mode={mode}").fetchone()
        if actual != mode:
            raise StoreUnwritable(f"the database can't be opened with a journal of mode {mode}", hint=_OTHER_VERSION)
        connection.execute("PRAGMA synchronous=FULL").close()
        connection.execute("PRAGMA secure_delete=ON").close()

    @event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_OTHER_VERSION = "Another process may have it open with another version of SQLite; run the same one everywhere."
