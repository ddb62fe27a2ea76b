"""A bridge that only remembers: it speaks the protocol of docs/PROTOCOL.md, and keeps what it was sent in memory."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from event_model.events import kind_of
from event_model.page_events import PAGE_TYPES

ALL_KINDS = [kind_of(body) for body in PAGE_TYPES]
HOST = """#!{python} -I
import json, struct, sys
size = struct.unpack("=I", sys.stdin.buffer.read(4))[0]
json.loads(sys.stdin.buffer.read(size))
answer = open({answer!r}, "rb").read()
sys.stdout.buffer.write(struct.pack("=I", len(answer)) + answer)
"""


def study(origins: list[str], level: str = "shape", **changes: Any) -> dict[str, Any]:
    """Give a study as the bridge tells of it."""
    return {
        "study": "helpdesk",
        "title": "How the help desk works",
        "version": 1,
        "controller": "Example Institute",
        "contact": "study@example.org",
        "notice": "We record how you work in the ticket system.\n\nYou can stop at any time.",
        "purposes": [{"id": "train", "dpv": "dpv:ResearchAndDevelopment", "text": "Training agents that help"}],
        "origins": origins,
        "levels": dict.fromkeys(ALL_KINDS, level),
        "secret_fields": [],
        "hold_s": 86_400,
        "retention_days": 365,
        "end_ms": 4_000_000_000_000,
        "live": True,
        "refusal": None,
        **changes,
    }


class Collector:
    """Takes events, acknowledges them, and pushes states."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: dict[str, Any] = {"capture": "capturing", "reasons": [], "paused_until_ms": None, "studies": []}
        self.events: list[dict[str, Any]] = []
        self.frames: list[str] = []
        self.numbers: list[int] = []
        self.pages: list[list[dict[str, Any]]] = []
        self.acked = 0
        self.acking = True
        self.requests: list[tuple[str, Any]] = []
        self.connections: set[ServerConnection] = set()
        self.arrived = asyncio.Condition()
        self.secret = secrets.token_bytes(32)
        self.port = 0
        self._server: Server | None = None

    async def start(self) -> None:
        """Listen, and tell the native messaging host where."""
        self._server = await serve(self._connection, "127.0.0.1", self.port, compression=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        secret = base64.urlsafe_b64encode(self.secret).decode().rstrip("=")
        answer = {"type": "bridge", "port": self.port, "secret": secret, "protocol": 1}
        (self.folder / "answer.json").write_text(json.dumps(answer))

    async def stop(self) -> None:
        """Stop listening, and cut every line."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._server = None

    def install(self, profile: Path, extension: str) -> None:
        """Write the native messaging manifest of Chromium."""
        self._install(profile / "NativeMessagingHosts", {"allowed_origins": [f"chrome-extension://{extension}/"]})

    def install_firefox(self, home: Path, extension: str) -> None:
        """Write the native messaging manifest of Firefox."""
        self._install(home / ".mozilla" / "native-messaging-hosts", {"allowed_extensions": [extension]})

    def _install(self, hosts: Path, allowed: dict[str, list[str]]) -> None:
        host = self.folder / "host.py"
        host.write_text(HOST.format(python=sys.executable, answer=str(self.folder / "answer.json")))
        host.chmod(0o700)
        hosts.mkdir(parents=True, exist_ok=True)
        manifest = {
            "name": "org.overt.bridge",
            "description": "overt",
            "path": str(host),
            "type": "stdio",
            **allowed,
        }
        (hosts / "org.overt.bridge.json").write_text(json.dumps(manifest))

    async def push(self, **changes: Any) -> None:
        """Change the state, and tell everybody."""
        self.state = {**self.state, **changes}
        for connection in list(self.connections):
            with contextlib.suppress(ConnectionClosed):
                await connection.send(json.dumps({"type": "state", "state": self.state}))

    async def wait(self, condition: Any, timeout: float = 15) -> None:
        """Wait until events fulfil a condition."""
        async with asyncio.timeout(timeout), self.arrived:
            await self.arrived.wait_for(lambda: condition(self.events))

    def bodies(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Give the bodies that were sent, of one kind or all."""
        return [each["body"] for each in self.events if kind in {None, each["body"]["kind"]}]

    async def _connection(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            origin = await self._introduce(connection)
            if origin is None:
                await connection.close(4403)
                return
            self.connections.add(connection)
            try:
                await connection.send(json.dumps({"type": "ready", "state": self.state}))
                async for frame in connection:
                    await self._message(connection, str(frame))
            finally:
                self.connections.discard(connection)

    async def _introduce(self, connection: ServerConnection) -> str | None:
        assert connection.request is not None
        origin = connection.request.headers["Origin"]
        hello = json.loads(await connection.recv())
        nonce = secrets.token_urlsafe(16)
        parts = (hello["profile"], origin, str(self.port), hello["nonce"], nonce)
        await connection.send(json.dumps({"type": "challenge", "nonce": nonce, "proof": self._proof("bridge", *parts)}))
        answer = json.loads(await connection.recv())
        return origin if hmac.compare_digest(answer["proof"], self._proof("client", *parts)) else None

    def _proof(self, side: str, *parts: str) -> str:
        text = "\n".join(("overt bridge 1", side, *parts))
        digest = hmac.new(self.secret, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def _message(self, connection: ServerConnection, frame: str) -> None:
        message = json.loads(frame)
        if message["type"] == "pages":
            self.pages.append(message["pages"])
        elif message["type"] == "ping":
            await connection.send('{"type":"pong"}')
        elif message["type"] == "events":
            await self._take(connection, frame, message)
        elif message["type"] == "request":
            self.requests.append((message["method"], message["params"]))
            result = {"today": {"events": 12, "masked": 1, "studies": []}, "forget": {"events": 3}}
            answer = {"type": "response", "id": message["id"], "result": result.get(message["method"], {})}
            await connection.send(json.dumps(answer))

    async def _take(self, connection: ServerConnection, frame: str, message: dict[str, Any]) -> None:
        self.frames.append(frame)
        for at, event in enumerate(message["events"]):
            seq = message["first"] + at
            self.numbers.append(seq)
            if self.acking and seq > self.acked:
                self.events.append(event)
        async with self.arrived:
            self.arrived.notify_all()
        if self.acking:
            self.acked = max(self.acked, message["first"] + len(message["events"]) - 1)
            await connection.send(json.dumps({"type": "ack", "seq": self.acked}))


@contextlib.asynccontextmanager
async def collector(folder: Path) -> AsyncIterator[Collector]:
    """Run a collector."""
    made = Collector(folder)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
