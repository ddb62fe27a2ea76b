"""Notices that another process changed what the person allows, so that the sign in the editor tells the truth.

Nothing that is written depends on it: every write looks for itself. On Linux the kernel tells (inotify(7)) and nothing
wakes up meanwhile; elsewhere the folder is looked at every two seconds.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncinotify import Inotify, Mask

LOOK_S = 2.0
"""How often the folder is looked at where the kernel does not tell."""

SETTLE_S = 0.05
"""A change of consent is a few files; they are looked at once, when they are all there."""


class Watch:
    """Calls back on the event loop after something changed in a folder or in the folders right below it."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; does nothing when already begun. A folder that is not there yet is waited for."""
        if self._task is None or self._task.done():
            watching = self._listen() if sys.platform == "linux" else self._look()
            self._task = asyncio.get_running_loop().create_task(watching)

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        from asyncinotify import Inotify, Mask  # noqa: PLC0415 - Linux only, and an editor waits for the start

        kinds = Mask.ATTRIB | Mask.CLOSE_WRITE | Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO
        try:
            with Inotify() as kernel:
                while True:
                    await self._appears(kernel, Mask.CREATE | Mask.MOVED_TO)
                    for folder in [self._folder, *(each for each in self._folder.iterdir() if each.is_dir())]:
                        kernel.add_watch(folder, kinds)  # the same folder again is the same watch
                    await kernel.get()
                    await asyncio.sleep(SETTLE_S)
                    self._changed()
        except OSError:  # no watches left, or the folder is gone: look instead
            await self._look()

    async def _appears(self, kernel: Inotify, kinds: Mask) -> None:
        """Wait for the folder: before the first study is joined there is none, and none is made."""
        while not self._folder.is_dir():
            above = next(each for each in self._folder.parents if each.is_dir())
            watch = kernel.add_watch(above, kinds)
            if above == next(each for each in (self._folder, *self._folder.parents) if each.is_dir()):
                await kernel.get()
            kernel.rm_watch(watch)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._changed()
