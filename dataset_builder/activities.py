"""Rows of the table ``activities``: what a person was doing, minute by minute, by documented rules. Pure.

A window is a minute of a session in which something happened. Its category follows from counts alone, never from what
was written; docs/DATASET.md gives the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Step
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
    Origin,
    SelectionChange,
    ViewportChange,
)
from event_model.page_events import FieldChange, FormSubmit, KeyRhythm, PageBody, PageNavigate, PageOpen

WINDOW_MS = 60_000
"""A minute: long enough to tell what it is for, short enough for it to be one thing."""

TASK_PAUSE_MS = 300_000
"""After five minutes without anything, what follows is another task."""

LARGE_EDIT = 40
"""An edit of more code points than a line's part is not typed by hand."""

SEARCH_WORDS = ("search", "query", "find", "?q")

_CONTROL = (CaptureStart, CapturePause, CaptureResume, CaptureGap, EditorFocus)
_HAND = frozenset({Origin.TYPED, Origin.UNKNOWN, Origin.PASTED, Origin.UNDO, Origin.REDO, Origin.COMPLETION})


class Activities:
    """Follows one session; gives a row for each window that is over."""

    def __init__(self, plan: SessionPlan, source: str) -> None:
        self._who = (plan.contributor, plan.session)
        self._source = source
        self._task = 1
        self._last_ms: int | None = None
        self._window: _Window | None = None

    def feed(self, steps: Iterable[Step]) -> Iterator[Row]:
        """Take in events, in order."""
        for step in steps:
            event = step.event
            if isinstance(event.body, _CONTROL):
                continue
            if self._last_ms is not None and event.wall_ms - self._last_ms >= TASK_PAUSE_MS:
                yield from self.end()
                self._task += 1
            self._last_ms = event.wall_ms
            number = event.wall_ms // WINDOW_MS
            if self._window is None or self._window.number != number:
                yield from self.end()
                self._window = _Window(number, event)
            self._window.add(step)

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

    def add(self, step: Step) -> None:
        """Count an event."""
        body, counts = step.event.body, self._counts
        self._last = step.event
        counts["events"] += 1
        if step.life is not None:
            self._languages[step.life.language] += 1
        if isinstance(body, DocumentEdit):
            self._add_edit(body)
        elif isinstance(body, SelectionChange | ViewportChange):
            counts["looks"] += 1
        elif isinstance(body, CommandRun):
            counts["renames"] += "rename" in body.command or "refactor" in body.command
        elif isinstance(body, DocumentSave):
            counts["saves"] += 1
        elif isinstance(body, PageBody):
            self._add_page(body)

    def _add_edit(self, body: DocumentEdit) -> None:
        counts = self._counts
        counts["edits"] += 1
        counts["inserted"] += len(body.inserted)
        counts["deleted"] += body.deleted
        counts["joined"] += body.joined
        counts["large"] += len(body.inserted) > LARGE_EDIT
        counts["others"] += body.origin not in _HAND

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
        activity, confidence = classify(self._counts)
        language = self._languages.most_common(1)[0][0] if self._languages else ""
        counts = self._counts
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
