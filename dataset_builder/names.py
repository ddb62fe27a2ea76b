"""Names for what must not be named: dataset pseudonyms, and numbered placeholders for what was masked."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping

from event_model.errors import DatasetError
from event_model.events import Finding
from privacy_filter.masks import placeholder

MIN_SALT_BYTES = 16
"""A shorter salt could be guessed, and pseudonyms then be linked to those of the study."""

NAME_BYTES = 10
"""80 bits, 16 characters: no two of a dataset's millions of names are the same."""


class Pseudonyms:
    """Gives contributors, sessions and workspaces names that only the holder of the salt can link to the study's."""

    __slots__ = ("_salt",)

    def __init__(self, salt: bytes) -> None:
        """DatasetError: if the salt is shorter than ``MIN_SALT_BYTES``."""
        if len(salt) < MIN_SALT_BYTES:
            raise DatasetError(
                f"a salt has at least {MIN_SALT_BYTES} bytes",
                code="salt-too-short",
                hint="Make one with `head -c 32 /dev/urandom`, and keep it to get the same names in the next build.",
            )
        self._salt = bytes(salt)

    def contributor(self, pseudonym: str) -> str:
        """Name a contributor."""
        return self._name("contributor", pseudonym)

    def session(self, pseudonym: str, session: str) -> str:
        """Name a session of a contributor."""
        return self._name("session", f"{pseudonym} {session}")

    def workspace(self, pseudonym: str, workspace: str) -> str:
        """Name a contributor's workspace; none stays none."""
        return self._name("workspace", f"{pseudonym} {workspace}") if workspace else ""

    def rank(self, pseudonym: str) -> bytes:
        """Put contributors in an order that says nothing about them."""
        return self._digest("rank", pseudonym)

    def _name(self, purpose: str, value: str) -> str:
        return base64.b32encode(self._digest(purpose, value)[:NAME_BYTES]).decode("ascii").lower()

    def _digest(self, purpose: str, value: str) -> bytes:
        return hmac.digest(self._salt, f"overt dataset {purpose} 1\n{value}".encode(), hashlib.sha256)


class Placeholders(Mapping[int, str]):
    """The placeholder of each finding of a session: counted from 1 per kind as they come, equal values the same.

    Values are equal when their tags are; a finding without a tag (its value could be guessed) is one of its own.
    """

    __slots__ = ("_by_tag", "_counts", "_findings", "_names", "conflicts")

    def __init__(self) -> None:
        self._findings: dict[int, Finding] = {}
        self._names: dict[int, str] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._by_tag: dict[tuple[str, str, bytes], str] = {}
        self.conflicts = 0
        """Findings that came again under the same number and were others; the first one holds."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Take in the findings of a segment."""
        for finding in sorted(findings, key=lambda each: each.number):
            known = self._findings.setdefault(finding.number, finding)
            if finding.number not in self._names:
                self._names[finding.number] = self._name(finding)
            elif known != finding:
                self.conflicts += 1

    def finding(self, number: int) -> Finding:
        """Give a finding by its number."""
        return self._findings[number]

    def __getitem__(self, number: int) -> str:
        return self._names[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _name(self, finding: Finding) -> str:
        kind = (finding.category, finding.kind)
        name = None if finding.tag is None else self._by_tag.get((*kind, finding.tag))
        if name is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = placeholder(finding, self._counts[kind])
            if finding.tag is not None:
                self._by_tag[*kind, finding.tag] = name
        return name
