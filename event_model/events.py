"""Events: frozen structs, checked when made.

Positions and lengths count Unicode code points; the editor's own encoding is converted at the door.
Texts are what the person's study allows: see ``levels``. A body says what happened, an ``Event`` adds when.
"""

from __future__ import annotations

import enum

import msgspec

from event_model.body import Count, EventBody, Percent
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES, PageBody

SCHEMA_VERSION = 1


class Origin(enum.Enum):
    """Who or what made an edit."""

    TYPED = "typed"
    PASTED = "pasted"
    COMPLETION = "completion"
    AGENT = "agent"
    FORMATTER = "formatter"
    UNDO = "undo"
    REDO = "redo"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


class SelectionCause(enum.Enum):
    """What moved the selection."""

    KEYBOARD = "keyboard"
    MOUSE = "mouse"
    COMMAND = "command"
    UNKNOWN = "unknown"


class GapReason(enum.Enum):
    """Why events are missing."""

    MESSAGE_TOO_LARGE = "message-too-large"
    MESSAGE_MALFORMED = "message-malformed"
    DOCUMENT_UNOPENED = "document-unopened"
    DOCUMENT_BINARY = "document-binary"
    DOCUMENT_TOO_LARGE = "document-too-large"
    POSITION_INVALID = "position-invalid"
    STORE_UNWRITABLE = "store-unwritable"
    FILTER_FAILED = "filter-failed"
    FORGOTTEN = "forgotten"
    CRASHED = "crashed"
    QUEUE_FULL = "queue-full"


class DocumentOpen(EventBody, frozen=True, tag="document.open"):
    """A document came into view of the collector, with its text.

    ``continues`` names an earlier document of the session whose last text is this one's first (a rename);
    ``text`` is then empty, so that the same content is kept once. ``workspace`` is a keyed tag, not a name.
    """

    document: DocumentId
    path: str
    workspace: str
    language: str
    text: str
    continues: DocumentId | None = None


class DocumentEdit(EventBody, frozen=True, tag="document.edit"):
    """At ``position``, ``deleted`` code points were taken out and ``inserted`` put in their place.

    ``joined`` is true when the edit belongs to the same transaction as the one before it (several cursors).
    """

    document: DocumentId
    position: Count
    deleted: Count
    inserted: str
    origin: Origin = Origin.UNKNOWN
    confidence: Percent = 0
    joined: bool = False


class DocumentSave(EventBody, frozen=True, tag="document.save"):
    """A document was written to disk."""

    document: DocumentId


class DocumentClose(EventBody, frozen=True, tag="document.close"):
    """A document went out of view of the collector."""

    document: DocumentId


class SelectionChange(EventBody, frozen=True, tag="selection.change"):
    """The caret or selection moved; ``anchor`` and ``active`` are of the first of ``count`` selections."""

    document: DocumentId
    anchor: Count
    active: Count
    count: Count = 1
    cause: SelectionCause = SelectionCause.UNKNOWN


class ViewportChange(EventBody, frozen=True, tag="viewport.change"):
    """Other lines came into view; both ends are line numbers from 0, the last one included."""

    document: DocumentId
    first_line: Count
    last_line: Count


class EditorFocus(EventBody, frozen=True, tag="editor.focus"):
    """The editor's window gained or lost the focus."""

    focused: bool


class CommandRun(EventBody, frozen=True, tag="command.run"):
    """An editor command was run; the name only, never its arguments."""

    command: str


class CompletionAccept(EventBody, frozen=True, tag="completion.accept"):
    """A completion of ``length`` code points was accepted; its text is in the edit that follows."""

    document: DocumentId
    length: Count


class CaptureStart(EventBody, frozen=True, tag="capture.start"):
    """A collector began; what it is and which position encoding it speaks."""

    client: str
    client_version: str
    collector_version: str
    position_encoding: str


class CapturePause(EventBody, frozen=True, tag="capture.pause"):
    """The person paused capture."""


class CaptureResume(EventBody, frozen=True, tag="capture.resume"):
    """The person resumed capture."""


class CaptureGap(EventBody, frozen=True, tag="capture.gap"):
    """``count`` events are missing here, and why; with a document when it breaks that document's replay."""

    count: Count
    reason: GapReason
    document: DocumentId | None = None


class CaptureCursor(EventBody, frozen=True, tag="capture.cursor"):
    """What comes before this was taken from a browser profile up to its message ``seq``: so that none is taken twice.

    ``client`` is a keyed tag of the profile, another one for each study.
    """

    client: str
    seq: Count


Body = (
    DocumentOpen
    | DocumentEdit
    | DocumentSave
    | DocumentClose
    | SelectionChange
    | ViewportChange
    | EditorFocus
    | CommandRun
    | CompletionAccept
    | CaptureStart
    | CapturePause
    | CaptureResume
    | CaptureGap
    | CaptureCursor
    | PageBody
)

BODY_TYPES: tuple[type[EventBody], ...] = (
    DocumentOpen,
    DocumentEdit,
    DocumentSave,
    DocumentClose,
    SelectionChange,
    ViewportChange,
    EditorFocus,
    CommandRun,
    CompletionAccept,
    CaptureStart,
    CapturePause,
    CaptureResume,
    CaptureGap,
    CaptureCursor,
    *PAGE_TYPES,
)
"""Every kind of body. The order is part of the segment format: new kinds are added at the end."""


def kind_of(body: Body | type[EventBody]) -> str:
    """Give the kind of a body or of its type, such as ``document.edit``."""
    kind = body if isinstance(body, type) else type(body)
    known = _KINDS.get(kind)
    if known is None:
        known = _KINDS[kind] = str(kind.__struct_config__.tag)
    return known


_KINDS: dict[type, str] = {}
"""Kinds by type: msgspec makes a new description for each look."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that happened, in one session.

    ``index`` counts the session's events from 0, without gaps. ``wall_ms`` is Unix time; ``delta_ms`` is the
    monotonic time since the event before it in the session, never negative. ``level`` is what was kept.
    """

    index: Count
    wall_ms: Count
    delta_ms: Count
    level: Level
    body: Body


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the filter found and took out.

    ``number`` counts a session's findings from 1; ``category`` is ``secret`` or ``pii``; ``kind`` is the
    detector's name for it (``aws-access-key``, ``email``). ``tag`` is a keyed digest, equal for equal values
    within one installation and study, so that placeholders stay consistent; ``None`` for guessable kinds.
    """

    number: Count
    category: str
    kind: str
    tag: bytes | None = None


class Mask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A span of one event's text that was replaced by filler of the same length.

    ``index`` is the event's, ``field`` names its text field (``text``, ``inserted``, ``path``), ``offset`` and
    ``length`` count code points in it, ``finding`` is the number of the finding it belongs to.
    """

    index: Count
    field: str
    offset: Count
    length: Count
    finding: Count


FILLER = "\u2588"
"""What stands where something was masked: one full block per code point, so that positions stay exact."""
