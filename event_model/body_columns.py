"""Event bodies as small numbers: what each kind writes, and how it is read back.

A body becomes constants (below 256, one byte each in the table of rows) and numbers (in the row when small, else in a
column). Numbers are differences to what is likely. ``BodyWriter`` and ``BodyReader`` walk through the same events
and know the same at each of them. docs/FORMAT.md lists the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from event_model.body import MAX_COUNT
from event_model.columns import unzigzag, zigzag
from event_model.errors import SegmentError
from event_model.events import (
    BODY_TYPES,
    Body,
    CaptureCursor,
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
    GapReason,
    Origin,
    SelectionCause,
    SelectionChange,
    ViewportChange,
    kind_of,
)
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES, PageBody

MAX_CONFIDENCE = 100
"""Confidence is in percent."""

# The order of these is part of the format: new ones are added at the end.
LEVELS = (Level.RHYTHM, Level.SHAPE, Level.CONTENT)
ORIGINS = (
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
CAUSES = (SelectionCause.UNKNOWN, SelectionCause.KEYBOARD, SelectionCause.MOUSE, SelectionCause.COMMAND)
REASONS = (
    GapReason.MESSAGE_TOO_LARGE,
    GapReason.MESSAGE_MALFORMED,
    GapReason.DOCUMENT_UNOPENED,
    GapReason.DOCUMENT_BINARY,
    GapReason.DOCUMENT_TOO_LARGE,
    GapReason.POSITION_INVALID,
    GapReason.STORE_UNWRITABLE,
    GapReason.FILTER_FAILED,
    GapReason.FORGOTTEN,
    GapReason.CRASHED,
    GapReason.QUEUE_FULL,
)
FLAGS = (False, True)

Row = tuple[int, ...]
"""A body's constants, then its numbers."""


def count(value: int) -> int:
    """Check a count. SegmentError: if it is outside 0 to 2^53 - 1."""
    if not 0 <= value <= MAX_COUNT:
        raise SegmentError("a count outside 0 to 2^53 - 1")
    return value


def one_of(values: Sequence[Any], index: int) -> Any:
    """Give a value by its place. SegmentError: if this version has none there."""
    if index >= len(values):
        raise SegmentError("a value that this version does not know")
    return values[index]


def page_fields(body: PageBody) -> dict[str, Any]:
    """Give the fields of an event of a page, without its kind. SegmentError: if it is outside the schema."""
    fields: dict[str, Any] = msgspec.to_builtins(body)
    try:
        msgspec.convert(fields, type=type(body))
    except msgspec.ValidationError as error:
        raise SegmentError("an event of a page outside the schema") from error
    del fields["kind"]
    return fields


class _Walk:
    """What writer and reader both know at each event."""

    __slots__ = ("cursors", "document", "tops")

    def __init__(self) -> None:
        self.document = 0
        """The document of the last event that had one."""
        self.cursors: dict[int, int] = {}
        """Where the next edit of a document is likely."""
        self.tops: dict[int, int] = {}
        """The first line in view of a document."""


class BodyWriter(_Walk):
    """Makes rows of bodies; collects names (strings likely to come again) and texts."""

    __slots__ = ("names", "texts")

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self.texts: list[str] = []

    def step(self, document: int) -> int:
        """Note an event's document; give the difference to the one before."""
        self.cursors.setdefault(count(document), 0)
        difference = zigzag(document - self.document)
        self.document = document
        return difference

    def name(self, name: str) -> int:
        """Number a string."""
        return self.names.setdefault(name, len(self.names))

    def put_open(self, body: DocumentOpen) -> Row:
        """Write ``document.open``."""
        step = self.step(body.document)
        names = self.name(body.path), self.name(body.workspace), self.name(body.language)
        self.texts.append(body.text)
        if body.continues is None:
            return (0, step, *names, len(body.text), 0)
        return (1, step, *names, len(body.text), count(body.continues))

    def put_document(self, body: DocumentSave | DocumentClose) -> Row:
        """Write ``document.save`` or ``document.close``."""
        return (self.step(body.document),)

    def put_selection(self, body: SelectionChange) -> Row:
        """Write ``selection.change``; the next edit is likely at the selection's start."""
        step = self.step(body.document)
        anchor, active = count(body.anchor), count(body.active)
        jump = zigzag(active - self.cursors[body.document])
        self.cursors[body.document] = min(anchor, active)
        return CAUSES.index(body.cause), step, jump, zigzag(anchor - active), count(body.count)

    def put_viewport(self, body: ViewportChange) -> Row:
        """Write ``viewport.change``."""
        step = self.step(body.document)
        first, last = count(body.first_line), count(body.last_line)
        jump = zigzag(first - self.tops.get(body.document, 0))
        self.tops[body.document] = first
        return step, jump, zigzag(last - first)

    def put_focus(self, body: EditorFocus) -> Row:
        """Write ``editor.focus``."""
        return (FLAGS.index(body.focused),)

    def put_command(self, body: CommandRun) -> Row:
        """Write ``command.run``."""
        return (self.name(body.command),)

    def put_accept(self, body: CompletionAccept) -> Row:
        """Write ``completion.accept``."""
        return self.step(body.document), count(body.length)

    def put_start(self, body: CaptureStart) -> Row:
        """Write ``capture.start``."""
        strings = body.client, body.client_version, body.collector_version, body.position_encoding
        return tuple(map(self.name, strings))

    def put_plain(self, _body: CapturePause | CaptureResume) -> Row:
        """Write a kind without fields."""
        return ()

    def put_gap(self, body: CaptureGap) -> Row:
        """Write ``capture.gap``."""
        reason = REASONS.index(body.reason)
        if body.document is None:
            return reason, 0, count(body.count), 0
        return reason, 1, count(body.count), self.step(body.document)

    def put_cursor(self, body: CaptureCursor) -> Row:
        """Write ``capture.cursor``."""
        return self.name(body.client), count(body.seq)

    def put_page(self, body: PageBody) -> Row:
        """Write any event of a page: its fields as JSON, which compresses well as they are much alike."""
        fields = page_fields(body)
        del fields["document"]
        text = msgspec.json.encode(fields).decode()
        self.texts.append(text)
        return self.step(body.document), len(text)


class BodyReader(_Walk):
    """Makes bodies of rows; SegmentError when a row says what can't be."""

    __slots__ = ("_at", "_names", "_texts")

    def __init__(self, names: Sequence[str], texts: str) -> None:
        super().__init__()
        self._names = names
        self._texts = texts
        self._at = 0

    def step(self, difference: int) -> DocumentId:
        """Undo ``BodyWriter.step``."""
        self.document = count(self.document + unzigzag(difference))
        self.cursors.setdefault(self.document, 0)
        return DocumentId(self.document)

    def name(self, number: int) -> str:
        """Undo ``BodyWriter.name``."""
        return str(one_of(self._names, number))

    def end(self) -> None:
        """Check that every text was taken."""
        if self._at != len(self._texts):
            raise SegmentError("texts whose lengths don't add up")

    def get_open(self, row: Sequence[int]) -> Body:
        """Read ``document.open``."""
        known, step, path, workspace, language, length, continues = row
        document = self.step(step)
        start, self._at = self._at, self._at + length
        return DocumentOpen(
            document,
            self.name(path),
            self.name(workspace),
            self.name(language),
            self._texts[start : self._at],
            DocumentId(count(continues)) if one_of(FLAGS, known) else None,
        )

    def get_save(self, row: Sequence[int]) -> Body:
        """Read ``document.save``."""
        return DocumentSave(self.step(row[0]))

    def get_close(self, row: Sequence[int]) -> Body:
        """Read ``document.close``."""
        return DocumentClose(self.step(row[0]))

    def get_selection(self, row: Sequence[int]) -> Body:
        """Read ``selection.change``."""
        cause, step, jump, reach, selections = row
        document = self.step(step)
        active = count(self.cursors[document] + unzigzag(jump))
        anchor = count(active + unzigzag(reach))
        self.cursors[document] = min(anchor, active)
        return SelectionChange(document, anchor, active, count(selections), one_of(CAUSES, cause))

    def get_viewport(self, row: Sequence[int]) -> Body:
        """Read ``viewport.change``."""
        step, jump, reach = row
        document = self.step(step)
        first = count(self.tops.get(document, 0) + unzigzag(jump))
        self.tops[document] = first
        return ViewportChange(document, first, count(first + unzigzag(reach)))

    def get_focus(self, row: Sequence[int]) -> Body:
        """Read ``editor.focus``."""
        return EditorFocus(one_of(FLAGS, row[0]))

    def get_command(self, row: Sequence[int]) -> Body:
        """Read ``command.run``."""
        return CommandRun(self.name(row[0]))

    def get_accept(self, row: Sequence[int]) -> Body:
        """Read ``completion.accept``."""
        return CompletionAccept(self.step(row[0]), count(row[1]))

    def get_start(self, row: Sequence[int]) -> Body:
        """Read ``capture.start``."""
        return CaptureStart(*map(self.name, row))

    def get_pause(self, _row: Sequence[int]) -> Body:
        """Read ``capture.pause``."""
        return CapturePause()

    def get_resume(self, _row: Sequence[int]) -> Body:
        """Read ``capture.resume``."""
        return CaptureResume()

    def get_gap(self, row: Sequence[int]) -> Body:
        """Read ``capture.gap``."""
        reason, known, missing, step = row
        document = self.step(step) if one_of(FLAGS, known) else None
        return CaptureGap(count(missing), one_of(REASONS, reason), document)

    def get_cursor(self, row: Sequence[int]) -> Body:
        """Read ``capture.cursor``."""
        return CaptureCursor(self.name(row[0]), count(row[1]))

    def get_page(self, row: Sequence[int], body_type: type[PageBody]) -> Body:
        """Read an event of a page."""
        document, (start, self._at) = self.step(row[0]), (self._at, self._at + row[1])
        try:
            fields = msgspec.json.decode(self._texts[start : self._at], type=dict[str, Any])
            whole = {**fields, "kind": kind_of(body_type), "document": document}
            body: PageBody = msgspec.convert(whole, type=PageBody)
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            raise SegmentError("an event of a page that is malformed") from error
        return body


def _edits_apart(*_: object) -> Any:
    raise AssertionError("edits have code of their own, in edit_columns")


class Kind(NamedTuple):
    """How one kind is written: its number of constants and of numbers, and the functions."""

    constants: int
    numbers: int
    put: Callable[[BodyWriter, Any], Row]
    get: Callable[[BodyReader, Sequence[int]], Body]


def _page_kind(body_type: type[PageBody]) -> Kind:
    return Kind(0, 2, BodyWriter.put_page, lambda reader, row: reader.get_page(row, body_type))


KINDS = (
    Kind(1, 6, BodyWriter.put_open, BodyReader.get_open),
    Kind(3, 4, _edits_apart, _edits_apart),
    Kind(0, 1, BodyWriter.put_document, BodyReader.get_save),
    Kind(0, 1, BodyWriter.put_document, BodyReader.get_close),
    Kind(1, 4, BodyWriter.put_selection, BodyReader.get_selection),
    Kind(0, 3, BodyWriter.put_viewport, BodyReader.get_viewport),
    Kind(1, 0, BodyWriter.put_focus, BodyReader.get_focus),
    Kind(0, 1, BodyWriter.put_command, BodyReader.get_command),
    Kind(0, 2, BodyWriter.put_accept, BodyReader.get_accept),
    Kind(0, 4, BodyWriter.put_start, BodyReader.get_start),
    Kind(0, 0, BodyWriter.put_plain, BodyReader.get_pause),
    Kind(0, 0, BodyWriter.put_plain, BodyReader.get_resume),
    Kind(2, 2, BodyWriter.put_gap, BodyReader.get_gap),
    Kind(0, 2, BodyWriter.put_cursor, BodyReader.get_cursor),
    *map(_page_kind, PAGE_TYPES),
)
"""In the order of ``BODY_TYPES``."""

KIND_OF: dict[type, int] = {body_type: kind for kind, body_type in enumerate(BODY_TYPES)}
EDIT = KIND_OF[DocumentEdit]
