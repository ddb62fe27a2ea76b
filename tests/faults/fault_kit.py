"""What the fault tests share: the process that forks, and what a store must look like afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from event_model.clock import SystemClock
from event_model.events import CaptureGap
from event_model.ids import SessionId
from local_store.custody import open_custody
from local_store.store import Store
from tests.local_store.store_kit import masked, seal

ROOT = Path(__file__).parents[2]


class Worker:
    """The forking process, by its pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def line(self) -> list[str]:
        """Wait for the next thing said."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.endswith(b"\n"), "the worker itself ended"
        return line.decode().split(" ", 2) if line.startswith(b"traceback") else line.decode().split()

    def begin(self, act: str, home: Path) -> None:
        """Start an act in children of its own."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{act} {home}\n".encode())
        self._process.stdin.flush()


@contextmanager
def worker() -> Iterator[Worker]:
    """Start the forking process, and end it."""
    script = Path(__file__).with_name("fault_worker.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OVERT_KEYRING": "file"}
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        made = Worker(process)
        while made.line() != ["ready"]:
            pass
        yield made
        assert process.stdin is not None
        process.stdin.close()


async def reopen(home: Path) -> Store:
    """Open keys and store as the next process does."""
    return await Store.open(home, open_custody(home, backend="file"), clock=SystemClock())


async def bring_home(store: Store) -> None:
    """Seal what killed sessions left, as recovery does."""
    for orphan in await store.orphans():
        if rest := await store.pending(orphan.session):
            await seal(store, masked(rest, orphan.session))
        await store.end_session(orphan.session)


async def indexes(store: Store) -> dict[SessionId, list[int]]:
    """Give the index of every event, session by session; gaps are left out."""
    seen: dict[SessionId, list[int]] = {}
    async for each in store.events():
        if not isinstance(each.event.body, CaptureGap):
            seen.setdefault(each.session, []).append(each.event.index)
    return seen
