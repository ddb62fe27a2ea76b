"""Views: a dataset in formats that others read. docs/DATASET.md describes each.

What is masked in the dataset is masked in every view: views are made from the dataset's own files alone.
"""

from __future__ import annotations

import datetime
import enum
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.dataset as pads

from dataset_builder.card import read_card
from dataset_builder.layout import examples_file, table_files
from dataset_builder.next_edit import Example
from dataset_builder.parts import keep_private
from dataset_builder.plan import Split
from dataset_builder.read import DocumentLife, columns_of, documents
from dataset_builder.tables import schema_of
from dataset_builder.view_crowd_code import write_crowd_code
from dataset_builder.view_pages import next_actions, write_chrome_recorder, write_weblinx
from dataset_builder.view_progsnap2 import write_progsnap2
from event_model.errors import DatasetError
from event_model.events import DocumentEdit, kind_of

INSTRUCTION = (
    "You are a code editor's assistant. You are given a person's latest edits and an excerpt of the file they are in."
    " Rewrite the editable region as they will leave it after their next edit."
)
"""What the system message of the chat view says."""

ACTING = (
    "You are an assistant that works in a web application. You are given the latest actions and the page's outline."
    " Say the next action."
)
"""What it says where the next action is asked."""

_COLUMNS = ("session", "document", "life", "time", "position", "deleted", "inserted", "joined")
_BATCH_ROWS = 8_192
_ENCODER = msgspec.json.Encoder()

Patch = tuple[int, int, str]
LifeName = tuple[str, int, int]


class View(enum.Enum):
    """A format that a dataset can be written in."""

    EDITING_TRACES = "editing-traces"
    CHAT = "chat"
    CROWD_CODE = "crowd-code"
    PROGSNAP2 = "progsnap2"
    WEBLINX = "weblinx"
    CHROME_RECORDER = "chrome-recorder"


class Transaction(msgspec.Struct, frozen=True):
    """Edits that were made at once: position, how much was taken out, and what was put in."""

    time: str
    patches: tuple[Patch, ...]


class Trace(msgspec.Struct, frozen=True, rename="camel"):
    """One document from its first text to its last, as josephg/editing-traces has it."""

    start_content: str
    end_content: str
    txns: tuple[Transaction, ...]


class Message(msgspec.Struct, frozen=True):
    """One turn of a chat."""

    role: str
    content: str


class Chat(msgspec.Struct, frozen=True):
    """One conversation to learn from."""

    messages: tuple[Message, Message, Message]


class ViewReport(msgspec.Struct, frozen=True):
    """What was written: files, and the documents or examples in them; ``left_out`` could not be shown in the view."""

    view: str
    files: int
    items: int
    left_out: int


def write_view(out: Path, view: View, target: Path) -> ViewReport:
    """Write a dataset in a view's format to a folder that does not exist yet.

    DatasetError: if ``out`` is not a dataset, or ``target`` exists (code ``target-taken``) or can't be written.
    """
    read_card(out)
    if os.path.lexists(target):
        raise DatasetError(f"{target} exists", code="target-taken", hint="Choose a folder that does not exist yet.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(mode=0o700)
        report = _write(out, view, target)
        keep_private(target)
    except OSError as error:
        raise DatasetError(
            f"the view can't be written: {error.strerror or error}", code="dataset-unwritable"
        ) from error
    return report


def _write(out: Path, view: View, target: Path) -> ViewReport:
    if view is View.EDITING_TRACES:
        return _traces(out, target)
    if view is View.CHAT:
        return _chats(out, target)
    return ViewReport(view.value, *_WRITERS[view](out, target))


_WRITERS = {
    View.CROWD_CODE: write_crowd_code,
    View.PROGSNAP2: write_progsnap2,
    View.WEBLINX: write_weblinx,
    View.CHROME_RECORDER: write_chrome_recorder,
}


def chat_of(example: Example) -> Chat:
    """Ask for an example's next edit in a chat, and answer with it."""
    question = f"### Edits\n\n{example.events}\n\n### Excerpt\n\n{example.input}"
    return Chat((Message("system", INSTRUCTION), Message("user", question), Message("assistant", example.output)))


def _chats(out: Path, target: Path) -> ViewReport:
    items = 0
    for split in Split:
        name = f"{split.value}.jsonl"
        with (out / examples_file(split)).open("rb") as lines, (target / name).open("wb") as sink:
            for line in lines:
                sink.write(_ENCODER.encode(chat_of(msgspec.json.decode(line, type=Example))) + b"\n")
                items += 1
        with (target / f"actions-{name}").open("wb") as sink:
            for question, answer in next_actions(out, split):
                chat = Chat((Message("system", ACTING), Message("user", question), Message("assistant", answer)))
                sink.write(_ENCODER.encode(chat) + b"\n")
                items += 1
    return ViewReport(View.CHAT.value, 2 * len(Split), items, 0)


def _traces(out: Path, target: Path) -> ViewReport:
    """Write a file per document that replays exactly and of which the text was kept."""
    items = left_out = 0
    for split in Split:
        folder = target / split.value
        folder.mkdir()
        edits = _Edits(table_files(out, "events", split.value))
        for session, lives in _by_session(documents(out, split=split.value)):
            found = edits.take(session)
            for life in lives:
                if not life.exact or life.level != "content":
                    left_out += 1
                    continue
                txns = found.get((life.document, life.life), [])
                trace = Trace(life.initial_text, life.final_text, tuple(txns))
                (folder / f"{session}.{life.document}.{life.life}.json").write_bytes(_ENCODER.encode(trace))
                items += 1
    return ViewReport(View.EDITING_TRACES.value, items, items, left_out)


def _by_session(lives: Iterator[DocumentLife]) -> Iterator[tuple[str, list[DocumentLife]]]:
    """Bring the documents of a session together; they are neighbours."""
    group: list[DocumentLife] = []
    for life in lives:
        if group and group[0].session != life.session:
            yield group[0].session, group
            group = []
        group.append(life)
    if group:
        yield group[0].session, group


class _Edits:
    """The applied edits of one split's files, taken session by session in the order of the files."""

    def __init__(self, files: list[Path]) -> None:
        self._rows = self._read(files)
        self._next = next(self._rows, None)

    def take(self, session: str) -> dict[tuple[int, int], list[Transaction]]:
        """Give a session's transactions by document and life; every applied edit has both."""
        found: dict[tuple[int, int], list[Transaction]] = {}
        before: LifeName | None = None
        while self._next is not None and self._next[0][0] == session:
            name, time, patch, joined = self._next
            # A transaction may span documents; a trace tells of one.
            _append(found.setdefault(name[1:], []), time, patch, joined=joined and name == before)
            before = name
            self._next = next(self._rows, None)
        return found

    def _read(self, files: list[Path]) -> Iterator[tuple[LifeName, int, Patch, bool]]:
        field = pads.field
        wanted = (field("kind") == kind_of(DocumentEdit)) & field("applied")
        data = pads.dataset(files, schema=schema_of("events"))
        for batch in data.to_batches(columns=list(_COLUMNS), filter=wanted, batch_size=_BATCH_ROWS):
            rows: Iterator[tuple[object, ...]] = zip(*columns_of(batch), strict=True)
            for session, document, life, time, position, deleted, inserted, joined in rows:
                name = msgspec.convert((session, document, life), type=LifeName)
                patch = msgspec.convert((position, deleted, inserted), type=Patch)
                yield name, msgspec.convert(time, type=int), patch, bool(joined)


def _append(txns: list[Transaction], time: int, patch: Patch, *, joined: bool) -> None:
    if joined and txns:
        txns[-1] = Transaction(txns[-1].time, (*txns[-1].patches, patch))
    else:
        moment = datetime.datetime.fromtimestamp(time / 1000, datetime.UTC)
        txns.append(Transaction(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), (patch,)))
