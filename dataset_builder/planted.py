"""Whether values that were planted stand anywhere in a dataset: the proof that the filter and the builder held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from event_model.errors import DatasetError

MAX_TRUTH_BYTES = 256 << 20
_BATCH_ROWS = 4_096


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
    """Look for values in every file of a folder.

    In Parquet files every text of every column is read, and what was inserted one piece at a time is read joined too.
    DatasetError: if a file can't be read (code ``dataset-damaged``).
    """
    wanted = {each.value: each.kind for each in planted}
    leaks: list[Leak] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found: Counter[str] = Counter()
            for text in _texts(path):
                found.update({value: text.count(value) for value in wanted if value in text})
            name = path.relative_to(folder).as_posix()
            leaks += [Leak(name, wanted[value], value, times) for value, times in sorted(found.items())]
    return tuple(leaks)


def _texts(path: Path) -> Iterator[str]:
    if path.suffix != ".parquet":
        yield path.read_bytes().decode("utf-8", errors="replace")
        return
    try:
        with pq.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    yield from _texts_of(name, column)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} can't be read", code="dataset-damaged") from error


def _texts_of(name: str, column: pa.Array) -> Iterator[str]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = [value for value in column.to_pylist() if value]
        yield "\n".join(values)
        if name in {"inserted", "value"}:
            yield "".join(values)
    elif pa.types.is_nested(column.type):
        yield str(column.to_pylist())
