from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from event_model.events import DocumentEdit, EditorFocus, Event, Mask
from event_model.ids import DocumentId
from event_model.levels import Level
from privacy_filter.rhythm import MAX_BETWEEN, collapse_rhythm


def session(deltas, first=0):
    events, wall = [], 1_000
    for at, delta in enumerate(deltas):
        wall += delta
        body = DocumentEdit(document=DocumentId(1), position=at, deleted=0, inserted="x")
        events.append(Event(first + at, wall, delta, Level.CONTENT, body))
    return events


def masks(indices, finding=1):
    return [Mask(index, "inserted", 0, 1, finding) for index in indices]


def deltas(events):
    return [event.delta_ms for event in events]


def test_rhythm_of_a_secret_is_one_stretch():
    kept = collapse_rhythm(session([5, 90, 210, 130, 80, 300]), masks([1, 2, 3, 4]))
    assert deltas(kept) == [5, 90, 0, 0, 210 + 130 + 80, 300]
    assert [event.wall_ms for event in kept] == [1005, 1095, 1095, 1095, 1515, 1815]


def test_rhythm_of_what_lies_between_its_keys_is_gone_too():
    events = session([10] * 6)
    events[2] = Event(2, events[2].wall_ms, 10, Level.CONTENT, EditorFocus(focused=True))
    kept = collapse_rhythm(events, masks([1, 3, 4]))
    assert deltas(kept) == [10, 10, 0, 0, 30, 10]


def test_rhythm_of_two_secrets_that_were_typed_in_turns():
    kept = collapse_rhythm(session([10] * 6, first=40), [*masks([40, 42, 44]), *masks([41, 43, 45], finding=2)])
    assert deltas(kept) == [10, 0, 0, 0, 0, 50]


def test_rhythm_between_two_places_of_one_value_is_kept():
    many = MAX_BETWEEN + 4
    kept = collapse_rhythm(session([10] * many), masks([1, many - 1]))
    assert deltas(kept) == [10] * many


def test_rhythm_of_nothing():
    assert collapse_rhythm([], masks([1])) == ()
    assert collapse_rhythm(session([10, 10]), []) == tuple(session([10, 10]))


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=40), st.sets(st.integers(0, 39)), st.integers(0, 3))
def test_rhythm_keeps_the_time_as_a_whole_and_everything_else(steps, masked, first):
    events = session(steps, first=first)
    marks = masks([index + first for index in masked if index < len(steps)])
    kept = collapse_rhythm(events, marks)
    assert sum(deltas(kept)) == sum(steps)
    assert [(event.index, event.body) for event in kept] == [(event.index, event.body) for event in events]
    assert all(one.wall_ms <= two.wall_ms for one, two in pairwise(kept))
    assert kept[-1].wall_ms == events[-1].wall_ms
