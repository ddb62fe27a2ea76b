"""The journal: pending events in small encrypted chunks, one row per group commit. Each method runs in a transaction.

A session's chunks lie under a pending key. Sealing takes the chunks away, puts what is left under a new key, and
destroys the old one. Small chunks are merged as they pile up, so that pending events stay small.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from event_model.admission import PendingBatch
from event_model.errors import DecryptError, SegmentError, StoreConflict
from event_model.events import Event
from event_model.ids import SessionId
from event_model.keys import Secret
from event_model.segment import MAX_SEGMENT_EVENTS, decode_events, encode_events
from local_store import vault
from local_store.forgetting import fill_holes
from local_store.model import Damage
from local_store.sessions import Keys, SessionRow, get_session

INDEX_BITS = 32
"""A session has fewer events than that: at 100 a second it would last a year and four months."""

MERGE_EVENTS = 1024
"""So many events in small chunks are put into one: at that size the columns cost little more than in a segment."""

MERGE_ROWS = 256
"""So many small chunks are put into one, however few events they hold."""

REKEY_EVENTS = MAX_SEGMENT_EVENTS
"""What is left after sealing is put under a new key at once if it is no more than this; else when it is sealed."""


_Key = tuple[int, Secret]
"""A key's row number, and the key."""

_Span = tuple[int, int]
"""First index and count."""


class Stored(msgspec.Struct, frozen=True):
    """What of a session is pending: events from the first index on, with gaps for what is damaged."""

    events: tuple[Event, ...]
    next_index: int
    damaged: tuple[Damage, ...]


class Chunk(msgspec.Struct, frozen=True):
    """One row's events; ``None`` if it is damaged."""

    first: int
    count: int
    events: tuple[Event, ...] | None


class _Chunk(msgspec.Struct, frozen=True):
    first: int
    count: int
    key: int
    body: bytes


class _Tail:
    """What the writer of a session remembers, so that an append reads almost nothing."""

    __slots__ = ("events", "key", "key_no", "revision", "rows")

    def __init__(self, key_no: int, key: Secret, revision: int) -> None:
        self.key_no = key_no
        self.key = key
        self.revision = revision
        self.rows = 0
        self.events: list[Event] = []


class Journal:
    """The journal rows of all sessions, and what this process remembers of those it writes."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._tails: dict[SessionId, _Tail] = {}

    def drop_memory(self) -> None:
        """Forget what is remembered: after a transaction that did not happen."""
        self._tails.clear()

    def append(self, connection: sqlite3.Connection, batch: PendingBatch, encoded: bytes) -> None:
        """Add a chunk. StoreConflict: if it does not follow what is there, or its session is another's or over."""
        row = get_session(connection, batch.session)
        self._check(connection, row, batch)
        tail = self._tail(connection, row)
        small = len(batch.events) < MERGE_EVENTS // 2
        if not small or len(tail.events) + len(batch.events) > MERGE_EVENTS or tail.rows >= MERGE_ROWS:
            self._merge(connection, row, tail)
        self._insert(connection, row, (tail.key_no, tail.key), (batch.first_index, len(batch.events)), encoded)
        if small:
            tail.rows += 1
            tail.events.extend(batch.events)

    def next_index(self, connection: sqlite3.Connection, row: SessionRow) -> int:
        """One past the session's last durable event."""
        last = connection.execute(
            "SELECT place, count FROM journal WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1", _span(row)
        ).fetchone()
        return row.sealed if last is None else _index(last[0]) + int(last[1])

    def read(self, connection: sqlite3.Connection, row: SessionRow, upto: int | None = None) -> Stored:
        """Give what is pending below ``upto``; damaged chunks are reported, and gaps stand in their place."""
        end = self.next_index(connection, row)
        upto = end if upto is None else min(upto, end)
        chunks: list[tuple[Event, ...]] = []
        damaged: list[Damage] = []
        for chunk in self._chunks(connection, row):
            if chunk.first >= upto:
                break
            try:
                chunks.append(self._open(connection, row, chunk))
            except (DecryptError, SegmentError) as error:
                damaged.append(Damage("journal", row.study, row.session, chunk.first, chunk.count, error.message))
        events = fill_holes(chunks, start=row.sealed, end=upto, wall_ms=row.begun_ms)
        return Stored(tuple(each for each in events if each.index < upto), end, tuple(damaged))

    def settle(self, connection: sqlite3.Connection, row: SessionRow, upto: int) -> None:
        """Take away what is below ``upto``: it lies in a segment now. ``row`` is as before the sealing."""
        end = self.next_index(connection, row)
        if end - upto > REKEY_EVENTS:
            self._cut(connection, row, upto)
            self._tails.pop(row.session, None)
            return
        rest = self.read(connection, row).events
        self.replace(connection, row, tuple(event for event in rest if event.index >= upto))

    def chunk(self, connection: sqlite3.Connection, row: SessionRow, index: int) -> Chunk | None:
        """Give the first chunk that begins at ``index`` or beyond; its events are ``None`` if it is damaged."""
        found = connection.execute(
            "SELECT place, count, key, body FROM journal WHERE place BETWEEN ? AND ? ORDER BY place LIMIT 1",
            (_place(row, index), _span(row)[1]),
        ).fetchone()
        if found is None:
            return None
        chunk = _Chunk(_index(found[0]), *found[1:])
        try:
            return Chunk(chunk.first, chunk.count, self._open(connection, row, chunk))
        except (DecryptError, SegmentError):
            return Chunk(chunk.first, chunk.count, None)

    def rewrite(self, connection: sqlite3.Connection, row: SessionRow, events: tuple[Event, ...]) -> None:
        """Put other events in the place of one chunk, under a new key."""
        connection.execute("DELETE FROM journal WHERE place = ?", (_place(row, events[0].index),))
        key = self._keys.add_pending(connection, row)
        self._insert(connection, row, key, (events[0].index, len(events)), encode_events(events))

    def replace(self, connection: sqlite3.Connection, row: SessionRow, events: Sequence[Event]) -> None:
        """Put events in the place of all that is pending, under a new key; the old keys are destroyed."""
        self._tails.pop(row.session, None)
        connection.execute("DELETE FROM journal WHERE place BETWEEN ? AND ?", _span(row))
        connection.execute("DELETE FROM keys WHERE session = ?", (row.no,))
        if events:
            key = self._keys.add_pending(connection, row)
            for start in range(0, len(events), MAX_SEGMENT_EVENTS):
                part = events[start : start + MAX_SEGMENT_EVENTS]
                self._insert(connection, row, key, (part[0].index, len(part)), encode_events(part))

    def _cut(self, connection: sqlite3.Connection, row: SessionRow, upto: int) -> None:
        """Take away what is below ``upto`` and rewrite the chunk that lies across; the rest keeps its key."""
        for chunk in self._chunks(connection, row):
            if chunk.first >= upto:
                break
            events: tuple[Event, ...] = ()
            if chunk.first + chunk.count > upto:
                whole = self._open_or_gaps(connection, row, chunk)
                events = whole[upto - chunk.first :]
            connection.execute("DELETE FROM journal WHERE place = ?", (_place(row, chunk.first),))
            if events:
                key = (chunk.key, self._keys.get(connection, chunk.key))
                self._insert(connection, row, key, (upto, len(events)), encode_events(events))
        connection.execute(
            "DELETE FROM keys WHERE session = ? AND no NOT IN (SELECT key FROM journal WHERE place BETWEEN ? AND ?)",
            (row.no, *_span(row)),
        )

    def _check(self, connection: sqlite3.Connection, row: SessionRow, batch: PendingBatch) -> None:
        if row.study != batch.study or row.source != batch.source or row.ended:
            raise StoreConflict("this session is over, or belongs to another study or source", code="session-other")
        if not row.consent_record:
            connection.execute("UPDATE sessions SET consent_record = ? WHERE no = ?", (batch.consent_record, row.no))
        elif row.consent_record != batch.consent_record:
            raise StoreConflict("a session has one consent record", code="session-other")
        expected = self.next_index(connection, row)
        if batch.first_index != expected or batch.next_index - batch.first_index != len(batch.events):
            raise StoreConflict(f"the session's next event is {expected}, not {batch.first_index}")

    def _tail(self, connection: sqlite3.Connection, row: SessionRow) -> _Tail:
        tail = self._tails.get(row.session)
        if tail is None or tail.revision != row.revision:
            tail = _Tail(*self._keys.add_pending(connection, row), row.revision)
            self._tails[row.session] = tail
        return tail

    def _merge(self, connection: sqlite3.Connection, row: SessionRow, tail: _Tail) -> None:
        if tail.rows > 1:
            first, count = tail.events[0].index, len(tail.events)
            connection.execute(
                "DELETE FROM journal WHERE place BETWEEN ? AND ?",
                (_place(row, first), _place(row, first + count - 1)),
            )
            self._insert(connection, row, (tail.key_no, tail.key), (first, count), encode_events(tail.events))
        tail.rows = 0
        tail.events = []

    def _insert(self, connection: sqlite3.Connection, row: SessionRow, key: _Key, span: _Span, encoded: bytes) -> None:
        first, count = span
        body = vault.seal_chunk(key[1], encoded, _about(row, first, count), self._keys.random)
        connection.execute(
            "INSERT INTO journal (place, count, key, body) VALUES (?, ?, ?, ?)",
            (_place(row, first), count, key[0], body),
        )

    def _chunks(self, connection: sqlite3.Connection, row: SessionRow) -> list[_Chunk]:
        rows = connection.execute(
            "SELECT place, count, key, body FROM journal WHERE place BETWEEN ? AND ? ORDER BY place", _span(row)
        )
        return [_Chunk(_index(place), count, key, body) for place, count, key, body in rows]

    def _open_or_gaps(self, connection: sqlite3.Connection, row: SessionRow, chunk: _Chunk) -> tuple[Event, ...]:
        try:
            return self._open(connection, row, chunk)
        except (DecryptError, SegmentError):
            return fill_holes([], start=chunk.first, end=chunk.first + chunk.count, wall_ms=row.begun_ms)

    def _open(self, connection: sqlite3.Connection, row: SessionRow, chunk: _Chunk) -> tuple[Event, ...]:
        key = self._keys.get(connection, chunk.key)
        events = decode_events(vault.open_chunk(key, chunk.body, _about(row, chunk.first, chunk.count)))
        if len(events) != chunk.count or events[0].index != chunk.first:
            raise SegmentError("a journal chunk that is not what its row says")
        return events


def _place(row: SessionRow, index: int) -> int:
    return row.no << INDEX_BITS | index


def _index(place: int) -> int:
    return place & ((1 << INDEX_BITS) - 1)


def _span(row: SessionRow) -> tuple[int, int]:
    return _place(row, 0), _place(row, (1 << INDEX_BITS) - 1)


def _about(row: SessionRow, first: int, count: int) -> bytes:
    return f"overt journal 1|{row.study}|{row.session}|{first}|{count}".encode()
