"""What was found once is recognised wherever it comes again, also in parts.

Never guesses: a part is a run of characters of a secret that was found. Short runs say too little of a secret, and are
ordinary words too often; long ones would miss halves.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import ahocorasick

from event_model.events import FILLER

GRAM_CHARS = 8
"""The length of a part that must not be seen: what eight characters in a row give away can be completed by guessing."""

LONG_GRAM_CHARS = 12
"""Parts that could be words, and parts of what surrounds a secret, are recognised from this length on."""

MAX_GRAMS = 40_000
"""Parts that are remembered, some 10 MB: those of several hundred secrets. The oldest are forgotten first."""

MERGE_GRAMS = 2_000
"""So many new parts are searched for apart before they are put to the others, which takes some 30 ms."""


class Echoes:
    """Remembers the parts of secrets and finds them in other text."""

    __slots__ = ("_automata", "_built", "_fresh", "_grams")

    def __init__(self) -> None:
        self._grams: dict[str, None] = {}
        self._fresh: list[str] = []
        self._built = 0
        self._automata: list[Any] = []

    def learn(self, value: str) -> None:
        """Remember a secret's parts: short ones that could be no word, and longer ones where there is none of those."""
        short = [at for at, gram in enumerate(_grams(value, GRAM_CHARS)) if not _ordinary(gram)]
        self._add(value[at : at + GRAM_CHARS] for at in short)
        known = set(short)
        for at, gram in enumerate(_grams(value, LONG_GRAM_CHARS)):
            if known.isdisjoint(range(at, at + LONG_GRAM_CHARS - GRAM_CHARS + 1)) and not _empty(gram):
                self._add([gram])

    def learn_surroundings(self, value: str) -> None:
        """Remember the longer parts of what a secret stands in: an address with its host."""
        self._add(gram for gram in _grams(value, LONG_GRAM_CHARS) if not _ordinary(gram))

    def __bool__(self) -> bool:
        return bool(self._grams)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Give the spans of a text that repeat a remembered part, from left to right."""
        self._build()
        ends = sorted((last + 1, length) for automaton in self._automata for last, length in automaton.iter(text))
        spans: list[tuple[int, int]] = []
        for end, length in ends:
            start = end - length
            while spans and start <= spans[-1][1]:
                start = min(start, spans.pop()[0])
            spans.append((start, end))
        return spans

    def _add(self, grams: Iterable[str]) -> None:
        for gram in grams:
            if gram not in self._grams:
                self._grams[gram] = None
                self._fresh.append(gram)
        if len(self._grams) > MAX_GRAMS:
            for gram in list(islice(self._grams, MAX_GRAMS // 4)):
                del self._grams[gram]
            self._automata, self._fresh = [], list(self._grams)

    def _build(self) -> None:
        """Bring the automata up to date: one of most parts, one of those that came since."""
        if not self._automata or len(self._fresh) > MERGE_GRAMS:
            self._automata, self._fresh = [_automaton(self._grams)], []
            self._built = 0
        elif len(self._fresh) > self._built:
            self._automata[1:] = [_automaton(self._fresh)]
            self._built = len(self._fresh)


def _automaton(grams: Iterable[str]) -> Any:
    automaton = ahocorasick.Automaton()
    for gram in grams:
        automaton.add_word(gram, len(gram))
    automaton.make_automaton()
    return automaton


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
