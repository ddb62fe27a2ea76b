"""What a run of sync tells: while it runs, and at its end."""

from __future__ import annotations

import enum

import msgspec

from event_model.errors import UploadError
from event_model.ids import StudyId


class Stage(enum.Enum):
    """What a run is doing."""

    CONSENT = "consent"
    SEGMENT = "segment"
    DELETION = "deletion"
    WAITING = "waiting"


class SyncProgress(msgspec.Struct, frozen=True):
    """How far a run has come with one study; told after each step. ``bytes_sent`` counts the whole run."""

    study: StudyId
    stage: Stage
    done: int
    total: int
    bytes_sent: int


class Problem(msgspec.Struct, frozen=True):
    """Why a study's upload, or a deletion, did not come to its end.

    ``permanent``: another run changes nothing until a person has looked; else the next run goes on where this one
    ended, not before ``retry_ms`` if the receiver said so. ``refused``: the receiver said no, for good.
    """

    study: StudyId
    code: str
    message: str
    hint: str
    permanent: bool
    retry_ms: int | None = None
    refused: bool = False


class SyncReport(msgspec.Struct, frozen=True):
    """What a run did.

    ``uploaded`` counts segments with a receipt got in this run, ``already`` those among them that the receiver had
    from an earlier try; ``held`` those still in their hold time, ``waiting`` those past it and not uploaded yet.
    ``newer`` names the studies of which a newer version was found that waits for the person's answer.
    """

    uploaded: int = 0
    already: int = 0
    held: int = 0
    waiting: int = 0
    damaged: int = 0
    deletions_settled: int = 0
    deletions_waiting: int = 0
    bytes_sent: int = 0
    newer: tuple[StudyId, ...] = ()
    problems: tuple[Problem, ...] = ()


class Tally:
    """Counts while a run goes on."""

    def __init__(self) -> None:
        self.uploaded = 0
        self.already = 0
        self.held = 0
        self.waiting = 0
        self.damaged = 0
        self.deletions_settled = 0
        self.deletions_waiting = 0
        self.bytes_sent = 0
        self.newer: list[StudyId] = []
        self.problems: list[Problem] = []

    def report(self) -> SyncReport:
        """Give the counts as they stand."""
        return SyncReport(**{**vars(self), "newer": tuple(self.newer), "problems": tuple(self.problems)})


class SyncIncomplete(UploadError):
    """A run that could not do everything; ``report`` says what it did and what stands in the way."""

    def __init__(self, report: SyncReport) -> None:
        first = report.problems[0]
        super().__init__(f"{first.study}: {first.message}", code=first.code, hint=first.hint)
        self.report = report

    @property
    def refused(self) -> bool:
        """Whether the first trouble is that the receiver refuses, and trying again changes nothing."""
        return self.report.problems[0].refused
