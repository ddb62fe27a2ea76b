"""Recorded editing sessions in the editing-traces form, and their edits as an editor would announce them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from event_model.errors import FormatError
from event_model.positions import LineBuffer, PositionEncoding


class Transaction(msgspec.Struct, frozen=True):
    """Edits made at once; each patch is ``[position, deleted, inserted]``, applied in order.

    ``parents`` are the transactions that this one follows, where a trace says so.
    """

    patches: tuple[tuple[int, int, str], ...]
    time: str | None = None
    parents: tuple[int, ...] | None = None


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
    """Read a trace, gzipped or not.

    FormatError: if it is none, edits what is not there (``trace-malformed``), or is of people who wrote at the same
    time without one order of what they did (``trace-concurrent``).
    """
    try:
        data = path.read_bytes()
        trace = msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data, type=Trace)
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not an editing trace: {error}", code="trace-malformed") from error
    _check(trace, path)
    return trace


def content_changes(text: str, transactions: Iterable[Transaction]) -> Iterator[list[Any]]:
    """Turn each transaction into the ``contentChanges`` of one ``didChange``, with UTF-16 positions (LSP 3.17).

    No position lies between a CR and its LF: a patch that begins or ends there takes its half out and puts it in again.
    PositionError: if a patch lies outside the text.
    """
    buffer = LineBuffer(text)
    ends = "\r" in text
    for transaction in transactions:
        changes: list[Any] = []
        for patch in transaction.patches:
            position, deleted, inserted = _around_line_ends(buffer, *patch) if ends else patch
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
            ends = ends or "\r" in inserted
        yield changes


def _around_line_ends(buffer: LineBuffer, position: int, deleted: int, inserted: str) -> tuple[int, int, str]:
    """Widen a patch that cuts a CR LF in two."""
    if _cuts(buffer, position + deleted):
        deleted, inserted = deleted + 1, inserted + "\n"
    if _cuts(buffer, position):
        position, deleted, inserted = position - 1, deleted + 1, "\r" + inserted
    return position, deleted, inserted


def _cuts(buffer: LineBuffer, place: int) -> bool:
    return 0 < place < buffer.size and buffer.slice(place - 1, 2) == "\r\n"


def _check(trace: Trace, path: Path) -> None:
    """Refuse edits outside the text, and a history that is not one line."""
    size = len(trace.startContent)
    for number, transaction in enumerate(trace.txns):
        if transaction.parents not in (None, (number - 1,) if number else ()):
            raise FormatError(
                f"transaction {number} of {path} does not follow the one before it: people wrote at the same time",
                code="trace-concurrent",
                hint="Flatten the trace first, so that its transactions are in one order.",
            )
        for position, deleted, inserted in transaction.patches:
            if position < 0 or deleted < 0 or position + deleted > size:
                raise FormatError(
                    f"transaction {number} of {path} edits {deleted} code points at {position} of a text of {size}",
                    code="trace-malformed",
                )
            size += len(inserted) - deleted
