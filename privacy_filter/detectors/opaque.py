"""Tokens that only look random: worth masking where somebody typed or pasted them, never in whole files."""

from __future__ import annotations

from typing import Any

from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.values import surely_random
from privacy_filter.detectors.window import Window, compile_pattern

_CANDIDATE = rb"""[A-Za-z0-9_+/=~\-]{20,512}"""
_HARMLESS = ("sha1-", "sha256-", "sha384-", "sha512-", "sha256:", "h1:", "base64,")
_HEX_LENGTHS = frozenset({32, 40, 56, 64, 96, 128})


class OpaqueLayer:
    """Long runs of letters and digits that make no words."""

    def __init__(self) -> None:
        self._candidate: Any = compile_pattern(_CANDIDATE)

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add random tokens, unless the window is a whole file."""
        if window.whole_file:
            return
        for match in self._candidate.finditer(window.raw):
            start, end = match.span()
            value = window.text[start:end]
            if not _is_digest(value) and surely_random(value) and not self._harmless(window, start):
                hits.append(Hit(start, end, SECRET, "opaque-token", opaque=True))

    @staticmethod
    def _harmless(window: Window, start: int) -> bool:
        before = window.low[max(start - 10, 0) : start + 8]
        return any(word in before for word in _HARMLESS) or before[:10].endswith(("aaaa", "uuid"))


def _is_digest(value: str) -> bool:
    """Say whether a value has the form of a digest or an id, of which code is full."""
    if value.count("-") == 4 and len(value) == 36:
        return True
    low = value.lower()
    return len(value) in _HEX_LENGTHS and all(sign in "0123456789abcdef" for sign in low)
