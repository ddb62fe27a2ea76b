"""The journal: pending events in encrypted chunks, one per group commit. Each method runs in a transaction.

A session's chunks lie under a pending key. Sealing takes the chunks away, puts what is left under a new key, and
destroys the old one. The newest chunks stand in a file (see ``tail``), the others in rows: ``extend`` alone writes to
the file, outside of any transaction; whatever changes rows calls ``gather`` first, which brings the file's chunks
in. As they pile up, the writer merges them into one row, so that pending events stay small.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from event_model.admission import PendingBatch
from event_model.errors import DecryptError, SegmentError, StoreConflict, StoreDamaged
from event_model.event_rows import encode_rows
from event_model.events import Event
from event_model.ids import SessionId, StudyId
from event_model.keys import Secret
from event_model.segment import decode_events, encode_events
from local_store import vault
from local_store.files import unwritable
from local_store.forgetting import fill_holes
from local_store.high_water import SUFFIX as MARK_SUFFIX
from local_store.high_water import Mark, mark_path, read_mark
from local_store.model import INDEX_BITS, Damage
from local_store.sessions import Keys, SessionRow, all_sessions, get_session, rotten
from local_store.tail import NEW_SUFFIX, TailChunk, TailFile, read_chunks

MERGE_EVENTS = 4096
"""So many events in small chunks are put into one: at that size the columns cost little more than in a segment."""

MERGE_BYTES = 96 * 1024
"""What a session's file holds at most: the reserve is room enough to bring it into rows when the disk is full."""

MERGE_CHUNKS = 1024
"""So many small chunks are put into one, however few events they hold."""

MAX_PENDING = 1 << 21
"""More events than this no session has pending, a day at 24 a second: a row that says so rotted, and is passed over."""

_CREDIBLE = "WHERE place BETWEEN ? AND ? AND count BETWEEN 1 AND ?"

_SUFFIX = ".tail"

REKEY_EVENTS = 8192
"""What is left after sealing is put under a new key at once if it is no more than this; else when it is sealed."""


_Key = tuple[int, Secret]
"""A key's row number, and the key."""


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
    """What the writer of a session remembers, so that an append reads nothing."""

    __slots__ = ("batch", "chunks", "cipher", "events", "file", "key", "key_no", "row", "size")

    def __init__(self, row: SessionRow, key_no: int, key: Secret) -> None:
        self.row = row
        self.key_no = key_no
        self.key = key
        self.cipher = vault.chunk_cipher(key)
        self.file: TailFile | None = None
        self.batch: PendingBatch | None = None
        self.chunks = 0
        self.size = 0
        self.events: list[Event] = []

    def follows(self, batch: PendingBatch) -> bool:
        """Say whether a batch is the session's next, and of the same study, source and consent as the last."""
        last = self.batch
        return (
            last is not None
            and (batch.study, batch.source, batch.consent_record) == (last.study, last.source, last.consent_record)
            and batch.first_index == last.next_index
            and batch.next_index - batch.first_index == len(batch.events)
        )

    def has_room(self, batch: PendingBatch) -> bool:
        """Say whether the file takes so many events."""
        return self.chunks < MERGE_CHUNKS and len(self.events) + len(batch.events) <= MERGE_EVENTS

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


class Journal:
    """The chunks of all sessions, and what this process remembers of those it writes."""

    def __init__(self, keys: Keys, folder: Path) -> None:
        self._keys = keys
        self._folder = folder
        self._tails: dict[SessionId, _Tail] = {}
        self._revisions: dict[SessionId, int] = {}
        """Of the sessions that this process writes: as they were when it last appended."""
        self._gathered: dict[SessionId, TailFile | None] = {}
        """In the current transaction: the sessions whose chunks all stand in rows, and their files, which are held."""
        self.sync_s = float("inf")
        """How long the last commit to a file took."""
        self._over: set[SessionId] = set()
        """In the current transaction: the sessions whose files go."""

    def done(self) -> None:
        """Empty the files whose chunks were brought in: after a transaction that is durable."""
        for session, file in self._gathered.items():
            tail = self._tails.get(session)
            if tail is not None:
                self._begin_file(session, file, tail)
                continue
            if file is not None:
                with contextlib.suppress(OSError):  # what is in it stands in rows, too, and is passed over
                    file.empty()
                file.close()
            if session in self._over:
                _unlink(self._path(session))
                _unlink(mark_path(self._path(session)))
        self._gathered.clear()
        self._over.clear()

    def undone(self) -> None:
        """Forget what is remembered: after a transaction that did not happen."""
        for file in self._gathered.values():
            if file is not None:
                file.close()
        self._gathered.clear()
        self._over.clear()
        self.close()

    def close(self) -> None:
        """Close all files."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    def extend(
        self, batch: PendingBatch, permitted: Callable[[], bool] | None = None, *, wait: bool = True
    ) -> bool | None:
        """Add a chunk to the session's file, durable on return, outside of any transaction.

        ``permitted`` is asked while the file is held. False: if it says no. ``None``: if the chunk must go into the
        rows; nothing was done then. StoreUnwritable: if the disk is full or gives errors. SegmentError: if an event
        is outside the schema. BlockingIOError: if another process holds the file, and this is not to ``wait`` for it.
        """
        tail = self._tails.get(batch.session)
        if tail is None or tail.file is None or not (tail.follows(batch) and tail.has_room(batch)):
            return None
        file, count, encoded = tail.file, len(batch.events), encode_rows(batch.events)
        if tail.size + len(encoded) > MERGE_BYTES:
            return None
        body = vault.seal_chunk(tail.cipher, encoded, _about(tail.row, batch.first_index, count), self._keys.random)
        try:
            file.hold(wait=wait)
            try:
                if not file.stands():
                    return None
                if permitted is not None and not permitted():
                    return False
                began = time.perf_counter()
                file.append(batch.first_index, count, body)
                self.sync_s = time.perf_counter() - began
            finally:
                file.let_go()
        except BlockingIOError:
            raise
        except OSError as error:
            raise unwritable("the journal", error) from error
        tail.batch = batch
        tail.chunks += 1
        tail.size += len(body)
        tail.events.extend(batch.events)
        return True

    def append(self, connection: sqlite3.Connection, batch: PendingBatch) -> None:
        """Add a row, behind what the file holds or together with it; the next chunks can go into the file.

        StoreConflict: if it does not follow what is there, if its session is another's or over, or if another process
        forgot some of the session's events. SegmentError: if an event is outside the schema, or it holds too many for
        one row.
        """
        row = get_session(connection, batch.session)
        if self.was_revised(row):
            raise StoreConflict("events of this session were forgotten", code="forgotten-meanwhile")
        self._revisions[row.session] = row.revision
        if not self._gather(connection, row, batch):
            self._check(connection, row, batch)
            tail = self._tail(connection, row)
            self._insert(connection, row, (tail.key_no, tail.key), batch.events)
        self._tails[row.session].batch = batch

    def was_revised(self, row: SessionRow) -> bool:
        """Say whether events were forgotten by others since this process last appended."""
        return self._revisions.get(row.session, row.revision) != row.revision

    def accept_revision(self, session: SessionId) -> None:
        """Go on writing a session of which this process itself forgot events."""
        self._revisions.pop(session, None)

    def gather(self, connection: sqlite3.Connection, row: SessionRow) -> None:
        """Bring the chunks of a session's file into rows, and keep its writer waiting until the transaction is over.

        StoreUnwritable: if the file can't be used.
        """
        self._gather(connection, row)

    def _gather(self, connection: sqlite3.Connection, row: SessionRow, batch: PendingBatch | None = None) -> bool:
        """Do it; say whether the batch that comes next went into the same row."""
        if row.session in self._gathered:
            return False
        together = False
        try:
            file = self._hold(row.session)
            base = self._rows_end(connection, row)
            if file is None:
                self._bring_in(connection, row, [], base)
                return False
            tail = self._tails.get(row.session)
            if tail is not None and tail.events and tail.events[0].index == base and file.stands():
                together = batch is not None and tail.follows(batch) and len(batch.events) < MERGE_EVENTS
                events = [*tail.events, *batch.events] if together and batch is not None else tail.events
                self._insert(connection, row, (tail.key_no, tail.key), events)
            else:
                self._bring_in(connection, row, file.chunks(), base)
            if tail is not None:
                tail.events, tail.chunks, tail.size = [], 0, 0
            file.spoil()
        except OSError as error:
            raise unwritable("the journal", error) from error
        return together

    def end(self, session: SessionId) -> None:
        """Remove a session's file when the transaction is through; its chunks were brought in before."""
        self._gathered.setdefault(session, None)
        self._tails.pop(session, None)
        self._revisions.pop(session, None)
        self._over.add(session)

    def abandon(self, connection: sqlite3.Connection, study: StudyId) -> None:
        """Remove the files of a study when the transaction is through, unread; their writers stop before that."""
        for row in all_sessions(connection, open_only=True):
            if row.study == study:
                with contextlib.suppress(OSError):  # then it is removed below all the same
                    file = self._hold(row.session)
                    if file is not None:
                        file.spoil()
                self.end(row.session)

    def sweep(self, connection: sqlite3.Connection) -> None:
        """Remove the files of sessions that are over or forgotten; runs in a reading transaction."""
        with contextlib.suppress(OSError):  # then they are swept another time
            # In this order: a session's row is there before its file.
            files = [each for each in self._folder.iterdir() if each.suffix in {_SUFFIX, MARK_SUFFIX}]
            kept = {row.session for row in all_sessions(connection, open_only=True)} if files else set()
            for path in (*files, *self._folder.glob("*" + NEW_SUFFIX)):
                if path.suffix == NEW_SUFFIX or (path.stem not in kept and not self._has_key(connection, path.stem)):
                    _unlink(path)

    def _has_key(self, connection: sqlite3.Connection, session: str) -> bool:
        """Say whether a key is left of a session that seems to be over: then its row rotted. Its copy is asked."""
        found = connection.execute(
            "SELECT 1 FROM keys WHERE session IN"
            " (SELECT no FROM sessions INDEXED BY sessions_again WHERE session = ?) LIMIT 1",
            (session,),
        ).fetchone()
        return found is not None

    def next_index(self, connection: sqlite3.Connection, row: SessionRow) -> int:
        """One past the session's last durable event."""
        end = self._rows_end(connection, row)
        for chunk in self._in_file(connection, row, end):
            end = chunk.first + chunk.count
        return end

    def count(self, connection: sqlite3.Connection, row: SessionRow) -> int:
        """How many events are durable and not sealed."""
        return self.next_index(connection, row) - row.sealed

    def size_bytes(self) -> int:
        """Bytes of all files."""
        total = 0
        with contextlib.suppress(OSError):  # it may be gone by now
            for path in self._folder.glob("*" + _SUFFIX):
                total += path.stat().st_size
        return total

    def read(self, connection: sqlite3.Connection, row: SessionRow, upto: int | None = None) -> Stored:
        """Give what is pending below ``upto``; damaged chunks are reported, and gaps stand in their place."""
        found = self._chunks(connection, row)
        end = found[-1].first + found[-1].count if found else row.sealed
        upto = end if upto is None else min(upto, end)
        chunks: list[tuple[Event, ...]] = []
        damaged: list[Damage] = []
        for chunk in found:
            if chunk.count and chunk.first >= upto:
                break
            try:
                chunks.append(self._open(connection, row, chunk))
            except (DecryptError, SegmentError) as error:
                damaged.append(Damage("journal", row.study, row.session, chunk.first, chunk.count, error.message))
        events = fill_holes(chunks, start=row.sealed, end=upto, wall_ms=row.begun_ms)
        return Stored(tuple(each for each in events if each.index < upto), end, tuple(damaged))

    def settle(self, connection: sqlite3.Connection, row: SessionRow, upto: int) -> None:
        """Take away what is below ``upto``: it lies in a segment now. ``row`` is as before the sealing."""
        self.gather(connection, row)
        end = self.next_index(connection, row)
        if end - upto > REKEY_EVENTS:
            self._tails.pop(row.session, None)
            self._cut(connection, row, upto)
            return
        rest = self.read(connection, row).events
        self.replace(connection, row, tuple(event for event in rest if event.index >= upto))

    def chunk(self, connection: sqlite3.Connection, row: SessionRow, index: int) -> Chunk | None:
        """Give the first chunk that begins at ``index`` or beyond; its events are ``None`` if it is damaged."""
        self.gather(connection, row)
        found = connection.execute(
            "SELECT place, count, key, body FROM journal WHERE place BETWEEN ? AND ? ORDER BY place LIMIT 1",
            (_place(row, index), _span(row)[1]),
        ).fetchone()
        if found is None:
            return None
        chunk = _Chunk(_index(found[0]), *found[1:])
        if not 0 < chunk.count <= MAX_PENDING:
            return Chunk(chunk.first, 1, None)
        try:
            return Chunk(chunk.first, chunk.count, self._open(connection, row, chunk))
        except (DecryptError, SegmentError):
            return Chunk(chunk.first, chunk.count, None)

    def rewrite(self, connection: sqlite3.Connection, row: SessionRow, events: tuple[Event, ...]) -> None:
        """Put other events in the place of one chunk, under a new key."""
        connection.execute("DELETE FROM journal WHERE place = ?", (_place(row, events[0].index),))
        key = self._keys.add_pending(connection, row)
        self._insert(connection, row, key, events)

    def replace(self, connection: sqlite3.Connection, row: SessionRow, events: Sequence[Event]) -> None:
        """Put events in the place of all that is pending, under a new key; the old keys are destroyed."""
        self.gather(connection, row)
        self._tails.pop(row.session, None)
        connection.execute("DELETE FROM journal WHERE place BETWEEN ? AND ?", _span(row))
        connection.execute("DELETE FROM keys WHERE session = ?", (row.no,))
        if events:
            key = self._keys.add_pending(connection, row)
            for start in range(0, len(events), REKEY_EVENTS):
                self._insert(connection, row, key, events[start : start + REKEY_EVENTS])

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
                self._insert(connection, row, key, events)
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
        if tail is None or tail.row.revision != row.revision:
            tail = _Tail(row, *self._keys.add_pending(connection, row))
            self._tails[row.session] = tail
            self._gathered.setdefault(row.session, None)
        return tail

    def _hold(self, session: SessionId) -> TailFile | None:
        """Hold a session's file until the transaction is over; ``None`` if there is none."""
        tail = self._tails.get(session)
        file = tail.file if tail is not None else None
        file = file or TailFile.open(self._path(session))
        if file is not None:
            self._gathered[session] = file
            file.hold()
        return file

    def _begin_file(self, session: SessionId, file: TailFile | None, tail: _Tail) -> None:
        """Make a session's file ready for the next chunks; if it can't be, they go into rows."""
        tail.file = None
        try:
            file = file or TailFile.open(self._path(session)) or TailFile.create(self._path(session))
            file.begin(tail.key_no, 0 if tail.batch is None else tail.batch.next_index)
            file.let_go()
            tail.file = file
        except OSError:
            if file is not None:
                file.close()

    def _path(self, session: SessionId) -> Path:
        return self._folder / f"{session}{_SUFFIX}"

    def _put(self, connection: sqlite3.Connection, row: SessionRow, chunk: _Chunk) -> None:
        connection.execute(
            "INSERT INTO journal (place, count, key, body) VALUES (?, ?, ?, ?)",
            (_place(row, chunk.first), chunk.count, chunk.key, chunk.body),
        )

    def _insert(self, connection: sqlite3.Connection, row: SessionRow, key: _Key, events: Sequence[Event]) -> None:
        first, count = events[0].index, len(events)
        cipher = vault.chunk_cipher(key[1])
        body = vault.seal_chunk(cipher, encode_events(events), _about(row, first, count), self._keys.random)
        self._put(connection, row, _Chunk(first, count, key[0], body))

    def _rows_end(self, connection: sqlite3.Connection, row: SessionRow) -> int:
        last = connection.execute(
            f"SELECT place, count FROM journal {_CREDIBLE} ORDER BY place DESC LIMIT 1",  # noqa: S608 - a constant
            _credible(row),
        ).fetchone()
        return row.sealed if last is None else _index(last[0]) + int(last[1])

    def _bring_in(
        self, connection: sqlite3.Connection, row: SessionRow, chunks: Sequence[TailChunk], base: int
    ) -> None:
        """Put the chunks of a file that is held, or gone, into rows, and what it has lost as such."""
        mark, keys = self._mark(row), self._keys.pending(connection, row)
        for chunk in _follow(_measured(chunks, mark, keys), base):
            if chunk.count:
                self._put(connection, row, chunk)

    def _mark(self, row: SessionRow) -> Mark | None:
        return read_mark(mark_path(self._path(row.session)))

    def _in_file(self, connection: sqlite3.Connection, row: SessionRow, base: int) -> list[_Chunk]:
        """Give the chunks that stand in the session's file only."""
        if row.ended or row.session in self._gathered:
            return []
        mark = self._mark(row)  # first: what is added meanwhile is not missing
        keys = self._keys.pending(connection, row)
        try:
            return _follow(_measured(read_chunks(self._path(row.session)), mark, keys), base)
        except OSError as error:
            raise StoreDamaged(f"a file of the journal can't be read: {error.strerror}") from error

    def _chunks(self, connection: sqlite3.Connection, row: SessionRow) -> list[_Chunk]:
        rows = connection.execute(
            f"SELECT place, count, key, body FROM journal {_CREDIBLE} ORDER BY place",  # noqa: S608 - a constant
            _credible(row),
        )
        chunks = _follow([TailChunk(_index(place), count, key, body) for place, count, key, body in rows], row.sealed)
        base = chunks[-1].first + chunks[-1].count if chunks else row.sealed
        return chunks + self._in_file(connection, row, base)

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


def _measured(chunks: Sequence[TailChunk], mark: Mark | None, keys: Sequence[int]) -> Sequence[TailChunk]:
    """Hold a file's chunks against the mark: it says how many are missing at the end, where nothing else can.

    ``keys`` are the session's, in the order in which they were made. What a mark says of another was sealed, forgotten
    or written anew since. A file that names another lies under the mark's, or else the last.
    """
    mark = mark if mark is not None and mark.key in keys else None
    key = keys[-1] if mark is None and keys else 0 if mark is None else mark.key
    found = [each if each.key in keys else msgspec.structs.replace(each, key=key) for each in chunks]
    if mark is None:
        return found
    if found and not found[-1].body:
        found[-1] = TailChunk(-1, 0, key, b"")
    return [*found, TailChunk(mark.end, 0, key, b"")]


def _follow(chunks: Sequence[TailChunk], base: int) -> list[_Chunk]:
    """Give the chunks from ``base`` on, one after the other; what lies below stands in rows or a segment.

    One that is damaged may have no events: then nothing is known to be missing there.
    """
    found: list[_Chunk] = []
    for chunk in chunks:
        if chunk.first - base > MAX_PENDING:
            raise rotten("a session's row")
        if chunk.first > base:  # what was before it is damaged
            found.append(_Chunk(base, chunk.first - base, chunk.key, b""))
            base = chunk.first
        if chunk.first < 0 or (chunk.first == base and chunk.count):
            found.append(_Chunk(base, chunk.count, chunk.key, chunk.body))
            base += chunk.count
    return found


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):  # on Windows another process may have it open; it is swept later
        path.unlink()


def _place(row: SessionRow, index: int) -> int:
    return row.no << INDEX_BITS | index


def _index(place: int) -> int:
    return place & ((1 << INDEX_BITS) - 1)


def _span(row: SessionRow) -> tuple[int, int]:
    return _place(row, 0), _place(row, (1 << INDEX_BITS) - 1)


def _credible(row: SessionRow) -> tuple[int, int, int]:
    return _place(row, 0), _place(row, min(max(row.sealed, 0) + MAX_PENDING, (1 << INDEX_BITS) - 1)), MAX_PENDING


def _about(row: SessionRow, first: int, count: int) -> bytes:
    return f"overt journal 1|{row.study}|{row.session}|{first}|{count}".encode()
