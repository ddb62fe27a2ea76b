"""Work that goes on behind a page: it is begun by one request, and looked at by the next ones."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any, ClassVar

import msgspec

from event_model.errors import OvertError

KEPT = 16
"""Pieces of work that are remembered when they have ended."""


class Work(msgspec.Struct):
    """Something that goes through the whole store: what was asked, and how far (``percent``) it has come.

    ``MUST_END`` work is never cut off; of other work there is one piece at a time, because nobody asks for the last
    one's answer any more when the next one begins.
    """

    MUST_END: ClassVar[bool] = False

    asked: dict[str, str]
    percent: int = 0
    task: asyncio.Task[None] | None = None
    error: OvertError | None = None

    @property
    def going_on(self) -> bool:
        """Whether it has not come to its end."""
        return self.task is not None and not self.task.done()

    def tell(self, done: int, total: int) -> None:
        """Take note of how much was gone through."""
        self.percent = 100 * done // max(total, 1)

    async def wait(self, timeout_s: float) -> None:
        """Wait for the end, so long."""
        if self.task is not None:
            await asyncio.wait({self.task}, timeout=timeout_s)


class Jobs:
    """All of it."""

    def __init__(self) -> None:
        self._known: dict[str, Work] = {}

    @property
    def busy(self) -> bool:
        """Whether something goes on that must come to its end."""
        return any(work.MUST_END and work.going_on for work in self._known.values())

    def get(self, name: str) -> Work | None:
        """Give a piece of work by its name."""
        return self._known.get(name)

    def start(self, work: Work, doing: Coroutine[Any, Any, None]) -> str:
        """Begin a piece of work; gives its name."""
        self._cut_off()
        for name in [name for name, old in self._known.items() if not old.going_on][:-KEPT]:
            del self._known[name]
        work.task = asyncio.create_task(_tried(work, doing))
        name = secrets.token_hex(8)
        self._known[name] = work
        return name

    async def close(self) -> None:
        """Wait for what must come to its end, and cut off the rest."""
        self._cut_off()
        await asyncio.gather(*(work.task for work in self._known.values() if work.task), return_exceptions=True)

    def _cut_off(self) -> None:
        for work in self._known.values():
            if work.task is not None and not work.MUST_END:
                work.task.cancel()


async def _tried(work: Work, doing: Coroutine[Any, Any, None]) -> None:
    try:
        await doing
    except OvertError as error:
        work.error = error
