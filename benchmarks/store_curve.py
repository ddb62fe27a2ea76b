"""How the store's costs grow with what it holds: committing, forgetting a day, opening.

    python -m benchmarks.store_curve TRACE.json.gz [--events 10000 100000 1000000 10000000]

The trace's edits are played over and over, ten thousand to a day and a session, sealed and as old as their day. At each
size it takes turns with a store of ten thousand events, act by act, so that a busy machine slows both: a group of 32
events is committed many times, the store is opened by a new process, and a day in its middle is forgotten, the same day
in both. ``ratios`` says how many times the cost in the small store that is. A commit is a median; forgetting and
opening are the best of several, because a busy machine can only slow one down. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.store_systems import trace_events
from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import SystemClock
from event_model.events import Event
from event_model.ids import Pseudonym, RecordId, SessionId, StudyId
from event_model.keys import Secret
from local_store.custody import DeviceKeys
from local_store.forgetting import Selection
from local_store.store import Store
from overt.demo.trace import read_trace

DAY_EVENTS = 10_000
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
GROUP_EVENTS = 32
COMMITS = 300
CHUNK_EVENTS = 4000
OPENINGS = 21
FORGETTINGS = 15
STUDY = StudyId("benchmark")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_curve", description="Costs by size.")
    parser.add_argument("trace", type=Path, help="an editing trace (.json or .json.gz), or the folder to open")
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--opening", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.opening:
        print(json.dumps(asyncio.run(_open_once(options.trace))))
        return
    if hasattr(os, "sched_setaffinity"):  # both stores' threads on one core: cores that share with others differ
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gc.disable()  # its pauses come with the trace in memory, and hit the same store at each turn
    print(json.dumps({"curve": asyncio.run(run(trace_events(read_trace(options.trace)), options.events))}))


async def run(events: Sequence[Event], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Fill one store further and further, and measure at each size."""
    folder = Path(tempfile.mkdtemp(prefix="overt-curve-"))
    curve: list[dict[str, Any]] = []
    held = days = 0
    try:
        for size in sorted(sizes):
            async with await _open(folder / "large") as store:
                while held < size:
                    held += await _fill_day(store, events, days)
                    days += 1
            point = {"events": held, **await _measure(folder, events, days)}
            print(json.dumps(point), file=sys.stderr)
            curve.append(point)
            shutil.rmtree(folder / "small")
    finally:
        shutil.rmtree(folder)
    return curve


async def _measure(folder: Path, events: Sequence[Event], days: int) -> dict[str, Any]:
    """Measure the filled store beside one that holds a day; what it forgets is put back."""
    async with await _open(folder / "large") as large, await _open(folder / "small") as small:
        stored = await large.size_bytes() / (days * DAY_EVENTS)
        forgettings, forgettings_cpu = await _forgettings(large, small, events, days)
        await _fill_day(small, events, days // 2)
        commits = await _commits(large, small, events)
    openings = await asyncio.to_thread(_openings, folder)
    costs = {
        "commit_ms": commits,
        "forget_day_ms": forgettings,
        "forget_day_cpu_ms": forgettings_cpu,
        "open_ms": openings,
    }
    return {
        "bytes_per_event": round(stored, 3),
        **{name: round(ours, 3) for name, (ours, _) in costs.items()},
        "ratios": {name: round(ours / theirs, 2) for name, (ours, theirs) in costs.items()},
        "bare_sync_ms": _bare_syncs(folder),
    }


async def _open(folder: Path) -> Store:
    keys = DeviceKeys(Secret(bytes(32)), Secret(b"1" * 32), "file")
    return await Store.open(folder, keys, clock=SystemClock())


def _whose(session: SessionId) -> dict[str, Any]:
    return {"study": STUDY, "session": session, "source": "lsp", "consent_record": RecordId("c" * 32)}


async def _fill_day(store: Store, events: Sequence[Event], day: int) -> int:
    """Append and seal a day's events in a session of their own."""
    session = SessionId(os.urandom(16).hex())
    first = day * DAY_EVENTS % max(1, len(events) - DAY_EVENTS)
    made = [
        msgspec.structs.replace(event, index=index, wall_ms=START_MS + day * DAY_MS + index * 1000, delta_ms=1000)
        for index, event in enumerate(events[first : first + DAY_EVENTS])
    ]
    await store.begin_session(study=STUDY, session=session, source="lsp")
    for start in range(0, len(made), CHUNK_EVENTS):
        part = tuple(made[start : start + CHUNK_EVENTS])
        await store.append(PendingBatch(STAMP, **_whose(session), events=part))
    batch = MaskedBatch(STAMP, **_whose(session), events=tuple(made), masks=(), findings=())
    await store.seal(batch, study_version=1, pseudonym=Pseudonym("d" * 32))
    await store.end_session(session)
    return len(made)


async def _commits(large: Store, small: Store, events: Sequence[Event]) -> tuple[float, float]:
    """Give the median of many commits to each, in ms; then they are sealed."""
    session, index = SessionId(os.urandom(16).hex()), 0
    times: tuple[list[float], list[float]] = ([], [])
    for store in (large, small):
        await store.begin_session(study=STUDY, session=session, source="lsp")
    for _ in range(COMMITS):
        part = tuple(
            msgspec.structs.replace(event, index=index + place) for place, event in enumerate(events[:GROUP_EVENTS])
        )
        for store, taken in zip((large, small), times, strict=True):
            began = time.perf_counter()
            await store.append(PendingBatch(STAMP, **_whose(session), events=part))
            taken.append(time.perf_counter() - began)
        index += len(part)
    for store in (large, small):  # an orphan would be looked through at each forgetting
        made = await store.pending(session)
        batch = MaskedBatch(STAMP, **_whose(session), events=made, masks=(), findings=())
        await store.seal(batch, study_version=1, pseudonym=Pseudonym("d" * 32))
        await store.end_session(session)
    return _medians(times)


def _bare_syncs(folder: Path) -> float:
    """Give the median time of a bare write and sync in the same place, at the same moment."""
    times: list[float] = []
    with (folder / "probe").open("w+b", buffering=0) as file:
        file.write(bytes(COMMITS * 512))
        os.fsync(file.fileno())
        file.seek(0)
        for _ in range(COMMITS):
            began = time.perf_counter()
            file.write(bytes(512))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e3, 3)


async def _forgettings(
    large: Store, small: Store, events: Sequence[Event], days: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give what forgetting a day takes in each, in ms, and in ms of CPU.

    The large one is filled again after each time, the small one before.
    """
    times: tuple[list[float], list[float]] = ([], [])
    cpu: tuple[list[float], list[float]] = ([], [])
    for turn in range(FORGETTINGS):
        day = (days // 2 + turn) % days
        since = START_MS + day * DAY_MS
        await _fill_day(small, events, day)
        for at, store in ((0, large), (1, small))[:: 1 if turn % 2 else -1]:
            began, began_cpu = time.perf_counter(), time.process_time()
            done = await store.forget(Selection(since_ms=since, until_ms=since + DAY_MS))
            times[at].append(time.perf_counter() - began)
            cpu[at].append(time.process_time() - began_cpu)
            assert done.events == DAY_EVENTS
        await _fill_day(large, events, day)
    return _best(times), _best(cpu)


def _openings(folder: Path) -> tuple[float, float]:
    """Give what opening each in a process of its own takes, in ms."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(OPENINGS):
        for name, taken in zip(("large", "small"), times, strict=True):
            command = [sys.executable, "-m", "benchmarks.store_curve", "--opening", str(folder / name)]
            taken.append(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) / 1e3)
    return _best(times)


def _medians(times: tuple[list[float], list[float]]) -> tuple[float, float]:
    large, small = (statistics.median(each) * 1e3 for each in times)
    return large, small


def _best(times: tuple[list[float], list[float]]) -> tuple[float, float]:
    large, small = (min(each) * 1e3 for each in times)
    return large, small


async def _open_once(folder: Path) -> float:
    began = time.perf_counter()
    store = await _open(folder)
    seconds = time.perf_counter() - began
    await store.close()
    return seconds * 1e3


if __name__ == "__main__":
    main()
