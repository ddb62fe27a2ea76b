"""What a person took out of a study's scope, as a file whose digest the signed record carries. Pure.

The file stays on the device, because paths tell about a person; the digest is salted, so that it can't be guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from consent_ledger.scope import Narrowing
from consent_ledger.study_checks import check_deny, check_origins, check_rules
from consent_ledger.study_parts import WorkspaceRule
from event_model.errors import ConsentError, FormatError, ManifestError, RecordError
from event_model.signed import MAX_DOCUMENT_BYTES, canonical_json, document_digest

NARROWING = "scope-narrowing"
"""The type under which the digest is made."""


class _NarrowingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    salt: str
    narrowing: Narrowing


def check_narrowing(
    deny: Sequence[str], workspaces: Sequence[WorkspaceRule], deny_origins: Sequence[str] = ()
) -> Narrowing:
    """Check what a person wrote. ConsentError: if a pattern can't be used."""
    try:
        check_deny(deny, field="deny")
        check_rules(workspaces, field="workspaces")
        check_origins(deny_origins, field="deny_origins")
    except ManifestError as error:
        raise ConsentError(
            error.message, code="narrowing-invalid", hint="Patterns are written as in .gitignore."
        ) from error
    return Narrowing(deny=tuple(deny), workspaces=tuple(workspaces), deny_origins=tuple(deny_origins))


def write_narrowing(narrowing: Narrowing, *, salt: bytes) -> tuple[bytes, str]:
    """Give the file's bytes and its digest, hex."""
    file = _NarrowingFile(salt=salt.hex(), narrowing=narrowing)
    return canonical_json(file), document_digest(NARROWING, file)


def read_narrowing(data: bytes, *, digest: str) -> Narrowing:
    """Read the file that a record points at. RecordError: if it is malformed or another one."""
    try:
        if len(data) > MAX_DOCUMENT_BYTES:
            raise RecordError("the narrowing of the scope is too large")
        file = msgspec.json.decode(data, type=_NarrowingFile)
        found = document_digest(NARROWING, file)
        check_narrowing(file.narrowing.deny, file.narrowing.workspaces, file.narrowing.deny_origins)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, FormatError, ConsentError) as error:
        raise RecordError("the narrowing of the scope is damaged") from error
    if found != digest:
        raise RecordError("the narrowing of the scope is not the one that was agreed to")
    return file.narrowing
