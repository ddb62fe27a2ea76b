from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model.errors import PositionError
from privacy_filter import shadow
from privacy_filter.shadow import START, ShadowText

EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60), st.text("ab\n", max_size=40)), max_size=40)


class Model:
    """The same, as one list of (character, cell, alive): slow and obvious."""

    def __init__(self):
        self.all = []

    def replace(self, position, deleted, inserted, first):
        alive = [at for at, (_, _, lives) in enumerate(self.all) if lives]
        for at in alive[position : position + deleted]:
            self.all[at] = (*self.all[at][:2], False)
        # New characters stand right after their left neighbour, what was deleted there comes behind them.
        place = alive[position - 1] + 1 if position else 0
        self.all[place:place] = [(sign, first + at, True) for at, sign in enumerate(inserted)]

    def text(self):
        return "".join(sign for sign, _, lives in self.all if lives)

    def cells(self):
        return [cell for _, cell, lives in self.all if lives]

    def dead(self):
        return sorted(cell for _, cell, lives in self.all if not lives)


@pytest.mark.parametrize("size", [4, 2048])
@given(edits=EDITS)
@settings(max_examples=60, deadline=None)
def test_shadow_equals_the_obvious_model(size, edits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shadow, "BLOCK_CHARS", size)
        patch.setattr(shadow, "MAX_BLOCK_CHARS", 2 * size)
        text, model, cell = ShadowText("one\ntwo", 1), Model(), 8
        model.replace(0, 0, "one\ntwo", 1)
        for position, deleted, inserted in edits:
            at = min(position, text.length)
            gone = min(deleted, text.length - at)
            text.replace(at, gone, inserted, first_cell=cell, floor=0)
            model.replace(at, gone, inserted, cell)
            cell += len(inserted)
            middle = text.length // 2
            assert text.slice(middle - 5, middle + 5) == model.text()[max(middle - 5, 0) : middle + 5]
        assert text.text() == model.text()
        assert text.length == len(model.text())
        assert list(text.cells(0, text.length)) == model.cells()
        dead = [at for start, end in text.grave_spans() for at in range(start, end)]
        assert sorted(dead) == model.dead()


def test_shadow_hangs_deleted_characters_on_their_left_neighbour_in_order():
    text = ShadowText("abcdef", 1)
    text.replace(3, 1, "", first_cell=7, floor=0)
    text.replace(2, 1, "", first_cell=7, floor=0)
    text.replace(2, 1, "", first_cell=7, floor=0)
    assert text.graves(2) == [(3, 5), (5, 6)]
    text.replace(0, 2, "", first_cell=7, floor=0)
    assert text.graves(START) == [(1, 2), (2, 5), (5, 6)] or text.graves(START) == [(1, 5), (5, 6)]
    assert text.text() == "f"


def test_shadow_keeps_no_trace_of_what_was_taken():
    text = ShadowText("abcdef", 1)
    text.replace(1, 2, "", first_cell=7, floor=4)
    assert text.anchors == 0
    text.replace(1, 2, "", first_cell=7, floor=4)
    assert text.graves(1) == [(4, 6)]
    text.drop_graves(6)
    assert text.anchors == 0


@pytest.mark.parametrize(("position", "deleted"), [(-1, 0), (4, 0), (2, 2), (0, -1)])
def test_shadow_refuses_an_edit_outside_the_text(position, deleted):
    text = ShadowText("abc", 1)
    with pytest.raises(PositionError):
        text.replace(position, deleted, "x", first_cell=4, floor=0)
    assert text.text() == "abc"
    assert text.cells(0, 3) == array("I", [1, 2, 3])
