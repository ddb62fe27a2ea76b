"""How the store runs its transactions: what is remembered is dropped with a failed one, and the reserve helps out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from event_model.errors import StoreUnwritable
from local_store.database import Database, Work
from local_store.erasure import sweep
from local_store.files import keep_reserve, release_reserve
from local_store.schema import PAGE_BYTES, free_pages, vacuum

T = TypeVar("T")


class Transactions:
    """Reads and writes on the database.

    On its thread ``done`` is called after a transaction that is durable, and ``undone`` after one that failed.
    """

    def __init__(self, database: Database, reserve: Path, done: Callable[[], None], undone: Callable[[], None]) -> None:
        self._database = database
        self._reserve = reserve
        self._done = done
        self._undone = undone

    async def close(self) -> None:
        """Close the database, after what was begun."""
        await self._database.close()

    async def read(self, work: Work[T]) -> T:
        """Read one consistent state."""
        return await self._database.read(work)

    async def write(self, work: Work[T], *, before: Work[object] | None = None) -> T:
        """Write all of it or nothing; ``before`` runs ahead of the transaction."""
        return await self._database.write(work, before=before, done=self._done, undone=self._undone)

    @property
    def idle(self) -> bool:
        """Whether no transaction is under way or waits."""
        return self._database.idle

    async def aside(self, work: Callable[[], T]) -> T:
        """Run a function on the database's thread, between transactions."""
        return await self._database.aside(work)

    async def write_reserved(self, work: Work[T]) -> T:
        """Write, and give the reserve's space back to the disk if there is none left."""
        try:
            return await self.write(work)
        except StoreUnwritable:
            if not release_reserve(self._reserve):
                raise
        return await self.write(work)

    def keep_reserve(self) -> None:
        """Make the reserve, if it is missing and there is room."""
        keep_reserve(self._reserve)

    async def sweep(self) -> None:
        """Remove the rows of forgotten studies. StoreUnwritable: if there is no room; they are unreadable anyway."""
        swept = False
        while await self.write_reserved(sweep):
            swept = True
        if swept:
            await self.shorten(0)

    async def shorten(self, spare_bytes: int) -> None:
        """Give free pages back to the disk, if there are more than to spare."""
        spare_pages = spare_bytes // PAGE_BYTES
        with contextlib.suppress(StoreUnwritable):  # it is only tidying
            while await self.read(free_pages) > spare_pages:
                await self.write(partial(vacuum, spare_pages=spare_pages))
