"""A person's hands: what one session's events are, and how text comes under the keys, with slips and repairs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec

from event_model.events import (
    Body,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Origin,
    SelectionCause,
    SelectionChange,
)
from event_model.ids import DocumentId
from overt.simulation.people import Person

NEIGHBOURS = {
    left: right
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    for left, right in zip(row, row[1:] + row[:1], strict=True)
}
"""The key that is hit in place of another."""

TRANSPOSED = 0.25
DOUBLED = 0.2
"""Which slips are two letters in the wrong order, and which a letter twice; the others are a neighbouring key."""

MOUSE = 0.45
"""How often the caret is moved with the mouse."""

CERTAIN = 95
"""How sure a collector is of an origin that its editor tells (percent)."""


class Timed(msgspec.Struct, frozen=True):
    """What happened, and how long after what was before (ms); ``doing`` is what the person was about."""

    gap_ms: int
    body: Body
    doing: str = ""


class File:
    """A document that is open: its text as it stands, and the caret."""

    __slots__ = ("caret", "language", "number", "path", "text")

    def __init__(self, number: int, path: str, language: str, text: str) -> None:
        self.number = DocumentId(number)
        self.path = path
        self.language = language
        self.text = text
        self.caret = 0


class Desk:
    """One session of one person, event by event."""

    def __init__(self, person: Person, source: random.Random) -> None:
        self.person = person
        self.source = source
        self.steps: list[Timed] = []
        self.doing = ""
        """What the person is about, by the names of the table ``activities``: the truth that its rules are held to."""
        self.edits = 0
        self._waited = 0.0
        self._files = 0
        self._done: list[tuple[File, DocumentEdit, str]] = []

    # Time

    def wait(self, median_ms: float, spread: float = 0.5) -> None:
        """Let a log-normal time pass before the next event."""
        self._waited += self.source.lognormvariate(math.log(median_ms), spread)

    def put(self, body: Body) -> None:
        """Something happens now."""
        self.steps.append(Timed(round(self._waited), body, self.doing))
        self._waited = 0.0

    # Files

    def open(self, path: str, language: str, text: str, workspace: str) -> File:
        """Open a file."""
        self._files += 1
        file = File(self._files, path, language, text)
        self.wait(2_500, 0.8)
        self.put(DocumentOpen(file.number, path, workspace, language, text))
        return file

    def save(self, file: File) -> None:
        """Save a file."""
        self.wait(600)
        self.put(DocumentSave(file.number))

    def close(self, file: File) -> None:
        """Close a file."""
        self.wait(1_500)
        self.put(DocumentClose(file.number))
        self._done.clear()

    def go(self, file: File, position: int) -> None:
        """Move the caret."""
        if position == file.caret:
            return
        self.wait(1_100, 0.9)
        mouse = self.source.random() < MOUSE
        cause = SelectionCause.MOUSE if mouse else SelectionCause.KEYBOARD
        self.put(SelectionChange(file.number, position, position, 1, cause))
        file.caret = position

    def select(self, file: File, start: int, end: int) -> None:
        """Select a span."""
        self.wait(900, 0.7)
        self.put(SelectionChange(file.number, start, end, 1, SelectionCause.MOUSE))
        file.caret = end

    # Edits

    def replace(
        self,
        file: File,
        position: int,
        deleted: int,
        inserted: str,
        origin: Origin = Origin.TYPED,
        *,
        joined: bool = False,
    ) -> None:
        """Change a text, at once."""
        gone = file.text[position : position + deleted]
        edit = DocumentEdit(file.number, position, deleted, inserted, origin, CERTAIN, joined)
        file.text = file.text[:position] + inserted + file.text[position + deleted :]
        file.caret = position + len(inserted)
        self.edits += 1
        self.put(edit)
        self._done.append((file, edit, gone))

    def take_back(self, count: int) -> None:
        """Undo the last edits one by one, and redo some of them now and then."""
        undone: list[tuple[File, DocumentEdit, str]] = []
        for _ in range(min(count, len(self._done))):
            file, edit, gone = self._done.pop()
            self.wait(240)
            self.replace(file, edit.position, len(edit.inserted), gone, Origin.UNDO)
            self._done.pop()
            undone.append((file, edit, gone))
        if undone and self.source.random() < 0.3:
            file, edit, gone = undone[-1]
            self.wait(500)
            self.replace(file, edit.position, len(gone), edit.inserted, Origin.REDO)

    def erase_back(self, file: File, count: int) -> None:
        """Hit the backspace key so many times; held down, it repeats."""
        repeat = count > 8
        for _ in range(count):
            self.wait(33 if repeat else self.person.key_ms * 0.9, 0.15)
            self.replace(file, file.caret - 1, 1, "")

    def type(self, file: File, text: str) -> None:
        """Type a text at the caret: in runs, with pauses before words, slips, repairs, and completions taken."""
        at = 0
        while at < len(text):
            sign = text[at]
            new_word = at == 0 or not text[at - 1].isalnum()
            self._pause(new_word=new_word)
            if sign == "\n":
                # Editors indent a new line by themselves: line end and indentation come as one edit.
                end = at + 1
                while end < len(text) and text[end] == " ":
                    end += 1
                self.replace(file, file.caret, 0, text[at:end])
                at = end
            elif new_word and (word := self._completed(text, at)):
                at = self._complete(file, text, at, word)
            elif sign.isalnum() and self.source.random() < self.person.slip_rate:
                at = self._slip(file, text, at)
            else:
                self.replace(file, file.caret, 0, sign)
                at += 1

    def paste(self, file: File, text: str) -> None:
        """Paste a text at the caret."""
        self.wait(900)
        self.replace(file, file.caret, 0, text, Origin.PASTED)

    def joined(self, edits: Sequence[tuple[File, int, int, str]], origin: Origin) -> None:
        """Make several edits as one transaction; give them from the end of the text to its beginning."""
        for number, (file, position, deleted, inserted) in enumerate(edits):
            self.replace(file, position, deleted, inserted, origin, joined=number > 0)

    def _pause(self, *, new_word: bool) -> None:
        person = self.person
        if new_word and self.source.random() < person.thought_rate:
            self.wait(person.thought_ms, person.thought_spread)
        self.wait(person.key_ms * (person.word_factor if new_word else 1.0), person.key_spread)

    def _completed(self, text: str, at: int) -> int:
        """Say how many characters of the word at a place are typed before a completion is taken; 0 if none is."""
        end = at
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        if end - at < 6 or self.source.random() >= self.person.completes:
            return 0
        return end - at

    def _complete(self, file: File, text: str, at: int, word: int) -> int:
        typed = self.source.randint(2, 4)
        for sign in text[at : at + typed]:
            self.replace(file, file.caret, 0, sign)
            self.wait(self.person.key_ms, self.person.key_spread)
        rest = text[at + typed : at + word]
        self.wait(450)
        self.put(CompletionAccept(file.number, len(rest)))
        self.replace(file, file.caret, 0, rest, Origin.COMPLETION)
        return at + word

    def _slip(self, file: File, text: str, at: int) -> int:
        """Hit a wrong key, go on for a moment, notice, take it back, and type it again."""
        kind = self.source.random()
        sign, after = text[at], text[at + 1 : at + 2]
        if kind < TRANSPOSED and after.isalnum():
            wrong, right = after + sign, 2
        elif kind < TRANSPOSED + DOUBLED:
            wrong, right = sign * 2, 1
        else:
            wrong, right = NEIGHBOURS.get(sign.lower(), "e"), 1
        late = min(int(self.source.expovariate(1 / self.person.notice_chars)), 6)
        more = text[at + right : at + right + late].split("\n", maxsplit=1)[0]
        for key in wrong + more:
            self.replace(file, file.caret, 0, key)
            self.wait(self.person.key_ms, self.person.key_spread)
        self.wait(320)
        self.erase_back(file, len(wrong) + len(more))
        for key in text[at : at + right + len(more)]:
            self.wait(self.person.key_ms, self.person.key_spread)
            self.replace(file, file.caret, 0, key)
        return at + right + len(more)
