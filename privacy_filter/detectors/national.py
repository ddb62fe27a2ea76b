"""National identity and tax numbers: a written form, check digits, and where those say too little, a word before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from privacy_filter.detectors.base import PII, Hit
from privacy_filter.detectors.rules import IdRule, id_rules
from privacy_filter.detectors.window import Window, compile_pattern

NEAR = 40
"""How many characters before a number its word may stand."""


class NationalLayer:
    """The numbers of rules/ids.toml."""

    def __init__(self) -> None:
        sources = [rule.pattern.encode("latin-1") for rule in id_rules()]
        # Most lines have no such number: then one search for any of them is all that this layer costs.
        self._any: Any = compile_pattern(b"|".join(b"(?:" + source + b")" for source in sources))
        self._rules: list[tuple[IdRule, Any]] = list(zip(id_rules(), map(compile_pattern, sources), strict=True))
        self._checks: dict[str, Any] = {}

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add the numbers in a window."""
        if self._any.search(window.raw) is None:
            return
        for rule, pattern in self._rules:
            if rule.words and not any(word in window.low for word in rule.words):
                continue
            for match in pattern.finditer(window.raw):
                start, end = match.span()
                if self._is_valid(rule, window.text[start:end]) and _stands_alone(rule, window, start, end):
                    hits.append(Hit(start, end, PII, rule.kind, guessable=True))

    def _is_valid(self, rule: IdRule, value: str) -> bool:
        if rule.check is None:
            return True
        if rule.check not in self._checks:
            self._checks[rule.check] = import_module("stdnum." + rule.check)
        number = value.replace("-", "").zfill(rule.fill) if rule.fill else value
        try:
            return bool(self._checks[rule.check].is_valid(number))
        except Exception:  # a gap in the library's tables of places or dates: what it can't judge is masked
            return True


def _stands_alone(rule: IdRule, window: Window, start: int, end: int) -> bool:
    """Say whether a number is no part of something longer, and has its word before it."""
    if window.text[max(start - 1, 0) : start] in {".", "-", "_", "#"} or window.text[end : end + 1] in {"-", "_"}:
        return False
    before = window.low[max(start - NEAR, 0) : start]
    return not rule.words or any(word in before for word in rule.words)
