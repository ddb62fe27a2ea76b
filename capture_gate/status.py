"""What a collector can tell the person: is capture on, for which study, and if not, why not."""

from __future__ import annotations

import msgspec

from capture_gate.decision import Refusal
from event_model.ids import DocumentId, StudyId


class ClientInfo(msgspec.Struct, frozen=True):
    """The tool that the collector serves, as it names itself."""

    name: str
    version: str = ""
    position_encoding: str = "utf-32"


class OpenVerdict(msgspec.Struct, frozen=True):
    """Whether a document is captured: its id, or ``None`` and every reason why not.

    A captured document may have refusals too: studies that do not want it, or a reason why only its shape is kept.
    """

    document: DocumentId | None
    refusals: tuple[Refusal, ...]


class StudyStatus(msgspec.Struct, frozen=True):
    """One study as one collector sees it; counts are of this run."""

    study: StudyId
    title: str
    live: bool
    offered: int = 0
    durable: int = 0
    sealed: int = 0
    masked: dict[str, int] = {}
    """What the filter found, by kind; it is masked when it is sealed."""
    documents: int = 0
    refusal: Refusal | None = None


class GateStatus(msgspec.Struct, frozen=True):
    """The whole answer: ``state`` is ``capturing``, ``paused`` or ``off``."""

    state: str
    reasons: tuple[Refusal, ...]
    studies: tuple[StudyStatus, ...]
    paused_until_ms: int | None = None


class StudyTerms(msgspec.Struct, frozen=True):
    """What a person agreed to, as a collector shows it. ``purposes`` are id, DPV term and sentence."""

    study: StudyId
    title: str
    version: int
    controller: str
    contact: str
    notice: str
    purposes: tuple[tuple[str, str, str], ...]
    origins: tuple[str, ...]
    levels: dict[str, str]
    secret_fields: tuple[str, ...]
    hold_s: int
    retention_days: int
    end_ms: int
    live: bool
    refusal: Refusal | None = None
