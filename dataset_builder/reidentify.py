"""How easily people could be found again in a dataset: who stands out, and who is betrayed by the rhythm of their keys.

Figures are about the whole, never about one contributor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

MIN_KEYS = 60
"""Gaps between keys that a sample needs to say anything."""

MAX_GAP_MS = 30_000
"""A longer pause says when somebody had coffee, not how they type."""

LOOKS_MS = (2_000, MAX_GAP_MS)
"""The attack is tried on the keys of a burst alone, and with the pauses between; what counts is the better one."""

QUASI_IDENTIFIERS = ("client", "client_version", "position_encoding", "source", "language")
"""What an outsider might know of somebody."""


class Reidentification(msgspec.Struct, frozen=True):
    """What was found. ``linked`` is how many of ``compared`` people were found again by typing rhythm alone.

    ``chance`` is how many would be by guessing; ``unique`` have a combination of quasi-identifiers that nobody else
    has, ``below_k`` one that fewer than k have.
    """

    contributors: int
    unique: int
    below_k: int
    compared: int
    linked: int
    chance: float


def reidentify(events: Iterable[Mapping[str, Any]], languages: Mapping[str, set[str]], *, k: int) -> Reidentification:
    """Try both on the rows of ``events``, in their order; ``languages`` are by contributor.

    The attack cuts each contributor's sessions into two halves, knows one half under the right names, and names the
    other half by the nearest.
    """
    known: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    gaps: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    people: set[str] = set()
    for row in events:
        who = row["contributor"]
        people.add(who)
        for name in QUASI_IDENTIFIERS:
            if row.get(name):
                known[who].add((name, row[name]))
        if row["kind"] == "document.edit" and row["origin"] == "typed" and 0 <= row["delta_ms"] < MAX_GAP_MS:
            gaps[who][row["session"]].append(row["delta_ms"])
    for who, found in languages.items():
        known[who] |= {("language", language) for language in found}
    sizes = Counter(frozenset(known[who]) for who in people)
    linked, compared = max(_link(gaps, look_ms) for look_ms in LOOKS_MS)
    return Reidentification(
        contributors=len(people),
        unique=sum(sizes[frozenset(known[who])] == 1 for who in people),
        below_k=sum(sizes[frozenset(known[who])] < k for who in people),
        compared=compared,
        linked=linked,
        chance=1.0 if compared else 0.0,
    )


def _link(gaps: Mapping[str, Mapping[str, list[int]]], look_ms: int) -> tuple[int, int]:
    """Name each second half by the nearest first half; gives how many were right, and of how many."""
    firsts, seconds, names = [], [], []
    for who, sessions in gaps.items():
        halves: tuple[list[int], list[int]] = ([], [])
        for number, values in enumerate(sessions.values()):  # as they come: every other one
            halves[number % 2].extend(gap for gap in values if gap < look_ms)
        if min(map(len, halves)) >= MIN_KEYS:
            names.append(who)
            firsts.append(_features(halves[0]))
            seconds.append(_features(halves[1]))
    if len(names) < 2:
        return 0, 0
    one, other = np.array(firsts), np.array(seconds)
    spread = one.std(axis=0)
    spread[spread == 0] = 1.0
    distances = np.linalg.norm((one[None, :, :] - other[:, None, :]) / spread, axis=2)
    return int((distances.argmin(axis=1) == np.arange(len(names))).sum()), len(names)


def _features(values: list[int]) -> npt.NDArray[np.float64]:
    """The shape of a person's gaps: their quantiles as logarithms, and how often there are long ones."""
    gaps = np.array(values, dtype=float)
    quantiles = np.quantile(np.log1p(gaps), (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95))
    long = [float(np.mean(gaps > limit)) for limit in (300, 800, 2_000, 6_000)]
    return np.array([*quantiles.tolist(), *long], dtype=np.float64)


def languages_of(documents: Iterator[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Give the languages of each contributor's documents."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in documents:
        found[row["contributor"]].add(row["language"])
    return found
