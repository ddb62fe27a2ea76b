"""Events as rows: a few times larger than columns, and quick to write one or a few at a time.

The newest events of a session stand like this in its file, until there are enough to be worth columns. An event is a
MessagePack array: how far its wall clock is from the one of the event before, its delta, its level, its kind, and the
fields of its body. Events of pages bring their fields with their names. docs/FORMAT.md gives the layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import zstandard
from msgspec.structs import astuple

from event_model.body import MAX_COUNT
from event_model.body_columns import EDIT, KIND_OF, LEVELS, MAX_CONFIDENCE, ORIGINS, count, one_of, page_fields
from event_model.columns import unpack
from event_model.errors import SegmentError
from event_model.events import BODY_TYPES, Body, DocumentEdit, Event
from event_model.page_events import PAGE_TYPES, PageBody

MAX_ROWS_BYTES = 1 << 20
"""What rows may hold when unpacked; a session's file holds a fraction of it."""

ROWS_VERSION = b"\x81"
"""In front of rows; columns in the same place have 0x01."""

_RAW = b"\x00"
_ZSTD = b"\x01"
_PLAIN_BYTES = 200
"""What is shorter gains nothing from zstd."""

_ZSTD_LEVEL = 1
"""Rows live for seconds."""

COUNT_BITS = MAX_COUNT.bit_length()
"""What is in the schema's range has nothing above these bits, as negative numbers have."""

_INDEX = attrgetter("index")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Any])


def encode_rows(events: Sequence[Event]) -> bytes:
    """Write events as rows. SegmentError: if one holds what the schema excludes, or their indexes have gaps."""
    first = count(events[0].index)
    if list(map(_INDEX, events)) != list(range(first, first + len(events))):
        raise SegmentError("events whose indexes have gaps")
    rows: list[Any] = [first]
    append = rows.append
    wall = level_no = origin_no = 0
    level = origin = None
    for event in events:
        now, delta, body = event.wall_ms, event.delta_ms, event.body
        if (now | delta) >> COUNT_BITS:
            raise SegmentError("a time outside the schema")
        if event.level is not level:
            level, level_no = event.level, LEVELS.index(event.level)
        if type(body) is DocumentEdit:
            document, position, deleted, inserted, made_by, confidence, joined = astuple(body)
            if (document | position | deleted) >> COUNT_BITS or not 0 <= confidence <= MAX_CONFIDENCE:
                raise SegmentError("an edit outside the schema")
            if made_by is not origin:
                origin, origin_no = made_by, ORIGINS.index(made_by)
            append((
                now - wall, delta, level_no, EDIT, document, position, deleted, inserted, origin_no, confidence, joined
            ))  # fmt: skip
        else:
            append((now - wall, delta, level_no, KIND_OF[type(body)], *_fields(body)))
        wall = now
    return ROWS_VERSION + _pack(rows)


def decode_rows(data: bytes) -> tuple[Event, ...]:
    """Read what ``encode_rows`` wrote. SegmentError: if it is malformed."""
    try:
        first, *rows = _DECODER.decode(unpack(data[1:], MAX_ROWS_BYTES))
        events: list[Event] = []
        wall = 0
        for index, (step, delta, level_no, kind, *fields) in enumerate(rows, count(first)):
            wall = count(wall + step)
            events.append(Event(index, wall, count(delta), one_of(LEVELS, level_no), _body(kind, fields)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError) as error:
        raise SegmentError("rows that are malformed") from error
    return tuple(events)


def _pack(rows: list[Any]) -> bytes:
    try:
        plain = _ENCODER.encode(rows)
    except (UnicodeEncodeError, OverflowError) as error:
        raise SegmentError("a value that the format can't hold") from error
    if len(plain) > _PLAIN_BYTES:
        packed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=False).compress(plain)
        if len(packed) < len(plain):
            return _ZSTD + packed
    return _RAW + plain


def _fields(body: Body) -> tuple[Any, ...]:
    if isinstance(body, PageBody):
        return (page_fields(body),)
    fields = astuple(body)
    if any(value >> COUNT_BITS for value in fields if isinstance(value, int)):
        raise SegmentError("a count outside the schema")
    return fields


def _body(kind: int, fields: list[Any]) -> Body:
    body_type = one_of(BODY_TYPES, kind)
    if kind == EDIT:
        fields[4] = one_of(ORIGINS, fields[4])
    if body_type in PAGE_TYPES:
        (named,) = fields
    else:
        named = dict(zip(body_type.__struct_fields__, fields, strict=True))
    # The types of the schema: what a reader elsewhere would refuse is refused here, too.
    body: Body = msgspec.convert(named, type=body_type)
    return body
