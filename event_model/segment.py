"""Segments: events as bytes, to be encrypted and kept.

``encode_segment`` writes a header, events as columns (see ``event_columns``), masks and findings, and compresses
them; ``encode_events`` writes events alone, for the journal. docs/FORMAT.md gives the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from event_model.body import MAX_COUNT, Count
from event_model.body_columns import count
from event_model.columns import MAX_UNPACKED_BYTES, Reader, Writer, unpack, unzigzag, zigzag
from event_model.errors import SegmentError
from event_model.event_columns import MAX_EVENTS, EventColumns, make_events, read_columns, read_events, write_events
from event_model.event_rows import ROWS_VERSION, decode_rows
from event_model.events import Event, Finding, Mask
from event_model.ids import Pseudonym, RecordId, SessionId, StudyId

SEGMENT_VERSION = 1

SEGMENT_MAGIC = b"OVSG"
EVENTS_VERSION = b"\x01"

MAX_SEGMENT_EVENTS = MAX_EVENTS

MAX_SEGMENT_BYTES = 4 << 20
"""A segment as encoded: what an envelope can seal and a receiver holds in memory."""

SEGMENT_LEVEL = 16
"""zstd's level for segments: 3 % smaller than 12 at 1 us more per event; above it nothing is gained."""

_JOURNAL_LEVEL = 3
"""Journal rows live for minutes: what counts is that they are quick to write."""

MAX_MASKS = 1 << 20
"""Masks in one segment; a segment has far fewer, and a column must have a bound."""

_FINDINGS = msgspec.msgpack.Decoder(list[tuple[Count, str, str, bytes | None]])


class SegmentHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a segment's events come from, and where they stand.

    ``number`` counts the segments of a study and epoch; ``first_seq`` is the first event's place among all
    events of this installation and study.
    """

    version: Count
    study: StudyId
    study_version: Count
    pseudonym: Pseudonym
    consent_record: RecordId
    session: SessionId
    source: str
    epoch: Count
    number: Count
    first_seq: Count
    sealed_ms: Count


class SegmentContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A segment: consecutive events of one session, and what was masked in them."""

    header: SegmentHeader
    events: tuple[Event, ...]
    masks: tuple[Mask, ...] = ()
    findings: tuple[Finding, ...] = ()


def encode_segment(content: SegmentContent, *, level: int = SEGMENT_LEVEL) -> bytes:
    """Write a segment; ``level`` is zstd's.

    SegmentError: if it holds what the schema excludes, more than ``MAX_SEGMENT_EVENTS`` events, or comes out larger
    than ``MAX_SEGMENT_BYTES`` (code ``segment-too-large``: use fewer events).
    """
    if content.header.version != SEGMENT_VERSION:
        raise SegmentError(f"segments of version {content.header.version} can't be made", code="segment-version")
    writer = Writer()
    writer.raw(_pack(msgspec.structs.astuple(content.header)))
    write_events(writer, content.events)
    _write_masks(writer, content.masks)
    _write_findings(writer, content.findings)
    data = SEGMENT_MAGIC + bytes((SEGMENT_VERSION,)) + writer.pack(level)
    if len(data) > MAX_SEGMENT_BYTES:
        raise SegmentError(f"a segment has at most {MAX_SEGMENT_BYTES} bytes", code="segment-too-large")
    return data


class SegmentColumns(msgspec.Struct, frozen=True):
    """A segment whose events are still columns."""

    header: SegmentHeader
    events: EventColumns
    masks: tuple[Mask, ...]
    findings: tuple[Finding, ...]


def decode_segment(data: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> SegmentContent:
    """Read a segment. SegmentError: if it is malformed, of another version, or unpacks to more than ``max_bytes``."""
    columns = decode_columns(data, max_bytes=max_bytes)
    return SegmentContent(columns.header, make_events(columns.events), columns.masks, columns.findings)


def decode_columns(data: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> SegmentColumns:
    """Read a segment, its events as columns; their bodies are not looked at. SegmentError: as ``decode_segment``."""
    if len(data) > MAX_SEGMENT_BYTES:
        raise SegmentError(f"a segment has at most {MAX_SEGMENT_BYTES} bytes", code="segment-too-large")
    reader = Reader(unpack(_body(data), max_bytes))
    header = _read_header(reader.raw())
    events = read_columns(reader)
    masks = _read_masks(reader)
    findings = _read_findings(reader.raw())
    reader.end()
    return SegmentColumns(header, events, masks, findings)


def may_hold(data: bytes, text: str, *, max_bytes: int = MAX_UNPACKED_BYTES) -> bool:
    """Say whether a segment may hold a file's path or a site's origin, at a fiftieth of the cost of reading it.

    A no is certain; a yes is not. The text must have no character that JSON escapes. SegmentError: as in
    ``decode_segment``, for its outside.
    """
    if len(data) > MAX_SEGMENT_BYTES:
        raise SegmentError(f"a segment has at most {MAX_SEGMENT_BYTES} bytes", code="segment-too-large")
    return text.encode("utf-8", "surrogatepass") in unpack(_body(data), max_bytes)


def encode_events(events: Sequence[Event]) -> bytes:
    """Write events alone. SegmentError: as for ``encode_segment``."""
    writer = Writer()
    write_events(writer, events)
    return EVENTS_VERSION + writer.pack(_JOURNAL_LEVEL)


def decode_events(data: bytes) -> tuple[Event, ...]:
    """Read what ``encode_events`` or ``encode_rows`` wrote. SegmentError: if it is malformed."""
    if data[:1] == ROWS_VERSION:
        return decode_rows(data)
    if data[:1] != EVENTS_VERSION:
        raise SegmentError("events of another version", code="segment-version")
    reader = Reader(unpack(data[1:], MAX_UNPACKED_BYTES))
    events = read_events(reader)
    reader.end()
    return events


def _body(data: bytes) -> bytes:
    """Check magic and version; give what follows."""
    if not data.startswith(SEGMENT_MAGIC):
        raise SegmentError("not a segment")
    if data[len(SEGMENT_MAGIC) : len(SEGMENT_MAGIC) + 1] != bytes((SEGMENT_VERSION,)):
        raise SegmentError("a segment of another version", code="segment-version")
    return data[len(SEGMENT_MAGIC) + 1 :]


def _read_header(data: bytes) -> SegmentHeader:
    names = SegmentHeader.__struct_fields__
    try:
        values = msgspec.msgpack.decode(data, type=list[int | str])
        if len(values) != len(names):
            raise SegmentError("a segment header with too few or too many fields")
        header = msgspec.convert(dict(zip(names, values, strict=True)), type=SegmentHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SegmentError("a segment header that is malformed") from error
    if header.version != SEGMENT_VERSION:
        raise SegmentError("a segment whose header is of another version", code="segment-version")
    return header


def _pack(values: object) -> bytes:
    try:
        return msgspec.msgpack.encode(values)
    except (UnicodeEncodeError, OverflowError) as error:
        raise SegmentError("a value that the format can't hold") from error


def _write_masks(writer: Writer, masks: Sequence[Mask]) -> None:
    fields = list(dict.fromkeys(mask.field for mask in masks))
    if len(masks) > MAX_MASKS:
        raise SegmentError(f"at most {MAX_MASKS} masks go together", code="segment-too-large")
    writer.number(len(masks))
    writer.raw(_pack(fields))
    before = 0
    steps: list[int] = []
    for mask in masks:
        steps.append(zigzag(count(mask.index) - before))
        before = mask.index
    writer.column(steps)
    writer.column([fields.index(mask.field) for mask in masks])
    writer.column([count(mask.offset) for mask in masks])
    writer.column([count(mask.length) for mask in masks])
    writer.column([count(mask.finding) for mask in masks])


def _read_masks(reader: Reader) -> tuple[Mask, ...]:
    total = reader.number(MAX_MASKS)
    try:
        fields = msgspec.msgpack.decode(reader.raw(), type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SegmentError("mask fields that are malformed") from error
    indexes = list(accumulate(map(unzigzag, reader.column(total))))
    names, offsets, lengths, findings = (reader.column(total) for _ in range(4))
    if total and (min(indexes) < 0 or max(*indexes, *offsets, *lengths, *findings) > MAX_COUNT):
        raise SegmentError("a mask outside the schema")
    if total and max(names) >= len(fields):
        raise SegmentError("a mask of a field that is not there")
    return tuple(
        [
            Mask(index, fields[name], offset, length, finding)
            for index, name, offset, length, finding in zip(indexes, names, offsets, lengths, findings, strict=True)
        ]
    )


def _write_findings(writer: Writer, findings: Sequence[Finding]) -> None:
    writer.raw(_pack([(count(finding.number), finding.category, finding.kind, finding.tag) for finding in findings]))


def _read_findings(data: bytes) -> tuple[Finding, ...]:
    try:
        return tuple(Finding(*values) for values in _FINDINGS.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SegmentError("findings that are malformed") from error
