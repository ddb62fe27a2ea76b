"""A process that stores segments and does nothing else; the server hands it uploads over its standard input's socket.

Their bodies lie in memory that both share (see ``shared_bodies``); the command line names its descriptor. It ends when
that socket does: with the server, however that ended.
"""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys

import msgspec

from consent_ledger.manifest import read_manifest
from event_model.clock import SystemClock
from event_model.keys import Secret, SigningKey
from ingest_server.answers import Outcome
from ingest_server.intake import BUFFER_BYTES, LENGTH_BYTES, READY, Reply, framed, read_upload, reply_of
from ingest_server.segments import TOGETHER, SegmentStore
from ingest_server.service import recipients_of
from ingest_server.shared_bodies import SharedReader
from ingest_server.stores import StoreSettings


class WorkerSpec(msgspec.Struct, frozen=True):
    """What a worker needs to know; it never stands on a command line, since it holds the receipts' key."""

    stores: StoreSettings
    studies: tuple[bytes, ...]
    key_seed: bytes


class _Inbox:
    """Whole messages out of a socket."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._buffer = bytearray()
        self._at = 0

    def one(self) -> bytes | None:
        """Wait for a message; None at the end."""
        while (message := self._next()) is None:
            if not self._more():
                return None
        return message

    def waiting(self) -> bytes | None:
        """Give a message that is here already."""
        while (message := self._next()) is None:
            if not select.select([self._source], [], [], 0)[0] or not self._more():
                return None
        return message

    def _more(self) -> bool:
        try:
            data = self._source.recv(BUFFER_BYTES)
        except ConnectionResetError:  # The server was killed while answers for it were under way.
            return False
        self._buffer += data
        return bool(data)

    def _next(self) -> bytes | None:
        start = self._at + LENGTH_BYTES
        end = start + int.from_bytes(self._buffer[self._at : start], "big")
        if len(self._buffer) < start or len(self._buffer) < end:
            if self._at:
                del self._buffer[: self._at]
                self._at = 0
            return None
        self._at = end
        return bytes(memoryview(self._buffer)[start:end])


def settle_memory() -> None:
    """Let the garbage collector pass over what was loaded at the start: it would look at all of it again and again."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Work until the server is gone."""
    # The terminal's Ctrl-C goes to all, and so does a service manager's SIGTERM; the server says when it is over.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    server = socket.socket(fileno=sys.stdin.fileno())
    server.setblocking(True)  # noqa: FBT003 - the socket's own name for it
    shared = SharedReader(int(sys.argv[1])) if len(sys.argv) > 1 else None
    inbox = _Inbox(server)
    first = inbox.one()
    if first is None:
        return
    spec = msgspec.msgpack.decode(first, type=WorkerSpec)
    objects, metadata = spec.stores.open()
    manifests = [read_manifest(each) for each in spec.studies]
    key = SigningKey(Secret(spec.key_seed))
    store = SegmentStore(recipients_of(manifests), key=key, objects=objects, metadata=metadata, clock=SystemClock())
    settle_memory()
    server.sendall(framed(msgspec.msgpack.encode([Reply(READY, Outcome.CREATED.value)])))
    while (message := inbox.one()) is not None:
        batch = [read_upload(message, shared)]
        while len(batch) < TOGETHER and (message := inbox.waiting()) is not None:
            batch.append(read_upload(message, shared))
        outcomes = store.take([upload for _, upload in batch])
        replies = [reply_of(number, outcome) for (number, _), outcome in zip(batch, outcomes, strict=True)]
        try:
            server.sendall(framed(msgspec.msgpack.encode(replies)))
        except OSError:  # The server is gone; what was stored stands.
            break
    metadata.close()


if __name__ == "__main__":
    main()
