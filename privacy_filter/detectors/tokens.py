"""Tokens with a published form: a prefix, an alphabet, a length."""

from __future__ import annotations

from typing import Any

import ahocorasick

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.rules import TokenRule, token_rules
from privacy_filter.detectors.standins import is_stand_in, is_stand_in_token
from privacy_filter.detectors.values import is_hex, is_worded, looks_random
from privacy_filter.detectors.window import Window, compile_pattern

BEGUN_CHARS = 4
"""After a telling prefix this much makes a token that somebody has begun to write."""

BEGUN_WEAK_CHARS = 12
"""After a prefix that is common in text it takes this much."""

MIN_DISTINCT = 5
"""``ghp_xxxxxxxxxxxx`` is no token."""

MAX_WORD_DIGITS = 3
"""What makes words and has so few digits is a name that begins like a token."""

MIN_LOWER_CHARS = 16
"""Whoever writes a prefix and so many small letters without a sign between them writes no name."""


class _Form:
    """One prefix of a rule, with its pattern compiled when it is first met."""

    __slots__ = ("_body", "least", "most", "prefix", "rule")

    def __init__(self, rule: TokenRule, prefix: str) -> None:
        self.rule = rule
        self.prefix = prefix
        self._body: Any = None
        self.least = rule.begun or (BEGUN_WEAK_CHARS if rule.weak else BEGUN_CHARS)
        self.most = rule.max

    def find(self, window: Window, start: int) -> Hit | None:
        """Look at one place where the prefix stands."""
        if start and self.prefix[0].isalnum() and _joins(window.text[start - 1]):
            return None
        if start and self.prefix[0].isdigit() and window.text[start - 1] in "/-_.:":
            return None
        if self._body is None:
            self._body = compile_pattern(b"[" + self.rule.body.encode("latin-1") + b"]+")
        after = start + len(self.prefix)
        match = self._body.match(window.raw, after)
        if match is None:
            return None
        end = match.end()
        size = end - after
        if window.whole_file:
            if size < self.rule.min or (self.most is not None and size > self.most):
                return None
        elif size < min(self.least, self.rule.min):
            return None
        body = window.text[after:end]
        stands_in = is_stand_in if self.rule.weak else is_stand_in_token
        if len(set(body)) < min(MIN_DISTINCT, size) or (size >= self.rule.min and stands_in(body)):
            return None
        if self.rule.weak and not looks_random(body):
            return None
        if self._is_name(body, size) and (window.whole_file or size < MIN_LOWER_CHARS or not body.islower()):
            return None
        while body[-1] in ".-,":
            body, end = body[:-1], end - 1
        return Hit(_scheme(window, start) if "/" in self.prefix else start, end, SECRET, self.rule.kind)

    def _is_name(self, body: str, size: int) -> bool:
        """Say whether this is a name in a program that begins like a token; hexadecimal digits make no words."""
        most = MAX_WORD_DIGITS if size >= self.rule.min else 0
        return sum(map(str.isdigit, body)) <= most and not is_hex(body) and is_worded(body)


class TokenLayer:
    """All token rules behind one prefilter."""

    def __init__(self) -> None:
        self._automaton: Any = ahocorasick.Automaton()
        forms: dict[str, list[_Form]] = {}
        for rule in token_rules():
            for prefix in rule.prefixes:
                forms.setdefault(prefix, []).append(_Form(rule, prefix))
        for prefix, found in forms.items():
            self._automaton.add_word(prefix, (len(prefix) - 1, found))
        self._automaton.make_automaton()

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the tokens in a window."""
        for last, (back, forms) in self._automaton.iter(window.text):
            for form in forms:
                hit = form.find(window, last - back)
                if hit is not None:
                    hits.append(hit)


def _scheme(window: Window, start: int) -> int:
    """Give where the address begins that a prefix with a host in it belongs to."""
    at = window.low.rfind("://", max(start - 80, 0), start)
    if at < 0 or any(sign.isspace() or sign in "\"'`/" for sign in window.text[at + 3 : start]):
        return start
    while at > 0 and window.text[at - 1].isalpha():
        at -= 1
    return at


def _joins(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum())
