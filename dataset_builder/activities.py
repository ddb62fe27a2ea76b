"""Rows of the table ``activities``: what a person was doing, minute by minute, by documented rules. Pure.

A window is a minute of a session in which something happened. It is named for what most of its events are for, which
``purposes`` says; docs/DATASET.md gives the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np

from dataset_builder.event_arrays import EventArrays, Int64s
from dataset_builder.plan import SessionPlan
from dataset_builder.purposes import PagePurposes, Purpose, purposes_of
from dataset_builder.replay import Life
from dataset_builder.rows import Row
from event_model.events import (
    BODY_TYPES,
    CaptureGap,
    CapturePause,
    CaptureResume,
    CaptureStart,
    EditorFocus,
)

WINDOW_MS = 60_000
"""A minute: long enough to tell what it is for, short enough for it to be one thing."""

TASK_PAUSE_MS = 300_000
"""After five minutes without anything, what follows is another task."""

_CONTROL = frozenset({CaptureStart, CapturePause, CaptureResume, CaptureGap, EditorFocus})
_IS_CONTROL = np.array([kind in _CONTROL for kind in BODY_TYPES])

_NAMES = {
    Purpose.WRITING: "writing",
    Purpose.DEBUGGING: "debugging",
    Purpose.REFACTORING: "refactoring",
    Purpose.REVIEWING: "reviewing",
    Purpose.FORM_FILLING: "form-filling",
    Purpose.SEARCHING: "searching",
}
"""In the order in which they are preferred where as many events speak for two."""


class Activities:
    """Follows one session; gives a row for each window that is over."""

    def __init__(self, plan: SessionPlan, source: str) -> None:
        self._who = (plan.contributor, plan.session)
        self._source = source
        self._task = 1
        self._last_ms: int | None = None
        self._window: _Window | None = None
        self._pages = PagePurposes()

    def feed(self, events: EventArrays, lives: Sequence[Life | None]) -> Iterator[Row]:
        """Take in events, in order, each with its life."""
        counted = np.flatnonzero(~_IS_CONTROL[events.kinds])
        if not len(counted):
            return
        walls = events.walls[counted]
        pauses = np.diff(walls, prepend=walls[0] if self._last_ms is None else self._last_ms) >= TASK_PAUSE_MS
        numbers = walls // WINDOW_MS
        fresh = pauses.copy()
        fresh[0] = True
        fresh[1:] |= np.diff(numbers) != 0
        begins = np.flatnonzero(fresh)
        purposes = purposes_of(events)
        pages = self._pages.feed(events.others, events.walls)
        for place, purpose in pages:
            purposes[place] = purpose
        counts = _counts(events, pages) | {each: (purposes == each).astype(np.int64) for each in Purpose if each}
        sums = {name: np.add.reduceat(values[counted], begins).tolist() for name, values in counts.items()}
        for group, (begin, end) in enumerate(pairwise([*begins.tolist(), len(counted)])):
            if pauses[begin]:
                yield from self.end()
                self._task += 1
            first, last = int(counted[begin]), int(counted[end - 1])
            window = self._window
            if window is None or window.number != numbers[begin]:
                yield from self.end()
                window = self._window = _Window(int(numbers[begin]), events.first_index + first, int(walls[begin]))
            window.add(end - begin, events.first_index + last, {name: values[group] for name, values in sums.items()})
            of_window = counted[begin:end].tolist()
            window.add_lives([lives[place] for place in of_window])
        self._last_ms = int(walls[-1])

    def end(self) -> Iterator[Row]:
        """Give the window that is open, if there is one."""
        if self._window is not None:
            yield self._window.row(self._who, self._source, self._task)
            self._window = None


def _counts(events: EventArrays, pages: Sequence[tuple[int, Purpose]]) -> dict[str | Purpose, Int64s]:
    """Give each event's share of what a window counts."""
    deleted, inserted, edits, of_pages = (np.zeros(len(events), np.int64) for _ in range(4))
    deleted[events.at], inserted[events.at] = events.deleted, events.length
    edits[events.at] = 1
    of_pages[[place for place, _purpose in pages]] = 1
    return {"edits": edits, "inserted": inserted, "deleted": deleted, "pages": of_pages}


class _Window:
    """One minute's counts."""

    def __init__(self, number: int, first_index: int, first_ms: int) -> None:
        self.number = number
        self._first_index = self._last_index = first_index
        self._first_ms = first_ms
        self._counts: Counter[str | Purpose] = Counter()
        self._languages: Counter[str] = Counter()

    def add(self, events: int, last_index: int, counts: Mapping[str | Purpose, int]) -> None:
        """Count events."""
        self._last_index = last_index
        self._counts["events"] += events
        self._counts.update(counts)

    def add_lives(self, lives: Iterable[Life | None]) -> None:
        """Count which languages the events belong to."""
        for life, same in groupby(lives):
            if life is not None:
                self._languages[life.language] += len(list(same))

    def row(self, who: tuple[str, str], source: str, task: int) -> Row:
        """Give the window's row."""
        counts = self._counts
        activity, confidence = classify(counts)
        language = self._languages.most_common(1)[0][0] if self._languages else ""
        return (
            *who,
            task,
            self._first_index,
            self._last_index,
            self._first_ms,
            activity,
            confidence,
            language,
            "browser" if counts["pages"] else "editor",
            source,
            counts["events"],
            counts["edits"],
            counts["inserted"],
            counts["deleted"],
        )


def classify(counts: Counter[str | Purpose]) -> tuple[str, int]:
    """Name the activity of a window, and how sure that is in percent: how many of its events speak for it."""
    found = {each: counts[each] for each in _NAMES}
    most = max(found, key=lambda each: found[each])
    return _NAMES[most], _percent(found[most], sum(found.values()) + 1)


def _percent(part: int, whole: int) -> int:
    """Give a share between 5 and 95 percent: rules are never sure."""
    return min(95, max(5, round(100 * part / whole)))
