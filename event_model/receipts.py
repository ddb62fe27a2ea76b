"""What device and receiver promise each other: receipts for segments and for deletions, and the request to delete.

All are signed documents (see ``signed``): receipts by the receiver, requests by the installation.
"""

from __future__ import annotations

import msgspec

from event_model.body import Count
from event_model.ids import Pseudonym, RecordId, StudyId
from event_model.keys import SigningKey
from event_model.signed import sign_plain_document

SEGMENT_RECEIPT = "segment-receipt"
DELETION_REQUEST = "deletion-request"
DELETION_RECEIPT = "deletion-receipt"


class SegmentReceipt(msgspec.Struct, frozen=True):
    """The receiver holds this envelope durably; ``digest`` is the SHA-256 of its bytes, hex."""

    study: StudyId
    pseudonym: Pseudonym
    epoch: Count
    number: Count
    digest: str
    received_ms: Count


class SentSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When segments came to the receiver, by its clock, Unix ms: from ``since_ms`` on, and before ``until_ms``."""

    since_ms: Count
    until_ms: Count


class DeletionRequest(msgspec.Struct, frozen=True):
    """Erase what this installation sent to this study: all of it, the segments named, or what came in a span of time.

    ``segments`` are ``(epoch, number)`` pairs; ``None`` means everything, and refuses what comes later. With ``sent``
    they are empty: a span serves who no longer has what was sent, and so can't name it.
    """

    study: StudyId
    pseudonym: Pseudonym
    requested_ms: Count
    reason: str
    consent_record: RecordId | None = None
    segments: tuple[tuple[int, int], ...] | None = None
    sent: SentSpan | None = None


class DeletionReceipt(msgspec.Struct, frozen=True):
    """What was asked for is erased; ``request`` is the digest of the deletion request."""

    study: StudyId
    pseudonym: Pseudonym
    request: str
    segments_erased: Count
    completed_ms: Count


def sign_segment_receipt(receipt: SegmentReceipt, key: SigningKey) -> bytes:
    """Sign a receipt, quickly: a receiver makes thousands a second."""
    return sign_plain_document(SEGMENT_RECEIPT, receipt, key)
