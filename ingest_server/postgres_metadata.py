"""The receiver's notes in PostgreSQL, for replicas on several machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from event_model.errors import StoreUnwritable
from ingest_server.engines import dispose
from ingest_server.migrations import migrate
from ingest_server.sql_metadata import SqlMetadata, database_errors, writing

CLAIM_CONNECTIONS = 16
"""Claims held at once by one process, each on a connection; PostgreSQL allows 100 connections by default."""

WORK_CONNECTIONS = 8
"""Connections for reads and the group commit of one process."""

CONNECT_TIMEOUT_S = 5
"""How long a database that doesn't answer is waited for before the request is answered with 503."""

STATEMENT_TIMEOUT_MS = 30_000
"""How long one statement may take, waiting for locks included, before the request is answered with 503."""

LOCK_CLASS = 0x6F76
"""The first key of our advisory locks ("ov"), so that they meet no other program's in the same database."""

_SCHEMA_LOCK = -1
"""The second key under which tables are made; stripes are 0 and up."""

_LOGS_LOCK = -2
"""The second key under which entries are added to audit logs: one for all, so that no two wait for each other."""


class PostgresMetadata(SqlMetadata):
    """The notes in a PostgreSQL database, shared by any number of replicas.

    A claim is an advisory lock that a transaction holds on a connection of its own, so it ends with its process, and
    works through a pooler that shares connections between transactions.
    """

    def __init__(self, url: str) -> None:
        """Connect to ``postgresql://user@host/database``, and make the tables if need be.

        StoreUnwritable: if that fails, or the server runs with ``fsync`` off.
        """
        self._claims = _engine(url, size=CLAIM_CONNECTIONS)
        engine = _engine(url, size=WORK_CONNECTIONS)
        try:
            _make_tables(engine)
        except BaseException:
            dispose(engine)
            raise
        super().__init__(engine)

    def close(self) -> None:
        """Give back connections."""
        dispose(self._claims)
        super().close()

    async def finish_erasing(self) -> None:
        """Do nothing: a server's own log is its operator's."""

    def _lock_logs(self, connection: sql.Connection) -> None:
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(LOCK_CLASS, _LOGS_LOCK)))

    def _take(self, stripes: Sequence[int]) -> tuple[set[int], Callable[[], None]]:
        if not stripes:
            return set(), _nothing
        connection = self._claims.connect()
        try:
            found = connection.exec_driver_sql(_TRY_LOCKS, {"lock_class": LOCK_CLASS, "stripes": list(stripes)})
            taken = {stripe for stripe, free in found if free}
        except BaseException:
            _release(connection)
            raise
        if not taken:
            _release(connection)
            return taken, _nothing
        return taken, lambda: _release(connection)


def _make_tables(engine: sql.Engine) -> None:
    with database_errors(), writing(engine) as connection:
        if connection.exec_driver_sql("SHOW fsync").scalar_one() != "on":
            hint = "Set fsync = on in postgresql.conf: a receipt promises that a segment survives a power cut."
            raise StoreUnwritable("PostgreSQL runs with fsync off", hint=hint)
        # Replicas that start together would otherwise both make the tables, and one fail.
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(LOCK_CLASS, _SCHEMA_LOCK)))
        migrate(connection)


_TRY_LOCKS = (
    "SELECT stripe, pg_try_advisory_xact_lock(%(lock_class)s, stripe) FROM unnest(%(stripes)s::int[]) AS stripe"
)


def _release(connection: sql.Connection) -> None:
    """End the transaction, and with it the claim; a connection that broke has ended it already."""
    # A connection that broke while the claim was held says so here; the claim ended with it.
    with suppress(SQLAlchemyError):
        connection.close()


def _nothing() -> None:
    """Stand for claims that nothing was claimed for."""


def _engine(url: str, *, size: int) -> sql.Engine:
    try:
        address = sql.make_url(url).set(drivername="postgresql+psycopg")
        engine = sql.create_engine(
            address,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,  # A database that was restarted is found again by the next request.
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )
    except ArgumentError as error:
        hint = "It looks like postgresql://user@host/database."
        raise StoreUnwritable("this is no address of a database", hint=hint) from error

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The server's default may be weaker: a commit that has returned must survive a power cut.
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        connection.commit()

    return engine
