"""Ours beside what people would use instead: the same events, the same durability, one run.

    python -m benchmarks.store TRACE.json.gz ...

For each trace four systems keep its edits as events with millisecond times: ours (encrypted, sealed), rows in plain
SQLite, rows in SQLCipher, and one JSON object per line compressed with zstd. Every commit is on disk before the next
begins (``store_systems`` says how). They take turns, round by round, and the best round of each counts, because a busy
disk can only slow one down. Opening is measured in a process of its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.store_systems import SYSTEMS, System, trace_events
from event_model.events import DocumentEdit, Event, Origin
from event_model.ids import DocumentId
from event_model.levels import Level
from overt.demo.trace import read_trace

GROUP_EVENTS = 32
"""A group commit as in use when an editor sends as fast as it can."""

LARGE_EVENTS = 1000

RATE_EVENTS = 20_000
"""So many events of a trace are committed in groups; at batches of 1,000 all are."""

ACKS = 2000
"""So many single events are committed for the time an acknowledgement takes."""

ROUNDS = 6
"""A disk that others use stalls now and then for milliseconds; six turns leave each system a quiet one."""

OPEN_EVENTS = 1_000_000


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description="Compare ways to keep events.")
    parser.add_argument("traces", nargs="+", type=Path, help="editing traces (.json or .json.gz)")
    parser.add_argument("--open-events", type=int, default=OPEN_EVENTS, help="events in the store that is opened")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    parser.add_argument("--folder", type=Path, help="where the files go: the disk that is measured")
    parser.add_argument("--opening", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.opening:
        asyncio.run(_open_once(SYSTEMS[options.opening], *options.traces))
    else:
        asyncio.run(run(options.traces, options.open_events, options.rounds, options.folder))


async def run(paths: Sequence[Path], open_events: int, rounds: int, folder: Path | None) -> None:
    """Measure every system on every trace; progress goes to standard error, the result to standard output."""
    traces: dict[str, Any] = {}
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".json")
        events = trace_events(read_trace(path))
        systems = await measure(events, open_events, rounds, folder)
        for system, result in systems.items():
            print(name, system, json.dumps(result), file=sys.stderr)
        traces[name] = {"edits": len(events), "systems": systems}
    print(json.dumps({"group_events": GROUP_EVENTS, "open_events": open_events, "traces": traces}))


async def measure(
    events: Sequence[Event], open_events: int, rounds: int, parent: Path | None
) -> dict[str, dict[str, Any]]:
    """Measure every system on one trace, each thing in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="overt-store-", dir=parent))
    results: dict[str, dict[str, Any]] = {system: {} for system in SYSTEMS}
    try:
        for number in range(rounds):
            for system, make in SYSTEMS.items():
                place = folder / f"{system}-{number}"
                found = await _rates(make, events, place)
                found["ack_ms_p50"], found["ack_ms_p99"] = await _acks(make, events[:ACKS], place / "acks")
                _keep_best(results[system], found)
                shutil.rmtree(place)
        for system, make in SYSTEMS.items():
            results[system] |= await _opening(system, make, events, open_events, folder / system)
    finally:
        shutil.rmtree(folder)
    return results


def _keep_best(best: dict[str, Any], found: dict[str, Any]) -> None:
    """Keep the better value of each: the higher rate, else the lower number."""
    for name, value in found.items():
        better = max if name.startswith("events_per_s") else min
        best[name] = better(best.get(name, value), value)


async def _rates(make: Callable[[Path], System], events: Sequence[Event], folder: Path) -> dict[str, Any]:
    part = events[:RATE_EVENTS]
    system = make(folder / "groups")
    await system.open()
    seconds, cpu = await _append(system, part, GROUP_EVENTS)
    await system.close()
    system = make(folder / "large")
    await system.open()
    large_seconds, large_cpu = await _append(system, events, LARGE_EVENTS)
    pending = await system.size_bytes()
    before = time.process_time()
    await system.settle()
    large_cpu += time.process_time() - before
    sealed = await system.size_bytes()
    await system.close()
    return {
        "events_per_s": round(len(part) / seconds),
        "events_per_s_at_1000": round(len(events) / large_seconds),
        "cpu_us_per_event": round(cpu / len(part) * 1e6, 2),
        "cpu_us_per_event_at_1000_settled": round(large_cpu / len(events) * 1e6, 2),
        "bytes_per_event": round(sealed.content / len(events), 3),
        "bytes_per_event_pending": round(pending.content / len(events), 3),
        "bytes_per_event_on_disk": round(sealed.on_disk / len(events), 3),
    }


async def _append(system: System, events: Sequence[Event], size: int) -> tuple[float, float]:
    """Commit events in batches; gives seconds and CPU seconds."""
    batches = [events[start : start + size] for start in range(0, len(events), size)]
    await system.append(batches[0][:1])
    batches[0] = batches[0][1:]
    cpu, began = time.process_time(), time.perf_counter()
    for batch in batches:
        await system.append(batch)
    return time.perf_counter() - began, time.process_time() - cpu


async def _acks(make: Callable[[Path], System], events: Sequence[Event], folder: Path) -> tuple[float, float]:
    system = make(folder)
    await system.open()
    times: list[float] = []
    for event in events:
        began = time.perf_counter()
        await system.append((event,))
        times.append(time.perf_counter() - began)
    await system.close()
    times.sort()
    return round(times[len(times) // 2] * 1e3, 3), round(times[len(times) * 99 // 100] * 1e3, 3)


async def _opening(
    name: str, make: Callable[[Path], System], events: Sequence[Event], total: int, folder: Path
) -> dict[str, float]:
    """Fill a store by playing the trace over and over; then let another process open it, and add one event."""
    system = make(folder)
    await system.open()
    for start in range(0, total, len(events)):
        await system.fill(events[: total - start])
    await system.close()
    command = [sys.executable, "-m", "benchmarks.store", "--opening", name, str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _open_once(make: Callable[[Path], System], folder: Path) -> None:
    """Open a store and add one event; print how long that took and how much memory the process holds."""
    event = Event(0, 1_700_000_000_000, 0, Level.CONTENT, DocumentEdit(DocumentId(1), 0, 0, "x", Origin.TYPED, 90))
    system = make(folder)
    began = time.perf_counter()
    await system.open()
    await system.append((event,))
    seconds = time.perf_counter() - began
    print(
        json.dumps({"open_ms": round(seconds * 1e3, 1), "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1)})
    )
    await system.close()


if __name__ == "__main__":
    main()
