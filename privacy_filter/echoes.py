"""What was found once is recognised wherever it comes again, also in parts.

Never guesses: a part is a run of characters of a secret that was found. Short runs say too little of a secret, and are
ordinary words too often; long ones would miss halves.
"""

from __future__ import annotations

from typing import Any

import ahocorasick

from event_model.events import FILLER

GRAM_CHARS = 8
"""The length of a part that must not be seen: what eight characters in a row give away can be completed by guessing."""

LONG_GRAM_CHARS = 12
"""Parts that could be words, and parts of what surrounds a secret, are recognised from this length on."""

MAX_GRAMS = 20_000
"""Parts that are remembered, some 5 MB; what is found later is masked where it is found, but not elsewhere."""


class Echoes:
    """Remembers the parts of secrets and finds them in other text."""

    __slots__ = ("_automaton", "_grams")

    def __init__(self) -> None:
        self._grams: set[str] = set()
        self._automaton: Any = None

    def learn(self, value: str) -> None:
        """Remember a secret's parts: short ones that could be no word, and longer ones."""
        self._add(gram for gram in _grams(value, GRAM_CHARS) if not _ordinary(gram))
        self._add(gram for gram in _grams(value, LONG_GRAM_CHARS) if not _empty(gram))

    def learn_surroundings(self, value: str) -> None:
        """Remember the longer parts of what a secret stands in: an address with its host."""
        self._add(gram for gram in _grams(value, LONG_GRAM_CHARS) if not _ordinary(gram))

    def __bool__(self) -> bool:
        return bool(self._grams)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Give the spans of a text that repeat a remembered part, from left to right."""
        if self._automaton is None:
            self._automaton = ahocorasick.Automaton()
            for gram in self._grams:
                self._automaton.add_word(gram, len(gram))
            self._automaton.make_automaton()
        spans: list[tuple[int, int]] = []
        for last, length in self._automaton.iter(text):
            start, end = last + 1 - length, last + 1
            while spans and start <= spans[-1][1]:
                start = min(start, spans.pop()[0])
            spans.append((start, end))
        return spans

    def _add(self, grams: Any) -> None:
        for gram in grams:
            if gram not in self._grams and len(self._grams) < MAX_GRAMS:
                self._grams.add(gram)
                self._automaton = None


def _grams(value: str, length: int) -> list[str]:
    return [value[at : at + length] for at in range(len(value) - length + 1)]


def _ordinary(gram: str) -> bool:
    """Say whether a part may be a word or a piece of punctuation."""
    from privacy_filter.detectors.values import is_worded  # noqa: PLC0415 - rules are read when something was found

    letters = gram.isalpha() and (gram[1:].islower() or gram.isupper()) and is_worded(gram.lower())
    return letters or len(set(gram)) < 4 or _empty(gram)


def _empty(gram: str) -> bool:
    """Say whether a part is blank, masked, or next to nothing."""
    return FILLER in gram or len(set(gram)) < 3 or any(map(str.isspace, gram)) or not any(map(str.isalnum, gram))
