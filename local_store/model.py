"""What the store tells: plain frozen data, and the states of a segment as a table."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from event_model.errors import StoreConflict
from event_model.events import Event
from event_model.ids import RecordId, SessionId, StudyId

INDEX_BITS = 32
"""A session has fewer events than that: at 100 a second it would last a year and four months."""

SegmentPlace = tuple[StudyId, int, int]
"""Study, epoch, number."""


class SegmentState(enum.Enum):
    """Where a segment stands on its way out."""

    HELD = "held"
    ENVELOPED = "enveloped"
    UPLOADED = "uploaded"
    FORGOTTEN = "forgotten"
    DAMAGED = "damaged"


class SegmentAct(enum.Enum):
    """What can happen to a segment after it was sealed."""

    ENVELOPE = "envelope"
    UPLOAD = "upload"
    REWRITE = "rewrite"
    ERASE = "erase"
    DAMAGE = "damage"


TRANSITIONS: Mapping[tuple[SegmentState, SegmentAct], SegmentState] = {
    (SegmentState.HELD, SegmentAct.ENVELOPE): SegmentState.ENVELOPED,
    (SegmentState.HELD, SegmentAct.REWRITE): SegmentState.HELD,
    (SegmentState.HELD, SegmentAct.DAMAGE): SegmentState.DAMAGED,
    # The envelope is gone with the rewriting; a new one is made when the segment is due again.
    (SegmentState.ENVELOPED, SegmentAct.REWRITE): SegmentState.HELD,
    (SegmentState.ENVELOPED, SegmentAct.UPLOAD): SegmentState.UPLOADED,
    # The body can't be read any more, but the envelope can still be sent.
    (SegmentState.ENVELOPED, SegmentAct.DAMAGE): SegmentState.ENVELOPED,
    # Two processes sync at once: the second receipt says nothing new.
    (SegmentState.UPLOADED, SegmentAct.UPLOAD): SegmentState.UPLOADED,
    (SegmentState.UPLOADED, SegmentAct.ERASE): SegmentState.FORGOTTEN,
    (SegmentState.UPLOADED, SegmentAct.DAMAGE): SegmentState.UPLOADED,
    (SegmentState.DAMAGED, SegmentAct.DAMAGE): SegmentState.DAMAGED,
    (SegmentState.DAMAGED, SegmentAct.ERASE): SegmentState.FORGOTTEN,
    (SegmentState.HELD, SegmentAct.ERASE): SegmentState.FORGOTTEN,
    (SegmentState.ENVELOPED, SegmentAct.ERASE): SegmentState.FORGOTTEN,
}
"""The life of a segment. What is not in the table does not happen."""


def transition(state: SegmentState, act: SegmentAct) -> SegmentState:
    """Give the state after an act. StoreConflict: if the table has no such transition."""
    after = TRANSITIONS.get((state, act))
    if after is None:
        raise StoreConflict(f"a segment that is {state.value} has no {act.value}")
    return after


class SessionInfo(msgspec.Struct, frozen=True):
    """One run of one collector for one study. ``next_index`` is one past its last durable event."""

    study: StudyId
    session: SessionId
    source: str
    consent_record: RecordId
    next_index: int
    sealed: int


class SegmentInfo(msgspec.Struct, frozen=True):
    """A segment's metadata: all that can be known of it without a key. ``size`` is bytes at rest.

    ``revision`` rises with every rewriting, so that an envelope of an older content is not taken.
    """

    study: StudyId
    epoch: int
    number: int
    session: SessionId
    source: str
    consent_record: RecordId
    first_seq: int
    count: int
    first_index: int
    sealed_ms: int
    first_wall_ms: int
    last_wall_ms: int
    size: int
    state: SegmentState
    revision: int
    digest: str = ""
    receipt: bytes | None = None

    @property
    def place(self) -> SegmentPlace:
        """Study, epoch and number: what names a segment to the receiver too."""
        return self.study, self.epoch, self.number


class StoredEvent(msgspec.Struct, frozen=True):
    """An event and where it stands: ``pending`` (not masked yet), or its segment's state."""

    study: StudyId
    session: SessionId
    source: str
    state: str
    event: Event


class Forgotten(msgspec.Struct, frozen=True):
    """What a forgetting did.

    ``uploaded_segments`` are (study, epoch, number) of what the receiver has, or may have: the caller asks it to erase
    them. Those that may have been sent without a receipt are still due here, with what is left of them.
    """

    events: int = 0
    segments: int = 0
    uploaded_segments: tuple[SegmentPlace, ...] = ()


class Damage(msgspec.Struct, frozen=True):
    """A part of the store that failed its check, and what is known of it."""

    what: str
    study: StudyId
    session: SessionId
    first_index: int
    events: int
    detail: str


class SequenceGap(msgspec.Struct, frozen=True):
    """Sequence numbers of a study and epoch that no segment holds; ``end`` is exclusive."""

    study: StudyId
    epoch: int
    start: int
    end: int


class VerifyReport(msgspec.Struct, frozen=True):
    """What a full check found: how much was read in whole, and what was not.

    ``set_aside`` names the damaged databases out of which this one was made; they stay until something is forgotten.
    """

    segments: int
    events: int
    pending: int
    damaged: tuple[Damage, ...]
    gaps: tuple[SequenceGap, ...]
    set_aside: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True when nothing is damaged and nothing is missing."""
        return not self.damaged and not self.gaps


class StudyStats(msgspec.Struct, frozen=True):
    """Events of one study by where they stand, and segments."""

    study: StudyId
    pending: int
    held: int
    uploaded: int
    forgotten: int
    damaged: int
    segments: int


class StoreStats(msgspec.Struct, frozen=True):
    """How much the store holds. ``size_bytes`` leaves out the fixed reserve."""

    studies: tuple[StudyStats, ...]
    sessions: int
    size_bytes: int

    @property
    def pending(self) -> int:
        """Pending events of all studies."""
        return sum(each.pending for each in self.studies)
