"""What a detector is, and what it says."""

from __future__ import annotations

from typing import Protocol

import msgspec

SECRET = "secret"  # noqa: S105 - the name of a category
PII = "pii"


class Hit(msgspec.Struct, frozen=True):
    """A span of text that must not be kept; positions count code points.

    ``category`` is ``secret`` or ``pii``, ``kind`` the detector's name for it. ``guessable`` values get no tag,
    because a keyed digest of one of few values is the value. ``opaque`` spans only look random: they count where
    somebody typed or pasted them. ``core`` is the part that is the secret itself, where the span holds more
    (an address with a password in it).
    """

    start: int
    end: int
    category: str
    kind: str
    guessable: bool = False
    opaque: bool = False
    core: tuple[int, int] | None = None


class Detector(Protocol):
    """Finds what must not be kept. Pure: the same text gives the same hits."""

    def find(self, text: str, *, whole_file: bool) -> list[Hit]:
        """Give the hits in a text, from left to right, not overlapping.

        ``whole_file`` is true for the text of a file as it was opened; false for what somebody is writing, where a
        secret may be unfinished and a random token is more likely one.
        """
        ...
