"""An event loop that rests: while somebody types, it wakes up once for a few keys, and does nothing else then.

A turn of asyncio's loop costs more than the wake-up itself, so the call is made from inside the loop's wait for files,
and the wait goes on after it.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

WINDOW_S = 0.245
"""So long the first key of a row waits for others; the promise is that it is written after 250 ms at most."""

QUIET_S = 2.0
"""After so long without a key nobody is typing: what comes next is read as it comes."""

_Arguments = TypeVarTuple("_Arguments")
_Ready = list[tuple[selectors.SelectorKey, int]]


class _Selector(selectors.DefaultSelector):
    """The system's selector, which rests in its wait when it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.stirred = False
        """Whether the loop was given something to do since the wait began."""
        self.failed: Callable[[Exception], None]
        self._input = -1
        self._both = select.poll()
        self._both.register(self.fileno(), select.POLLIN)
        self._come: Callable[[], None] | None = None
        self._quiet: Callable[[], None]
        self._due_s: float | None = None
        self._until_s = 0.0
        self._window_s = WINDOW_S

    def rest(
        self, fd: int, come: Callable[[], None], quiet: Callable[[], None], *, window_s: float, begun: bool
    ) -> None:
        if fd != self._input:
            self._input = fd
            self._both.register(fd, select.POLLIN)
        now = time.monotonic()
        self._come, self._quiet, self._window_s = come, quiet, window_s
        self._due_s, self._until_s = (now + window_s if begun else None), now + QUIET_S

    def select(self, timeout: float | None = None) -> _Ready:
        """Wait for files as ever; return also when a call that was made gave the loop something to do."""
        end_s = math.inf if timeout is None else time.monotonic() + timeout
        while self._come is not None:
            due_s = self._due_s
            until_s = min(end_s, self._until_s if due_s is None else due_s)
            ready = self._wait(until_s)
            if ready is None:
                continue
            if ready or until_s == end_s:
                return ready
            call = self._quiet if due_s is None else self._come
            self._come, self.stirred = None, False
            try:
                call()
            except Exception as error:  # as the loop does with a callback of its own
                self.failed(error)
            if self.stirred:
                return []
        return super().select(None if end_s == math.inf else max(0.0, end_s - time.monotonic()))

    def _wait(self, until_s: float) -> _Ready | None:
        """Wait until a time for the loop's files; ``None`` if meanwhile the first key has come."""
        if self._due_s is not None:
            return super().select(max(0.0, until_s - time.monotonic()))
        found = self._both.poll(max(0, math.ceil((until_s - time.monotonic()) * 1000)))
        if not found:
            return []
        ready: _Ready = []
        for fd, what in found:
            if fd == self._input:  # an end is not waited on
                self._due_s = time.monotonic() + (self._window_s if what == select.POLLIN else 0.0)
            else:
                ready = super().select(0)
        return ready or None


class RestingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, and ``rest``. For Linux; elsewhere it is not tried."""

    def __init__(self) -> None:
        self._resting = _Selector()
        self._resting.failed = self._say
        super().__init__(self._resting)

    def rest(
        self,
        fd: int,
        come: Callable[[], None],
        quiet: Callable[[], None],
        *,
        window_s: float,
        begun: bool = False,
    ) -> None:
        """Wait for input that the loop does not read: ``come`` is called a window after its first bytes, once.

        When nothing comes for a while, ``quiet`` is called instead. Where a window has ``begun``, it ends with what
        has come by then. Both are called in the loop's thread, between its turns, and must not wait.
        """
        self._resting.rest(fd, come, quiet, window_s=window_s, begun=begun)

    def call_soon(
        self, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """As ever; a wait in which it is called ends."""
        self._resting.stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Arguments], object], *args: *_Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ever; a wait in which it is called ends."""
        self._resting.stirred = True
        return super().call_at(when, callback, *args, context=context)

    def _say(self, error: Exception) -> None:
        self.call_exception_handler({"message": "a call out of a rest failed", "exception": error})
