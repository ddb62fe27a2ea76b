"""An hour of editing in the real Visual Studio Code, at 60 times its speed: nothing lost, memory flat.

    python -m benchmarks.hour TRACE.json.gz [--minutes 60] [--speed 60]

A trace with the times of its transactions is cut to its first hour (pauses of more than a minute are taken out) and is
played into an editor with overt capturing; then everything is uploaded and built, and the dataset's text is
held against the editor's. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.replay import compare, read_back
from benchmarks.workbench import ROOT, Workbench
from overt.demo.house import House
from overt.demo.trace import Trace, read_trace

HELPER = ROOT / "tests" / "editors" / "vscode_helper"
MAX_PAUSE_MS = 60_000
SAMPLE_S = 2.0
LATE_FACTOR = 10
"""An editor that takes so many times as long as the trace is stuck."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hour", description="Play an hour of editing.")
    parser.add_argument("trace", type=Path, help="an editing trace with times (.json or .json.gz)")
    parser.add_argument("--minutes", type=float, default=60, help="how much of it")
    parser.add_argument("--speed", type=float, default=60, help="how many times as fast")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-hour-") as folder:
        result = asyncio.run(play(Path(folder), read_trace(options.trace), options.minutes, options.speed))
    print(json.dumps(result))


async def play(folder: Path, trace: Trace, minutes: float, speed: float) -> dict[str, Any]:
    """Play the beginning of a trace, and read it back from the dataset."""
    times = times_ms(trace)
    part = trace.beginning(sum(at <= minutes * 60_000 for at in times))
    house = House(folder)
    await house.found_study(kinds=("viewport.change", "completion.accept"))
    await house.join()
    path, script, done = house.work / "hour.txt", folder / "steps.json", folder / "done"
    path.write_text(part.startContent, "utf-8")
    steps = [[at / speed, *step.patches] for at, step in zip(times, part.txns, strict=False)]
    script.write_text(json.dumps({"steps": steps, "done": str(done)}), "utf-8")
    settings = {"overt.enabled": True, "editor.wordBasedSuggestions": "off", "files.insertFinalNewline": False}
    rss: list[float] = []
    async with await Workbench.start(
        folder / "code", house.work, environment=house.environment, settings=settings, extensions=[HELPER]
    ) as bench:
        await bench.open_file(path.name)
        await bench.sign_says("capturing")
        [sidecar] = bench.sidecars()
        await bench.command("Helper: Play a Trace")
        await bench.answer(str(script))
        limit = time.monotonic() + LATE_FACTOR * max(30.0, minutes * 60 / speed)
        while not done.exists():
            if time.monotonic() > limit:
                raise SystemExit("the editor did not come to the end of the trace")
            rss.append(sidecar.memory_info().rss / 1e6)
            await asyncio.sleep(SAMPLE_S)
        rss.append(sidecar.memory_info().rss / 1e6)
        took = int(done.read_text("utf-8")) / 1000
    try:
        await house.start_receiver()
        await house.sync()
        await house.build()
    finally:
        await house.close()
    third = max(1, len(rss) // 3)
    return {
        "minutes": minutes,
        "speed": speed,
        "edits": part.edits,
        "seconds": round(took, 1),
        **compare(part, read_back(house.dataset)[path.name]),
        "file_equal": path.read_text("utf-8") == part.endContent,
        "rss_mb_first_third": round(sum(rss[:third]) / third, 1),
        "rss_mb_last_third": round(sum(rss[-third:]) / third, 1),
        "rss_mb_max": round(max(rss), 1),
    }


def times_ms(trace: Trace) -> list[float]:
    """Give each transaction's time from the first on, without long pauses."""
    stamps = [datetime.datetime.fromisoformat(step.time) for step in trace.txns if step.time]
    if len(stamps) != len(trace.txns):
        raise SystemExit("this trace has no times")
    times = [0.0]
    for before, after in itertools.pairwise(stamps):
        times.append(times[-1] + min(MAX_PAUSE_MS, max(0.0, (after - before).total_seconds() * 1000)))
    return times


if __name__ == "__main__":
    main()
