"""Arrays say what events say one by one, and refuse what can't be events just as well."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.event_arrays import LEVEL_NAMES, ORIGIN_NAMES, EventArrays, arrays_of
from event_model.body_columns import EDIT
from event_model.columns import MAX_UNPACKED_BYTES, MAX_VALUE, Reader, Writer, unpack, zigzag
from event_model.errors import SegmentError
from event_model.event_columns import EventColumns, make_events, read_columns, write_events
from event_model.events import BODY_TYPES, DocumentEdit, Event
from tests.dataset_builder.dataset_world import edit, events_of, opened
from tests.event_model.test_model_segment import event_lists

_NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 7, 1 << 20, (1 << 54) - 2, (1 << 54), MAX_VALUE - 1, MAX_VALUE])


def _columns(events: tuple[Event, ...]) -> EventColumns:
    writer = Writer()
    write_events(writer, events)
    return read_columns(Reader(unpack(writer.pack(1), MAX_UNPACKED_BYTES)))


def _as_rows(arrays: EventArrays) -> list[tuple[object, ...]]:
    """Give everything that arrays say, event by event."""
    bodies: dict[int, object] = dict(arrays.others)
    begin = 0
    for number, place in enumerate(arrays.at.tolist()):
        end = int(arrays.ends[number])
        bodies[place] = (
            *(int(column[number]) for column in (arrays.document, arrays.position, arrays.deleted)),
            arrays.text[begin:end],
            ORIGIN_NAMES[arrays.origin[number]],
            int(arrays.confidence[number]),
            bool(arrays.joined[number]),
        )
        begin = end
    times = zip(arrays.indexes, arrays.walls.tolist(), arrays.deltas.tolist(), strict=True)
    return [(*time, LEVEL_NAMES[arrays.levels[at]], arrays.kinds[at], bodies[at]) for at, time in enumerate(times)]


def _rows(events: tuple[Event, ...]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for event in events:
        body: object = event.body
        if isinstance(event.body, DocumentEdit):
            values = msgspec.structs.astuple(event.body)
            body = (*values[:4], event.body.origin.value, *values[5:])
        kind = BODY_TYPES.index(type(event.body))
        rows.append((event.index, event.wall_ms, event.delta_ms, event.level.value, kind, body))
    return rows


@settings(max_examples=200, deadline=None)
@given(events=event_lists())
def test_arrays_say_what_the_events_say(events: tuple[Event, ...]) -> None:
    arrays = EventArrays(_columns(events))
    assert _as_rows(arrays) == _rows(events)
    assert arrays.events() == events
    assert arrays.indexes == range(events[0].index, events[-1].index + 1) if events else not len(arrays)


@settings(max_examples=300, deadline=None)
@given(
    events=event_lists(),
    slot=st.integers(0, 3),
    changes=st.lists(st.tuples(st.integers(0, 9), _NUMBERS), min_size=1, max_size=4),
    cut=st.booleans(),
)
def test_arrays_refuse_what_events_refuse(
    events: tuple[Event, ...], slot: int, changes: list[tuple[int, int]], cut: bool
) -> None:
    """Numbers of edits are changed as an attacker could; sums of them wrap around, and must not be let in by that."""
    columns = _columns(events)
    of_edits = [list(column) for column in (columns.columns[EDIT] or [[]] * 4)]
    for place, number in changes:
        if of_edits[slot]:
            of_edits[slot][place % len(of_edits[slot])] = number
    kinds = list(columns.columns)
    kinds[EDIT] = of_edits
    text = columns.inserted[:-1] if cut else columns.inserted
    changed = msgspec.structs.replace(columns, columns=kinds, inserted=text)
    try:
        expected = _rows(make_events(changed))
    except SegmentError:
        with pytest.raises(SegmentError):
            EventArrays(changed)
        return
    assert _as_rows(EventArrays(changed)) == expected


_STEP, _JUMP, _DELETED, _LENGTH = range(4)


@pytest.mark.parametrize(
    ("slot", "values"),
    [
        (_JUMP, [1 << 54, 80]),
        (_JUMP, [MAX_VALUE, 80]),
        (_JUMP, [80, MAX_VALUE]),
        (_JUMP, [MAX_VALUE - 1, MAX_VALUE]),
        (_DELETED, [1 << 53, 9]),
        (_LENGTH, [MAX_VALUE, 9]),
        (_LENGTH, [8, 9]),
        (_LENGTH, [9, 8]),
        (_STEP, [1 << 54]),
        (_STEP, [(1 << 54) - 1]),
    ],
)
def test_numbers_outside_the_schema_are_refused(slot: int, values: list[int]) -> None:
    bodies = [opened("abc"), edit(50, 9, "x" * 9), edit(150, 9, "y" * 9), edit(0, 0, "", document=9)]
    columns = _columns(tuple(events_of(bodies)))
    kinds = [list(kind) for kind in columns.columns]
    assert [len(column) for column in kinds[EDIT]] == [1, 2, 2, 2]
    EventArrays(columns)
    kinds[EDIT][slot] = values
    changed = msgspec.structs.replace(columns, columns=kinds)
    with pytest.raises(SegmentError):
        make_events(changed)
    with pytest.raises(SegmentError):
        EventArrays(changed)


def test_events_that_can_be_no_segment_make_no_arrays() -> None:
    events = events_of([opened("abc"), edit(3, 0, "d"), edit(4, 0, "e")])
    with pytest.raises(SegmentError):
        arrays_of([events[0], events[2]])


@pytest.mark.parametrize("slot", [_DELETED, _LENGTH])
def test_lengths_whose_sum_wraps_around_are_refused(slot: int) -> None:
    """As many of the largest numbers as it takes for their sum to come back, in 64 bits, to what the texts have."""
    count = 2_049
    bodies = [opened("abc"), *(edit(50 * number, 9, "x" * 9) for number in range(1, count + 1))]
    columns = _columns(tuple(events_of(bodies)))
    kinds = [list(kind) for kind in columns.columns]
    assert len(kinds[EDIT][slot]) == len(kinds[EDIT][_JUMP]) == count
    largest = 1 << 53  # 2^11 of them are 2^64
    kinds[EDIT][slot] = [largest] * (count - 1) + [len(columns.inserted)]
    if slot == _LENGTH:  # each edit jumps back by what the one before put in: all positions are within the schema
        kinds[EDIT][_JUMP] = [0] + [zigzag(-largest)] * (count - 1)
    changed = msgspec.structs.replace(columns, columns=kinds)
    with pytest.raises(SegmentError):
        make_events(changed)
    with pytest.raises(SegmentError):
        EventArrays(changed)
