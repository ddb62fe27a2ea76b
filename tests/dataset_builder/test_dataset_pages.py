"""Pages and activities: what is masked on a page stays masked, and tasks end where nothing happens for long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder.activities import TASK_PAUSE_MS
from dataset_builder.check import check
from event_model.events import FILLER, Body, DocumentSave, Finding, Mask
from event_model.ids import DocumentId
from event_model.page_events import (
    Element,
    FieldChange,
    FieldContent,
    KeyRhythm,
    LengthBucket,
    NameSource,
    NavigateCause,
    OutlineNode,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
)
from tests.dataset_builder.dataset_world import Clock, Contributor, closed, events_of, opened, start, typed

PAGE = DocumentId(1)
FIELD = Element("textbox", "Name of Ann", NameSource.CONTENT, "Row of Ann", "row", "main:1/input:1", (1, 2, 3, 4))
BODIES: list[Body] = [
    start(),
    PageOpen(PAGE, 1, "https://a.test/tickets/:id", "Ann's ticket", 1280, 800),
    PageOutline(PAGE, (OutlineNode(0, "link", "Ann", NameSource.CONTENT, ("focused",)),)),
    PointerTrail(PAGE, ((0, 1, 2), (50, 3, 4))),
    PointerClick(PAGE, FIELD, 5, 6),
    KeyRhythm(PAGE, FIELD, "ccd", (0, 120, 90)),
    FieldChange(PAGE, FIELD, FieldContent.WORDS, LengthBucket.FEW, "call Ann"),
    PageNavigate(PAGE, "https://a.test/search", "Search", NavigateCause.PUSH),
]


def _rows(out: Path, table: str) -> list[dict[str, Any]]:
    (file,) = out.glob(f"{table}/*/*/train.parquet")
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def test_every_event_of_a_page_has_a_row(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(events_of(BODIES))
    run()
    rows = _rows(out, "pages")
    assert [row["index"] for row in rows] == list(range(1, 8))
    assert [row["route"] for row in rows] == ["https://a.test/tickets/:id"] * 6 + ["https://a.test/search"]
    opening, outline, trail, click, rhythm, field, navigate = rows
    assert (opening["title"], opening["width"]) == ("Ann's ticket", 1280)
    assert outline["nodes"] == [
        {"depth": 0, "role": "link", "name": "Ann", "name_from": "content", "states": ["focused"]}
    ]
    assert trail["points"] == [0, 1, 2, 50, 3, 4]
    assert (click["name"], click["context"], click["box"], click["x"], click["y"]) == (
        "Name of Ann", "Row of Ann", [1, 2, 3, 4], 5, 6)  # fmt: skip
    assert (rhythm["keys"], rhythm["intervals"]) == ("ccd", [0, 120, 90])
    assert (field["content"], field["length"], field["value"]) == ("words", "1-4", "call Ann")
    assert navigate["cause"] == "push"
    assert check(out).ok


def test_what_is_masked_on_a_page_shows_nowhere(alice: Contributor, run: Any, out: Path) -> None:
    masks = [
        Mask(1, "title", 0, 3, 1),
        Mask(2, "nodes.0.name", 0, 3, 1),
        Mask(4, "element.name", 8, 3, 1),
        Mask(4, "element.context", 7, 3, 1),
        Mask(5, "element.name", 8, 3, 1),
        Mask(5, "element.context", 7, 3, 1),
        Mask(5, "intervals", 0, 0, 1),
        Mask(6, "element.name", 8, 3, 1),
        Mask(6, "element.context", 7, 3, 1),
        Mask(6, "value", 5, 3, 1),
    ]
    alice.seal(events_of(BODIES), masks=masks, findings=[Finding(1, "pii", "name", b"t")])
    run()
    rows = _rows(out, "pages")
    assert "Ann" not in str(rows)
    assert (rows[4]["keys"], rows[4]["intervals"]) == ("", [])
    assert rows[5]["value"] == f"call {FILLER * 3}"
    assert check(out).ok


def test_the_check_sees_an_open_mask_on_a_page(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(events_of(BODIES), masks=[Mask(6, "value", 5, 3, 1), Mask(5, "intervals", 0, 0, 1)],
               findings=[Finding(1, "pii", "name", b"t")])  # fmt: skip
    run()
    from dataset_builder.session_check import EventRow, MaskRow, PageRow, check_session

    def found(value: str, keys: str) -> list[str]:
        pages = [
            PageRow("a", "s", 5, "", None, None, None, None, keys, None),
            PageRow("a", "s", 6, "", None, value, None, None, None, None),
        ]
        rows = [EventRow("a", "s", at, at, "key.rhythm", 1, None, 0, 0, "", None, None) for at in (5, 6)]
        masks = [MaskRow("a", "s", 6, "value", 5, 3), MaskRow("a", "s", 5, "intervals", 0, 0)]
        return [code for code, _detail in check_session(rows, [], masks, pages).problems]

    assert found(f"call {FILLER * 3}", "") == []
    assert found("call Ann", "") == ["mask-open"]
    assert found(f"call {FILLER * 3}", "c") == ["mask-open"]


def test_a_long_pause_begins_another_task(alice: Contributor, run: Any, out: Path) -> None:
    clock = Clock()
    events = events_of([start(), opened("abc"), *typed("first", at=0)], clock=clock)
    clock.now_ms += TASK_PAUSE_MS
    later = events_of([DocumentSave(DocumentId(1)), closed()], clock=clock)
    later = [type(event)(len(events) + at, event.wall_ms, event.delta_ms, event.level, event.body)
             for at, event in enumerate(later)]  # fmt: skip
    alice.seal([*events, *later])
    run()
    rows = _rows(out, "activities")
    assert [row["task"] for row in rows] == [1, 2]
    assert [(row["first_index"], row["last_index"]) for row in rows] == [(1, 6), (7, 8)]
    assert rows[0]["language"] == "rust"
