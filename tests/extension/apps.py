"""Programs that nobody here wrote, run on loopback: the Roundup issue tracker, JupyterLab."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx

from tests.apart import programs_apart

START_S = 90.0
TOKEN = "token-of-the-notebook-server"


@contextlib.asynccontextmanager
async def roundup(folder: Path) -> AsyncIterator[str]:
    """Run the Roundup issue tracker's demonstration; it refuses to run as root, so it is given another name."""
    port = free_port()
    demo = shutil.which("roundup-demo", path=str(Path(sys.executable).parent))
    assert demo is not None, "roundup is not installed: run `make setup`"
    other = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.getuid() == 0 else ()
    command = (*other, demo, "-b", "sqlite", "-t", "classic", "-p", str(port), str(folder / "demo"), "nuke")
    async with served(command, f"http://127.0.0.1:{port}/demo/", folder):
        yield f"http://localhost:{port}"


@contextlib.asynccontextmanager
async def jupyterlab(folder: Path) -> AsyncIterator[str]:
    """Run JupyterLab on an empty folder, with a home of its own."""
    port = free_port()
    (folder / "work").mkdir(parents=True)
    python = str(programs_apart("jupyterlab", "jupyterlab.txt") / "python")
    command = (
        python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder / 'work'}", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    )  # fmt: skip
    home = {"HOME": str(folder), "PATH": os.environ["PATH"], "JUPYTER_PLATFORM_DIRS": "0"}
    async with served(command, f"http://127.0.0.1:{port}/api", folder, home):
        yield f"http://localhost:{port}"


@contextlib.asynccontextmanager
async def served(
    command: Sequence[str], url: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Run a server in a process group of its own, once it answers; its last words are told when it does not."""
    log = folder / "server.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        async with httpx.AsyncClient() as client:
            end = asyncio.get_running_loop().time() + START_S
            while not await _answers(client, url):
                if asyncio.get_running_loop().time() > end or process.returncode is not None:
                    raise AssertionError(log.read_text("utf-8", "replace")[-2000:])
                await asyncio.sleep(0.3)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return (await client.get(url)).status_code == 200
    return False


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
