"""Events as arrays: edits in columns of numbers, as the tables want them, and everything else as bodies. Pure.

Nearly all events are edits, and a dataset has billions: no object is made for any of them. ``event_model`` reads the
same bytes to events one by one; both give the same, and refuse the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from event_model.body import MAX_COUNT
from event_model.body_columns import EDIT, LEVELS, ORIGINS, BodyReader
from event_model.columns import MAX_UNPACKED_BYTES, Reader, Writer, unpack
from event_model.edit_columns import EditRow, parse_edit_row
from event_model.errors import SegmentError
from event_model.event_columns import EventColumns, make_events, read_body, read_columns, write_events
from event_model.events import Body, Event

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

ORIGIN_NAMES = tuple(origin.value for origin in ORIGINS)
LEVEL_NAMES = tuple(level.value for level in LEVELS)

_LEVEL = 1
"""zstd's level for bytes that are read back at once."""

_STEP, _JUMP, _DELETED, _LENGTH = range(4)
"""The numbers of an edit's row, in the order of the format."""


class EventArrays:
    """Consecutive events of a session.

    Of all events: ``walls`` and ``deltas`` (ms), ``levels`` (places in ``LEVELS``), ``kinds`` (places in ``KINDS``). Of
    edits: ``at`` (which event each is, from 0), ``document``, ``position``, ``deleted`` and ``length`` (code points),
    ``origin`` (a place in ``ORIGINS``), ``confidence`` (percent), ``joined``; ``text`` is what they all put in, and
    ``ends`` where each one's ends in it. ``others`` are the bodies of all other events, with which event each is.
    """

    def __init__(self, columns: EventColumns) -> None:
        """SegmentError: if a body is malformed."""
        self._columns = columns
        rows = columns.rows
        codes = _numbers(columns.codes)
        self.first_index = columns.first
        self.walls = _numbers(columns.walls)
        self.deltas = _numbers(columns.deltas)
        self.kinds = _of_codes([row[0] for row in rows], codes)
        self.levels = _of_codes([row[1] for row in rows], codes)
        self.at: Int64s = np.flatnonzero(self.kinds == EDIT)
        self.text = columns.inserted
        edit_rows = [parse_edit_row(row) if row[0] == EDIT else None for row in rows]
        of_edits = codes[self.at]
        numbers = [_filled(edit_rows, place, of_edits, columns.columns[EDIT][place]) for place in range(4)]
        self.deleted, self.length = numbers[_DELETED], numbers[_LENGTH]
        self.ends: Int64s = np.cumsum(self.length)
        constants = [(0, 0, 0) if row is None else (ORIGINS.index(row[4]), row[5], int(row[6])) for row in edit_rows]
        self.origin, self.confidence, self.joined = (
            _of_codes([row[place] for row in constants], of_edits) for place in range(3)
        )
        if self.text or len(self.at):
            self._check_texts()
        self.others: list[tuple[int, Body]] = []
        self.document, self.position = self._walk(numbers[_STEP], numbers[_JUMP])

    def __len__(self) -> int:
        return len(self.walls)

    @property
    def indexes(self) -> range:
        """The events' places in the session."""
        return range(self.first_index, self.first_index + len(self))

    def events(self) -> tuple[Event, ...]:
        """Give the events one by one."""
        return make_events(self._columns)

    def _check_texts(self) -> None:
        """The lengths must add up to the text; each is checked first, so that no sum can overflow."""
        size = len(self.text)
        fits = len(self.at) and int(self.length.max()) <= size and int(self.ends[-1]) == size
        if not fits or int(self.deleted.max()) > MAX_COUNT:
            raise SegmentError("inserted texts whose lengths don't add up, or a deletion outside the schema")

    def _walk(self, step: Int64s, jump: Int64s) -> tuple[Int64s, Int64s]:
        """Follow the documents' cursors; makes ``others``, and gives each edit's document and position.

        In a run of edits of one document, a position is the cursor at its begin, what the edits before moved it by, and
        the edit's own jump. Sums may wrap around: the first position that lies outside the schema is exact all the
        same, as everything before it was inside, and it is refused.
        """
        moved = np.cumsum(jump + self.length)
        before = moved - jump - self.length
        begins = self._runs(step)
        ends = np.append(begins, len(self.at))[1:]
        shifts = (moved[ends - 1] - before[begins]).tolist()
        walk = BodyReader(self._columns.names, self._columns.texts)
        columns = [[iter(column) for column in kind] for kind in self._columns.columns]
        rows, codes = self._columns.rows, self._columns.codes
        documents: list[int] = []
        cursors: list[int] = []
        others = iter(np.flatnonzero(self.kinds != EDIT).tolist())
        other = next(others, None)
        for at, first_step, shift in zip(self.at[begins].tolist(), step[begins].tolist(), shifts, strict=True):
            while other is not None and other < at:
                self.others.append((other, read_body(rows[codes[other]], columns, walk)))
                other = next(others, None)
            document = walk.step(first_step) if first_step else walk.document
            cursor = walk.cursors.get(document, 0)
            documents.append(document)
            cursors.append(cursor if -MAX_COUNT <= cursor <= 2 * MAX_COUNT else -1)
            walk.cursors[document] = cursor + shift
        while other is not None:
            self.others.append((other, read_body(rows[codes[other]], columns, walk)))
            other = next(others, None)
        walk.end()
        sizes = ends - begins
        position = np.repeat(_numbers(cursors) - before[begins], sizes) + before + jump
        if len(position) and not 0 <= int(position.min()) <= int(position.max()) <= MAX_COUNT:
            raise SegmentError("a position outside the schema")
        return np.repeat(_numbers(documents), sizes), position

    def _runs(self, step: Int64s) -> Int64s:
        """Give the edits that do not follow on another edit of their document directly."""
        if not len(self.at):
            return self.at
        fresh = step != 0
        fresh[1:] |= np.diff(self.at) != 1
        fresh[0] = True
        return np.flatnonzero(fresh)


def arrays_of(events: Sequence[Event]) -> EventArrays:
    """Make arrays of events whose indexes follow one another. SegmentError: if one is outside the schema."""
    writer = Writer()
    write_events(writer, events)
    return EventArrays(read_columns(Reader(unpack(writer.pack(_LEVEL), MAX_UNPACKED_BYTES))))


def _numbers(values: Sequence[int]) -> Int64s:
    """Give numbers as an array; one-byte columns come as bytes."""
    if isinstance(values, bytes):
        return np.frombuffer(values, np.uint8).astype(np.int64)
    return np.array(values, np.int64)


def _of_codes(values: Sequence[int], codes: Int64s) -> Int64s:
    """Give each event what its code's row says."""
    return np.array(values, np.int64)[codes] if len(codes) else np.zeros(0, np.int64)


def _filled(rows: Sequence[EditRow | None], place: int, codes: Int64s, column: Sequence[int]) -> Int64s:
    """Give each edit a number: its row's, or the column's next where the row does not say it."""
    said = [None if row is None else row[:4][place] for row in rows]
    values = _of_codes([number or 0 for number in said], codes)
    if column:
        more = _numbers(column)
        values[_of_codes([number is None for number in said], codes) != 0] = _unfolded(more) if place == _JUMP else more
    return values


def _unfolded(values: Int64s) -> Int64s:
    """Undo ``zigzag``."""
    return (values >> 1) ^ -(values & 1)
