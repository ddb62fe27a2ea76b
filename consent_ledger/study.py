"""The study manifest as data. One that breaks a rule can't be made: the checks run in the constructor."""

from __future__ import annotations

from consent_ledger.study_checks import (
    DEFAULT_HOLD_S,
    DEFAULT_K,
    DEFAULT_RELEASE_GAP_S,
    DEFAULT_RELEASE_ROUND_S,
    DEFAULT_SETTLE_S,
    MANIFEST_SCHEMA,
    MAX_HOLD_S,
    MAX_K,
    MAX_NOTICE,
    MAX_RELEASE_GAP_S,
    MAX_RELEASE_ROUND_S,
    MAX_RETENTION_DAYS,
    MAX_SETTLE_S,
    MAX_VERSION,
    MIN_K,
    MIN_RELEASE_GAP_S,
    MIN_RELEASE_ROUND_S,
    MIN_SETTLE_S,
    check_kinds,
    check_line,
    check_number,
    check_purposes,
    check_receiver,
    check_recipients,
    check_scope,
    check_term,
    check_text,
    moment_ms,
    notice_digest,
    with_control_kinds,
)
from consent_ledger.study_parts import Controller, Part, Purpose, Receiver, ScopeRules
from event_model.errors import ManifestError
from event_model.ids import StudyId, is_study_id
from event_model.keys import RecipientPublicKey, VerifyKey, decode_key
from event_model.levels import Level


class StudyManifest(Part, frozen=True):
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
    release_round_s: int = DEFAULT_RELEASE_ROUND_S
    release_gap_s: int = DEFAULT_RELEASE_GAP_S
    schema: int = MANIFEST_SCHEMA

    def __post_init__(self) -> None:
        if self.schema != MANIFEST_SCHEMA:
            raise ManifestError(
                f"schema is {self.schema}, this version of overt knows {MANIFEST_SCHEMA}", hint="Update overt."
            )
        if not is_study_id(self.id):
            raise ManifestError(f"id must be 2 to 63 lower-case letters, digits and hyphens, not {self.id!r}")
        check_line("title", self.title)
        check_line("controller.name", self.controller.name)
        check_line("controller.contact", self.controller.contact)
        check_text("notice", self.notice, MAX_NOTICE)
        check_term("legal_basis", self.legal_basis, example="eu-gdpr:A6-1-a")
        for field, value, low, high in (
            ("version", self.version, 1, MAX_VERSION),
            ("hold_s", self.hold_s, 0, MAX_HOLD_S),
            ("settle_s", self.settle_s, MIN_SETTLE_S, MAX_SETTLE_S),
            ("retention_days", self.retention_days, 1, MAX_RETENTION_DAYS),
            ("k", self.k, MIN_K, MAX_K),
            ("release_round_s", self.release_round_s, MIN_RELEASE_ROUND_S, MAX_RELEASE_ROUND_S),
            ("release_gap_s", self.release_gap_s, MIN_RELEASE_GAP_S, MAX_RELEASE_GAP_S),
        ):
            check_number(field, value, low, high)
        check_purposes(self.purposes)
        check_kinds(self.kinds)
        check_scope(self.scope)
        if self.start_ms >= self.end_ms:
            raise ManifestError(f"the study ends ({self.end}) before it starts ({self.start})")
        check_recipients(self.recipients)
        check_receiver(self.receiver)
        if self.notice_digest != notice_digest(self.notice):
            raise ManifestError("notice_digest is not the SHA-256 of the notice; leave it out and it is worked out")

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
