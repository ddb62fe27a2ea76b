"""Random values right beside the name of a service that gives out keys."""

from __future__ import annotations

import re
from typing import Any

import ahocorasick

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.rules import service_rules
from privacy_filter.detectors.standins import is_stand_in
from privacy_filter.detectors.values import is_digest, is_hex, is_uuid, looks_random, surely_random
from privacy_filter.detectors.window import Window, compile_pattern

REACH = 64
"""How far after the name, on its line, a value may stand that is not assigned to it."""

MAX_VALUE_CHARS = 2_048
MIN_HEX_CHARS = 14
"""Shorter runs of hexadecimal digits abbreviate commits."""

MIN_KEY_CHARS = 16
MIN_PLAIN_HEX_CHARS = 24
"""Shorter ones count only where the name goes on as that of a key does."""


_VALUE = rb"""([A-Za-z0-9_+/=.~%\-]{10,})"""
_ASSIGNED = (
    rb"""([A-Za-z0-9]{0,24}(?:[_\-. ][A-Za-z]{1,20}){0,3})["'\])]{0,2}"""
    rb"""([ \t]{0,4}(?:=>|[:?]?=|:[ \t"'`]|,[ \t"'`]|->|>|[ \t][|\-][ \t])[ \t]{0,4}["'`({]{0,3}|[ \t]{1,3}["'`{]?)"""
) + _VALUE
_NEARBY = rb"""^[^\n/.]*?[\s"'`=>|({]([A-Za-z0-9_+=~\-]{20,})"""
_PUBLIC = re.compile(
    r"sha|commit|rev(?:ision)?\b|digest|hash|checksum|integrity|md5|etag|version|branch|fingerprint|uses\b|image|\bref"
)
"""What says of a value of hexadecimal digits that it names a state of something public."""

_VERSIONED = re.compile(r"/v\d+(?:(?:alpha|beta|rc)\d*)?\Z")
"""``networking.k8s.io/v1beta1``"""

_KEY_WORDS = re.compile(r"key|token|secret|access|auth|pass|\bpat\b|cred")
_SUFFIX = re.compile(
    r"(?:ai|api|app|key|token|secret|access|auth|pass|pat|client|user|cred|test|live|prod|dev|webhook)"
)


class ServiceLayer:
    """Names of services behind one prefilter."""

    def __init__(self) -> None:
        rules = service_rules()
        self._automaton: Any = ahocorasick.Automaton()
        for words, ordinary in ((rules.words, True), (rules.names, False)):
            for word in words.split():
                self._automaton.add_word(word, (len(word), ordinary))
        self._automaton.make_automaton()
        self._assigned: Any = compile_pattern(_ASSIGNED)
        self._nearby: Any = compile_pattern(_NEARBY)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add random values that stand beside a service's name."""
        done = 0
        for last, (length, ordinary) in self._automaton.iter(window.low):
            start, end = last + 1 - length, last + 1
            if start < done or not _is_name(window, start, end):
                continue
            hit = self._beside(window, start, end, ordinary=ordinary)
            if hit is not None:
                done = hit.end
                hits.append(hit)

    def _beside(self, window: Window, start: int, end: int, *, ordinary: bool) -> Hit | None:
        line_end = window.text.find("\n", end)
        limit = min(len(window.text) if line_end < 0 else line_end, end + REACH + MAX_VALUE_CHARS)
        if limit - end < MIN_HEX_CHARS:
            return None
        piece = window.raw[end:limit]
        match = self._assigned.match(piece)
        if match is not None:
            value, at = _trimmed(window.text[end + match.start(3) : end + match.end(3)]), end + match.start(3)
            name = window.low[max(start - REACH, 0) : end] + match.group(1).decode("latin-1").lower()
            if _is_key(value, name, told=not match.group(2).strip(), ordinary=ordinary):
                return Hit(at, at + len(value), SECRET, "service-key")
        if ordinary:
            return None
        match = self._nearby.search(piece[: REACH + MAX_VALUE_CHARS])
        if match is None or match.start(1) > REACH:
            return None
        value, at = _trimmed(match.group(1).decode("latin-1")), end + match.start(1)
        if not surely_random(value) or is_digest(value) or is_uuid(value) or is_stand_in(value):
            return None
        return None if _PUBLIC.search(window.low, end, at) else Hit(at, at + len(value), SECRET, "service-key")


def _is_name(window: Window, start: int, end: int) -> bool:
    """Say whether a name stands by itself, or is the begin of a longer one such as ``GITHUB_TOKEN``."""
    text, low = window.text, window.low
    if text[max(start - 2, 0) : start] in {"::", "//"} or text[end : end + 1] in {"/", "\\"}:
        return False
    if start and text[start - 1].isalnum() and not (text[start].isupper() and text[start - 1].islower()):
        return False
    following = text[end : end + 1]
    if not following.isalnum() or (following.isupper() and text[end - 1].islower()) or following.isdigit():
        return True
    return (text[end - 1].islower() and following.isupper()) or _SUFFIX.match(low, end) is not None


def _trimmed(value: str) -> str:
    return value.rstrip(".,-:~")


def _is_key(value: str, name: str, *, told: bool, ordinary: bool) -> bool:
    """Say whether a value beside a name is a key; ``told``: there is only a blank between them."""
    if is_stand_in(value) or value.startswith(("/", ".", "-")) or (told and not value.replace("_", "").isalnum()):
        return False
    if ordinary:
        if name.endswith("cursor") or _PUBLIC.search(name):  # a cursor is the place in a list given out in pages
            return False
        return surely_random(value) and not is_digest(value) and not is_uuid(value) and "/" not in value
    if "/" in value and not surely_random(value.replace("/", "")):
        return False
    if "/" in value and _VERSIONED.search(value):
        return False
    if is_uuid(value) or is_hex(value):
        least = MIN_HEX_CHARS if _KEY_WORDS.search(name) else MIN_PLAIN_HEX_CHARS
        named = name.rstrip("_-. \"'").endswith("id") or _PUBLIC.search(name) is not None
        return len(value) >= least and looks_random(value) and not named
    digits = sum(map(str.isdigit, value))
    return len(value) >= MIN_KEY_CHARS and looks_random(value) and digits >= 2 and (not told or surely_random(value))
