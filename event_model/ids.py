"""Identifiers that must not be mixed up, as distinct types."""

from __future__ import annotations

import re
from typing import NewType

StudyId = NewType("StudyId", str)
"""A study's short name: lower-case letters, digits and hyphens, 2 to 63 characters."""

SessionId = NewType("SessionId", str)
"""One run of one collector for one study: 32 lower-case hex digits, random."""

Pseudonym = NewType("Pseudonym", str)
"""What one study calls one installation: 32 lower-case base32 characters, see ``keys.pseudonym_of``."""

DocumentId = NewType("DocumentId", int)
"""A document within one session, counted from 1."""

RecordId = NewType("RecordId", str)
"""A consent record: 32 lower-case hex digits."""

STUDY_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{1,62}$"
_STUDY_ID = re.compile(STUDY_ID_PATTERN)


def is_study_id(value: str) -> bool:
    """Say whether a string can name a study (it also names folders and URL parts)."""
    return _STUDY_ID.fullmatch(value) is not None
