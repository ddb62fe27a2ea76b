"""``overt serve`` as a process, as an operator starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from overt.keyfiles import write_signing_key
from tests.ingest_server.kit import RECEIVER_KEY


@contextmanager
def serving(
    folder: Path,
    manifest: bytes,
    *flags: str,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a study out of a folder, with ``data`` below it, until the end; ``stderr`` as for a process."""
    (folder / "study.json").write_bytes(manifest)
    if not (folder / "receiver.key").exists():
        write_signing_key(folder / "receiver.key", RECEIVER_KEY)
    arguments = ["--study", "study.json", "--key", "receiver.key", "--data", "data", "--port", "0", "--json", *flags]
    command = [str(Path(sys.executable).with_name("overt")), "serve", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, cwd=folder, env={**os.environ, **(environment or {})}
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def address_of(process: subprocess.Popen[bytes]) -> str:
    """Wait until it serves, and give its address."""
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["listening"])
