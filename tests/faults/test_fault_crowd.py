"""Four processes append at full load while others sync, show and verify: no one loses, doubles or waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from event_model.errors import StoreConflict
from event_model.ids import SessionId
from local_store.store import Store
from tests.faults.fault_effort import effort
from tests.faults.fault_kit import Worker, bring_home, indexes, reopen, worker
from tests.local_store.store_kit import STUDY

ROUNDS = effort(6, 30)

AT_ONCE = 20
LOOKED_AT = 5_000
"""Of segments a round sends so many, and shows so many events: of four who write all the time there is no end."""


@pytest.mark.system
async def test_four_producers_beside_sync_show_and_verify(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with worker() as one, worker() as other:
        runs = [Run(each, home) for each in (one, other)]
        for run in runs:
            run.start()
        try:
            while not all(len(run.durable) == 2 for run in runs):
                await asyncio.sleep(0.05)
            async with await reopen(home) as store:
                for number in range(ROUNDS):
                    await send(store, number)
                    await show(store)
                    report = await store.verify()
                    assert (report.damaged, report.gaps) == ((), ())
        finally:
            for run in runs:
                run.kill()
        assert not [words for run in runs for words in run.wrong]
        assert all(count > 0 for run in runs for count in run.durable.values())
        async with await reopen(home) as store:
            await bring_home(store)
            assert (await store.verify()).sound
            seen = await indexes(store)
            for run in runs:
                for session, count in run.durable.items():
                    assert seen[session][:count] == list(range(count))
            assert all(each == list(range(len(each))) for each in seen.values())


async def send(store: Store, number: int) -> None:
    """Do to the store what a sync does, with what was sealed first."""
    for info in (await store.due(STUDY, sealed_before_ms=2**50))[:AT_ONCE]:
        try:
            await store.read(info)
            kept = await store.put_envelope(info, b"envelope", f"{number:064d}")
            await store.mark_uploaded(kept, b"receipt")
        except StoreConflict:
            return


async def show(store: Store) -> None:
    """Look at what came first: each session's events follow each other."""
    last: dict[SessionId, int] = {}
    seen = 0
    async for each in store.events():
        assert each.event.index == last.get(each.session, -1) + 1
        last[each.session] = each.event.index
        seen += 1
        if seen == LOOKED_AT:
            break


class Run(threading.Thread):
    """Two producers, and what they say is durable."""

    def __init__(self, forks: Worker, home: Path) -> None:
        super().__init__(daemon=True)
        self._forks = forks
        self._home = home
        self._children: list[int] = []
        self.durable: dict[SessionId, int] = {}
        self.wrong: list[list[str]] = []

    def run(self) -> None:
        self._forks.begin("load", self._home)
        gone = 0
        while gone < 2:
            words = self._forks.line()
            if words[0] == "child":
                self._children.append(int(words[1]))
            elif words[0] == "durable":
                self.durable[SessionId(words[1])] = int(words[2])
            elif words[0] == "gone":
                gone += 1
                if os.WTERMSIG(int(words[1])) != signal.SIGKILL:
                    self.wrong.append(words)
            else:
                self.wrong.append(words)

    def kill(self) -> None:
        for child in self._children:
            os.kill(child, signal.SIGKILL)
        self.join()
