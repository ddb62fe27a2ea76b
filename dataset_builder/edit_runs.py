"""Edits in runs: edits of one document that each begin where the one before ended, as typing does. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dataset_builder.event_arrays import ORIGIN_NAMES, EventArrays, Int64s
from event_model.body_columns import LEVELS
from event_model.events import Mask
from event_model.levels import Level

MAX_PAUSE_MS = 3_000
"""A longer pause ends a run, and a burst: the person stopped to think or to read."""


class Moment(NamedTuple):
    """Where and when an event stands: its place in the session, Unix ms, and what of it was kept."""

    number: int
    wall_ms: int
    level: Level


class EditRun:
    """Edits of one document, level and origin without a pause, each at the end of the one before.

    Only the first may delete. A masked edit is a run of its own. ``place`` is the first edit's among all events,
    ``first`` among the edits; ``begin`` is where its text begins in that of all edits.
    """

    __slots__ = (
        "begin",
        "count",
        "deleted",
        "document",
        "first",
        "inserted",
        "masks",
        "moment",
        "origin",
        "place",
        "position",
        "runs",
    )

    def __init__(self, runs: EditRuns, first: int, end: int) -> None:
        self.runs = runs
        self.first = first
        self.count = end - first
        self.place = place = runs.at[first]
        self.document = runs.document[first]
        self.position = runs.position[first]
        self.deleted = runs.deleted[first]
        self.origin = ORIGIN_NAMES[runs.origin[first]]
        self.begin = begin = runs.ends[first - 1] if first else 0
        self.inserted = runs.text[begin : runs.ends[end - 1]]
        self.moment = runs.moment(place)
        self.masks = runs.masks.get(self.moment.number, ()) if runs.masks else ()

    def when(self, number: int) -> tuple[int, int]:
        """Give the index and the time of an edit of the run, counted from 0."""
        return self.moment.number + number, self.runs.walls[self.place + number]

    def upto(self, done: int, edits: int, chars: int) -> tuple[int, int]:
        """Say up to which edit, after those that are done, so many go together, and how long their text is.

        The first that brings the text over ``chars`` code points still belongs to them.
        """
        ends = self.runs.ends
        first = self.first + done
        base = ends[first - 1] if first else 0
        last = min(first + edits, self.first + self.count) - 1
        last = min(last, bisect_right(ends, base + chars, first, last)) if chars >= 0 else first
        return last + 1 - self.first, ends[last] - base


class EditRuns:
    """The edits of some events, in runs."""

    def __init__(self, events: EventArrays, masks: Mapping[int, list[Mask]]) -> None:
        self.first_index = events.first_index
        self.text = events.text
        self.masks = masks
        self.walls: list[int] = events.walls.tolist()
        self._levels: list[int] = events.levels.tolist()
        self._begins = _begins(events, masks)
        self.at, self.document, self.position, self.deleted, self.ends, self.origin = (
            column.tolist()
            for column in (events.at, events.document, events.position, events.deleted, events.ends, events.origin)
        )

    def __iter__(self) -> Iterator[EditRun]:
        begins = self._begins.tolist()
        for first, end in pairwise([*begins, len(self.at)]):
            yield EditRun(self, first, end)

    def moment(self, place: int) -> Moment:
        """When an event happened, counted from 0."""
        return Moment(self.first_index + place, self.walls[place], LEVELS[self._levels[place]])


def _begins(events: EventArrays, masks: Mapping[int, list[Mask]]) -> Int64s:
    """Give the edits with which runs begin."""
    at = events.at
    if not len(at):
        return at
    walls, levels = events.walls[at], events.levels[at]
    begins = np.ones(len(at), np.bool_)
    begins[1:] = (
        (np.diff(at) != 1)
        | (np.diff(events.document) != 0)
        | (np.diff(levels) != 0)
        | (np.diff(events.origin) != 0)
        | (np.diff(walls) > MAX_PAUSE_MS)
        | (events.deleted[1:] != 0)
        | (events.position[1:] != (events.position + events.length)[:-1])
    )
    if masks:
        masked = np.isin(at, [index - events.first_index for index in masks])
        begins |= masked
        begins[1:] |= masked[:-1]
    return np.flatnonzero(begins)


class Spliced:
    """A text of which parts are replaced by others of the same length, from left to right."""

    __slots__ = ("_done", "_parts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._parts: list[str] = []
        self._done = 0

    def put(self, begin: int, part: str) -> None:
        """Replace what stands there."""
        self._parts += (self._text[self._done : begin], part)
        self._done = begin + len(part)

    def text(self) -> str:
        """Give the text."""
        return "".join((*self._parts, self._text[self._done :]))
