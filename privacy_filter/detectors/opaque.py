"""Tokens that only look random: worth masking where somebody typed or pasted them, never in whole files."""

from __future__ import annotations

import re
from typing import Any

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.standins import is_stand_in, is_stand_in_password
from privacy_filter.detectors.values import changes, is_digest, is_hex, is_uuid, is_worded, surely_random
from privacy_filter.detectors.window import Window, compile_pattern

_CANDIDATE = rb"""[A-Za-z0-9_+/~\-]{16,}={0,2}"""
_QUOTED = rb"""["']([!#-&*+\-0-9=?@A-Z^_a-z~]{8,64})(?:["'\s]|$)"""
"""In quotes no signs that paths, prose and formats are full of."""

_PREFIXED = (
    rb"""(?:^|[\s"'`=:(,>])((?:[A-Za-z][A-Za-z0-9]{1,11}_)(?:[A-Za-z0-9]{1,8}_){0,2}([A-Za-z0-9_\-]{24,}))"""
    rb"""(?:$|[\s"'`),;<\\&])"""
)
"""A short word, an underscore, and something long: how most services begin their tokens, also those no rule knows."""

MIN_TYPED_CHARS = 16
MAX_SIGNS = 4
_STRONG_SIGNS = frozenset("!@#$%^&*?~+=")
MIN_CHANGES = 5
"""Between letters and digits: names have one or two."""

_HARMLESS_BEFORE = (
    "sha1-",
    "sha256-",
    "sha384-",
    "sha512-",
    "sha224:",
    "sha256:",
    "sha512:",
    "sha512.",
    "h1:",
    "base64,",
)
_HARMLESS_WITHIN = ("sha1-", "sha256-", "sha384-", "sha512-", "publickeytoken", "aaaac3nza", "aaaab3nza", "aaaae2vjz")


_NAMED_PUBLIC = re.compile(r"""(?:_id|\bid|cursor|\bn|\betag)\\?["']?[ \t]*[:=][ \t]*\\?["']?\Z""")
"""Names of ids, of places in a list, and of what a public key has (RFC 7518)."""

_ENDING = re.compile(
    r"\.(?:gif|jpe?g|png|svg|webp|ico|css|js|mjs|map|woff2?|ttf|html?|json|txt|md|py|ts|whl|gz|zip|tgz)\b"
)
"""What follows the name of a file that a program gave a random name."""


class OpaqueLayer:
    """Long runs of letters and digits that make no words."""

    def __init__(self) -> None:
        self._candidate: Any = compile_pattern(_CANDIDATE)
        self._prefixed: Any = compile_pattern(_PREFIXED)
        self._quoted: Any = compile_pattern(_QUOTED)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add random tokens; in a whole file only those that begin as tokens do."""
        if window.whole_file:
            self._find_prefixed(window, hits)
            return
        self._find_quoted(window, hits)
        for match in self._candidate.finditer(window.raw):
            if _is_harmless(window, *match.span()):
                continue
            for start, end in _pieces(window.text, *match.span()):
                value = window.text[start:end]
                if surely_random(value, least=MIN_TYPED_CHARS) and not _is_known(value) and not _is_file(window, end):
                    hits.append(Hit(start, end, SECRET, "opaque-token", opaque=True))

    def _find_quoted(self, window: Window, hits: list[Hit]) -> None:
        for match in self._quoted.finditer(window.raw):
            value = match.group(1).decode("latin-1")
            unclosed = window.text[match.end(1) : match.end(1) + 1] in {"", "\n", "\r"}
            if (
                (_is_chosen(value) or (unclosed and _is_begun(value)))
                and not _is_known(value)
                and not is_stand_in_password(value, whole_file=False)
            ):
                hits.append(Hit(match.start(1), match.end(1), SECRET, "opaque-password", guessable=True, opaque=True))

    def _find_prefixed(self, window: Window, hits: list[Hit]) -> None:
        for match in self._prefixed.finditer(window.raw):
            body = match.group(2).decode("latin-1")
            cases = any(map(str.isupper, body)) and any(map(str.islower, body))
            if _NAMED_PUBLIC.search(window.low, max(match.start(1) - 24, 0), match.start(1)):
                continue
            if cases and surely_random(body) and not is_worded(body) and not is_stand_in(body):
                hits.append(Hit(match.start(1), match.end(1), SECRET, "prefixed-token"))


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut a path at its slashes; base64 has slashes too, but then also a plus sign or an equals sign at the end."""
    value = text[start:end]
    if "/" not in value or "+" in value or value.endswith("="):
        return [(start, end)]
    pieces: list[tuple[int, int]] = []
    for part in value.split("/"):
        pieces.append((start, start + len(part)))
        start += len(part) + 1
    return pieces


def _is_known(value: str) -> bool:
    """Say whether a value is a digest (of parts, in object stores), an id, or an example."""
    whole, dash, parts = value.rpartition("-")
    digest = whole if dash and parts.isdigit() and len(parts) <= 5 else value
    return is_digest(digest) or is_uuid(value) or is_stand_in(value)


def _is_chosen(value: str) -> bool:
    """Say whether a value mixes letters and digits as only passwords do."""
    upper, lower, digits = (sum(map(kind, value)) for kind in (str.isupper, str.islower, str.isdigit))
    signs = len(value) - upper - lower - digits
    if digits < 2 or signs > MAX_SIGNS:
        return False
    if is_worded(value):
        return digits > 2 and upper > 0 and lower > 0 and any(sign in _STRONG_SIGNS for sign in value)
    return (upper > 0 and lower > 0) or (digits > 2 and changes(value) >= MIN_CHANGES and not is_hex(value))


def _is_begun(value: str) -> bool:
    """Say whether a text whose end is not written yet mixes letters and digits as no name does."""
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    if digits < 2 or letters < 2 or is_hex(value):
        return False
    cases = any(map(str.isupper, value)) and any(map(str.islower, value))
    return changes(value) >= 3 or (changes(value) >= 2 and digits > 2 and cases)


def _is_file(window: Window, end: int) -> bool:
    return _ENDING.match(window.low, end) is not None


def _is_harmless(window: Window, start: int, end: int) -> bool:
    """Say whether what stands before says that this is public: a digest, a certificate, a public key."""
    before = window.low[max(start - 10, 0) : start]
    if before.endswith(_HARMLESS_BEFORE) or window.low.startswith(_HARMLESS_WITHIN, start):
        return True
    block = window.low.rfind("-----begin ", 0, start)
    if block < 0 or window.low.find("-----end", block, start) >= 0:
        return False
    header = window.low[block : block + 40]
    return "private" not in header and end - start <= 80
