"""Text in blocks behaves like a plain string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.text import BLOCK_CHARS, BlockText
from event_model.errors import PositionError

# Lengths around the block size, so that blocks are cut, joined and emptied.
_SIZES = st.sampled_from([0, 1, 2, 7, BLOCK_CHARS - 1, BLOCK_CHARS, BLOCK_CHARS + 1, 3 * BLOCK_CHARS])
_STEPS = st.lists(st.tuples(st.floats(0, 1), _SIZES, _SIZES), max_size=25)


@settings(max_examples=60, deadline=None)
@given(start=_SIZES, steps=_STEPS)
def test_replace_slice_and_count_agree_with_a_string(start: int, steps: list[tuple[float, int, int]]) -> None:
    plain = _letters(start, 0)
    text = BlockText(plain)
    for number, (where, wanted, inserted) in enumerate(steps, 1):
        position = int(where * len(plain))
        deleted = min(wanted, len(plain) - position)
        new = _letters(inserted, number)
        assert text.replace(position, deleted, new) == plain[position : position + deleted]
        plain = plain[:position] + new + plain[position + deleted :]
        assert len(text) == len(plain)
        assert text.slice(position - 5, position + BLOCK_CHARS) == plain[max(0, position - 5) : position + BLOCK_CHARS]
        assert text.count("\n", position) == plain.count("\n", 0, position)
    assert text.text() == plain


@pytest.mark.parametrize(("position", "deleted"), [(-1, 0), (0, -1), (4, 0), (0, 4), (3, 1)])
def test_replace_outside_the_text_is_refused_and_changes_nothing(position: int, deleted: int) -> None:
    text = BlockText("abc")
    with pytest.raises(PositionError):
        text.replace(position, deleted, "x")
    assert text.text() == "abc"


def test_a_text_can_be_emptied_and_filled_again() -> None:
    text = BlockText("x" * (5 * BLOCK_CHARS))
    assert text.replace(0, 5 * BLOCK_CHARS, "") == "x" * (5 * BLOCK_CHARS)
    assert text.slice(0, 10) == ""
    assert text.replace(0, 0, "again") == ""
    assert text.text() == "again"


_LINES = "".join(f"line {number} of many\n" for number in range(2 * BLOCK_CHARS))


def _letters(size: int, number: int) -> str:
    return _LINES[number : number + size]
