"""Edits as columns: the fast way for what nearly all events are.

The same rows as for any kind (see ``body_columns``): three constants (origin, confidence, joined) and four numbers
(document, position, deleted, length of the inserted text), written out so that an edit costs about a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from event_model.body import MAX_COUNT
from event_model.body_columns import (
    EDIT,
    FLAGS,
    LEVELS,
    MAX_CONFIDENCE,
    ORIGINS,
    BodyReader,
    BodyWriter,
    one_of,
)
from event_model.columns import unzigzag
from event_model.errors import SegmentError
from event_model.events import Body, DocumentEdit, Event, Origin
from event_model.ids import DocumentId
from event_model.levels import Level

SMALL = 4
"""Numbers below this stand in the row: with more the table outgrows what it saves, with fewer the columns do."""


class EditWriter:
    """Gives each edit a code and collects the inserted texts."""

    __slots__ = ("_code_of", "_columns", "_known", "_style_row", "_styles", "_walk", "inserted")

    def __init__(self, walk: BodyWriter, columns: Sequence[list[int]], code_of: Callable[[bytes], int]) -> None:
        self._walk = walk
        self._columns = columns
        self._code_of = code_of
        self._known: dict[tuple[int, int, int, int, int], int] = {}
        self._styles: dict[bytes, int] = {}
        self._style_row = b""
        self.inserted: list[str] = []

    def codes(self, events: Sequence[Event]) -> list[int]:
        """Give the codes of a run of edits. SegmentError: if one holds what the schema excludes."""
        codes: list[int] = []
        walk, known, inserted = self._walk, self._known, self.inserted
        cursors = walk.cursors
        style = -1
        level = origin = confidence = joined = None
        for event in events:
            body = event.body
            assert type(body) is DocumentEdit
            # A run mostly has one style; comparing by identity is cheaper than hashing enums.
            if (
                body.origin is not origin
                or event.level is not level
                or body.confidence != confidence
                or body.joined is not joined
            ):
                level, origin, confidence, joined = event.level, body.origin, body.confidence, body.joined
                style = self._set_style(level, origin, confidence, joined)
            document, position, deleted, text = body.document, body.position, body.deleted, body.inserted
            if not (0 <= position <= MAX_COUNT and 0 <= deleted <= MAX_COUNT):
                raise SegmentError("a position outside the schema")
            step = 0 if document == walk.document else walk.step(document)
            jump = position - cursors.get(document, 0)
            jump = 2 * jump if jump >= 0 else -2 * jump - 1
            length = len(text)
            cursors[document] = position + length
            inserted.append(text)
            # A key of five small numbers, so that the dict stays small: what is not small is all one to it.
            if step < SMALL and jump < SMALL and deleted < SMALL and length < SMALL:
                key = style, step, jump, deleted, length
                code = known.get(key)
                if code is None:
                    code = known[key] = self._code(step, jump, deleted, length)
            else:
                code = self._code(step, jump, deleted, length)
            codes.append(code)
        return codes

    def _set_style(self, level: Level, origin: Origin, confidence: int, joined: bool) -> int:  # noqa: FBT001
        if not 0 <= confidence <= MAX_CONFIDENCE:
            raise SegmentError("a confidence outside 0 to 100")
        row = bytes((EDIT, LEVELS.index(level), ORIGINS.index(origin), confidence, FLAGS.index(joined)))
        self._style_row = row
        return self._styles.setdefault(row, len(self._styles))

    def _code(self, *numbers: int) -> int:
        for column, number in zip(self._columns, numbers, strict=True):
            if number >= SMALL:
                column.append(number)
        return self._code_of(self._style_row + bytes([number + 1 if number < SMALL else 0 for number in numbers]))


class EditReader:
    """Makes edits of rows, columns and the inserted texts."""

    __slots__ = ("_at", "_columns", "_rows", "_texts", "_walk")

    def __init__(self, walk: BodyReader, rows: Sequence[bytes], columns: Sequence[Iterator[int]], texts: str) -> None:
        self._walk = walk
        self._rows = [_parse_row(row) if row[0] == EDIT else None for row in rows]
        self._columns = columns
        self._texts = texts
        self._at = 0

    def bodies(self, codes: Sequence[int], other: Callable[[int], Body]) -> list[Body]:
        """Make the bodies of all events; ``other`` makes those that are no edits.

        SegmentError: if a position comes out outside the schema, or the texts have another length.
        """
        bodies: list[Body] = []
        walk, rows, texts = self._walk, self._rows, self._texts
        cursors = walk.cursors
        steps, jumps, deletions, lengths = self._columns
        at = 0
        for code in codes:
            row = rows[code]
            if row is None:
                bodies.append(other(code))
                continue
            step, jump, deleted, length, origin, confidence, joined = row
            if step is None:
                step = next(steps)
            document = walk.step(step) if step else DocumentId(walk.document)
            position = cursors.get(document, 0) + (unzigzag(next(jumps)) if jump is None else jump)
            if deleted is None:
                deleted = next(deletions)
            if length is None:
                length = next(lengths)
            if not (0 <= position <= MAX_COUNT and deleted <= MAX_COUNT):
                raise SegmentError("a position outside the schema")
            cursors[document] = position + length
            end = at + length
            bodies.append(DocumentEdit(document, position, deleted, texts[at:end], origin, confidence, joined))
            at = end
        # Slices past the end are silently short: only a sum that fits says that none was.
        if at != len(texts):
            raise SegmentError("inserted texts whose lengths don't add up")
        return bodies


_EditRow = tuple[int | None, int | None, int | None, int | None, Origin, int, bool]


def _parse_row(row: bytes) -> _EditRow:
    """Take an edit's row apart: each number that it says, or None where a column does."""
    _, _, origin, confidence, joined, step, jump, deleted, length = row
    if confidence > MAX_CONFIDENCE:
        raise SegmentError("a confidence above 100")
    return (
        step - 1 if step else None,
        unzigzag(jump - 1) if jump else None,
        deleted - 1 if deleted else None,
        length - 1 if length else None,
        one_of(ORIGINS, origin),
        confidence,
        one_of(FLAGS, joined),
    )
