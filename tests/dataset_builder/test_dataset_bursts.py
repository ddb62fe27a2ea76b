"""Bursts reproduce the document before and after, whatever the edits were."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.bursts import CONTEXT_CHARS, Burst
from dataset_builder.event_arrays import arrays_of
from dataset_builder.replay import SessionReplay
from dataset_builder.slots import Slots
from event_model.events import Body
from tests.dataset_builder.dataset_world import edit, events_of, opened

_EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(["", "x", "a\nb", "\n", "y" * 90, "z" * 2500])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(size=st.sampled_from([0, 10, 300, CONTEXT_CHARS * 2]), steps=_EDITS)
def test_a_burst_is_the_document_before_and_after(size: int, steps: list[tuple[float, int, str]]) -> None:
    text = ("a line of a document, and its end\n" * (size // 30 + 1))[:size]
    states = [text]
    bodies: list[Body] = [opened(text)]
    for where, wanted, inserted in steps:
        position = int(where * len(text))
        deleted = min(wanted, len(text) - position)
        bodies.append(edit(position, deleted, inserted))
        text = text[:position] + inserted + text[position + deleted :]
        states.append(text)
    bursts: list[Burst] = []
    replay = SessionReplay(slots=Slots(), on_life=lambda life: None, on_burst=bursts.append)
    replay.feed(arrays_of(events_of(bodies)), {})
    replay.end()
    assert [burst.first_index for burst in bursts] == [1, *(burst.last_index + 1 for burst in bursts[:-1])]
    for burst in bursts:
        before, after = states[burst.first_index - 1], states[burst.last_index]
        assert before[burst.start :].startswith(burst.before)
        assert burst.too_large or after[burst.start :].startswith(burst.after + burst.tail)
        assert before[burst.start + len(burst.before) :].startswith(burst.tail)
        assert before[: burst.start].endswith(burst.head)
        assert after[: burst.start].endswith(burst.head)
        assert burst.at_start == (burst.start == len(burst.head))
        assert burst.at_end == (burst.start + len(burst.before + burst.tail) == len(before))
        assert burst.line == before.count("\n", 0, burst.start) + 1
        assert 0 <= burst.caret <= len(burst.before)
