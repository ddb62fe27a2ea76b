"""Fifty simulated devices: their keys, consents and envelopes, and what they do to a server."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import obstore
from obstore.store import ObjectStore

from benchmarks.receiver_servers import Address
from event_model.keys import Secret, SigningKey
from event_model.request_signatures import sign_request
from overt.keyfiles import write_signing_key
from tests.ingest_server.kit import RECEIVER_KEY, Person, make_manifest

Put = Callable[[str, bytes], Awaitable[None]]

DEVICES = 50
PAYLOAD_BYTES = 64 << 10

ACCEPTED = frozenset({200, 201})
MAX_ANSWER_BYTES = 1 << 16

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


class Load(msgspec.Struct, frozen=True):
    """What a run showed: requests a second, latencies, processor time of the servers, and what was not accepted."""

    rate: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float
    errors: int


class Fleet:
    """Fifty devices with a chain of envelopes each."""

    def __init__(self, folder: Path, segments: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        manifest = make_manifest(start="2020-01-01", end="2100-01-01")
        self.manifest_file = folder / "study.json"
        self.manifest_file.write_bytes(manifest.raw)
        self.key_file = folder / "receiver.key"
        write_signing_key(self.key_file, RECEIVER_KEY)
        self._consents: list[bytes] = []
        self._requests: list[list[bytes]] = []
        self._bodies: list[bytes] = []
        for _ in range(DEVICES):
            person = Person(manifest)
            person.be(SigningKey(Secret(os.urandom(32))), given_ms=now_ms - 1000)
            self._consents.append(_request(f"{person.path}/consent", person.consent(), person.key))
            requests, before = [], b""
            for number in range(segments):
                before = person.envelope(number, prev=before, payload=os.urandom(PAYLOAD_BYTES))
                requests.append(_request(person.segment_path(number), before, person.key))
                self._bodies.append(before)
            self._requests.append(requests)
        self.segment_bytes = len(self._bodies[0])

    def first(self, segments: int) -> Fleet:
        """Give the same devices with shorter chains."""
        shorter = object.__new__(Fleet)
        shorter.__dict__.update(self.__dict__)
        shorter._requests = [requests[:segments] for requests in self._requests]
        shorter._bodies = self._bodies[: segments * DEVICES]
        return shorter

    def bodies(self) -> Sequence[bytes]:
        """Give every envelope."""
        return self._bodies

    def play(self, urls: Sequence[Address], *, consent: bool) -> Load:
        """Let every device send its chain, spread evenly over the servers."""
        hosts = [urls[at % len(urls)] for at in range(DEVICES)]
        with ThreadPoolExecutor(DEVICES) as threads:
            if consent:
                list(threads.map(_device, hosts, [[consent] for consent in self._consents]))
            cpu, began = sum(url.cpu_s() for url in urls), time.perf_counter()
            results = [one for device in threads.map(_device, hosts, self._requests) for one in device]
            seconds = time.perf_counter() - began
        cpu = sum(url.cpu_s() for url in urls) - cpu
        waits = sorted(wait for _, wait in results)
        return Load(
            rate=len(results) / seconds,
            p50_ms=waits[len(waits) // 2] * 1e3,
            p99_ms=waits[len(waits) * 99 // 100] * 1e3,
            server_cpu_ms=cpu / len(results) * 1e3,
            errors=sum(status not in ACCEPTED for status, _ in results),
        )


def store_put(store: ObjectStore) -> Put:
    """Put straight into an object store: a directory is not synced then."""

    async def put(key: str, body: bytes) -> None:
        await obstore.put_async(store, key, body, use_multipart=False)

    return put


async def plain_put(put: Put, bodies: Iterable[bytes]) -> float:
    """Put all bodies, fifty at a time, without a receiver; give how many a second."""
    waiting = list(enumerate(bodies))
    count, began = len(waiting), time.perf_counter()

    async def work() -> None:
        while waiting:
            number, body = waiting.pop()
            await put(f"plain/{number % DEVICES}/{number}", body)

    await asyncio.gather(*(work() for _ in range(DEVICES)))
    return count / (time.perf_counter() - began)


def _device(server: Address, requests: Sequence[bytes]) -> list[tuple[int, float]]:
    """Send requests over one connection, each after the answer to the last; give statuses and seconds.

    A thread and a blocking socket: all its waiting and copying is outside the interpreter.
    """
    parts = urlsplit(server.url)
    results = []
    with socket.create_connection((str(parts.hostname), int(parts.port or 80))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            began = time.perf_counter()
            connection.sendall(request)
            results.append((_status(connection), time.perf_counter() - began))
    return results


def _status(connection: socket.socket) -> int:
    answer = connection.recv(MAX_ANSWER_BYTES)
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _more(connection)
    match = _LENGTH.search(answer, 0, end)
    missing = end + 4 + (int(match[1]) if match else 0) - len(answer)
    while missing > 0:
        missing -= len(_more(connection))
    return int(answer[9:12])


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(MAX_ANSWER_BYTES)
    if not data:
        raise ConnectionError("the server closed the connection within an answer")
    return data


def _request(path: str, body: bytes, key: SigningKey) -> bytes:
    signed = sign_request("PUT", path, body, key, now_s=time.time_ns() // 10**9)
    headers = {"host": "receiver", "content-length": str(len(body))} | signed
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"PUT {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
