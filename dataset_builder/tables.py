"""The tables of a dataset: every column with its type, unit and meaning, in the order in which it is written."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

import msgspec
import pyarrow as pa

FORMAT_VERSION = 2

_SPAN = pa.struct([("start", pa.int64()), ("length", pa.int64()), ("placeholder", pa.string())])
_TIME = pa.timestamp("ms", tz="UTC")


class Column(msgspec.Struct, frozen=True):
    """One column: its name, type, unit and meaning. docs/DATASET.md repeats them, and a test compares."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    nullable: bool = False

    @property
    def type_name(self) -> str:
        """The type as the documentation writes it; a question mark says that a value may be missing."""
        return _type_name(self.type) + "?" if self.nullable else _type_name(self.type)


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(field.name for field in kind) + "}"
    return str(kind)


def _c(name: str, kind: pa.DataType, unit: str, meaning: str) -> Column:
    return Column(name, kind, unit, meaning)


def _n(name: str, kind: pa.DataType, unit: str, meaning: str) -> Column:
    return Column(name, kind, unit, meaning, nullable=True)


_WHO = (
    _c("contributor", pa.string(), "", "The contributor's name in this dataset, keyed by the salt."),
    _c("session", pa.string(), "", "The session's name in this dataset: one run of one collector."),
)

EVENTS: Final = (
    *_WHO,
    _c(
        "seq", pa.int64(), "events", "Place among all events of the contributor, without gaps where nothing is missing."
    ),
    _c("index", pa.int64(), "events", "Place in the session, counted from 0."),
    _c("time", _TIME, "ms", "When it happened, by the contributor's clock."),
    _c("delta_ms", pa.int64(), "ms", "Monotonic time since the session's event before."),
    _c("source", pa.string(), "", "The collector that saw it."),
    _c("level", pa.string(), "", "What was kept: rhythm, shape or content."),
    _c("kind", pa.string(), "", "What happened, such as document.edit."),
    _n("document", pa.int64(), "", "The document, by its number in the session."),
    _n("life", pa.int32(), "", "The document's life, counted from 1; null where the document is not open."),
    _n("position", pa.int64(), "code points", "Edits: where."),
    _n("deleted", pa.int64(), "code points", "Edits: how much was taken out."),
    _n("inserted", pa.string(), "", "Edits: the text that was put in; filler where it is masked."),
    _n("removed", pa.string(), "", "Edits: the text that was taken out, known by replay; null where not applied."),
    _n("applied", pa.bool_(), "", "Edits: whether the replay could apply it."),
    _n("origin", pa.string(), "", "Edits: typed, pasted, completion, agent, formatter, undo, redo, external, unknown."),
    _n("confidence", pa.int32(), "percent", "Edits: how sure the origin is."),
    _n("joined", pa.bool_(), "", "Edits: whether it belongs to the same transaction as the edit before."),
    _n("anchor", pa.int64(), "code points", "Selections: where the first selection begins."),
    _n("active", pa.int64(), "code points", "Selections: where its caret is."),
    _n("cause", pa.string(), "", "Selections: keyboard, mouse, command or unknown."),
    _n("first_line", pa.int64(), "lines", "Viewports: the first line in view, counted from 0."),
    _n("last_line", pa.int64(), "lines", "Viewports: the last line in view."),
    _n("focused", pa.bool_(), "", "Focus: whether the editor has it."),
    _n("command", pa.string(), "", "Commands: the name."),
    _n("length", pa.int64(), "code points", "Completions: how long the accepted text is."),
    _n("count", pa.int64(), "", "Selections: how many there are. Gaps: how many events are missing."),
    _n("reason", pa.string(), "", "Gaps: why events are missing."),
    _n("client", pa.string(), "", "Capture start: the editor."),
    _n("client_version", pa.string(), "", "Capture start: its version."),
    _n("collector_version", pa.string(), "", "Capture start: the collector's version."),
    _n("position_encoding", pa.string(), "", "Capture start: what the editor counts characters in."),
)

DOCUMENTS: Final = (
    *_WHO,
    _c("document", pa.int64(), "", "The document, by its number in the session."),
    _c("life", pa.int32(), "", "Which life of the document in the session, counted from 1."),
    _c("source", pa.string(), "", "The collector that saw it."),
    _c("path", pa.string(), "", "Its path as it was kept; filler where it is masked, empty at level rhythm."),
    _c("workspace", pa.string(), "", "The contributor's workspace, as a keyed name; empty where not known."),
    _c("language", pa.string(), "", "The editor's name for its language."),
    _c("level", pa.string(), "", "The lowest level of its text: rhythm, shape or content."),
    _n("continues", pa.int64(), "", "The document whose text it went on with, after a rename."),
    _c("first_index", pa.int64(), "events", "Place in the session of the event that began the life."),
    _c("last_index", pa.int64(), "events", "Place in the session of the life's last event."),
    _c("opened", _TIME, "ms", "When the life began."),
    _c("last_event", _TIME, "ms", "When its last event happened."),
    _c("ended", pa.string(), "", "What ended it: closed, reopened, continued or session-end."),
    _c("initial_text", pa.large_string(), "", "The text when it was opened; filler where it is masked."),
    _c("final_text", pa.large_string(), "", "The text after the last applied edit; filler where it is masked."),
    _c("initial_masks", pa.list_(_SPAN), "code points", "The masked spans of the initial text, left to right."),
    _c("final_masks", pa.list_(_SPAN), "code points", "The masked spans of the final text, left to right."),
    _c("edits", pa.int64(), "events", "Edits of this life."),
    _c("edits_applied", pa.int64(), "events", "Edits that the replay applied; the same number where it is exact."),
    _c("saves", pa.int64(), "events", "How often it was saved."),
    _c("gaps", pa.int64(), "events", "Gap events that name it, or that name no document while it was open."),
    _c("exact", pa.bool_(), "", "Whether every edit of the life was applied inside the document."),
    _n("broken_by", pa.string(), "", "What broke the replay, where it is not exact; see below."),
)

MASKS: Final = (
    *_WHO,
    _c("seq", pa.int64(), "events", "The event's place among all events of the contributor."),
    _c("index", pa.int64(), "events", "The event's place in the session."),
    _n("document", pa.int64(), "", "The event's document."),
    _c("field", pa.string(), "", "The masked field: text (initial_text), inserted, path, or one of a page's event."),
    _c("offset", pa.int64(), "code points", "Where in the field the masked span begins."),
    _c("length", pa.int64(), "code points", "How long it is."),
    _c("finding", pa.int64(), "", "The finding it belongs to, by its number in the session."),
    _c("category", pa.string(), "", "What was found: secret or pii."),
    _c("type", pa.string(), "", "The detector's name for it, such as aws-access-key."),
    _c("placeholder", pa.string(), "", "What stands for it, such as <SECRET:aws-access-key:1>."),
    _c("found_by", pa.string(), "", "Who masked it: device, or builder in the second pass."),
)

_NODE = pa.struct(
    [
        ("depth", pa.int32()),
        ("role", pa.string()),
        ("name", pa.string()),
        ("name_from", pa.string()),
        ("states", pa.list_(pa.string())),
    ]
)
_NUMBERS = pa.list_(pa.int32())

PAGES: Final = (
    *_WHO,
    _c("seq", pa.int64(), "events", "Place among all events of the contributor."),
    _c("index", pa.int64(), "events", "Place in the session, counted from 0."),
    _c("time", _TIME, "ms", "When it happened, by the contributor's clock."),
    _c("delta_ms", pa.int64(), "ms", "Monotonic time since the session's event before."),
    _c("level", pa.string(), "", "What was kept: rhythm, shape or content."),
    _c("kind", pa.string(), "", "What happened, such as pointer.click."),
    _c("page", pa.int64(), "", "The page, by its number in the session."),
    _c("route", pa.string(), "", "The page's route template at that moment; empty where it is not known."),
    _n("role", pa.string(), "", "The element's ARIA role."),
    _n("name", pa.string(), "", "Its accessible name; filler where it is masked."),
    _n("name_from", pa.string(), "", "Where the name comes from: none, author or content."),
    _n("context", pa.string(), "", "What it stands in: the name of a row, dialog, form, landmark or heading."),
    _n("context_role", pa.string(), "", "The role of that."),
    _n("path", pa.string(), "", "Its structural path: tag names with their place among equals."),
    _n("box", _NUMBERS, "px", "Its box in the viewport: x, y, width, height."),
    _n("keys", pa.string(), "", "Rhythm: a letter a key, its class alone: c, d, n, e, t, m or o."),
    _n("intervals", _NUMBERS, "ms", "Rhythm: the time since the key before, the first one 0."),
    _n("points", _NUMBERS, "ms, px", "Trail: time since the point before, x and y of each point, one after the other."),
    _n("nodes", pa.list_(_NODE), "", "Outline: what stood around an action, in reading order."),
    _n("tab", pa.int64(), "", "Opening: the tab's number."),
    _n("title", pa.string(), "", "Opening, navigating: the page's title; filler where it is masked."),
    _n("width", pa.int64(), "px", "Opening: the viewport's width."),
    _n("height", pa.int64(), "px", "Opening: the viewport's height."),
    _n("parent", pa.int64(), "", "Opening: the page of which this is a frame."),
    _n("cause", pa.string(), "", "Navigating: push, replace, traverse, reload, fragment or unknown."),
    _n("focused", pa.bool_(), "", "Focus: whether the page has it."),
    _n("visible", pa.bool_(), "", "Focus: whether the page can be seen."),
    _n("x", pa.int64(), "px", "Clicks: from the element's left edge. Scrolls: where to."),
    _n("y", pa.int64(), "px", "Clicks: from the element's top edge. Scrolls: where to."),
    _n("button", pa.int32(), "", "Clicks: the button, 0 the main one."),
    _n("count", pa.int32(), "", "Clicks: 1 single, 2 double, 3 triple."),
    _n("modifiers", pa.int32(), "", "Clicks: 1 alt, 2 control, 4 meta, 8 shift, added."),
    _n("content", pa.string(), "", "Fields: the class of what is in it."),
    _n("length", pa.string(), "code points", "Fields: how long that is, roughly."),
    _n("value", pa.string(), "", "Fields: what is in it, at level content; filler where it is masked."),
    _n("checked", pa.bool_(), "", "Fields: whether it is ticked."),
    _n("form", pa.int64(), "", "Fields, forms: the form's number in the page; 0 is none."),
    _n("action", pa.string(), "", "Clipboard: copy, cut or paste."),
)

ACTIVITIES: Final = (
    *_WHO,
    _c("task", pa.int64(), "", "The task in the session, counted from 1."),
    _c("first_index", pa.int64(), "events", "Place in the session of the window's first event."),
    _c("last_index", pa.int64(), "events", "Place in the session of the window's last event."),
    _c("time", _TIME, "ms", "When the window's first event happened."),
    _c("activity", pa.string(), "", "What was being done; see below."),
    _c("confidence", pa.int32(), "percent", "How sure that is."),
    _c("language", pa.string(), "", "The language of most of the window's events; empty where there is none."),
    _c("application", pa.string(), "", "Where most of it happened: editor or browser."),
    _c("source", pa.string(), "", "The collector that saw it."),
    _c("events", pa.int64(), "events", "Events of the window."),
    _c("edits", pa.int64(), "events", "Edits of the window."),
    _c("inserted", pa.int64(), "code points", "What the window's edits put in."),
    _c("deleted", pa.int64(), "code points", "What the window's edits took out."),
)

TABLES: Final = {
    "events": EVENTS,
    "documents": DOCUMENTS,
    "masks": MASKS,
    "pages": PAGES,
    "activities": ACTIVITIES,
}
"""Every table and its columns."""

NEXT_EDIT: Final = (
    ("events", "string", "Earlier edits of the session, the oldest first, each as a unified diff."),
    ("input", "string", "An excerpt before the edit, with the editable region and the caret marked."),
    ("output", "string", "The editable region after the edit."),
    ("contributor", "string", "As in the tables."),
    ("session", "string", "As in the tables."),
    ("document", "integer", "As in the tables."),
    ("life", "integer", "As in the tables."),
    ("index", "integer", "Place in the session of the first event of the edit to predict."),
    ("origins", "list of strings", "Who or what made the edit to predict."),
)
"""The keys of a line of the next-edit files."""


@functools.cache
def schema_of(table: str) -> pa.Schema:
    """Give a table's Arrow schema, with units and meanings as metadata of its fields."""
    return pa.schema(
        [
            pa.field(c.name, c.type, nullable=c.nullable, metadata={"unit": c.unit, "meaning": c.meaning})
            for c in TABLES[table]
        ]
    )


def batch_of(table: str, columns: Iterable[Iterable[object]]) -> pa.RecordBatch:
    """Make a batch from columns of Python values, in the table's order."""
    schema = schema_of(table)
    arrays = [_array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _array(values: list[object], kind: pa.DataType) -> pa.Array:
    """Make a column; most are one value throughout, which costs nothing to say."""
    first = values[0] if values else None
    if values and not isinstance(first, list) and values.count(first) == len(values):
        return pa.nulls(len(values), kind) if first is None else pa.repeat(pa.scalar(first, kind), len(values))
    return pa.array(values, type=kind)
