"""The plan: order, chain, gaps and splits."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.names import Pseudonyms
from dataset_builder.opening import Facts
from dataset_builder.plan import Plan, SessionPlan, Split, assign_splits, make_plan
from event_model.errors import DatasetError
from tests.dataset_builder.dataset_world import HOUR_MS, NOON_MS, SALT

NAMES = Pseudonyms(SALT)


def _facts(number: int, **changes: object) -> Facts:
    """The n-th of a contributor's segments of ten events, chained, in one session."""
    fields: dict[str, object] = {
        "key": f"segments/pilot/{'a' * 32}/00000000/{number:010d}.overt",
        "pseudonym": "a" * 32,
        "number": number,
        "first_seq": number * 10,
        "count": 10,
        "session": "s",
        "first_index": number * 10,
        "first_ms": NOON_MS + number,
        "last_ms": NOON_MS + number + 1,
        "digest": f"d{number}",
        "prev_digest": f"d{number - 1}" if number else "",
    }
    return Facts(**{**fields, **changes})  # type: ignore[arg-type]


def _plan(*facts: Facts) -> Plan:
    return make_plan(facts, NAMES)


def test_a_whole_chain_has_no_problem() -> None:
    plan = _plan(_facts(2), _facts(0), _facts(1))
    assert (plan.problems, plan.gaps) == ((), ())
    assert list(plan.sessions[0].keys) == sorted(plan.sessions[0].keys)


def test_a_missing_segment_is_a_gap_in_the_sequence() -> None:
    plan = _plan(_facts(0), _facts(2), _facts(3))
    assert [(gap.first_seq, gap.count) for gap in plan.gaps] == [(10, 10)]
    assert plan.problems == ()


def test_a_missing_beginning_is_a_gap() -> None:
    assert [(gap.first_seq, gap.count) for gap in _plan(_facts(3)).gaps] == [(1, 29)]
    assert _plan(_facts(0, first_seq=1)).gaps == ()


def test_a_damaged_segment_is_named_and_its_events_are_missing() -> None:
    damaged = Facts(key=_facts(1).key, code="signature-invalid", detail="no", pseudonym="a" * 32, number=1)
    plan = _plan(_facts(0), damaged, _facts(2))
    (problem,) = plan.problems
    assert (problem.code, problem.number, problem.set_aside) == ("signature-invalid", 1, True)
    assert problem.contributor == NAMES.contributor("a" * 32)
    assert sum(gap.count for gap in plan.gaps) == 10


def test_a_segment_that_does_not_follow_the_one_before_breaks_the_chain() -> None:
    plan = _plan(_facts(0), _facts(1, prev_digest="other"), _facts(2))
    assert [(problem.code, problem.number, problem.set_aside) for problem in plan.problems] == [
        ("chain-broken", 1, False)
    ]
    assert plan.sessions[0].events == 30


def test_a_new_epoch_begins_a_new_chain() -> None:
    second = _facts(0, epoch=1, first_seq=10, first_index=10, key=_facts(9).key)
    assert _plan(_facts(0), second).problems == ()


@pytest.mark.parametrize(
    ("change", "code"), [({"first_seq": 5}, "sequence-overlap"), ({"first_index": 5}, "index-overlap")]
)
def test_no_event_is_counted_twice(change: dict[str, object], code: str) -> None:
    plan = _plan(_facts(0), _facts(1, **change))
    assert [(problem.code, problem.set_aside) for problem in plan.problems] == [(code, True)]
    assert plan.sessions[0].events == 10


def test_sessions_of_one_id_of_two_contributors_are_two() -> None:
    other = _facts(0, pseudonym="b" * 32, key=f"segments/pilot/{'b' * 32}/00000000/0000000000.overt")
    assert len({plan.session for plan in _plan(_facts(0), other).sessions}) == 2


def test_pseudonyms_depend_on_the_salt_alone() -> None:
    again = Pseudonyms(SALT)
    other = Pseudonyms(SALT[::-1])
    assert NAMES.contributor("p") == again.contributor("p") != other.contributor("p")
    assert "p" * 32 not in NAMES.contributor("p" * 32)
    assert NAMES.session("p", "s") != NAMES.session("q", "s")
    with pytest.raises(DatasetError) as caught:
        Pseudonyms(b"short")
    assert caught.value.code == "salt-too-short"


def _session(person: int, start_h: float, hours: float = 0.5) -> SessionPlan:
    start = NOON_MS + int(start_h * HOUR_MS)
    return SessionPlan(
        contributor=NAMES.contributor(str(person)),
        session=f"{person}-{start_h}",
        pseudonym=str(person),
        keys=(),
        digests=(),
        start_ms=start,
        end_ms=start + int(hours * HOUR_MS),
        events=1,
        masks=0,
    )


def _splits(*sessions: SessionPlan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {split.value: [] for split in Split}
    for plan in assign_splits(sessions, NAMES):
        found[plan.split.value].append(plan.session)
    return found


def test_one_or_two_occasions_are_for_training() -> None:
    assert _splits(_session(1, 0), _session(1, 1)) == {"train": ["1-0", "1-1"], "validation": [], "test": []}


def test_with_few_contributors_the_latest_occasions_are_held_out() -> None:
    found = _splits(*(_session(1, hour) for hour in range(20)))
    assert (found["validation"], found["test"]) == (["1-16", "1-17"], ["1-18", "1-19"])


def test_windows_open_at_the_same_time_stay_together() -> None:
    found = _splits(_session(1, 0), _session(1, 1), _session(1, 2), _session(1, 2.1), _session(1, 2.4))
    assert found["test"] == ["1-2", "1-2.1", "1-2.4"]


def test_with_many_contributors_a_tenth_is_held_out_whole() -> None:
    found = _splits(*(_session(person, hour + person / 100) for person in range(20) for hour in range(5)))
    tested = {name.split("-")[0] for name in found["test"]}
    assert len(tested) == 2
    assert not tested & {name.split("-")[0] for name in found["train"] + found["validation"]}
    assert len(found["validation"]) == 9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 200), st.integers(0, 30)), unique_by=lambda s: s[:2]))
def test_no_split_sees_another(drawn: list[tuple[int, int, int]]) -> None:
    """No session twice, none lost; within a contributor, time runs from train over validation to test."""
    sessions = [_session(person, start / 10, length / 10) for person, start, length in drawn]
    assigned = assign_splits(sessions, NAMES)
    unsplit = [msgspec.structs.replace(plan, split=Split.TRAIN) for plan in assigned]
    assert sorted(unsplit, key=str) == sorted(sessions, key=str)
    order = {Split.TRAIN: 0, Split.VALIDATION: 1, Split.TEST: 2}
    for one in assigned:
        for other in assigned:
            if one.pseudonym == other.pseudonym and order[one.split] < order[other.split]:
                assert one.end_ms < other.start_ms
