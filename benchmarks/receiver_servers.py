"""The processes that benchmarks.receiver measures: ``overt serve``, and the same ASGI server that keeps nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import psutil
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest_server.server import serve_app

RECEIPT_BYTES = 480
"""What a signed receipt has, so that both answer as much."""


class StudyFiles(Protocol):
    """Where a study's manifest and its receiver's key lie."""

    manifest_file: Path
    key_file: Path


class Address(msgspec.Struct, frozen=True):
    """A base URL and the process behind it."""

    url: str
    process_id: int

    def cpu_s(self) -> float:
        """Seconds of processor time that the process and its workers have used."""
        first = psutil.Process(self.process_id)
        times = [each.cpu_times() for each in (first, *first.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))


@contextmanager
def empty_server() -> Iterator[Address]:
    """Run the server that reads a body and answers."""
    with _process([sys.executable, "-m", "benchmarks.receiver_servers"]) as address:
        yield address


@contextmanager
def receiver_process(files: StudyFiles, flags: dict[str, str]) -> Iterator[Address]:
    """Run ``overt serve`` for a study."""
    given = [part for pair in ({"--port": "0"} | flags).items() for part in pair]
    study = ["--study", str(files.manifest_file), "--key", str(files.key_file)]
    with _process([sys.executable, "-m", "overt", "serve", *study, *given, "--json"]) as address:
        yield address


@contextmanager
def _process(command: list[str]) -> Iterator[Address]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout is not None
    try:
        yield Address(msgspec.json.decode(process.stdout.readline())["listening"], process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


async def _take(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return Response(b'{"x":"' + b"x" * RECEIPT_BYTES + b'"}', status_code=201, media_type="application/json")


def main() -> None:
    """Serve until stopped."""

    def ready(url: str) -> None:
        print(msgspec.json.encode({"listening": url}).decode(), flush=True)

    app = Starlette(routes=[Route("/{path:path}", _take, methods=["PUT"])])
    asyncio.run(serve_app(app, host="127.0.0.1", port=0, ready=ready))


if __name__ == "__main__":
    main()
