"""How long the bridge lives, that there is one, and that it says each thing once."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from pathlib import Path

import filelock
import pytest
from websockets.asyncio.client import connect

from browser_bridge import server
from browser_bridge.papers import Papers
from browser_bridge.server import MAX_UNSENT_BYTES, serve_bridge
from event_model.page_events import PageOpen
from tests.browser_bridge.bridge_world import FOCUS, ORIGIN, PAGE, Client, World

IDLE_S = 0.5


async def test_bridge_ends_when_nobody_was_there_for_so_long_since_the_last_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop()
    monkeypatch.setattr(server, "IDLE_S", IDLE_S)
    await world.start()
    assert world._task is not None
    async with world.client():
        await asyncio.sleep(IDLE_S * 1.5)
    await asyncio.sleep(IDLE_S * 0.7)  # the second look would be due
    assert not world._task.done()
    async with asyncio.timeout(IDLE_S):
        await world._task
    await world._door.close()
    world._task = None


async def test_bridge_that_a_browser_was_paired_with_by_code_does_not_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop()
    world.papers.keep_paired("1" * 32, ORIGIN, world.secret)
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    await world.start()
    assert world._task is not None
    await asyncio.sleep(0.3)
    assert not world._task.done()


async def test_second_bridge_of_an_installation_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOCK_S", 0.05)
    papers = Papers(tmp_path)
    papers.make()
    with filelock.FileLock(papers.lock):
        async with asyncio.timeout(5):
            assert await serve_bridge(tmp_path) is False
    assert papers.address() is None


async def test_state_that_did_not_change_is_told_once(world: World) -> None:
    async with world.client() as client:
        told = []
        for _ in range(3):
            world.server._changed()
            await client.send({"type": "ping"})
            while (message := await client.receive())["type"] != "pong":
                told.append(message["type"])
        assert told.count("state") <= 1


async def test_page_that_opens_twice_is_one(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, FOCUS, PAGE, FOCUS)
    await world.stop()
    bodies = await world.kept()
    assert sum(isinstance(body, PageOpen) for body in bodies) == 1
    assert len({body.document for body in bodies if hasattr(body, "document")}) == 1


async def test_guest_that_does_not_read_is_not_heard_until_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MESSAGES_PER_S", 1e6)
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", world.server.port))
    asked = 4000
    address = f"ws://127.0.0.1:{world.server.port}/overt"
    async with connect(address, sock=small, origin=ORIGIN, compression=None, max_queue=1) as socket:  # type: ignore[arg-type]
        client = Client(socket, world.server.port)
        await client.shake_hands(world.secret)
        (outbox,) = world.server._guests.values()
        asking = asyncio.create_task(ask(client, asked))
        most = 0
        for _ in range(150):
            await asyncio.sleep(0.01)
            most = max(most, outbox._bytes)
        assert MAX_UNSENT_BYTES < most < 2 * MAX_UNSENT_BYTES
        ids = [(await client.receive("response"))["id"] for _ in range(asked)]
        await asking
    assert ids == list(range(asked))


async def ask(client: Client, count: int) -> None:
    for at in range(count):
        await client.socket.send(json.dumps({"type": "request", "id": at, "method": "state"}))
