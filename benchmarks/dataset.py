"""Builds a dataset from sealed segments in bulk, beside the same relational part in DuckDB on plain Parquet.

    python -m benchmarks.dataset --segments 500 --events 8000

Seals a load of simulated segments (two to a session). Then, each in a process of its own: DuckDB does the relational
part of a build (`benchmarks.dataset_duckdb`) on the same events as plain Parquet; the builder opens, checks, orders,
replays and writes everything it writes. Both did the same with the first segments before, so that what a process loads
once is not in the times; `start_s` is how long that took. Up to half a million events they take three turns, of which
the shortest counts. The tables of both must have the same numbers of rows. Peak memory is that of all processes of a
build. A quarter of the load is built with and without the second pass of the filter.

Then a part of the load is built on Ray with one worker and with two, and compared byte for byte; how long Ray itself
takes to start is told apart. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from event_model.segment import MAX_SEGMENT_EVENTS

RAY_EVENTS = 1_000_000
"""As much as one worker builds in half a minute: starting Ray's processes is then not most of it."""

WARM_SEGMENTS = 2
TURNS = 3
TURNS_EVENTS = 500_000
"""A build of so many events takes seconds: what else the machine does just then would decide."""
SAMPLE_S = 0.05
DEVICES = 100_000
EVENTS_A_DEVICE_DAY = 20_000


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset", description="Build a dataset in bulk.")
    parser.add_argument("--segments", type=int, default=500, help="sealed segments")
    parser.add_argument("--events", type=int, default=8000, help=f"events in each, at most {MAX_SEGMENT_EVENTS}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--ray-events", type=int, default=RAY_EVENTS, help="events that are built on Ray, at most")
    parser.add_argument("--no-ray", action="store_true", help="leave Ray out")
    parser.add_argument("--folder", type=Path, help="where the load is kept; a folder that exists is used as it is")
    parser.add_argument("--step", choices=["build", "duckdb"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--warm", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ray", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--second-pass", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.events <= MAX_SEGMENT_EVENTS:
        parser.error(f"a segment holds at most {MAX_SEGMENT_EVENTS} events")
    if options.step:
        print(json.dumps(_duckdb(options) if options.step == "duckdb" else _build(options)))
        return
    if options.folder:
        run(options, options.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="overt-dataset-") as folder:
            run(options, Path(folder))


def run(options: argparse.Namespace, folder: Path) -> None:
    """Make the load, run every system on it, and print the result."""
    if not (folder / "study").exists():
        from benchmarks.dataset_load import make_load  # noqa: PLC0415 - the steps do without

        say("sealing the load")
        made = make_load(folder, segments=options.segments, events=options.events)
        (folder / "events").write_text(str(made))
    events = int((folder / "events").read_text())
    say(f"{events:,} events")
    _part(folder, WARM_SEGMENTS, "warm")
    _part(folder, WARM_SEGMENTS, "warm-plain", "plain")
    turns: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for _turn in range(TURNS if events <= TURNS_EVENTS else 1):
        theirs = _step(options, folder, "duckdb", folder / "plain", "out-duckdb")
        say(f"  {json.dumps(theirs)}\nbuilder")
        turns.append((theirs, _step(options, folder, "build", folder / "received", "out")))
        say(f"  {json.dumps(turns[-1][1])}")
    duckdb, ours = (min(each, key=lambda turn: float(turn["seconds"])) for each in zip(*turns, strict=True))
    if any(ours["rows"][table] != rows for table, rows in duckdb["rows"].items()):
        raise SystemExit("the builder's tables have other rows than DuckDB's")
    quarter = _part(folder, max(1, options.segments // 4), "quarter")
    part = _step(options, folder, "build", quarter, "out-quarter")
    say(f"a quarter\n  {json.dumps(part)}")
    twice = _step(options, folder, "build", quarter, "out-twice", "--second-pass")
    say(f"a quarter, filtered again\n  {json.dumps(twice)}")
    result: dict[str, Any] = {
        "events": events,
        "sealed_mb": round(sum(p.stat().st_size for p in (folder / "received").rglob("*.overt")) / 1e6, 1),
        "workers": options.workers,
        "seconds": ours["seconds"],
        "start_s": ours["start_s"],
        "events_per_s": round(events / ours["seconds"]),
        "cpu_s_per_million": round(ours["cpu_s"] / events * 1e6, 1),
        "peak_mb": ours["peak_mb"],
        "cpu_ratio_to_duckdb": round(ours["cpu_s"] / duckdb["cpu_s"], 2),
        "duckdb_seconds": duckdb["seconds"],
        "duckdb_start_s": duckdb["start_s"],
        "duckdb_peak_mb": duckdb["peak_mb"],
        "time_ratio_to_duckdb": round(ours["seconds"] / duckdb["seconds"], 2),
        "quarter": {"events": part["events"], "seconds": part["seconds"], "peak_mb": part["peak_mb"]},
        "second_pass_adds_cpu_us_per_event": round((twice["cpu_s"] - part["cpu_s"]) / part["events"] * 1e6, 1),
        "ray": None,
        "ray_identical": None,
        "fleet_estimate": _estimate(ours["cpu_s"] / events),
    }
    if not options.no_ray:
        result["ray"], result["ray_identical"] = _ray(options, folder)
    print(json.dumps(result))


def _ray(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], bool]:
    """Build a part of the load natively and on Ray with one worker and two, and compare every byte."""
    segments = min(options.segments, max(1, options.ray_events // options.events))
    source = _part(folder, segments, "ray")
    native = _step(options, folder, "build", source, "ray-native")
    found: dict[str, Any] = {"events": native["events"], "native_s": native["seconds"]}
    identical = True
    for workers in (1, 2):
        say(f"Ray, {workers}")
        took = _step(options, folder, "build", source, f"ray-{workers}", "--ray", "--workers", str(workers))
        say(f"  {json.dumps(took)}")
        found[f"workers_{workers}_s"] = took["seconds"]
        found[f"workers_{workers}_start_s"] = took["start_s"]
        identical = identical and _same(folder / "ray-native", folder / f"ray-{workers}")
    found["speedup"] = round(found["workers_1_s"] / found["workers_2_s"], 2)
    return found, identical


def _part(folder: Path, segments: int, name: str, of: str = "received") -> Path:
    """Give the first so many segments, or files of plain events, as a source of its own."""
    target = folder / name
    if not target.exists():
        files = sorted(
            (path for path in (folder / of).rglob("*") if path.is_file()), key=lambda path: (path.name, path)
        )
        for path in files[:segments]:
            place = target / path.relative_to(folder / of)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.hardlink_to(path)
    return target


def _step(options: argparse.Namespace, folder: Path, step: str, source: Path, out: str, *more: str) -> dict[str, Any]:
    """Run one system in a process of its own, and watch the memory of all its processes."""
    subprocess.run(["rm", "-rf", str(folder / out)], check=True)
    command = [
        sys.executable, "-m", "benchmarks.dataset", "--step", step, "--folder", str(folder), "--source", str(source),
        "--out", str(folder / out), "--warm", str(folder / ("warm-plain" if step == "duckdb" else "warm")),
        "--workers", str(options.workers), *more,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    peak = _Peak(process.pid)
    stdout, stderr = process.communicate()
    measured = peak.stop()
    if process.returncode:
        raise SystemExit(f"{step} failed: {stderr.decode(errors='replace')[-2000:]}")
    return {**json.loads(stdout.splitlines()[-1]), "peak_mb": measured}


class _Peak:
    """The most memory that a process and its children had at once: what is theirs alone (USS), in MB."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            try:
                family = [self._root, *self._root.children(recursive=True)]
            except psutil.Error:
                return
            total = 0
            for process in family:
                try:
                    total += process.memory_full_info().uss
                except psutil.Error:
                    continue
            self._peak = max(self._peak, total)

    def stop(self) -> float:
        """Stop watching, and give the peak."""
        self._over.set()
        self._thread.join()
        return round(self._peak / 1e6, 1)


def _build(options: argparse.Namespace) -> dict[str, Any]:
    from consent_ledger.manifest import read_manifest  # noqa: PLC0415 - only the step that needs it loads it
    from dataset_builder.build import BuildProgress, build  # noqa: PLC0415
    from dataset_builder.engine import Engine, Runner  # noqa: PLC0415
    from dataset_builder.report import BuildReport  # noqa: PLC0415
    from overt.keyfiles import read_recipient_key  # noqa: PLC0415

    study = options.folder / "study"
    stages: dict[str, float] = {}
    began = used = 0.0

    def tell(step: BuildProgress) -> None:
        stages[step.stage] = round(time.perf_counter() - began, 2)

    def build_from(source: Path, out: Path) -> BuildReport:
        return build(
            source=source,
            manifest=read_manifest((study / "study.json").read_bytes()).payload,
            secret=read_recipient_key(study / "study.key"),
            out=out,
            salt=b"the salt of the benchmark, 32 B.",
            second_pass=options.second_pass,
            engine=Engine(Runner.RAY if options.ray else Runner.NATIVE, options.workers),
            progress=tell,
        )

    with tempfile.TemporaryDirectory(prefix="overt-dataset-") as warm:
        build_from(options.warm, Path(warm) / "out")
    start_s = _since_start()
    stages.clear()
    began, used = time.perf_counter(), _cpu()
    report = build_from(options.source, options.out)
    seconds = time.perf_counter() - began
    rows: Counter[str] = Counter()
    for file in report.files:
        rows[file.name.partition("/")[0]] += file.rows
    return {
        "events": report.counts.events,
        "exact": report.exact,
        "start_s": start_s,
        "seconds": round(seconds, 3),
        "cpu_s": round(_cpu() - used, 2),
        "stages_end_s": stages,
        "rows": rows,
    }


def _duckdb(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.dataset_duckdb import run_relational  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="overt-dataset-") as warm:
        run_relational(options.warm, Path(warm) / "out", options.workers)
    start_s = _since_start()
    began, used = time.perf_counter(), _cpu()
    rows = run_relational(options.source, options.out, options.workers)
    seconds = time.perf_counter() - began
    return {"start_s": start_s, "seconds": round(seconds, 3), "cpu_s": round(_cpu() - used, 2), "rows": rows}


def _since_start() -> float:
    """Give the seconds since this process was started."""
    return round(time.time() - psutil.Process().create_time(), 2)


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _same(left: Path, right: Path) -> bool:
    def files(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    return files(left) == files(right)


def _estimate(cpu_s_per_event: float) -> dict[str, float]:
    """What a fleet of devices takes a day, by multiplication: every event costs the same."""
    events = DEVICES * EVENTS_A_DEVICE_DAY
    core_hours = events * cpu_s_per_event / 3600
    return {
        "devices": DEVICES,
        "events_a_day": events,
        "core_hours_a_day": round(core_hours, 1),
        "cores_for_4_hours": round(core_hours / 4, 1),
    }


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
