"""Sealing: masked events go into a segment, and out of the journal, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial

from event_model.admission import MaskedBatch
from event_model.clock import Clock
from event_model.errors import StoreConflict
from event_model.events import Event
from event_model.ids import Pseudonym, SessionId
from event_model.segment import SEGMENT_VERSION, SegmentContent, SegmentHeader, encode_segment
from local_store.journal import Journal
from local_store.model import SegmentInfo
from local_store.rewinding import Sealed, Witness, count_sealing
from local_store.segments import Segments
from local_store.sessions import SessionRow, StudyRow, get_session, get_study
from local_store.transactions import Transactions

SPARE_BYTES = 32 * 1024
"""Free space in the file that is left there after sealing, because the journal soon fills it again."""

Encode = Callable[[StudyRow], tuple[SegmentContent, bytes]]
"""Makes a segment that is the study's next."""


class Sealer:
    """Seals what was read through it: it knows whether something was forgotten since."""

    def __init__(
        self, database: Transactions, journal: Journal, segments: Segments, witness: Witness, clock: Clock
    ) -> None:
        self._database = database
        self._journal = journal
        self._segments = segments
        self._witness = witness
        self._clock = clock
        self._seen: dict[SessionId, int] = {}
        """Of the sessions that were read: their revision then."""

    async def pending(self, session: SessionId, upto: int | None) -> tuple[Event, ...]:
        """Give a session's pending events, as ``Store.pending``."""

        def work(connection: sqlite3.Connection) -> tuple[int, tuple[Event, ...]]:
            row = get_session(connection, session)
            return row.revision, self._journal.read(connection, row, upto).events

        self._seen[session], events = await self._database.read(work)
        return events

    def end(self, session: SessionId) -> None:
        """Think no more of a session."""
        self._seen.pop(session, None)

    async def seal(self, batch: MaskedBatch, *, study_version: int, pseudonym: Pseudonym) -> SegmentInfo:
        """Seal events. StoreConflict, SegmentError: as ``Store.seal``."""
        if batch.next_index - batch.first_index != len(batch.events):
            raise StoreConflict("events to be sealed follow each other")
        sealed_ms = self._clock.wall_ms()

        def encode(study: StudyRow) -> tuple[SegmentContent, bytes]:
            header = SegmentHeader(
                version=SEGMENT_VERSION,
                study=batch.study,
                study_version=study_version,
                pseudonym=pseudonym,
                consent_record=batch.consent_record,
                session=batch.session,
                source=batch.source,
                epoch=study.epoch,
                number=study.next_number,
                first_seq=study.next_seq,
                sealed_ms=sealed_ms,
            )
            content = SegmentContent(header, batch.events, batch.masks, batch.findings)
            return content, encode_segment(content)

        info = await self._seal(batch, encode)
        await self._database.shorten(SPARE_BYTES)
        return info

    async def _seal(self, batch: MaskedBatch, encode: Encode) -> SegmentInfo:
        expected = await self._database.read(partial(get_study, study=batch.study))
        ahead: list[tuple[SegmentContent, bytes]] = []
        sealed: list[Sealed] = []

        def work(connection: sqlite3.Connection) -> SegmentInfo:
            study, row = get_study(connection, batch.study), get_session(connection, batch.session)
            self._journal.gather(connection, row)
            self._check(connection, row, batch)
            # Another process of the study may have taken the number meanwhile; here none can.
            content, encoded = ahead[0] if study == expected else encode(study)
            info = self._segments.add(connection, study, row, content, encoded)
            sealed.append(count_sealing(connection))
            self._journal.settle(connection, row, batch.next_index)
            connection.execute("UPDATE sessions SET sealed = ? WHERE no = ?", (batch.next_index, row.no))
            return info

        # Encoding takes longest; the other processes need not wait for it.
        info = await self._database.write(work, before=lambda _: ahead.append(encode(expected)))
        await self._database.aside(partial(self._witness.keep, sealed[-1]))
        return info

    def _check(self, connection: sqlite3.Connection, row: SessionRow, batch: MaskedBatch) -> None:
        if row.study != batch.study or row.consent_record != batch.consent_record:
            raise StoreConflict("this session belongs to another study or consent record", code="session-other")
        if self._seen.get(row.session, row.revision) != row.revision:
            raise StoreConflict("events were forgotten since they were read", code="forgotten-meanwhile")
        if batch.first_index != row.sealed:
            raise StoreConflict(f"the next event to be sealed is {row.sealed}, not {batch.first_index}")
        if batch.next_index > self._journal.next_index(connection, row):
            raise StoreConflict("what is not durable can't be sealed")
