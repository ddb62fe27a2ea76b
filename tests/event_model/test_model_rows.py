"""Rows: what a session's file holds, quick to write; everything the schema allows comes back, nothing else gets in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from event_model.errors import SegmentError
from event_model.event_rows import ROWS_VERSION, encode_rows
from event_model.events import DocumentEdit, DocumentOpen, Event, SelectionChange
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.segment import decode_events, encode_events
from tests.event_model.test_model_segment import event_lists

DOCUMENT = DocumentId(1)


def one(body: Any, index: int = 0, wall_ms: int = 5, delta_ms: int = 0) -> Event:
    return Event(index, wall_ms, delta_ms, Level.CONTENT, body)


@given(event_lists().filter(bool))
def test_rows_come_back_as_columns_do(events: tuple[Event, ...]) -> None:
    assert decode_events(encode_rows(events)) == events == decode_events(encode_events(events))


@pytest.mark.parametrize(
    "events",
    [
        [one(DocumentEdit(DOCUMENT, -1, 0, ""))],
        [one(DocumentEdit(DOCUMENT, 2**53, 0, ""))],
        [one(DocumentEdit(DOCUMENT, 0, -1, ""))],
        [one(DocumentEdit(DOCUMENT, 0, 0, "", confidence=101))],
        [one(DocumentEdit(DOCUMENT, 0, 0, "\ud800"))],
        [one(SelectionChange(DOCUMENT, -1, 0))],
        [one(DocumentEdit(DOCUMENT, 0, 0, ""), wall_ms=-1)],
        [one(DocumentEdit(DOCUMENT, 0, 0, ""), delta_ms=2**53)],
        [one(DocumentEdit(DOCUMENT, 0, 0, ""), index=-1)],
        [one(DocumentEdit(DOCUMENT, 0, 0, "")), one(DocumentEdit(DOCUMENT, 0, 0, ""), index=2)],
    ],
)
def test_what_columns_refuse_rows_refuse(events: list[Event]) -> None:
    for encode in (encode_rows, encode_events):
        with pytest.raises(SegmentError):
            encode(events)


def test_malformed_rows_are_refused() -> None:
    good = encode_rows([one(DocumentOpen(DOCUMENT, "a", "", "python", "x"))])
    pack = msgspec.msgpack.encode
    for body in (
        good[2:-1],
        good[2:] + b"\x00",
        pack("text"),
        pack([]),
        pack([-1]),
        pack([0, 5]),
        pack([0, [5, 0, 2]]),
        pack([0, [5, 0, 9, 2, 1]]),
        pack([0, [5, 0, 2, 99, 1]]),
        pack([0, [5, 0, 2, 2, 1, 2]]),
        pack([0, [-5, 0, 2, 2, 1]]),
        pack([0, [5, 0, 2, 1, 1, "0", 0, "", 0, 0, False]]),
        pack([0, [5, 0, 2, 1, 1, 0, 0, "", 99, 0, False]]),
        pack([0, [5, 0, 2, 1, 1, 0, 0, "", "typed", 0, False]]),
    ):
        with pytest.raises(SegmentError):
            decode_events(ROWS_VERSION + b"\x00" + body)
