"""What those who have not proved themselves can take from the bridge: real connections, looked at turn by turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from itertools import pairwise

from browser_bridge.proofs import client_proof
from browser_bridge.waiting_room import MAX_OPENING, MAX_SAID_BYTES, PIECE_BYTES, Connection
from tests.browser_bridge.attacks import PINGS, frame, request
from tests.browser_bridge.bridge_world import FOCUS, PAGE, SITE, Client, World

TURN = 0
"""To sleep for no time is to let the event loop have one turn."""


async def opened(world: World, count: int) -> list[socket.socket]:
    """Open connections as the extension does, up to the upgrade."""
    loop = asyncio.get_running_loop()
    links = []
    for _ in range(count):
        link = socket.create_connection(("127.0.0.1", world.server.port), 1)
        link.setblocking(False)
        link.send(request(world.server.port))
        links.append(link)
        async with asyncio.timeout(2):
            assert b" 101 " in await loop.sock_recv(link, 4096)
    return links


async def is_cut_off(link: socket.socket) -> bool:
    """Say whether the bridge ends a connection at once: not at the end of its patience."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(1):
            while await loop.sock_recv(link, 1 << 16):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def waiting(world: World) -> list[Connection]:
    return list(world.server._room._waiting)


async def test_one_more_than_fits_ends_the_oldest_and_no_other(world: World) -> None:
    links = await opened(world, MAX_OPENING + 1)
    assert len(world.server._room) == MAX_OPENING
    assert await is_cut_off(links[0])
    assert not await is_cut_off(links[1])
    for link in links:
        link.close()


async def test_one_who_is_let_in_or_gone_waits_no_more(world: World) -> None:
    (link,) = await opened(world, 1)
    async with world.client():
        assert len(world.server._room) == 1
        link.close()
        async with asyncio.timeout(1):
            while len(world.server._room):
                await asyncio.sleep(TURN)


async def test_one_who_says_too_much_is_cut_off_and_not_answered(world: World) -> None:
    (link,) = await opened(world, 1)
    with contextlib.suppress(BlockingIOError):
        link.send(frame(1, b'"', fin=False) + frame(0, b"x", fin=False) * (MAX_SAID_BYTES // 7))
    assert await is_cut_off(link)
    link.close()


async def test_what_unproven_ones_say_is_heard_a_piece_a_turn_one_after_the_other(world: World) -> None:
    links = await opened(world, 2)
    said = PINGS[: 8 * PIECE_BYTES]
    one, other = waiting(world)
    one.data_received(said)
    other.data_received(said)
    left = []
    while one._unheard or other._unheard:
        left.append((len(one._unheard), len(other._unheard)))
        await asyncio.sleep(TURN)
    assert len(left) >= 16
    for before, after in pairwise(left):
        assert sum(before) - sum(after) <= PIECE_BYTES
        assert abs(after[0] - after[1]) <= PIECE_BYTES
    for link in links:
        link.close()


async def test_connections_are_accepted_one_or_two_a_turn_and_wait_in_the_system_meanwhile(world: World) -> None:
    links = [socket.create_connection(("127.0.0.1", world.server.port), 0.5) for _ in range(MAX_OPENING)]
    more = [socket.create_connection(("127.0.0.1", world.server.port), 0.5) for _ in range(MAX_OPENING)]
    came, before = [], 0
    while before < MAX_OPENING:
        await asyncio.sleep(TURN)
        came.append(len(world.server._room) - before)
        before = len(world.server._room)
    assert max(came) <= 2  # Python 3.13 accepts one more than it is told
    for link in links + more:
        link.close()
    while before:
        for _ in range(MAX_OPENING):  # all that wait come in, and are gone
            await asyncio.sleep(TURN)
        before = len(world.server._room)


async def test_what_comes_with_the_proof_is_heard_after_it(world: World) -> None:
    async with world.socket() as socket:
        client = Client(socket, world.server.port)
        bound = await client.ask_for_challenge()
        proof = {"type": "proof", "proof": client_proof(world.secret, **bound)}
        item = {"page": "p1", "url": SITE, "open": {key: PAGE[key] for key in PAGE if key != "kind"}}
        pages = {"type": "pages", "pages": [item] * 60}
        assert len(json.dumps(pages)) > 10 * PIECE_BYTES
        for message in (proof, pages, {"type": "ping"}):  # in one go: the bridge's end runs in this event loop
            await client.send(message)
        assert (await client.receive())["type"] == "ready"
        assert (await client.receive())["type"] == "pong"
        await client.events(FOCUS)
