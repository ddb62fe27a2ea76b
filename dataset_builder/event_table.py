"""The table ``events`` from arrays: columns are handed to Arrow as they are, without a row in between. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataset_builder.event_arrays import LEVEL_NAMES, ORIGIN_NAMES, Bools, EventArrays, Int64s
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Replayed
from dataset_builder.tables import schema_of
from event_model.events import (
    BODY_TYPES,
    Body,
    CaptureGap,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    EditorFocus,
    SelectionChange,
    ViewportChange,
    kind_of,
)

_KIND_NAMES: Final = tuple(map(kind_of, BODY_TYPES))
_DETAILS: Final = (
    "anchor",
    "active",
    "cause",
    "first_line",
    "last_line",
    "focused",
    "command",
    "length",
    "count",
    "reason",
    "client",
    "client_version",
    "collector_version",
    "position_encoding",
)
_DETAILED: Final[dict[type, frozenset[str]]] = {
    kind: frozenset(kind.__struct_fields__) & set(_DETAILS)
    for kind in (SelectionChange, ViewportChange, EditorFocus, CommandRun, CompletionAccept, CaptureGap, CaptureStart)
}


class EventTable:
    """Makes the batches of one session."""

    def __init__(self, plan: SessionPlan, source: str) -> None:
        self._constants = {"contributor": plan.contributor, "session": plan.session, "source": source}

    def batch(self, events: EventArrays, replayed: Replayed, first_seq: int) -> pa.RecordBatch:
        """Give a row per event; ``first_seq`` belongs to the first one. Names that come again are a dictionary."""
        count = len(events)
        columns: dict[str, pa.Array] = {
            name: _named(np.zeros(count, np.int64), [value]) for name, value in self._constants.items()
        }
        columns["seq"] = pa.array(np.arange(first_seq, first_seq + count))
        columns["index"] = pa.array(np.arange(events.first_index, events.first_index + count))
        columns["time"] = pa.array(events.walls)
        columns["delta_ms"] = pa.array(events.deltas)
        columns["level"] = _named(events.levels, LEVEL_NAMES)
        columns["kind"] = _named(events.kinds, _KIND_NAMES)
        columns["document"] = _documents(events)
        columns["life"] = pa.array([None if life is None else life.number for life in replayed.lives], pa.int32())
        columns |= _edits(events, replayed) | _details(events.others, count)
        return pa.record_batch(
            {field.name: _typed(columns.get(field.name), field.type, count) for field in schema_of("events")}
        )


def _typed(column: pa.Array | None, kind: pa.DataType, count: int) -> pa.Array:
    if column is None:
        return pa.nulls(count, kind)
    return column if column.type == kind or pa.types.is_dictionary(column.type) else column.cast(kind)


def _named(places: Int64s, names: Sequence[str], missing: Bools | None = None) -> pa.Array:
    """Give names by their places in a list; as places they go from part to file, a byte each."""
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int8), mask=missing), pa.array(names))


def _documents(events: EventArrays) -> pa.Array:
    values = np.zeros(len(events), np.int64)
    missing = np.ones(len(events), np.bool_)
    of_others: list[tuple[int, int | None]] = [
        (place, getattr(body, "document", None)) for place, body in events.others
    ]
    named = [(place, document) for place, document in of_others if document is not None]
    for places, documents in (
        (events.at, events.document),
        (_column(p for p, _ in named), _column(d for _, d in named)),
    ):
        values[places] = documents
        missing[places] = False
    return pa.array(values, mask=missing)


def _column(values: Iterable[int]) -> Int64s:
    return np.fromiter(values, np.int64)


def _edits(events: EventArrays, replayed: Replayed) -> dict[str, pa.Array]:
    """Give the columns that edits alone have."""
    removed = pa.array(replayed.removed, pa.string())
    valid = np.zeros(len(events), np.bool_)
    valid[events.at] = True
    missing = ~valid
    return {
        "position": pa.array(_placed(events.position, events), mask=missing),
        "deleted": pa.array(_placed(events.deleted, events), mask=missing),
        "inserted": slices_of(replayed.shown, np.cumsum(_placed(events.length, events)), valid),
        "removed": removed,
        "applied": pa.array(removed.is_valid().to_numpy(zero_copy_only=False), mask=missing),
        "origin": _named(_placed(events.origin, events), ORIGIN_NAMES, missing),
        "confidence": pa.array(_placed(events.confidence, events).astype(np.int32), mask=missing),
        "joined": pa.array(_placed(events.joined, events) != 0, mask=missing),
    }


def _placed(values: Int64s, events: EventArrays) -> Int64s:
    """Put the edits' values where the edits stand among all events, and zeros elsewhere."""
    placed = np.zeros(len(events), np.int64)
    placed[events.at] = values
    return placed


def slices_of(text: str, ends: Int64s, valid: Bools) -> pa.Array:
    """Cut a text into strings that end at places given in code points; null where not valid."""
    data = text.encode()
    if len(data) != len(text):
        starts = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) != 0x80)
        ends = np.append(starts, len(data))[ends]
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends
    bits = np.packbits(valid, bitorder="little")
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data), pa.py_buffer(bits))


def _details(others: Iterable[tuple[int, Body]], count: int) -> dict[str, pa.Array]:
    """Give the columns that belong to kinds other than edits; those without any value are left out."""
    places: dict[str, list[int]] = {}
    values: dict[str, list[Any]] = {}
    for place, body in others:
        for name in _DETAILED.get(type(body), ()):
            places.setdefault(name, []).append(place)
            value = getattr(body, name)
            values.setdefault(name, []).append(getattr(value, "value", value))
    columns: dict[str, pa.Array] = {}
    for name, known in values.items():
        row_of = np.zeros(count, np.int64)
        missing = np.ones(count, np.bool_)
        row_of[places[name]] = np.arange(len(known))
        missing[places[name]] = False
        columns[name] = pa.array(known).take(pa.array(row_of, mask=missing))
    return columns
