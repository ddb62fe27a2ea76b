"""Parts and files: one session's rows on disk, and the files of the dataset made from them.

A session's part is written by whoever rebuilds it, in whatever order; the files are written from the parts in a fixed
order and with fixed sizes, so that the same segments give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.layout import EXAMPLES
from dataset_builder.next_edit import DIGEST_BYTES, Example, example_digest
from dataset_builder.rows import Row
from dataset_builder.tables import TABLES, batch_of, schema_of

BATCH_ROWS = 8_192
"""Rows that are brought together before they become columns."""

_LINES = 1_500
"""Pieces of examples, three a line, that are brought together before they are written: some 2 MB."""

BATCH_CHARS = 8 << 20
"""Text in waiting rows (code points) after which they become columns: documents may have a megabyte each."""

GROUP_ROWS = 65_536
GROUP_BYTES = 32 << 20
"""The size of a row group: what a reader holds at once."""

_ENCODER = msgspec.json.Encoder()


class PartWriter:
    """Writes one session's part: Arrow streams and a file of examples. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._sinks: dict[str, pa.ipc.RecordBatchStreamWriter] = {}
        self._folder = folder
        self._options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._rows: dict[str, list[Row]] = {table: [] for table in TABLES}
        self._batches: dict[str, list[pa.RecordBatch]] = {table: [] for table in TABLES}
        self._chars = dict.fromkeys(TABLES, 0)
        self._lines: list[bytes] = []
        self._examples = _part(folder, EXAMPLES).open("wb")
        self.counts = dict.fromkeys((*TABLES, EXAMPLES), 0)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for table in TABLES:
                    self._flush(table)
                self._flush_examples()
        finally:
            for sink in self._sinks.values():
                sink.close()
            self._examples.close()

    def add(self, table: str, rows: Iterable[Row], *, chars: int = 0) -> None:
        """Add rows; ``chars`` says how much text they hold if it may be much."""
        waiting = self._rows[table]
        before = len(waiting)
        waiting.extend(rows)
        self.counts[table] += len(waiting) - before
        self._chars[table] += chars
        if len(waiting) >= BATCH_ROWS or self._chars[table] >= BATCH_CHARS:
            self._flush(table)

    def add_batch(self, table: str, batch: pa.RecordBatch) -> None:
        """Add rows that are columns already, in a table that gets no others; small batches are brought together."""
        self._batches[table].append(batch)
        self.counts[table] += batch.num_rows
        if sum(each.num_rows for each in self._batches[table]) >= BATCH_ROWS:
            self._flush(table)

    def add_example(self, example: Example) -> None:
        """Add an example. A line begins with its digest, so that it need not be read again to know it from others."""
        self._lines += (example_digest(example), _ENCODER.encode(example), b"\n")
        self.counts[EXAMPLES] += 1
        if len(self._lines) >= _LINES:
            self._flush_examples()

    def _flush_examples(self) -> None:
        self._examples.write(b"".join(self._lines))
        self._lines.clear()

    def _flush(self, table: str) -> None:
        rows, batches = self._rows[table], self._batches[table]
        if batches:
            for batch in pa.Table.from_batches(batches).combine_chunks().to_batches():
                self._write(table, batch)
        self._batches[table] = []
        if rows:
            self._write(table, batch_of(table, zip(*rows, strict=True)))
        self._rows[table] = []
        self._chars[table] = 0

    def _write(self, table: str, batch: pa.RecordBatch) -> None:
        """Write a batch; a table without rows has no file."""
        if table not in self._sinks:
            path = _part(self._folder, table)
            self._sinks[table] = pa.ipc.new_stream(path, batch.schema, options=self._options)
        self._sinks[table].write_batch(batch)


class WrittenFile(msgspec.Struct, frozen=True):
    """A file of the dataset: its name from the dataset's folder, rows, bytes and SHA-256 (hex)."""

    name: str
    rows: int
    bytes: int
    sha256: str


def write_table(table: str, parts: Sequence[Path], target: Path) -> int:
    """Write the rows of some parts, in their order, as one Parquet file; give how many there are."""
    schema = schema_of(table)
    rows = 0
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=6, version="2.6") as writer:
        for group in _groups(_batches(table, parts)):
            writer.write_table(pa.Table.from_batches(group).cast(schema), row_group_size=GROUP_ROWS)
            rows += sum(batch.num_rows for batch in group)
    return rows


def write_examples(parts: Sequence[Path], target: Path, *, seen: set[bytes]) -> tuple[int, int]:
    """Write the examples of some parts that are not in ``seen``, and add them to it.

    Gives how many were written and how many left out. ``example_digest`` says which are the same.
    """
    written = left_out = 0
    with target.open("wb") as sink:
        for part in parts:
            with _part(part, EXAMPLES).open("rb") as lines:
                while digest := lines.read(DIGEST_BYTES):
                    line = lines.readline()
                    if digest in seen:
                        left_out += 1
                        continue
                    seen.add(digest)
                    sink.write(line)
                    written += 1
    return written, left_out


def describe_file(root: Path, path: Path, rows: int) -> WrittenFile:
    """Give a file's entry for the card."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WrittenFile(path.relative_to(root).as_posix(), rows, path.stat().st_size, digest)


def keep_private(folder: Path) -> None:
    """Give a folder and all in it to its owner alone, whatever the umask: it holds what people wrote."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _part(folder: Path, name: str) -> Path:
    return folder / (f"{name}.lines" if name == EXAMPLES else f"{name}.arrow")


def _batches(table: str, parts: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        if not _part(part, table).exists():
            continue
        with pa.OSFile(str(_part(part, table))) as file, pa.ipc.open_stream(file) as stream:
            yield from stream


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Bring batches together to row groups."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if group and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > GROUP_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if group:
        yield group
