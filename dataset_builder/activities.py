"""Rows of the table ``activities``: what a person was doing, minute by minute, by documented rules. Pure.

A window is a minute of a session in which something happened. Its category follows from counts alone, never from what
was written; docs/DATASET.md gives the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import cast

import numpy as np

from dataset_builder.event_arrays import EventArrays, Int64s
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Life
from dataset_builder.rows import Row
from event_model.events import (
    BODY_TYPES,
    Body,
    CaptureGap,
    CapturePause,
    CaptureResume,
    CaptureStart,
    CommandRun,
    DocumentSave,
    EditorFocus,
    SelectionChange,
    ViewportChange,
)
from event_model.page_events import PAGE_KINDS, FieldChange, FormSubmit, KeyRhythm, PageBody, PageNavigate, PageOpen

WINDOW_MS = 60_000
"""A minute: long enough to tell what it is for, short enough for it to be one thing."""

TASK_PAUSE_MS = 300_000
"""After five minutes without anything, what follows is another task."""

SEARCH_WORDS = ("search", "query", "find", "?q")

_CONTROL = frozenset({CaptureStart, CapturePause, CaptureResume, CaptureGap, EditorFocus})
_IS_CONTROL = np.array([kind in _CONTROL for kind in BODY_TYPES])
_IS_LOOK = np.array([kind in {SelectionChange, ViewportChange} for kind in BODY_TYPES])
_IS_SAVE = np.array([kind is DocumentSave for kind in BODY_TYPES])


class Activities:
    """Follows one session; gives a row for each window that is over."""

    def __init__(self, plan: SessionPlan, source: str) -> None:
        self._who = (plan.contributor, plan.session)
        self._source = source
        self._task = 1
        self._last_ms: int | None = None
        self._window: _Window | None = None

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
        sums = {name: np.add.reduceat(values[counted], begins).tolist() for name, values in _counts(events).items()}
        bodies = dict(events.others)
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
            window.add_bodies(bodies[place] for place in of_window if place in bodies)
        self._last_ms = int(walls[-1])

    def end(self) -> Iterator[Row]:
        """Give the window that is open, if there is one."""
        if self._window is not None:
            yield self._window.row(self._who, self._source, self._task)
            self._window = None


def _counts(events: EventArrays) -> dict[str, Int64s]:
    """Give each event's share of what a window counts."""
    deleted, inserted, joined, edits = (np.zeros(len(events), np.int64) for _ in range(4))
    deleted[events.at], inserted[events.at], joined[events.at] = events.deleted, events.length, events.joined
    edits[events.at] = 1
    looks, saves = _IS_LOOK[events.kinds].astype(np.int64), _IS_SAVE[events.kinds].astype(np.int64)
    return {"edits": edits, "inserted": inserted, "deleted": deleted, "joined": joined, "looks": looks, "saves": saves}


class _Window:
    """One minute's counts."""

    def __init__(self, number: int, first_index: int, first_ms: int) -> None:
        self.number = number
        self._first_index = self._last_index = first_index
        self._first_ms = first_ms
        self._counts: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def add(self, events: int, last_index: int, counts: Mapping[str, int]) -> None:
        """Count events."""
        self._last_index = last_index
        self._counts["events"] += events
        self._counts.update(counts)

    def add_lives(self, lives: Iterable[Life | None]) -> None:
        """Count which languages the events belong to."""
        for life, same in groupby(lives):
            if life is not None:
                self._languages[life.language] += len(list(same))

    def add_bodies(self, bodies: Iterable[Body]) -> None:
        """Count what is no edit."""
        for body in bodies:
            if type(body) is CommandRun:
                self._counts["renames"] += "rename" in body.command or "refactor" in body.command
            elif type(body) in PAGE_KINDS:
                self._add_page(cast("PageBody", body))

    def _add_page(self, body: PageBody) -> None:
        counts = self._counts
        counts["pages"] += 1
        if isinstance(body, FieldChange | KeyRhythm | FormSubmit):
            counts["searches" if body.element.role == "searchbox" else "fields"] += 1
        elif isinstance(body, PageOpen | PageNavigate):
            counts["searches"] += any(word in body.route.lower() for word in SEARCH_WORDS)

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


def classify(counts: Counter[str]) -> tuple[str, int]:
    """Name the activity of a window, and how sure that is in percent: how far its own sign outweighs the others."""
    edits, pages = counts["edits"], counts["pages"]
    if pages > edits:
        searches, fields = counts["searches"], counts["fields"]
        if searches > fields:
            return "searching", _percent(searches, searches + fields + 1)
        if fields:
            return "form-filling", _percent(fields, searches + fields + 1)
        return "reviewing", _percent(pages - counts["fields"], pages + 2)
    if not edits:
        return "reviewing", _percent(counts["looks"] + counts["saves"], counts["events"] + 1)
    if counts["renames"] or 2 * counts["joined"] > edits:
        return "refactoring", _percent(counts["joined"] + 2 * counts["renames"], edits)
    if counts["looks"] > 2 * edits:
        return "reviewing", _percent(counts["looks"], counts["looks"] + 2 * edits)
    if counts["saves"] >= 2 and edits < 30:
        return "debugging", _percent(counts["saves"] * 10, counts["saves"] * 10 + edits)
    if 2 * counts["deleted"] > counts["inserted"]:
        return "debugging", _percent(counts["deleted"], counts["deleted"] + counts["inserted"])
    return "writing", _percent(counts["inserted"] - counts["deleted"], counts["inserted"] + 10)


def _percent(part: int, whole: int) -> int:
    """Give a share between 5 and 95 percent: rules are never sure."""
    return min(95, max(5, round(100 * part / whole))) if whole else 5
