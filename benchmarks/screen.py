"""A screen that nobody sees, with a window manager: where the browser's own windows can be pressed by keys."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

KEY_S = 0.4
"""Between two keys: windows are drawn meanwhile."""


class Screen:
    """An X display."""

    def __init__(self, display: str) -> None:
        """Use ``screen``."""
        self.environment = {"DISPLAY": display}

    async def press(self, *keys: str) -> None:
        """Press keys in whatever window has the focus, by their X names."""
        for key in keys:
            await self._run("xdotool", "key", key)
            await asyncio.sleep(KEY_S)

    async def _run(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()


@contextlib.asynccontextmanager
async def screen() -> AsyncIterator[Screen]:
    """Run an X server on a display that is free, and openbox in it."""
    read, write = os.pipe()
    server = await asyncio.create_subprocess_exec(
        "Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp",
        pass_fds=(write,), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    manager = None
    try:
        number = (await asyncio.to_thread(os.read, read, 16)).decode().strip()
        made = Screen(f":{number}")
        manager = await asyncio.create_subprocess_exec(
            "openbox", env={**os.environ, **made.environment},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        yield made
    finally:
        os.close(read)
        for process in (manager, server):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()
