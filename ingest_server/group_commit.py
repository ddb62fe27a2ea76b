"""Many small requests to a database, one trip.

A commit costs an fsync or three, and a thread a tenth of a millisecond; what arrives while one trip is under way waits
and shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

T = TypeVar("T")
R = TypeVar("R")

Change = Callable[[sql.Connection], Any]
Opening = Callable[[], AbstractContextManager[sql.Connection]]

MAX_TOGETHER = 256
"""Requests in one trip: bounds how long the first of them waits for the last."""


class Together(Generic[R]):
    """Hands requests to a function in a thread, as many at a time as are waiting, in order."""

    def __init__(self, run: Callable[[list[R]], Sequence[Any]]) -> None:
        """``run`` gives one outcome for each request, an exception for one that failed; it never raises itself."""
        self._run = run
        self._waiting: list[tuple[R, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        # A thread of its own: a trip that so many wait for must not stand in line behind single requests.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="together")

    async def ask(self, request: R) -> Any:
        """Give the outcome of a request, or raise it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
                requests = [request for request, _ in batch]
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, requests)
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    _settle(future, outcome)
        finally:
            self._task = None


class GroupRead:
    """Runs queries on one connection, as many at a time as are waiting."""

    def __init__(self, reading: Opening) -> None:
        self._reading = reading
        self._together: Together[Change] = Together(self._read)

    async def run(self, query: Callable[[sql.Connection], T]) -> T:
        """Run a query. Raises what the query raised, and what any other of the same trip did."""
        outcome: T = await self._together.ask(query)
        return outcome

    def _read(self, queries: list[Change]) -> Sequence[Any]:
        try:
            with self._reading() as connection:
                return [query(connection) for query in queries]
        except Exception as error:  # Whatever it is, each waiting request must hear of it.
            return [error] * len(queries)


class GroupCommit:
    """Runs changes in order, as many to a transaction as are waiting; each stands or falls alone."""

    def __init__(self, writing: Opening) -> None:
        """``writing`` gives a connection in a write transaction that it commits at the end."""
        self._writing = writing
        self._together: Together[Change] = Together(self._commit)

    async def run(self, change: Callable[[sql.Connection], T]) -> T:
        """Run a change and return once it is committed. Raises what the change, or else the commit, raised."""
        outcome: T = await self._together.ask(change)
        return outcome

    def _commit(self, changes: list[Change]) -> Sequence[Any]:
        try:
            try:
                with self._writing() as connection:
                    return [change(connection) for change in changes]
            except IntegrityError:  # One of them: again, each behind a savepoint of its own, which costs time.
                with self._writing() as connection:
                    return [_apply(connection, change) for change in changes]
        except Exception as error:  # Whatever it is, each waiting request must hear of it.
            return [error] * len(changes)


def _apply(connection: sql.Connection, change: Change) -> Any | Exception:
    try:
        with connection.begin_nested():
            return change(connection)
    except IntegrityError as error:  # It belongs to this change alone; the others are committed.
        return error
    # Any other error (disk full, I/O) may have rolled back the changes before it too: it ends the transaction for all.


def _settle(future: asyncio.Future[Any], outcome: Any | Exception) -> None:
    if future.done():  # The request was given up; its change stands.
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
