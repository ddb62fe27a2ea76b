"""What the receiver notes about a participant: nothing but ids, counts, digests and times."""

from __future__ import annotations

import msgspec

from consent_ledger.record import TRANSITIONS, ConsentState
from event_model.ids import Pseudonym, RecordId, StudyId


class Participant(msgspec.Struct, frozen=True):
    """Whom a request is about: a pseudonym in a study."""

    study: StudyId
    pseudonym: Pseudonym


class ConsentRow(msgspec.Struct, frozen=True):
    """A consent record as it came, and what its document says; ``document`` is empty for a tombstone."""

    record: RecordId
    state: ConsentState
    study_version: int
    expires_ms: int
    document: bytes


class SegmentRow(msgspec.Struct, frozen=True):
    """A segment that was stored, or the tombstone of one that was erased.

    A tombstone keeps the digest, so that the chain goes on behind it and the same bytes are refused; a tombstone of
    a segment that never came has none, and refuses any bytes.
    """

    epoch: int
    number: int
    first_seq: int
    count: int
    digest: str
    size: int
    record: RecordId | None
    received_ms: int
    erased: bool = False

    @property
    def next_seq(self) -> int:
        """The sequence number after its last event."""
        return self.first_seq + self.count


class DeletionRow(msgspec.Struct, frozen=True):
    """A deletion request, by its digest. ``completed_ms`` is None until every object is gone."""

    digest: str
    segments_erased: int
    completed_ms: int | None


class Enrolment(msgspec.Struct, frozen=True):
    """Who used an invitation (``pseudonym`` is empty: nobody yet), and whether it was revoked."""

    invitation: str
    pseudonym: str
    revoked: bool


class LogRow(msgspec.Struct, frozen=True):
    """An entry for a study's audit log. ``occasion`` names what it tells about: the same is told once."""

    data: bytes
    occasion: str


class Place(msgspec.Struct, frozen=True):
    """Where a segment belongs, and the consent record that it names."""

    participant: Participant
    record: RecordId
    epoch: int
    number: int


class SegmentSave(msgspec.Struct, frozen=True):
    """A segment's row to keep; ``replaces``: in place of a tombstone."""

    participant: Participant
    row: SegmentRow
    replaces: bool = False


class ConsentTerms(msgspec.Struct, frozen=True):
    """What of a consent record a segment is checked against."""

    state: ConsentState
    study_version: int
    expires_ms: int


class Standing(msgspec.Struct, frozen=True):
    """What is known when a segment arrives.

    Its consent, the row of its number, the row before it in its epoch (tombstones of what never came left out), and
    the newest number of the epoch.
    """

    consent: ConsentTerms | None
    segment: SegmentRow | None
    before: SegmentRow | None
    newest: int | None


def may_follow(before: ConsentState | None, after: ConsentState) -> bool:
    """Say whether a consent record may be told again in another state: the ledger's table, or no change.

    A withdrawn record never comes back: a replayed "given" changes nothing.
    """
    if before is None or before is after:
        return True
    return any(start is before and end is after for (start, _act), end in TRANSITIONS.items())
