"""Segments: everything the schema allows comes back; nothing else gets in or out."""

from __future__ import annotations

import random

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model import body_columns, columns
from event_model.errors import SegmentError
from event_model.event_columns import MAX_EVENTS
from event_model.events import (
    BODY_TYPES,
    FILLER,
    CaptureGap,
    CaptureStart,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Event,
    Finding,
    GapReason,
    Mask,
    Origin,
    SelectionCause,
    SelectionChange,
    ViewportChange,
)
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import (
    MAX_PIXELS,
    PAGE_TYPES,
    ClipboardAction,
    Element,
    FieldContent,
    KeyRhythm,
    LengthBucket,
    NameSource,
    NavigateCause,
    OutlineNode,
    PageNavigate,
)
from event_model.segment import (
    MAX_SEGMENT_BYTES,
    MAX_SEGMENT_EVENTS,
    SegmentContent,
    SegmentHeader,
    decode_events,
    decode_segment,
    encode_events,
    encode_segment,
)

MAX = 2**53 - 1
DOCUMENT = DocumentId(1)

counts = st.one_of(st.integers(0, 9), st.integers(0, 70_000), st.integers(0, MAX))
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["", "a", "\n", FILLER * 3])
documents = st.integers(1, 4).map(DocumentId)


pixels = st.integers(-MAX_PIXELS, MAX_PIXELS) | st.integers(0, 2000)
roles = st.sampled_from(["", "button", "graphics-symbol"])
states = st.sampled_from(["focused", "disabled"])
elements = st.builds(
    Element,
    role=roles,
    name=strings,
    name_from=st.sampled_from(NameSource),
    context=strings,
    context_role=roles,
    path=st.sampled_from(["", "main:1/form:1/#shadow/x-element:2"]),
    box=st.tuples(pixels, pixels, pixels, pixels),
)
nodes = st.builds(
    OutlineNode, depth=st.integers(0, 9), role=roles, name=strings, states=st.lists(states, max_size=3).map(tuple)
)
rhythms = st.lists(st.tuples(st.sampled_from("cdnetmo"), st.integers(0, 86_400_000)), max_size=5).map(
    lambda keys: ("".join(key for key, _ in keys), tuple(interval for _, interval in keys))
)
PAGE_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "tab": counts,
    "parent": st.none() | documents,
    "width": pixels,
    "height": pixels,
    "x": pixels,
    "y": pixels,
    "visible": st.booleans(),
    "points": st.lists(st.tuples(st.integers(0, 86_400_000), pixels, pixels), max_size=4).map(tuple),
    "element": elements,
    "button": st.integers(0, 4),
    "count": st.integers(0, 3),
    "modifiers": st.integers(0, 15),
    "content": st.sampled_from(FieldContent),
    "length": st.sampled_from(LengthBucket),
    "checked": st.none() | st.booleans(),
    "form": counts,
    "action": st.sampled_from(ClipboardAction),
    "nodes": st.lists(nodes, max_size=3).map(tuple),
}


def body_strategy(body_type: type) -> st.SearchStrategy:
    """Fill every field by its name; a field of another meaning would need a line here."""
    by_name = {"document": documents, "continues": st.none() | documents, "origin": st.sampled_from(Origin)}
    by_name |= {"confidence": st.integers(0, 100), "joined": st.booleans(), "focused": st.booleans()}
    by_name |= {"cause": st.sampled_from(SelectionCause), "reason": st.sampled_from(GapReason)}
    by_name |= dict.fromkeys(("position", "deleted", "anchor", "active", "count", "first_line"), counts)
    by_name |= dict.fromkeys(("last_line", "length", "seq"), counts)
    if body_type is CaptureGap:
        by_name["document"] = st.none() | documents
    if body_type in PAGE_TYPES:
        by_name |= PAGE_FIELDS
        if body_type is PageNavigate:
            by_name["cause"] = st.sampled_from(NavigateCause)
        if body_type is KeyRhythm:
            return st.builds(lambda page, element, keys: KeyRhythm(page, element, *keys), documents, elements, rhythms)
    return st.builds(body_type, **{name: by_name.get(name, strings) for name in body_type.__struct_fields__})


bodies = st.one_of([body_strategy(DocumentEdit)] * 4 + [body_strategy(body_type) for body_type in BODY_TYPES])


@st.composite
def event_lists(draw: st.DrawFn) -> tuple[Event, ...]:
    first = draw(counts.filter(lambda index: index < MAX - 100))
    made = draw(st.lists(st.tuples(counts, counts, st.sampled_from(Level), bodies), max_size=30))
    return tuple(Event(first + at, *fields) for at, fields in enumerate(made))


masks = st.builds(
    Mask,
    index=counts,
    field=st.sampled_from(["text", "inserted", "path"]),
    offset=counts,
    length=counts,
    finding=counts,
)
findings = st.builds(
    Finding, number=counts, category=st.sampled_from(["secret", "pii"]), kind=strings, tag=st.none() | st.binary()
)


def typing(count: int) -> tuple[Event, ...]:
    body = DocumentOpen(DOCUMENT, "src/a.py", "w", "python", "import os\n" * 9)
    events = [Event(7, 1_700_000_000_000, 0, Level.CONTENT, body)]
    for at in range(1, count):
        edit = DocumentEdit(DOCUMENT, at, 0, "abcdefg "[at % 8], Origin.TYPED, 90)
        events.append(Event(7 + at, 1_700_000_000_000 + 150 * at, 150, Level.CONTENT, edit))
    return tuple(events)


@pytest.fixture(scope="session")
def segment(segment_header: SegmentHeader) -> SegmentContent:
    mask = Mask(9, "inserted", 0, 1, 1)
    return SegmentContent(segment_header, typing(300), (mask,), (Finding(1, "pii", "email", b"tag"),))


@settings(max_examples=100)
@given(event_lists())
def test_events_come_back(events: tuple[Event, ...]) -> None:
    back = decode_events(encode_events(events))
    assert back == events
    # Equal is not enough for flags: 1 == True.
    assert msgspec.json.encode(back) == msgspec.json.encode(events)


@settings(max_examples=40)
@given(event_lists(), st.lists(masks, max_size=5), st.lists(findings, max_size=5), st.integers(1, 19))
def test_segment_comes_back(
    events: tuple[Event, ...], some_masks: list[Mask], some_findings: list[Finding], level: int
) -> None:
    header = SegmentHeader(1, "s-1", 1, "p", "r", "e", "lsp", 1, 2, 3, MAX)  # type: ignore[arg-type]
    content = SegmentContent(header, events, tuple(some_masks), tuple(some_findings))
    assert decode_segment(encode_segment(content, level=level)) == content


def test_every_value_of_every_enum_has_a_place() -> None:
    """A value that is missing in the format's lists could be made but not kept."""
    assert set(body_columns.LEVELS) == set(Level)
    assert set(body_columns.ORIGINS) == set(Origin)
    assert set(body_columns.CAUSES) == set(SelectionCause)
    assert set(body_columns.REASONS) == set(GapReason)
    assert len(body_columns.KINDS) == len(BODY_TYPES)


def test_typing_costs_next_to_nothing(segment_header: SegmentHeader) -> None:
    data = encode_segment(SegmentContent(segment_header, typing(MAX_SEGMENT_EVENTS)))
    assert len(data) < 400


@pytest.mark.parametrize(("count", "limit"), [(1, 34), (5, 56)])
def test_small_batches_are_small(count: int, limit: int) -> None:
    events = typing(400)[300 : 300 + count]
    assert len(encode_events(events)) <= limit


def test_many_rows_and_documents_come_back() -> None:
    """More rows than one byte can name, jumps between documents, and large numbers."""
    rng = random.Random(5)
    events = tuple(
        Event(
            at,
            1_700_000_000_000 + rng.randrange(10**6),
            rng.randrange(10**5),
            Level.CONTENT,
            DocumentEdit(
                DocumentId(rng.randrange(1, 50)),
                rng.randrange(10**7),
                rng.randrange(5),
                "é" * rng.randrange(5),
                rng.choice(list(Origin)),
                rng.randrange(101),
                rng.random() < 0.5,
            ),
        )
        for at in range(2000)
    )
    assert decode_events(encode_events(events)) == events


def test_next_edit_is_expected_where_the_selection_is() -> None:
    def size(active: int) -> int:
        bodies = []
        for at in range(60):
            place = 1000 * at % 7919
            bodies.append(SelectionChange(DOCUMENT, place, place))
            bodies.append(DocumentEdit(DOCUMENT, place + active * at * at, 0, "x"))
        return len(encode_events([Event(at, at, 0, Level.CONTENT, body) for at, body in enumerate(bodies)]))

    assert size(0) < size(1) - 50


def test_viewport_is_kept_per_document() -> None:
    bodies = [ViewportChange(DocumentId(1 + at % 2), 500 * (at % 2) + at, 540 * (at % 2) + at) for at in range(20)]
    events = tuple(Event(at, at, 0, Level.RHYTHM, body) for at, body in enumerate(bodies))
    assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize(
    "body",
    [
        DocumentEdit(DOCUMENT, -1, 0, ""),
        DocumentEdit(DOCUMENT, 0, -1, ""),
        DocumentEdit(DOCUMENT, MAX + 1, 0, ""),
        DocumentEdit(DOCUMENT, 0, MAX + 1, ""),
        DocumentEdit(DOCUMENT, 0, 0, "\ud83d"),
        DocumentEdit(DOCUMENT, 0, 0, "", Origin.TYPED, 101),
        DocumentEdit(DOCUMENT, 0, 0, "", Origin.TYPED, -1),
        DocumentEdit(DocumentId(-1), 0, 0, ""),
        DocumentSave(DocumentId(MAX + 1)),
        DocumentClose(DocumentId(-5)),
        DocumentOpen(DOCUMENT, "\udc00", "", "", ""),
        DocumentOpen(DOCUMENT, "", "", "", "", DocumentId(-1)),
        SelectionChange(DOCUMENT, -1, 0),
        ViewportChange(DOCUMENT, 0, -1),
        CaptureGap(-1, GapReason.CRASHED),
    ],
)
def test_what_the_schema_excludes_is_not_written(body: object) -> None:
    with pytest.raises(SegmentError):
        encode_events([Event(0, 0, 0, Level.CONTENT, body)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [[(0, 0, 0), (2, 0, 0)], [(0, 0, 0), (0, 0, 0)], [(-1, 0, 0)], [(0, -1, 0)], [(0, 0, -1)], [(0, MAX + 1, 0)]],
)
def test_events_out_of_order_or_time_are_not_written(fields: list[tuple[int, int, int]]) -> None:
    events = [Event(*numbers, Level.CONTENT, DocumentSave(DOCUMENT)) for numbers in fields]
    with pytest.raises(SegmentError):
        encode_events(events)


def test_too_many_events_are_refused_with_a_code() -> None:
    events = [Event(at, at, 0, Level.CONTENT, DocumentSave(DOCUMENT)) for at in range(MAX_EVENTS + 1)]
    with pytest.raises(SegmentError) as caught:
        encode_events(events)
    assert caught.value.code == "segment-too-large"


def test_segment_larger_than_the_limit_is_refused_with_a_code(segment_header: SegmentHeader) -> None:
    noise = random.Random(1).randbytes(MAX_SEGMENT_BYTES + 1).hex()
    opened = DocumentOpen(DOCUMENT, "a", "w", "text", noise)
    with pytest.raises(SegmentError) as caught:
        encode_segment(SegmentContent(segment_header, (Event(0, 0, 0, Level.CONTENT, opened),)), level=1)
    assert caught.value.code == "segment-too-large"
    with pytest.raises(SegmentError):
        decode_segment(bytes(MAX_SEGMENT_BYTES + 1))


def test_more_than_a_reader_unpacks_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_UNPACKED_BYTES", 1000)
    opened = DocumentOpen(DOCUMENT, "a", "w", "text", "a" * 1000)
    with pytest.raises(SegmentError) as caught:
        encode_events([Event(0, 0, 0, Level.CONTENT, opened)])
    assert caught.value.code == "segment-too-large"


def test_other_versions_are_refused_with_a_code(segment: SegmentContent) -> None:
    data = encode_segment(segment)
    for bad in (data[:4] + b"\x02" + data[5:],):
        with pytest.raises(SegmentError) as caught:
            decode_segment(bad)
        assert caught.value.code == "segment-version"
    with pytest.raises(SegmentError) as caught:
        encode_segment(msgspec.structs.replace(segment, header=msgspec.structs.replace(segment.header, version=2)))
    assert caught.value.code == "segment-version"
    with pytest.raises(SegmentError) as caught:
        decode_events(b"\x02" + encode_events(segment.events)[1:])
    assert caught.value.code == "segment-version"


@pytest.mark.parametrize("claimed", [None, 10**9, 2**62])
def test_bomb_is_refused_before_it_is_unpacked(claimed: int | None) -> None:
    zeros = bytes(1 << 20)
    if claimed is None:
        frame = zstandard.ZstdCompressor().compress(zeros)
    else:
        # A frame header (RFC 8878, 3.1.1.1) with an 8-byte content size that promises too much.
        frame = b"\x28\xb5\x2f\xfd\xe0" + claimed.to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(SegmentError) as caught:
        decode_segment(b"OVSG\x01\x01" + frame, max_bytes=1 << 19)
    assert caught.value.code == "segment-too-large"
    with pytest.raises(SegmentError) as caught:
        decode_segment(b"OVSG\x01\x00" + zeros, max_bytes=1 << 19)
    assert caught.value.code == "segment-too-large"


def test_frame_that_holds_more_than_it_says_is_refused() -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(1000)))
    honest = zstandard.frame_content_size(bytes(frame))
    at = bytes(frame).index((honest - 256).to_bytes(2, "little"))
    frame[at : at + 2] = (10).to_bytes(2, "little")
    with pytest.raises(SegmentError):
        columns.unpack(b"\x01" + bytes(frame), 1 << 20)


def test_every_truncation_is_refused(segment: SegmentContent) -> None:
    small = SegmentContent(segment.header, segment.events[:5], segment.masks, segment.findings)
    for data in (encode_segment(segment), encode_segment(small)):
        for end in range(len(data)):
            with pytest.raises(SegmentError):
                decode_segment(data[:end])
        with pytest.raises(SegmentError):
            decode_segment(data + b"\x00")


def test_every_truncation_inside_is_refused(segment: SegmentContent) -> None:
    """Cut before compression: the reader itself has to notice."""
    plain = columns.unpack(encode_segment(segment)[5:], 1 << 20)
    for end in range(len(plain)):
        with pytest.raises(SegmentError):
            decode_segment(b"OVSG\x01\x00" + plain[:end])
    with pytest.raises(SegmentError):
        decode_segment(b"OVSG\x01\x00" + plain + b"\x00")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_gives_segment_errors_only(data: st.DataObject) -> None:
    """Flip bytes of the plain form; what still decodes must be within the schema, and can be written again."""
    header = SegmentHeader(1, "s-1", 1, "p", "r", "e", "lsp", 1, 2, 3, 4)  # type: ignore[arg-type]
    start = CaptureStart("nvim", "1", "2", "utf-8")
    extra = [start, DocumentSave(DOCUMENT), SelectionChange(DOCUMENT, 900, 7), ViewportChange(DOCUMENT, 3, 9)]
    events = [*typing(20)]
    events += [Event(27 + at, 5, 6, Level.SHAPE, body) for at, body in enumerate(extra)]
    content = SegmentContent(header, tuple(events), (Mask(9, "inserted", 0, 1, 1),), (Finding(1, "pii", "email"),))
    plain = bytearray(columns.unpack(encode_segment(content)[5:], 1 << 20))
    for _ in range(data.draw(st.integers(1, 3))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    try:
        got = decode_segment(b"OVSG\x01\x00" + bytes(plain))
    except SegmentError:
        return
    assert msgspec.json.decode(msgspec.json.encode(got), type=SegmentContent) == got
    assert decode_segment(encode_segment(got)) == got


@settings(max_examples=100)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"OVSG", b"OVSG\x01", b"OVSG\x01\x00", b"OVSG\x01\x01\x28\xb5\x2f\xfd"]),
)
def test_random_bytes_give_segment_errors_only(tail: bytes, start: bytes) -> None:
    for decode in (decode_segment, decode_events):
        try:
            decode(start + tail)
        except SegmentError:
            continue


@given(st.binary(max_size=60))
def test_random_rows_give_segment_errors_only(tail: bytes) -> None:
    try:
        events = decode_events(b"\x01\x00" + tail)
    except SegmentError:
        return
    assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b"\x00\x02\x00\x03\x01\x02\x02\x04\x01", b"\x00\x02\x00\x03\x01\x02\x02\x03\x01"),
        (b"\x00\x02\x00\x03\x01\x02\x02\x04\x01", b"\x00\x02\x00\x03\x01\x02\x02\x00\x01"),
        (b"\x02\x01\x01\x00\x01p", b"\x02\x01\x02\x00\x01p"),
        (b"\x02\x01\x01\x00\x01p", b"\x02\x01\x00\x00\x01p"),
        (b"\x00\x02\x00\x03\x01\x02\x02\x04\x01", b"\x00\x02\x00\x03\x01\x04\x02\x04\x01"),
    ],
    ids=["text left over", "text too short", "name too short", "name left over", "name that is not there"],
)
def test_strings_that_do_not_add_up_are_refused(there: bytes, instead: bytes) -> None:
    data = encode_events([Event(0, 5, 0, Level.CONTENT, DocumentOpen(DOCUMENT, "p", "", "", "xyz"))])
    assert data.count(there) == 1
    bad = data.replace(there, instead)
    if instead[7:8] == b"\x00":
        # The length now comes from a column of its own, of one byte, before the two text parts.
        bad = bad.replace(b"\x03xyz\x00", b"\x01\x05\x03xyz\x00")
    with pytest.raises(SegmentError):
        decode_events(bad)


@pytest.mark.parametrize(
    "mask",
    [
        b"\x01\x01\x01\x00\x00\x00\x00",  # an index of -1
        b"\x00\x01\x01\x00\x00\x00",  # a field that is not there
        b"\x00\x00\x07" + b"\xff" * 7 + b"\x00\x00",  # an offset of 2^56 - 1
        b"\x00\x00\x00\x00\x08" + b"\xff" * 8,  # a width that is none
    ],
    ids=["index", "field", "offset", "width"],
)
def test_masks_outside_the_schema_are_refused(mask: bytes, segment: SegmentContent) -> None:
    empty = SegmentContent(segment.header, segment.events[:1])
    plain = columns.unpack(encode_segment(empty)[5:], 1 << 20)
    none, field = b"\x00\x01\x90\x01\x90", b"\x01\x06\x91\xa4text"
    assert plain.endswith(none)

    def with_masks(part: bytes) -> bytes:
        return b"OVSG\x01\x00" + plain[: -len(none)] + part + b"\x01\x90"

    assert decode_segment(with_masks(field + bytes(5))).masks == (Mask(0, "text", 0, 0, 0),)
    with pytest.raises(SegmentError):
        decode_segment(with_masks(field + mask))


@pytest.mark.parametrize(
    "content",
    [
        {"masks": (Mask(-1, "text", 0, 1, 1),)},
        {"masks": (Mask(0, "text", 0, MAX + 1, 1),)},
        {"masks": (Mask(0, "\ud800", 0, 1, 1),)},
        {"findings": (Finding(-1, "pii", "email"),)},
        {"findings": (Finding(1, "pii", "\ud800"),)},
    ],
)
def test_masks_and_findings_outside_the_schema_are_not_written(
    content: dict[str, tuple[Mask | Finding, ...]], segment: SegmentContent
) -> None:
    with pytest.raises(SegmentError):
        encode_segment(msgspec.structs.replace(segment, **content))
