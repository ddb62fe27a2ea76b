"""Aggregates over people: cells that hold the work of at least k contributors, and nothing of any other. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

import msgspec

Key = TypeVar("Key", bound=Hashable)

MIN_K = 2
"""With a smaller k a cell could be about one person."""


class Cell(msgspec.Struct):
    """One cell: who is in it, and how often what it counts happened to each."""

    by_contributor: dict[str, int] = {}

    @property
    def contributors(self) -> int:
        """How many people are in it."""
        return len(self.by_contributor)

    @property
    def count(self) -> int:
        """How often it happened."""
        return sum(self.by_contributor.values())


class Kept(msgspec.Struct, Generic[Key], frozen=True):
    """A cell that may be shown."""

    key: Key
    contributors: int
    count: int


class Cells(Generic[Key]):
    """Counts by key and contributor. What is read out of it has k contributors at least in each cell."""

    def __init__(self, k: int) -> None:
        """ValueError: if k is below ``MIN_K``."""
        if k < MIN_K:
            raise ValueError(f"k is at least {MIN_K}")
        self._k = k
        self._cells: dict[Key, Cell] = {}

    def add(self, key: Key, contributor: str, count: int = 1) -> None:
        """Count something that a contributor did; who did it no time at all is not in the cell."""
        if not count:
            return
        people = self._cells.setdefault(key, Cell()).by_contributor
        people[contributor] = people.get(contributor, 0) + count

    def kept(self) -> Iterator[Kept[Key]]:
        """Give the cells that k people or more are in, the largest first."""
        found = [(key, cell) for key, cell in self._cells.items() if cell.contributors >= self._k]
        for key, cell in sorted(found, key=lambda item: (-item[1].count, str(item[0]))):
            yield Kept(key, cell.contributors, cell.count)

    @property
    def dropped(self) -> int:
        """How many cells fewer people are in."""
        return sum(cell.contributors < self._k for cell in self._cells.values())


class PersonValues(Generic[Key]):
    """Numbers by key and contributor, of which each person's median counts once. As ``Cells``, for k people or more."""

    def __init__(self, k: int) -> None:
        """ValueError: if k is below ``MIN_K``."""
        if k < MIN_K:
            raise ValueError(f"k is at least {MIN_K}")
        self._k = k
        self._values: dict[Key, dict[str, list[int]]] = {}

    def add(self, key: Key, contributor: str, value: int) -> None:
        """Note a number."""
        self._values.setdefault(key, {}).setdefault(contributor, []).append(value)

    def median(self, key: Key) -> float | None:
        """Give the median of the people's medians; None where fewer than k people are."""
        people = self._values.get(key, {})
        if len(people) < self._k:
            return None
        return _median([_median(sorted(values)) for values in people.values()])


def _median(values: list[float] | list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
