"""Who does what in a study: its owner, its custodians, its auditors; and what each may state in the audit log. Pure.

The owner signs the list with the key that signed the manifest. Without a list there is the owner alone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from event_model.errors import AuditError, KeyUnavailable
from event_model.ids import StudyId
from event_model.keys import SigningKey, VerifyKey, decode_key, encode_key
from event_model.log_entries import LogKind
from event_model.signed import open_document, sign_document

STUDY_ROLES = "study-roles"
"""The type of the signed document."""

OWNER_NAME = "owner"
RELEASE_MEMBERS = 2
"""The owner, and a custodian."""


class Role(enum.Enum):
    """What a member of a study may do."""

    OWNER = "owner"
    """Invites and revokes, names the others, releases datasets together with a custodian."""
    CUSTODIAN = "custodian"
    """Holds a share of the study key, opens data together with others, builds datasets, approves releases."""
    AUDITOR = "auditor"
    """Reads how many segments and deletions there are; changes nothing."""


MAY_STATE: Final[Mapping[LogKind, frozenset[Role]]] = MappingProxyType(
    {
        LogKind.KEY_OPENING: frozenset({Role.CUSTODIAN}),
        LogKind.DATASET_BUILD: frozenset({Role.CUSTODIAN, Role.OWNER}),
        LogKind.DATASET_RELEASE: frozenset({Role.OWNER, Role.CUSTODIAN}),
    }
)
"""What a member may have written into the log; everything else the receiver writes by itself. A release takes the owner
and a custodian, a key's opening as many custodians as the study says."""


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member: a name that participants will read, a public key (base64url), and roles."""

    name: str
    key: str
    roles: tuple[Role, ...]


class StudyRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study's members, and how many custodians open its key together."""

    study: StudyId
    members: tuple[Member, ...] = ()
    threshold: int = 1


class Roles:
    """A study's members by key."""

    def __init__(self, listed: StudyRoles, owner: VerifyKey) -> None:
        self.threshold = listed.threshold
        self._members = {decode_key(member.key): member for member in listed.members}
        custodians = sum(Role.CUSTODIAN in member.roles for member in listed.members)
        roles = (Role.OWNER,) if custodians else (Role.OWNER, Role.CUSTODIAN)
        # Until the key is split its holder is who made the study.
        self._members[owner.raw] = Member(OWNER_NAME, encode_key(owner.raw), roles)

    def has(self, key: VerifyKey, role: Role) -> bool:
        """Say whether a key's holder has a role."""
        member = self._members.get(key.raw)
        return member is not None and role in member.roles

    def stating(self, kind: LogKind, keys: Iterable[VerifyKey]) -> tuple[str, ...]:
        """Name the members who together state something. AuditError: if one may not, or they are too few."""
        allowed = MAY_STATE.get(kind, frozenset())
        distinct = set(keys)
        members = [self._members.get(key.raw) for key in distinct]
        named = sorted(member.name for member in members if member is not None and allowed & set(member.roles))
        needed = {LogKind.KEY_OPENING: self.threshold, LogKind.DATASET_RELEASE: RELEASE_MEMBERS}.get(kind, 1)
        if kind is LogKind.DATASET_RELEASE and OWNER_NAME not in named:
            raise AuditError("a release takes the owner", code="role-missing")
        if len(named) != len(distinct) or len(named) < needed:
            raise AuditError("these members may not state this", code="role-missing")
        return tuple(named)


def sign_roles(listed: StudyRoles, owner: SigningKey) -> bytes:
    """Sign a list of members. AuditError: if it contradicts itself."""
    _check(listed)
    return sign_document(STUDY_ROLES, listed, owner)


def read_roles(data: bytes | None, *, study: StudyId, owner: VerifyKey) -> Roles:
    """Read a study's list, or make the one without any. AuditError, FormatError, SignatureError: if it is no good."""
    if data is None:
        return Roles(StudyRoles(study), owner)
    listed = open_document(STUDY_ROLES, data, StudyRoles, key=owner).payload
    if listed.study != study:
        raise AuditError(f"this list of roles is of the study {listed.study}", code="roles-foreign")
    _check(listed)
    return Roles(listed, owner)


def _check(listed: StudyRoles) -> None:
    names = {member.name for member in listed.members}
    custodians = sum(Role.CUSTODIAN in member.roles for member in listed.members)
    try:
        keys = {VerifyKey(decode_key(member.key)) for member in listed.members}
    except KeyUnavailable as error:
        raise AuditError("a member's key is malformed", code="roles-invalid") from error
    if len(names) != len(listed.members) or len(keys) != len(listed.members) or OWNER_NAME in names:
        raise AuditError("two members have one name or key", code="roles-invalid")
    if any(not name.isprintable() or not 1 <= len(name) <= 64 for name in names):
        raise AuditError("a member's name has 1 to 64 printable characters", code="roles-invalid")
    if not 1 <= listed.threshold <= max(custodians, 1):
        raise AuditError("more custodians are asked for than there are", code="roles-invalid")
