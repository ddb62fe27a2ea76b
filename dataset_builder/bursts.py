"""Bursts: neighbouring edits of one document taken together, as one step that a model may learn to make. Pure."""

from __future__ import annotations

import msgspec

from dataset_builder.edit_runs import MAX_PAUSE_MS, EditRun
from dataset_builder.text import BlockText

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
    """Follows one document's edits. It is told of edits before the text changes."""

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

    def fits(self, position: int, now_ms: int) -> bool:
        """Say whether an edit there goes on with the open burst."""
        return (
            self._open
            and self._start - NEAR_CHARS <= position <= self._end + NEAR_CHARS
            and now_ms - self._last_ms <= MAX_PAUSE_MS
            and self._edits < MAX_BURST_EDITS
            and not self._too_large
        )

    def take(self, run: EditRun, done: int, position: int, deleted: int, text: BlockText) -> tuple[int, int]:
        """Take edits of a run into the burst or into a new one, after those that are done, as many as fit.

        The text is that before them. Gives up to which edit of the run, and how much they insert (code points).
        """
        if not self._open:
            self._open = True
            self._start = self._end = position
            self._before = ""
            self._edits, self._first_index = 0, run.when(done)[0]
            self._origins.clear()
            self._caret = 0
        if deleted or not self._start <= position <= self._end:
            self._delete(position, position + deleted, text)
        size = self._end - self._start
        chars = -1 if len(self._before) > MAX_BURST_CHARS else MAX_BURST_CHARS - size
        upto, inserted = run.upto(done, MAX_BURST_EDITS - self._edits, chars)
        self._end += inserted
        self._edits += upto - done
        self._last_index, self._last_ms = run.when(upto - 1)
        self._origins.add(run.origin)
        self._too_large = inserted > chars
        return upto, inserted

    def _delete(self, position: int, end: int, text: BlockText) -> None:
        """Take in what an edit deletes, and what lies between it and the burst."""
        if position < self._start:
            self._before = text.slice(position, self._start) + self._before
            self._caret += self._start - position
            self._start = position
        if end > self._end:
            self._before += text.slice(self._end, end)
            self._end = end
        self._end -= end - position

    def close(self, text: BlockText, *, document: int, life: int, path: str) -> Burst:
        """End the burst and give it; the text is that after its last edit."""
        self._open = False
        start, end = self._start, self._end
        head = min(start, CONTEXT_CHARS)
        around = text.slice(start - head, end + CONTEXT_CHARS)
        after = head + end - start
        return Burst(
            document=document,
            life=life,
            path=path,
            first_index=self._first_index,
            last_index=self._last_index,
            start=start,
            line=text.count("\n", start) + 1,
            head=around[:head],
            before=self._before,
            after="" if self._too_large else around[head:after],
            tail=around[after:],
            at_start=start <= CONTEXT_CHARS,
            at_end=end + CONTEXT_CHARS >= len(text),
            caret=self._caret,
            origins=tuple(sorted(self._origins)),
            too_large=self._too_large,
        )
