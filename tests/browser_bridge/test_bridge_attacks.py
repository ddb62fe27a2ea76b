"""Whoever is not the extension: pages, other extensions, local programs, floods. Real sockets throughout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import statistics
import struct
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from browser_bridge.gatekeeper import CHROMIUM_ID, admits
from browser_bridge.papers import Papers
from browser_bridge.server import MAX_OPENING
from event_model.keys import Secret
from tests.browser_bridge.bridge_world import FOCUS, ORIGIN, PAGE, Client, World

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MAX_GROWTH_BYTES = 32 << 20
MAX_SLOW_S = 0.05
"""What an attack may add for the good client, 99 times in 100."""

BOMB = zlib.compress(b"\0" * (64 << 20))
"""Small, and 64 MiB to whoever inflates it."""


def request(port: int, *, path: str = "/overt", host: str | None = None, origins: tuple[str, ...] = (ORIGIN,)) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{port}'}",
        "Upgrade: websocket",
        "Connection: Upgrade",
    ]
    lines += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *(f"Origin: {origin}" for origin in origins)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@contextlib.asynccontextmanager
async def raw(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    streams = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield streams
    finally:
        streams[1].close()
        with contextlib.suppress(ConnectionError):
            await streams[1].wait_closed()


async def answer(port: int, data: bytes) -> bytes:
    async with raw(port) as (reader, writer):
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            return await asyncio.wait_for(reader.read(4096), 8)
    return b""


ORIGINS = [
    (),
    ("null",),
    ("http://127.0.0.1:8080",),
    ("https://tracker.example.org",),
    (f"chrome-extension://{CHROMIUM_ID}/",),
    (f"chrome-extension://{CHROMIUM_ID}x",),
    (f"chrome-extension://{CHROMIUM_ID[:-1]}",),
    (f"chrome-extension://{'a' * 32}",),
    (f"https://{CHROMIUM_ID}",),
    (f" x chrome-extension://{CHROMIUM_ID}",),
    (ORIGIN, ORIGIN),
    (ORIGIN, "https://evil.example"),
    ("moz-extension://zzzzzzzz-0000-0000-0000-000000000000",),
    (f"{ORIGIN}, {ORIGIN}",),
]
HOSTS = [
    "localhost:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.1:{port}",
]


@pytest.mark.parametrize("origins", ORIGINS)
async def test_wrong_origin_is_refused_without_a_word(world: World, origins: tuple[str, ...]) -> None:
    told = await answer(world.server.port, request(world.server.port, origins=origins))
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert body == b""
    assert b"overt" not in head.lower()
    assert b"server:" not in head.lower()


@pytest.mark.parametrize("host", HOSTS)
async def test_wrong_host_is_refused_as_after_dns_rebinding(world: World, host: str) -> None:
    port = world.server.port
    told = await answer(port, request(port, host=host.format(port=port)))
    assert told.startswith(b"HTTP/1.1 403 Forbidden\r\n")


@pytest.mark.parametrize("path", ["/", "/overt/", "/overt?token=x", "//overt", "/overt#x"])
async def test_wrong_path_is_refused(world: World, path: str) -> None:
    told = await answer(world.server.port, request(world.server.port, path=path))
    assert told.startswith(b"HTTP/1.1 403 Forbidden\r\n")


def test_gatekeeper_takes_each_header_once() -> None:
    good = {"path": "/overt", "hosts": ["127.0.0.1:5"], "origins": [ORIGIN], "port": 5}
    assert admits(**good)  # type: ignore[arg-type]
    assert not admits(**good | {"hosts": ["127.0.0.1:5", "127.0.0.1:5"]})  # type: ignore[arg-type]
    assert not admits(**good | {"origins": [ORIGIN, ORIGIN]})  # type: ignore[arg-type]
    assert not admits(**good | {"hosts": []})  # type: ignore[arg-type]


async def refused(world: World, secret: Secret, profile: str = "1" * 32) -> None:
    async with world.socket() as socket:
        client = Client(socket, world.server.port, profile)
        with pytest.raises((AssertionError, ConnectionClosed)):
            await client.shake_hands(secret)


async def test_local_program_without_the_secret_is_refused(world: World) -> None:
    await refused(world, Secret(os.urandom(32)))
    await refused(world, world.papers.secret("2" * 32, ORIGIN))
    await refused(world, world.papers.secret("1" * 32, "moz-extension://x"))


async def test_client_that_skips_or_repeats_a_step_is_refused(world: World) -> None:
    proof = {"type": "proof", "proof": "A" * 43}
    events = {"type": "events", "first": 1, "events": [{"page": "p", "wall_ms": 1, "body": FOCUS}]}
    for first in (proof, events, {"type": "ping"}, {"type": "hello"}, ["hello"], {"type": "pages", "pages": []}):
        async with world.socket() as socket:
            await Client(socket, world.server.port).send(first)  # type: ignore[arg-type]
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 5)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "")
    await world.stop()
    assert await world.kept() == []


async def test_squatter_on_the_port_learns_nothing_it_could_use(world: World) -> None:
    """Whoever listens in the bridge's place sees a nonce and a profile, and can't make the bridge's proof."""
    from browser_bridge.proofs import bridge_proof

    bound = {"profile": "1" * 32, "origin": ORIGIN, "port": 1, "nonce": "n" * 22, "answer": "a" * 22}
    secret = world.papers.secret("1" * 32, ORIGIN)
    good = bridge_proof(secret, **bound)  # type: ignore[arg-type]
    assert good != bridge_proof(Secret(b"x" * 32), **bound)  # type: ignore[arg-type]
    for name, other in (("port", 2), ("nonce", "m" * 22), ("origin", "x"), ("profile", "2" * 32), ("answer", "b" * 22)):
        assert good != bridge_proof(secret, **bound | {name: other})  # type: ignore[arg-type]


def frame_head(opcode: int, length: int, *, rsv1: bool = False) -> bytes:
    return struct.pack(">BBQ", 0x80 | (0x40 if rsv1 else 0) | opcode, 0x80 | 127, length) + b"\0\0\0\0"


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    before = rss()
    yield
    assert rss() - before < MAX_GROWTH_BYTES


def rss() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


async def test_frame_of_a_terabyte_and_a_deflate_bomb_end_the_connection(world: World) -> None:
    port = world.server.port
    with bounded_memory():
        for frame in (frame_head(1, 1 << 40), frame_head(1, len(BOMB), rsv1=True) + BOMB, frame_head(2, 1 << 21)):
            async with raw(port) as (reader, writer):
                writer.write(request(port))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
                writer.write(frame)
                with contextlib.suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(), 8)  # to the end: the server closed it
    async with world.client() as client:
        await client.events(PAGE)


async def test_compression_is_never_agreed_to(world: World) -> None:
    port = world.server.port
    offer = request(port).replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    async with raw(port) as (reader, writer):
        writer.write(offer)
        assert b"deflate" not in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("begun", [b"", b"GET /overt HTTP/1.1\r\n"])
async def test_thousand_idle_handshakes_do_not_keep_the_good_one_out(world: World, begun: bytes) -> None:
    port = world.server.port
    async with world.client() as client:
        await client.events(PAGE)
        writers: list[asyncio.StreamWriter] = []
        with bounded_memory():
            for _ in range(1000):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(begun)
                writers.append(writer)
            assert len(world.server._opening) <= MAX_OPENING
            times = []
            for _ in range(100):
                start = time.perf_counter()
                await client.send({"type": "ping"})
                await client.receive("pong")
                times.append(time.perf_counter() - start)
            async with world.client("e" * 32) as another:
                await another.events(PAGE)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
    assert statistics.quantiles(times, n=100)[98] < MAX_SLOW_S


async def test_ping_flood_leaves_the_good_client_responsive(world: World) -> None:
    port = world.server.port
    ping = struct.pack(">BB", 0x89, 0x80) + b"\0\0\0\0"

    async def flood(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                writer.write(ping * 500)
                await writer.drain()

    async with raw(port) as (reader, writer), world.client() as client:
        writer.write(request(port))
        await reader.readuntil(b"\r\n\r\n")
        await client.events(PAGE)
        with bounded_memory():
            flooding = asyncio.create_task(flood(writer))
            for _ in range(20):
                await client.events(FOCUS)
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)


@pytest.mark.parametrize(
    "head", [b"GET /overt HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET " + b"a" * 20_000]
)
async def test_malformed_requests_end_quietly(world: World, head: bytes) -> None:
    told = await answer(world.server.port, head)
    assert b"101" not in told[:20]
    async with world.client() as client:
        await client.events(PAGE)


async def test_request_of_a_page_by_fetch_or_form_is_refused(world: World) -> None:
    port = world.server.port
    plain = f"GET /overt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\n\r\n".encode()
    form = f"POST /overt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 3\r\n\r\na=b".encode()
    for data in (plain, form):
        assert b"101" not in (await answer(port, data))[:20]


async def test_headers_are_never_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with world.client() as client:
        await client.events(PAGE)
    with pytest.raises(InvalidStatus):
        async with world.socket(origin="https://evil.example"):
            pass
    told = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("websockets.client")
    )
    assert CHROMIUM_ID not in told
    assert "tracker.example.org" not in told


def test_files_are_the_persons_alone(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.key()
    papers.open_pairing(0)
    papers.keep_paired("p", "o", Secret(b"s" * 32))
    assert papers.folder.stat().st_mode & 0o077 == 0
    for path in papers.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_pairing_code_ends_after_five_minutes(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.open_pairing(1000)
    assert papers.pairing(300_999) is not None
    assert papers.pairing(301_000) is None


Attack = Callable[[int], Awaitable[int]]
"""Attacks a port; gives how often it was let in as the extension is."""


async def in_frames(port: int, *frames: bytes) -> int:
    """Send frames on connections that did not prove themselves; an answer in the protocol counts."""
    let_in = 0
    for frame in frames:
        async with raw(port) as (reader, writer):
            writer.write(request(port))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await writer.drain()
                let_in += b"ready" in await asyncio.wait_for(reader.read(), 8)
    return let_in


async def terabyte(port: int) -> int:
    return await in_frames(port, *[frame_head(1, 1 << 40)] * 20)


async def deflate_bomb(port: int) -> int:
    return await in_frames(port, *[frame_head(1, len(BOMB), rsv1=True) + BOMB] * 20)


async def ping_flood(port: int) -> int:
    ping = struct.pack(">BB", 0x89, 0x80) + b"\0\0\0\0"
    return await in_frames(port, *[ping * 5000] * 4)


async def refused_requests(port: int) -> int:
    wrong = [request(port, origins=origins) for origins in ORIGINS]
    wrong += [request(port, host=host.format(port=port)) for host in HOSTS]
    wrong += [request(port).replace(b"\r\nOrigin", b"\r\nHost: 127.0.0.1:%d\r\nOrigin" % port)]
    return sum([b" 101 " in await answer(port, each) for each in wrong * 5])


async def slowest(client: Client, while_running: Callable[[], bool]) -> float:
    """Give the 99th percentile of the good client's round trips, in seconds."""
    times: list[float] = []
    while while_running() or len(times) < 100:
        start = time.perf_counter()
        await client.send({"type": "ping"})
        await client.receive("pong")
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.005)
    return statistics.quantiles(times, n=100)[98]


@pytest.mark.parametrize("attack", [terabyte, deflate_bomb, ping_flood, refused_requests])
async def test_under_attack_no_one_is_let_in_and_the_good_client_is_answered(world: World, attack: Attack) -> None:
    async with world.client() as client:
        await client.events(PAGE)
        quiet = await slowest(client, lambda: False)
        before = rss()
        # In a thread of its own: what is measured is the bridge, not the attacker.
        attacking = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(attack(world.server.port))))
        slow = await slowest(client, lambda: not attacking.done())
        grown = rss() - before
        await client.events(FOCUS)
    let_in = await attacking
    print(f"{attack.__name__}: let in {let_in}, grown {grown / 2**20:.1f} MiB, p99 {slow * 1e3:.1f} ms", end=" ")
    print(f"(before it {quiet * 1e3:.1f} ms)")
    assert let_in == 0
    assert grown < MAX_GROWTH_BYTES
    assert slow < MAX_SLOW_S + quiet
