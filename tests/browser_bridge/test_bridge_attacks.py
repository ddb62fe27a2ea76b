"""Whoever is not the extension: pages, other extensions, local programs, floods. Real sockets throughout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from browser_bridge import server
from browser_bridge.gatekeeper import CHROMIUM_ID, admits
from browser_bridge.papers import MAX_PAIRED, Papers
from event_model.errors import FormatError, OvertError
from event_model.keys import Secret
from tests.browser_bridge.attacks import MALFORMED, TERABYTE, WRONG_HOSTS, WRONG_ORIGINS, frame, request
from tests.browser_bridge.bridge_world import FOCUS, ORIGIN, PAGE, Client, World


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


@pytest.mark.parametrize("origins", WRONG_ORIGINS)
async def test_wrong_origin_is_refused_without_a_word(world: World, origins: tuple[str, ...]) -> None:
    told = await answer(world.server.port, request(world.server.port, origins=origins))
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert body == b""
    assert b"overt" not in head.lower()
    assert b"server:" not in head.lower()


@pytest.mark.parametrize("host", WRONG_HOSTS)
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


async def closed_with(socket: ClientConnection) -> tuple[int, str] | None:
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), 5)
    return None if closed.value.rcvd is None else (closed.value.rcvd.code, closed.value.rcvd.reason)


@pytest.mark.parametrize("steps", [0, 1])
async def test_one_who_is_silent_in_the_handshake_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.2)
    async with world.socket() as socket:
        if steps:
            await Client(socket, world.server.port).ask_for_challenge()
        assert await closed_with(socket) == (1000, "")


async def test_more_profiles_than_there_may_be_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_GUESTS", 1)
    async with world.client(), world.socket() as socket:
        client = Client(socket, world.server.port, "1" * 32)
        with pytest.raises(ConnectionClosed):
            await client.shake_hands(world.papers.secret("1" * 32, ORIGIN))
    async with world.client("1" * 32) as client:
        await client.events(PAGE)


async def test_profile_that_sends_too_fast_is_heard_more_slowly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MESSAGES_PER_S", 20)
    async with world.client() as client:
        start = time.perf_counter()
        for _ in range(30):
            await client.send({"type": "ping"})
        for _ in range(30):
            await client.receive("pong")
    assert time.perf_counter() - start > 0.4  # a second's worth passes at once


async def test_handshake_is_made_once(world: World) -> None:
    async with world.client() as client:
        await client.send({"type": "proof", "proof": "A" * 43})
        assert await closed_with(client.socket) == (4403, "")


async def test_squatter_on_the_port_learns_nothing_it_could_use(world: World) -> None:
    """Whoever listens in the bridge's place sees a nonce and a profile, and can't make the bridge's proof."""
    from browser_bridge.proofs import bridge_proof

    bound = {"profile": "1" * 32, "origin": ORIGIN, "port": 1, "nonce": "n" * 22, "answer": "a" * 22}
    secret = world.papers.secret("1" * 32, ORIGIN)
    good = bridge_proof(secret, **bound)  # type: ignore[arg-type]
    assert good != bridge_proof(Secret(b"x" * 32), **bound)  # type: ignore[arg-type]
    for name, other in (("port", 2), ("nonce", "m" * 22), ("origin", "x"), ("profile", "2" * 32), ("answer", "b" * 22)):
        assert good != bridge_proof(secret, **bound | {name: other})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TERABYTE, id="terabyte"),
        pytest.param(frame(1, length=(1 << 20) + 1), id="over a mebibyte"),
        pytest.param(frame(1, zlib.compress(b"0"), rsv1=True), id="compressed"),
    ],
)
async def test_frame_that_is_too_long_or_compressed_ends_the_connection(world: World, data: bytes) -> None:
    async with raw(world.server.port) as (reader, writer):
        writer.write(request(world.server.port))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(data)
        told = await asyncio.wait_for(reader.read(), 4)  # to the end: the server closed it
    assert told[:1] == b"\x88"
    assert int.from_bytes(told[2:4]) in {1002, 1009}
    async with world.client() as client:
        await client.events(PAGE)


async def test_compression_is_never_agreed_to(world: World) -> None:
    port = world.server.port
    offer = request(port).replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    async with raw(port) as (reader, writer):
        writer.write(offer)
        assert b"deflate" not in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("head", MALFORMED)
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


def test_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "bridge").mkdir(mode=0o755)
    papers = Papers(tmp_path)
    papers.key()
    assert papers.folder.stat().st_mode & 0o077 == 0


def planted(papers: Papers, name: str, how: str) -> Path:
    """Leave something in the bridge's folder (or, without a name, in its place) as another user might."""
    aside = papers.folder.parent / "aside"
    path = papers.folder / name
    if not name:
        aside.mkdir()
    else:
        papers.make()
        aside.write_bytes(b"x" * 32)
    if how == "link":
        path.symlink_to(aside)
    elif how == "pipe":
        os.mkfifo(path, 0o600)
    elif how == "folder":
        path.mkdir()
    else:
        aside.rename(path)
        path.chmod(0o770)
    return path


FILES = ["key", "address.json", "pairing.json", "paired.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
@pytest.mark.parametrize(
    ("name", "how"),
    [("", "link"), ("", "open"), ("address.json", "pipe"), ("address.json", "folder")]
    + [(name, how) for name in FILES for how in ("link", "open")],
)
def test_what_another_user_may_have_put_there_is_refused_and_told(tmp_path: Path, name: str, how: str) -> None:
    papers = Papers(tmp_path)
    path = planted(papers, name, how)
    with pytest.raises(OvertError, match="not yours alone") as told:
        asyncio.run(server.serve_bridge(tmp_path))
    assert (told.value.code, str(path) in told.value.message) == ("bridge-foreign", True)
    with pytest.raises(OvertError, match="not yours alone"):
        papers.check()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no owners")
def test_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    papers = Papers(tmp_path)
    papers.key()
    monkeypatch.setattr(os, "geteuid", lambda: papers.folder.stat().st_uid + 1)
    with pytest.raises(OvertError, match="not yours alone"):
        papers.key()


def test_damaged_key_is_told_and_never_used(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.key()
    (papers.folder / "key").write_bytes(b"short")
    with pytest.raises(FormatError, match="damaged") as told:
        papers.secret("1" * 32, ORIGIN)
    assert told.value.code == "bridge-key-damaged"
    assert told.value.hint


def test_oldest_pairing_goes_where_there_are_too_many(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.make()
    for at in range(MAX_PAIRED + 1):
        papers.keep_paired(f"{at:032x}", ORIGIN, Secret(b"s" * 32))
    assert papers.paired(f"{0:032x}", ORIGIN) is None
    assert papers.paired(f"{1:032x}", ORIGIN) is not None
    assert papers.unpair() == MAX_PAIRED


def test_pairing_code_ends_after_five_minutes(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    papers.open_pairing(1000)
    assert papers.pairing(300_999) is not None
    assert papers.pairing(301_000) is None
    assert papers.pairing(999) is None  # the clock was set back
