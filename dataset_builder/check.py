"""The check: from a dataset alone, that it is whole, replays, shows nothing masked and keeps its splits apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.card import CARD, Card, columns_of_tables, read_card
from dataset_builder.croissant import CROISSANT
from dataset_builder.layout import examples_file, is_table_file, table_files
from dataset_builder.next_edit import CURSOR, REGION_END, REGION_START, Example, example_digest
from dataset_builder.plan import Split
from dataset_builder.read import columns_of, documents
from dataset_builder.session_check import EventRow, MaskRow, PageRow, check_session
from dataset_builder.tables import TABLES, schema_of
from event_model.errors import DatasetError

MAX_PROBLEMS = 1_000
"""More problems than this say nothing more."""

_BATCH_ROWS = 8_192

T = TypeVar("T", bound=msgspec.Struct)
Who = tuple[str, str]


class CheckProblem(msgspec.Struct, frozen=True):
    """Something that is wrong with a dataset: what, where, and a sentence."""

    code: str
    where: str
    detail: str


class CheckReport(msgspec.Struct, frozen=True):
    """What a check found. ``documents_replayed`` were rebuilt from their edits and are identical."""

    files: int
    events: int
    documents: int
    documents_replayed: int
    documents_exact: int
    masked_spans: int
    examples: int
    problems: tuple[CheckProblem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(out: Path, *, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Check a dataset against its card, its columns, its own edits and the rules of its splits.

    ``progress`` is told the events checked, and how many there are. DatasetError: if the folder is not a dataset, or
    a file of it can't be read (code ``dataset-damaged``).
    """
    return _Check(out, read_card(out), progress or (lambda _done, _total: None)).run()


class _Groups(Generic[T]):
    """Rows that stand in the order of their sessions, taken session by session."""

    def __init__(self, rows: Iterator[T], key: Callable[[T], Who]) -> None:
        self._groups = groupby(rows, key=key)
        self._next = next(self._groups, None)

    def take(self, who: Who) -> list[T]:
        """Give the rows of a session if it is the next one."""
        if self._next is None or self._next[0] != who:
            return []
        rows = list(self._next[1])
        self._next = next(self._groups, None)
        return rows

    @property
    def left(self) -> Who | None:
        """The session whose rows were not taken, if there is one."""
        return None if self._next is None else self._next[0]


class _Check:
    """One check, and what it found so far."""

    def __init__(self, out: Path, card: Card, progress: Callable[[int, int], None]) -> None:
        self._out = out
        self._card = card
        self._progress = progress
        self._problems: list[CheckProblem] = []
        self._events = self._documents = self._replayed = self._exact = self._spans = self._examples = 0
        self._split_of: dict[Who, str] = {}
        self._seen: set[bytes] = set()

    def run(self) -> CheckReport:
        """Do all of it; files that are not what the card says are not read."""
        sound = self._check_files()
        for split in Split:
            if self._sound_tables(split, sound) and self._check_columns(split):
                self._check_sessions(split.value)
        for split in Split:
            if examples_file(split) in sound:
                self._check_examples(split.value)
        if sound == self._wanted_files():
            self._check_counts()
        return CheckReport(
            files=len(sound),
            events=self._events,
            documents=self._documents,
            documents_replayed=self._replayed,
            documents_exact=self._exact,
            masked_spans=self._spans,
            examples=self._examples,
            problems=tuple(self._problems),
        )

    def _add(self, code: str, where: str, detail: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(CheckProblem(code, where, detail))

    def _check_files(self) -> set[str]:
        """Compare the files with the card; give the names of those that are what it says."""
        listed = {file.name: file for file in self._card.files}
        for path in sorted(self._out.rglob("*")):
            name = path.relative_to(self._out).as_posix()
            if not path.is_dir() and name != CARD and name not in listed:
                self._add("file-foreign", name, "the card does not know this file")
        sound: set[str] = set()
        for name in sorted(self._wanted_files()):
            if name not in listed or not (self._out / name).is_file():
                self._add("file-missing", name, "it belongs to every dataset")
            elif _digest(self._out / name) != listed[name].sha256:
                self._add("file-changed", name, "its bytes are not those that were written")
            else:
                sound.add(name)
        return sound

    def _wanted_files(self) -> set[str]:
        """Name the files that belong to every dataset, and those of its tables."""
        tables = {file.name for file in self._card.files if is_table_file(file.name, frozenset(TABLES))}
        return tables | {examples_file(split) for split in Split} | {CROISSANT}

    def _sound_tables(self, split: Split, sound: set[str]) -> bool:
        """Say whether every file of a split's tables is what was written, and each date has all tables."""
        wanted = {name for name in self._wanted_files() if name.endswith(f"/{split.value}.parquet")}
        dates = {name.partition("/")[2] for name in wanted}
        for missing in sorted({f"{table}/{date}" for table in TABLES for date in dates} - wanted):
            self._add("file-missing", missing, "its date has other tables")
            return False
        return wanted <= sound

    def _check_columns(self, split: Split) -> bool:
        if self._card.tables != columns_of_tables():
            self._add("columns-differ", CARD, "its columns are not those of this version")
            return False
        for table in TABLES:
            for path in table_files(self._out, table, split.value):
                with _parquet(path) as parquet:
                    if not parquet.schema_arrow.equals(schema_of(table), check_metadata=False):
                        name = path.relative_to(self._out).as_posix()
                        self._add("columns-differ", name, "its columns are not those of the card")
                        return False
        return True

    def _check_sessions(self, split: str) -> None:
        """Replay every session of a split from its events, next to its documents and masks."""
        lives = _Groups(documents(self._out, split=split), key=lambda life: (life.contributor, life.session))
        masks = _Groups(self._rows("masks", split, MaskRow), key=lambda row: row.who)
        pages = _Groups(self._rows("pages", split, PageRow), key=lambda row: row.who)
        for who, rows in groupby(self._rows("events", split, EventRow), key=lambda row: row.who):
            self._claim(who, split, f"events, {split}")
            found = check_session(self._counted(rows), lives.take(who), masks.take(who), pages.take(who))
            self._documents += found.documents
            self._replayed += found.replayed
            self._exact += found.exact
            self._spans += found.spans
            for code, detail in found.problems:
                self._add(code, f"{split} {who[0]}/{who[1]}", detail)
        for table, left in (("documents", lives.left), ("masks", masks.left), ("pages", pages.left)):
            if left is not None:
                self._add("rows-stray", f"{table}, {split}", f"rows of {left[0]}/{left[1]} have no events")

    def _rows(self, table: str, split: str, kind: type[T]) -> Iterator[T]:
        names = list(kind.__struct_fields__)
        for path in table_files(self._out, table, split):
            with _parquet(path) as parquet:
                for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                    # Parquet gives the columns in the order of the file.
                    columns = dict(zip(batch.schema.names, columns_of(batch), strict=True))
                    for row in zip(*(columns[name] for name in names), strict=True):
                        yield kind(*row)

    def _counted(self, rows: Iterator[EventRow]) -> Iterator[EventRow]:
        for row in rows:
            self._events += 1
            if self._events % _BATCH_ROWS == 0:
                self._progress(self._events, self._card.counts.events)
            yield row

    def _claim(self, who: Who, split: str, where: str) -> None:
        """A session belongs to the first split it is seen in."""
        if self._split_of.setdefault(who, split) != split:
            self._add("split-leak", where, f"the session {who[1]} is in {self._split_of[who]} too")

    def _check_examples(self, split: str) -> None:
        name = examples_file(Split(split))
        with (self._out / name).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                self._examples += 1
                where = f"{name}:{number}"
                try:
                    example = msgspec.json.decode(line, type=Example)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    self._add("example-malformed", where, "it is not an example")
                    continue
                self._claim((example.contributor, example.session), split, where)
                self._check_example(example, where)

    def _check_example(self, example: Example, where: str) -> None:
        counts = [example.input.count(marker) for marker in (REGION_START, CURSOR, REGION_END)]
        if counts != [1, 1, 1] or [example.output.count(marker) for marker in (REGION_START, REGION_END)] != [1, 1]:
            self._add("example-malformed", where, "a marker is missing or stands there twice")
        digest = example_digest(example)
        if digest in self._seen:
            self._add("example-duplicate", where, "the same example stands in the dataset already")
        self._seen.add(digest)

    def _check_counts(self) -> None:
        counts = self._card.counts
        for name, found, told in (
            ("events", self._events, counts.events),
            ("documents", self._documents, counts.documents),
            ("documents_exact", self._exact, counts.documents_exact),
            ("masked_spans", self._spans, counts.masked_spans),
            ("examples", self._examples, counts.examples),
        ):
            if found != told:
                self._add("counts-differ", CARD, f"{name}: the card says {told}, there are {found}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} can't be read", code="dataset-damaged") from error
