"""What views of edits are made from: a dataset's own sessions, with the documents that replay."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dataset_builder.insights import rows_of
from dataset_builder.plan import Split
from dataset_builder.read import DocumentLife, documents

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


def _session(by_session: dict[str, list[DocumentLife]], name: str, rows: list[dict[str, Any]]) -> SessionEvents:
    lives = by_session.pop(name, [])
    kept = {(life.document, life.life): life for life in lives if life.exact and life.level == "content"}
    contributor = lives[0].contributor if lives else ""
    return SessionEvents(contributor, name, kept, rows, len(lives) - len(kept))


def write_sheet(path: Path, head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV file as RFC 4180 has it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(head)
        sheet.writerows(rows)
