"""What the filter leaves of web pages' events."""

from __future__ import annotations

import msgspec
import pytest

from event_model.errors import FormatError
from event_model.events import FILLER, Body, Event, Mask
from event_model.ids import DocumentId
from event_model.keys import Secret
from event_model.levels import Level
from event_model.page_events import (
    PAGE_TYPES,
    Element,
    FieldChange,
    FieldContent,
    KeyRhythm,
    LengthBucket,
    NameSource,
    OutlineNode,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
    page_texts,
    with_page_texts,
)
from privacy_filter.detectors import default_detector
from privacy_filter.masks import apply_masks, lower_level
from privacy_filter.redactor import Redactor

PAGE = DocumentId(1)
TOKEN = "ghp_Zx81kQmW4vTn7LsYcR2dUb9EaHf3Gj6PoXi5"
FIELD = Element(role="textbox", name="API token", name_from=NameSource.AUTHOR, path="form:1/input:1", box=(1, 2, 3, 4))


def outline(*names: str) -> PageOutline:
    return PageOutline(PAGE, tuple(OutlineNode(at, "text", name, NameSource.CONTENT) for at, name in enumerate(names)))


def redacted(*bodies: Body, level: Level = Level.CONTENT) -> tuple[Event, ...]:
    redactor = Redactor(detector=default_detector(), tag_key=Secret(b"k" * 32), settle_ms=1000)
    events = tuple(Event(at, at, 0, level, body) for at, body in enumerate(bodies))
    for event in events:
        redactor.feed(event, event.index)
    redactor.flush(len(events))
    return apply_masks(events, redactor.take(len(events)).masks)


def test_secret_in_a_field_is_masked_and_its_rhythm_is_gone() -> None:
    typed = KeyRhythm(PAGE, FIELD, "c" * 40, tuple(range(40)))
    elsewhere = KeyRhythm(PAGE, msgspec.structs.replace(FIELD, path="form:1/input:2"), "cc", (0, 90))
    change = FieldChange(PAGE, FIELD, FieldContent.TEXT, LengthBucket.LINE, TOKEN)
    rhythm, other, changed = (event.body for event in redacted(typed, elsewhere, change))
    assert isinstance(changed, FieldChange)
    assert changed.value == FILLER * len(TOKEN)
    assert isinstance(rhythm, KeyRhythm)
    assert (rhythm.keys, rhythm.intervals) == ("", ())
    assert other == elsewhere


def test_secret_that_an_outline_shows_is_masked_where_it_comes_again() -> None:
    shown, clicked = redacted(
        outline("Settings", f"Your key is {TOKEN}", "write to jo.doe@orchard-mail.net today"),
        PointerClick(PAGE, Element(role="button", name=f"Copy {TOKEN[:20]}"), 1, 1),
    )
    texts = [each.text for each in page_texts(shown.body)]  # type: ignore[arg-type]
    assert texts[0] == "Settings"
    assert texts[1] == "Your key is " + FILLER * len(TOKEN)
    assert "jo.doe" not in texts[2]
    assert texts[2].endswith(" today")
    assert isinstance(clicked.body, PointerClick)
    assert TOKEN[4:12] not in clicked.body.element.name


def test_page_texts_come_back_where_they_were() -> None:
    bodies = (
        PageOpen(PAGE, 1, "https://a.example/x", "Title"),
        PointerClick(PAGE, msgspec.structs.replace(FIELD, context="Row 1"), 1, 2),
        outline("a", "", "c"),
    )
    for body in bodies:
        upper = with_page_texts(body, {each.field: each.text.upper() for each in page_texts(body)})
        assert [each.text for each in page_texts(upper)] == [each.text.upper() for each in page_texts(body)]
        assert with_page_texts(upper, {each.field: each.text for each in page_texts(body)}) == body


@pytest.mark.parametrize("field", ["element.name", "nodes.0.name", "path", "intervals"])
def test_mask_outside_the_texts_is_refused(field: str) -> None:
    event = Event(0, 0, 0, Level.CONTENT, PageOpen(PAGE, 1, "r", "t"))
    with pytest.raises(FormatError):
        apply_masks((event,), (Mask(0, field, 0, 1, 1),))


def test_shape_keeps_lengths_and_drops_values() -> None:
    event = Event(0, 0, 0, Level.CONTENT, FieldChange(PAGE, FIELD, FieldContent.TEXT, LengthBucket.LINE, "Hello 12"))
    body = lower_level(event, Level.SHAPE).body
    assert isinstance(body, FieldChange)
    assert (body.value, body.element.name, body.content) == ("", "AAA aaaaa", FieldContent.TEXT)
    assert lower_level(lower_level(event, Level.SHAPE), Level.SHAPE).body == body


def test_rhythm_keeps_no_text_and_no_place() -> None:
    for body in (
        PageOpen(PAGE, 7, "https://a.example/x", "Title", 800, 600),
        PointerClick(PAGE, FIELD, 5, 6, 1),
        FieldChange(PAGE, FIELD, FieldContent.EMAIL, LengthBucket.LINE, "x", True, 3),
        PointerTrail(PAGE, ((0, 1, 2),)),
        outline("a"),
    ):
        low = lower_level(Event(0, 0, 0, Level.CONTENT, body), Level.RHYTHM).body
        assert isinstance(low, PAGE_TYPES)
        assert page_texts(low) == []
        left = msgspec.json.encode(low)
        assert all(word not in left for word in (b"textbox", b"800", b"email", b"input", b"[1,2", b"17-64"))


def test_below_content_nothing_is_searched() -> None:
    (event,) = redacted(PageOpen(PAGE, 1, "https://a.example/AAAAAAAA000", "Aaaaa 0000"), level=Level.SHAPE)
    assert isinstance(event.body, PageOpen)
    assert event.body.title == "Aaaaa 0000"


def test_number_that_a_form_takes_apart_is_masked_in_every_field() -> None:
    parts = ["4111", "1111", "1111", "1111"]
    events = redacted(
        *(
            FieldChange(
                PAGE,
                Element(role="textbox", name=f"Part {at}", path=f"form:1/input:{at}"),
                FieldContent.DIGITS,
                LengthBucket.FEW,
                part,
                None,
                1,
            )
            for at, part in enumerate(parts, 1)
        )
    )
    assert [event.body.value for event in events if isinstance(event.body, FieldChange)] == [FILLER * 4] * 4


def test_echo_in_a_value_is_masked() -> None:
    _, again = redacted(
        FieldChange(PAGE, FIELD, FieldContent.TEXT, LengthBucket.LINE, TOKEN),
        FieldChange(PAGE, Element(path="input:9"), FieldContent.TEXT, LengthBucket.LINE, "half " + TOKEN[6:24]),
    )
    assert isinstance(again.body, FieldChange)
    assert again.body.value == "half " + FILLER * 18


def test_value_is_masked_once_however_often_its_form_is_read() -> None:
    redactor = Redactor(detector=default_detector(), tag_key=Secret(b"k" * 32), settle_ms=1000)
    fields = [("form:1/input:1", TOKEN), ("form:1/input:2", "plain words"), ("form:1/input:3", "more words")]
    for at, (path, value) in enumerate(fields):
        body = FieldChange(PAGE, Element(path=path), FieldContent.TEXT, LengthBucket.LINE, value, None, 1)
        redactor.feed(Event(at, at, 0, Level.CONTENT, body), at)
    masks = redactor.take(3).masks
    assert [(mask.index, mask.field, mask.length) for mask in masks] == [(0, "value", len(TOKEN))]
