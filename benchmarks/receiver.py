"""Uploads to the receiver from fifty simulated devices at once, on both pairs of stores, beside what does less.

    python -m benchmarks.receiver [--segments 30] [--rounds 3]

Every device has keys and a consent record of its own and a chain of real envelopes of 64 KB; it sends the next one when
the receipt of the last one is in its hand, over one connection, as ``overt sync`` does. The receiver is ``overt serve``
as it comes, with its workers. Beside it, in the same rounds: the same ASGI server answering an empty PUT of the same
bodies (``empty``), the same bodies put straight into the same object store by as many tasks (``plain_put``;
``durable_put`` with the fsyncs that a directory needs), and receivers that are one process each (``--workers 0``), one
and two of them on the same stores: ``growth`` is what the second brings. The last line is one JSON object; rates are of
the median round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import psycopg.sql
from obstore.store import LocalStore, S3Store

from benchmarks.receiver_load import DEVICES, Fleet, Load, Put, plain_put, store_put
from benchmarks.receiver_servers import empty_server, receiver_process
from ingest_server.objects import DirectoryObjects
from tests.ingest_server import servers

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": servers.ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": servers.SECRET_KEY,
    "AWS_REGION": servers.REGION,
}

S3_SEGMENTS = 6
"""Segments a device sends there in a round: the S3 server in the tests is Python too, and slow."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receiver", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--segments", type=int, default=30, help="segments of each device in a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--local-only", action="store_true", help="leave out PostgreSQL and S3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-bench-") as name:
        print(json.dumps(run(Path(name), options.segments, options.rounds, local_only=options.local_only)))


def run(folder: Path, segments: int, rounds: int, *, local_only: bool) -> dict[str, Any]:
    """Measure everything."""
    say(f"sealing {DEVICES * segments} envelopes ...")
    fleet = Fleet(folder, segments)
    backends = {"sqlite+directory": _local(folder, fleet, rounds)}
    if not local_only:
        backends["postgresql+s3"] = _remote(folder, fleet.first(min(S3_SEGMENTS, segments)), rounds)
    local = backends["sqlite+directory"]
    return {
        "devices": DEVICES,
        "segment_bytes": fleet.segment_bytes,
        "backends": backends,
        "ratio_to_empty_put": local["ratio_to_empty_put"],
        "p99_ms": local["p99_ms"],
        "errors": sum(backend["errors"] for backend in backends.values()),
    }


def _local(folder: Path, fleet: Fleet, rounds: int) -> dict[str, Any]:
    @contextmanager
    def stores(name: str) -> Iterator[tuple[dict[str, str], Put, Put]]:
        data = folder / name
        data.mkdir()
        (folder / f"{name}-plain").mkdir()
        durable = DirectoryObjects(folder / f"{name}-durable")
        yield {"--data": str(data)}, store_put(LocalStore(folder / f"{name}-plain")), durable.put

    return _measure("sqlite+directory", fleet, rounds, stores)


def _remote(folder: Path, fleet: Fleet, rounds: int) -> dict[str, Any]:
    with ExitStack() as stack:
        database = stack.enter_context(servers.postgres())
        s3 = stack.enter_context(servers.s3(folder / "s3"))
        stack.enter_context(mock.patch.dict(os.environ, S3_ENVIRONMENT))

        @contextmanager
        def stores(name: str) -> Iterator[tuple[dict[str, str], Put, Put]]:
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
            for bucket in (name, f"{name}-plain"):
                servers.make_bucket(s3, bucket)
            (folder / name).mkdir()
            url = f"{database.rpartition('/')[0]}/{name}"
            flags = {"--data": str(folder / name), "--database": url, "--bucket": name, "--s3-endpoint": s3.endpoint}
            put = store_put(S3Store(f"{name}-plain", endpoint=s3.endpoint, client_options={"allow_http": True}))
            yield flags, put, put

        return _measure("postgresql+s3", fleet, rounds, stores)


SHAPES: dict[str, tuple[int, dict[str, str]]] = {
    "served": (1, {}),
    "one": (1, {"--workers": "0"}),
    "two": (2, {"--workers": "0"}),
}
"""How many receivers take the uploads, and how each is started."""


def _measure(name: str, fleet: Fleet, rounds: int, stores: Any) -> dict[str, Any]:
    loads: dict[str, list[Load]] = {"empty": [], **{key: [] for key in SHAPES}}
    plain: list[float] = []
    durable: list[float] = []
    for turn in range(rounds):
        with empty_server() as url:
            loads["empty"].append(fleet.play([url], consent=False))
        for key, (processes, more) in SHAPES.items():
            with stores(f"{name.replace('+', '-')}-{turn}-{key}") as (flags, plainly, durably), ExitStack() as stack:
                urls = [stack.enter_context(receiver_process(fleet, flags | more)) for _ in range(processes)]
                loads[key].append(fleet.play(urls, consent=True))
                if key == "served":
                    plain.append(asyncio.run(plain_put(plainly, fleet.bodies())))
                    durable.append(asyncio.run(plain_put(durably, fleet.bodies())))
        rates = {key: round(found[-1].rate) for key, found in loads.items()}
        puts = f"plain put {plain[-1]:.0f}, durable put {durable[-1]:.0f}"
        say(f"{name}, round {turn + 1}: {rates}, {puts}, p99 {loads['served'][-1].p99_ms:.0f} ms")
    served = statistics.median(load.rate for load in loads["served"])
    return {
        "uploads_per_s": round(served, 1),
        "p50_ms": round(statistics.median(load.p50_ms for load in loads["served"]), 1),
        "p99_ms": round(statistics.median(load.p99_ms for load in loads["served"]), 1),
        "empty_put_per_s": round(statistics.median(load.rate for load in loads["empty"]), 1),
        "ratio_to_empty_put": round(
            statistics.median(a.rate / b.rate for a, b in zip(loads["served"], loads["empty"], strict=True)), 3
        ),
        "plain_put_per_s": round(statistics.median(plain), 1),
        "durable_put_per_s": round(statistics.median(durable), 1),
        "ratio_to_plain_put": round(served / statistics.median(plain), 3),
        "ratio_to_durable_put": round(served / statistics.median(durable), 3),
        "one_process_per_s": round(statistics.median(load.rate for load in loads["one"]), 1),
        "two_processes_per_s": round(statistics.median(load.rate for load in loads["two"]), 1),
        "growth": round(statistics.median(b.rate / a.rate for a, b in zip(loads["one"], loads["two"], strict=True)), 2),
        "server_cpu_ms_per_upload": round(statistics.median(load.server_cpu_ms for load in loads["served"]), 2),
        "empty_cpu_ms_per_put": round(statistics.median(load.server_cpu_ms for load in loads["empty"]), 2),
        "errors": sum(load.errors for found in loads.values() for load in found),
    }


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
