"""The receiver's notes in SQLAlchemy Core: what is the same on every database."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from consent_ledger.record import ConsentState
from event_model.errors import StoreUnwritable
from event_model.ids import Pseudonym, RecordId, StudyId
from event_model.merkle import Node
from ingest_server import sql_log, tables
from ingest_server.engines import dispose
from ingest_server.group_commit import GroupCommit, GroupRead
from ingest_server.metadata import Claims
from ingest_server.prepared import DRIVER_ERRORS, Prepared
from ingest_server.rows import (
    ConsentRow,
    ConsentTerms,
    DeletionRow,
    Enrolment,
    LogRow,
    Participant,
    Place,
    SegmentRow,
    SegmentSave,
    Standing,
)

T = TypeVar("T")

CLAIM_STRIPES = 1024
"""Participants share this many claims: enough that two at a time rarely meet, few enough to be lock files."""

CLAIM_POLL_S = 0.005
"""How often somebody else's claim is looked at again; a claim lasts a few fsyncs, some 10 ms."""

CLAIM_THREADS = 4
"""How many claims are asked for at once by one process; each takes a millisecond, unless no connection is free."""

_METADATA_FAILED = "The receiver's database failed; see that it runs, has space and can be written."


class SqlMetadata(ABC):
    """Everything that a database's own way of claiming participants leaves over."""

    def __init__(self, engine: sql.Engine) -> None:
        """``engine`` must commit durably."""
        self._engine = engine
        self._stripes = _Stripes()
        # Threads of its own: who waits for a claim must not hold up who has one and needs a thread to end it.
        self._claiming = ThreadPoolExecutor(CLAIM_THREADS, thread_name_prefix="claims")
        self._writer = GroupCommit(lambda: writing(self._engine))
        self._reader = GroupRead(self._engine.connect)
        self._standing_query = Prepared(_STANDING_QUERY, engine.dialect)
        self._insert_segment = Prepared(_SEGMENT_INSERT, engine.dialect)

    def claim_free(self, participants: Sequence[Participant]) -> Claims:
        """Hold those that nobody else holds, across all replicas, without waiting for the others."""
        stripes = [claim_stripe(participant) for participant in participants]
        mine = [stripe for stripe in stripes if self._stripes.take(stripe)]
        taken: set[int] = set()
        try:
            with database_errors():
                taken, give_back = self._take(mine)
        finally:
            for stripe in mine:
                if stripe not in taken:
                    self._stripes.release(stripe)
        return _Held([stripe in taken for stripe in stripes], taken, self._stripes, give_back)

    @abstractmethod
    def _take(self, stripes: Sequence[int]) -> tuple[set[int], Callable[[], None]]:
        """Take those stripes that no other replica holds, and say how they are given back."""

    @asynccontextmanager
    async def claim(self, participant: Participant) -> AsyncIterator[None]:
        """Hold a participant for oneself, across all replicas."""
        while not (claims := await self._try_claim(participant)).free[0]:  # noqa: ASYNC110 - no event comes of a replica
            await asyncio.sleep(CLAIM_POLL_S)
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(claims.release))

    async def _try_claim(self, participant: Participant) -> Claims:
        attempt = asyncio.get_running_loop().run_in_executor(self._claiming, self.claim_free, [participant])
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            # The thread goes on: what it gets must not be held by a request that was given up.
            attempt.add_done_callback(_abandon)
            raise

    def standings(self, places: Sequence[Place]) -> list[Standing]:
        """Read what each of some segments is checked against."""
        if not places:
            return []
        named = [_place_values(place) for place in places]
        with database_errors(), closing(self._engine.raw_connection()) as connection:
            found = self._standing_query.rows_of_each(connection, named)
        return [_standing(place, rows) for place, rows in zip(places, found, strict=True)]

    async def consent(self, participant: Participant, record: RecordId) -> ConsentRow | None:
        """Read one consent record."""
        return await self._read(lambda connection: _consent(connection, participant, record))

    async def save_consent(self, participant: Participant, row: ConsentRow, entry: LogRow | None = None) -> None:
        """Keep a consent record, in place of an earlier state of it, and tell the log."""

        def change(connection: sql.Connection) -> None:
            table = tables.CONSENTS
            mine = _mine(table, participant)
            connection.execute(sql.delete(table).where(mine, table.c.record == row.record))
            connection.execute(sql.insert(table).values(**_consent_values(participant, row)))
            if row.state is ConsentState.WITHDRAWN:
                superseded = mine & (table.c.state == ConsentState.SUPERSEDED.value)
                connection.execute(sql.update(table).where(superseded).values(state=row.state.value))
            if entry is not None:
                self._append(connection, participant.study, entry)

        await self._write(change)

    def save_segments(self, saves: Sequence[SegmentSave]) -> list[StoreUnwritable | None]:
        """Keep rows of segments, durably, in one transaction; say of each what kept it from being written, or None."""
        try:
            with writing(self._engine) as connection:
                self._insert(connection, saves)
        except IntegrityError as error:  # One of them has a row already: which, shows when each is tried alone.
            if len(saves) == 1:
                return [_unwritable(error)]
            return [outcome for save in saves for outcome in self.save_segments([save])]
        except (OSError, SQLAlchemyError, *DRIVER_ERRORS) as error:
            return [_unwritable(error)] * len(saves)
        return [None] * len(saves)

    def _insert(self, connection: sql.Connection, saves: Sequence[SegmentSave]) -> None:
        table = tables.SEGMENTS
        for save in saves:
            if save.replaces:
                row = save.row
                same = _mine(table, save.participant) & (table.c.epoch == row.epoch) & (table.c.number == row.number)
                connection.execute(sql.delete(table).where(same, table.c.erased))
        self._insert_segment.run_each(connection, [_segment_values(save.participant, save.row) for save in saves])

    async def deletion(self, digest: str) -> DeletionRow | None:
        """Read how far a deletion request has come."""

        def read(connection: sql.Connection) -> DeletionRow | None:
            found = connection.execute(sql.select(tables.DELETIONS).where(tables.DELETIONS.c.digest == digest))
            row = found.mappings().first()
            return None if row is None else DeletionRow(row["digest"], row["segments_erased"], row["completed_ms"])

        return await self._read(read)

    async def bury_all(self, participant: Participant, digest: str, record: RecordId | None) -> int:
        """Begin a deletion of everything: no record is given any more, no segment row is left; says how many were."""

        def change(connection: sql.Connection) -> int:
            mine = _mine(tables.SEGMENTS, participant)
            stored = _count(connection, mine & ~tables.SEGMENTS.c.erased)
            connection.execute(sql.delete(tables.SEGMENTS).where(mine))
            withdrawn = sql.update(tables.CONSENTS).where(_mine(tables.CONSENTS, participant))
            connection.execute(withdrawn.values(state=ConsentState.WITHDRAWN.value))
            if record is not None and _consent(connection, participant, record) is None:
                row = ConsentRow(record, ConsentState.WITHDRAWN, study_version=0, expires_ms=0, document=b"")
                connection.execute(sql.insert(tables.CONSENTS).values(**_consent_values(participant, row)))
            _note_deletion(connection, participant, digest, stored)
            return stored

        return await self._write(change)

    async def bury(self, participant: Participant, digest: str, segments: Sequence[tuple[int, int]]) -> int:
        """Begin a deletion of single segments: each becomes a tombstone; says how many had been stored."""

        def change(connection: sql.Connection) -> int:
            stored = sum(_bury_one(connection, participant, epoch, number) for epoch, number in segments)
            _note_deletion(connection, participant, digest, stored)
            return stored

        return await self._write(change)

    async def complete_deletion(self, study: StudyId, digest: str, completed_ms: int, entry: LogRow) -> None:
        """Note that the objects of a deletion are gone, and tell the log."""
        done = sql.update(tables.DELETIONS).where(tables.DELETIONS.c.digest == digest)

        def change(connection: sql.Connection) -> None:
            connection.execute(done.values(completed_ms=completed_ms))
            self._append(connection, study, entry)

        await self._write(change)

    async def enrolments(self, participant: Participant, invitation: str | None) -> list[Enrolment]:
        """Read the invitations that a participant used, and the one named."""
        table = tables.ENROLMENTS
        named = (table.c.pseudonym == participant.pseudonym) | (table.c.invitation == (invitation or ""))
        query = sql.select(table).where(table.c.study == participant.study, named)

        def read(connection: sql.Connection) -> list[Enrolment]:
            found = connection.execute(query).mappings()
            return [Enrolment(row["invitation"], row["pseudonym"], bool(row["revoked"])) for row in found]

        return await self._read(read)

    async def enrol(self, participant: Participant, invitation: str) -> bool:
        """Note that a participant uses an invitation; says no if it was used or revoked before."""
        table = tables.ENROLMENTS
        same = (table.c.study == participant.study) & (table.c.invitation == invitation)
        values = {"invitation": invitation, "pseudonym": participant.pseudonym, "revoked": False}

        def change(connection: sql.Connection) -> bool:
            if connection.execute(sql.select(table.c.invitation).where(same)).first() is not None:
                return False
            connection.execute(sql.insert(table).values(study=participant.study, **values))
            return True

        try:
            return await self._writer.run(change)
        except IntegrityError:  # another replica was quicker
            return False
        except (OSError, SQLAlchemyError) as error:
            raise _unwritable(error) from error

    async def revoke(self, study: StudyId, invitations: Sequence[str], entry: Callable[[str, str], LogRow]) -> None:
        """Shut out who used one of these invitations: no record is given any more, and no other will be."""

        def change(connection: sql.Connection) -> None:
            whom = [(each, _revoke_one(connection, study, each)) for each in invitations]
            used = [(invitation, pseudonym) for invitation, pseudonym in whom if pseudonym]
            for invitation, pseudonym in used or whom[:1]:
                self._append(connection, study, entry(invitation, pseudonym))

        await self._write(change)

    async def participants(self, study: StudyId) -> list[Pseudonym]:
        """Name everyone who ever gave a consent record for a study."""
        table = tables.CONSENTS
        query = sql.select(table.c.pseudonym).where(table.c.study == study).distinct().order_by(table.c.pseudonym)
        return await self._read(lambda connection: [Pseudonym(each) for each in connection.execute(query).scalars()])

    async def live_segments(self, participant: Participant) -> list[tuple[SegmentRow, int | None]]:
        """Read the rows of what is kept of a participant, each with the study's version that it was captured under."""
        table, consents = tables.SEGMENTS, tables.CONSENTS
        same = (consents.c.study == table.c.study) & (consents.c.pseudonym == table.c.pseudonym)
        joined = table.outerjoin(consents, same & (consents.c.record == table.c.record))
        query = sql.select(table, consents.c.study_version).select_from(joined)
        query = query.where(_mine(table, participant), ~table.c.erased)

        def read(connection: sql.Connection) -> list[tuple[SegmentRow, int | None]]:
            return [(_segment_row(row), row["study_version"]) for row in connection.execute(query).mappings()]

        return await self._read(read)

    async def segments_received(self, participant: Participant, since_ms: int, until_ms: int) -> list[SegmentRow]:
        """Read the rows of what came of a participant from a moment up to another, tombstones included."""
        table = tables.SEGMENTS
        came = (table.c.received_ms >= since_ms) & (table.c.received_ms < until_ms) & (table.c.digest != "")
        query = sql.select(table).where(_mine(table, participant), came).order_by(table.c.epoch, table.c.number)
        return await self._read(lambda connection: [_segment_row(row) for row in connection.execute(query).mappings()])

    async def append_entry(self, study: StudyId, entry: LogRow) -> int:
        """Add an entry to a study's log and give its index; the same occasion is told once."""
        return await self._write(lambda connection: self._append(connection, study, entry))

    async def log_entries(self, study: StudyId, start: int, end: int) -> list[bytes]:
        """Read entries of a study's log from ``start`` up to ``end``."""
        return await self._read(lambda connection: sql_log.entries_of(connection, study, start, end))

    async def log_view(self, study: StudyId, view: Callable[[int, Node], T]) -> T:
        """Work out something from the size of a study's log and its complete nodes."""
        return await self._read(
            lambda connection: view(sql_log.size_of(connection, study), sql_log.node_reader(connection, study))
        )

    @abstractmethod
    async def finish_erasing(self) -> None:
        """Have rows overwritten that an earlier process erased and could not."""

    @property
    def erasing(self) -> bool:
        """Whether rows that were erased still lie in a file; a server's own log is its operator's."""
        return False

    def close(self) -> None:
        """Give back connections."""
        self._claiming.shutdown(wait=False)
        dispose(self._engine)

    def _append(self, connection: sql.Connection, study: StudyId, entry: LogRow) -> int:
        self._lock_logs(connection)
        return sql_log.append(connection, study, entry)

    @abstractmethod
    def _lock_logs(self, connection: sql.Connection) -> None:
        """Keep other replicas from appending until this transaction ends."""

    async def _read(self, query: Callable[[sql.Connection], T]) -> T:
        with database_errors():
            return await self._reader.run(query)

    async def _write(self, change: Callable[[sql.Connection], T]) -> T:
        with database_errors():
            return await self._writer.run(change)


@contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """Run a write transaction, committed at the end."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn whatever a database raises into StoreUnwritable."""
    try:
        yield
    except (OSError, SQLAlchemyError, *DRIVER_ERRORS) as error:
        raise _unwritable(error) from error


def _unwritable(error: Exception) -> StoreUnwritable:
    failure = StoreUnwritable("the receiver's database failed", hint=_METADATA_FAILED)
    failure.__cause__ = error
    return failure


class _Stripes:
    """Which claims are held within this process; from any thread."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def take(self, stripe: int) -> bool:
        with self._lock:
            if stripe in self._held:
                return False
            self._held.add(stripe)
            return True

    def release(self, stripe: int) -> None:
        with self._lock:
            self._held.discard(stripe)


class _Held:
    """Claims on several participants at once."""

    def __init__(
        self, free: Sequence[bool], taken: Iterable[int], stripes: _Stripes, give_back: Callable[[], None]
    ) -> None:
        self._free = free
        self._taken = tuple(taken)
        self._stripes = stripes
        self._give_back = give_back

    @property
    def free(self) -> Sequence[bool]:
        return self._free

    def release(self) -> None:
        try:
            self._give_back()
        finally:
            for stripe in self._taken:
                self._stripes.release(stripe)


def _abandon(attempt: asyncio.Future[Claims]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().release()


@lru_cache(maxsize=65_536)
def claim_stripe(participant: Participant) -> int:
    """Name the claim that a participant falls under."""
    digest = hashlib.sha256(f"{participant.study}/{participant.pseudonym}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % CLAIM_STRIPES


def _mine(table: sql.Table, participant: Participant) -> sql.ColumnElement[bool]:
    return (table.c.study == participant.study) & (table.c.pseudonym == participant.pseudonym)


def _consent(connection: sql.Connection, participant: Participant, record: RecordId) -> ConsentRow | None:
    table = tables.CONSENTS
    found = connection.execute(sql.select(table).where(_mine(table, participant), table.c.record == record))
    row = found.mappings().first()
    return None if row is None else _consent_row(row)


def _consent_row(row: sql.RowMapping) -> ConsentRow:
    state = ConsentState(row["state"])
    return ConsentRow(row["record"], state, row["study_version"], row["expires_ms"], bytes(row["document"]))


def _consent_values(participant: Participant, row: ConsentRow) -> dict[str, Any]:
    return {
        "study": participant.study,
        "pseudonym": participant.pseudonym,
        "record": row.record,
        "state": row.state.value,
        "study_version": row.study_version,
        "expires_ms": row.expires_ms,
        "document": row.document,
    }


def _segment_row(row: sql.RowMapping) -> SegmentRow:
    return _segment_of([row[name] for name in SegmentRow.__struct_fields__])


def _segment_of(values: Sequence[Any]) -> SegmentRow:
    typed = [*values[:-1], bool(values[-1])]
    return SegmentRow(*typed)


def _place_values(place: Place) -> dict[str, Any]:
    mine = place.participant
    return {
        "study": mine.study,
        "pseudonym": mine.pseudonym,
        "record": place.record,
        "epoch": place.epoch,
        "number": place.number,
    }


def _standing(place: Place, found: Sequence[Sequence[Any]]) -> Standing:
    """Read rows of the standing query: the consent's three columns, then a segment's; either may be empty."""
    state, study_version, expires_ms = found[0][:3]
    rows = [_segment_of(values[3:]) for values in found if values[3] is not None]
    seen = [each for each in rows if each.digest]
    return Standing(
        consent=None if state is None else ConsentTerms(ConsentState(state), study_version, expires_ms),
        segment=next((each for each in rows if each.number == place.number), None),
        before=max((each for each in seen if each.number < place.number), key=_number, default=None),
        newest=max((each.number for each in seen), default=None),
    )


def _number(row: SegmentRow) -> int:
    return row.number


def _segment_values(participant: Participant, row: SegmentRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in SegmentRow.__struct_fields__}
    return {"study": participant.study, "pseudonym": participant.pseudonym, **values}


def _bury_one(connection: sql.Connection, participant: Participant, epoch: int, number: int) -> int:
    table = tables.SEGMENTS
    same = _mine(table, participant) & (table.c.epoch == epoch) & (table.c.number == number)
    stored = _count(connection, same & ~table.c.erased)
    if stored:
        connection.execute(sql.update(table).where(same).values(erased=True))
    elif not _count(connection, same):
        tombstone = SegmentRow(epoch, number, 0, 0, "", 0, None, 0, erased=True)
        connection.execute(sql.insert(table).values(**_segment_values(participant, tombstone)))
    return stored


def _revoke_one(connection: sql.Connection, study: StudyId, invitation: str) -> str:
    """Shut out who used an invitation, and give their pseudonym; empty, if nobody did."""
    table, consents = tables.ENROLMENTS, tables.CONSENTS
    same = (table.c.study == study) & (table.c.invitation == invitation)
    pseudonym: str | None = connection.execute(sql.select(table.c.pseudonym).where(same)).scalar_one_or_none()
    if pseudonym is None:
        values = {"invitation": invitation, "pseudonym": "", "revoked": True}
        connection.execute(sql.insert(table).values(study=study, **values))
        return ""
    connection.execute(sql.update(table).where(same).values(revoked=True))
    whose = (consents.c.study == study) & (consents.c.pseudonym == pseudonym)
    connection.execute(sql.update(consents).where(whose).values(state=ConsentState.WITHDRAWN.value))
    return pseudonym


def _count(connection: sql.Connection, where: sql.ColumnElement[bool]) -> int:
    return connection.execute(sql.select(sql.func.count()).select_from(tables.SEGMENTS).where(where)).scalar_one()


def _note_deletion(connection: sql.Connection, participant: Participant, digest: str, erased: int) -> None:
    connection.execute(
        sql.insert(tables.DELETIONS).values(
            digest=digest, study=participant.study, pseudonym=participant.pseudonym, segments_erased=erased
        )
    )


def _standing_query() -> sql.ClauseElement:
    study: sql.BindParameter[Any] = sql.bindparam("study")
    pseudonym: sql.BindParameter[Any] = sql.bindparam("pseudonym")
    record: sql.BindParameter[Any] = sql.bindparam("record")
    epoch: sql.BindParameter[Any] = sql.bindparam("epoch")
    number: sql.BindParameter[Any] = sql.bindparam("number")
    consents, table = tables.CONSENTS, tables.SEGMENTS
    consent = (consents.c.study == study) & (consents.c.pseudonym == pseudonym) & (consents.c.record == record)
    mine = (table.c.study == study) & (table.c.pseudonym == pseudonym) & (table.c.epoch == epoch)
    # Not max(): with the condition it would read every row of the epoch; this reads the index from its end.
    newest = sql.select(table.c.number).where(mine, table.c.digest != "").order_by(table.c.number.desc()).limit(1)
    before = newest.where(table.c.number < number)
    wanted = table.c.number.in_([number, newest.scalar_subquery(), before.scalar_subquery()])
    # One row at least, also where neither is known.
    always = sql.select(sql.literal(1).label("one")).subquery("always")
    joined = always.outerjoin(consents, consent).outerjoin(table, mine & wanted)
    terms = [consents.c.state, consents.c.study_version, consents.c.expires_ms]
    return sql.select(*terms, *(table.c[name] for name in SegmentRow.__struct_fields__)).select_from(joined)


_STANDING_QUERY = _standing_query()
_SEGMENT_INSERT = sql.insert(tables.SEGMENTS)
