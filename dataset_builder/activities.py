"""Rows of the table ``activities``: what a person was doing, minute by minute, by documented rules. Pure.

A window is a minute of a session in which something happened. Its category follows from counts alone, never from what
was written; docs/DATASET.md gives the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Life, Step
from dataset_builder.rows import Row
from event_model.events import (
    CaptureGap,
    CapturePause,
    CaptureResume,
    CaptureStart,
    CommandRun,
    DocumentEdit,
    DocumentSave,
    EditorFocus,
    Event,
    SelectionChange,
    ViewportChange,
)
from event_model.page_events import FieldChange, FormSubmit, KeyRhythm, PageBody, PageNavigate, PageOpen

WINDOW_MS = 60_000
"""A minute: long enough to tell what it is for, short enough for it to be one thing."""

TASK_PAUSE_MS = 300_000
"""After five minutes without anything, what follows is another task."""

SEARCH_WORDS = ("search", "query", "find", "?q")

_CONTROL = frozenset({CaptureStart, CapturePause, CaptureResume, CaptureGap, EditorFocus})


class Activities:
    """Follows one session; gives a row for each window that is over."""

    def __init__(self, plan: SessionPlan, source: str) -> None:
        self._who = (plan.contributor, plan.session)
        self._source = source
        self._task = 1
        self._last_ms = 0
        self._window: _Window | None = None

    def feed(self, steps: Iterable[Step]) -> Iterator[Row]:
        """Take in events, in order."""
        for step in steps:
            event = step.event
            now_ms = event.wall_ms
            if type(event.body) in _CONTROL:
                continue
            if now_ms - self._last_ms >= TASK_PAUSE_MS and self._window is not None:
                yield from self.end()
                self._task += 1
            self._last_ms = now_ms
            window = self._window
            if window is None or window.number != now_ms // WINDOW_MS:
                yield from self.end()
                window = self._window = _Window(now_ms // WINDOW_MS, event)
            window.add(step)

    def end(self) -> Iterator[Row]:
        """Give the window that is open, if there is one."""
        if self._window is not None:
            yield self._window.row(self._who, self._source, self._task)
            self._window = None


class _Window:
    """One minute's counts."""

    def __init__(self, number: int, first: Event) -> None:
        self.number = number
        self._first = self._last = first
        self._counts: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._life: Life | None = None
        self._of_life = self._events = self._edits = self._inserted = self._deleted = self._joined = 0

    def add(self, step: Step) -> None:
        """Count an event."""
        body, counts = step.event.body, self._counts
        self._last = step.event
        self._events += 1
        life = step.life
        if life is not self._life:
            self._note_language(life)
        self._of_life += 1
        if type(body) is DocumentEdit:
            self._edits += 1
            self._inserted += len(body.inserted)
            self._deleted += body.deleted
            self._joined += body.joined
        elif isinstance(body, SelectionChange | ViewportChange):
            counts["looks"] += 1
        elif isinstance(body, CommandRun):
            counts["renames"] += "rename" in body.command or "refactor" in body.command
        elif isinstance(body, DocumentSave):
            counts["saves"] += 1
        elif isinstance(body, PageBody):
            self._add_page(body)

    def _note_language(self, life: Life | None) -> None:
        if self._life is not None:
            self._languages[self._life.language] += self._of_life
        self._life, self._of_life = life, 0

    def _add_page(self, body: PageBody) -> None:
        counts = self._counts
        counts["pages"] += 1
        if isinstance(body, FieldChange | KeyRhythm | FormSubmit):
            counts["fields"] += 1
            role = body.element.role
            counts["searches"] += role == "searchbox"
        elif isinstance(body, PageOpen | PageNavigate):
            counts["searches"] += any(word in body.route.lower() for word in SEARCH_WORDS)

    def row(self, who: tuple[str, str], source: str, task: int) -> Row:
        """Give the window's row."""
        self._note_language(None)
        counts = self._counts
        counts.update(
            events=self._events,
            edits=self._edits,
            inserted=self._inserted,
            deleted=self._deleted,
            joined=self._joined,
        )
        activity, confidence = classify(counts)
        language = self._languages.most_common(1)[0][0] if self._languages else ""
        return (
            *who,
            task,
            self._first.index,
            self._last.index,
            self._first.wall_ms,
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
        if counts["searches"]:
            return "searching", _percent(2 * counts["searches"], pages)
        if counts["fields"]:
            return "form-filling", _percent(2 * counts["fields"], pages)
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
