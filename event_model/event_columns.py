"""Events as columns.

Each event becomes a code, its two times, and whatever the code does not say. A code names a row of a table that is
written first: the kind, level and other constants, and the event's numbers where they are small. Since numbers are
differences to what is likely, typing is one code repeated. docs/FORMAT.md gives the layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from operator import attrgetter

import msgspec

from event_model.body import MAX_COUNT
from event_model.body_columns import EDIT, KIND_OF, KINDS, LEVELS, BodyReader, BodyWriter, count, one_of
from event_model.columns import Reader, Writer, unzigzag, zigzag
from event_model.edit_columns import SMALL, EditReader, EditWriter
from event_model.errors import SegmentError
from event_model.events import Body, DocumentEdit, Event

MAX_EVENTS = 32_768
"""Events that go together: a seventh smaller than 8,192 at a time, and forgetting one rewrites them in 0.2 s."""

_MAX_NAMES = 4 * MAX_EVENTS
"""Distinct strings among them; an event has at most four."""

_INDEX, _WALL_MS, _DELTA_MS = attrgetter("index"), attrgetter("wall_ms"), attrgetter("delta_ms")

_HEAD = 2
"""A row starts with the kind and the level, one byte each."""


def write_events(writer: Writer, events: Sequence[Event]) -> None:
    """Write events.

    SegmentError: if there are more than ``MAX_EVENTS`` (code ``segment-too-large``), if their indexes have gaps, or
    if one holds what the schema excludes.
    """
    if len(events) > MAX_EVENTS:
        raise SegmentError(f"at most {MAX_EVENTS} events go together", code="segment-too-large")
    writer.number(len(events))
    if not events:
        return
    _write_times(writer, events)
    table = _Table()
    codes = table.codes(events)
    names = list(table.walk.names)
    writer.number(len(names))
    writer.column(list(map(len, names)))
    writer.texts(names)
    writer.raw(b"".join(table.rows))
    writer.column(codes)
    for columns in table.columns:
        for column in columns:
            if column:
                writer.column(column)
    writer.texts(table.walk.texts)
    writer.texts(table.edits.inserted)


class EventColumns(msgspec.Struct, frozen=True, gc=False):
    """Events as they are written: whoever reads many at once makes what it needs of the columns themselves.

    ``codes`` names a row for each event, ``rows`` say what the codes mean. ``columns`` holds the numbers that the rows
    don't say, by kind; ``texts`` belong to bodies that are no edits, ``inserted`` to the edits.
    """

    first: int
    walls: Sequence[int]
    deltas: Sequence[int]
    names: Sequence[str]
    rows: Sequence[bytes]
    codes: Sequence[int]
    columns: Sequence[Sequence[Sequence[int]]]
    texts: str
    inserted: str


def read_columns(reader: Reader) -> EventColumns:
    """Read what ``write_events`` wrote, as columns. SegmentError: if they are malformed; bodies are not looked at."""
    events = reader.number(MAX_EVENTS)
    if not events:
        return EventColumns(0, (), (), (), (), (), [[()] * kind.numbers for kind in KINDS], "", "")
    first, walls, deltas = _read_times(reader, events)
    name_lengths = reader.column(reader.number(_MAX_NAMES))
    names = _cut(reader.texts(), name_lengths)
    rows = _parse_rows(reader.raw())
    codes = reader.column(events)
    if max(codes) >= len(rows):
        raise SegmentError("a code that names no row")
    columns = _read_numbers(reader, rows, codes)
    return EventColumns(first, walls, deltas, names, rows, codes, columns, reader.texts(), reader.texts())


def make_events(parts: EventColumns) -> tuple[Event, ...]:
    """Make events of their columns. SegmentError: if a body is malformed."""
    rows, codes = parts.rows, parts.codes
    walk = BodyReader(parts.names, parts.texts)
    columns = [[iter(column) for column in kind] for kind in parts.columns]

    def other(code: int) -> Body:
        return read_body(rows[code], columns, walk)

    bodies = EditReader(walk, rows, columns[EDIT], parts.inserted).bodies(codes, other) if codes else []
    walk.end()
    levels = [LEVELS[row[1]] for row in rows]
    indexes = range(parts.first, parts.first + len(codes))
    return tuple(
        [
            Event(index, wall, delta, levels[code], body)
            for index, wall, delta, code, body in zip(indexes, parts.walls, parts.deltas, codes, bodies, strict=True)
        ]
    )


def read_events(reader: Reader) -> tuple[Event, ...]:
    """Read what ``write_events`` wrote. SegmentError: if it is malformed."""
    return make_events(read_columns(reader))


class _Table:
    """The rows that codes name, and the columns of the numbers that rows don't say."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.columns: list[list[list[int]]] = [[[] for _ in range(kind.numbers)] for kind in KINDS]
        self.walk = BodyWriter()
        self.edits = EditWriter(self.walk, self.columns[EDIT], self._code_of)

    def codes(self, events: Sequence[Event]) -> list[int]:
        """Give each event its code."""
        codes: list[int] = []
        for are_edits, run in groupby(events, lambda event: type(event.body) is DocumentEdit):
            if are_edits:
                codes.extend(self.edits.codes(list(run)))
            else:
                codes.extend(map(self._code, run))
        return codes

    def _code_of(self, row: bytes) -> int:
        return self.rows.setdefault(row, len(self.rows))

    def _code(self, event: Event) -> int:
        kind = KIND_OF[type(event.body)]
        row = KINDS[kind].put(self.walk, event.body)
        constants, numbers = row[: KINDS[kind].constants], row[KINDS[kind].constants :]
        for column, number in zip(self.columns[kind], numbers, strict=True):
            if number >= SMALL:
                column.append(number)
        smalls = [number + 1 if number < SMALL else 0 for number in numbers]
        return self._code_of(bytes((kind, LEVELS.index(event.level), *constants, *smalls)))


def _write_times(writer: Writer, events: Sequence[Event]) -> None:
    first = count(events[0].index)
    if list(map(_INDEX, events)) != list(range(first, first + len(events))):
        raise SegmentError("events whose indexes have gaps")
    walls = list(map(_WALL_MS, events))
    deltas = list(map(_DELTA_MS, events))
    _check_times(walls, deltas)
    writer.number(first)
    writer.number(walls[0])
    writer.column(deltas)
    # The wall clock mostly goes as the monotonic one does: what is written is by how much it does not.
    drifts = [after - before - delta for before, after, delta in zip(walls, walls[1:], deltas[1:], strict=False)]
    if any(drifts):
        writer.column(list(map(zigzag, drifts)))
    else:
        writer.zeros(len(drifts))


def _read_times(reader: Reader, events: int) -> tuple[int, list[int], Sequence[int]]:
    first, wall = reader.number(MAX_COUNT - events), reader.number(MAX_COUNT)
    deltas = reader.column(events)
    drifts = reader.column(events - 1)
    steps = [delta + unzigzag(drift) for delta, drift in zip(deltas[1:], drifts, strict=True)]
    walls = list(accumulate(steps, initial=wall))
    _check_times(walls, deltas)
    return first, walls, deltas


def _check_times(walls: Sequence[int], deltas: Sequence[int]) -> None:
    if min(walls) < 0 or min(deltas) < 0 or max(walls) > MAX_COUNT or max(deltas) > MAX_COUNT:
        raise SegmentError("a time outside the schema")


def _cut(text: str, lengths: Sequence[int]) -> list[str]:
    ends = list(accumulate(lengths, initial=0))
    if ends[-1] != len(text):
        raise SegmentError("texts whose lengths don't add up")
    return [text[start:end] for start, end in pairwise(ends)]


def _parse_rows(data: bytes) -> list[bytes]:
    """Cut the table into rows; how long each is follows from its kind."""
    rows: list[bytes] = []
    at = 0
    while at < len(data):
        kind = one_of(KINDS, data[at])
        row = data[at : at + _HEAD + kind.constants + kind.numbers]
        if len(row) < _HEAD + kind.constants + kind.numbers or len(rows) == MAX_EVENTS:
            raise SegmentError("a table that is cut short or too long")
        one_of(LEVELS, row[1])
        if any(small > SMALL for small in row[_HEAD + kind.constants :]):
            raise SegmentError("a row with a number that is not small")
        rows.append(row)
        at += len(row)
    return rows


def _read_numbers(reader: Reader, rows: Sequence[bytes], codes: Sequence[int]) -> list[list[Sequence[int]]]:
    """Read the columns of all kinds; how long each is follows from how often each row is named."""
    uses = Counter(codes)
    lengths = [[0] * kind.numbers for kind in KINDS]
    for code, row in enumerate(rows):
        kind = row[0]
        for slot, small in enumerate(row[_HEAD + KINDS[kind].constants :]):
            if not small:
                lengths[kind][slot] += uses[code]
    return [[reader.column(length) if length else () for length in kind] for kind in lengths]


def read_body(row: bytes, columns: Sequence[Sequence[Iterator[int]]], walk: BodyReader) -> Body:
    """Make the next body that is no edit, of its row and the columns' next numbers. SegmentError: if it can't be."""
    kind = KINDS[row[0]]
    smalls = row[_HEAD + kind.constants :]
    numbers = [small - 1 if small else next(column) for small, column in zip(smalls, columns[row[0]], strict=True)]
    return kind.get(walk, (*row[_HEAD : _HEAD + kind.constants], *numbers))
