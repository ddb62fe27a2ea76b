"""Bursts: neighbouring edits of one document taken together, as one step that a model may learn to make. Pure."""

from __future__ import annotations

import msgspec

from dataset_builder.text import BlockText
from event_model.events import DocumentEdit

MAX_PAUSE_MS = 3_000
"""A longer pause ends a burst: the person stopped to think or to read."""

NEAR_CHARS = 80
"""An edit further than about a line away (code points) from what the burst changed begins another."""

MAX_BURST_EDITS = 200
MAX_BURST_CHARS = 2_000
"""What a burst may change, before or after (code points): some 50 lines. A larger edit is no step to predict."""

CONTEXT_CHARS = 4_096
"""How far before and after a burst the text is kept (code points); the lines of an excerpt are cut from it."""


class Burst(msgspec.Struct, frozen=True):
    """One burst, with the document around it.

    ``head`` + ``before`` + ``tail`` is the document around the burst when it began, ``head`` + ``after`` + ``tail``
    when it ended. ``start`` is where ``before`` and ``after`` begin in the document, ``line`` the number of their first
    line from 1; ``at_start`` and ``at_end`` say whether head and tail reach the document's ends; ``caret`` is where
    the first edit began, in ``before``.
    """

    document: int
    life: int
    path: str
    first_index: int
    last_index: int
    start: int
    line: int
    head: str
    before: str
    after: str
    tail: str
    at_start: bool
    at_end: bool
    caret: int
    origins: tuple[str, ...]
    too_large: bool


class BurstTracker:
    """Follows one document's edits. ``begin`` an edit before the text changes, ``finish`` it afterwards."""

    __slots__ = (
        "_before",
        "_caret",
        "_edits",
        "_end",
        "_first_index",
        "_last_index",
        "_last_ms",
        "_open",
        "_origins",
        "_start",
        "_too_large",
    )

    def __init__(self) -> None:
        self._open = False
        self._start = self._end = self._caret = 0
        self._before = ""
        self._edits = self._first_index = self._last_index = self._last_ms = 0
        self._origins: set[str] = set()
        self._too_large = False

    @property
    def open(self) -> bool:
        """Whether a burst has begun and is not closed."""
        return self._open

    def fits(self, edit: DocumentEdit, now_ms: int) -> bool:
        """Say whether an edit goes on with the open burst."""
        return (
            self._open
            and self._start - NEAR_CHARS <= edit.position <= self._end + NEAR_CHARS
            and now_ms - self._last_ms <= MAX_PAUSE_MS
            and self._edits < MAX_BURST_EDITS
            and not self._too_large
        )

    def begin(self, edit: DocumentEdit, text: BlockText, index: int, now_ms: int) -> None:
        """Take an edit into the burst, or into a new one; the text is that before the edit."""
        position, end = edit.position, edit.position + edit.deleted
        if not self._open:
            self._open = True
            self._start = self._end = position
            self._before = ""
            self._edits, self._first_index = 0, index
            self._origins.clear()
            self._too_large = False
            self._caret = 0
        if position < self._start:
            self._before = text.slice(position, self._start) + self._before
            self._caret += self._start - position
            self._start = position
        if end > self._end:
            self._before += text.slice(self._end, end)
            self._end = end
        self._end += len(edit.inserted) - edit.deleted
        self._edits += 1
        self._last_index, self._last_ms = index, now_ms
        self._origins.add(edit.origin._value_)
        self._too_large = len(self._before) > MAX_BURST_CHARS or self._end - self._start > MAX_BURST_CHARS

    def close(self, text: BlockText, *, document: int, life: int, path: str) -> Burst:
        """End the burst and give it; the text is that after its last edit."""
        self._open = False
        start, end = self._start, self._end
        return Burst(
            document=document,
            life=life,
            path=path,
            first_index=self._first_index,
            last_index=self._last_index,
            start=start,
            line=text.count("\n", start) + 1,
            head=text.slice(start - CONTEXT_CHARS, start),
            before=self._before,
            after="" if self._too_large else text.slice(start, end),
            tail=text.slice(end, end + CONTEXT_CHARS),
            at_start=start <= CONTEXT_CHARS,
            at_end=end + CONTEXT_CHARS >= len(text),
            caret=self._caret,
            origins=tuple(sorted(self._origins)),
            too_large=self._too_large,
        )
