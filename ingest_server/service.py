"""What the receiver does with a request, without HTTP: check, store the object, store the row, sign a receipt.

Everything about one participant happens under that participant's claim, in this order: what is acknowledged is on disk
twice over, what is erased is refused before its bytes go, and a crash in between leaves only what the sender's next
attempt puts right.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from consent_ledger.manifest import StudyManifest
from consent_ledger.record import ConsentRecord, ConsentState, verify_record
from consent_ledger.verdict import refusal_of
from event_model.clock import Clock
from event_model.errors import CryptoError, FormatError, ReceiverError
from event_model.ids import StudyId
from event_model.keys import SigningKey, pseudonym_of
from event_model.log_entries import LogEntry, LogKind, subject_of
from event_model.receipts import (
    DELETION_RECEIPT,
    DELETION_REQUEST,
    DeletionReceipt,
    DeletionRequest,
)
from event_model.signed import Signed, open_document, sign_document
from ingest_server.answers import ALLOWS, Answer, Outcome, content_refused
from ingest_server.enrolment import Enrolments
from ingest_server.intake import Intake, OwnIntake
from ingest_server.log_service import log_row
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects, participant_prefix, segment_key
from ingest_server.rows import ConsentRow, LogRow, Participant, may_follow
from ingest_server.segments import SegmentStore, Upload

_UNTIMELY = frozenset({"consent-expired", "study-ended", "clock-implausible"})


class Receiver:
    """Takes consent records, segments and deletion requests for a set of studies."""

    def __init__(
        self,
        studies: Iterable[Signed[StudyManifest]],
        *,
        key: SigningKey,
        objects: Objects,
        metadata: Metadata,
        clock: Clock,
        enrolments: Enrolments | None = None,
        intake: Intake | None = None,
    ) -> None:
        """``intake`` stores segments; without one, this process does."""
        self._enrolments = enrolments
        self._manifests: dict[StudyId, dict[str, Signed[StudyManifest]]] = {}
        for signed in studies:
            self._manifests.setdefault(signed.payload.id, {})[signed.digest] = signed
        self._key = key
        self._objects = objects
        self._metadata = metadata
        self._clock = clock
        manifests = [signed for versions in self._manifests.values() for signed in versions.values()]
        store = SegmentStore(recipients_of(manifests), key=key, objects=objects, metadata=metadata, clock=clock)
        self._intake = intake or OwnIntake(store.take)

    @property
    def studies(self) -> dict[StudyId, tuple[int, ...]]:
        """The studies served, each with its versions."""
        return {
            study: tuple(sorted(manifest.payload.version for manifest in versions.values()))
            for study, versions in self._manifests.items()
        }

    def manifest(self, study: StudyId) -> bytes:
        """Give the newest version of a study's manifest, as its owner signed it. ReceiverError: 404."""
        return max(self.known(study).values(), key=lambda signed: signed.payload.version).raw

    async def put_consent(
        self, participant: Participant, data: bytes, invitation: str | None = None, token: str | None = None
    ) -> Answer:
        """Take a consent record, given or withdrawn, with the headers that let in. ReceiverError: 403, 404, 422."""
        self.known(participant.study)
        record = self._read_consent(participant, data)
        async with self._metadata.claim(participant):
            before = await self._metadata.consent(participant, record.record)
            if not may_follow(None if before is None else before.state, record.state):
                if self._enrolments is not None:
                    await self._enrolments.refuse_revoked(participant)
                raise ReceiverError("this consent was withdrawn", status=403, code="consent-withdrawn")
            if before == record:
                return _consent_answer(Outcome.UNCHANGED, record)
            # Taking consent back always works.
            if record.state in ALLOWS and self._enrolments is not None:
                await self._enrolments.admit(participant, invitation, token)
            await self._metadata.save_consent(participant, record, self._told(participant, before, record))
        return _consent_answer(Outcome.CREATED, record)

    async def put_segment(self, upload: Upload) -> Answer:
        """Take a sealed segment and give its receipt. ReceiverError: 401, 403, 404, 409, 410, 422."""
        self.known(upload.participant.study)
        return await self._intake.take(upload)

    async def delete(self, participant: Participant, data: bytes) -> Answer:
        """Erase what a signed request names and give the receipt. ReceiverError: 404, 422."""
        self.known(participant.study)
        request = _read_deletion(participant, data)
        async with self._metadata.claim(participant):
            begun = await self._metadata.deletion(request.digest)
            if begun is not None and begun.completed_ms is not None:
                receipt = self._deletion_receipt(participant, request.digest, begun.segments_erased, begun.completed_ms)
                return Answer(Outcome.UNCHANGED, receipt)
            # First nothing more is accepted, then the bytes go: a crash in between is finished by the next attempt.
            erased = await self._bury(participant, request) if begun is None else begun.segments_erased
            await self._objects.erase(await self._doomed(participant, request.payload))
            completed_ms = self._clock.wall_ms()
            entry = LogEntry(
                kind=LogKind.DELETION,
                study=participant.study,
                at_ms=completed_ms,
                subject=subject_of(participant.study, participant.pseudonym),
                digest=request.digest,
                count=erased,
            )
            await self._metadata.complete_deletion(
                participant.study, request.digest, completed_ms, log_row(entry, f"deletion {request.digest}")
            )
        return Answer(Outcome.CREATED, self._deletion_receipt(participant, request.digest, erased, completed_ms))

    def _told(self, participant: Participant, before: ConsentRow | None, after: ConsentRow) -> LogRow | None:
        """Give the log's entry for a consent that is given or taken back, if it is the first that tells of it."""
        if after.state is ConsentState.WITHDRAWN:
            kind = LogKind.WITHDRAWAL
        elif before is None and after.state is ConsentState.GIVEN:
            kind = LogKind.ENROLMENT
        else:
            return None
        subject = subject_of(participant.study, participant.pseudonym)
        entry = LogEntry(kind=kind, study=participant.study, at_ms=self._clock.wall_ms(), subject=subject)
        return log_row(entry, f"{kind.value} {participant.pseudonym} {after.record}")

    def known(self, study: StudyId) -> dict[str, Signed[StudyManifest]]:
        """Give the versions of a study that is served, by digest. ReceiverError: 404."""
        versions = self._manifests.get(study)
        if versions is None:
            raise ReceiverError("no such study here", status=404, code="study-unknown")
        return versions

    def _read_consent(self, participant: Participant, data: bytes) -> ConsentRow:
        try:
            signed: Signed[ConsentRecord] = verify_record(data)
        except (FormatError, CryptoError) as error:
            raise content_refused() from error
        record = signed.payload
        if (record.study, record.pseudonym) != (participant.study, participant.pseudonym):
            raise content_refused()
        # Taking consent back always works; giving it is checked against the manifest it names.
        if record.state in ALLOWS:
            self._check_given(record)
        return ConsentRow(
            record=record.record_id,
            state=record.state,
            study_version=record.study_version,
            expires_ms=record.expires_ms,
            document=data,
        )

    def _check_given(self, record: ConsentRecord) -> None:
        manifest = self.known(record.study).get(record.manifest_digest)
        if manifest is None:
            raise content_refused()
        given = msgspec.structs.replace(record, state=ConsentState.GIVEN, changed_ms=None)
        refusal = refusal_of(given, manifest, self._clock.wall_ms())
        if refusal in _UNTIMELY:
            raise ReceiverError("this consent is not valid now", status=403, code=refusal)
        if refusal is not None and refusal != "study-not-started":
            raise content_refused()

    async def _bury(self, participant: Participant, request: Signed[DeletionRequest]) -> int:
        asked = request.payload
        if asked.segments is None:
            return await self._metadata.bury_all(participant, request.digest, asked.consent_record)
        named = set(asked.segments)
        if asked.sent is not None:
            rows = await self._metadata.segments_received(participant, asked.sent.since_ms, asked.sent.until_ms)
            named = {(row.epoch, row.number) for row in rows if not row.erased}
        return await self._metadata.bury(participant, request.digest, sorted(named))

    async def _doomed(self, participant: Participant, request: DeletionRequest) -> list[str]:
        # From the store's own listing where everything goes: an object whose row was never written goes too.
        if request.segments is None:
            return await self._objects.keys(participant_prefix(participant.study, participant.pseudonym))
        named = list(request.segments)
        if request.sent is not None:
            # Tombstones alone, of earlier requests too: a number that has new bytes by now is not what was asked for.
            rows = await self._metadata.segments_received(participant, request.sent.since_ms, request.sent.until_ms)
            named = [(row.epoch, row.number) for row in rows if row.erased]
        return [segment_key(participant.study, participant.pseudonym, *at) for at in named]

    def _deletion_receipt(self, participant: Participant, request: str, erased: int, completed_ms: int) -> bytes:
        receipt = DeletionReceipt(
            study=participant.study,
            pseudonym=participant.pseudonym,
            request=request,
            segments_erased=erased,
            completed_ms=completed_ms,
        )
        return sign_document(DELETION_RECEIPT, receipt, self._key)


def recipients_of(studies: Iterable[Signed[StudyManifest]]) -> dict[StudyId, set[str]]:
    """Name the keys that each study's segments may be sealed to.

    Of all versions: what was captured under one may be sealed to the keys of the next.
    """
    found: dict[StudyId, set[str]] = {}
    for signed in studies:
        found.setdefault(signed.payload.id, set()).update(key.key_id for key in signed.payload.recipient_keys)
    return found


def _consent_answer(outcome: Outcome, row: ConsentRow) -> Answer:
    return Answer(outcome, msgspec.json.encode({"record": row.record, "state": row.state.value}))


def _read_deletion(participant: Participant, data: bytes) -> Signed[DeletionRequest]:
    try:
        signed = open_document(DELETION_REQUEST, data, DeletionRequest)
    except (FormatError, CryptoError) as error:
        raise content_refused() from error
    request = signed.payload
    if (request.study, request.pseudonym) != (participant.study, participant.pseudonym):
        raise content_refused()
    if pseudonym_of(signed.key) != participant.pseudonym:
        raise content_refused()
    if any(epoch < 0 or number < 0 for epoch, number in request.segments or ()):
        raise content_refused()
    span = request.sent
    if span is not None and (request.segments != () or span.since_ms >= span.until_ms):
        raise content_refused()
    return signed
