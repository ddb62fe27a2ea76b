"""Slots carry masked spans through edits, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.names import Placeholders
from dataset_builder.slots import FIRST_SLOT, Slots
from event_model.errors import SegmentError
from event_model.events import FILLER, Finding, Mask

# Texts with every trap: filler that is really there, line ends, characters where slots live, private use.
_SIGNS = st.sampled_from(["a", "b", "\n", "\r", "é", FILLER, chr(FIRST_SLOT), chr(0xDFFFF), "\U000f0000", "😀"])
_TEXT = st.lists(_SIGNS, max_size=12).map("".join)


@st.composite
def _masked(draw: st.DrawFn) -> tuple[str, list[Mask]]:
    text = draw(_TEXT)
    masks = []
    for _ in range(draw(st.integers(0, 3))):
        offset = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, len(text) - offset))
        masks.append(Mask(0, "inserted", offset, length, draw(st.integers(1, 4))))
    return text, masks


@settings(max_examples=80, deadline=None)
@given(pieces=st.lists(st.tuples(_masked(), st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=12))
def test_masked_spans_follow_every_edit(pieces: list[tuple[tuple[str, list[Mask]], float, int]]) -> None:
    """Against a model that keeps the finding of each character beside it."""
    slots = Slots()
    text = ""
    model: list[tuple[str, int]] = []
    for (inserted, masks), where, deleted in pieces:
        position = int(where * len(model))
        cells = [(sign, 0) for sign in inserted]
        for mask in masks:
            for at in range(mask.offset, mask.offset + mask.length):
                sign, finding = cells[at]
                if finding == 0:
                    cells[at] = (sign if sign in "\n\r" else FILLER), mask.finding
        model[position : position + deleted] = cells
        text = text[:position] + slots.mask(inserted, masks) + text[position + deleted :]
    assert slots.show(text) == "".join(sign for sign, _ in model)
    found = [0] * len(model)
    for start, length, finding in slots.spans(text):
        assert length > 0
        found[start : start + length] = [finding] * length
    assert found == [finding for _, finding in model]
    starts = [start for start, _, _ in slots.spans(text)]
    assert starts == sorted(set(starts))


def test_text_under_a_mask_never_shows() -> None:
    slots = Slots()
    text = slots.mask("key=hunter2\n!", [Mask(0, "inserted", 4, 8, 1)])
    assert slots.show(text) == "key=" + FILLER * 7 + "\n!"


def test_render_puts_one_placeholder_over_all_lines_of_a_span() -> None:
    slots = Slots()
    names = Placeholders()
    names.add([Finding(1, "secret", "private-key", b"x")])
    text = slots.mask("a\nBEGIN\nKEY\nEND\nb", [Mask(0, "text", 2, 13, 1)])
    assert slots.render(text, names) == "a\n<SECRET:private-key:1>\nb"


def test_a_mask_outside_its_text_is_refused() -> None:
    with pytest.raises(SegmentError) as caught:
        Slots().mask("abc", [Mask(0, "inserted", 2, 2, 1)])
    assert caught.value.code == "mask-invalid"


def test_placeholders_count_by_kind_and_are_equal_for_equal_tags() -> None:
    names = Placeholders()
    names.add([Finding(3, "secret", "aws-access-key", b"x"), Finding(1, "pii", "email", None)])
    names.add([Finding(4, "secret", "aws-access-key", b"y"), Finding(5, "secret", "aws-access-key", b"x")])
    names.add([Finding(6, "pii", "email", None)])
    assert dict(names) == {
        1: "<EMAIL:1>",
        3: "<SECRET:aws-access-key:1>",
        4: "<SECRET:aws-access-key:2>",
        5: "<SECRET:aws-access-key:1>",
        6: "<EMAIL:2>",
    }
    names.add([Finding(6, "pii", "phone", None)])
    assert (names[6], names.conflicts) == ("<EMAIL:2>", 1)
