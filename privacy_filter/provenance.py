"""Which event brought which character, for everything that is not sealed yet.

Every character that an event brings gets a number, counted up in the order of arrival: its *cell*. Cells are never
given twice, so a character keeps its cell when it is deleted, and a mask found later still reaches the event that
typed it. Cells below the floor belong to events that were taken: they are known by number only.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from event_model.events import Mask

FIRST_CELL = 1
"""Cell 0 stands for the start of a document: what is deleted there hangs on it."""

Span = tuple[int, int]
"""Consecutive cells, the end not included."""


class Provenance:
    """A log of the pending characters, by cell: the event, the field, the text, and what is masked.

    About 20 bytes an edit and 1 byte a character, besides the text itself.
    """

    __slots__ = (
        "_cut",
        "_events",
        "_fields",
        "_marks",
        "_pastes",
        "_starts",
        "_texts",
        "floor",
        "next_cell",
        "tainted",
    )

    def __init__(self) -> None:
        self.floor = FIRST_CELL
        self.next_cell = FIRST_CELL
        self.tainted = bytearray()
        self._starts = array("I")
        self._events = array("Q")
        self._texts: list[str] = []
        self._fields: list[str] = []
        self._marks: list[tuple[int, int, int]] = []
        # Pastes of what was cut elsewhere, ascending: the first cell, and which cells held the same before.
        self._pastes = array("I")
        self._cut: list[tuple[Span, ...]] = []

    def add(self, index: int, field: str, text: str) -> int:
        """Log the text of an event's field and give its first cell."""
        first = self.next_cell
        self._starts.append(first)
        self._events.append(index)
        self._texts.append(text)
        self._fields.append(field)
        self.next_cell = first + len(text)
        self.tainted += bytes(len(text))
        return first

    @property
    def pending(self) -> int:
        """How many characters are pending."""
        return self.next_cell - self.floor

    def cell_of(self, index: int) -> int:
        """Give the first cell of the first logged event at or after ``index``."""
        run = bisect_left(self._events, index)
        return self._starts[run] if run < len(self._starts) else self.next_cell

    def event_of(self, cell: int) -> int:
        """Give the index of the event that brought a pending cell."""
        return self._events[bisect_right(self._starts, cell) - 1]

    def is_edit(self, cell: int) -> bool:
        """Say whether a cell is pending and was brought by an edit, not by opening a document."""
        return cell >= self.floor and self._fields[bisect_right(self._starts, cell) - 1] == "inserted"

    def text(self, start: int, end: int) -> str:
        """Give the characters of pending cells, in the order of arrival."""
        pieces = [piece for _, _, _, piece in self._pieces(max(start, self.floor), end)]
        return "".join(pieces)

    def moved(self, first: int, cells: Sequence[Span]) -> None:
        """Say that the cells from ``first`` on bring again what was cut out elsewhere: they are masked together."""
        self._pastes.append(first)
        self._cut.append(tuple(cells))
        for start, end in cells:
            for mark_start, mark_end, finding in tuple(self._marks):
                low, high = max(start, mark_start), min(end, mark_end)
                if low < high:
                    self._taint([(first + low - start, first + high - start)], finding)
            first += end - start

    def taint(self, spans: Iterable[Span], finding: int) -> None:
        """Mask cells for good, and where they were cut from; what is masked already keeps its finding."""
        waiting = list(spans)
        while waiting:
            self._taint(waiting, finding)
            # What is pasted is younger than what was cut: each step goes back in time, so it ends.
            waiting = [cut for span in waiting for cut in self._cut_from(span)] if self._cut else []

    def _cut_from(self, span: Span) -> Iterator[Span]:
        """Give the cells that held before what now stands in a span."""
        number = max(bisect_right(self._pastes, span[0]) - 1, 0)
        while number < len(self._cut) and (at := self._pastes[number]) < span[1]:
            for start, end in self._cut[number]:
                low, high = max(span[0], at), min(span[1], at + end - start)
                if low < high:
                    yield start + low - at, start + high - at
                at += end - start
            number += 1

    def _taint(self, spans: Iterable[Span], finding: int) -> None:
        for span_start, end in spans:
            start = max(span_start, self.floor)
            while start < end:
                start = self.tainted.find(0, start - self.floor, end - self.floor)
                if start < 0:
                    break
                start += self.floor
                stop = self.tainted.find(1, start - self.floor, end - self.floor)
                stop = end if stop < 0 else stop + self.floor
                self.tainted[start - self.floor : stop - self.floor] = b"\x01" * (stop - start)
                self._marks.append((start, stop, finding))
                start = stop

    def is_tainted(self, cell: int) -> bool:
        """Say whether a pending cell is masked; one that was taken is not known to be."""
        return cell >= self.floor and self.tainted[cell - self.floor] == 1

    def finding_of(self, cell: int) -> int | None:
        """Give the finding that a masked pending cell belongs to."""
        return next((finding for start, end, finding in reversed(self._marks) if start <= cell < end), None)

    def masks(self, upto: int) -> list[Mask]:
        """Give the masks of the events below ``upto`` as they stand."""
        limit = self.cell_of(upto)
        masks: list[Mask] = []
        for start, end, finding in sorted(self._marks):
            for index, field, offset, piece in self._pieces(start, min(end, limit)):
                masks.append(Mask(index=index, field=field, offset=offset, length=len(piece), finding=finding))
        return _merged(masks)

    def take(self, upto: int) -> list[Mask]:
        """Give the masks of the events below ``upto`` and forget their characters."""
        limit, masks = self.cell_of(upto), self.masks(upto)
        self._marks = [(max(start, limit), end, finding) for start, end, finding in sorted(self._marks) if end > limit]
        self._drop(limit)
        return masks

    def _drop(self, limit: int) -> None:
        runs = bisect_left(self._starts, limit)
        del self._starts[:runs], self._events[:runs], self._texts[:runs], self._fields[:runs]
        pastes = bisect_left(self._pastes, limit)
        del self._pastes[:pastes], self._cut[:pastes]
        del self.tainted[: limit - self.floor]
        self.floor = limit

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, str, int, str]]:
        """Cut cells at the events: event, field, offset in the field, text."""
        end = min(end, self.next_cell)
        if start >= end:
            return
        run = bisect_right(self._starts, start) - 1
        while start < end:
            offset = start - self._starts[run]
            piece = self._texts[run][offset : offset + end - start]
            yield self._events[run], self._fields[run], offset, piece
            start += len(piece)
            run += 1


def _merged(masks: list[Mask]) -> list[Mask]:
    """Join masks that touch and belong together."""
    merged: list[Mask] = []
    for mask in masks:
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.index, last.field, last.finding) == (mask.index, mask.field, mask.finding)
            and last.offset + last.length == mask.offset
        ):
            mask = Mask(mask.index, mask.field, last.offset, last.length + mask.length, mask.finding)  # noqa: PLW2901 - grown in place
            merged.pop()
        merged.append(mask)
    return merged
