"""Study manifests: TOML in, signed canonical JSON out, and what of a change asks for consent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from consent_ledger.study import StudyManifest
from consent_ledger.study_checks import CONTROL_KINDS, KINDS, notice_digest, with_control_kinds
from consent_ledger.study_parts import Controller, Purpose, Receiver, ScopeRules, WorkspaceRule
from consent_ledger.study_toml import explain, manifest_from_toml, manifest_to_toml, study_template
from event_model.errors import FormatError, ManifestError
from event_model.keys import SigningKey, VerifyKey
from event_model.signed import Signed, document_digest, open_document, sign_document

__all__ = [
    "CONTROL_KINDS",
    "KINDS",
    "STUDY_MANIFEST",
    "Controller",
    "Purpose",
    "Receiver",
    "ScopeRules",
    "StudyManifest",
    "WorkspaceRule",
    "manifest_digest",
    "manifest_from_toml",
    "manifest_to_toml",
    "notice_digest",
    "read_manifest",
    "requires_new_consent",
    "sign_manifest",
    "study_template",
    "with_control_kinds",
]

STUDY_MANIFEST = "study-manifest"
"""The type of the signed document."""


def sign_manifest(manifest: StudyManifest, owner: SigningKey) -> bytes:
    """Sign a manifest with the study owner's key, as canonical JSON."""
    return sign_document(STUDY_MANIFEST, manifest, owner)


def manifest_digest(manifest: StudyManifest) -> str:
    """Name a manifest by its content, hex; the digest that consent records point at."""
    return document_digest(STUDY_MANIFEST, manifest)


def read_manifest(data: bytes, *, key: VerifyKey | None = None) -> Signed[StudyManifest]:
    """Open a signed manifest; with ``key``, that key must have signed it.

    ManifestError: if it is malformed or breaks a rule. SignatureError: if the signature does not fit.
    """
    try:
        return open_document(STUDY_MANIFEST, data, StudyManifest, key=key)
    except ManifestError:
        raise
    except FormatError as error:
        raise ManifestError(explain(error.message)) from error


def requires_new_consent(old: StudyManifest, new: StudyManifest) -> tuple[str, ...]:
    """Name the fields whose change a person must agree to, sorted; empty if the new version asks for no more.

    A change that only takes less (a kind dropped, a level lowered, a deny added, a longer hold, an earlier end)
    or that corrects a title or a contact asks for nothing.
    """
    return tuple(sorted(field for field, asks in _ASKS_MORE.items() if asks(old, new)))


def _differs(field: str) -> Callable[[StudyManifest, StudyManifest], bool]:
    return lambda old, new: getattr(old, field) != getattr(new, field)


def _more_kinds(old: StudyManifest, new: StudyManifest) -> bool:
    """Say whether a kind is new or its level rose."""
    return any(kind not in old.levels or old.levels[kind] < level for kind, level in new.levels.items())


def _wider_scope(old: StudyManifest, new: StudyManifest) -> bool:
    """Say whether the scope gained a workspace or an origin, or lost a deny rule or a secret field."""
    return (
        not set(new.scope.workspaces) <= set(old.scope.workspaces)
        or not set(new.scope.web_origins) <= set(old.scope.web_origins)
        or not set(old.scope.deny) <= set(new.scope.deny)
        or not set(old.scope.secret_fields) <= set(new.scope.secret_fields)
    )


_ASKS_MORE: Final[dict[str, Callable[[StudyManifest, StudyManifest], bool]]] = {
    "id": _differs("id"),
    "schema": _differs("schema"),
    "title": lambda _old, _new: False,
    "version": lambda _old, _new: False,
    "controller": lambda old, new: old.controller.name != new.controller.name,
    "purposes": lambda old, new: not set(new.purposes) <= set(old.purposes),
    "legal_basis": _differs("legal_basis"),
    "kinds": _more_kinds,
    "scope": _wider_scope,
    "hold_s": lambda old, new: new.hold_s < old.hold_s,
    "settle_s": lambda old, new: new.settle_s < old.settle_s,
    "retention_days": lambda old, new: new.retention_days > old.retention_days,
    "start": lambda old, new: new.start_ms < old.start_ms,
    "end": lambda old, new: new.end_ms > old.end_ms,
    "k": lambda old, new: new.k < old.k,
    "release_round_s": lambda old, new: new.release_round_s < old.release_round_s,
    "release_gap_s": lambda old, new: new.release_gap_s < old.release_gap_s,
    "recipients": lambda old, new: not set(new.recipients) <= set(old.recipients),
    "receiver": _differs("receiver"),
    "notice": _differs("notice"),
    "notice_digest": _differs("notice_digest"),
}
"""For each field of the manifest, whether a change of it asks for more; every field must stand here."""
