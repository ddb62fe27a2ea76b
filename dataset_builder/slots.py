"""Where masked text lies in a document, carried by the text itself while it is edited.

A replayed document holds, in place of each masked character, a *slot*: one character of planes 4 to 13, where
Unicode has assigned none, that stands for a finding and for what the masked text shows there (filler or a line end).
Whatever edits do to the document, its slots move along, so that the masked spans of any state are known exactly.
Characters of those planes that really stand in a text get slots of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from event_model.errors import SegmentError
from event_model.events import FILLER, Mask

FIRST_SLOT = 0x40000
END_SLOT = 0xE0000
MAX_SLOTS = END_SLOT - FIRST_SLOT

_SLOTS = re.compile(f"[{chr(FIRST_SLOT)}-{chr(END_SLOT - 1)}]+")
_LINE_ENDS = "\n\r"

LITERAL = -1
"""In place of a finding's number: the character stands in the text itself."""

Span = tuple[int, int, int]
"""Start, length and finding of a masked span, in code points."""


class Slots:
    """The slots of one session's documents."""

    __slots__ = ("_by_meaning", "_meanings", "_shown")

    def __init__(self) -> None:
        self._by_meaning: dict[tuple[int, str], str] = {}
        self._meanings: dict[str, tuple[int, str]] = {}
        self._shown: dict[int, str] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._shown)

    def mask(self, text: str, masks: Iterable[Mask]) -> str:
        """Put slots where the masks say; where they overlap, the first one holds.

        What stands there is taken for masked even if it is not filler. SegmentError: if a mask lies outside the text.
        """
        result = self.escape(text)
        for mask in masks:
            end = mask.offset + mask.length
            if end > len(text):
                raise SegmentError("a mask lies outside its text", code="mask-invalid")
            span = "".join([self._put(sign, mask.finding) for sign in result[mask.offset : end]])
            result = result[: mask.offset] + span + result[end:]
        return result

    def escape(self, text: str) -> str:
        """Give characters that would pass for slots a slot of their own."""
        if text.isascii() or _SLOTS.search(text) is None:
            return text
        return "".join([self._slot(LITERAL, sign) if FIRST_SLOT <= ord(sign) < END_SLOT else sign for sign in text])

    def show(self, text: str) -> str:
        """Give the text as it stands in the tables: filler where it is masked."""
        if not self._shown or text.isascii():
            return text
        return text.translate(self._shown)

    def spans(self, text: str) -> tuple[Span, ...]:
        """Give the masked spans from left to right; neighbours of one finding are one span."""
        if not self._shown or text.isascii():
            return ()
        spans: list[Span] = []
        for run in _SLOTS.finditer(text):
            start = run.start()
            for finding, signs in groupby(run.group(), key=lambda sign: self._meanings[sign][0]):
                length = len(list(signs))
                if finding != LITERAL:
                    spans.append((start, length, finding))
                start += length
        return tuple(spans)

    def render(self, text: str, names: Mapping[int, str]) -> str:
        """Give the text with a placeholder in place of each masked span."""
        if not self._shown or text.isascii():
            return text
        parts: list[str] = []
        at = 0
        for start, length, finding in self.spans(text):
            parts += (self.show(text[at:start]), names[finding])
            at = start + length
        parts.append(self.show(text[at:]))
        return "".join(parts)

    def finding(self, sign: str) -> int | None:
        """Give the finding whose masked text a character stands for, if it does."""
        number = self._meanings.get(sign, (LITERAL, ""))[0]
        return None if number == LITERAL else number

    def _put(self, sign: str, finding: int) -> str:
        if self.finding(sign) is not None:
            return sign
        return self._slot(finding, sign if sign in _LINE_ENDS else FILLER)

    def _slot(self, finding: int, shown: str) -> str:
        meaning = (finding, shown)
        slot = self._by_meaning.get(meaning)
        if slot is None:
            if len(self._by_meaning) >= MAX_SLOTS:
                raise SegmentError("a session with more findings than can be told apart", code="findings-too-many")
            slot = chr(FIRST_SLOT + len(self._by_meaning))
            self._by_meaning[meaning] = slot
            self._meanings[slot] = meaning
            self._shown[ord(slot)] = shown
        return slot
