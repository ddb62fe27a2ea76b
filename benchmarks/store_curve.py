"""How the store's costs grow with what it holds: committing, forgetting a day, opening.

    python -m benchmarks.store_curve TRACE.json.gz [--events 10000 100000 1000000 10000000]

The trace's edits are played over and over, ten thousand to a day and a session, sealed and as old as their day. At each
size a group of 32 events is committed many times, with bare writes and syncs beside it, the store is opened by a new
process, and a day in its middle is forgotten. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
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
from local_store.store import Store
from overt.demo.trace import read_trace

DAY_EVENTS = 10_000
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
GROUP_EVENTS = 32
COMMITS = 300
CHUNK_EVENTS = 4000
OPENINGS = 5
FORGETTINGS = 3
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
    print(json.dumps({"curve": asyncio.run(run(trace_events(read_trace(options.trace)), options.events))}))


async def run(events: Sequence[Event], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Fill one store further and further, and measure at each size."""
    folder = Path(tempfile.mkdtemp(prefix="overt-curve-"))
    curve: list[dict[str, Any]] = []
    held = days = 0
    try:
        for size in sorted(sizes):
            async with await _open(folder) as store:
                while held < size:
                    held += await _fill_day(store, events, days)
                    days += 1
                point: dict[str, Any] = {"events": held, "bytes_per_event": round(await store.size_bytes() / held, 3)}
                point["commit_ms"], point["sync_ms"] = await _commits(store, events), _bare_syncs(folder)
                point["forget_day_ms"] = await _forgettings(store, days // 2)
            point["open_ms"] = await asyncio.to_thread(_openings, folder)
            print(json.dumps(point), file=sys.stderr)
            curve.append(point)
    finally:
        shutil.rmtree(folder)
    return curve


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


async def _commits(store: Store, events: Sequence[Event]) -> float:
    """Give the median of many commits, in ms; their session is forgotten again."""
    session, times, index = SessionId(os.urandom(16).hex()), [], 0
    await store.begin_session(study=STUDY, session=session, source="lsp")
    for _ in range(COMMITS):
        part = tuple(
            msgspec.structs.replace(event, index=index + place) for place, event in enumerate(events[:GROUP_EVENTS])
        )
        began = time.perf_counter()
        await store.append(PendingBatch(STAMP, **_whose(session), events=part))
        times.append(time.perf_counter() - began)
        index += len(part)
    await store.forget(session=session)
    await store.end_session(session)
    return round(statistics.median(times) * 1e3, 3)


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


async def _forgettings(store: Store, day: int) -> float:
    times: list[float] = []
    for number in range(FORGETTINGS):
        since = START_MS + (day - number) * DAY_MS
        began = time.perf_counter()
        await store.forget(since_ms=since, until_ms=since + DAY_MS)
        times.append(time.perf_counter() - began)
    return round(max(times[: max(1, day)]) * 1e3, 1)


def _openings(folder: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.store_curve", "--opening", str(folder)]
    found = [float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(OPENINGS)]
    return round(statistics.median(found), 1)


async def _open_once(folder: Path) -> float:
    began = time.perf_counter()
    store = await _open(folder)
    seconds = time.perf_counter() - began
    await store.close()
    return seconds * 1e3


if __name__ == "__main__":
    main()
