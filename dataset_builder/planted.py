"""Whether values that were planted stand anywhere in a dataset: the proof that the filter and the builder held."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import ahocorasick
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from event_model.errors import DatasetError

MAX_TRUTH_BYTES = 256 << 20
_BATCH_ROWS = 4_096

JOINED = frozenset({"inserted", "value"})
"""Columns of text that comes piece by piece."""


class Planted(msgspec.Struct, frozen=True):
    """A value that must not be found: a line of the truth file that ``overt simulate`` writes."""

    kind: str
    value: str


class Leak(msgspec.Struct, frozen=True):
    """A planted value that stands in a file, and how often."""

    file: str
    kind: str
    value: str
    times: int


def read_truth(path: Path) -> list[Planted]:
    """Read a truth file. DatasetError: if it is none (code ``truth-malformed``)."""
    try:
        if path.stat().st_size > MAX_TRUTH_BYTES:
            raise DatasetError(f"{path} is too large", code="truth-malformed")
        return [msgspec.json.decode(line, type=Planted) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{path} is not a truth file", code="truth-malformed") from error


def find_planted(folder: Path, planted: Iterable[Planted]) -> tuple[Leak, ...]:
    """Look for values in every file of a folder, as they are and as JSON, HTML, CSV and addresses write them.

    In Parquet and Arrow files every text of every column is read, and what was inserted one piece at a time is read
    joined too. DatasetError: if a file can't be read (code ``dataset-damaged``).
    """
    finder, longest = ahocorasick.Automaton(), 0
    for each in planted:
        for form in filter(None, _forms(each.value)):
            finder.add_word(form, each)
            longest = max(longest, len(form))
    if not longest:
        return ()
    finder.make_automaton()
    leaks: list[Leak] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found: Counter[Planted] = Counter()
            for text in _texts(path, longest):
                found.update(each for _end, each in finder.iter(text))
            name = path.relative_to(folder).as_posix()
            leaks += [Leak(name, each.kind, each.value, found[each]) for each in sorted(found, key=lambda e: e.value)]
    return tuple(leaks)


def _forms(value: str) -> set[str]:
    """Give a value in every form in which a file may write it."""
    in_json = msgspec.json.encode(value).decode()[1:-1]
    return {value, in_json, html.escape(value), value.replace('"', '""'), quote(value), quote(value, safe="")}


def _texts(path: Path, longest: int) -> Iterator[str]:
    if path.suffix not in {".parquet", ".arrow"}:
        yield path.read_bytes().decode("utf-8", errors="replace")
        return
    tails: dict[str, str] = {}
    try:
        for batch in _batches(path):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                yield from _texts_of(column)
                if name in JOINED and _is_text(column):
                    tails[name] = tails.get(name, "") + "".join(filter(None, column.to_pylist()))
                    yield tails[name]
                    tails[name] = tails[name][-longest:]
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} can't be read", code="dataset-damaged") from error


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".arrow":
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream
        return
    with pq.ParquetFile(path) as parquet:
        yield from parquet.iter_batches(batch_size=_BATCH_ROWS)


def _texts_of(column: pa.Array) -> Iterator[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if _is_text(column):
        yield "\n".join(filter(None, column.to_pylist()))
    elif pa.types.is_nested(column.type):
        yield str(column.to_pylist())


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
