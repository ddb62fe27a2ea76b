"""The thin shell: a WebSocket server on loopback, one guest a connection.

Everything is bounded: connections, handshake times, message sizes, rates. Whoever is refused learns nothing: an HTTP
403 without a word, or a close without a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import filelock
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from browser_bridge import VERSION
from browser_bridge.desk import Desk
from browser_bridge.gatekeeper import admits
from browser_bridge.guest import Guest
from browser_bridge.handshake import Handshake, Keyring, State
from browser_bridge.messages import MAX_MESSAGE_BYTES, Events, Hello, Pages, Ping, Request, decode, encode
from browser_bridge.papers import Address, Papers
from browser_bridge.waiting_room import Connection, WaitingRoom
from capture_gate.page_door import SOURCE, PageDoor
from capture_gate.status import ClientInfo
from event_model.clock import Clock, SystemClock
from event_model.errors import FormatError
from event_model.keys import Secret

HOST = "127.0.0.1"
HANDSHAKE_S = 5.0
"""For each step: the HTTP request, ``hello``, ``proof``. They are milliseconds apart."""

MAX_GUESTS = 64
"""Profiles of one person, with room."""

BACKLOG = 1024
"""Connections that wait in the system to be accepted. Whoever finds no place there knocks again after a second."""

MESSAGES_PER_S = 200
"""Of one connection, on average; a batch has up to 500 events. More waits in the socket."""

MAX_UNSENT_BYTES = 1 << 20
"""What waits for one guest to be read. Beyond it the guest is not heard until it reads."""

IDLE_S = 900.0
"""Without a connection for so long, the bridge ends; the next introduction starts it again."""

LOCK_S = 1.0
"""A host that looks whether a bridge runs holds the lock for a moment."""

REFUSED = 4403
"""The close code of a handshake that failed, for whatever reason."""


class BridgeServer:
    """The bridge of one person. ``run`` returns when nobody needs it any more."""

    def __init__(self, papers: Papers, door: PageDoor, clock: Clock) -> None:
        self._papers = papers
        self._door = door
        self._clock = clock
        self._desk = Desk(door, clock.wall_ms)
        self._guests: dict[Guest, _Outbox] = {}
        self._room = WaitingRoom()
        self._port = 0
        self._told = ""
        self._stopped = False
        self._woken = asyncio.Event()
        """Set when it is to stop, and when a guest left: then nobody has been there for no time at all."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen, say where, and serve until stopped or idle."""
        async with await self._listen() as server:
            self._port = server.sockets[0].getsockname()[1]
            self._papers.put_address(Address(self._port, os.getpid()))
            self._door.on_change(self._changed)
            await self._until_idle()

    def stop(self) -> None:
        """End ``run``."""
        self._stopped = True
        self._woken.set()

    @property
    def port(self) -> int:
        """Where the bridge listens."""
        return self._port

    async def _listen(self) -> Server:
        """Listen where the bridge did last, so that a paired browser finds it; elsewhere if that is taken."""
        last = self._papers.address()
        ports = (last.port, 0) if last is not None else (0,)
        for port in ports:
            with contextlib.suppress(OSError):
                return await self._serve(port)
        return await self._serve(0)

    async def _serve(self, port: int) -> Server:
        # At DEBUG the library logs headers and messages.
        silent = logging.getLogger("overt.bridge.socket")
        silent.disabled = True
        listening = socket.create_server((HOST, port), backlog=BACKLOG)
        server = await serve(
            self._connected,
            sock=listening,
            backlog=1,  # what asyncio accepts in a row, with no one else served meanwhile
            process_request=self._check,
            create_connection=partial(Connection, self._room),  # type: ignore[arg-type]
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=4,
            open_timeout=HANDSHAKE_S,
            close_timeout=1,
            ping_interval=30,
            ping_timeout=60,
            server_header=None,
            logger=silent,
        )
        listening.listen(BACKLOG)  # asyncio told the system the same number
        return server

    async def _until_idle(self) -> None:
        while not self._stopped:
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), IDLE_S)
            except TimeoutError:
                if not self._guests and not self._papers.has_paired:
                    return

    def _check(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        headers = request.headers
        if admits(
            path=request.path,
            hosts=headers.get_all("Host"),
            origins=headers.get_all("Origin"),
            port=self._port,
        ):
            return None
        return connection.respond(http.HTTPStatus.FORBIDDEN, "")

    async def _connected(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        try:
            hello = await self._shake_hands(connection)
            if hello is None or len(self._guests) >= MAX_GUESTS:
                await connection.close(REFUSED)
                return
            connection.let_in()
            await self._serve_guest(connection, hello)
        except (ConnectionClosed, TimeoutError):
            pass

    async def _shake_hands(self, connection: ServerConnection) -> Hello | None:
        origin = connection.request.headers["Origin"] if connection.request is not None else ""
        keyring = Keyring(secret=self._secret, code=lambda: self._papers.pairing(self._clock.wall_ms()))
        handshake = Handshake(origin=origin, port=self._port, keyring=keyring, random=os.urandom)
        while handshake.state in {State.FRESH, State.ASKED}:
            try:
                message = decode(await asyncio.wait_for(connection.recv(), HANDSHAKE_S))
            except FormatError:
                return None
            answer = handshake.receive(message)
            if answer is not None:
                await connection.send(encode(answer))
        if handshake.state is not State.READY or handshake.hello is None:
            return None
        if handshake.paired is not None:
            self._papers.keep_paired(handshake.hello.profile, origin, handshake.paired)
        if handshake.hello.pair:
            self._papers.close_pairing()
        return handshake.hello

    def _secret(self, profile: str, origin: str) -> Secret | None:
        return self._papers.paired(profile, origin) or self._papers.secret(profile, origin)

    async def _serve_guest(self, connection: ServerConnection, hello: Hello) -> None:
        outbox = _Outbox()
        guest = Guest(hello.profile, self._door, outbox.put)
        self._guests[guest] = outbox
        outbox.put({"type": "ready", "state": self._desk.state()})
        posting = asyncio.get_running_loop().create_task(outbox.post(connection))
        try:
            await self._converse(connection, guest, outbox)
        finally:
            guest.leave()
            del self._guests[guest]
            self._woken.set()
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)

    async def _converse(self, connection: ServerConnection, guest: Guest, outbox: _Outbox) -> None:
        pace = _Pace(MESSAGES_PER_S, asyncio.get_running_loop().time)
        while True:
            await outbox.room()
            try:
                message = decode(await connection.recv())
            except FormatError:
                break
            await pace.keep()
            match message:
                case Events():
                    await guest.take(message)
                case Pages():
                    guest.announce(message)
                case Request():
                    outbox.put(await self._desk.answer(message))
                case Ping():
                    await guest.acknowledge()
                    outbox.put({"type": "pong"})
                case _:  # a handshake is made once
                    break
            await asyncio.sleep(0)  # what was said already is at hand: without this it would all be heard in one go
        await connection.close(REFUSED)

    def _changed(self) -> None:
        """Tell every guest what changed, once for all changes of one moment."""
        if not self._tasks:
            task = asyncio.get_running_loop().create_task(self._tell())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        state = self._desk.state()
        text = encode(state)
        if text == self._told:
            return
        self._told = text
        for guest, outbox in self._guests.items():
            guest.look()
            outbox.put({"type": "state", "state": state})


class _Outbox:
    """What is to be sent to one guest, in order. Putting never waits; whoever makes more wait for ``room``."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    def put(self, message: dict[str, Any]) -> None:
        """Take a message."""
        text = encode(message)
        self._waiting.put_nowait(text)
        self._bytes += len(text)
        if self._bytes > MAX_UNSENT_BYTES:
            self._room.clear()

    async def room(self) -> None:
        """Wait until the guest has read enough, or is gone."""
        await self._room.wait()

    async def post(self, connection: ServerConnection) -> None:
        """Send what comes, until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = await self._waiting.get()
                await connection.send(text)
                self._bytes -= len(text)
                if self._bytes <= MAX_UNSENT_BYTES:
                    self._room.set()
        self._bytes = 0
        self._room.set()


class _Pace:
    """Slows a sender down to a rate; a burst of one second's worth passes."""

    def __init__(self, per_s: float, time: Callable[[], float]) -> None:
        self._per_s = per_s
        self._time = time
        self._free_at = time() - 1

    async def keep(self) -> None:
        """Wait until the next message may be taken."""
        now = self._time()
        self._free_at = max(self._free_at, now - 1) + 1 / self._per_s
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


async def serve_bridge(home: Path, clock: Clock | None = None) -> bool:
    """Run the bridge of an installation until it is stopped or idle; false if one runs already."""
    clock = clock or SystemClock()
    papers = Papers(home)
    papers.make()
    lock = filelock.FileLock(papers.lock)
    try:
        lock.acquire(timeout=LOCK_S)
    except filelock.Timeout:
        return False
    try:
        papers.key()
        papers.check()
        door = await PageDoor.open(home, source=SOURCE, client=ClientInfo("browser"), version=VERSION, clock=clock)
        server = BridgeServer(papers, door, clock)
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):
                loop.add_signal_handler(getattr(signal, name), server.stop)
        try:
            await server.run()
        finally:
            await door.close()
    finally:
        lock.release()
    return True
