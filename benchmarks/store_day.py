"""What a day of typing costs, and the night after it: the whole gate and the store, in simulated time.

    python -m benchmarks.store_day TRACE.json.gz [--edits 50000] [--hours 8] [--night 16]

The trace's edits go through ``Door.offer`` at even intervals, too far apart for any two to share a commit, which is the
dearest way to type; every commit is synced. They are masked and sealed as in use. Then nothing happens for the night.
The event loop takes its time from a clock that jumps to the next timer when nothing runs, so a day lasts as long as
its work. The CPU time is that of the process, kernel and simulation included. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import selectors
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.typed_secrets import NOW_MS, join
from capture_gate.door import Door
from capture_gate.status import ClientInfo
from event_model.events import DocumentClose, DocumentEdit, Origin
from event_model.ids import DocumentId
from local_store.custody import open_custody
from local_store.store import Store, VerifyReport
from overt.demo.trace import Trace, read_trace

SETTLING_S = 3600.0
"""By then what was typed last has settled and is sealed."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_day", description="A day of typing.")
    parser.add_argument("trace", type=Path, help="an editing trace (.json or .json.gz)")
    parser.add_argument("--edits", type=int, default=50_000, help="how many in the day")
    parser.add_argument("--hours", type=float, default=8, help="how long the day is")
    parser.add_argument("--night", type=float, default=16, help="hours in which nothing happens after it")
    options = parser.parse_args()
    os.environ["OVERT_KEYRING"] = "file"
    loop = SimulatedLoop()
    with tempfile.TemporaryDirectory(prefix="overt-day-") as folder:
        try:
            asyncio.set_event_loop(loop)
            day = Day(Path(folder), loop, read_trace(options.trace))
            result = loop.run_until_complete(day.run(options.edits, options.hours * 3600, options.night * 3600))
        finally:
            loop.close()
    print(json.dumps(result))


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop, and a clock, whose time is the machine's and what was jumped over.

    Where only timers are left, it jumps to the next one. ``resident`` is how many tasks wait for timers alone; while
    there are more, something runs in a thread, which is waited for. ``wakeups`` counts the jumps.
    """

    def __init__(self) -> None:
        self._jumped_s = -time.monotonic()
        self.tasks = 0
        self.resident = 1
        self.wakeups = 0
        super().__init__(_JumpingSelector(self))
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Simulated seconds since it was made."""
        return time.monotonic() + self._jumped_s

    def monotonic_ms(self) -> int:
        """Simulated milliseconds since it was made."""
        return int((time.monotonic() + self._jumped_s) * 1000)

    def wall_ms(self) -> int:
        """Unix time of a day that is always the same."""
        return NOW_MS + self.monotonic_ms()

    def jump(self, seconds: float) -> bool:
        """Let time pass at once, if nothing runs."""
        if self.tasks > self.resident:
            return False
        self._jumped_s += seconds
        self.wakeups += 1
        return True

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any) -> asyncio.Task[Any]:
        self.tasks += 1
        task = asyncio.Task(coroutine, loop=loop)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, _: asyncio.Task[Any]) -> None:
        self.tasks -= 1


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None and self._loop.jump(timeout):
            return []
        return super().select(None)


class Day:
    """A person who has joined a study and types one."""

    def __init__(self, folder: Path, loop: SimulatedLoop, trace: Trace) -> None:
        self._home = folder / "home"
        self._path = folder / "work" / "typed.txt"
        self._loop = loop
        self._trace = trace
        join(self._home, self._path.parent, loop)

    async def run(self, edits: int, day_s: float, night_s: float) -> dict[str, Any]:
        """Type for a day, let a night pass, close; gives the figures."""
        client = ClientInfo("benchmark", "1", "utf-32")
        began_s, began_cpu = time.perf_counter(), time.process_time()
        door = await Door.open(self._home, source="lsp", client=client, clock=self._loop)
        await door.flush()
        self._loop.resident = self._loop.tasks
        await self._type(door, edits, day_s)
        typed_cpu, self._loop.wakeups = time.process_time() - began_cpu, 0
        await asyncio.sleep(SETTLING_S)
        settling = self._loop.wakeups - 1  # the sleep's own
        status, before = door.status(), self._size()
        slept_cpu, self._loop.wakeups = time.process_time(), 0
        await asyncio.sleep(night_s)
        slept_cpu = time.process_time() - slept_cpu
        grown = self._size() - before
        await door.close()
        cpu = time.process_time() - began_cpu
        report, size = await self._look()
        assert report.sound
        assert all(each.durable == each.offered for each in status.studies)
        return {
            "edits": edits,
            "events": report.events,
            "hours": day_s / 3600,
            "cpu_s": round(cpu, 2),
            "cpu_s_typing": round(typed_cpu, 2),
            "cpu_us_per_edit": round(cpu / edits * 1e6, 1),
            "wall_s": round(time.perf_counter() - began_s, 1),
            "bytes_per_event": round(size / report.events, 3),
            "settling_wakeups": settling,
            "night_hours": night_s / 3600,
            "night_wakeups": self._loop.wakeups - 1,
            "night_cpu_s": round(slept_cpu, 3),
            "night_growth_bytes": grown,
        }

    async def _type(self, door: Door, edits: int, day_s: float) -> None:
        """Offer an edit at each tick, in a callback, as one that an editor sends comes in."""
        over = self._loop.create_future()
        patches = self._patches(door)
        began_s = self._loop.time()

        def tick(number: int) -> None:
            if number == edits:
                over.set_result(None)
                return
            self._loop.call_at(began_s + (number + 1) * day_s / edits, tick, number + 1)
            document, (position, deleted, inserted) = next(patches)
            door.offer(DocumentEdit(document, position, deleted, inserted, Origin.TYPED, 90))

        tick(0)
        await over

    def _patches(self, door: Door) -> Iterator[tuple[DocumentId, tuple[int, int, str]]]:
        """Give the trace's edits over and over, each time in a document that was opened anew."""
        while True:
            verdict = door.open_document(path=self._path, language="text", text=self._trace.startContent)
            document = verdict.document
            assert document is not None, verdict.refusals
            for step in self._trace.txns:
                for patch in step.patches:
                    yield document, patch
            door.offer(DocumentClose(document))

    async def _look(self) -> tuple[VerifyReport, int]:
        async with await Store.open(self._home, open_custody(self._home), clock=self._loop) as store:
            return await store.verify(), await store.size_bytes()

    def _size(self) -> int:
        return sum(each.stat().st_size for each in (self._home / "store").rglob("*") if each.is_file())


if __name__ == "__main__":
    main()
