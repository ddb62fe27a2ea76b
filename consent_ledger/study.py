"""The study manifest as data. One that breaks a rule can't be made: the checks run in the constructor."""

from __future__ import annotations

import msgspec

from consent_ledger.study_checks import (
    DEFAULT_HOLD_S,
    DEFAULT_K,
    DEFAULT_SETTLE_S,
    MANIFEST_SCHEMA,
    check_manifest,
    moment_ms,
    with_control_kinds,
)
from event_model.ids import StudyId
from event_model.keys import RecipientPublicKey, VerifyKey, decode_key
from event_model.levels import Level


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The root of a manifest's parts: a field that this version does not know may be a limit, so it is refused."""


class Controller(_Part, frozen=True):
    """Who answers for the data (GDPR article 4(7)), and how to reach them."""

    name: str
    contact: str


class Purpose(_Part, frozen=True):
    """What the data is for: a name, a W3C DPV term, and a sentence for the person."""

    id: str
    dpv: str
    text: str


class WorkspaceRule(_Part, frozen=True):
    """Workspaces that the study covers, by git remote, by folder, or by both (then both must fit)."""

    remote: str | None = None
    path: str | None = None


class ScopeRules(_Part, frozen=True):
    """Where the study captures: a list of what is allowed, and what is taken out of it.

    ``secret_fields`` are globs of form fields' names, ids or labels that are never looked at, beside those that are
    recognised as secret anyway.
    """

    workspaces: tuple[WorkspaceRule, ...] = ()
    deny: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    secret_fields: tuple[str, ...] = ()


class Receiver(_Part, frozen=True):
    """Where sealed segments go, and the key (base64url) that signs the receipts."""

    url: str
    key: str


class StudyManifest(_Part, frozen=True):
    """Everything that a person agrees to when joining a study. docs/STUDY.md explains each field.

    ManifestError: if a field is outside its limits or two fields contradict each other.
    """

    id: StudyId
    version: int
    title: str
    controller: Controller
    purposes: tuple[Purpose, ...]
    legal_basis: str
    kinds: dict[str, Level]
    scope: ScopeRules
    retention_days: int
    start: str
    end: str
    recipients: tuple[str, ...]
    receiver: Receiver
    notice: str
    notice_digest: str
    hold_s: int = DEFAULT_HOLD_S
    settle_s: int = DEFAULT_SETTLE_S
    k: int = DEFAULT_K
    schema: int = MANIFEST_SCHEMA

    def __post_init__(self) -> None:
        check_manifest(self)

    @property
    def start_ms(self) -> int:
        """The first moment of the study, Unix ms."""
        return moment_ms(self.start, field="start")

    @property
    def end_ms(self) -> int:
        """The first moment after the study, Unix ms; a date as ``end`` includes that day."""
        return moment_ms(self.end, field="end", end_of_day=True)

    @property
    def levels(self) -> dict[str, Level]:
        """The level of each kind that may be captured, the control kinds included."""
        return with_control_kinds(self.kinds)

    @property
    def recipient_keys(self) -> tuple[RecipientPublicKey, ...]:
        """The public keys that envelopes may be sealed to."""
        return tuple(RecipientPublicKey(decode_key(text)) for text in self.recipients)

    @property
    def receiver_key(self) -> VerifyKey:
        """The key that signs the receiver's receipts."""
        return VerifyKey(decode_key(self.receiver.key))
