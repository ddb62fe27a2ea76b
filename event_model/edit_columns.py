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
from event_model.columns import unzigzag, zigzag
from event_model.errors import SegmentError
from event_model.events import Body, DocumentEdit, Event, Origin
from event_model.ids import DocumentId
from event_model.levels import Level

SMALL = 4
"""Numbers below this stand in the row: with more the table outgrows what it saves, with fewer the columns do."""


class EditWriter:
    """Gives each edit a code and collects the inserted texts."""

    __slots__ = ("_code_of", "_columns", "_known", "_style_row", "_walk", "inserted")

    def __init__(self, walk: BodyWriter, columns: Sequence[list[int]], code_of: Callable[[bytes], int]) -> None:
        self._walk = walk
        self._columns = columns
        self._code_of = code_of
        self._known: dict[bytes, dict[tuple[int, int, int], int]] = {}
        self._style_row = b""
        self.inserted: list[str] = []

    def codes(self, events: Sequence[Event]) -> list[int]:
        """Give the codes of a run of edits. SegmentError: if one holds what the schema excludes."""
        codes: list[int] = []
        append, take = codes.append, self.inserted.append
        walk = self._walk
        level = origin = confidence = joined = None
        known: dict[tuple[int, int, int], int] = {}
        document = walk.document
        cursor = walk.cursors.get(document, 0)
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
                known = self._set_style(level, origin, confidence, joined)
            position, deleted, text = body.position, body.deleted, body.inserted
            if not 0 <= position <= MAX_COUNT:
                raise SegmentError("a position outside the schema")
            length = len(text)
            take(text)
            if body.document == document:
                code = known.get((position - cursor, deleted, length))
                if code is None:
                    code = self._code(known, 0, position - cursor, deleted, length)
            else:
                walk.cursors[document] = cursor
                document = body.document
                step = walk.step(document)
                # What another document's edit looks like comes once in a while: it is not looked up by its numbers.
                code = self._code({}, step, position - walk.cursors[document], deleted, length)
            cursor = position + length
            append(code)
        walk.cursors[document] = cursor
        return codes

    def _set_style(
        self,
        level: Level,
        origin: Origin,
        confidence: int,
        joined: bool,  # noqa: FBT001
    ) -> dict[tuple[int, int, int], int]:
        """Begin with edits of other constants; gives what codes are known for them."""
        if not 0 <= confidence <= MAX_CONFIDENCE:
            raise SegmentError("a confidence outside 0 to 100")
        self._style_row = bytes((EDIT, LEVELS.index(level), ORIGINS.index(origin), confidence, FLAGS.index(joined)))
        return self._known.setdefault(self._style_row, {})

    def _code(self, known: dict[tuple[int, int, int], int], step: int, jump: int, deleted: int, length: int) -> int:
        """Give a code by the table of rows; it is known from then on where all its numbers stand in the row."""
        if not 0 <= deleted <= MAX_COUNT:
            raise SegmentError("a position outside the schema")
        folded = zigzag(jump)
        if step < SMALL and folded < SMALL and deleted < SMALL and length < SMALL:
            row = bytes((step + 1, folded + 1, deleted + 1, length + 1))
            code = known[jump, deleted, length] = self._code_of(self._style_row + row)
            return code
        numbers = [step, folded, deleted, length]
        for place, column in enumerate(self._columns):
            if numbers[place] < SMALL:
                numbers[place] += 1
            else:
                column.append(numbers[place])
                numbers[place] = 0
        return self._code_of(self._style_row + bytes(numbers))


class EditReader:
    """Makes edits of rows, columns and the inserted texts."""

    __slots__ = ("_at", "_columns", "_rows", "_texts", "_walk")

    def __init__(self, walk: BodyReader, rows: Sequence[bytes], columns: Sequence[Iterator[int]], texts: str) -> None:
        self._walk = walk
        self._rows = [parse_edit_row(row) if row[0] == EDIT else None for row in rows]
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


EditRow = tuple[int | None, int | None, int | None, int | None, Origin, int, bool]


def parse_edit_row(row: bytes) -> EditRow:
    """Take an edit's row apart: step, jump, deleted and length (None where a column says it), and the constants.

    SegmentError: if a constant is none of the schema's.
    """
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
