"""What stands where a secret would: templates, examples, counted-up characters, plain words.

A value is none of these because it has such a word *in* it, but only if nothing random is left without it.
"""

from __future__ import annotations

import base64
import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_to_bytes

from privacy_filter.detectors.rules import name_rules
from privacy_filter.detectors.values import MIN_DISTINCT, is_worded, looks_random
from privacy_filter.detectors.window import compile_pattern

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

MAX_MARKED = 24
MAX_ELIDED_PART = 16
"""Of a value with dots in its middle so many characters in a row may be left: longer parts give a key away."""

_REFERENCE = re.compile(
    r"(?:npm|urn|workspace|vault|file|classpath|ref\+\w+):|[\w@/.\-]+@[\^~]?\d+\.\d|#[a-z][\w.]*-[\w.\-]+\Z"
)
"""What only names something that lies elsewhere: a package, a resource, a place on the page."""

_BASE64_TEXT = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}\Z")
_LEET = str.maketrans("013457", "oieast")
_LETTERS = re.compile(r"[a-z]+")
_NAMES = re.compile(r"passw(?:or)?d|passphrase|passwd|secret|token|api_?key|credential")


def is_stand_in_token(body: str) -> bool:
    """Say whether what follows the prefix of a provider's token is none; made-up ones count up only in part."""
    if _is_marked(body.lower()):
        return True
    counted = sum(_counted_runs(body.lower()))
    if counted and 4 * counted < 3 * len(body) and 2 * _repeated(body) < len(body):
        return False
    return is_stand_in(body)


@lru_cache(maxsize=4096)
def is_stand_in(value: str) -> bool:
    """Say whether a value stands where a secret made by a machine would."""
    rules = name_rules().values
    low = value.lower()
    if low in rules.placeholders or value in rules.published or len(set(value)) < MIN_DISTINCT:
        return True
    if _is_marked(low) or any(_counted_runs(low)) or 2 * _repeated(value) >= len(value):
        return True
    if _PATTERN.search(value):
        return True
    if _is_reference(value) or _is_elided(value):
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
    if whole_file and (_is_reference(value) or _is_leet(low)):
        return True
    return is_made_of_words(value) and (whole_file or not any(map(str.isdigit, value)))


def is_made_of_words(value: str) -> bool:
    """Say whether the letters of a value are words of which examples of passwords are made."""
    parts = _LETTERS.findall(value.lower())
    return bool(parts) and all(map(_is_vocabulary, parts))


def is_stand_in_encoded(value: str) -> bool:
    """Say whether a value is base64 of a text that no machine made and that is no password, as files show it."""
    text = plain_of(value)
    return (
        text is not None
        and not looks_random(text)
        and (is_stand_in_password(text, whole_file=True) or not any(map(str.isdigit, text)))
    )


def is_stand_in_login(value: str) -> bool:
    """Say whether user and password in base64 are those of an example (RFC 7617)."""
    text = plain_of(value)
    return text is not None and is_stand_in_password(text.partition(":")[2], whole_file=True)


def plain_of(value: str) -> str | None:
    """Give the printable text that a value is base64 of, if it is."""
    if not _BASE64_TEXT.match(value):
        return None
    body = value.rstrip("=")
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8")
    except ValueError:
        return None
    return text if text.isprintable() or text.rstrip("\n").isprintable() else None


def unquoted(value: str) -> str:
    """Give what an address says with its signs written in percent."""
    return unquote_to_bytes(value).decode("utf-8", "replace") if "%" in value else value


def _is_marked(low: str) -> bool:
    """Say whether a value ends as documentation has its tokens end, and is too short to hold a real one before that."""
    return low.endswith("example") and len(low) <= MAX_MARKED


def _is_reference(value: str) -> bool:
    name, _, version = value.rpartition("@")
    mixed = any(map(str.isdigit, name)) and any(map(str.isupper, name))
    return _REFERENCE.match(value) is not None and not looks_random(version) and not mixed


def _is_elided(value: str) -> bool:
    """Say whether a value's middle is left out, and what stands around it gives little away."""
    parts = re.split(r"\.{3,}|…", value)
    return len(parts) > 1 and all(parts) and max(map(len, parts)) < MAX_ELIDED_PART


def _is_leet(low: str) -> bool:
    """Say whether a value is a word for a password written with digits in the place of letters."""
    return _is_vocabulary(low.translate(_LEET))


def _is_vocabulary(low: str) -> bool:
    return low.isascii() and _passwords().fullmatch(low.encode("ascii")) is not None


@cache
def _passwords() -> Any:
    """Give the pattern of words of the vocabulary in a row: on RE2, because they can be cut in many ways."""
    return compile_pattern(rf"(?:{'|'.join(sorted(name_rules().values.vocabulary))})+".encode("ascii"))


@cache
def _words() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, name_rules().values.parts), key=len, reverse=True)))


def _counted_runs(low: str) -> list[int]:
    """Give the lengths of the runs of characters that follow each other in the alphabet or among the digits."""
    runs: list[int] = []
    run = 1
    for before, sign in pairwise(low + "\0"):
        if (ord(sign) - ord(before) == 1 and sign.isalnum()) or (before, sign) == ("9", "0"):
            run += 1
            continue
        if run >= MIN_COUNTED:
            runs.append(run)
        run = 1
    return runs


def _repeated(value: str) -> int:
    """Give how many characters stand in runs of the same one."""
    return sum(len(match.group()) for match in _RUN.finditer(value))


_RUN = re.compile(rf"(.)\1{{{MIN_REPEATED - 1},}}")
