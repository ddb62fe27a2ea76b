from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_client.answers import Answer
from sync_client.planner import (
    MAX_TRIES,
    MAX_WAIT_MS,
    Ending,
    PutConsent,
    PutSegment,
    Stop,
    StudyPlan,
    Wait,
)

NOW = 1_700_000_000_000


def plan(segments: int = 2, *, consent_known: bool = True) -> StudyPlan[int]:
    return StudyPlan(range(segments), consent_known=consent_known, jitter=lambda: 1.0)


def test_consent_goes_first_then_segments_in_order() -> None:
    steps = plan(2, consent_known=False)
    seen = []
    while not isinstance(step := steps.next(), Stop):
        seen.append(step)
        steps.accepted()
    assert seen == [PutConsent(), PutSegment(0), PutSegment(1)]
    assert step.ending is Ending.DONE


def test_nothing_to_send_sends_no_consent_either() -> None:
    assert plan(0, consent_known=False).next() == Stop(Ending.DONE)


@pytest.mark.parametrize("status", [0, 408, 425, 429, 500, 502, 503, 504, 599, 200, 201])
def test_passing_trouble_is_tried_again_the_same_and_at_most_so_often(status: int) -> None:
    steps = plan()
    waits = []
    for _ in range(MAX_TRIES):
        assert steps.next() == PutSegment(0)
        steps.answered(Answer(status, note="refused"), NOW)
        step = steps.next()
        if isinstance(step, Wait):
            waits.append(step.milliseconds)
    assert waits == [1_000, 4_000]
    assert isinstance(step, Stop)
    assert step.ending is Ending.LATER
    assert steps.next() == step


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 409, 410, 413, 418, 422])
def test_a_refusal_stops_the_study_at_once(status: int) -> None:
    steps = plan()
    steps.answered(Answer(status, b'{"code":"segment-conflict"}'), NOW)
    assert steps.next() == Stop(Ending.REFUSED, "segment-conflict", f"the receiver answered {status}")


def test_a_refusal_without_a_code_is_named_by_its_status() -> None:
    for body in (b"", b"<html>", b'{"code":1}', b"\xff", b"[" * 5000):
        steps = plan()
        steps.answered(Answer(404, body), NOW)
        stop = steps.next()
        assert isinstance(stop, Stop)
        assert stop.code == "http-404"


def test_a_missing_consent_record_is_sent_once_more_and_only_once() -> None:
    steps = plan()
    steps.answered(Answer(403, b'{"code":"consent-missing"}'), NOW)
    assert steps.next() == PutConsent()
    steps.accepted()
    assert steps.next() == PutSegment(0)
    steps.answered(Answer(403, b'{"code":"consent-missing"}'), NOW)
    stop = steps.next()
    assert isinstance(stop, Stop)
    assert (stop.ending, stop.code) == (Ending.REFUSED, "consent-missing")


def test_tries_count_per_item() -> None:
    steps = plan(3)
    for number in range(3):
        for _ in range(MAX_TRIES - 1):
            assert steps.next() == PutSegment(number)
            steps.answered(Answer(503), NOW)
            assert isinstance(steps.next(), Wait)
        assert steps.next() == PutSegment(number)
        steps.accepted()
    assert steps.next() == Stop(Ending.DONE)


def test_retry_after_is_honoured_and_a_long_one_ends_the_run() -> None:
    steps = plan()
    steps.answered(Answer(503, retry_after="30"), NOW)
    assert steps.next() == Wait(30_000)
    steps.answered(Answer(503, retry_after="3600"), NOW)
    stop = steps.next()
    assert isinstance(stop, Stop)
    assert (stop.ending, stop.retry_ms) == (Ending.LATER, 3_600_000)


def test_a_skipped_segment_lets_the_next_go() -> None:
    steps = plan(2)
    steps.skip()
    assert steps.next() == PutSegment(1)


@given(st.lists(st.tuples(st.integers(0, 699), st.none() | st.text(max_size=12)), max_size=40), st.integers(0, 4))
def test_every_run_ends_and_sends_nothing_out_of_order(answers: list[tuple[int, str | None]], count: int) -> None:
    steps = plan(count, consent_known=False)
    replies = iter(answers)
    sent: list[int] = []
    for _ in range(count * MAX_TRIES * 4 + 20):
        step = steps.next()
        if isinstance(step, Stop):
            break
        if isinstance(step, Wait):
            assert 0 <= step.milliseconds <= MAX_WAIT_MS
            continue
        if isinstance(step, PutSegment):
            sent.append(step.segment)
        reply = next(replies, None)
        if reply is None:
            steps.accepted()
        else:
            steps.answered(Answer(reply[0], retry_after=reply[1]), NOW)
    assert isinstance(steps.next(), Stop)
    assert sent == sorted(sent)
