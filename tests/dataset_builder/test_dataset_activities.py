"""The rules of activities: one by one, and held to what simulated people were about."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.activities import measure
from dataset_builder.activities import Activities
from dataset_builder.event_arrays import arrays_of
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import SessionReplay
from dataset_builder.slots import Slots
from dataset_builder.tables import ACTIVITIES
from event_model.events import Body, Event, Origin, SelectionCause, SelectionChange, ViewportChange
from event_model.ids import DocumentId
from event_model.page_events import (
    Element,
    FieldChange,
    FieldContent,
    LengthBucket,
    NameSource,
    NavigateCause,
    PageNavigate,
    PageOpen,
    PointerClick,
    PointerTrail,
)
from overt.simulation.fleet import FleetPlan
from tests.dataset_builder.dataset_world import Clock, edit, events_of, opened, typed


def test_rules_name_more_minutes_rightly_than_guessing_and_know_how_sure_they_are() -> None:
    found = measure(FleetPlan(12, 1, 5))
    assert found["minutes"] > 100
    assert found["accuracy"] > found["majority"] + 0.4
    for name in ("writing", "debugging", "refactoring", "reviewing", "form-filling", "searching"):
        assert found["recall"][name] > 0.7, name
    unsure = [tuple(found["by_confidence"][step]) for step in ("0", "20", "40") if step in found["by_confidence"]]
    sure = [tuple(found["by_confidence"][step]) for step in ("60", "80") if step in found["by_confidence"]]
    assert _right(sure) > _right(unsure) + 0.1


PAGE = DocumentId(1)
FIELD = Element("textbox", "Name", NameSource.AUTHOR, "", "", "main:1/input:1", (1, 2, 3, 4))
SEARCH = Element("searchbox", "Search", NameSource.AUTHOR, "", "", "main:1/input:2", (1, 2, 3, 4))
BUTTON = Element("button", "More", NameSource.AUTHOR, "", "", "main:1/button:1", (1, 2, 3, 4))
LINK = Element("link", "Next", NameSource.AUTHOR, "", "", "main:1/a:1", (1, 2, 3, 4))
FILTER = Element("textbox", "Filter the list", NameSource.AUTHOR, "", "", "main:1/input:3", (1, 2, 3, 4))
LINES = "alpha = beta\n" * 40


def _swap(position: int, old: int, new: str) -> list[Body]:
    """Select a word, and type another over it."""
    return [
        SelectionChange(DocumentId(1), position, position + old, cause=SelectionCause.KEYBOARD),
        edit(position, old, new[0]),
        *typed(new[1:], at=position + 1),
    ]


def _look(line: int) -> Body:
    return ViewportChange(DocumentId(1), line, line + 40)


def _joined(position: int, *, joined: bool, origin: Origin = Origin.TYPED) -> Body:
    return msgspec.structs.replace(edit(position, 0, "    "), joined=joined, origin=origin)


def _click(element: Element) -> list[Body]:
    return [PointerTrail(PAGE, ((0, 1, 2), (50, 3, 4))), PointerClick(PAGE, element, 1, 1)]


def _to(name: str) -> Body:
    return PageNavigate(PAGE, f"https://a.test/{name}", "", NavigateCause.PUSH)


def _filled(element: Element) -> Body:
    return FieldChange(PAGE, element, FieldContent.WORDS, LengthBucket.SHORT)


@pytest.mark.parametrize(
    ("bodies", "activity"),
    [
        (typed("def sums(values):", at=0), "writing"),
        ([*typed("def summ", at=0), edit(7, 1, ""), edit(6, 1, ""), *typed("ms(values)", at=6)], "writing"),
        ([edit(9 - at, 1, "") for at in range(9)], "debugging"),
        (_swap(0, 5, "gamma"), "debugging"),
        ([*_swap(0, 5, "gamma"), *_swap(26, 4, "delta")], "debugging"),
        ([*_swap(0, 5, "ab"), *_swap(10, 5, "ab"), *_swap(20, 5, "ab")], "refactoring"),
        ([edit(0, 13, ""), edit(78, 0, LINES[:13])], "refactoring"),
        ([edit(0, 13, ""), edit(78, 0, LINES[:11])], "writing"),
        ([_joined(26, joined=False), _joined(13, joined=True), _joined(0, joined=True)], "refactoring"),
        ([*typed("ab"), *(_joined(at, joined=at < 39, origin=Origin.FORMATTER) for at in (39, 26, 13))], "writing"),
        ([*typed("ab"), *[msgspec.structs.replace(edit(9, 0, "xy"), origin=Origin.UNDO)] * 3], "debugging"),
        ([_look(at) for at in range(4)], "reviewing"),
        ([*(_look(at) for at in range(4)), *_swap(0, 5, "g")], "reviewing"),
        ([*(SelectionChange(DocumentId(1), at, at) for at in range(4)), *_swap(0, 5, "g")], "reviewing"),
    ],
)
def test_shapes_of_edits_say_what_a_minute_was_for(bodies: list[Body], activity: str) -> None:
    assert _name([opened(LINES), *bodies]) == activity


@pytest.mark.parametrize(
    ("bodies", "activity"),
    [
        ([*_click(FIELD), _filled(FIELD), *_click(BUTTON)], "form-filling"),
        ([*_click(BUTTON), *_click(BUTTON), *_click(LINK)], "reviewing"),
        ([*_click(BUTTON), *_click(BUTTON), _filled(FIELD)], "form-filling"),
        ([*_click(LINK), *_click(LINK), _filled(FIELD)], "reviewing"),
        ([*_click(SEARCH), _filled(SEARCH), PageNavigate(PAGE, "https://a.test/find", "", NavigateCause.PUSH)],
         "searching"),
        ([_filled(SEARCH), *_click(LINK), *_click(LINK)], "reviewing"),
        ([*_click(FILTER), _filled(FILTER), _filled(FILTER)], "searching"),
        ([*_click(FIELD), _filled(FIELD), _filled(FIELD)], "form-filling"),
        ([_to("find"), *_click(LINK), _to("a"), *_click(LINK), _to("find")], "searching"),
        ([_to("find"), *_click(LINK), _to("a"), *_click(LINK), _to("b")], "reviewing"),
        ([_to("find"), *_click(LINK), _to("a"), *_click(LINK), _filled(SEARCH)], "reviewing"),
        ([_to("find"), *_click(LINK), _to("a"), _filled(FIELD), *_click(LINK), _to("find")], "reviewing"),
    ],
)  # fmt: skip
def test_what_is_clicked_and_filled_says_what_a_minute_was_for(bodies: list[Body], activity: str) -> None:
    assert _name([PageOpen(PAGE, 1, "https://a.test/tickets", "Tickets", 1280, 800), *bodies]) == activity


def _visits(*gaps: int, edited: bool = False) -> str:
    """Open a file after so many milliseconds each, and look at it twice; name the minutes, the same throughout."""
    clock, events = Clock(), []
    for number, gap in enumerate(gaps, 2):
        clock.now_ms += gap
        shown: list[Body] = [
            opened(LINES, document=number),
            *(ViewportChange(DocumentId(number), at, 9) for at in (0, 9)),
        ]
        shown += [edit(0, 0, "x", document=number)] if edited else []
        events += events_of(shown, clock=Clock(clock.now_ms, 10))
    numbered = [msgspec.structs.replace(event, index=index) for index, event in enumerate(events)]
    return "/".join(sorted(set(_names(numbered))))


@pytest.mark.parametrize(
    ("gaps", "activity"),
    [
        ((3_000, 3_000, 3_000, 3_000), "searching"),
        ((3_000, 3_000, 3_000), "searching"),
        ((3_000, 3_000), "reviewing"),
        ((40, 40, 40, 40), "reviewing"),
        ((21_000, 21_000, 21_000), "reviewing"),
    ],
)
def test_file_after_file_for_a_moment_each_is_a_search(gaps: tuple[int, ...], activity: str) -> None:
    assert _visits(*gaps) == activity
    assert _visits(*gaps, edited=True) == "reviewing"


def test_who_is_long_at_what_was_found_reads_it() -> None:
    bodies = [_to("find"), *_click(LINK), _to("a"), *_click(LINK), _to("find"), *_click(LINK)]
    for step_ms, activity in ((7_000, "searching"), (11_000, "reviewing")):
        events = events_of(
            [PageOpen(PAGE, 1, "https://a.test/", "t", 1280, 800), *bodies], clock=Clock(step_ms=step_ms)
        )
        assert _names(events)[0] == activity


def _name(bodies: list[Body]) -> str:
    (name,) = _names(events_of(bodies, clock=Clock(step_ms=100)))
    return name


def _names(events: list[Event]) -> list[str]:
    rules = Activities(SessionPlan("c", "s", "p", (), (), 0, 0, 0, 0), "lsp")
    arrays = arrays_of(events)
    lives = SessionReplay(slots=Slots(), on_life=lambda _life: None).feed(arrays, {}).lives
    place = [column.name for column in ACTIVITIES].index("activity")
    return [str(row[place]) for row in (*rules.feed(arrays, lives), *rules.end())]


def _right(groups: list[tuple[int, float]]) -> float:
    return sum(count * share for count, share in groups) / sum(count for count, _share in groups)
