"""Every kind of event has words of its own."""

from __future__ import annotations

from event_model.events import DocumentEdit, DocumentOpen, DocumentSave
from event_model.ids import DocumentId
from event_model.page_events import (
    PAGE_TYPES,
    Clipboard,
    ClipboardAction,
    Element,
    FieldChange,
    FieldContent,
    FormSubmit,
    KeyRhythm,
    LengthBucket,
    PageBody,
    PageClose,
    PageFocus,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
    Scroll,
    TabActivate,
)
from overt.words import Names, sentence

PAGE = DocumentId(1)
FIELD = Element(role="textbox", name="Answer", context="Ticket 7", context_role="row")
ROUTE = "https://a.example/issues/:id"
SAID: list[tuple[PageBody, str]] = [
    (PageOpen(PAGE, 1, ROUTE, "Issue"), f"opened the page {ROUTE} 'Issue'"),
    (PageNavigate(PAGE, ROUTE + "/edit", ""), f"went to {ROUTE}/edit"),
    (TabActivate(PAGE), f"turned to the tab of {ROUTE}/edit"),
    (PageFocus(PAGE, True, True), f"came to {ROUTE}/edit"),
    (PageFocus(PAGE, False, True), f"left {ROUTE}/edit"),
    (PointerTrail(PAGE, ((0, 1, 1), (50, 2, 2))), f"{ROUTE}/edit: moved the pointer, 2 points"),
    (PointerClick(PAGE, FIELD, 1, 1), f"{ROUTE}/edit: clicked textbox 'Answer' in row 'Ticket 7'"),
    (PointerClick(PAGE, Element(), 1, 1), f"{ROUTE}/edit: clicked something"),
    (Scroll(PAGE, 0, 300), f"{ROUTE}/edit: scrolled to 0, 300"),
    (
        FieldChange(PAGE, FIELD, FieldContent.DATE, LengthBucket.SHORT),
        f"{ROUTE}/edit: filled in textbox 'Answer' in row 'Ticket 7': date, 5-16 characters",
    ),
    (
        FieldChange(PAGE, Element(role="checkbox"), FieldContent.TOGGLE, LengthBucket.NONE, "", True),
        f"{ROUTE}/edit: filled in checkbox: switched on",
    ),
    (
        FieldChange(PAGE, Element(), FieldContent.TEXT, LengthBucket.SHORT, "Hello"),
        f"{ROUTE}/edit: filled in something: 'Hello'",
    ),
    (KeyRhythm(PAGE, Element(role="textbox"), "cd", (0, 9)), f"{ROUTE}/edit: pressed 2 keys in textbox; not which"),
    (FormSubmit(PAGE, Element(role="form")), f"{ROUTE}/edit: sent form"),
    (Clipboard(PAGE, ClipboardAction.PASTE), f"{ROUTE}/edit: paste; not what"),
    (PageOutline(PAGE, ()), f"{ROUTE}/edit: showed 0 things around that place"),
    (PageClose(PAGE), f"closed {ROUTE}/edit"),
]


def test_pages_are_told_by_where_they_are_then() -> None:
    names: Names = {}
    assert [sentence(body, names) for body, _ in SAID] == [words for _, words in SAID]
    assert {type(body) for body, _ in SAID} == set(PAGE_TYPES)


def test_files_are_told_by_name() -> None:
    names: Names = {}
    assert sentence(DocumentOpen(PAGE, "a.py", "", "python", "x"), names) == "opened a.py (python, 1 characters)"
    assert sentence(DocumentSave(PAGE), names) == "saved a.py"
    assert "took out 2 and wrote 'y'" in sentence(DocumentEdit(PAGE, 0, 2, "y"), names)
