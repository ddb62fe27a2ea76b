"""A segment of somebody who is claimed waits, and is judged by what it finds then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from consent_ledger.manifest import StudyManifest
from event_model.clock import ManualClock
from event_model.errors import ReceiverError
from event_model.signed import Signed
from ingest_server.answers import Answer, Outcome
from ingest_server.intake import OwnIntake
from ingest_server.metadata import Claims
from ingest_server.postgres_metadata import PostgresMetadata
from ingest_server.rows import ConsentRow, Participant
from ingest_server.segments import SegmentStore, Upload
from ingest_server.service import recipients_of
from tests.ingest_server.backends import REMOTE, Backend
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person

PATIENCE_S = 60.0


def upload_of(person: Person, number: int) -> Upload:
    return person.upload(number, person.envelope(number))


def participant_of(person: Person) -> Participant:
    return Participant(person.study, person.pseudonym)


async def test_a_segment_waits_for_a_deletion_that_is_under_way_and_others_do_not(
    backend: Backend, manifest: Signed[StudyManifest], person: Person, stranger: Person
) -> None:
    here, there, objects = backend.metadata(), backend.metadata(), backend.objects()
    for each in (person, stranger):
        record = each.record
        row = ConsentRow(record.record_id, record.state, record.study_version, record.expires_ms, b"{}")
        await here.save_consent(participant_of(each), row)
    asked_again, tries, claim_free = threading.Event(), 0, here.claim_free

    def counting(participants: Sequence[Participant]) -> Claims:
        nonlocal tries
        tries += 1
        if tries > 1:
            asked_again.set()
        return claim_free(participants)

    here.claim_free = counting  # type: ignore[method-assign]
    store = SegmentStore(
        recipients_of([manifest]), key=RECEIVER_KEY, objects=objects, metadata=here, clock=ManualClock(NOW)
    )
    async with there.claim(participant_of(person)):
        taking = asyncio.create_task(asyncio.to_thread(store.take, [upload_of(person, 0), upload_of(stranger, 0)]))
        assert await asyncio.to_thread(asked_again.wait, PATIENCE_S)
        (key,) = await objects.keys("segments/")
        assert stranger.pseudonym in key
        await there.bury_all(participant_of(person), "d1", None)
    refused, stored = await taking
    assert isinstance(refused, ReceiverError)
    assert refused.code == "consent-withdrawn"
    assert isinstance(stored, Answer)
    assert stored.outcome is Outcome.CREATED
    assert len(await objects.keys("segments/")) == 1
    here.close()
    there.close()


@pytest.mark.parametrize("backend", [REMOTE], indirect=True)
async def test_who_only_stores_segments_needs_two_connections(
    backend: Backend, manifest: Signed[StudyManifest]
) -> None:
    metadata = backend.metadata()
    assert isinstance(metadata, PostgresMetadata)
    store = SegmentStore(
        recipients_of([manifest]), key=RECEIVER_KEY, objects=backend.objects(), metadata=metadata,
        clock=ManualClock(NOW),
    )  # fmt: skip
    people = [Person(manifest, seed) for seed in range(1, 9)]
    for each in people:
        record = each.record
        row = ConsentRow(record.record_id, record.state, record.study_version, record.expires_ms, b"{}")
        await metadata.save_consent(participant_of(each), row)
    for number in range(2):
        answers = store.take([upload_of(each, number) for each in people])
        assert number or {type(answer) for answer in answers} == {Answer}
    pools = metadata._engine.pool, metadata._claims.pool
    assert [pool.checkedin() for pool in pools] == [1, 1]  # type: ignore[attr-defined]
    metadata.close()


async def test_who_waits_is_told_whatever_goes_wrong(person: Person) -> None:
    def failing(_uploads: Sequence[Upload]) -> list[Answer | Exception]:
        raise MemoryError

    intake = OwnIntake(failing)
    outcomes = await asyncio.gather(*(intake.take(upload_of(person, 0)) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [MemoryError] * 3
