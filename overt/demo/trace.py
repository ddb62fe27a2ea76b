"""Recorded editing sessions in the editing-traces form, and their edits as an editor would announce them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from event_model.errors import FormatError
from event_model.positions import LineBuffer, PositionEncoding


class Transaction(msgspec.Struct, frozen=True):
    """Edits made at once; each patch is ``[position, deleted, inserted]``, applied in order."""

    patches: tuple[tuple[int, int, str], ...]
    time: str | None = None


class Trace(msgspec.Struct, frozen=True):
    """A whole session of one document; positions count code points."""

    startContent: str  # noqa: N815 - the format's names
    endContent: str  # noqa: N815
    txns: tuple[Transaction, ...]

    @property
    def edits(self) -> int:
        """How many patches there are in all."""
        return sum(len(transaction.patches) for transaction in self.txns)

    def beginning(self, transactions: int) -> Trace:
        """Cut a trace after so many transactions, with the text as it stands there."""
        if transactions >= len(self.txns):
            return self
        part = self.txns[:transactions]
        buffer = LineBuffer(self.startContent)
        for transaction in part:
            for position, deleted, inserted in transaction.patches:
                buffer.replace(position, deleted, inserted)
        return Trace(self.startContent, buffer.text(), part)


def read_trace(path: Path) -> Trace:
    """Read a trace, gzipped or not. FormatError: if it is none."""
    try:
        data = path.read_bytes()
        return msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data, type=Trace)
    except (OSError, EOFError, gzip.BadGzipFile, msgspec.DecodeError) as error:
        raise FormatError(f"{path} is not an editing trace: {error}", code="trace-malformed") from error


def content_changes(text: str, transactions: Iterator[Transaction] | tuple[Transaction, ...]) -> Iterator[list[Any]]:
    """Turn each transaction into the ``contentChanges`` of one ``didChange``, with UTF-16 positions (LSP 3.17)."""
    buffer = LineBuffer(text)
    for transaction in transactions:
        changes: list[Any] = []
        for position, deleted, inserted in transaction.patches:
            start = buffer.position(position, PositionEncoding.UTF16)
            end = buffer.position(position + deleted, PositionEncoding.UTF16) if deleted else start
            changes.append(
                {
                    "range": {
                        "start": {"line": start[0], "character": start[1]},
                        "end": {"line": end[0], "character": end[1]},
                    },
                    "text": inserted,
                }
            )
            buffer.replace(position, deleted, inserted)
        yield changes
