"""Many small changes, one durable commit.

A commit costs an fsync or three; changes that arrive while one is under way wait and share the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

T = TypeVar("T")

Change = Callable[[sql.Connection], Any]
Writing = Callable[[], AbstractContextManager[sql.Connection]]

MAX_CHANGES = 256
"""Changes in one commit: bounds how long the first of them waits for the last."""


class GroupCommit:
    """Runs changes in order, as many to a transaction as are waiting; each stands or falls alone."""

    def __init__(self, writing: Writing) -> None:
        """``writing`` gives a connection in a write transaction that it commits at the end."""
        self._writing = writing
        self._waiting: list[tuple[Change, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, change: Callable[[sql.Connection], T]) -> T:
        """Run a change and return once it is committed. Raises what the change, or else the commit, raised."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_CHANGES], self._waiting[MAX_CHANGES:]
                outcomes = await asyncio.to_thread(self._commit, [change for change, _ in batch])
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    _settle(future, outcome)
        finally:
            self._task = None

    def _commit(self, changes: list[Change]) -> list[Any | Exception]:
        try:
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
