"""What the receiver does with a request, without HTTP: check, store the object, store the row, sign a receipt.

Everything about one participant happens under that participant's claim, in this order: what is acknowledged is on disk
twice over, what is erased is refused before its bytes go, and a crash in between leaves only what the sender's next
attempt puts right.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from consent_ledger.manifest import StudyManifest
from consent_ledger.record import ConsentRecord, ConsentState, verify_record
from consent_ledger.verdict import refusal_of
from event_model.clock import Clock
from event_model.envelope import Envelope, EnvelopeHeader, parse_envelope
from event_model.errors import CryptoError, FormatError, ReceiverError
from event_model.ids import StudyId
from event_model.keys import SigningKey, pseudonym_of
from event_model.log_entries import LogEntry, LogKind, subject_of
from event_model.receipts import (
    DELETION_RECEIPT,
    DELETION_REQUEST,
    SEGMENT_RECEIPT,
    DeletionReceipt,
    DeletionRequest,
    SegmentReceipt,
)
from event_model.signed import Signed, open_document, sign_document
from ingest_server.enrolment import Enrolments
from ingest_server.log_service import log_row
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects, participant_prefix, segment_key
from ingest_server.rows import (
    ConsentRow,
    LogRow,
    Participant,
    SegmentRow,
    Standing,
    may_follow,
)

_ALLOWS = frozenset({ConsentState.GIVEN, ConsentState.SUPERSEDED})
"""Segments come under a given record, or under one that a later consent superseded while they were on hold."""

_UNTIMELY = frozenset({"consent-expired", "study-ended", "clock-implausible"})


class Outcome(enum.Enum):
    """Whether a request changed something."""

    CREATED = 201
    UNCHANGED = 200


class Answer(msgspec.Struct, frozen=True):
    """What goes back: a signed receipt, or a small JSON note."""

    outcome: Outcome
    body: bytes


def content_refused() -> ReceiverError:
    """Make the one answer to everything malformed, forged, foreign or out of order: it tells nothing about which."""
    return ReceiverError("this content is not accepted", status=422, code="content-refused")


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
    ) -> None:
        self._enrolments = enrolments
        self._manifests: dict[StudyId, dict[str, Signed[StudyManifest]]] = {}
        self._recipients: dict[StudyId, set[str]] = {}
        for signed in studies:
            study = signed.payload
            self._manifests.setdefault(study.id, {})[signed.digest] = signed
            # Of all versions: what was captured under one may be sealed to the keys of the next.
            self._recipients.setdefault(study.id, set()).update(key.key_id for key in study.recipient_keys)
        self._key = key
        self._objects = objects
        self._metadata = metadata
        self._clock = clock

    @property
    def studies(self) -> dict[StudyId, tuple[int, ...]]:
        """The studies served, each with its versions."""
        return {
            study: tuple(sorted(manifest.payload.version for manifest in versions.values()))
            for study, versions in self._manifests.items()
        }

    def manifest(self, study: StudyId) -> bytes:
        """Give the newest version of a study's manifest, as its owner signed it. ReceiverError: 404."""
        return max(self._known(study).values(), key=lambda signed: signed.payload.version).raw

    async def put_consent(self, participant: Participant, data: bytes, invitation: str | None = None) -> Answer:
        """Take a consent record, given or withdrawn, with the header that invites. ReceiverError: 403, 404, 422."""
        self._known(participant.study)
        record = self._read_consent(participant, data)
        async with self._metadata.claim(participant):
            before = await self._metadata.consent(participant, record.record)
            if not may_follow(None if before is None else before.state, record.state):
                raise ReceiverError("this consent was withdrawn", status=403, code="consent-withdrawn")
            if before == record:
                return _consent_answer(Outcome.UNCHANGED, record)
            # Taking consent back always works.
            if record.state in _ALLOWS and self._enrolments is not None:
                await self._enrolments.admit(participant, invitation)
            await self._metadata.save_consent(participant, record, self._told(participant, before, record))
        return _consent_answer(Outcome.CREATED, record)

    async def put_segment(self, participant: Participant, epoch: int, number: int, data: bytes) -> Answer:
        """Take a sealed segment and give its receipt. ReceiverError: 403, 404, 409, 410, 422."""
        self._known(participant.study)
        envelope = _read_envelope(participant, epoch, number, data)
        async with self._metadata.claim(participant):
            record = envelope.header.consent_record
            standing = await self._metadata.standing(participant, record, epoch, number)
            if standing.segment is not None and not _replaceable(standing, envelope.digest):
                return Answer(Outcome.UNCHANGED, self._receipt_again(participant, standing.segment, envelope.digest))
            self._check_consent(standing.consent, envelope.header)
            _check_chain(standing, envelope.header)
            row = self._row(envelope)
            await self._objects.put(segment_key(participant.study, participant.pseudonym, epoch, number), data)
            await self._metadata.save_segment(participant, row, replaces=standing.segment is not None)
        return Answer(Outcome.CREATED, self._receipt(participant, row))

    async def delete(self, participant: Participant, data: bytes) -> Answer:
        """Erase what a signed request names and give the receipt. ReceiverError: 404, 422."""
        self._known(participant.study)
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

    def _known(self, study: StudyId) -> dict[str, Signed[StudyManifest]]:
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
        if record.state in _ALLOWS:
            self._check_given(record)
        return ConsentRow(
            record=record.record_id,
            state=record.state,
            study_version=record.study_version,
            expires_ms=record.expires_ms,
            document=data,
        )

    def _check_given(self, record: ConsentRecord) -> None:
        manifest = self._known(record.study).get(record.manifest_digest)
        if manifest is None:
            raise content_refused()
        given = msgspec.structs.replace(record, state=ConsentState.GIVEN, changed_ms=None)
        refusal = refusal_of(given, manifest, self._clock.wall_ms())
        if refusal in _UNTIMELY:
            raise ReceiverError("this consent is not valid now", status=403, code=refusal)
        if refusal is not None and refusal != "study-not-started":
            raise content_refused()

    def _check_consent(self, consent: ConsentRow | None, header: EnvelopeHeader) -> None:
        if consent is None:
            raise ReceiverError("no consent record for this", status=403, code="consent-missing")
        if consent.state is ConsentState.EXPIRED or consent.expires_ms <= self._clock.wall_ms():
            raise ReceiverError("this consent has expired", status=403, code="consent-expired")
        if consent.state not in _ALLOWS:
            raise ReceiverError("this consent was withdrawn", status=403, code="consent-withdrawn")
        recipients = self._recipients[header.study]
        if header.study_version != consent.study_version or header.recipient not in recipients:
            raise content_refused()

    def _row(self, envelope: Envelope) -> SegmentRow:
        header = envelope.header
        return SegmentRow(
            epoch=header.epoch,
            number=header.number,
            first_seq=header.first_seq,
            count=header.count,
            digest=envelope.digest,
            size=envelope.size,
            record=header.consent_record,
            received_ms=self._clock.wall_ms(),
        )

    def _receipt_again(self, participant: Participant, row: SegmentRow, digest: str) -> bytes:
        if row.erased:
            raise ReceiverError("this segment was erased on request", status=410, code="segment-erased")
        if row.digest != digest:
            raise ReceiverError("other bytes are stored under this number", status=409, code="segment-conflict")
        return self._receipt(participant, row)

    def _receipt(self, participant: Participant, row: SegmentRow) -> bytes:
        receipt = SegmentReceipt(
            study=participant.study,
            pseudonym=participant.pseudonym,
            epoch=row.epoch,
            number=row.number,
            digest=row.digest,
            received_ms=row.received_ms,
        )
        return sign_document(SEGMENT_RECEIPT, receipt, self._key)

    async def _bury(self, participant: Participant, request: Signed[DeletionRequest]) -> int:
        asked = request.payload
        if asked.segments is None:
            return await self._metadata.bury_all(participant, request.digest, asked.consent_record)
        return await self._metadata.bury(participant, request.digest, sorted(set(asked.segments)))

    async def _doomed(self, participant: Participant, request: DeletionRequest) -> list[str]:
        # From the store's own listing where everything goes: an object whose row was never written goes too.
        if request.segments is None:
            return await self._objects.keys(participant_prefix(participant.study, participant.pseudonym))
        return [segment_key(participant.study, participant.pseudonym, *at) for at in request.segments]

    def _deletion_receipt(self, participant: Participant, request: str, erased: int, completed_ms: int) -> bytes:
        receipt = DeletionReceipt(
            study=participant.study,
            pseudonym=participant.pseudonym,
            request=request,
            segments_erased=erased,
            completed_ms=completed_ms,
        )
        return sign_document(DELETION_RECEIPT, receipt, self._key)


def _consent_answer(outcome: Outcome, row: ConsentRow) -> Answer:
    return Answer(outcome, msgspec.json.encode({"record": row.record, "state": row.state.value}))


def _read_envelope(participant: Participant, epoch: int, number: int, data: bytes) -> Envelope:
    try:
        envelope = parse_envelope(data)
        envelope.verify()
    except (FormatError, CryptoError) as error:
        raise content_refused() from error
    header = envelope.header
    if (header.study, header.pseudonym) != (participant.study, participant.pseudonym):
        raise content_refused()
    if (header.epoch, header.number) != (epoch, number):
        raise content_refused()
    return envelope


def _replaceable(standing: Standing, digest: str) -> bool:
    """Say whether this number may take new bytes.

    Only a tombstone with nothing behind it, and not for the erased bytes: the sender forgot a part of a segment whose
    receipt it never saw, had erased what may have come, and sends what is left.
    """
    row = standing.segment
    last = standing.newest is None or row is None or standing.newest <= row.number
    return row is not None and row.erased and row.digest != digest and last


def _check_chain(standing: Standing, header: EnvelopeHeader) -> None:
    """Check that a segment follows the one before it.

    Numbers may be skipped, since a segment that was damaged on the device is never sent; digests may not.
    """
    before = standing.before
    if standing.newest is not None and standing.newest > header.number:
        raise content_refused()
    if header.prev_digest != ("" if before is None else before.digest):
        raise content_refused()
    if before is None:
        return
    follows = header.number == before.number + 1
    if header.first_seq < before.next_seq or (follows and header.first_seq != before.next_seq):
        raise content_refused()


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
    return signed
