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
from event_model.events import BODY_TYPES, Body, CommandRun, DocumentOpen, Origin, SelectionChange, ViewportChange
from event_model.page_events import (
    PAGE_KINDS,
    Element,
    FieldChange,
    FormSubmit,
    KeyRhythm,
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

SEARCH_WORDS = ("search", "query", "find", "?q")
CONTROL_ROLES = frozenset(
    {"button", "checkbox", "combobox", "listbox", "menuitem", "menuitemcheckbox", "menuitemradio", "option", "radio",
     "slider", "spinbutton", "switch", "textbox"}
)  # fmt: skip
"""Elements that one does something with; the others are there to be read, or to follow to something to read."""


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
_LOOKS = np.array([kind in {ViewportChange, DocumentOpen} for kind in BODY_TYPES])


def purposes_of(events: EventArrays) -> Int64s:
    """Say of each event in an editor what it is for."""
    purposes = np.zeros(len(events), np.int64)
    purposes[_LOOKS[events.kinds]] = Purpose.REVIEWING
    of_edits = _of_edits(events)
    purposes[events.at] = of_edits
    for place, body in events.others:
        if type(body) is CommandRun and is_rename(body):
            purposes[place] = Purpose.REFACTORING
    _give_selections(events, purposes, of_edits)
    return purposes


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

    def feed(self, bodies: Iterable[tuple[int, Body]]) -> list[tuple[int, Purpose]]:
        """Take in events, each with its place; give the places of the pages' events with what they are for.

        What says nothing of its own is for what it leads to, like a movement of the pointer, or what it follows on.
        """
        found: list[tuple[int, Purpose]] = []
        waiting: list[int] = []
        for place, body in bodies:
            if type(body) not in PAGE_KINDS:
                continue
            purpose = self._said_by(cast("PageBody", body))
            if purpose is None:
                waiting.append(place)
                continue
            self._now, self._acting = purpose, False
            found += [(each, purpose) for each in (*waiting, place)]
            waiting.clear()
        return [*found, *((place, self._now) for place in waiting)]

    def _said_by(self, body: PageBody) -> Purpose | None:
        """Say what an event is for, if it says so itself."""
        element: Element | None = getattr(body, "element", None)
        if element is not None and element.role == "searchbox":
            return Purpose.SEARCHING
        if isinstance(body, FieldChange | KeyRhythm | FormSubmit):
            return Purpose.FORM_FILLING
        if isinstance(body, PageOpen | PageNavigate) and any(word in body.route.lower() for word in SEARCH_WORDS):
            return Purpose.SEARCHING
        self._acting |= element is not None and element.role in CONTROL_ROLES
        if self._acting or isinstance(body, PointerTrail):
            return None
        return Purpose.REVIEWING if isinstance(body, PageOpen | PageFocus) or element is not None else self._now
