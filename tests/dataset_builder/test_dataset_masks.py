"""Final masks are exact: outside of them the masked document is the true one, inside there is nothing but filler."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.event_arrays import arrays_of
from dataset_builder.replay import Life, SessionReplay
from dataset_builder.slots import Slots
from event_model.events import FILLER, Body, DocumentEdit, DocumentOpen, Mask
from privacy_filter.masks import apply_masks
from tests.dataset_builder.dataset_world import edit, events_of, opened

_TEXT = st.text(st.sampled_from("abc \n\r█é😀\U00040000"), max_size=30)
_MASKS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.integers(1, 3)), max_size=2)
_EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), _TEXT, _MASKS), max_size=15)


@settings(max_examples=120, deadline=None)
@given(start=_TEXT, start_masks=_MASKS, steps=_EDITS, rename=st.booleans())
def test_final_masks_lie_exactly_on_what_was_masked(
    start: str,
    start_masks: list[tuple[float, int, int]],
    steps: list[tuple[float, int, str, list[tuple[float, int, int]]]],
    rename: bool,
) -> None:
    """The truth is a list of characters, each with the finding under which it was masked; it is edited beside."""
    masks = _masks(0, "text", start, start_masks)
    bodies: list[Body] = [opened(start)]
    truth = _cells(start, masks)
    document = 1
    for where, wanted, inserted, drawn in steps:
        position = int(where * len(truth))
        deleted = min(wanted, len(truth) - position)
        if rename and len(bodies) == 3:
            document = 2
            bodies.append(opened(document=2, path="b.rs", continues=1))
        new = _masks(len(bodies), "inserted", inserted, drawn)
        bodies.append(edit(position, deleted, inserted, document=document))
        truth[position : position + deleted] = _cells(inserted, new)
        masks += new
    text, slots = _replay(bodies, masks)
    shown = slots.show(text)
    assert len(shown) == len(truth)
    spans = [0] * len(truth)
    for begin, length, finding in slots.spans(text):
        assert set(shown[begin : begin + length]) <= {FILLER, "\n", "\r"}
        spans[begin : begin + length] = [finding] * length
    assert spans == [finding for _sign, finding in truth]
    for sign, (true_sign, finding) in zip(shown, truth, strict=True):
        assert finding or sign == true_sign


def _masks(index: int, field: str, text: str, drawn: list[tuple[float, int, int]]) -> list[Mask]:
    made = []
    for where, wanted, finding in drawn:
        offset = int(where * len(text))
        made.append(Mask(index, field, offset, min(wanted, len(text) - offset), finding))
    return made


def _cells(text: str, masks: list[Mask]) -> list[tuple[str, int]]:
    cells = [(sign, 0) for sign in text]
    for mask in masks:
        for at in range(mask.offset, mask.offset + mask.length):
            if not cells[at][1]:
                cells[at] = text[at], mask.finding
    return cells


def _replay(bodies: list[Body], masks: list[Mask]) -> tuple[str, Slots]:
    """Mask the events as the device does, then replay them; gives the last life's text."""
    events = apply_masks(events_of(bodies), masks)
    assert all(type(event.body) in {DocumentOpen, DocumentEdit} for event in events)
    slots = Slots()
    lives: list[tuple[Life, str]] = []
    replay = SessionReplay(slots=slots, on_life=lambda life: lives.append((life, life.text.text())))
    by_index: dict[int, list[Mask]] = {}
    for mask in masks:
        by_index.setdefault(mask.index, []).append(mask)
    replay.feed(arrays_of(events), by_index)
    replay.end()
    assert all(life.exact for life, _text in lives)
    return lives[-1][1], slots
