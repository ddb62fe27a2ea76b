"""Edits as ProgSnap2 1.0, a dataset per split. Made from a dataset's own files alone.

The main table has only columns that the specification has for each kind of event. What an edit puts in and takes out it
has no columns for: that stands in a link table by the event's id. States of the code are given where they were kept: at
the beginning and the end of a document.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dataset_builder.plan import Split
from dataset_builder.read import DocumentLife
from dataset_builder.view_edits import SessionEvents, sessions_of, write_sheet

PROGSNAP2 = (
    "EventType", "EventID", "CodeStateID", "SubjectID", "ToolInstances", "Order", "ClientTimestamp", "CodeStateSection",
    "EventInitiator", "EditType", "SourceLocation",
)  # fmt: skip
"""The columns of the main table that are used, of those that the specification names."""

PROGSNAP2_METADATA = (
    ("Version", "1.0"),
    ("IsEventOrderingConsistent", "true"),
    ("EventOrderScope", "Global"),
    ("EventOrderScopeColumns", ""),
    ("CodeStateRepresentation", "Table"),
    ("ProgramInputLinkTable", ""),
)

EDIT_TEXT = ("EventID", "InsertText", "DeleteText")
"""The columns of the link table."""

EMPTY_STATE = "0"
UNKNOWN_STATE = ""
"""The specification leaves the state of an edit blank where it was not logged."""

_EDIT_TYPES = {"pasted": "Paste", "undo": "Undo", "redo": "Redo"}
_INITIATORS = {
    "completion": "UserIndirectAction",
    "agent": "ToolReaction",
    "formatter": "ToolReaction",
    "external": "ToolReaction",
}


def write_progsnap2(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a ProgSnap2 dataset per split; gives files, documents in them, and documents left out.

    Every life of a document is a section of its own, created empty; its first edit puts the initial text there.
    """
    files = items = left_out = 0
    for split in Split:
        folder = target / split.value
        for part in ("CodeStates", "LinkTables"):
            (folder / part).mkdir(parents=True)
        write_sheet(folder / "DatasetMetadata.csv", ("Property", "Value"), PROGSNAP2_METADATA)
        with ExitStack() as stack:
            writer = _Writer(folder, stack)
            for session in sessions_of(out, split):
                items += len(session.lives)
                left_out += session.left_out
                writer.session(session)
        files += 4
    return files, items, left_out


class _Writer:
    """The open tables of one split."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        def sheet(name: str, head: tuple[str, ...]) -> csv.DictWriter[str]:
            file = stack.enter_context((folder / name).open("w", newline="", encoding="utf-8"))
            made: csv.DictWriter[str] = csv.DictWriter(file, head)
            made.writeheader()
            return made

        self._main = sheet("MainTable.csv", PROGSNAP2)
        self._states = sheet("CodeStates/CodeState.csv", ("CodeStateID", "Code"))
        self._edits = sheet("LinkTables/EditText.csv", EDIT_TEXT)
        self._states.writerow({"CodeStateID": EMPTY_STATE, "Code": ""})
        self._state = self._event = 0

    def session(self, session: SessionEvents) -> None:
        """Write a session's events."""
        for row in session.rows:
            life = session.lives.get((row["document"], row["life"]))
            if life is not None:
                moment = datetime.datetime.fromtimestamp(row["time"] / 1000, datetime.UTC)
                common = {
                    "SubjectID": session.contributor,
                    "ToolInstances": "overt",
                    "ClientTimestamp": moment.isoformat(timespec="milliseconds"),
                    "CodeStateSection": f"{session.session}/{life.document}/{life.life}/{life.path}",
                }
                for event in self._events(life, row):
                    self._main.writerow({**common, "EventID": self._event, "Order": self._event, **event})
                    self._event += 1

    def _events(self, life: DocumentLife, row: dict[str, Any]) -> Iterator[dict[str, str]]:
        if row["index"] == life.first_index:
            yield {"EventType": "File.Create", "CodeStateID": EMPTY_STATE}
            if life.initial_text:
                yield self._edit("ToolReaction", "Reset", life.initial_text, "", 0, self._new_state(life.initial_text))
        elif row["kind"] == "document.edit":
            origin, inserted, removed = row["origin"], row["inserted"], row["removed"]
            plain = "Replace" if inserted and removed else "Delete" if removed else "Insert"
            who, what = _INITIATORS.get(origin, "UserDirectAction"), _EDIT_TYPES.get(origin, plain)
            yield self._edit(who, what, inserted, removed, row["position"], UNKNOWN_STATE)
        elif row["kind"] == "document.close":
            yield {"EventType": "File.Close", "CodeStateID": self._new_state(life.final_text)}
        elif row["kind"] == "document.save":
            yield {"EventType": "File.Save", "CodeStateID": UNKNOWN_STATE}

    def _edit(self, who: str, what: str, inserted: str, removed: str, position: int, state: str) -> dict[str, str]:
        self._edits.writerow({"EventID": self._event, "InsertText": inserted, "DeleteText": removed})
        return {
            "EventType": "File.Edit",
            "CodeStateID": state,
            "EventInitiator": who,
            "EditType": what,
            "SourceLocation": f"Text:{position}",
        }

    def _new_state(self, text: str) -> str:
        self._state += 1
        self._states.writerow({"CodeStateID": self._state, "Code": text})
        return str(self._state)
