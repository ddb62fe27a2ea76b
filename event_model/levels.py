"""How much of an event may be kept, lowest first."""

from __future__ import annotations

import enum


class Level(enum.Enum):
    """The detail that a study asks for, and that a person may lower.

    ``RHYTHM`` keeps that and when; ``SHAPE`` keeps text with its characters replaced by their class,
    lengths kept; ``CONTENT`` keeps the text, after secrets and personal data were masked.
    """

    RHYTHM = "rhythm"
    SHAPE = "shape"
    CONTENT = "content"

    rank: int
    """0 for the lowest level, rising with detail."""

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__)

    def __lt__(self, other: Level) -> bool:
        return self.rank < other.rank

    def __le__(self, other: Level) -> bool:
        return self.rank <= other.rank
