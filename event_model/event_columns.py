"""Events as columns.

Each event becomes a code, its two times, and whatever the code does not say. A code names a row of a table that is
written first: the kind, level and other constants, and the event's numbers where they are small. Numbers are
differences to what is likely (an edit where the last one of its document ended, one character inserted), so that
typing is one code repeated. docs/FORMAT.md gives the layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from event_model.columns import Reader, Writer, unzigzag, zigzag
from event_model.errors import SegmentError
from event_model.events import (
    BODY_TYPES,
    Body,
    CaptureGap,
    CapturePause,
    CaptureResume,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    Event,
    GapReason,
    Origin,
    SelectionCause,
    SelectionChange,
    ViewportChange,
)
from event_model.ids import DocumentId
from event_model.levels import Level

MAX_EVENTS = 8192
"""Events in one segment: enough that the header and the sealing cost little, few enough to forget and resend cheaply."""

MAX_COUNT = (1 << 53) - 1
"""The largest count of the schema: what JSON readers keep exact."""

MAX_NAMES = 5 * MAX_EVENTS
"""Distinct strings in one segment; an event has at most four."""

# The order of these is part of the format: new ones are added at the end.
_LEVELS = (Level.RHYTHM, Level.SHAPE, Level.CONTENT)
_ORIGINS = (
    Origin.UNKNOWN,
    Origin.TYPED,
    Origin.PASTED,
    Origin.COMPLETION,
    Origin.AGENT,
    Origin.FORMATTER,
    Origin.UNDO,
    Origin.REDO,
    Origin.EXTERNAL,
)
_CAUSES = (SelectionCause.UNKNOWN, SelectionCause.KEYBOARD, SelectionCause.MOUSE, SelectionCause.COMMAND)
_REASONS = tuple(GapReason)

_SMALL = 3
"""Numbers below this stand in the table; with more, the table outgrows what it saves."""


class _State:
    """What encoder and decoder both know after each event: the ground that differences are taken from."""

    __slots__ = ("cursors", "document", "names", "texts", "tops")

    def __init__(self) -> None:
        self.document = 0
        self.cursors: dict[int, int] = {}
        """Where the next edit of a document is likely."""
        self.tops: dict[int, int] = {}
        """The first line in view of a document."""
        self.names: dict[str, int] = {}
        self.texts: list[str] = []

    def of_document(self, document: int) -> int:
        """Note the event's document; give the difference to the one before."""
        _count(document)
        self.cursors.setdefault(document, 0)
        difference = zigzag(document - self.document)
        self.document = document
        return difference

    def name(self, name: str) -> int:
        """Number a string that is likely to come again."""
        return self.names.setdefault(name, len(self.names))


class _Source:
    """The strings of a segment, as the decoder takes them."""

    __slots__ = ("_at", "_names", "_texts", "state")

    def __init__(self, state: _State, names: Sequence[str], texts: str) -> None:
        self.state = state
        self._names = names
        self._texts = texts
        self._at = 0

    def document(self, difference: int) -> DocumentId:
        """Undo ``_State.of_document``."""
        state = self.state
        state.document = _count(state.document + unzigzag(difference))
        state.cursors.setdefault(state.document, 0)
        return DocumentId(state.document)

    def name(self, number: int) -> str:
        """Undo ``_State.name``."""
        if number >= len(self._names):
            raise SegmentError("a string that is not there")
        return self._names[number]

    def text(self, length: int) -> str:
        """Take the next text."""
        start = self._at
        self._at += length
        if self._at > len(self._texts):
            raise SegmentError("a text that is cut short")
        return self._texts[start : self._at]

    def end(self) -> None:
        """Check that every text was taken."""
        if self._at != len(self._texts):
            raise SegmentError("a text that belongs to no event")


def _count(value: int) -> int:
    if not 0 <= value <= MAX_COUNT:
        raise SegmentError("a count outside 0 to 2^53 - 1")
    return value


def _one_of(values: Sequence[Any], index: int) -> Any:
    if index >= len(values):
        raise SegmentError("a value that this version does not know")
    return values[index]


_Row = tuple[tuple[int, ...], tuple[int, ...]]
"""Constants, each below 256, and numbers."""


def _put_open(state: _State, body: DocumentOpen) -> _Row:
    known = body.continues is not None
    document = state.of_document(body.document)
    state.texts.append(body.text)
    return (known,), (
        document,
        state.name(body.path),
        state.name(body.workspace),
        state.name(body.language),
        len(body.text),
        body.continues or 0,
    )


def _get_open(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    document, path, workspace, language, length, continues = numbers
    return DocumentOpen(
        source.document(document),
        source.name(path),
        source.name(workspace),
        source.name(language),
        source.text(length),
        DocumentId(_count(continues)) if _one_of((False, True), constants[0]) else None,
    )


def _put_save(state: _State, body: DocumentSave | DocumentClose) -> _Row:
    return (), (state.of_document(body.document),)


def _get_save(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    return DocumentSave(source.document(numbers[0]))


def _get_close(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    return DocumentClose(source.document(numbers[0]))


def _put_selection(state: _State, body: SelectionChange) -> _Row:
    document = state.of_document(body.document)
    anchor, active = _count(body.anchor), _count(body.active)
    residual = zigzag(active - state.cursors[body.document])
    state.cursors[body.document] = min(anchor, active)
    numbers = document, residual, zigzag(anchor - active), _count(body.count)
    return (_CAUSES.index(body.cause),), numbers


def _get_selection(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    document = source.document(numbers[0])
    active = _count(source.state.cursors[document] + unzigzag(numbers[1]))
    anchor = _count(active + unzigzag(numbers[2]))
    source.state.cursors[document] = min(anchor, active)
    return SelectionChange(document, anchor, active, _count(numbers[3]), _one_of(_CAUSES, constants[0]))


def _put_viewport(state: _State, body: ViewportChange) -> _Row:
    document = state.of_document(body.document)
    first, last = _count(body.first_line), _count(body.last_line)
    residual = zigzag(first - state.tops.get(body.document, 0))
    state.tops[body.document] = first
    return (), (document, residual, zigzag(last - first))


def _get_viewport(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    document = source.document(numbers[0])
    first = _count(source.state.tops.get(document, 0) + unzigzag(numbers[1]))
    source.state.tops[document] = first
    return ViewportChange(document, first, _count(first + unzigzag(numbers[2])))


def _put_focus(state: _State, body: EditorFocus) -> _Row:
    return (body.focused,), ()


def _get_focus(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    return EditorFocus(_one_of((False, True), constants[0]))


def _put_command(state: _State, body: CommandRun) -> _Row:
    return (), (state.name(body.command),)


def _get_command(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    return CommandRun(source.name(numbers[0]))


def _put_accept(state: _State, body: CompletionAccept) -> _Row:
    return (), (state.of_document(body.document), _count(body.length))


def _get_accept(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    return CompletionAccept(source.document(numbers[0]), _count(numbers[1]))


def _put_start(state: _State, body: CaptureStart) -> _Row:
    return (), (
        state.name(body.client),
        state.name(body.client_version),
        state.name(body.collector_version),
        state.name(body.position_encoding),
    )


def _get_start(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    client, client_version, collector_version, encoding = map(source.name, numbers)
    return CaptureStart(client, client_version, collector_version, encoding)


def _put_plain(state: _State, body: Body) -> _Row:
    return (), ()


def _put_gap(state: _State, body: CaptureGap) -> _Row:
    known = body.document is not None
    document = state.of_document(body.document) if body.document is not None else 0
    return (_REASONS.index(body.reason), known), (_count(body.count), document)


def _get_gap(source: _Source, constants: bytes, numbers: Sequence[int]) -> Body:
    document = source.document(numbers[1]) if _one_of((False, True), constants[1]) else None
    return CaptureGap(_count(numbers[0]), _one_of(_REASONS, constants[0]), document)


# For each kind, in the order of BODY_TYPES: how many constants and numbers a row has, and how they are made and read.
# Edits are by far the most frequent and have code of their own in the two loops below.
_KINDS: tuple[tuple[int, int, Callable[..., _Row] | None, Callable[..., Body] | None], ...] = (
    (1, 6, _put_open, _get_open),
    (3, 4, None, None),
    (0, 1, _put_save, _get_save),
    (0, 1, _put_save, _get_close),
    (1, 4, _put_selection, _get_selection),
    (0, 3, _put_viewport, _get_viewport),
    (1, 0, _put_focus, _get_focus),
    (0, 1, _put_command, _get_command),
    (0, 2, _put_accept, _get_accept),
    (0, 4, _put_start, _get_start),
    (0, 0, _put_plain, lambda *_: CapturePause()),
    (0, 0, _put_plain, lambda *_: CaptureResume()),
    (2, 2, _put_gap, _get_gap),
)
_EDIT = BODY_TYPES.index(DocumentEdit)
_KIND_OF: dict[type, int] = {body_type: kind for kind, body_type in enumerate(BODY_TYPES)}


class _Table:
    """The rows that codes name, and the columns of the numbers that rows don't say."""

    def __init__(self) -> None:
        self.codes: dict[bytes, int] = {}
        self.columns = [[[] for _ in range(numbers)] for _, numbers, _, _ in _KINDS]  # type: list[list[list[int]]]

    def code(self, row: bytes) -> int:
        """Give a row's code."""
        return self.codes.setdefault(row, len(self.codes))

    def put(self, kind: int, level: Level, row: _Row) -> int:
        """Give the code of an event, and keep what it doesn't say."""
        constants, numbers = row
        smalls = bytes(number + 1 if number < _SMALL else 0 for number in numbers)
        for column, number in zip(self.columns[kind], numbers, strict=True):
            if number >= _SMALL:
                column.append(number)
        return self.code(bytes((kind, _LEVELS.index(level), *constants)) + smalls)


def write_events(writer: Writer, events: Sequence[Event]) -> None:
    """Write events. SegmentError: if their indexes have gaps, or one holds what the schema excludes."""
    if len(events) > MAX_EVENTS:
        raise SegmentError(f"at most {MAX_EVENTS} events go together", code="segment-too-large")
    writer.number(len(events))
    if not events:
        return
    _write_times(writer, events)
    state, table = _State(), _Table()
    codes, inserted = _code_events(events, state, table)
    names = list(state.names)
    writer.number(len(names))
    writer.column(list(map(len, names)))
    writer.texts(names)
    writer.number(len(table.codes))
    writer.raw(b"".join(table.codes))
    writer.column(codes)
    for columns in table.columns:
        for column in columns:
            writer.column(column)
    writer.texts(state.texts)
    writer.texts(inserted)


def _write_times(writer: Writer, events: Sequence[Event]) -> None:
    first = events[0].index
    if [event.index for event in events] != list(range(first, first + len(events))):
        raise SegmentError("events whose indexes have gaps")
    walls = [event.wall_ms for event in events]
    deltas = [event.delta_ms for event in events]
    if max(walls) > MAX_COUNT or min(walls) < 0 or max(deltas) > MAX_COUNT or min(deltas) < 0:
        raise SegmentError("a time outside the schema")
    drifts = [wall - before - delta for wall, before, delta in zip(walls[1:], walls, deltas[1:], strict=False)]
    writer.number(_count(first))
    writer.number(walls[0])
    writer.column(deltas)
    writer.column(list(map(zigzag, drifts)) if any(drifts) else bytes(len(drifts)))


def _code_events(events: Sequence[Event], state: _State, table: _Table) -> tuple[list[int], list[str]]:
    """Give each event its code; and the inserted texts."""
    codes: list[int] = []
    inserted: list[str] = []
    known: dict[tuple[int, int, int, int, int], int] = {}
    styles: dict[bytes, int] = {}
    style_row, style = b"", -1
    level = origin = confidence = joined = None
    cursors = state.cursors
    documents, positions, lengths_deleted, lengths = table.columns[_EDIT]
    for event in events:
        body = event.body
        if type(body) is not DocumentEdit:
            kind = _KIND_OF[type(body)]
            put = _KINDS[kind][2]
            assert put is not None
            codes.append(table.put(kind, event.level, put(state, body)))
            continue
        # A run of edits mostly has one style; comparing by identity is cheaper than hashing four values.
        if (
            body.origin is not origin
            or event.level is not level
            or body.confidence != confidence
            or body.joined is not joined
        ):
            level, origin, confidence, joined = event.level, body.origin, body.confidence, body.joined
            style_row = bytes((_EDIT, _LEVELS.index(level), _ORIGINS.index(origin), confidence, joined))
            style = styles.setdefault(style_row, len(styles))
        document = body.document
        difference = 0 if document == state.document else state.of_document(document)
        position = body.position
        residual = position - cursors[document]
        residual = 2 * residual if residual >= 0 else -2 * residual - 1
        deleted = body.deleted
        if not (0 <= position <= MAX_COUNT and 0 <= deleted <= MAX_COUNT):
            raise SegmentError("a position outside the schema")
        text = body.inserted
        length = len(text)
        cursors[document] = position + length
        if length:
            inserted.append(text)
        small = difference, residual, deleted, length
        if difference >= _SMALL:
            documents.append(difference)
            difference = _SMALL
        if residual >= _SMALL:
            positions.append(residual)
            residual = _SMALL
        if deleted >= _SMALL:
            lengths_deleted.append(deleted)
            deleted = _SMALL
        if length >= _SMALL:
            lengths.append(length)
            length = _SMALL
        key = style, difference, residual, deleted, length
        code = known.get(key)
        if code is None:
            smalls = bytes(0 if number >= _SMALL else number + 1 for number in small)
            code = known[key] = table.code(style_row + smalls)
        codes.append(code)
    return codes, inserted


def read_events(reader: Reader) -> tuple[Event, ...]:
    """Read what ``write_events`` wrote. SegmentError: if it is malformed."""
    count = reader.number(MAX_EVENTS)
    if not count:
        return ()
    index, wall = reader.number(MAX_COUNT), reader.number(MAX_COUNT)
    deltas = reader.column(count)
    drifts = reader.column(count - 1)
    name_count = reader.number(MAX_NAMES)
    name_lengths = reader.column(name_count)
    names = _cut(reader.texts(), name_lengths)
    rows = _read_rows(reader)
    codes = reader.column(count)
    if max(codes) >= len(rows):
        raise SegmentError("a code that names no row")
    columns = _read_columns(reader, rows, codes)
    source = _Source(_State(), names, reader.texts())
    bodies = _decode_bodies(rows, codes, columns, source, reader.texts())
    source.end()
    # The first event's time stands apart: its delta is to an event outside.
    walls = _walls(wall, deltas, drifts)
    levels = [_LEVELS[row[1]] for row in rows]
    return tuple(
        [
            Event(number, moment, delta, levels[code], body)
            for number, moment, delta, code, body in zip(
                range(index, index + count), walls, deltas, codes, bodies, strict=True
            )
        ]
    )


def _walls(first: int, deltas: Sequence[int], drifts: Sequence[int]) -> list[int]:
    if any(drifts):
        steps = [delta + unzigzag(drift) for delta, drift in zip(deltas[1:], drifts, strict=True)]
    else:
        steps = list(deltas[1:])
    walls = list(accumulate(steps, initial=first))
    if min(walls) < 0 or max(walls) > MAX_COUNT or max(deltas) > MAX_COUNT:
        raise SegmentError("a time outside the schema")
    return walls


def _cut(text: str, lengths: Sequence[int]) -> list[str]:
    ends = list(accumulate(lengths, initial=0))
    if ends[-1] != len(text):
        raise SegmentError("texts whose lengths don't add up")
    return [text[start:end] for start, end in pairwise(ends)]


def _read_rows(reader: Reader) -> list[bytes]:
    count = reader.number(MAX_EVENTS)
    data = reader.raw()
    rows: list[bytes] = []
    at = 0
    while at < len(data):
        kind = data[at]
        constants, numbers, _, _ = _one_of(_KINDS, kind)
        row = data[at : at + 2 + constants + numbers]
        at += 2 + constants + numbers
        if at > len(data):
            raise SegmentError("a table that is cut short")
        _one_of(_LEVELS, row[1])
        if any(number > _SMALL for number in row[2 + constants :]):
            raise SegmentError("a table with a number that is not small")
        rows.append(row)
    if len(rows) != count:
        raise SegmentError("a table with too few or too many rows")
    return rows


def _read_columns(reader: Reader, rows: Sequence[bytes], codes: Sequence[int]) -> list[list[Iterator[int]]]:
    """Read all number columns; how long each is follows from how often each row is named."""
    uses = Counter(codes)
    columns: list[list[Iterator[int]]] = []
    for kind, (constants, numbers, _, _) in enumerate(_KINDS):
        mine = [(row[2 + constants :], uses[code]) for code, row in enumerate(rows) if row[0] == kind]
        columns.append(
            [iter(reader.column(sum(times for smalls, times in mine if not smalls[slot]))) for slot in range(numbers)]
        )
    return columns


def _decode_bodies(
    rows: Sequence[bytes],
    codes: Sequence[int],
    columns: Sequence[Sequence[Iterator[int]]],
    source: _Source,
    inserted: str,
) -> list[Body]:
    bodies: list[Body] = []
    state = source.state
    cursors = state.cursors
    edits = [_edit_row(row) if row[0] == _EDIT else None for row in rows]
    documents, positions, lengths_deleted, lengths = columns[_EDIT]
    at = 0
    for code in codes:
        edit = edits[code]
        if edit is None:
            bodies.append(_decode_body(rows[code], columns, source))
            continue
        difference, residual, deleted, length, origin, confidence, joined = edit
        if difference:
            document = source.document(difference if difference > 0 else next(documents))
        else:
            document = DocumentId(state.document)
        if residual is None:
            residual = unzigzag(next(positions))
        position = cursors.get(document, 0) + residual
        if deleted is None:
            deleted = next(lengths_deleted)
        if length is None:
            length = next(lengths)
        if not (0 <= position <= MAX_COUNT and deleted <= MAX_COUNT):
            raise SegmentError("a position outside the schema")
        cursors[document] = position + length
        end = at + length
        bodies.append(DocumentEdit(document, position, deleted, inserted[at:end], origin, confidence, joined))
        at = end
    if at != len(inserted):
        raise SegmentError("inserted texts whose lengths don't add up")
    return bodies


def _edit_row(row: bytes) -> tuple[int, int | None, int | None, int | None, Origin, int, bool]:
    """Take an edit's row apart: the numbers it says, or None (-1 for the document) where a column does."""
    _, _, origin, confidence, joined, difference, residual, deleted, length = row
    if confidence > 100:
        raise SegmentError("a confidence above 100")
    return (
        difference - 1,
        unzigzag(residual - 1) if residual else None,
        deleted - 1 if deleted else None,
        length - 1 if length else None,
        _one_of(_ORIGINS, origin),
        confidence,
        _one_of((False, True), joined),
    )


def _decode_body(row: bytes, columns: Sequence[Sequence[Iterator[int]]], source: _Source) -> Body:
    kind = row[0]
    constants, _, _, get = _KINDS[kind]
    assert get is not None
    numbers = [
        small - 1 if small else next(column) for small, column in zip(row[2 + constants :], columns[kind], strict=True)
    ]
    return get(source, row[2 : 2 + constants], numbers)
