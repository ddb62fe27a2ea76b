"""Brings home what a killed collector left behind: masks and seals the pending events of orphaned sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from capture_gate.channel import lowered, masked_batches
from capture_gate.people import NAME_KEY_BYTES, this_person
from capture_gate.roster import read_roster
from capture_gate.sessions import new_redactor
from consent_ledger.grants import Grant
from consent_ledger.ledger import Ledger
from event_model.clock import Clock
from event_model.events import Event
from event_model.ids import StudyId
from event_model.keys import Secret
from event_model.levels import Level
from local_store.forgetting import Selection
from local_store.store import SessionInfo, Store
from privacy_filter.detectors import Detector, default_detector
from privacy_filter.detectors.names import NameBook, NamingDetector
from privacy_filter.redactor import Redactions

STANDING = frozenset({"consent-expired", "study-ended", "notice-changed", "study-changed", "consent-superseded"})
"""What was captured while consent was live may still be sealed in these states; it is not captured further."""


class Recovered(msgspec.Struct, frozen=True):
    """What a recovery did: sessions and events sealed, events given up because their study was left."""

    sessions: int = 0
    events: int = 0
    discarded: int = 0
    lowered: int = 0


async def recover(
    store: Store, ledger: Ledger, installation: Secret, *, clock: Clock, detector: Detector | None = None
) -> Recovered:
    """Seal every orphaned session; sessions of running collectors are left alone.

    Where the filter fails on a session, its events are kept without any text rather than unread.
    """
    grants = {grant.study: grant for grant in ledger.grants(clock.wall_ms())}
    total = Recovered()
    book, roster = NameBook(os.urandom(NAME_KEY_BYTES)), read_roster(ledger.home, installation)
    for orphan in await store.orphans():
        book.learn(this_person())
        reading = NamingDetector(detector or default_detector(), book, roster)
        done = await _recover_session(store, orphan, grants, installation, reading, clock)
        total = Recovered(
            sessions=total.sessions + done.sessions,
            events=total.events + done.events,
            discarded=total.discarded + done.discarded,
            lowered=total.lowered + done.lowered,
        )
    return total


async def _recover_session(
    store: Store,
    orphan: SessionInfo,
    grants: Mapping[StudyId, Grant],
    installation: Secret,
    detector: Detector,
    clock: Clock,
) -> Recovered:
    pending = await store.pending(orphan.session)
    grant = grants.get(orphan.study)
    if grant is None or not (grant.refusal is None or grant.refusal in STANDING):
        await store.forget(Selection(session=orphan.session))
        await store.end_session(orphan.session)
        return Recovered(discarded=len(pending))
    lowered = 0
    try:
        redactions = await _redact(store, orphan, pending, grant, installation, detector, clock.monotonic_ms())
    except Exception:  # whatever the filter stumbles over, fail closed: no text is kept
        redactions = Redactions(masks=(), findings=())
        pending = tuple(_without_text(event) for event in pending)
        lowered = len(pending)
    for batch in masked_batches(
        study=orphan.study,
        session=orphan.session,
        source=orphan.source,
        consent_record=orphan.consent_record,
        events=pending,
        redactions=redactions,
    ):
        await store.seal(batch, study_version=grant.record.study_version, pseudonym=grant.record.pseudonym)
    await store.end_session(orphan.session)
    return Recovered(sessions=1, events=len(pending), lowered=lowered)


async def _redact(
    store: Store,
    orphan: SessionInfo,
    pending: tuple[Event, ...],
    grant: Grant,
    installation: Secret,
    detector: Detector,
    now_ms: int,
) -> Redactions:
    sealed = await store.session_segments(orphan.session)
    numbers = [finding.number for content in sealed for finding in content.findings]
    redactor = new_redactor(installation, grant, detector, first_finding=max(numbers, default=0) + 1)
    for content in sealed:  # the documents as they stood, masked; what is sealed is not masked again
        for event in content.events:
            redactor.feed(event, now_ms)
        redactor.take(content.events[-1].index + 1)
    for event in pending:
        redactor.feed(event, now_ms)
    return redactor.take(redactor.flush(now_ms))


def _without_text(event: Event) -> Event:
    return lowered(msgspec.structs.replace(event, level=Level.RHYTHM))
