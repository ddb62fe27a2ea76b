"""Where uploads wait to be stored: in this process, or in workers beside it.

A worker is a process that does nothing else, one batch after the other. In threads of the process that reads requests
the same work takes twice the time: each of its many system calls would stand in line for the interpreter.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import msgspec

from event_model.errors import OvertError, ReceiverError, StoreUnwritable
from ingest_server.answers import Answer, Outcome
from ingest_server.operations import log_to_stderr
from ingest_server.request_proof import RequestProof
from ingest_server.rows import Participant
from ingest_server.segments import TOGETHER, Upload
from ingest_server.shared_bodies import SharedBodies, SharedReader, shared_bodies
from ingest_server.sql_metadata import claim_stripe

READY = 0
"""The number under which a worker says that it works."""

LENGTH_BYTES = 4
BUFFER_BYTES = 256 << 10
"""What a worker's socket holds: two batches without their bodies, or four bodies that found no place beside it."""

STOP_S = 30.0
"""How long a worker may take to finish its last batch."""

HANG_S = 240.0
"""A worker that was given something and has answered nothing for so long is ended and replaced.

Longer than it may wait for a busy database and an object store that is tried again.
"""

PAUSE_S = 1.0
"""How long after a start that failed nobody tries again: it costs half a second of a processor."""


class Intake(Protocol):
    """Takes one segment at a time, and stores what waits together."""

    async def take(self, upload: Upload) -> Answer:
        """Give an upload's receipt. ReceiverError, StoreUnwritable: if it is refused, or can't be stored."""
        ...

    async def close(self) -> None:
        """Finish what is under way."""
        ...


class OwnIntake:
    """Stores in a thread of this process."""

    def __init__(self, store: Callable[[Sequence[Upload]], list[Answer | Exception]]) -> None:
        self._store = store
        self._waiting: list[tuple[Upload, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="segments")

    async def take(self, upload: Upload) -> Answer:
        """Give an upload's receipt. ReceiverError, StoreUnwritable: if it is refused, or can't be stored."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((upload, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Finish what is under way."""
        if self._task is not None:
            await self._task

    def _take(self, uploads: Sequence[Upload]) -> list[Answer | Exception]:
        try:
            return self._store(uploads)
        except Exception as error:  # Whatever it is, each waiting request must hear of it.
            return [error] * len(uploads)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
                uploads = [upload for upload, _ in batch]
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._take, uploads)
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    settle(future, outcome)
        finally:
            self._task = None


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """A worker's outcome for the upload of this number: a body, or a refusal's status, code and message."""

    number: int
    status: int
    body: bytes = b""
    code: str = ""


class WorkerIntake:
    """Hands uploads to workers; those of one participant always to the same."""

    def __init__(self, spec: bytes, workers: int) -> None:
        """``spec`` is what a worker reads first: see ``segment_worker``."""
        self._workers = [_Worker(spec) for _ in range(workers)]

    async def take(self, upload: Upload) -> Answer:
        """Give an upload's receipt. ReceiverError, StoreUnwritable: if it is refused, or can't be stored."""
        return await self._workers[claim_stripe(upload.participant) % len(self._workers)].take(upload)

    async def start(self) -> None:
        """Start all workers; uploads that come earlier wait."""
        await asyncio.gather(*(worker.start() for worker in self._workers))

    async def close(self) -> None:
        """Let the workers finish what they have, and end them."""
        await asyncio.gather(*(worker.close() for worker in self._workers))


class _Worker(asyncio.Protocol):
    """One worker process, started anew when it died; whoever waited for it is told to come back."""

    def __init__(self, spec: bytes) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._starting: asyncio.Task[None] | None = None
        self._pause_until = 0.0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0
        self._received = bytearray()
        self._bodies: SharedBodies | None = None
        self._outgoing: list[bytes] = []
        self._heard_s = 0.0
        """When it last answered, or was given the first of what it has not answered yet."""

    async def start(self) -> None:
        """Start it; all that come meanwhile share that start and how it ends. StoreUnwritable: if it fails."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        # A request that is given up must not take the worker from the others.
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if loop.time() < self._pause_until:
                raise _lost()
            self._pause_until = loop.time() + PAUSE_S
            self._received.clear()
            ready = self._waiting[READY] = loop.create_future()
            await self._connect()
            await ready
            self._pause_until = 0.0
        finally:
            self._waiting.pop(READY, None)
            self._starting = None

    async def _connect(self) -> None:
        """Start the process, at the other end of a socket pair; StoreUnwritable, if the system does not let us."""
        ended, self._process = self._process, None
        if ended is not None:
            await asyncio.to_thread(ended.wait)
        self._drop_bodies()
        try:
            bodies = self._bodies = shared_bodies()
            here, there = socket.socketpair()
            with there:
                try:
                    for end in (here, there):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
                    self._process = await asyncio.to_thread(_spawn, there, bodies)
                except BaseException:
                    here.close()
                    raise
        except OSError as error:
            raise _lost() from error
        here.setblocking(False)  # noqa: FBT003 - the socket's own name for it
        await asyncio.get_running_loop().create_connection(lambda: self, sock=here)

    async def take(self, upload: Upload) -> Answer:
        if self._transport is None:
            await self.start()
        if self._transport is None:  # It died as soon as it had said that it works.
            raise _lost()
        self._last += 1
        number = self._last
        slot = None if self._bodies is None else self._bodies.put(number, upload.data)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if not self._waiting:
            self._heard_s = loop.time()
        self._waiting[number] = future
        if not self._outgoing:
            loop.call_soon(self._send)
        self._outgoing += message_parts(number, upload, slot)
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    def _send(self) -> None:
        """Hand over all that came in this turn of the loop at once: each write wakes the worker."""
        parts, self._outgoing = self._outgoing, []
        if self._transport is not None:
            self._transport.writelines(parts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(framed(self._spec))
        self._heard_s = asyncio.get_running_loop().time()
        self._look_whether_it_works(transport)

    def _look_whether_it_works(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        if self._transport is not transport or self._process is None:
            return
        if self._waiting and loop.time() - self._heard_s >= HANG_S:
            log_to_stderr({"event": "worker-hangs", "waiting": len(self._waiting)})
            self._process.kill()  # Its connection ends with it: who waits is told, and the next upload starts another.
        else:
            loop.call_later(HANG_S / 8, self._look_whether_it_works, transport)

    def data_received(self, data: bytes) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        self._received += data
        for message in unframed(self._received):
            for reply in _REPLIES.decode(message):
                if self._bodies is not None:
                    self._bodies.give_back(reply.number)
                future = self._waiting.get(reply.number)
                if future is not None:
                    settle(future, _outcome(reply))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        lost = _lost()
        for future in self._waiting.values():
            settle(future, lost)
        if self._process is not None:
            self._process.poll()

    async def close(self) -> None:
        if self._starting is not None:
            with suppress(StoreUnwritable):
                await self.start()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        process = self._process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, STOP_S)
        if self._transport is not None:
            self._transport.close()
        self._drop_bodies()

    def _drop_bodies(self) -> None:
        """Give back what was shared with a worker that has ended."""
        if self._bodies is not None:
            self._bodies.close()
            self._bodies = None


def _lost() -> StoreUnwritable:
    return StoreUnwritable("a worker of the receiver died", hint="It is started anew by the next request.")


def _spawn(inbox: socket.socket, bodies: SharedBodies | None) -> subprocess.Popen[bytes]:
    shared = () if bodies is None else (bodies.descriptor,)
    command = [sys.executable, "-m", "ingest_server.segment_worker", *map(str, shared)]
    return subprocess.Popen(command, stdin=inbox.fileno(), stdout=subprocess.DEVNULL, pass_fds=shared)


def framed(message: bytes) -> bytes:
    """Write a message behind its length."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def message_parts(number: int, upload: Upload, slot: int | None) -> list[bytes]:
    """Write an upload for a worker: its length, its head's length, its head, and the body if that lies in no slot."""
    head = _ENCODER.encode(
        (number, upload.participant, upload.epoch, upload.number, upload.proof, slot, len(upload.data))
    )
    length = LENGTH_BYTES + len(head) + (0 if slot is not None else len(upload.data))
    first = length.to_bytes(LENGTH_BYTES, "big") + framed(head)
    return [first] if slot is not None else [first, upload.data]


def read_upload(message: bytes, shared: SharedReader | None) -> tuple[int, Upload]:
    """Read what ``message_parts`` wrote, and its number."""
    start = LENGTH_BYTES + int.from_bytes(message[:LENGTH_BYTES], "big")
    number, participant, epoch, at, proof, slot, size = _HEADS.decode(memoryview(message)[LENGTH_BYTES:start])
    body = message[start:] if slot is None or shared is None else shared.read(slot, size)
    return number, Upload(participant, epoch, at, body, proof)


def unframed(buffer: bytearray) -> list[bytes]:
    """Take the whole messages off the front of a buffer."""
    messages, at = [], 0
    while len(buffer) - at >= LENGTH_BYTES:
        end = at + LENGTH_BYTES + int.from_bytes(buffer[at : at + LENGTH_BYTES], "big")
        if end > len(buffer):
            break
        messages.append(bytes(memoryview(buffer)[at + LENGTH_BYTES : end]))
        at = end
    if at:
        del buffer[:at]
    return messages


def reply_of(number: int, outcome: Answer | Exception) -> Reply:
    """Write an outcome for the way between worker and server."""
    if isinstance(outcome, Answer):
        return Reply(number, outcome.outcome.value, outcome.body)
    if isinstance(outcome, ReceiverError):
        return Reply(number, outcome.status, outcome.message.encode(), outcome.code)
    return Reply(number, 0, outcome.message.encode() if isinstance(outcome, OvertError) else b"the receiver failed")


def settle(future: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    """Tell who waits, if anyone still does; what was done stands."""
    if future.done():
        return
    if isinstance(outcome, Answer):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)


def _outcome(reply: Reply) -> Answer | Exception:
    if reply.code:
        return ReceiverError(reply.body.decode(), status=reply.status, code=reply.code)
    if reply.status == 0:
        return StoreUnwritable(reply.body.decode())
    return Answer(Outcome(reply.status), reply.body)


_ENCODER = msgspec.msgpack.Encoder()
_HEADS = msgspec.msgpack.Decoder(tuple[int, Participant, int, int, RequestProof, int | None, int])
_REPLIES = msgspec.msgpack.Decoder(list[Reply])


def default_workers() -> int:
    """Say how many workers a server starts: one for each processor; more make smaller batches, and so more fsyncs."""
    # Windows has no socket pairs that a child can inherit as its input.
    return 0 if os.name == "nt" else min(8, os.cpu_count() or 1)
