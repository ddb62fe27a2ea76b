"""Anonymised rows: other names, shifted and rounded times, classes for text, and rare values made general. Pure.

The key is drawn for one release and thrown away: nobody, not even whoever made it, can lead its names back to those of
the dataset.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from privacy_filter.shapes import to_shape

OTHER = "other"
"""In place of a value that fewer than k contributors have."""

MAX_SHIFT_MS = 14 * 86_400_000
"""Sessions are moved by up to two weeks to either side, each by its own time."""

_NAME_BYTES = 10

TEXTS = frozenset({"inserted", "removed", "value", "title", "name", "context"})
"""Columns of which the class of each character is kept."""

NAMES = frozenset({"contributor", "session", "workspace"})
PLACES = frozenset({"path", "route"})
"""Names of files, hosts and branches: every part is replaced, the same everywhere."""

TIMES = frozenset({"time", "opened", "last_event"})
GAPS = frozenset({"delta_ms"})
GENERAL = frozenset(
    {"client", "client_version", "collector_version", "position_encoding", "language", "command", "source", "role",
     "context_role", "type"}
)  # fmt: skip
"""Columns in which rare values are made general."""

_KEPT_PARTS = frozenset({"", ":id", "https:", "http:", "src", "tests", "docs", "lib"})


class Coarseness(msgspec.Struct, frozen=True):
    """How coarse times become (ms): moments, and the gaps between events, both rounded down.

    The study's manifest says how coarse. With gaps in steps of two seconds the rhythm of keys is gone, and pauses are
    still there.
    """

    moment_ms: int
    gap_ms: int


class Anonymiser:
    """Anonymises the rows of one release; ``common`` are the values of each column that k contributors have."""

    def __init__(self, key: bytes, coarseness: Coarseness, common: Mapping[str, frozenset[str]]) -> None:
        self._key = key
        self._coarseness = coarseness
        self._common = common

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row of the release."""
        shift = self._shift(row["session"])
        return {name: self._value(name, value, shift) for name, value in row.items()}

    def name(self, value: str) -> str:
        """Rename a contributor or session."""
        return "" if not value else self._digest("name", value)[:_NAME_BYTES].hex()

    def place(self, value: str) -> str:
        """Rename every part of a path or route; endings of files and ids of routes stay."""
        return "/".join(self._part(part) for part in value.split("/"))

    def _value(self, name: str, value: Any, shift: int) -> Any:
        if value is None:
            return None
        if name in NAMES:
            return self.name(value)
        if name in TEXTS and isinstance(value, str):
            return to_shape(value)
        if name in PLACES:
            return self.place(value)
        if name in TIMES:
            return (value + shift) // self._coarseness.moment_ms * self._coarseness.moment_ms
        if name in GAPS:
            return value // self._coarseness.gap_ms * self._coarseness.gap_ms
        if name in GENERAL:
            return value if value in self._common.get(name, frozenset()) or not value else OTHER
        return value

    def _part(self, part: str) -> str:
        if part in _KEPT_PARTS:
            return part
        stem, dot, ending = part.rpartition(".")
        if dot and stem and len(ending) <= 4 and ending.isalnum() and ending in self._common.get("ending", frozenset()):
            return f"{self._digest('part', stem)[:4].hex()}.{ending}"
        return self._digest("part", part)[:4].hex()

    def _shift(self, session: str) -> int:
        drawn = int.from_bytes(self._digest("shift", session)[:8], "big")
        return drawn % (2 * MAX_SHIFT_MS + 1) - MAX_SHIFT_MS

    def _digest(self, purpose: str, value: str) -> bytes:
        return hmac.digest(self._key, f"{purpose}\n{value}".encode(), hashlib.sha256)
