"""What each event is for, from its shape alone: where edits are, how much they take out and put in, never what. Pure.

Edits that touch one another are one *place* of work. What is done there, and at the place before or after, says what it
is for; docs/DATASET.md gives the rules. The text itself is not looked at, so that the rules hold at every level.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import cast

import numpy as np

from dataset_builder.event_arrays import ORIGIN_NAMES, Bools, EventArrays, Int64s
from event_model.body_columns import EDIT
from event_model.events import BODY_TYPES, Body, CommandRun, DocumentOpen, Origin, SelectionChange, ViewportChange
from event_model.page_events import (
    PAGE_KINDS,
    Element,
    FieldChange,
    FormSubmit,
    KeyRhythm,
    NameSource,
    PageBody,
    PageFocus,
    PageNavigate,
    PageOpen,
    PointerTrail,
)

MIN_WORD = 2
"""Code points that a place must take out and put in to count as one word put for another."""

MOVED_PLACES = 2
"""So many places later, at most, what was cut is put in again where it was moved to."""

SEARCH_WORDS = ("search", "query", "find", "filter", "?q")
"""What routes, commands and the names that a page's author gave say where somebody searches."""

GLANCE_MS = 30_000
"""Away from what was found for no longer than this, and back: it was not what was looked for."""

VISIT_MS = (500, 20_000)
"""How long somebody looks into a file who looks for something; files that an editor opens by itself come faster."""

MIN_VISITS = 3
"""So many files one after the other, without an edit, are a search."""

CONTROL_ROLES = frozenset(
    {"button", "checkbox", "combobox", "listbox", "menuitem", "menuitemcheckbox", "menuitemradio", "option", "radio",
     "slider", "spinbutton", "switch", "textbox"}
)  # fmt: skip
"""Elements that one does something with; the others are there to be read, or to follow to something to read."""

FIELD_ROLES = frozenset({"combobox", "listbox", "textbox"})
"""Elements in which something is typed or chosen."""


class Purpose(enum.IntEnum):
    """What an event is for."""

    NONE = 0
    WRITING = 1
    DEBUGGING = 2
    REFACTORING = 3
    REVIEWING = 4
    FORM_FILLING = 5
    SEARCHING = 6


_UNDOING = [ORIGIN_NAMES.index(origin.value) for origin in (Origin.UNDO, Origin.REDO)]
_FORMATTER = ORIGIN_NAMES.index(Origin.FORMATTER.value)
_SELECTION = BODY_TYPES.index(SelectionChange)
_OPENED = BODY_TYPES.index(DocumentOpen)
_LOOKS = np.array([kind in {ViewportChange, DocumentOpen} for kind in BODY_TYPES])


def purposes_of(events: EventArrays) -> Int64s:
    """Say of each event in an editor what it is for."""
    purposes = np.zeros(len(events), np.int64)
    purposes[_LOOKS[events.kinds]] = Purpose.REVIEWING
    of_edits = _of_edits(events)
    purposes[events.at] = of_edits
    _give_selections(events, purposes, of_edits)
    for place, body in events.others:
        if type(body) is CommandRun and is_rename(body):
            purposes[place] = Purpose.REFACTORING
        elif type(body) is CommandRun and is_search(body):
            purposes[place] = Purpose.SEARCHING
    _give_visits(events, purposes)
    return purposes


def is_search(command: CommandRun) -> bool:
    """Say whether a command looks for something."""
    return _says_search(command.command)


def is_rename(command: CommandRun) -> bool:
    """Say whether a command changes code without changing what it does."""
    return "rename" in command.command or "refactor" in command.command


def _give_selections(events: EventArrays, purposes: Int64s, of_edits: Int64s) -> None:
    """A selection is for the edit that comes right after it; one that none follows is for reading."""
    selections = np.flatnonzero(events.kinds == _SELECTION)
    if not len(selections):
        return
    purposes[selections] = Purpose.REVIEWING
    if len(events.at):
        following = np.searchsorted(events.at, selections)
        known = following < len(events.at)
        known[known] = events.at[following[known]] - selections[known] == 1
        purposes[selections[known]] = of_edits[following[known]]


def _give_visits(events: EventArrays, purposes: Int64s) -> None:
    """Who opens file after file for a moment each, and edits none of them, looks for something."""
    opened = np.flatnonzero(events.kinds == _OPENED)
    if len(opened) < MIN_VISITS:
        return
    spent = np.diff(events.walls[opened])
    edits_before = np.searchsorted(events.at, opened)
    short = (spent >= VISIT_MS[0]) & (spent <= VISIT_MS[1]) & (np.diff(edits_before) == 0)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], short, [False])).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        if last - first >= MIN_VISITS - 1:
            purposes[opened[first] : _left(events, int(opened[last]))] = Purpose.SEARCHING


def _left(events: EventArrays, opened: int) -> int:
    """Say with which event the visit of a file is over: an edit, another file, or a time that is no glance."""
    others = np.flatnonzero((events.kinds == EDIT) | (events.kinds == _OPENED))
    end = int(others[at]) if (at := int(np.searchsorted(others, opened, "right"))) < len(others) else len(events)
    return min(end, int(np.searchsorted(events.walls, events.walls[opened] + VISIT_MS[1], "right")))


def _of_edits(events: EventArrays) -> Int64s:
    """Say of each edit what it is for."""
    count = len(events.at)
    if not count:
        return np.zeros(0, np.int64)
    several = events.joined != 0
    several[:-1] |= several[1:]
    begins = np.flatnonzero(_places(events, several))
    ends = np.append(begins, count)[1:]
    out, put = (np.add.reduceat(values, begins) for values in (events.deleted, events.length))
    origin = events.origin[begins]
    swaps = (out >= MIN_WORD) & (put >= MIN_WORD) & ~several[begins]
    purpose = np.where(2 * out >= put, np.int64(Purpose.DEBUGGING), np.int64(Purpose.WRITING))
    purpose[_repeated(put - out, swaps, events.document[begins]) | _moved(out, put)] = Purpose.REFACTORING
    purpose[np.isin(origin, _UNDOING)] = Purpose.DEBUGGING
    purpose[several[begins]] = Purpose.REFACTORING
    purpose[origin == _FORMATTER] = Purpose.NONE
    return np.repeat(purpose, ends - begins)


def _places(events: EventArrays, several: Bools) -> Bools:
    """Say with which edits a place begins: those that do not touch what the one before put in."""
    fresh = np.ones(len(events.at), np.bool_)
    caret = (events.position + events.length)[:-1]
    position, deleted = events.position[1:], events.deleted[1:]
    fresh[1:] = (
        (np.diff(events.document) != 0)
        | (position > caret)
        | (caret > position + deleted)
        | (several[1:] != several[:-1])
        | ((events.origin[1:] == _FORMATTER) != (events.origin[:-1] == _FORMATTER))
    )
    return fresh


def _repeated(change: Int64s, swaps: Bools, document: Int64s) -> Bools:
    """Say which places swap words just as the one before or after does: by as much, in the same document."""
    same = swaps[1:] & swaps[:-1] & (change[1:] == change[:-1]) & (document[1:] == document[:-1])
    found = np.zeros(len(change), np.bool_)
    found[1:] |= same
    found[:-1] |= same
    return found


def _moved(out: Int64s, put: Int64s) -> Bools:
    """Say which places take out as much as one of the next puts in, and which those are."""
    found = np.zeros(len(out), np.bool_)
    for later in range(1, min(MOVED_PLACES, len(out) - 1) + 1):
        same = (put[:-later] == 0) & (out[later:] == 0) & (out[:-later] == put[later:]) & (out[:-later] > MIN_WORD)
        found[:-later] |= same
        found[later:] |= same
    return found


class PagePurposes:
    """Says of a session's page events, in their order, what each is for."""

    def __init__(self) -> None:
        self._now = Purpose.REVIEWING
        self._acting = False
        """Whether a control was used, and it is not known yet what for."""
        self._left_ms = 0
        """When what was found was opened, of which it is not known yet whether it was looked for."""

    def feed(self, bodies: Iterable[tuple[int, Body]], walls: Int64s) -> list[tuple[int, Purpose]]:
        """Take in events, each with its place, and when each event was (ms); give the pages' events with their purpose.

        What says nothing of its own is for what it leads to, like a movement of the pointer, or what it follows on.
        What was found is for the search if the person is back at once, else it is read.
        """
        found: list[tuple[int, Purpose]] = []
        waiting: list[int] = []
        glance: list[int] = []
        for place, body in bodies:
            if type(body) not in PAGE_KINDS:
                continue
            purpose = self._said_by(cast("PageBody", body))
            waiting.append(place)
            if purpose is None:
                continue
            now_ms = int(walls[place])
            if purpose is Purpose.REVIEWING and (glance or self._now is Purpose.SEARCHING):
                self._left_ms = self._left_ms if glance else now_ms
                glance += waiting
            else:
                back = isinstance(body, PageNavigate) and purpose is Purpose.SEARCHING
                quick = back and now_ms - self._left_ms <= GLANCE_MS
                found += [(each, Purpose.SEARCHING if quick else Purpose.REVIEWING) for each in glance]
                found += [(each, purpose) for each in waiting]
                glance.clear()
            self._now, self._acting = purpose, False
            waiting.clear()
        found += [(place, Purpose.REVIEWING) for place in glance]
        return [*found, *((place, self._now) for place in waiting)]

    def _said_by(self, body: PageBody) -> Purpose | None:
        """Say what an event is for, if it says so itself."""
        element: Element | None = getattr(body, "element", None)
        if element is not None and _searches(element):
            return Purpose.SEARCHING
        if isinstance(body, FieldChange | KeyRhythm | FormSubmit):
            return Purpose.FORM_FILLING
        if isinstance(body, PageOpen | PageNavigate) and _says_search(body.route):
            return Purpose.SEARCHING
        self._acting |= element is not None and element.role in CONTROL_ROLES
        if self._acting or isinstance(body, PointerTrail):
            return None
        return Purpose.REVIEWING if isinstance(body, PageOpen | PageFocus) or element is not None else self._now


def _searches(element: Element) -> bool:
    """Say whether an element is there to search with: by its role, or by what the page's author calls a field."""
    named = element.name_from is NameSource.AUTHOR and element.role in FIELD_ROLES
    return element.role == "searchbox" or (named and _says_search(element.name))


def _says_search(text: str) -> bool:
    return any(word in text.lower() for word in SEARCH_WORDS)
