"""What was found once is recognised wherever it comes again, also in parts.

The parts are runs of eight characters: shorter ones say too little of a secret, longer ones would miss halves.
"""

from __future__ import annotations

from typing import Any

import ahocorasick

from event_model.events import FILLER

GRAM_CHARS = 8
"""The length of a part that must not be seen: what eight characters in a row give away can be completed by guessing."""

MAX_GRAMS = 20_000
"""Parts that are remembered, some 5 MB; what is found later is masked where it is found, but not elsewhere."""


class Echoes:
    """Remembers the parts of secrets and finds them in other text."""

    __slots__ = ("_automaton", "_grams")

    def __init__(self) -> None:
        self._grams: set[str] = set()
        self._automaton: Any = None

    def learn(self, value: str) -> None:
        """Remember a secret's parts, but for those that could be an ordinary word."""
        for at in range(len(value) - GRAM_CHARS + 1):
            gram = value[at : at + GRAM_CHARS]
            if len(self._grams) < MAX_GRAMS and gram not in self._grams and not _ordinary(gram):
                self._grams.add(gram)
                self._automaton = None

    def __bool__(self) -> bool:
        return bool(self._grams)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Give the spans of a text that repeat a remembered part, from left to right."""
        if self._automaton is None:
            self._automaton = ahocorasick.Automaton()
            for gram in self._grams:
                self._automaton.add_word(gram, gram)
            self._automaton.make_automaton()
        spans: list[tuple[int, int]] = []
        for last, _ in self._automaton.iter(text):
            start, end = last + 1 - GRAM_CHARS, last + 1
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        return spans


def _ordinary(gram: str) -> bool:
    """Say whether a part is all letters of one case, one repeated sign, or mostly blank."""
    letters = gram.isalpha() and (gram[1:].islower() or gram.isupper())
    return letters or FILLER in gram or len(set(gram)) < 4 or any(sign.isspace() for sign in gram)
