"""What the store accepts: batches that only the gate can make.

A batch is made with the stamp of ``event_model._mint``, which only ``capture_gate`` may import (an import contract);
without it the constructor refuses, so nothing reaches the store past the gate.
"""

from __future__ import annotations

from event_model._mint import STAMP, Stamp
from event_model.events import Event, Finding, Mask
from event_model.ids import RecordId, SessionId, StudyId


class _Admitted:
    """The root of both batches: one study, one session, consecutive events."""

    __slots__ = ("consent_record", "events", "session", "source", "study")

    def __init__(
        self,
        stamp: Stamp,
        *,
        study: StudyId,
        session: SessionId,
        source: str,
        consent_record: RecordId,
        events: tuple[Event, ...],
    ) -> None:
        if stamp is not STAMP:
            raise TypeError("only the gate makes what the store accepts")
        if not events:
            raise ValueError("an empty batch says nothing")
        self.study = study
        self.session = session
        self.source = source
        self.consent_record = consent_record
        self.events = events

    @property
    def first_index(self) -> int:
        """The index of the first event."""
        return self.events[0].index

    @property
    def next_index(self) -> int:
        """One past the index of the last event."""
        return self.events[-1].index + 1


class PendingBatch(_Admitted):
    """Admitted events that the filter has not settled: for the journal, under a key that will be destroyed."""

    __slots__ = ()


class MaskedBatch(_Admitted):
    """Settled events, masked, with the side records of what was taken out: for a segment."""

    __slots__ = ("findings", "masks")

    def __init__(
        self,
        stamp: Stamp,
        *,
        study: StudyId,
        session: SessionId,
        source: str,
        consent_record: RecordId,
        events: tuple[Event, ...],
        masks: tuple[Mask, ...],
        findings: tuple[Finding, ...],
    ) -> None:
        super().__init__(
            stamp, study=study, session=session, source=source, consent_record=consent_record, events=events
        )
        self.masks = masks
        self.findings = findings
