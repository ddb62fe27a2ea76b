"""A segment of somebody who is claimed waits, and is judged by what it finds then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from consent_ledger.manifest import StudyManifest
from event_model.clock import ManualClock
from event_model.errors import ReceiverError
from event_model.request_signatures import SignedHeaders
from event_model.signed import Signed
from ingest_server.answers import Answer, Outcome
from ingest_server.metadata import Claims
from ingest_server.request_proof import RequestProof
from ingest_server.rows import ConsentRow, Participant
from ingest_server.segments import SegmentStore, Upload
from ingest_server.service import recipients_of
from tests.ingest_server.backends import Backend
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person

PATIENCE_S = 60.0


def upload_of(person: Person, number: int) -> Upload:
    proof = RequestProof("PUT", "", SignedHeaders())
    return Upload(participant_of(person), 1, number, person.envelope(number), proof)


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
