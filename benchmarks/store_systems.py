"""What is compared: ours, SQLite rows, SQLCipher rows, JSON lines. Each commit is durable before ``append`` returns.

The rows of SQLite and SQLCipher are committed in a write-ahead log with ``synchronous=FULL``, which is the fastest of
their durable ways; they, and the lines, are written without a thread between, as the simplest program would.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import zstandard
from sqlcipher3 import dbapi2 as sqlcipher  # type: ignore[import-untyped, unused-ignore]

from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import SystemClock
from event_model.events import DocumentEdit, Event, Origin
from event_model.ids import DocumentId, Pseudonym, RecordId, SessionId, StudyId
from event_model.keys import Secret
from event_model.levels import Level
from event_model.segment import MAX_SEGMENT_EVENTS
from local_store.custody import DeviceKeys
from local_store.store import Store
from overt.demo.trace import Trace

FILL_EVENTS = 1000
ZSTD_LEVEL = 3


class Size(NamedTuple):
    """Bytes of the events themselves, as kept, and of the files that hold them."""

    content: int
    on_disk: int


class System(Protocol):
    """One way to keep events."""

    async def open(self) -> None:
        """Open what is there, or make it."""

    async def append(self, events: Sequence[Event]) -> None:
        """Write events, durable on return."""

    async def fill(self, events: Sequence[Event]) -> None:
        """Write many events, as they lie when some time has passed."""

    async def settle(self) -> None:
        """Bring everything into the form in which it stays."""

    async def size_bytes(self) -> Size:
        """Say how much is kept."""
        ...

    async def close(self) -> None:
        """Close it."""


def trace_events(trace: Trace) -> list[Event]:
    """Turn a trace into the events that capturing it gives; a trace without times is replayed, all at once."""
    events: list[Event] = []
    wall = 1_700_000_000_000
    for transaction in trace.txns:
        now = _wall_ms(transaction.time) if transaction.time else wall
        for position, deleted, inserted in transaction.patches:
            delta = max(0, now - wall) if events else 0
            body = DocumentEdit(DocumentId(1), position, deleted, inserted, Origin.TYPED, 90)
            events.append(Event(len(events), now, delta, Level.CONTENT, body))
            wall = now
    return events


def _wall_ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)


class Overt:
    """Our store: encrypted, with the journal, and segments when settled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session: SessionId | None = None
        self._next = self._sealed = 0

    async def open(self) -> None:
        """Open the store."""
        keys = DeviceKeys(Secret(bytes(32)), Secret(b"1" * 32), "file")
        self._store = await Store.open(self._folder, keys, clock=SystemClock())

    async def append(self, events: Sequence[Event]) -> None:
        """Append to the journal, as the gate does."""
        if events:
            if self._session is None:
                self._session = SessionId(os.urandom(16).hex())
                self._next = self._sealed = 0
                await self._store.begin_session(study=_STUDY, session=self._session, source="lsp")
            events = self._numbered(events)
            self._next = events[-1].index + 1
            await self._store.append(PendingBatch(STAMP, **self._whose(), events=tuple(events)))

    async def fill(self, events: Sequence[Event]) -> None:
        """Append and seal as it goes."""
        for start in range(0, len(events), FILL_EVENTS):
            await self.append(events[start : start + FILL_EVENTS])
            if self._next - self._sealed >= MAX_SEGMENT_EVENTS:
                await self._seal()
        await self.settle()

    async def settle(self) -> None:
        """Seal everything, and end the session, as when an editor is closed."""
        while self._sealed < self._next:
            await self._seal()
        if self._session is not None:
            await self._store.end_session(self._session)
            self._session = None

    async def size_bytes(self) -> Size:
        """Count the bodies of segments and chunks, and the whole database."""
        with contextlib.closing(sqlite3.connect(self._folder / "store" / "overt.sqlite3")) as connection:
            (bodies,) = connection.execute(
                "SELECT ifnull((SELECT sum(length(body)) FROM segments), 0)"
                " + ifnull((SELECT sum(length(body)) FROM journal), 0)"
            ).fetchone()
        tails = sum(path.stat().st_size for path in (self._folder / "store" / "pending").iterdir())
        return Size(bodies + tails, await self._store.size_bytes())

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def _seal(self) -> None:
        assert self._session is not None
        upto = min(self._next, self._sealed + MAX_SEGMENT_EVENTS)
        events = await self._store.pending(self._session, upto)
        batch = MaskedBatch(STAMP, **self._whose(), events=events, masks=(), findings=())
        await self._store.seal(batch, study_version=1, pseudonym=Pseudonym("d" * 32))
        self._sealed = upto

    def _whose(self) -> dict[str, Any]:
        return {"study": _STUDY, "session": self._session, "source": "lsp", "consent_record": RecordId("c" * 32)}

    def _numbered(self, events: Sequence[Event]) -> Sequence[Event]:
        if events[0].index == self._next:
            return events
        return [msgspec.structs.replace(event, index=self._next + place) for place, event in enumerate(events)]


class _Rows(ABC):
    """One row for each event."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "events.sqlite3"

    @abstractmethod
    def _connect(self) -> Any: ...

    async def open(self) -> None:
        """Open the database and make its table."""
        self._connection = self._connect()
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            (
                "CREATE TABLE IF NOT EXISTS events (no INTEGER PRIMARY KEY, wall_ms INTEGER, delta_ms INTEGER,"
                " level TEXT, kind TEXT, document INTEGER, position INTEGER, deleted INTEGER, inserted TEXT,"
                " origin TEXT, confidence INTEGER, joined INTEGER)"
            ),
        ):
            self._connection.execute(statement)

    async def append(self, events: Sequence[Event]) -> None:
        """Insert rows in one transaction."""
        rows = [_row(event) for event in events]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO events (wall_ms, delta_ms, level, kind, document, position, deleted, inserted, origin,"
            " confidence, joined) VALUES (?, ?, ?, 'document.edit', ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._connection.execute("COMMIT")

    async def fill(self, events: Sequence[Event]) -> None:
        """Insert them all in one transaction."""
        await self.append(events)

    async def settle(self) -> None:
        """Bring the log into the database."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    async def size_bytes(self) -> Size:
        """Count the database file, with everything in it."""
        await self.settle()
        size = self._path.stat().st_size
        return Size(size, size)

    async def close(self) -> None:
        """Close the database."""
        self._connection.close()


class SqliteRows(_Rows):
    """Plain, unencrypted rows, with the SQLite that Python brings."""

    def _connect(self) -> Any:
        return sqlite3.connect(self._path, isolation_level=None)


class SqlcipherRows(_Rows):
    """The same rows, encrypted page by page under a raw key."""

    def _connect(self) -> Any:
        connection = sqlcipher.connect(str(self._path), isolation_level=None)
        connection.execute(f"PRAGMA key = \"x'{bytes(32).hex()}'\"")
        return connection


class JsonLines:
    """One JSON object per line in a zstd stream that is flushed and synced at each commit; not encrypted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "events.jsonl.zst"

    async def open(self) -> None:
        """Open the file for appending a frame."""
        self._file = self._path.open("ab", buffering=0)
        self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    async def append(self, events: Sequence[Event]) -> None:
        """Write lines, flush the stream, sync."""
        lines = b"".join(_ENCODER.encode(event) + b"\n" for event in events)
        block = self._stream.compress(lines) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        self._file.write(block)
        os.fdatasync(self._file.fileno())

    async def fill(self, events: Sequence[Event]) -> None:
        """Write all lines in one block."""
        await self.append(events)

    async def settle(self) -> None:
        """End the frame; the lines stay as they are."""
        self._file.write(self._stream.flush())
        self._stream = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    async def size_bytes(self) -> Size:
        """Count the file."""
        size = self._path.stat().st_size
        return Size(size, size)

    async def close(self) -> None:
        """End the frame and close the file."""
        await self.settle()
        self._file.close()


SYSTEMS: dict[str, Callable[[Path], System]] = {
    "overt": Overt,
    "sqlite": SqliteRows,
    "sqlcipher": SqlcipherRows,
    "jsonl_zstd": JsonLines,
}

_STUDY = StudyId("benchmark")
_ENCODER = msgspec.json.Encoder()


def _row(event: Event) -> tuple[Any, ...]:
    body = event.body
    assert isinstance(body, DocumentEdit)
    return (
        event.wall_ms, event.delta_ms, event.level.value, body.document, body.position, body.deleted, body.inserted,
        body.origin.value, body.confidence, body.joined,
    )  # fmt: skip
