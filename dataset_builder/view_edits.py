"""Edits in formats of others: crowd-code 1.0 and ProgSnap2 1.0, as CSV. Made from a dataset's own files alone."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from dataset_builder.insights import rows_of
from dataset_builder.plan import Split
from dataset_builder.read import DocumentLife, documents

CROWD_CODE = ("Sequence", "Time", "File", "RangeOffset", "RangeLength", "Text", "Language", "Type")

PROGSNAP2 = (
    "EventType", "EventID", "CodeStateID", "SubjectID", "ToolInstances", "Order", "ClientTimestamp", "CodeStateSection",
    "EventInitiator", "EditType", "InsertText", "DeleteText", "SourceLocation",
)  # fmt: skip
"""The columns of the main table that are used, of those that the specification names."""

PROGSNAP2_METADATA = (
    ("Version", "1.0"),
    ("IsEventOrderingConsistent", "true"),
    ("EventOrderScope", "Global"),
    ("EventOrderScopeColumns", ""),
    ("CodeStateRepresentation", "Table"),
)

_EDIT_TYPES = {"typed": "GenericEdit", "pasted": "Paste", "undo": "Undo", "redo": "Redo"}
_INITIATORS = {
    "completion": "UserIndirectAction",
    "agent": "ToolReaction",
    "formatter": "ToolReaction",
    "external": "ToolReaction",
}
_COLUMNS = (
    "session", "index", "time", "kind", "document", "life", "position", "deleted", "inserted", "removed", "applied",
    "origin", "anchor", "active", "cause",
)  # fmt: skip


class SessionEvents(msgspec.Struct, frozen=True):
    """A session with what a view shows of it: documents that replay and whose text was kept, and all events."""

    contributor: str
    session: str
    lives: dict[tuple[int, int], DocumentLife]
    rows: list[dict[str, Any]]
    left_out: int


def sessions_of(out: Path, split: Split) -> Iterator[SessionEvents]:
    """Give the sessions of one split, in order."""
    by_session: dict[str, list[DocumentLife]] = {}
    for life in documents(out, split=split.value):
        by_session.setdefault(life.session, []).append(life)
    session = ""
    rows: list[dict[str, Any]] = []
    for row in rows_of(out, "events", list(_COLUMNS), split=split.value):
        if row["session"] != session:
            if rows:
                yield _session(by_session, session, rows)
            session, rows = row["session"], []
        rows.append(row)
    if rows:
        yield _session(by_session, session, rows)


def write_crowd_code(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a CSV per session; gives files, documents in them, and documents left out."""
    files = items = left_out = 0
    for split in Split:
        (target / split.value).mkdir()
        for session in sessions_of(out, split):
            left_out += session.left_out
            if not session.lives:
                continue
            with (target / split.value / f"{session.session}.csv").open("w", newline="", encoding="utf-8") as file:
                sheet = csv.writer(file, quoting=csv.QUOTE_ALL)
                sheet.writerow(CROWD_CODE)
                for number, row in enumerate(_crowd_code_rows(session), 1):
                    sheet.writerow((number, *row))
            files += 1
            items += len(session.lives)
    return files, items, left_out


def _crowd_code_rows(session: SessionEvents) -> Iterator[tuple[object, ...]]:
    start = session.rows[0]["time"]
    for row in session.rows:
        life = session.lives.get((row["document"], row["life"]))
        if life is None:
            continue
        at, language = row["time"] - start, life.language
        if row["index"] == life.first_index:
            yield at, life.path, 0, 0, life.initial_text, language, "tab"
        elif row["kind"] == "document.edit":
            yield at, life.path, row["position"], row["deleted"], row["inserted"], language, "content"
        elif row["kind"] == "selection.change":
            first, last = sorted((row["anchor"], row["active"]))
            kind = f"selection_{row['cause'] if row['cause'] != 'unknown' else 'command'}"
            yield at, life.path, first, last - first, "", language, kind


def write_progsnap2(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a ProgSnap2 dataset per split; gives files, documents in them, and documents left out.

    Every life of a document is a section of its own, created empty; its first edit puts the initial text there.
    """
    files = items = left_out = 0
    for split in Split:
        folder = target / split.value
        (folder / "CodeStates").mkdir(parents=True)
        _write(folder / "DatasetMetadata.csv", ("Property", "Value"), iter(PROGSNAP2_METADATA))
        number = 0
        with (folder / "MainTable.csv").open("w", newline="", encoding="utf-8") as file:
            sheet: csv.DictWriter[str] = csv.DictWriter(file, PROGSNAP2)
            sheet.writeheader()
            for session in sessions_of(out, split):
                items += len(session.lives)
                left_out += session.left_out
                for row in _progsnap2_rows(session):
                    sheet.writerow({"EventID": number, "Order": number, "CodeStateID": "0", **row})
                    number += 1
        _write(folder / "CodeStates" / "CodeState.csv", ("CodeStateID", "Code"), iter([("0", "")]))
        files += 3
    return files, items, left_out


def _progsnap2_rows(session: SessionEvents) -> Iterator[dict[str, str]]:
    for row in session.rows:
        life = session.lives.get((row["document"], row["life"]))
        if life is None:
            continue
        moment = datetime.datetime.fromtimestamp(row["time"] / 1000, datetime.UTC)
        common = {
            "SubjectID": session.contributor,
            "ToolInstances": "overt",
            "ClientTimestamp": moment.isoformat(timespec="milliseconds"),
            "CodeStateSection": f"{session.session}/{life.document}/{life.life}/{life.path}",
        }
        if row["index"] == life.first_index:
            yield {**common, "EventType": "File.Create"}
            if life.initial_text:
                yield {**common, **_edit("ToolReaction", "Reset", life.initial_text, "", 0)}
        elif row["kind"] == "document.edit":
            origin = row["origin"]
            who, what = _INITIATORS.get(origin, "UserDirectAction"), _EDIT_TYPES.get(origin, "GenericEdit")
            yield {**common, **_edit(who, what, row["inserted"], row["removed"], row["position"])}
        elif row["kind"] == "document.close":
            yield {**common, "EventType": "File.Close"}


def _edit(who: str, what: str, inserted: str, removed: str, position: int) -> dict[str, str]:
    return {
        "EventType": "File.Edit",
        "EventInitiator": who,
        "EditType": what,
        "InsertText": inserted,
        "DeleteText": removed,
        "SourceLocation": f"Text:{position}",
    }


def _session(by_session: dict[str, list[DocumentLife]], name: str, rows: list[dict[str, Any]]) -> SessionEvents:
    lives = by_session.pop(name, [])
    kept = {(life.document, life.life): life for life in lives if life.exact and life.level == "content"}
    contributor = lives[0].contributor if lives else ""
    return SessionEvents(contributor, name, kept, rows, len(lives) - len(kept))


def _write(path: Path, head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(head)
        sheet.writerows(rows)
