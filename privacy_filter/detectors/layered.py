"""The default detector: layers from the surest to the vaguest, and one answer where they overlap."""

from __future__ import annotations

import os
from functools import cache
from typing import Protocol

from event_model.errors import FilterUnavailable
from privacy_filter.detectors.assignments import AssignmentLayer
from privacy_filter.detectors.base import Detector, Hit
from privacy_filter.detectors.credentials import CredentialLayer
from privacy_filter.detectors.national import NationalLayer
from privacy_filter.detectors.opaque import OpaqueLayer
from privacy_filter.detectors.personal import PersonalLayer
from privacy_filter.detectors.services import ServiceLayer
from privacy_filter.detectors.tokens import TokenLayer
from privacy_filter.detectors.window import Window

ENGINE_VARIABLE = "OVERT_ENGINE"
KINGFISHER = "kingfisher"
"""The engine that may be added to overt's own layers; theirs stay, so that the choice never takes anything away."""


class Layer(Protocol):
    """A part of a detector."""

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add what it finds to ``hits``."""
        ...


class LayeredDetector:
    """Asks every layer; where hits overlap the surest layer names the kind, and all of them are masked."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self._layers = layers

    def find(self, text: str, *, whole_file: bool) -> list[Hit]:
        """Give the hits in a text, from left to right, not overlapping."""
        if not text:
            return []
        window = Window(text, whole_file=whole_file)
        hits: list[Hit] = []
        for layer in self._layers:
            layer.find(window, hits)
        return _joined(hits) if len(hits) > 1 else hits


def _joined(hits: list[Hit]) -> list[Hit]:
    """Join hits that overlap; the one that was found first (by the surest layer) names the kind."""
    ranked = sorted(enumerate(hits), key=lambda pair: pair[1].start)
    joined: list[tuple[int, Hit]] = []
    for rank, hit in ranked:
        if joined and hit.start < joined[-1][1].end:
            first, second = sorted([joined[-1], (rank, hit)], key=lambda pair: pair[0])
            joined[-1] = (first[0], _union(first[1], second[1]))
        else:
            joined.append((rank, hit))
    return [hit for _, hit in joined]


def _union(first: Hit, second: Hit) -> Hit:
    start, end = min(first.start, second.start), max(first.end, second.end)
    opaque = first.opaque and second.opaque
    return Hit(start, end, first.category, first.kind, first.guessable, opaque, first.core)


def default_detector() -> Detector:
    """Give the detector that overt ships, with the engine that ``OVERT_ENGINE`` adds to it.

    Rules are read when it is first made (some 30 ms). FilterUnavailable: if the engine is not known, or not installed.
    """
    return _detector(os.environ.get(ENGINE_VARIABLE, ""))


@cache
def _detector(engine: str) -> Detector:
    layers: list[Layer] = [
        CredentialLayer(),
        TokenLayer(),
        AssignmentLayer(),
        ServiceLayer(),
        PersonalLayer(),
        NationalLayer(),
        OpaqueLayer(),
    ]
    if engine == KINGFISHER:
        from privacy_filter.detectors.kingfisher import KingfisherLayer  # noqa: PLC0415 - only where it was chosen

        layers.append(KingfisherLayer())
    elif engine:
        raise FilterUnavailable(
            f"{ENGINE_VARIABLE} names {engine!r}, which is no engine of the filter",
            hint=f"Set it to {KINGFISHER}, or take it out of the environment.",
        )
    return LayeredDetector(tuple(layers))
