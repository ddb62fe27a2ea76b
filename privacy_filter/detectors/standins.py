"""What stands where a secret would: templates, examples, counted-up characters, plain words.

A value is none of these because it has such a word *in* it, but only if nothing random is left without it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise

from privacy_filter.detectors.rules import name_rules
from privacy_filter.detectors.values import MIN_DISTINCT, is_worded, looks_random

MIN_COUNTED = 8
"""Characters in the order of the alphabet: a random value of 64 has so many once in 10^9."""

MIN_REPEATED = 5
"""The same character over and over; it shows nothing unless half of the value is made so."""

MIN_PASSWORD_DISTINCT = 3

_TEMPLATE = re.compile(
    r"<[^<>\s]{1,40}>?|\{\{[^{}]{0,80}(?:\}\})?|[$#]\{[^{}]{0,80}\}?|\$\([^()]{0,80}\)?|%\([\w]{1,40}\)[sd]?|%[A-Za-z_]{2,40}%"
    r"|\{[A-Za-z_][\w.]{0,40}(?:\[[^\]]{0,20}\])?\}|\A\$[A-Za-z_]\w{1,40}\Z|\$[A-Z_]{3,40}\b|\[[A-Za-z_]{3,20}\]"
    r"|process\.env\S*|os\.environ\S*|getenv\S*|\benv[(\[.]\S*|secrets?\.[A-Za-z_]\S*|vault:\S*"
)
"""What a program puts in when it runs; also where its end is not written yet."""

_ELIDED = re.compile(r"\.\.\.+|…|\*{3,}|•{3,}|[xX]{4,}")
_PATTERN = re.compile(r"\[\^|\(\?[:P=!<#]|\\[dwsSbWD][+*{)\]]|\]\{\d|\][+*]|\.\*\??[)$\"]|\[a-z|\[A-Z|\[0-9")
"""What only regular expressions have."""

_LETTERS = re.compile(r"[a-z]+")
_NAMES = re.compile(r"passw(?:or)?d|passphrase|passwd|secret|token|api_?key|credential")


@lru_cache(maxsize=4096)
def is_stand_in(value: str) -> bool:
    """Say whether a value stands where a secret made by a machine would."""
    rules = name_rules().values
    low = value.lower()
    if low in rules.placeholders or value in rules.published or len(set(value)) < MIN_DISTINCT:
        return True
    if _counted(low) >= MIN_COUNTED or 2 * _repeated(value) >= len(value):
        return True
    if _PATTERN.search(value):
        return True
    rest = _ELIDED.sub("", _TEMPLATE.sub("", value))
    marked = len(rest) < len(value)
    rest, count = _words().subn("", rest.lower())
    return (marked or count > 0) and not looks_random(rest)


@lru_cache(maxsize=4096)
def is_stand_in_password(value: str, *, whole_file: bool) -> bool:
    """Say whether a value stands where a password that somebody chose would.

    In files words with a number to them (``new-secret-1234``) are examples; whoever types them may mean them.
    """
    rules = name_rules().values
    low = value.lower()
    if low in rules.placeholders or len(set(value)) < MIN_PASSWORD_DISTINCT:
        return True
    if _PATTERN.search(value) or (_NAMES.search(low) and not any(map(str.isdigit, value)) and is_worded(value)):
        return True
    rest = _ELIDED.sub("", _TEMPLATE.sub("", value))
    if len(rest) < len(value) and sum(map(str.isalnum, rest)) < 4:
        return True
    parts = _LETTERS.findall(low)
    plain = bool(parts) and all(part in rules.vocabulary for part in parts)
    return plain and (whole_file or not any(map(str.isdigit, value)))


@cache
def _words() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, name_rules().values.parts), key=len, reverse=True)))


def _counted(low: str) -> int:
    """Give the length of the longest run of characters that follow each other in the alphabet or among the digits."""
    best = run = 1
    for before, sign in pairwise(low):
        step = ord(sign) - ord(before)
        run = run + 1 if (step == 1 and sign.isalnum()) or (before, sign) == ("9", "0") else 1
        best = max(best, run)
    return best


def _repeated(value: str) -> int:
    """Give how many characters stand in runs of the same one."""
    return sum(len(match.group()) for match in _RUN.finditer(value))


_RUN = re.compile(rf"(.)\1{{{MIN_REPEATED - 1},}}")
