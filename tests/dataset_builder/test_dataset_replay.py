"""Replay: documents to the character, and what breaks them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder import replay
from dataset_builder.bursts import Burst
from dataset_builder.event_arrays import arrays_of
from dataset_builder.replay import Life, SessionReplay
from dataset_builder.slots import Slots
from event_model.errors import SegmentError
from event_model.events import (
    FILLER,
    Body,
    CaptureGap,
    DocumentSave,
    Event,
    GapReason,
    Mask,
    SelectionChange,
)
from event_model.ids import DocumentId
from event_model.levels import Level
from tests.dataset_builder.dataset_world import closed, edit, events_of, opened, start, typed


class Played:
    """One session, replayed."""

    def __init__(
        self, events: list[Event], masks: dict[int, list[Mask]] | None = None, *, together: int = 1_000
    ) -> None:
        self.slots = Slots()
        self.lives: list[Life] = []
        self.texts: list[str] = []
        self.initial: list[str] = []
        self.bursts: list[Burst] = []
        session = SessionReplay(slots=self.slots, on_life=self._on_life, on_burst=self.bursts.append)
        self.removed: list[str | None] = []
        self.life_of: list[Life | None] = []
        for piece in _following(events, together):
            replayed = session.feed(arrays_of(piece), masks or {})
            self.removed += replayed.removed
            self.life_of += replayed.lives
        session.end()

    def _on_life(self, life: Life) -> None:
        self.lives.append(life)
        self.texts.append(self.slots.show(life.text.text()))
        self.initial.append(life.initial)


def _following(events: list[Event], together: int) -> Iterator[list[Event]]:
    """Cut events where one is missing, and after so many."""
    piece: list[Event] = []
    for event in events:
        if piece and (event.index != piece[-1].index + 1 or len(piece) == together):
            yield piece
            piece = []
        piece.append(event)
    yield piece


def play(*bodies: Body, masks: dict[int, list[Mask]] | None = None) -> Played:
    return Played(events_of(bodies), masks)


def test_edits_are_applied_and_say_what_they_took_out() -> None:
    played = play(opened("hello world"), edit(0, 5, "HELLO"), edit(5, 1, ""), DocumentSave(DocumentId(1)), closed())
    assert played.texts == ["HELLOworld"]
    assert played.removed == [None, "hello", " ", None, None]
    life = played.lives[0]
    assert (life.exact, life.edits, life.applied, life.saves, life.ended.value) == (True, 2, 2, 1, "closed")


def test_documents_of_one_session_are_kept_apart() -> None:
    played = play(opened("a"), opened("b", document=2), edit(1, 0, "1"), edit(1, 0, "2", document=2), closed(2))
    assert [(life.document, text) for life, text in zip(played.lives, played.texts, strict=True)] == [
        (2, "b2"),
        (1, "a1"),
    ]
    assert played.lives[1].ended.value == "session-end"


def test_a_rename_goes_on_with_the_text_and_its_masks() -> None:
    masks = {0: [Mask(0, "text", 0, 3, 1)]}
    played = play(opened("key rest"), edit(8, 0, "!"), opened(document=2, path="b.rs", continues=1),
                  edit(9, 0, "?", document=2), masks=masks)  # fmt: skip
    assert played.texts == [FILLER * 3 + " rest!", FILLER * 3 + " rest!?"]
    assert played.lives[0].ended.value == "continued"
    assert played.slots.spans(played.initial[1]) == ((0, 3, 1),)
    assert played.lives[1].exact


def test_a_rename_of_something_unknown_is_not_exact() -> None:
    played = play(opened(document=2, continues=1), edit(0, 0, "x", document=2))
    assert (played.lives[0].broken_by, played.lives[0].applied) == ("not-continued", 0)


def test_a_gap_breaks_its_document_until_it_is_opened_again() -> None:
    gap = CaptureGap(3, GapReason.POSITION_INVALID, DocumentId(1))
    played = play(opened("abc"), edit(3, 0, "d"), gap, edit(0, 1, ""), opened("xyz"), edit(3, 0, "!"))
    first, second = played.lives
    assert (played.texts, first.broken_by, first.exact, second.exact) == (
        ["abcd", "xyz!"],
        "position-invalid",
        False,
        True,
    )
    assert (first.edits, first.applied, first.gaps, first.ended.value) == (2, 1, 1, "reopened")
    assert played.removed == [None, "", None, None, None, ""]
    assert [life.number for life in played.lives] == [1, 2]


def test_a_gap_breaks_only_the_document_it_names() -> None:
    gap = CaptureGap(1, GapReason.FORGOTTEN, DocumentId(2))
    played = play(opened("a"), opened("b", document=2), gap, edit(1, 0, "1"))
    assert {life.document: life.exact for life in played.lives} == {1: True, 2: False}


def test_a_gap_without_a_document_is_counted_and_breaks_nothing() -> None:
    played = play(opened("a"), CaptureGap(1, GapReason.DOCUMENT_BINARY), edit(1, 0, "1"))
    assert (played.lives[0].exact, played.lives[0].gaps) == (True, 1)


def test_missing_events_break_every_open_document() -> None:
    events = events_of([opened("a"), opened("b", document=2), start(), edit(1, 0, "1"), opened("c"), edit(1, 0, "2")])
    played = Played([event for event in events if event.index != 2])
    assert [(life.document, life.broken_by) for life in played.lives] == [
        (1, "events-missing"),
        (1, None),
        (2, "events-missing"),
    ]
    assert played.texts == ["a", "c2", "b"]


@pytest.mark.parametrize(("position", "deleted"), [(4, 0), (0, 4), (2**53 - 1, 2**53 - 1)])
def test_an_edit_outside_its_document_breaks_it(position: int, deleted: int) -> None:
    played = play(opened("abc"), edit(position, deleted, "x"), edit(0, 1, ""))
    assert (played.texts, played.lives[0].broken_by, played.lives[0].applied) == (["abc"], "edit-outside", 0)


def test_edits_of_a_document_that_was_never_opened_are_not_exact() -> None:
    played = play(edit(0, 0, "x"))
    assert (played.lives[0].broken_by, played.texts) == ("not-opened", [""])


def test_events_of_unopened_documents_have_no_life() -> None:
    played = play(SelectionChange(DocumentId(7), 0, 0), closed(7))
    assert played.life_of == [None, None]


def test_the_lowest_level_of_its_events_is_the_level_of_a_document() -> None:
    events = events_of([opened("abc"), edit(3, 0, "d")])
    lowered = [events[0], Event(1, events[1].wall_ms, 1, Level.RHYTHM, edit(3, 0, FILLER))]
    played = Played(lowered)
    assert (played.lives[0].level, played.texts) == (Level.RHYTHM, ["abc" + FILLER])
    assert played.bursts == []


def test_a_burst_goes_on_while_edits_are_near_and_close_in_time() -> None:
    far = "x" * 500
    played = play(opened(far), *typed("abc"), *typed("def", at=400))
    assert [(burst.before, burst.after) for burst in played.bursts] == [("", "abc"), ("", "def")]
    assert [(burst.first_index, burst.last_index) for burst in played.bursts] == [(1, 3), (4, 6)]


def test_a_burst_keeps_what_stood_there_before() -> None:
    played = play(opened("let a = 1;\n"), edit(9, 0, "2"), edit(4, 1, "bc"), edit(0, 3, "var"), edit(8, 1, ""))
    (burst,) = played.bursts
    assert burst.head + burst.before + burst.tail == "let a = 1;\n"
    assert burst.head + burst.after + burst.tail == played.texts[0]
    assert (burst.head, burst.caret) == ("", 9)


def test_a_burst_goes_on_behind_what_it_changed() -> None:
    played = play(opened("abcdefghij"), edit(0, 0, "x"), edit(5, 0, "y"))
    (burst,) = played.bursts
    assert (burst.before, burst.after, burst.tail) == ("abcd", "xabcdy", "efghij")


def test_a_burst_ends_when_another_document_is_edited() -> None:
    """Otherwise what is told as history could have happened after the edit to predict began."""
    played = play(opened("a"), opened("b", document=2), *typed("xy"), edit(0, 0, "z", document=2), edit(2, 0, "w"))
    assert [(burst.document, burst.first_index, burst.last_index) for burst in played.bursts] == [
        (1, 2, 3),
        (2, 4, 4),
        (1, 5, 5),
    ]


def test_a_life_that_is_over_holds_no_text() -> None:
    text = "x" * 10_000
    renames = [opened(document=number + 1, continues=number) for number in range(1, 200)]
    played = play(opened(text), *renames)
    assert all(shown == text for shown in played.texts)
    assert sum(len(life.initial) + len(life.text) for life in played.lives) == 0


def test_a_session_has_a_bound_on_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_SESSION_CHARS", 100)
    play(opened("x" * 50), closed())
    with pytest.raises(SegmentError) as caught:
        play(opened("x" * 50), opened(document=2, continues=1))
    assert caught.value.code == "session-too-large"


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["on", "on", "on", "back", "jump", "save", "other"]),
        st.sampled_from(["", "a", "b\n", "\u00e9", "\U0001f600", "word", "x" * 700]),
        st.sampled_from([0, 90, 400, 3_500]),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=_STEPS, together=st.integers(1, 4), repeats=st.sampled_from([1, 1, 80]))
def test_typing_is_the_same_taken_together_or_key_by_key(
    steps: list[tuple[str, str, int]], together: int, repeats: int
) -> None:
    """What is typed in one go is applied as one edit: a replay in small pieces can't do that, and must agree."""
    at, sizes = {1: 0, 2: 0}, {1: 20, 2: 20}
    bodies: list[Body] = [opened("0123456789" * 2), opened("9876543210" * 2, document=2)]
    gaps = [0, 0]
    document = 1
    for how, text, gap in [step for step in steps for _ in range(repeats)]:
        document = 3 - document if how == "other" else document
        if how == "save":
            bodies.append(DocumentSave(DocumentId(document)))
        else:
            back = min(at[document], 2) if how == "back" else 0
            at[document] = (at[document] * 7 + 3) % (sizes[document] + 1) if how == "jump" else at[document] - back
            bodies.append(edit(at[document], back, text, document=document))
            at[document] += len(text)
            sizes[document] += len(text) - back
        gaps.append(gap)
    now, events = 1_000_000, []
    for index, (body, gap) in enumerate(zip(bodies, gaps, strict=True)):
        now += gap
        events.append(Event(index, now, gap, Level.CONTENT, body))
    whole, pieces = Played(events), Played(events, together=together)
    assert (whole.texts, whole.removed, whole.bursts) == (pieces.texts, pieces.removed, pieces.bursts)
    assert [(life.edits, life.applied, life.last_index) for life in whole.lives] == [
        (life.edits, life.applied, life.last_index) for life in pieces.lives
    ]
