"""What stands in a study's audit log: that something was done, when, by which role and for what; never any content.

A participant is named by a digest that only who knows the pseudonym can make: one recognises one's own entries, and
nobody else's.
"""

from __future__ import annotations

import enum
import hashlib

import msgspec

from event_model.body import Count
from event_model.errors import AuditError
from event_model.ids import Pseudonym, StudyId
from event_model.signed import canonical_json

LOG_STATEMENT = "log-statement"
"""The type of the signed document in which someone asks for an entry."""

MAX_PURPOSE_CHARACTERS = 500
MIN_PURPOSE_CHARACTERS = 8
"""A purpose is a sentence that a participant can judge: "x" is none."""

MAX_ENTRY_BYTES = 4096


class LogKind(enum.Enum):
    """What an entry tells."""

    ENROLMENT = "enrolment"
    WITHDRAWAL = "withdrawal"
    REVOCATION = "revocation"
    DELETION = "deletion"
    RETENTION = "retention"
    KEY_OPENING = "key-opening"
    DATASET_BUILD = "dataset-build"
    DATASET_RELEASE = "dataset-release"


WITH_PURPOSE = frozenset({LogKind.KEY_OPENING, LogKind.DATASET_RELEASE})
"""What is done with the data is done for a purpose that participants can read."""


class LogEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry.

    ``subject`` names a participant (see ``subject_of``), ``by`` the members of the study who did it, ``digest`` what
    it was done to (a deletion request, a dataset's card), ``count`` how many segments it concerned.
    """

    kind: LogKind
    study: StudyId
    at_ms: Count
    subject: str = ""
    by: tuple[str, ...] = ()
    purpose: str = ""
    digest: str = ""
    count: Count = 0


class LogStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's request for an entry; who opens the key together sign the same statement, each for themselves."""

    study: StudyId
    kind: LogKind
    stated_ms: Count
    nonce: str
    purpose: str = ""
    digest: str = ""
    count: Count = 0


class LogProof(msgspec.Struct, frozen=True):
    """That an entry stands in the log: the entry as hashed, its place, a checkpoint, and the path between them."""

    entry: str
    index: int
    checkpoint: str
    path: tuple[bytes, ...]


def encode_entry(entry: LogEntry) -> bytes:
    """Write an entry as it is hashed: canonical JSON."""
    return canonical_json(entry)


def decode_entry(data: bytes) -> LogEntry:
    """Read an entry. AuditError: if it is none."""
    try:
        return msgspec.json.decode(data, type=LogEntry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError("an entry of the log can't be read", code="log-malformed") from error


def subject_of(study: StudyId, pseudonym: Pseudonym) -> str:
    """Name a participant so that nobody who does not know the pseudonym can tell who it is: 32 hex digits."""
    return hashlib.sha256(f"overt log subject 1\n{study}\n{pseudonym}".encode()).hexdigest()[:32]


def check_purpose(purpose: str) -> str:
    """Check a stated purpose. AuditError: if it is no sentence of a sensible length."""
    text = " ".join(purpose.split())
    if not MIN_PURPOSE_CHARACTERS <= len(text) <= MAX_PURPOSE_CHARACTERS or not text.isprintable():
        raise AuditError(
            "opening or releasing data takes a purpose in words",
            code="purpose-missing",
            hint=f"Every participant can read it: {MIN_PURPOSE_CHARACTERS} to {MAX_PURPOSE_CHARACTERS} characters.",
        )
    return text
