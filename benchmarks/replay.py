"""Plays whole editing traces through the real processes and compares what the dataset says with what was typed.

    python -m benchmarks.replay TRACE.json.gz ...

For each trace: a study is made, a person joins, the sidecar is started over stdio, every transaction is sent as one
``didChange`` with UTF-16 positions, the sidecar is shut down, ``overt sync`` seals and uploads to a receiver process,
``overt dataset build`` builds, and the final text is read from the dataset alone. Beside it, in the same run, the same
client plays the trace (its first transactions) to a pygls server that only counts. Then all traces are played at once
(their first transactions): every file open in each of two windows. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.dataset

from event_model.events import FILLER
from overt.demo.editor import ScriptedEditor, did_change
from overt.demo.house import House
from overt.demo.trace import Trace, content_changes, read_trace

BASELINE_TRANSACTIONS = 10_000
"""So many are played to the counting server: at some 0.5 ms each, more would only take longer."""

WINDOW_TRANSACTIONS = 15_000
"""So many of each trace are played in each window when all are played at once."""

MESSAGES_AT_ONCE = 200
"""How many messages go to one file before the next file has its turn, when several are open."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description="Play editing traces end to end.")
    parser.add_argument("traces", nargs="+", type=Path, help="editing traces (.json or .json.gz)")
    parser.add_argument("--no-baseline", action="store_true", help="do not measure the counting server")
    parser.add_argument("--no-windows", action="store_true", help="do not play all traces at once")
    options = parser.parse_args()
    asyncio.run(run(options.traces, baseline=not options.no_baseline, windows=not options.no_windows))


async def run(paths: list[Path], *, baseline: bool, windows: bool) -> None:
    """Play every trace, print progress on standard error and the result on standard output."""
    traces = {name_of(path): read_trace(path) for path in paths}
    result: dict[str, Any] = {"traces": {}}
    for name, trace in traces.items():
        say(f"{name}: {trace.edits} edits")
        result["traces"][name] = await play_one(name, trace)
        if baseline:
            result["traces"][name]["baseline"] = await play_baseline(trace)
        say(json.dumps(result["traces"][name]))
    if windows:
        say("all at once, in several windows")
        result["windows"] = await play_windows(
            {name: trace.beginning(WINDOW_TRANSACTIONS) for name, trace in traces.items()}
        )
    print(json.dumps(result))


async def play_one(name: str, trace: Trace) -> dict[str, Any]:
    """Play one trace in a house of its own and read it back from the dataset."""
    with tempfile.TemporaryDirectory(prefix="overt-replay-") as folder:
        house = House(Path(folder))
        await house.found_study()
        await house.join()
        messages, uri, path = prepare(house, name, trace)
        editor = await house.start_editor("replay")
        process = psutil.Process(editor.pid)
        cpu = cpu_seconds(process)
        began = time.perf_counter()
        editor.open(path, "plaintext", trace.startContent)
        await editor.send(messages)
        flushed = await editor.request("overt/flush")
        seconds = time.perf_counter() - began
        used = cpu_seconds(process) - cpu
        rss = process.memory_info().rss
        editor.save(uri)
        editor.close(uri)
        await editor.stop()
        try:
            await house.start_receiver()
            synced = await house.sync()
            await house.build()
        finally:
            await house.close()
        kept = read_back(house.dataset)[path.name]
        return {
            "edits": trace.edits,
            **compare(trace, kept),
            "edits_per_s": round(trace.edits / seconds),
            "cpu_us_per_edit": round(used / trace.edits * 1e6, 1),
            "rss_mb": round(rss / 1e6, 1),
            "bytes_per_edit_at_rest": round(await at_rest(house) / trace.edits, 3),
            "bytes_per_edit_uploaded": round(synced["bytes_sent"] / trace.edits, 3),
            "durable_at_flush": flushed["studies"][0]["durable"],
        }


async def play_baseline(trace: Trace) -> dict[str, Any]:
    """Play the first transactions of a trace to the counting server."""
    part = trace.txns[:BASELINE_TRANSACTIONS]
    edits = sum(len(transaction.patches) for transaction in part)
    with tempfile.TemporaryDirectory(prefix="overt-replay-") as folder:
        root = Path(folder)
        uri = (root / "file.txt").as_uri()
        changes = content_changes(trace.startContent, part)
        messages = [did_change(uri, version, change) for version, change in enumerate(changes, start=1)]
        editor = await ScriptedEditor.start((sys.executable, "-m", "benchmarks.pygls_counter"), root=root)
        process = psutil.Process(editor.pid)
        cpu = cpu_seconds(process)
        began = time.perf_counter()
        editor.open(root / "file.txt", "plaintext", trace.startContent)
        await editor.send(messages)
        counted = await editor.request("counter/count", {})
        seconds = time.perf_counter() - began
        used = cpu_seconds(process) - cpu
        await editor.stop()
    if counted["count"] != edits:
        raise SystemExit(f"the counting server counted {counted['count']} of {edits} edits")
    return {"edits": edits, "edits_per_s": round(edits / seconds), "cpu_us_per_edit": round(used / edits * 1e6, 1)}


async def play_windows(traces: dict[str, Trace]) -> dict[str, Any]:
    """Play all traces at once: two windows (sidecars), each with every trace open, in turns."""
    with tempfile.TemporaryDirectory(prefix="overt-replay-") as folder:
        house = House(Path(folder))
        await house.found_study()
        await house.join()
        began = time.perf_counter()
        await asyncio.gather(*(play_window(house, f"window{number}", traces) for number in (1, 2)))
        seconds = time.perf_counter() - began
        try:
            await house.start_receiver()
            await house.sync()
            await house.build()
        finally:
            await house.close()
        found = read_back(house.dataset)
        files = {
            f"window{number}-{name}": compare(trace, found[f"window{number}-{name}.txt"])
            for number in (1, 2)
            for name, trace in traces.items()
        }
    edits = 2 * sum(trace.edits for trace in traces.values())
    return {
        "windows": 2,
        "files": len(files),
        "edits": edits,
        "edits_per_s": round(edits / seconds),
        "exact": all(each["exact"] for each in files.values()),
        "events_lost": sum(each["events_lost"] for each in files.values()),
        "masked_spans": sum(each["masked_spans"] for each in files.values()),
    }


async def play_window(house: House, window: str, traces: dict[str, Trace]) -> None:
    """Play every trace into a file of its own, a stretch of each in turn."""
    editor = await house.start_editor(window)
    queues: dict[str, list[bytes]] = {}
    for name, trace in traces.items():
        messages, uri, path = prepare(house, f"{window}-{name}", trace)
        editor.open(path, "plaintext", trace.startContent)
        queues[uri] = messages
    while any(queues.values()):
        for uri, messages in queues.items():
            await editor.send(messages[:MESSAGES_AT_ONCE])
            queues[uri] = messages[MESSAGES_AT_ONCE:]
    for uri in queues:
        editor.close(uri)
    await editor.stop()


def prepare(house: House, name: str, trace: Trace) -> tuple[list[bytes], str, Path]:
    """Frame every transaction before the clock runs."""
    path = house.work / f"{name}.txt"
    uri = path.as_uri()
    changes = content_changes(trace.startContent, trace.txns)
    return [did_change(uri, version, change) for version, change in enumerate(changes, start=1)], uri, path


def read_back(dataset: Path) -> dict[str, dict[str, Any]]:
    """Read each document of a dataset by its file name: final text, masked spans, number of edits."""
    rows = pyarrow.dataset.dataset(dataset / "documents").to_table().to_pylist()
    return {Path(row["path"]).name: row for row in rows}


def compare(trace: Trace, row: dict[str, Any]) -> dict[str, Any]:
    """Hold a document of the dataset against the trace: equal to the character outside what was masked."""
    wanted, found = trace.endContent, row["final_text"]
    masked: set[int] = set()
    for span in row["final_masks"] or ():
        masked.update(range(span["start"], span["start"] + span["length"]))
    same = len(wanted) == len(found) and all(
        a == b or (place in masked and b == FILLER) for place, (a, b) in enumerate(zip(wanted, found, strict=True))
    )
    return {
        "exact": bool(same and row["exact"]),
        "masked_spans": len(row["final_masks"] or ()),
        "events_lost": trace.edits - row["edits"],
    }


async def at_rest(house: House) -> int:
    """Add up the sealed segments that lie on the device."""
    listed = await house.overt("status", "--json")
    return int(listed["sealed_bytes"])


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def name_of(path: Path) -> str:
    """A trace's name: its file's, without endings."""
    return path.name.removesuffix(".gz").removesuffix(".json")


def say(words: str) -> None:
    """Show progress."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
