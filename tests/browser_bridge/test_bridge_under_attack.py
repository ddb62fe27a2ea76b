"""The bridge in a process of its own, attackers in another: no one is let in, and the good client is answered."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from browser_bridge.papers import Papers
from tests.browser_bridge.attacks import ATTACKS
from tests.browser_bridge.bridge_world import FOCUS, ORIGIN, PAGE, PROFILE, Client, World

pytestmark = pytest.mark.system

SECONDS = 3
MAX_GROWTH_BYTES = 32 << 20
MAX_SLOW_S = 0.05
"""What an attack may add for the good client, 99 times in 100."""

PAUSE_S = 0.005
"""Between the good client's questions."""


class Bridge:
    """A running one, as a person's."""

    def __init__(self, process: subprocess.Popen[bytes], papers: Papers, port: int) -> None:
        self.process = process
        self.papers = papers
        self.port = port

    def rss(self) -> int:
        """Give the resident memory, in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]) * resource.getpagesize()

    async def enter(self, profile: str = PROFILE) -> Client:
        socket = await connect(f"ws://127.0.0.1:{self.port}/overt", origin=ORIGIN, compression=None)  # type: ignore[arg-type]
        client = Client(socket, self.port, profile)
        await client.shake_hands(self.papers.secret(profile, ORIGIN))
        return client


@pytest.fixture
async def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bridge]:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    monkeypatch.setenv("OVERT_HOME", str(tmp_path / "home"))
    world = World(tmp_path / "home")
    world.join()
    process = subprocess.Popen([sys.executable, "-m", "overt", "bridge"])
    try:
        async with asyncio.timeout(30):
            while (address := world.papers.address()) is None:
                await asyncio.sleep(0.02)
        yield Bridge(process, world.papers, address.port)
    finally:
        process.terminate()
        assert process.wait(20) == 0


async def round_trips(client: Client, goes_on: Callable[[], bool]) -> list[float]:
    """Ask and ask again; gives how long each answer took, in seconds."""
    times = []
    while goes_on():
        start = time.perf_counter()
        await client.send({"type": "ping"})
        await client.receive("pong")
        times.append(time.perf_counter() - start)
        await asyncio.sleep(PAUSE_S)
    return times


async def new_profiles(bridge: Bridge, goes_on: Callable[[], bool]) -> list[float]:
    """Come as another browser again and again; gives how long it took each time that it went well."""
    times = []
    while goes_on():
        start = time.perf_counter()
        try:
            client = await bridge.enter(os.urandom(16).hex())
        except (OSError, AssertionError, TimeoutError, ConnectionClosed, InvalidHandshake):
            pass
        else:
            times.append(time.perf_counter() - start)
            await client.socket.close()
        await asyncio.sleep(0.1)
    return times


@pytest.mark.parametrize("name", ATTACKS)
async def test_under_attack_no_one_is_let_in_and_the_good_client_is_answered(bridge: Bridge, name: str) -> None:
    client = await bridge.enter()
    await client.events(PAGE)
    before = bridge.rss()
    attacker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.browser_bridge.attacks", name, str(bridge.port), str(SECONDS)),
        stdout=subprocess.PIPE,
    )
    ended = asyncio.create_task(attacker.communicate())
    coming = asyncio.create_task(new_profiles(bridge, lambda: not ended.done()))
    times = await round_trips(client, lambda: not ended.done())
    grown = bridge.rss() - before
    told = json.loads((await ended)[0])
    came = await coming
    await client.events(FOCUS)
    await client.socket.close()
    slow = statistics.quantiles(times, n=100)[98]
    figures = f"opened {told['opened']}, let in {told['let_in']}, grown {grown / 2**20:.1f} MiB, "
    figures += f"p99 {slow * 1e3:.1f} ms of {len(times)}, newcomers {len(came)} in {max(came, default=0) * 1e3:.0f} ms"
    print(f"{name}: {figures}", end=" ")
    assert told["opened"] > 0
    assert told["let_in"] == 0
    assert grown < MAX_GROWTH_BYTES
    assert slow < MAX_SLOW_S
    assert came
