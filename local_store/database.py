"""One connection on a thread of its own: each transaction is one function, run in whole or not at all."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import aiosqlite

from event_model.errors import StoreDamaged, StoreError
from event_model.keys import Secret
from local_store.files import unwritable
from local_store.mending import Presence, note, open_database
from local_store.sqlite_errors import FAILURES, explain

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

ROWS_PER_HOP = 64
"""aiosqlite wants a number for its own iteration, which is not used here."""


def _nothing() -> None:
    """Stand in for what is not given."""


class _Connection(aiosqlite.Connection):
    """aiosqlite's thread, given whole functions: one hop for a transaction, and none left open by a cancellation."""

    def daemonise(self) -> None:
        """Let a process that fails with the store open end: what was acknowledged is durable."""
        self._thread.daemon = True

    async def run(self, work: Callable[[], T]) -> T:
        result: T = await self._execute(work)  # type: ignore[no-untyped-call]
        return result

    async def gone(self) -> None:
        """Wait for the thread of a connection that could not be made."""
        await asyncio.to_thread(self._thread.join)

    @property
    def raw(self) -> sqlite3.Connection:
        return self._conn


class Database:
    """The store's database, for one process."""

    def __init__(self, connection: _Connection, path: Path, presence: Presence) -> None:
        self._connection = connection
        self._path = path
        self._presence = presence
        self._process = os.getpid()
        self._begun = 0
        """Functions given to the thread; counted by the event loop alone."""
        self._ended = 0
        """Functions that the thread is done with; counted by the thread alone, also after a cancellation."""

    @classmethod
    async def open(cls, path: Path, root: Secret | None = None) -> Self:
        """Open or make the database, and mend it if it is damaged. StoreUnwritable, StoreDamaged: if it can't be."""
        presence = Presence(path.parent)
        connection = _Connection(partial(open_database, path, presence, root), iter_chunk_size=ROWS_PER_HOP)
        connection.daemonise()
        try:
            await connection
        except BaseException as error:
            await connection.gone()
            presence.leave()
            if isinstance(error, FAILURES):
                raise explain(error) from error
            if isinstance(error, OSError):
                raise unwritable("the store", error) from error
            raise
        return cls(connection, path, presence)

    async def close(self) -> None:
        """Close the connection, after what was begun."""
        await self._connection.close()
        self._presence.leave()

    async def write(
        self,
        work: Work[T],
        *,
        before: Work[object] | None = None,
        done: Callable[[], None] = _nothing,
        undone: Callable[[], None] = _nothing,
    ) -> T:
        """Run a function in a transaction: all of it is durable on return, or nothing of it happened.

        ``before`` runs on the same thread ahead of the transaction, for what need not keep others waiting;
        ``done`` runs there after one that is durable, ``undone`` after one that failed, before any other. When the
        caller is cancelled meanwhile, the transaction still ends one way or the other.
        StoreUnwritable, StoreDamaged: if the database can't do it.
        """
        return await self._run(partial(_transact, self._connection.raw, work, "BEGIN IMMEDIATE", before, done, undone))

    async def read(self, work: Work[T]) -> T:
        """Run a function that reads one consistent state. StoreUnwritable, StoreDamaged: as for ``write``."""
        return await self._run(partial(_transact, self._connection.raw, work, "BEGIN"))

    async def aside(self, work: Callable[[], T]) -> T:
        """Run a function on the database's thread, between transactions."""
        return await self._run(work)

    @property
    def idle(self) -> bool:
        """Whether the thread has nothing to do: then no one else is in the store before the next await."""
        return self._begun == self._ended and os.getpid() == self._process

    async def _run(self, work: Callable[[], T]) -> T:
        if os.getpid() != self._process:
            raise StoreError("the store was opened before a fork; open it again", code="store-forked")

        def counted() -> T:
            try:
                return work()
            except StoreDamaged as error:
                if error.code == StoreDamaged.code:  # of the database, not of one segment
                    note(self._path)
                raise
            finally:
                self._ended += 1

        self._begun += 1
        return await self._connection.run(counted)


def _transact(
    connection: sqlite3.Connection,
    work: Work[T],
    begin: str,
    before: Work[object] | None = None,
    done: Callable[[], None] = _nothing,
    undone: Callable[[], None] = _nothing,
) -> T:
    try:
        if before is not None:
            before(connection)
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            undone()
            raise
        done()
    except FAILURES as error:
        raise explain(error) from error
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    """Undo; where even that fails, the journal stays and the next transaction of any process undoes it."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            return
