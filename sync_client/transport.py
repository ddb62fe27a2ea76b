"""The thin shell around httpx: one request out, one bounded answer back, never an exception for what a network does."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

import httpx
import msgspec

from sync_client.answers import MAX_ANSWER_BYTES, Answer

CHUNK_BYTES = 16 << 10
"""Before each piece of a body it is asked again whether it may go: what leaves after a withdrawal is at most one."""


WATCH_S = 0.05
"""How often it is asked while nothing moves."""

CLOSING_ROUNDS = 3


class Deadlines(msgspec.Struct, frozen=True):
    """How long the parts of one request may take, in seconds."""

    connect_s: float = 15.0
    silence_s: float = 60.0
    """Without a single byte, in either direction."""
    request_s: float = 600.0
    """The whole request: 4 MiB at 7 kB/s; ends one that drips a byte a second."""


class Withdrawn(Exception):
    """A signal between transport and client: the consent ended while a body was being sent, and it was cut."""


def open_http(deadlines: Deadlines, *, loopback: bool) -> httpx.AsyncClient:
    """Make a client: proxies (HTTPS_PROXY, NO_PROXY) and a private CA (SSL_CERT_FILE, SSL_CERT_DIR) are honoured."""
    timeout = httpx.Timeout(deadlines.silence_s, connect=deadlines.connect_s)
    # A receiver on this machine is never behind a proxy, and no proxy should hear of it.
    return httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=not loopback)


def is_loopback(url: str) -> bool:
    """Say whether a URL names this machine."""
    host = httpx.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Transport:
    """Sends to one receiver."""

    def __init__(
        self, http: httpx.AsyncClient, base: str, deadlines: Deadlines, *, bytes_per_s: int | None = None
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._http = http
        self._base = base.rstrip("/")
        self._deadlines = deadlines
        self.bytes_sent = 0
        """Body bytes handed to the network, all tries together."""

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        may_go: Callable[[], bool],
        limit: int = MAX_ANSWER_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a body and read the answer, up to ``limit``; what the network does wrong becomes one of status 0.

        Withdrawn: as soon as ``may_go`` says no; the connection is cut, and what was not yet out stays here.
        """
        if not may_go():
            raise Withdrawn
        content_type = "application/json" if body[:1] == b"{" else "application/octet-stream"
        request = self._http.build_request(
            method,
            self._base + path,
            content=self._pieces(body, may_go),
            headers={
                "content-length": str(len(body)),
                "content-type": content_type,
                # A compressed answer could unpack to any size.
                "accept-encoding": "identity",
                "user-agent": "overt",
                **(headers or {}),
            },
            extensions={"trace": _drop_unsent_when_cut},
        )
        try:
            async with asyncio.timeout(self._deadlines.request_s):
                return await self._while_allowed(self._exchange(request, limit), may_go)
        except TimeoutError:
            return Answer(0, note=f"no answer within {self._deadlines.request_s:g} s")
        except httpx.HTTPError as error:
            return Answer(0, note=f"{type(error).__name__}: {error}"[:300])

    async def _while_allowed(self, exchange: Coroutine[Any, Any, Answer], may_go: Callable[[], bool]) -> Answer:
        """Wait for an answer, and cut the exchange as soon as it may not go on, also while the other side stalls."""
        task = asyncio.ensure_future(exchange)
        try:
            while not (await asyncio.wait({task}, timeout=WATCH_S))[0]:
                if not may_go():
                    raise Withdrawn
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            # The loop closes a cut connection's socket in its next rounds; after that no byte of it can leave.
            for _ in range(CLOSING_ROUNDS):
                await asyncio.sleep(0)

    async def _exchange(self, request: httpx.Request, limit: int) -> Answer:
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk[: limit - len(body)]
                if len(body) >= limit:
                    break
            return Answer(response.status_code, bytes(body), response.headers.get("retry-after"))
        finally:
            await response.aclose()

    async def _pieces(self, body: bytes, may_go: Callable[[], bool]) -> AsyncIterator[bytes]:
        for start in range(0, len(body), CHUNK_BYTES):
            if not may_go():
                raise Withdrawn
            piece = body[start : start + CHUNK_BYTES]
            self.bytes_sent += len(piece)
            yield piece
            if self._bytes_per_s is not None:
                await asyncio.sleep(len(piece) / self._bytes_per_s)


async def _drop_unsent_when_cut(event: str, info: dict[str, Any]) -> None:
    """Set a new connection so that closing it throws away what the system has not sent yet (SO_LINGER of zero).

    Else megabytes in its buffers would still go out after a withdrawal.
    """
    if event != "connection.connect_tcp.complete":
        return
    connection = info["return_value"].get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
