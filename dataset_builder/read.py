"""Reads a dataset: its documents, their edits, and their replay from the dataset alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from dataset_builder.card import read_card
from dataset_builder.layout import table_files
from dataset_builder.plan import Split
from dataset_builder.tables import DOCUMENTS
from dataset_builder.text import BlockText
from event_model.errors import DatasetError, PositionError
from event_model.events import DocumentEdit, kind_of

_EDIT_KIND = kind_of(DocumentEdit)
_DOCUMENT_BATCH = 64
"""Documents in memory at once: each may have megabytes."""


class MaskedSpan(msgspec.Struct, frozen=True):
    """A masked span of a document's text, in code points, and the placeholder that stands for it."""

    start: int
    length: int
    placeholder: str


class DocumentLife(msgspec.Struct, frozen=True):
    """One row of the table ``documents``, with its split; times are Unix ms. docs/DATASET.md describes the columns."""

    split: str
    contributor: str
    session: str
    document: int
    life: int
    source: str
    path: str
    workspace: str
    language: str
    level: str
    continues: int | None
    first_index: int
    last_index: int
    opened: int
    last_event: int
    ended: str
    initial_text: str
    final_text: str
    initial_masks: tuple[MaskedSpan, ...]
    final_masks: tuple[MaskedSpan, ...]
    edits: int
    edits_applied: int
    saves: int
    gaps: int
    exact: bool
    broken_by: str | None


class Edit(msgspec.Struct, frozen=True):
    """One applied edit of a document; ``removed`` is what it took out."""

    index: int
    position: int
    deleted: int
    inserted: str
    removed: str


def documents(out: Path, *, path: str | None = None, split: str | None = None) -> Iterator[DocumentLife]:
    """Give the documents of a dataset, in order; only those of a path or of a split if one is given.

    DatasetError: if the folder is not a dataset or can't be read.
    """
    read_card(out)
    for each in Split:
        if split is None or split == each.value:
            for file in table_files(out, "documents", each.value):
                for life in _documents(file, each.value):
                    if path is None or life.path == path:
                        yield life


def final_text(out: Path, *, path: str) -> str:
    """Give the last text of the document with a path, from its latest life. DatasetError: if there is none."""
    lives = sorted(documents(out, path=path), key=lambda life: (life.last_event, life.last_index))
    if not lives:
        raise DatasetError(f"the dataset has no document {path!r}", code="document-missing")
    return lives[-1].final_text


def edits(out: Path, life: DocumentLife) -> Iterator[Edit]:
    """Give the applied edits of a document's life, in order."""
    field = pads.field
    wanted = (
        (field("contributor") == life.contributor)
        & (field("session") == life.session)
        & (field("document") == life.document)
        & (field("life") == life.life)
        & (field("kind") == _EDIT_KIND)
        & field("applied")
    )
    names = ["index", "position", "deleted", "inserted", "removed"]
    data = pads.dataset(table_files(out, "events", life.split))
    for batch in data.to_batches(columns=names, filter=wanted):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Edit(*row)


def replay_text(initial: str, changes: Iterable[Edit]) -> str:
    """Apply edits to a text. DatasetError: if one lies outside it, or took out something else than it says."""
    text = BlockText(initial)
    for edit in changes:
        try:
            removed = text.replace(edit.position, edit.deleted, edit.inserted)
        except PositionError as error:
            raise DatasetError(f"edit {edit.index}: {error.message}", code="replay-failed") from error
        if removed != edit.removed:
            raise DatasetError(f"edit {edit.index} takes out something else than it says", code="replay-failed")
    return text.text()


def columns_of(batch: pa.RecordBatch) -> list[list[object]]:
    """Give a batch's columns as Python values; times as Unix ms."""
    return [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in batch.columns
    ]


def _documents(file: Path, split: str) -> Iterator[DocumentLife]:
    names = [column.name for column in DOCUMENTS]
    try:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=_DOCUMENT_BATCH, columns=names):
                for row in zip(*columns_of(batch), strict=True):
                    yield msgspec.convert({"split": split, **dict(zip(names, row, strict=True))}, type=DocumentLife)
    except (OSError, pa.ArrowException, msgspec.ValidationError) as error:
        raise DatasetError(f"{file} can't be read", code="dataset-damaged") from error
