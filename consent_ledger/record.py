"""Consent records after ISO/IEC TS 27560: what a person agreed to, when, and what became of it. Pure.

States and acts form a table; no transition exists outside it::

    given ── withdraw ──> withdrawn
      │ ╲─── supersede ─> superseded
      └───── expire ────> expired ── withdraw ──> withdrawn
                             ╲────── supersede ─> superseded

A record is signed with the installation's key for the study, whose fingerprint is the pseudonym.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from consent_ledger.study import StudyManifest
from consent_ledger.study_checks import check_levels
from consent_ledger.study_parts import Controller, Purpose
from event_model.body import Count
from event_model.errors import ConsentError, FormatError, KeyUnavailable, ManifestError, RecordError
from event_model.ids import Pseudonym, RecordId, StudyId, is_study_id
from event_model.keys import SigningKey, VerifyKey, decode_key, encode_key, pseudonym_of
from event_model.levels import Level
from event_model.signed import Signed, open_document, sign_document

CONSENT_RECORD = "consent-record"
"""The type of the signed document."""
RECORD_SCHEMA = 1

_RECORD_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ConsentState(enum.Enum):
    """Where a record stands (ISO/IEC TS 27560, event state)."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class ConsentAct(enum.Enum):
    """What moves a record on."""

    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"


TRANSITIONS: Final[Mapping[tuple[ConsentState, ConsentAct], ConsentState]] = MappingProxyType(
    {
        (ConsentState.GIVEN, ConsentAct.WITHDRAW): ConsentState.WITHDRAWN,
        (ConsentState.GIVEN, ConsentAct.EXPIRE): ConsentState.EXPIRED,
        (ConsentState.GIVEN, ConsentAct.SUPERSEDE): ConsentState.SUPERSEDED,
        (ConsentState.EXPIRED, ConsentAct.WITHDRAW): ConsentState.WITHDRAWN,
        (ConsentState.EXPIRED, ConsentAct.SUPERSEDE): ConsentState.SUPERSEDED,
    }
)
"""Every transition there is; withdrawn and superseded are final."""


class ConsentRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person's consent to one version of one study.

    ``pseudonym`` is the PII principal's identifier, ``verify_key`` (base64url) the key whose fingerprint it is,
    ``study_key`` the key that signed the manifest. ``levels`` are the person's, never above the study's. ``narrowing``
    is the digest of what the person took out of the scope; the paths themselves stay on the device. ``changed_ms`` is
    when the record left the state *given*. Times are Unix ms. RecordError: if fields are malformed or disagree.
    """

    record_id: RecordId
    pseudonym: Pseudonym
    verify_key: str
    study: StudyId
    study_version: int
    study_key: str
    manifest_digest: str
    notice_digest: str
    controller: Controller
    purposes: tuple[Purpose, ...]
    legal_basis: str
    levels: dict[str, Level]
    narrowing: str
    retention_days: int
    receiver: str
    state: ConsentState
    given_ms: Count
    expires_ms: Count
    changed_ms: Count | None = None
    schema_version: int = RECORD_SCHEMA

    def __post_init__(self) -> None:
        _check_record(self)

    @property
    def withdrawn_ms(self) -> int | None:
        """When consent was withdrawn, Unix ms, or None."""
        return self.changed_ms if self.state is ConsentState.WITHDRAWN else None


def make_record(
    manifest: Signed[StudyManifest],
    *,
    verify_key: VerifyKey,
    record_id: RecordId,
    given_ms: int,
    levels: Mapping[str, Level],
    narrowing: str,
    expires_ms: int | None = None,
) -> ConsentRecord:
    """Write down that a person agreed to a manifest, until the study ends or ``expires_ms``."""
    study = manifest.payload
    return ConsentRecord(
        record_id=record_id,
        pseudonym=pseudonym_of(verify_key),
        verify_key=encode_key(verify_key.raw),
        study=study.id,
        study_version=study.version,
        study_key=encode_key(manifest.key.raw),
        manifest_digest=manifest.digest,
        notice_digest=study.notice_digest,
        controller=study.controller,
        purposes=study.purposes,
        legal_basis=study.legal_basis,
        levels=dict(levels),
        narrowing=narrowing,
        retention_days=study.retention_days,
        receiver=study.receiver.url,
        state=ConsentState.GIVEN,
        given_ms=given_ms,
        expires_ms=study.end_ms if expires_ms is None else min(expires_ms, study.end_ms),
    )


def transition(record: ConsentRecord, act: ConsentAct, *, at_ms: int) -> ConsentRecord:
    """Move a record on. ConsentError: if the table has no such transition."""
    state = TRANSITIONS.get((record.state, act))
    if state is None:
        raise ConsentError(
            f"a record that is {record.state.value} can't be moved on by {act.value}", code="no-such-act"
        )
    # A clock that was set back must not make a record that ended before it began.
    return msgspec.structs.replace(record, state=state, changed_ms=max(at_ms, record.given_ms))


def sign_record(record: ConsentRecord, key: SigningKey) -> bytes:
    """Sign a record. KeyUnavailable: if the key is not the one that the record names."""
    if encode_key(key.verify_key.raw) != record.verify_key:
        raise KeyUnavailable("this installation's key is not the one that gave this consent", code="key-changed")
    return sign_document(CONSENT_RECORD, record, key)


def verify_record(data: bytes) -> Signed[ConsentRecord]:
    """Open a signed record and check that it was signed by the key that it names.

    RecordError: if it is malformed or names another key. SignatureError: if the signature does not fit.
    """
    try:
        signed = open_document(CONSENT_RECORD, data, ConsentRecord)
    except RecordError:
        raise
    except FormatError as error:
        raise RecordError(error.message) from error
    if encode_key(signed.key.raw) != signed.payload.verify_key:
        raise RecordError("the consent record is signed by another key than the one it names")
    return signed


def _check_record(record: ConsentRecord) -> None:
    if record.schema_version != RECORD_SCHEMA:
        raise RecordError(
            f"consent record of schema {record.schema_version}, this version of overt knows {RECORD_SCHEMA}",
            hint="Update overt.",
        )
    if _RECORD_ID.fullmatch(record.record_id) is None or not is_study_id(record.study):
        raise RecordError("the consent record has a malformed id")
    for digest in (record.manifest_digest, record.notice_digest, record.narrowing):
        if _DIGEST.fullmatch(digest) is None:
            raise RecordError("the consent record has a malformed digest")
    try:
        pseudonym = pseudonym_of(VerifyKey(decode_key(record.verify_key)))
        VerifyKey(decode_key(record.study_key))
        check_levels(record.levels, field="levels")
    except (KeyUnavailable, ManifestError) as error:
        raise RecordError(f"the consent record is malformed: {error.message}") from error
    if record.pseudonym != pseudonym:
        raise RecordError("the consent record's pseudonym is not the fingerprint of its key")
    if record.study_version < 1 or record.retention_days < 1:
        raise RecordError("the consent record has a version or a retention below one")
    _check_times(record)


def _check_times(record: ConsentRecord) -> None:
    if record.expires_ms <= record.given_ms:
        raise RecordError("the consent record expires before it was given")
    if (record.changed_ms is None) != (record.state is ConsentState.GIVEN):
        raise RecordError(f"a record that is {record.state.value} does not fit its time of change")
    if record.changed_ms is not None and record.changed_ms < record.given_ms:
        raise RecordError("the consent record ended before it was given")
