"""Invitations to a study, and their revocation: signed by its owner, used once, without a name on them. Pure.

The owner knows to whom an invitation was given, the receiver which pseudonym used it; neither knows both.
"""

from __future__ import annotations

import base64

import msgspec

from event_model.body import Count
from event_model.errors import AuditError, ConsentError, CryptoError, FormatError
from event_model.ids import StudyId
from event_model.keys import SigningKey, VerifyKey
from event_model.sign_on import PERSON_CHARACTERS
from event_model.signed import open_document, sign_document

INVITATION = "invitation"
REVOCATION = "revocation"
"""The types of the signed documents."""

HEADER = "overt-invitation"
"""The request header in which a device shows its invitation beside its consent record."""

ID_CHARACTERS = 32
MAX_INVITATION_BYTES = 2048


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place in a study, until a moment (Unix ms); ``id`` is 32 hex digits, random."""

    study: StudyId
    id: str
    expires_ms: Count


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shuts out whoever used an invitation, or nobody yet; or a person who signed on, with all their installations.

    One of ``invitation`` and ``person`` (see ``sign_on.person_digest``) is empty.
    """

    study: StudyId
    invitation: str
    revoked_ms: Count
    person: str = ""


def make_invitation(study: StudyId, owner: SigningKey, *, identity: str, expires_ms: int) -> bytes:
    """Sign an invitation."""
    return sign_document(INVITATION, Invitation(study, identity, expires_ms), owner)


def read_invitation(data: bytes, *, study: StudyId, owner: VerifyKey) -> Invitation:
    """Read an invitation to a study. ConsentError: if it is none, another's, or not signed by the owner."""
    try:
        invitation = open_document(INVITATION, data[:MAX_INVITATION_BYTES], Invitation, key=owner).payload
    except (FormatError, CryptoError) as error:
        raise ConsentError("this is no invitation by the study's owner", code="invitation-invalid", hint="") from error
    if invitation.study != study or len(invitation.id) != ID_CHARACTERS:
        raise ConsentError(f"this invitation is to {invitation.study}", code="invitation-foreign", hint="")
    return invitation


def read_revocation(data: bytes, *, study: StudyId, owner: VerifyKey) -> Revocation:
    """Read a revocation. AuditError: if it is none, another study's, or not signed by the owner."""
    try:
        revocation = open_document(REVOCATION, data, Revocation, key=owner).payload
    except (FormatError, CryptoError) as error:
        raise AuditError("this is no revocation by the study's owner", code="revocation-invalid") from error
    lengths = len(revocation.invitation), len(revocation.person)
    if revocation.study != study or lengths not in {(ID_CHARACTERS, 0), (0, PERSON_CHARACTERS)}:
        raise AuditError("this revocation is of another study", code="revocation-invalid")
    return revocation


def to_header(data: bytes) -> str:
    """Write an invitation for the request header."""
    return base64.urlsafe_b64encode(data).decode()


def from_header(text: str) -> bytes:
    """Read what ``to_header`` wrote. ConsentError: if it is not that."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError as error:
        raise ConsentError("this is no invitation", code="invitation-invalid", hint="") from error
