"""The way of a sealed segment through the receiver, many at a time.

Signatures are checked; what is expected and allowed is stored as an object; its row is committed, and the receipt
signed. All that wait go through each step together, so that a receipt costs a share of an fsync. Whoever is being
stored is claimed for oneself meanwhile. Nothing here knows of an event loop: see ``intake`` and ``segment_worker``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress

import msgspec

from consent_ledger.record import ConsentState
from event_model.clock import Clock
from event_model.envelope import Envelope, EnvelopeHeader, parse_envelope
from event_model.errors import CryptoError, FormatError, OvertError, ReceiverError, StoreUnwritable
from event_model.ids import StudyId
from event_model.keys import SigningKey
from event_model.receipts import SegmentReceipt, sign_segment_receipt
from ingest_server.answers import ALLOWS, Answer, Outcome, content_refused
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects, segment_key
from ingest_server.request_proof import RequestProof, check_request
from ingest_server.rows import ConsentTerms, Participant, Place, SegmentRow, SegmentSave, Standing

TOGETHER = 64
"""Segments that go through together: at most 256 MiB that wait for each other."""

RETRY_S = 0.003
"""How soon it is looked again whether a participant who was claimed is free; a claim lasts some 10 ms."""


class Upload(msgspec.Struct, frozen=True):
    """A segment as it came, under the address that it was sent to."""

    participant: Participant
    epoch: int
    number: int
    data: bytes
    proof: RequestProof


class _Item:
    """An upload on its way; ``outcome`` is what its sender is to be told."""

    __slots__ = ("envelope", "outcome", "row", "standing", "upload")

    envelope: Envelope
    standing: Standing
    row: SegmentRow

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.outcome: Answer | Exception | None = None

    @property
    def place(self) -> Place:
        at = self.upload
        return Place(at.participant, self.envelope.header.consent_record, at.epoch, at.number)


class SegmentStore:
    """Takes segments in; in the thread that calls it."""

    def __init__(
        self,
        recipients: Mapping[StudyId, Set[str]],
        *,
        key: SigningKey,
        objects: Objects,
        metadata: Metadata,
        clock: Clock,
    ) -> None:
        """``recipients`` gives the ids of the keys that each study's segments may be sealed to."""
        self._recipients = recipients
        self._key = key
        self._objects = objects
        self._metadata = metadata
        self._clock = clock

    def take(self, uploads: Sequence[Upload]) -> list[Answer | Exception]:
        """Take sealed segments; give each one's receipt, or what it is refused for.

        ReceiverError: 401, 403, 409, 410, 422. StoreUnwritable: if what it needs can't be written.
        """
        items = [_Item(upload) for upload in uploads]
        now_ms = self._clock.wall_ms()
        for item in items:
            item.outcome = _checked(item, now_ms)
        waiting = _open(items)
        while waiting:
            first, later = _split(waiting)
            claimed = self._take_free(first)
            waiting = claimed + later
            if len(claimed) == len(first):
                time.sleep(RETRY_S)
        return [item.outcome or StoreUnwritable("the segment was not stored") for item in items]

    def _take_free(self, items: list[_Item]) -> list[_Item]:
        """Store those that nobody else is at, and give the others."""
        try:
            claims = self._metadata.claim_free([item.upload.participant for item in items])
        except Exception as error:  # Whatever it is, each waiting request must hear of it.
            _fail(items, error)
            return []
        mine = [item for item, free in zip(items, claims.free, strict=True) if free]
        try:
            self._store(mine)
        except Exception as error:
            _fail(mine, error)
        finally:
            # If it fails they end with their connection; what was done under them is told by their requests.
            with suppress(OvertError):
                claims.release()
        return [item for item, free in zip(items, claims.free, strict=True) if not free]

    def _store(self, items: list[_Item]) -> None:
        for item, standing in zip(items, self._metadata.standings([item.place for item in items]), strict=True):
            item.standing = standing
            try:
                item.outcome = self._judge(item)
            except ReceiverError as error:
                item.outcome = error
        items = _open(items)
        for item, failure in zip(items, self._objects.put_all([_object(item) for item in items]), strict=True):
            item.outcome = failure
        items = _open(items)
        if not items:
            return
        saves = [SegmentSave(item.upload.participant, item.row, item.standing.segment is not None) for item in items]
        for item, failed in zip(items, self._metadata.save_segments(saves), strict=True):
            item.outcome = failed or Answer(Outcome.CREATED, self._receipt(item.upload.participant, item.row))

    def _judge(self, item: _Item) -> Answer | None:
        """Say whether a segment is expected and allowed; an answer, if it is here already. ReceiverError: if not."""
        standing, header, digest = item.standing, item.envelope.header, item.envelope.digest
        if standing.segment is not None and not _replaceable(standing, digest):
            return Answer(Outcome.UNCHANGED, self._receipt_again(item.upload.participant, standing.segment, digest))
        self._check_consent(standing.consent, header)
        _check_chain(standing, header)
        item.row = SegmentRow(
            epoch=header.epoch,
            number=header.number,
            first_seq=header.first_seq,
            count=header.count,
            digest=digest,
            size=item.envelope.size,
            record=header.consent_record,
            received_ms=self._clock.wall_ms(),
        )
        return None

    def _check_consent(self, consent: ConsentTerms | None, header: EnvelopeHeader) -> None:
        if consent is None:
            raise ReceiverError("no consent record for this", status=403, code="consent-missing")
        if consent.state is ConsentState.EXPIRED or consent.expires_ms <= self._clock.wall_ms():
            raise ReceiverError("this consent has expired", status=403, code="consent-expired")
        if consent.state not in ALLOWS:
            raise ReceiverError("this consent was withdrawn", status=403, code="consent-withdrawn")
        recipients = self._recipients[header.study]
        if header.study_version != consent.study_version or header.recipient not in recipients:
            raise content_refused()

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
        return sign_segment_receipt(receipt, self._key)


def _checked(item: _Item, now_ms: int) -> Exception | None:
    """Read an envelope and check both signatures, the request's and its own; say what is wrong with it."""
    upload = item.upload
    try:
        try:
            envelope = parse_envelope(upload.data)
        except FormatError:
            # Whose request it is comes first, also of what is no envelope.
            digest = hashlib.sha256(upload.data).digest()
            check_request(upload.proof, upload.participant, digest, now_ms=now_ms)
            raise
        check_request(upload.proof, upload.participant, envelope.sha256, now_ms=now_ms)
        envelope.verify()
    except ReceiverError as error:
        return error
    except (FormatError, CryptoError) as error:
        return content_refused(error)
    except Exception as error:  # No upload may take those with it that came at the same time.
        return error
    header = envelope.header
    if Participant(header.study, header.pseudonym) != upload.participant:
        return content_refused()
    if (header.epoch, header.number) != (upload.epoch, upload.number):
        return content_refused()
    item.envelope = envelope
    return None


def _object(item: _Item) -> tuple[str, bytes]:
    at = item.upload
    return segment_key(at.participant.study, at.participant.pseudonym, at.epoch, at.number), at.data


def _open(items: Iterable[_Item]) -> list[_Item]:
    """Give those that have no outcome yet."""
    return [item for item in items if item.outcome is None]


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        item.outcome = item.outcome or error


def _split(items: Iterable[_Item]) -> tuple[list[_Item], list[_Item]]:
    """Take the first of each participant; the others wait for it."""
    first: dict[Participant, _Item] = {}
    later = [item for item in items if first.setdefault(item.upload.participant, item) is not item]
    return list(first.values()), later


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
