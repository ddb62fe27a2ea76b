"""Names of the people whose machine this is and who work beside them, from a list that never leaves the device.

The list is kept as keyed digests: not even a memory dump of a collector tells whom it looks for.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from privacy_filter.detectors.base import PII, Detector, Hit

MIN_NAME_CHARS = 3
MIN_ALONE_CHARS = 4
"""A surname or login of fewer characters is a word of some program too often."""

MAX_NAMES = 50_000
"""Digests that are kept, some 5 MB: the authors of the largest repositories."""

MAX_PARTS = 5
"""Parts of one name that are looked at."""

DIGEST_BYTES = 8
MAX_ASKED = 20_000
"""Words that are remembered with what they are, some 3 MB."""

_WORD = re.compile(r"[^\W\d_][^\W_]*(?:['’][^\W\d_]+)?")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._\-]{1,37}[A-Za-z0-9])")
_ROLES = (
    "admin administrator app actions author authors bot build builder ci code core dependabot deploy dev developer "
    "developers docker git github gitlab guest home jenkins maintainer maintainers me node nobody noreply not project "
    "release renovate robot root runner service support system team test tester ubuntu unknown user vagrant vscode web "
    "work you"
)
_NOBODY = frozenset(_ROLES.split())
"""Names of programs and roles, which code is full of."""


class NameBook:
    """Digests of names: of whole ones, of surnames, of logins."""

    def __init__(self, key: bytes, *, known: Iterable[bytes] = (), begins: Iterable[bytes] = ()) -> None:
        """Start empty, or from what ``digests`` gave under the same key."""
        self._key = key
        self._known: set[bytes] = set(known)
        self._begins: set[bytes] = set(begins)
        # What was asked of single words: texts repeat them, and folding and hashing takes some microseconds.
        self._asked: dict[str, tuple[bool, bool]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def digests(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Give the digests of the names, and of the words that longer ones begin with, sorted."""
        return tuple(sorted(self._known)), tuple(sorted(self._begins))

    def learn(self, names: Iterable[str]) -> None:
        """Take in names as they are written: ``Ada Lovelace``, ``ada@firm.io``, ``alovelace``."""
        self._asked.clear()
        for name in names:
            text = name.partition("@")[0] if "@" in name and " " not in name.strip() else name
            parts = [part for part in _fold(text).split() if part not in _NOBODY][:MAX_PARTS]
            if len(parts) == 1 and len(parts[0]) >= MIN_ALONE_CHARS:
                self._add(parts[0])
            elif len(parts) > 1:
                self._add(f"{parts[0]} {parts[-1]}")
                self._add(f"{parts[-1]} {parts[0]}")
                self._add(" ".join(parts))
                for join in ("", ".", "_", "-"):
                    self._add(parts[0] + join + parts[-1])
                    self._add(parts[0][0] + join + parts[-1])
                if len(parts[-1]) > MIN_ALONE_CHARS:
                    self._add(parts[-1])

    def knows(self, name: str) -> bool:
        """Say whether a name is one of them, in any case."""
        return self._digest(_fold(name)) in self._known

    def ask(self, word: str) -> tuple[bool, bool]:
        """Say of a single word whether it is a name, and whether a name begins with it."""
        answer = self._asked.get(word)
        if answer is None:
            digest = self._digest(_fold(word))
            answer = (digest in self._known, digest in self._begins)
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
            self._asked[word] = answer
        return answer

    def _add(self, name: str) -> None:
        if len(name) >= MIN_NAME_CHARS and len(self._known) < MAX_NAMES:
            self._known.add(self._digest(name))
            if " " in name:
                self._begins.add(self._digest(name.partition(" ")[0]))

    def _digest(self, name: str) -> bytes:
        return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES, key=self._key).digest()


class NamingDetector:
    """Another detector, and the names of books besides: in prose, in paths, as logins."""

    def __init__(self, inner: Detector, book: NameBook, roster: NameBook | None = None) -> None:
        self._inner = inner
        self._books = [book] if roster is None else [book, roster]

    def take_roster(self, roster: NameBook) -> None:
        """Look for the names of a roster too from now on; it takes the place of an earlier one."""
        self._books[1:] = [roster]

    def find(self, text: str, *, whole_file: bool) -> list[Hit]:
        """Give the other detector's hits and the names beside them, from left to right, not overlapping."""
        hits = self._inner.find(text, whole_file=whole_file)
        if not any(map(len, self._books)):
            return hits
        named = [
            hit for hit in self._names(text) if not any(hit.start < one.end and one.start < hit.end for one in hits)
        ]
        return sorted([*hits, *named], key=lambda hit: hit.start) if named else hits

    def _names(self, text: str) -> list[Hit]:
        logins = {login for login in set(_LOGIN.findall(text)) if self._ask(login)[0] and _is_joined(login)}
        spans = [match.span() for match in _LOGIN.finditer(text) if match.group() in logins] if logins else []
        # Nearly every text has no name in it: that is found out by its different words, once each.
        if not any(map(any, map(self._ask, set(_WORD.findall(text))))):
            return [Hit(start, end, PII, "person-name", guessable=True) for start, end in spans]
        words = list(_WORD.finditer(text))
        at = 0
        while at < len(words):
            alone, begins = self._ask(words[at].group())
            most = min(MAX_PARTS, len(words) - at) if begins else int(alone)
            count = next((n for n in range(most, 0, -1) if self._is_name(text, words, at, n)), 0)
            if count:
                start, end = words[at].start(), words[at + count - 1].end()
                if not any(start < last and first < end for first, last in spans):
                    spans.append((start, end))
            at += count or 1
        return [Hit(start, end, PII, "person-name", guessable=True) for start, end in sorted(spans)]

    def _is_name(self, text: str, words: list[re.Match[str]], at: int, count: int) -> bool:
        first, last = words[at], words[at + count - 1]
        for before, after in zip(words[at : at + count - 1], words[at + 1 : at + count], strict=True):
            if text[before.end() : after.start()] not in {" ", ", ", "\t", ". "}:
                return False
        name = " ".join(word.group() for word in words[at : at + count])
        return any(book.knows(name) for book in self._books) and not _inside(text, first, last)

    def _ask(self, word: str) -> tuple[bool, bool]:
        answers = [book.ask(word) for book in self._books if len(book)]
        return any(alone for alone, _ in answers), any(begins for _, begins in answers)


def _is_joined(login: str) -> bool:
    return any(sign in login for sign in "._-") or any(map(str.isdigit, login))


def _inside(text: str, first: re.Match[str], last: re.Match[str]) -> bool:
    """Say whether a name is only a part of a longer one in a program, such as ``lovelace_lib``."""
    return text[first.start() - 1 : first.start()] == "_" or text[last.end() : last.end() + 1] in {"_", "("}


def _fold(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace(",", " ")).casefold()
    return " ".join("".join(sign for sign in plain if not unicodedata.combining(sign)).split())
