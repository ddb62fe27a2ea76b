"""Edits as crowd-code 1.0 writes them: a CSV per session, a row to a line. Made from a dataset's own files alone.

crowd-code reads line by line and holds the text of one file: a row ``tab`` brings another one forward, and every
other row replaces a range of it. Offsets count UTF-16 code units, as in its editor. A line end or tab in a text is a
backslash and a letter; a backslash that itself stands before such a letter can't be told from that, so such a text
goes in two rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dataset_builder.plan import Split
from dataset_builder.read import DocumentLife
from dataset_builder.text import BlockText
from dataset_builder.view_edits import SessionEvents, sessions_of

CROWD_CODE = ("Sequence", "Time", "File", "RangeOffset", "RangeLength", "Text", "Language", "Type")

_AMBIGUOUS = re.compile(r"(?<=\\)(?=[nrt])")
_UNWRITABLE = re.compile('["\\r\\n\u2028\u2029]')
"""What would end a line or a quoted name."""

_LINE_SIGNS = ("\u2028", "\u2029")
"""Characters that end a line for crowd-code's reader and have no escape: documents with them are left out."""

Row = tuple[int, str, int, int, str, str, str]
"""Time, file, offset and length of the range, text, language and type."""


def write_crowd_code(out: Path, target: Path) -> tuple[int, int, int]:
    """Write a CSV per session; gives files, documents in them, and documents left out."""
    files = items = left_out = 0
    for split in Split:
        (target / split.value).mkdir()
        for session in sessions_of(out, split):
            lives = _writable(session)
            left_out += session.left_out + len(session.lives) - len(lives)
            if not lives:
                continue
            with (target / split.value / f"{session.session}.csv").open("w", newline="", encoding="utf-8") as file:
                file.write(",".join(CROWD_CODE) + "\n")
                for number, (time, name, at, length, text, language, kind) in enumerate(_rows(session, lives), 1):
                    file.write(f'{number},{time},"{name}",{at},{length},"{_escaped(text)}",{language},{kind}\n')
            files += 1
            items += len(lives)
    return files, items, left_out


def _writable(session: SessionEvents) -> dict[tuple[int, int], DocumentLife]:
    """Leave out what the format has no words for."""
    barred = {
        (row["document"], row["life"])
        for row in session.rows
        if row["inserted"] and any(sign in row["inserted"] for sign in _LINE_SIGNS)
    }
    return {
        key: life
        for key, life in session.lives.items()
        if key not in barred
        and not any(sign in life.initial_text for sign in _LINE_SIGNS)
        and not _UNWRITABLE.search(life.path)
        and not re.search('[",\\s]', life.language)
    }


def _rows(session: SessionEvents, lives: dict[tuple[int, int], DocumentLife]) -> Iterator[Row]:
    start = session.rows[0]["time"]
    texts: dict[tuple[int, int], _Units] = {}
    current: tuple[int, int] | None = None
    for row in session.rows:
        key = row["document"], row["life"]
        life = lives.get(key)
        if life is None:
            continue
        time = row["time"] - start
        first = row["index"] == life.first_index
        if first:
            texts[key] = _Units(life.initial_text)
        if not first and row["kind"] not in {"document.edit", "selection.change"}:
            continue
        text = texts[key]
        if first or key != current:
            current = key
            yield from _pieces(time, life, 0, 0, text.text(), "tab")
        if row["kind"] == "document.edit":
            at = text.unit(row["position"])
            length = text.unit(row["position"] + row["deleted"]) - at
            text.replace(row["position"], row["deleted"], row["inserted"])
            yield from _pieces(time, life, at, length, row["inserted"], "content")
        elif row["kind"] == "selection.change":
            yield from _selection(time, life, text, row["anchor"], row["active"], row["cause"])


def _pieces(time: int, life: DocumentLife, at: int, length: int, text: str, kind: str) -> Iterator[Row]:
    """Give a text's row, or rows where one could not be read back."""
    first, *rest = _AMBIGUOUS.split(text)
    yield time, life.path, at, length, first, life.language, kind
    at += units_of(first)
    for piece in rest:
        yield time, life.path, at, 0, piece, life.language, "content"
        at += units_of(piece)


def _selection(time: int, life: DocumentLife, text: _Units, anchor: int, active: int, cause: str) -> Iterator[Row]:
    """Give a selection with the text that is selected: a reader replaces the one by the other."""
    first, last = sorted((anchor, active))
    selected = text.slice(first, last)
    if len(selected) != last - first or _AMBIGUOUS.search(selected):
        return
    at = text.unit(first)
    kind = f"selection_{cause if cause != 'unknown' else 'command'}"
    yield time, life.path, at, units_of(selected), selected, life.language, kind


class _Units(BlockText):
    """A text of which offsets are known in UTF-16 code units too."""

    __slots__ = ("_wide",)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._wide = units_of(text) != len(text)

    def replace(self, position: int, deleted: int, inserted: str) -> str:
        """As in ``BlockText``."""
        self._wide = self._wide or units_of(inserted) != len(inserted)
        return super().replace(position, deleted, inserted)

    def unit(self, position: int) -> int:
        """Give an offset in code units."""
        return units_of(self.slice(0, position)) if self._wide else position


def units_of(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _escaped(text: str) -> str:
    return text.replace('"', '""').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
