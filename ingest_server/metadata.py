"""What the receiver asks of its notes: a small protocol, behind which any database may stand.

A change that has returned is durable. Whoever changes something about a participant holds that participant's claim,
so a segment, a withdrawal and a deletion never overtake one another, whatever replica takes them. What segments need
works in the thread that calls it; the rest is for the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from event_model.errors import StoreUnwritable
from event_model.ids import Pseudonym, RecordId, StudyId
from event_model.merkle import Node
from ingest_server.rows import (
    ConsentRow,
    DeletionRow,
    Enrolment,
    LogRow,
    Participant,
    Place,
    SegmentRow,
    SegmentSave,
    Standing,
)

T = TypeVar("T")


class Claims(Protocol):
    """Participants that are held for oneself."""

    @property
    def free(self) -> Sequence[bool]:
        """Whether each that was asked for is held; one that is not belongs to someone else at present."""
        ...

    def release(self) -> None:
        """Let go of all."""
        ...


class Metadata(Protocol):
    """What the receiver asks of its notes. StoreUnwritable: from every method, if the database fails."""

    def claim(self, participant: Participant) -> AbstractAsyncContextManager[None]:
        """Hold a participant for oneself, across all replicas."""
        ...

    def claim_free(self, participants: Sequence[Participant]) -> Claims:
        """Hold those that nobody else holds, across all replicas, without waiting for the others.

        Each may be named once.
        """
        ...

    def standings(self, places: Sequence[Place]) -> list[Standing]:
        """Read what each of some segments is checked against."""
        ...

    async def consent(self, participant: Participant, record: RecordId) -> ConsentRow | None:
        """Read one consent record."""
        ...

    async def save_consent(self, participant: Participant, row: ConsentRow, entry: LogRow | None = None) -> None:
        """Keep a consent record, in place of an earlier state of it, and tell the log.

        A withdrawal ends those that it superseded too.
        """
        ...

    def save_segments(self, saves: Sequence[SegmentSave]) -> list[StoreUnwritable | None]:
        """Keep rows of segments, durably, in one transaction; say of each what kept it from being written, or None."""
        ...

    async def deletion(self, digest: str) -> DeletionRow | None:
        """Read how far a deletion request has come."""
        ...

    async def bury_all(self, participant: Participant, digest: str, record: RecordId | None) -> int:
        """Begin a deletion of everything: no record is given any more, no segment row is left; says how many were."""
        ...

    async def bury(self, participant: Participant, digest: str, segments: Sequence[tuple[int, int]]) -> int:
        """Begin a deletion of single segments: each becomes a tombstone; says how many had been stored."""
        ...

    async def complete_deletion(self, study: StudyId, digest: str, completed_ms: int, entry: LogRow) -> None:
        """Note that the objects of a deletion are gone, and tell the log."""
        ...

    async def enrolments(self, participant: Participant, invitation: str | None) -> list[Enrolment]:
        """Read the invitations that a participant used, and the one named."""
        ...

    async def enrol(self, participant: Participant, invitation: str) -> bool:
        """Note that a participant uses an invitation; says no if it was used or revoked before."""
        ...

    async def revoke(self, study: StudyId, invitations: Sequence[str], entry: Callable[[str, str], LogRow]) -> None:
        """Shut out who used one of these invitations: no record is given any more, and no other will be.

        The log is told of each that was used, by ``entry`` of invitation and pseudonym; if none was, of the first.
        """
        ...

    async def participants(self, study: StudyId) -> list[Pseudonym]:
        """Name everyone who ever gave a consent record for a study."""
        ...

    async def live_segments(self, participant: Participant) -> list[tuple[SegmentRow, int | None]]:
        """Read the rows of what is kept of a participant, each with the study's version that it was captured under."""
        ...

    async def segments_received(self, participant: Participant, since_ms: int, until_ms: int) -> list[SegmentRow]:
        """Read the rows of what came of a participant from a moment up to another, tombstones included."""
        ...

    async def append_entry(self, study: StudyId, entry: LogRow) -> int:
        """Add an entry to a study's log and give its index; the same occasion is told once."""
        ...

    async def log_entries(self, study: StudyId, start: int, end: int) -> list[bytes]:
        """Read entries of a study's log from ``start`` up to ``end``."""
        ...

    async def log_view(self, study: StudyId, view: Callable[[int, Node], T]) -> T:
        """Work out something from the size of a study's log and its complete nodes."""
        ...

    async def finish_erasing(self) -> None:
        """Have rows overwritten that an earlier process erased and could not."""
        ...

    @property
    def erasing(self) -> bool:
        """Whether rows that were erased still lie in a file; emptying it is tried again until it succeeds."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
