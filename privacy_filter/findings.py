"""The findings of a session: numbered, tagged, and the same for the same value."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter

from event_model.events import Finding
from event_model.keys import Secret

TAG_BYTES = 16
"""Long enough that two values never share a tag; short in every segment that names it."""

MAX_REMEMBERED = 1 << 16
"""Values whose number is remembered: 65,536 digests are some 10 MB, and no session has so many secrets."""


class _Draft:
    """A finding that may still change while its secret is being typed."""

    __slots__ = ("category", "given", "kind", "length", "tag")

    def __init__(self, category: str, kind: str, tag: bytes | None, length: int) -> None:
        self.category = category
        self.kind = kind
        self.tag = tag
        self.length = length
        self.given = False


class Findings:
    """Numbers findings from ``first`` and keeps them steady: one value, one number."""

    __slots__ = ("_by_digest", "_drafts", "_key", "_next")

    def __init__(self, key: Secret, first: int) -> None:
        self._key = key.reveal()
        self._next = first
        self._drafts: dict[int, _Draft] = {}
        self._by_digest: dict[bytes, int] = {}

    def number(self, category: str, kind: str, value: str, *, guessable: bool, grown_from: int | None) -> int:
        """Give the number of a value; ``grown_from`` is the finding that an earlier part of it belongs to."""
        digest = self._digest(category, value)
        tag = None if guessable else digest
        known = self._by_digest.get(digest)
        if grown_from is not None and grown_from in self._drafts:
            self._grow(self._drafts[grown_from], category, kind, tag, len(value))
            number = grown_from
        elif known is not None:
            return known
        else:
            number = self._next
            self._next += 1
            self._drafts[number] = _Draft(category, kind, tag, len(value))
        if len(self._by_digest) >= MAX_REMEMBERED:
            self._by_digest.clear()
        self._by_digest[digest] = number
        return number

    def give(self, numbers: set[int]) -> tuple[Finding, ...]:
        """Give findings by number; from now on they don't change."""
        for number in numbers:
            self._drafts[number].given = True
        return self.look(numbers)

    def look(self, numbers: set[int]) -> tuple[Finding, ...]:
        """Give findings by number as they stand; they may still change."""
        drafts = [(number, self._drafts[number]) for number in sorted(numbers)]
        return tuple(Finding(number, draft.category, draft.kind, draft.tag) for number, draft in drafts)

    def kinds(self) -> dict[str, int]:
        """Count the values found so far, by kind."""
        return dict(Counter(draft.kind for draft in self._drafts.values()))

    def _digest(self, category: str, value: str) -> bytes:
        message = category.encode() + b"\x00" + value.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, hashlib.sha256)[:TAG_BYTES]

    @staticmethod
    def _grow(draft: _Draft, category: str, kind: str, tag: bytes | None, length: int) -> None:
        if not draft.given and length >= draft.length:
            draft.category, draft.kind, draft.tag, draft.length = category, kind, tag, length
