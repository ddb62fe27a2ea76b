"""Attacks on the bridge, each in a process of its own, so that what is measured beside it is the bridge.

``python -m tests.browser_bridge.attacks NAME PORT SECONDS`` attacks as fast as it can, with raw sockets, and prints a
JSON object: how many connections it opened, and how many of them were let in as the extension is.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from itertools import cycle

from browser_bridge.gatekeeper import CHROMIUM_ID

CHROMIUM_ORIGIN = f"chrome-extension://{CHROMIUM_ID}"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CROWD = 1000
PATIENCE_S = 2.0
"""How long an attacker waits for an answer on one connection."""

WRONG_ORIGINS: list[tuple[str, ...]] = [
    (),
    ("null",),
    ("http://127.0.0.1:8080",),
    ("https://tracker.example.org",),
    (f"{CHROMIUM_ORIGIN}/",),
    (f"{CHROMIUM_ORIGIN}x",),
    (CHROMIUM_ORIGIN[:-1],),
    (f"chrome-extension://{'a' * 32}",),
    (CHROMIUM_ORIGIN.replace("chrome-extension", "https"),),
    (f" x {CHROMIUM_ORIGIN}",),
    (CHROMIUM_ORIGIN, CHROMIUM_ORIGIN),
    (CHROMIUM_ORIGIN, "https://evil.example"),
    ("moz-extension://zzzzzzzz-0000-0000-0000-000000000000",),
    ("moz-extension://01234567-89ab-cdef-0123-456789abcdef.evil.example",),
    (f"{CHROMIUM_ORIGIN}, {CHROMIUM_ORIGIN}",),
]
WRONG_HOSTS = [
    "localhost:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.1:{port}",
]
MALFORMED = [b"GET /overt HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET " + b"a" * 20_000]


def request(
    port: int, *, path: str = "/overt", host: str | None = None, origins: Iterable[str] = (CHROMIUM_ORIGIN,)
) -> bytes:
    """Write the HTTP request of an opening; as the extension's, if nothing is said."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{port}'}",
        "Upgrade: websocket",
        "Connection: Upgrade",
    ]
    lines += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *(f"Origin: {origin}" for origin in origins)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def frame(opcode: int, data: bytes = b"", *, length: int | None = None, fin: bool = True, rsv1: bool = False) -> bytes:
    """Write a masked frame; ``length`` is what its head says, where that is not the truth."""
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    size = len(data) if length is None else length
    head = struct.pack(">BB", first, 0x80 | size) if size < 126 else struct.pack(">BBQ", first, 0x80 | 127, size)
    return head + b"\0\0\0\0" + data


TERABYTE = frame(1, length=1 << 40)
BOMB = frame(1, zlib.compress(b"\0" * (64 << 20)), rsv1=True)
"""Small, and 64 MiB to whoever inflates it."""

PINGS = frame(9, b"x" * 125) * 500
FRAGMENTS = frame(1, b'"', fin=False) + frame(0, fin=False) * 10_000


class Attacker:
    """One attack: what it opened, and how often it was let in."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.opened = 0
        self.let_in = 0
        self._until = time.monotonic() + seconds

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self._until

    def connect(self) -> socket.socket:
        """Open a connection."""
        link = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.opened += 1
        return link

    def crowd(self, begun: bytes) -> None:
        """Keep a thousand openings standing; one more takes the oldest away, without an end."""
        links: deque[socket.socket] = deque()
        while self.goes_on:
            links.append(link := socket.socket())
            self.opened += 1
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", self.port))
            with contextlib.suppress(OSError):  # where the queue is full, it knocks again by itself
                link.send(begun)
            if len(links) > CROWD:
                links.popleft().close()

    def ask(self, requests: list[bytes], patience_s: float = PATIENCE_S) -> None:
        """Ask in every wrong way, one after the other; an upgrade is being let in."""
        for data in cycle(requests):
            if not self.goes_on:
                return
            with contextlib.suppress(OSError), self.connect() as link:
                link.settimeout(patience_s)
                link.sendall(data)
                self.let_in += b" 101 " in link.recv(4096)

    def pour(self, data: bytes, *, after: bytes | None = None) -> None:
        """Open as the extension does, and pour data in without reading, until it is closed; then again."""
        while self.goes_on:
            with contextlib.suppress(OSError), self.connect() as link:
                link.sendall(request(self.port))
                told = link.recv(4096)
                if b" 101 " not in told:
                    continue
                link.sendall(data)
                while self.goes_on:
                    link.sendall(data if after is None else after)
                link.settimeout(0.01)
                self.let_in += b"ready" in link.recv(1 << 20)

    def guess(self) -> None:
        """Go through the handshake with a secret that is none."""
        while self.goes_on:
            profile = os.urandom(16).hex()
            hello = {"type": "hello", "protocol": 1, "profile": profile, "nonce": "n" * 22}
            proof = {"type": "proof", "proof": "A" * 43}
            with contextlib.suppress(OSError), self.connect() as link:
                link.sendall(request(self.port))
                link.recv(4096)
                link.sendall(frame(1, json.dumps(hello).encode()))
                link.recv(4096)
                link.sendall(frame(1, json.dumps(proof).encode()))
                self.let_in += b"ready" in link.recv(4096)


def refused_requests(port: int) -> list[bytes]:
    """Give requests that a page, a rebound name, another extension or nonsense would make."""
    wrong = [request(port, origins=origins) for origins in WRONG_ORIGINS]
    wrong += [request(port, host=host.format(port=port)) for host in WRONG_HOSTS]
    wrong += [request(port).replace(b"\r\nOrigin", b"\r\nHost: 127.0.0.1:%d\r\nOrigin" % port)]
    return wrong


ATTACKS: dict[str, Callable[[Attacker], None]] = {
    "idle-openings": lambda attacker: attacker.crowd(b""),
    "begun-openings": lambda attacker: attacker.crowd(b"GET /overt HTTP/1.1\r\n"),
    "asked-openings": lambda attacker: attacker.crowd(request(attacker.port)),
    "wrong-requests": lambda attacker: attacker.ask(refused_requests(attacker.port)),
    "malformed-requests": lambda attacker: attacker.ask(MALFORMED, 0.01),
    "guesses": Attacker.guess,
    "terabyte": lambda attacker: attacker.pour(TERABYTE, after=b"x" * (1 << 16)),
    "deflate-bomb": lambda attacker: attacker.pour(BOMB),
    "pings": lambda attacker: attacker.pour(PINGS),
    "fragments": lambda attacker: attacker.pour(FRAGMENTS, after=frame(0, fin=False) * 10_000),
}


def main(name: str, port: str, seconds: str) -> None:
    """Attack, and tell."""
    attacker = Attacker(int(port), float(seconds))
    ATTACKS[name](attacker)
    print(json.dumps({"opened": attacker.opened, "let_in": attacker.let_in}))


if __name__ == "__main__":
    main(*sys.argv[1:])
