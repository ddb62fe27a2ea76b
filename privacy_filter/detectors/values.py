"""What a value looks like: random, chosen by a person, a placeholder, or a piece of a program."""

from __future__ import annotations

import re
from functools import lru_cache

from privacy_filter.detectors.rules import name_rules

MIN_RANDOM_CHARS = 10
"""Shorter values carry too little to be told from words by their letters alone."""

SHORT_PART = 3
"""Parts of fewer letters are found in any random text; words have more."""

MIN_DISTINCT = 4
"""``xxx`` and ``****`` are no secrets."""

DIGEST_CHARS = frozenset({32, 40, 56, 64, 96, 128})
"""Hexadecimal digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512."""

_WORDLIKE = 4.5
"""The pairs of letters of words score 6 on the average, those of random letters 3; see rules/names.toml."""

_SHORT_SCORE = 3
"""What parts that are too short to be judged count."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+\Z")
_NUMBERS = re.compile(r"\d{1,15}|\d+(?:[.,:/+\-]+\d*)+|\d{4}-\d\d-\d\d[T ][\d:.,+\-]+Z?")
"""Numbers with points, addresses, dates and times."""

_CONSTANT = re.compile(r"(?=.*_)(?:(?:[A-Z]{2,8}[0-9]{0,4}|[A-Z][0-9]{0,2}|[0-9]{1,4})(?:_|\Z))+")
"""``RSASSA_PKCS1_V1_5_SHA_256``."""

_LETTERS = re.compile(r"[A-Za-z]+")
_CHANGES = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_CAMEL = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)*[!?;,]?\Z")


@lru_cache(maxsize=4096)
def looks_random(value: str) -> bool:
    """Say whether a machine made this: digits and letters mixed up, or letters that make no words."""
    if len(value) < MIN_RANDOM_CHARS or any(sign.isspace() for sign in value) or len(set(value)) < 6:
        return False
    if _UUID.match(value):
        return True
    if not value.isascii() and 4 * sum(sign > "\x7f" for sign in value) > len(value):
        return False  # prose in another script; what machines make is ASCII
    if _NUMBERS.fullmatch(value) or _CONSTANT.fullmatch(value):
        return False
    digits = sum(map(str.isdigit, value))
    if _HEX.match(value):
        return len(value) >= 16 and (digits > 0)
    turns = changes(value)
    if digits == 0:
        return len(value) >= 16 and not _worded(value)
    if turns >= 3 and not (turns <= 4 and _worded(value)):
        return True
    return len(value) >= (12 if digits == 1 else MIN_RANDOM_CHARS) and not _worded(value)


@lru_cache(maxsize=4096)
def surely_random(value: str, least: int = 20) -> bool:
    """Say whether a value of ``least`` characters is random beyond doubt, also where nothing says it is a secret."""
    if len(value) < least or not looks_random(value) or "/" in value[:1]:
        return False
    digits = sum(map(str.isdigit, value))
    lower = sum(map(str.islower, value))
    upper = sum(map(str.isupper, value))
    return digits >= 3 and lower + upper >= 5 and changes(value) >= 4 and len(set(value)) >= 10


def is_uuid(value: str) -> bool:
    """Say whether a value is a UUID as it is written in programs."""
    return _UUID.match(value) is not None


def is_digest(value: str) -> bool:
    """Say whether a value has the length and the digits of a digest in hexadecimal."""
    return len(value) in DIGEST_CHARS and _HEX.match(value) is not None


def is_state(value: str) -> bool:
    """Say whether a value is words and a digest: the name of a build, a cache or a picture."""
    parts = re.split(r"[^A-Za-z0-9_]+", value)
    rest = [part for part in parts if not is_digest(part)]
    return 0 < len(rest) < len(parts) and not looks_random("".join(rest))


def is_hex(value: str) -> bool:
    """Say whether a value has nothing but hexadecimal digits."""
    return _HEX.match(value) is not None


def changes(value: str) -> int:
    """Count the places where letters turn into digits or digits into letters."""
    return len(_CHANGES.findall(value))


def is_worded(value: str) -> bool:
    """Say whether a value's letters are mostly those of ordinary words."""
    return _worded(value)


def is_identifier(value: str) -> bool:
    """Say whether a value reads as a name in a program: words joined by case, underscores or dots."""
    if not _IDENTIFIER.match(value):
        return False
    return not looks_random(value)


def is_mixed(value: str) -> bool:
    """Say whether a value mixes letters with digits or signs, as passwords do and words do not."""
    letters = any(map(str.isalpha, value))
    digits = any(map(str.isdigit, value))
    signs = any(not sign.isalnum() for sign in value)
    return sum((letters, digits, signs)) >= 2


def _worded(value: str) -> bool:
    """Say whether the letters make words: by their pairs, within parts of one case; short parts make none."""
    pairs = name_rules().words.pairs
    good = total = 0
    for run in _LETTERS.findall(value):
        parts = _CAMEL.findall(run)
        rest = SHORT_PART * (len(run) - sum(map(len, parts)))
        for part in parts:
            if len(part) < SHORT_PART:
                rest += SHORT_PART
                continue
            low = part.lower()
            total += len(low) - 1
            good += sum(pairs[low[at : at + 2]] for at in range(len(low) - 1))
        total += rest
        good += rest * _SHORT_SCORE
    return total > 0 and good >= _WORDLIKE * total
