"""Ours beside what people would use instead: the same events, the same durability, one run.

    python -m benchmarks.store TRACE.json.gz ...

For each trace four systems keep its edits as events with millisecond times: ours (encrypted, sealed), rows in plain
SQLite, rows in SQLCipher, and one JSON object per line compressed with zstd. Every commit is on disk before the next
begins (``store_systems`` says how). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.store_systems import SYSTEMS, System, trace_events
from event_model.events import Event
from overt.demo.trace import read_trace

GROUP_EVENTS = 32
"""A group commit as in use when an editor sends as fast as it can."""

LARGE_EVENTS = 1000

RATE_EVENTS = 20_000
"""So many events of a trace are committed in groups; at batches of 1,000 all are."""

ACKS = 2000
"""So many single events are committed for the time an acknowledgement takes."""

OPEN_EVENTS = 1_000_000


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description="Compare ways to keep events.")
    parser.add_argument("traces", nargs="+", type=Path, help="editing traces (.json or .json.gz)")
    parser.add_argument("--open-events", type=int, default=OPEN_EVENTS, help="events in the store that is opened")
    parser.add_argument("--folder", type=Path, help="where the files go: the disk that is measured")
    options = parser.parse_args()
    asyncio.run(run(options.traces, options.open_events, options.folder))


async def run(paths: Sequence[Path], open_events: int, folder: Path | None) -> None:
    """Measure every system on every trace; progress goes to standard error, the result to standard output."""
    traces: dict[str, Any] = {}
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".json")
        events = trace_events(read_trace(path))
        systems: dict[str, Any] = {}
        for system, make in SYSTEMS.items():
            systems[system] = await measure(make, events, open_events, folder)
            print(name, system, json.dumps(systems[system]), file=sys.stderr)
        traces[name] = {"edits": len(events), "systems": systems}
    print(json.dumps({"group_events": GROUP_EVENTS, "open_events": open_events, "traces": traces}))


async def measure(
    make: Callable[[Path], System], events: Sequence[Event], open_events: int, parent: Path | None
) -> dict[str, Any]:
    """Measure one system on one trace, each thing in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="overt-store-", dir=parent))
    try:
        result = await _rates(make, events, folder)
        result["ack_ms_p50"], result["ack_ms_p99"] = await _acks(make, events[:ACKS], folder / "acks")
        result |= await _opening(make, events, open_events, folder / "many")
    finally:
        shutil.rmtree(folder)
    return result


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
    make: Callable[[Path], System], events: Sequence[Event], total: int, folder: Path
) -> dict[str, float]:
    """Fill a store by playing the trace over and over; then open it, and add one event."""
    system = make(folder)
    await system.open()
    for _ in range(max(1, total // len(events))):
        await system.fill(events)
    await system.close()
    system = make(folder)
    began = time.perf_counter()
    await system.open()
    await system.append(events[:1])
    seconds = time.perf_counter() - began
    rss = psutil.Process().memory_info().rss
    await system.close()
    return {"open_ms": round(seconds * 1e3, 1), "rss_mb": round(rss / 1e6, 1)}


if __name__ == "__main__":
    main()
