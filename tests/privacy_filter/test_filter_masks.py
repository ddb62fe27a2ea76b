import pytest

from event_model.errors import FormatError
from event_model.events import FILLER, CommandRun, DocumentEdit, DocumentOpen, DocumentSave, Event, Finding, Mask
from event_model.ids import DocumentId
from event_model.levels import Level
from privacy_filter.masks import apply_masks, lower_level, placeholder

DOC = DocumentId(1)


def event(body, index=0, level=Level.CONTENT):
    return Event(index=index, wall_ms=0, delta_ms=0, level=level, body=body)


def edit(text):
    return DocumentEdit(document=DOC, position=0, deleted=0, inserted=text)


def test_apply_masks_puts_filler_of_the_same_length_and_keeps_line_ends():
    masked = apply_masks([event(edit("ab\r\ncd\n😀x"))], [Mask(0, "inserted", 1, 6, 1)])
    assert masked[0].body.inserted == f"a{FILLER}\r\n{FILLER * 2}\n😀x"


def test_apply_masks_reaches_the_path_and_the_text_of_one_event():
    body = DocumentOpen(document=DOC, path="a/token.txt", workspace="w", language="", text="hello")
    masked = apply_masks([event(body)], [Mask(0, "path", 2, 5, 1), Mask(0, "text", 0, 2, 2), Mask(0, "text", 4, 1, 2)])
    assert masked[0].body.path == f"a/{FILLER * 5}.txt"
    assert masked[0].body.text == f"{FILLER * 2}ll{FILLER}"


def test_apply_masks_leaves_other_events_as_they_are():
    events = (event(edit("abc"), 3), event(DocumentSave(document=DOC), 4))
    assert apply_masks(events, [Mask(9, "inserted", 0, 1, 1)]) == events


@pytest.mark.parametrize(
    ("mask", "body"),
    [
        (Mask(0, "inserted", 2, 2, 1), edit("abc")),
        (Mask(0, "origin", 0, 1, 1), edit("abc")),
        (Mask(0, "text", 0, 1, 1), edit("abc")),
        (Mask(0, "inserted", 0, 1, 1), DocumentSave(document=DOC)),
    ],
)
def test_apply_masks_refuses_a_mask_outside_its_event(mask, body):
    with pytest.raises(FormatError) as caught:
        apply_masks([event(body)], [mask])
    assert caught.value.code == "mask-invalid"


def test_lower_level_shape_keeps_lengths_and_tells_classes():
    lowered = lower_level(event(edit(f"Añb1 日٣_=\t\n{FILLER}😀")), Level.SHAPE)
    assert lowered.level is Level.SHAPE
    assert lowered.body.inserted == f"Aaa0 a0_=\t\n{FILLER}😀"


def test_lower_level_rhythm_keeps_no_text_but_line_ends():
    body = DocumentOpen(document=DOC, path="src/a.py", workspace="tag", language="python", text="ab\ncd")
    lowered = lower_level(event(body), Level.RHYTHM).body
    assert (lowered.path, lowered.workspace, lowered.language) == ("", "", "")
    assert lowered.text == f"{FILLER * 2}\n{FILLER * 2}"
    assert lower_level(event(CommandRun(command="app.paste")), Level.RHYTHM).body.command == ""


def test_lower_level_shapes_the_path_too():
    body = DocumentOpen(document=DOC, path="src/Jo.py", workspace="tag", language="python", text="")
    assert lower_level(event(body), Level.SHAPE).body.path == "aaa/Aa.aa"


def test_lower_level_never_raises_a_level():
    low = event(edit("x"), level=Level.RHYTHM)
    assert lower_level(low, Level.CONTENT) is low
    assert lower_level(low, Level.SHAPE) is low


def test_placeholder_names_category_kind_and_number():
    assert placeholder(Finding(number=3, category="secret", kind="aws-access-key")) == "<SECRET:aws-access-key:3>"
    assert placeholder(Finding(number=7, category="pii", kind="email"), 2) == "<EMAIL:2>"
