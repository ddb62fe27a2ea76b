"""Values that are said to be secret: assigned to, compared with, or told after a name that says so."""

from __future__ import annotations

from typing import Any

import ahocorasick

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.rules import name_rules
from privacy_filter.detectors.values import is_identifier, is_mixed, looks_random, surely_random
from privacy_filter.detectors.window import Window, compile_pattern

REACH = 720
"""How many characters after a name are looked at: longer secrets have a form of their own."""

MIN_PASSWORD_CHARS = 4
PASSWORD, TOKEN, KEY = "password", "token", "key"

_TAIL = rb"""[\w.\-]{0,40}["'`\])]{0,2}"""
_BETWEEN = (
    rb"""(?:"""
    rb"""[ \t]{0,8}(?:=>|:=|===?|!==?|=|:|,|\(|->|<-)[ \t]{0,8}"""
    rb"""|[ \t]{0,2}:[ \t]{0,2}[A-Za-z&][\w<>\[\]?*&., ]{0,30}=[ \t]{0,4}"""
    rb"""|[ \t][A-Za-z][\w\[\]*]{0,20}[ \t]{0,2}:?=[ \t]{0,4}"""
    rb"""|["']?[ \t]value[ \t]?=[ \t]?"""
    rb"""|[ \t]{1,2}(?:is|ist|est|es|was|to|by|lautet)?[ \t:]{0,3}"""
    rb""")"""
)
_QUOTED = (
    _TAIL
    + _BETWEEN
    + rb"""(?:new )?(?:[A-Za-z_.]{1,24}\()?[@$brufLB]{0,2}"""
    + rb"""(?:"([^"\n]{1,600})|'([^'\n]{1,600})|`([^`\n]{1,600}))"""
)
_BARE = (
    _TAIL
    + rb"""((?:[ \t]{0,8}(?:=>|:=|=|:|>|\|)[ \t]{0,8})|[ \t]+(?:is|ist|est|es|lautet)[: \t][ \t]*|[ \t]{1,3})"""
    + rb"""((?:Bearer|Basic|Token|bearer|token) +)?([^\s"'`<>]{4,600})"""
)
_OPEN_ENDS = ".,;:)]}"
_CALLS = "([.{"


class AssignmentLayer:
    """Names of secrets behind one prefilter, and what follows them."""

    def __init__(self) -> None:
        rules = name_rules()
        self._automaton: Any = ahocorasick.Automaton()
        for strength, words in ((KEY, rules.names.key), (TOKEN, rules.names.token), (PASSWORD, rules.names.password)):
            for word in words:
                self._automaton.add_word(word, strength)
        self._automaton.make_automaton()
        self._not_names = rules.names.excluded.endings
        self._placeholders = rules.values.placeholders
        self._parts = rules.values.parts
        self._quoted: Any = compile_pattern(_QUOTED)
        self._bare: Any = compile_pattern(_BARE)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the values of secret-sounding names in a window."""
        done: set[int] = set()
        for last, strength in self._automaton.iter(window.low):
            hit = self._after(window, last + 1, strength)
            if hit is not None and hit.start not in done:
                done.add(hit.start)
                hits.append(hit)

    def _after(self, window: Window, at: int, strength: str) -> Hit | None:
        piece = window.raw[at : at + REACH]
        match = self._quoted.match(piece)
        if match is not None:
            start, end = next(match.span(group) for group in (1, 2, 3) if match.group(group) is not None)
            name_end = at + _name_tail(piece)
            value = window.text[at + start : at + end]
            if self._names_secret(window, at, name_end) and self._is_secret(value, strength, quoted=True):
                return self._hit(at + start, at + end, strength)
            return None
        match = self._bare.match(piece)
        if match is None:
            return None
        start, end = match.span(3)
        return self._bare_hit(window, at, strength, (start, end), match.group(1), marked=match.group(2) is not None)

    def _bare_hit(
        self, window: Window, at: int, strength: str, span: tuple[int, int], between: bytes, *, marked: bool
    ) -> Hit | None:
        start, end = at + span[0], at + span[1]
        value = window.text[start:end].rstrip(_OPEN_ENDS)
        if not value or not self._names_secret(window, at, at + _name_tail(window.raw[at : at + 64])):
            return None
        spoken = not between.strip(b" \t") or between.strip(b" \t").isalpha()
        if any(sign in value for sign in "([{$") and not looks_random(value):
            return None
        following = window.text[start + len(value) : start + len(value) + 1]
        if following in {"(", "[", "."} and is_identifier(value):
            return None
        if spoken and not marked and not (is_mixed(value) and self._spoken_secret(value, strength)):
            return None
        if not self._is_secret(value, strength, quoted=False):
            return None
        return self._hit(start, start + len(value), strength)

    def _spoken_secret(self, value: str, strength: str) -> bool:
        """Say whether a value after a mere blank is one: prose goes on after the word "password" too."""
        if strength == PASSWORD:
            return len(value) >= 6 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        return surely_random(value) or (looks_random(value) and len(value) >= 16)

    def _names_secret(self, window: Window, at: int, name_end: int) -> bool:
        """Say whether the whole name, of which a word was found, is one of a secret."""
        start = at
        low = window.low
        while start > 0 and at - start < 48 and (low[start - 1].isalnum() or low[start - 1] in "_-"):
            start -= 1
        name = low[start:name_end]
        return not name.endswith(self._not_names)

    def _is_secret(self, value: str, strength: str, *, quoted: bool) -> bool:
        low = value.lower()
        if low in self._placeholders or any(part in low for part in self._parts) or len(set(value)) < 4:
            return False
        if strength == PASSWORD:
            return self._is_password(value, quoted=quoted)
        if strength == TOKEN:
            return looks_random(value) and not (not quoted and is_identifier(value))
        return surely_random(value)

    @staticmethod
    def _is_password(value: str, *, quoted: bool) -> bool:
        if len(value) < MIN_PASSWORD_CHARS or any(sign.isspace() for sign in value.strip()):
            return False
        if quoted:
            return is_mixed(value) and not (value[0] in "/.#" or value.startswith(("http", "--")))
        return (is_mixed(value) and any(map(str.isdigit, value))) or looks_random(value)

    @staticmethod
    def _hit(start: int, end: int, strength: str) -> Hit:
        if strength == PASSWORD:
            return Hit(start, end, SECRET, "password", guessable=True)
        return Hit(start, end, SECRET, "assigned-secret")


def _name_tail(piece: bytes) -> int:
    """Count the bytes that still belong to the name."""
    at = 0
    while at < len(piece) and (piece[at : at + 1].isalnum() or piece[at] in b"_-"):
        at += 1
    return at
