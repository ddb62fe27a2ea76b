"""A place in a row of work: what arrives while it is busy waits, and is taken on together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkLine(Generic[T]):
    """Hands items to a function in a thread, as many at a time as are waiting: under load its batches grow.

    One line hands on to the next from thread to thread; the event loop, which may be busy reading, is not waited for.
    """

    def __init__(self, name: str, work: Callable[[list[T]], None], *, at_once: int, most: int) -> None:
        """``work`` never raises; ``at_once`` batches are under way at a time, of ``most`` items each at most."""
        self._work = work
        self._at_once = at_once
        self._most = most
        self._waiting: list[T] = []
        self._busy = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    def add(self, items: Sequence[T]) -> None:
        """Put items in line; from any thread."""
        with self._lock:
            self._waiting += items
            if not self._waiting or self._busy >= self._at_once:
                return
            self._busy += 1
        self._threads.submit(self._drain)

    def _drain(self) -> None:
        while True:
            with self._lock:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                if not batch:
                    self._busy -= 1
                    return
            self._work(batch)
