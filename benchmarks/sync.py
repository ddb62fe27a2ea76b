"""A backlog of a million events, from the store on disk to the receiver's receipts.

    python -m benchmarks.sync [--events 1000000] [TRACE.json.gz]

A person has been off-line: a real store holds the edits of an editing trace, played over and over, as sealed segments
past their hold. Then the real ``overt sync`` sends them to a real ``overt serve`` with full durability. Processor time
and memory are those of the ``overt sync`` process, sampled while it runs: once it has begun to send, memory must not
grow with what is sent. The last line is one JSON object.
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
import psutil

from benchmarks.receiver_servers import Address, empty_server, receiver_process
from benchmarks.store_systems import trace_events
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import Receiver, read_manifest, sign_manifest
from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import SystemClock
from event_model.events import Event
from event_model.ids import SessionId
from event_model.keys import encode_key
from local_store.custody import open_custody
from local_store.store import Store
from overt.demo.trace import read_trace
from overt.keyfiles import write_signing_key
from tests.ingest_server.kit import OWNER, RECEIVER_KEY, make_manifest

EVENTS = 1_000_000
SEGMENT_EVENTS = 4000
"""As the gate seals them when someone types for long."""

SAMPLE_S = 0.1
TRACE = Path(__file__).parents[1] / "overt" / "demo" / "rustcode-excerpt.json.gz"


class Study:
    """The study's files, as ``receiver_process`` wants them."""

    def __init__(self, folder: Path, port: int) -> None:
        entry = Receiver(url=f"http://127.0.0.1:{port}", key=encode_key(RECEIVER_KEY.verify_key.raw))
        plain = make_manifest(start="2020-01-01", end="2100-01-01").payload
        signed = sign_manifest(msgspec.structs.replace(plain, receiver=entry, hold_s=0), OWNER)
        self.manifest = read_manifest(signed)
        self.manifest_file = folder / "study.json"
        self.manifest_file.write_bytes(signed)
        self.key_file = folder / "receiver.key"
        write_signing_key(self.key_file, RECEIVER_KEY)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("trace", nargs="?", type=Path, default=TRACE, help="an editing trace (.json or .json.gz)")
    parser.add_argument("--events", type=int, default=EVENTS, help="how long the backlog is")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="overt-bench-"))
    try:
        print(json.dumps(run(folder, trace_events(read_trace(options.trace)), options.events)))
    finally:
        shutil.rmtree(folder)


def run(folder: Path, events: Sequence[Event], count: int) -> dict[str, Any]:
    """Fill a store, send it, and say what that took."""
    with empty_server() as probe:  # a port that is free a moment later
        port = int(probe.url.rpartition(":")[2])
    study = Study(folder, port)
    home, data = folder / "home", folder / "data"
    os.environ["OVERT_KEYRING"] = "file"
    print(f"sealing {count} events ...", file=sys.stderr, flush=True)
    segments = asyncio.run(_fill(home, study, events, count))
    data.mkdir()
    with receiver_process(study, {"--data": str(data), "--port": str(port)}) as server:
        return {"events": count, "segments": segments, **_sync(home, server, count)}


def _sync(home: Path, server: Address, events: int) -> dict[str, Any]:
    environment = {**os.environ, "OVERT_HOME": str(home)}
    server_cpu, began = server.cpu_s(), time.perf_counter()
    command = [sys.executable, "-m", "overt", "sync", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    samples, cpu = _watch(psutil.Process(process.pid), process)
    report = json.loads(process.stdout.read())
    seconds = time.perf_counter() - began
    process.stdout.close()
    settled = samples[len(samples) // 4 :]
    return {
        "uploaded": report["uploaded"],
        "waiting": report["waiting"],
        "seconds": round(seconds, 2),
        "events_per_s": round(events / seconds),
        "device_cpu_us_per_event": round(cpu / events * 1e6, 2),
        "server_cpu_us_per_event": round((server.cpu_s() - server_cpu) / events * 1e6, 2),
        "device_peak_mb": round(max(samples) / 1e6, 1),
        "device_growth_mb": round((statistics.median(settled[-5:]) - statistics.median(settled[:5])) / 1e6, 1),
        "wire_bytes_per_event": round(report["bytes_sent"] / events, 3),
    }


def _watch(process: psutil.Process, running: subprocess.Popen[bytes]) -> tuple[list[int], float]:
    """Sample memory until a process ends; give the samples and its processor seconds."""
    samples: list[int] = []
    cpu = 0.0
    while running.poll() is None:
        try:
            times = process.cpu_times()
            samples.append(process.memory_info().rss)
            cpu = float(times.user + times.system)
        except psutil.NoSuchProcess:
            break
        time.sleep(SAMPLE_S)
    running.wait()
    return samples, cpu


async def _fill(home: Path, study: Study, events: Sequence[Event], count: int) -> int:
    keys = open_custody(home)
    clock, ledger = SystemClock(), Ledger(home)
    record = ledger.join(study.manifest.raw, installation=keys.installation, now_ms=clock.wall_ms() - 1000)
    store = await Store.open(home, keys, clock=clock)
    segments = 0
    try:
        while count > 0:
            session = SessionId(os.urandom(16).hex())
            await store.begin_session(study=record.study, session=session, source="lsp")
            for start in range(0, min(len(events), count), SEGMENT_EVENTS):
                piece = tuple(events[start : min(start + SEGMENT_EVENTS, count)])
                about = {"study": record.study, "session": session, "source": "lsp", "events": piece}
                about["consent_record"] = record.record_id
                await store.append(PendingBatch(STAMP, **about))  # type: ignore[arg-type]
                await store.seal(
                    MaskedBatch(STAMP, **about, masks=(), findings=()),  # type: ignore[arg-type]
                    study_version=record.study_version,
                    pseudonym=record.pseudonym,
                )
                segments += 1
            await store.end_session(session)
            count -= min(len(events), count)
    finally:
        await store.close()
    return segments


if __name__ == "__main__":
    main()
