"""Tables put together again from rows that were found in a damaged database. Values in, values out.

A row that others hang on was found up to three times: in its table, in the copy that an index keeps, and by name. Where
these differ, what fits everything else is taken. What a row that is lost in every place led to gets a row that says
no more than that it is there, so that it is counted, and can be forgotten.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from local_store.model import INDEX_BITS, SegmentState
from local_store.salvage import Found
from local_store.sessions import NAME

SOURCE_LOST = "lost"
"""The source of a session whose row is gone."""

NAME_MASK = (1 << 128) - 1

_SURE, _GUESSED = 2, 1
"""How much a row counts that its page led to, and one that was looked for."""

_STATES = {each.value for each in SegmentState}
_ON_THE_WAY = {SegmentState.HELD.value, SegmentState.ENVELOPED.value}
_STATE, _DIGEST, _KEY, _BODY, _SEGMENT_COLUMNS = 11, 14, 16, 18, 20
_LEAST_COLUMNS = 12
_REST = (0, 0, "", None, None, None, None, None)
"""What stands for the columns behind the state that are lost: revision, size, digest, and so on."""

Row = tuple[Any, ...]
Rank = Callable[[Any], Any]
Opens = Callable[[Found, str, str, bytes], bool]
"""Says whether a segment opens, told the names of its study and session, and its epoch's key as it was wrapped.

Without the root key nobody can say; then rows are taken as they are found."""


class Pieces:
    """What was found, and what is made of it. Numbers of rows are kept: they are referred to from elsewhere."""

    def __init__(self, found: Iterable[Found], unwraps: Callable[[bytes], bool], opens: Opens | None) -> None:
        self.meta: dict[str, bytes] = {}
        self.sequence: dict[str, int] = {}
        self.journal: dict[int, Found] = {}
        self._unwraps = unwraps
        self._opens = opens
        self._names: set[tuple[str, int]] = set()
        self._votes: dict[str, dict[int, Counter[Any]]] = {
            each: defaultdict(Counter) for each in ("studies", "sessions", "keys")
        }
        self._segments: dict[tuple[int, int, int], list[Found]] = defaultdict(list)
        for each in found:
            self._take(each)
        self.keys = self._choose_keys()
        self.studies = self._choose_studies()
        self.sessions = self._choose_sessions()
        chosen = (self._choose_segment(candidates) for _, candidates in sorted(self._segments.items()))
        self.segments = [each for each in chosen if each is not None]
        self._stand_in()

    def _take(self, each: Found) -> None:
        values = each.values
        if each.table == "segments":
            if len(values) >= _LEAST_COLUMNS:
                # Bodies are read when they are needed.
                light = (*values[:_BODY], *(None if long is None else b"" for long in values[_BODY:]))
                self._segments[values[1:4]].append(each._replace(values=light))
        elif not each.whole:
            return
        elif each.table == "meta":
            self.meta.setdefault(*values)
        elif each.table == "names":
            self._names.add(values)
        elif each.table == "sequence":
            self.sequence[values[0]] = max(values[1], self.sequence.get(values[0], 0))
        elif each.table == "journal":
            if each.no not in self.journal or each.sure:
                self.journal[each.no] = each
        elif each.table in self._votes:
            row = values[:-1] if each.repeats else values[1:]
            if each.table == "sessions" and not NAME.fullmatch(row[0]):
                return
            self._votes[each.table][each.no][row] += _SURE if each.sure else _GUESSED

    def _choose_keys(self) -> dict[int, Row]:
        """Of each key take the row that opens, and that names the study and epoch of what lies under it."""
        places: dict[Any, set[Any]] = defaultdict(set)
        for candidates in self._segments.values():
            for each in candidates:
                if len(each.values) > _KEY:
                    places[each.values[_KEY]].add(each.values[1:3])
        used = {*places, *(each.values[2] for each in self.journal.values())}
        sessions = set(self._votes["sessions"])
        chosen: dict[int, Row] = {}
        best: dict[Any, tuple[bool, int, int]] = {}
        for no, votes in self._votes["keys"].items():
            row, count = max(votes.items(), key=lambda it: (*self._credit(it[0], places.get(no), sessions), it[1]))
            chosen[no] = row
            # A number that rotted makes a key appear twice.
            best[row[3]] = max(best.get(row[3], (False, 0, 0)), (no in used, count, no))
        return {no: row for no, row in chosen.items() if best[row[3]][2] == no}

    def _credit(self, key: Row, places: set[Any] | None, sessions: set[int]) -> tuple[bool, bool, bool]:
        """Say what speaks for a key's row: that it opens, and that it names what lies under it."""
        study, epoch, session, wrapped = key
        fits = places is None or (study, epoch) in places
        return self._unwraps(wrapped), fits, session is None if places else session in sessions

    def _choose_studies(self) -> dict[int, Row]:
        return self._once({no: self._study(no, votes) for no, votes in self._votes["studies"].items()})

    def _study(self, no: int, votes: Counter[Row]) -> Row:
        names, epochs, forgotten, numbers, seqs = _columns(votes)
        keyed = {row[1] for row in self.keys.values() if row[0] == no}
        ends = [self._end(no, epoch) for epoch in epochs]
        # What is uncertain is rather too high: no number is used twice. But nothing that has a key was forgotten.
        return (
            _best(names, lambda name: (name, no) in self._names),
            _best(epochs, lambda epoch: (epoch in keyed, epoch)),
            _best(forgotten, lambda below: (below <= min(keyed, default=below), below)),
            _best(numbers, lambda number: (any(number == end[0] for end in ends), number)),
            _best(seqs, lambda seq: (any(seq == end[1] for end in ends), seq)),
        )

    def _end(self, study: int, epoch: int) -> tuple[int, int]:
        """Give what comes next in an epoch: number and sequence number."""
        rows = [each[0].values for place, each in self._segments.items() if place[:2] == (study, epoch)]
        return max(((row[3] + 1, row[5] + row[6]) for row in rows), default=(0, 0))

    def _choose_sessions(self) -> dict[int, Row]:
        ends: dict[Any, int] = defaultdict(int)
        places: dict[Any, set[Any]] = defaultdict(set)
        for candidates in self._segments.values():
            row = candidates[0].values
            ends[row[4]] = max(ends[row[4]], row[6] + row[7])
            places[row[4]].add(row[1:3])
        for key in self.keys.values():
            places[key[2]].add(key[:2])
        waiting = {place >> INDEX_BITS for place in self.journal} | {row[2] for row in self.keys.values()}
        found = self._votes["sessions"].items()
        return self._once(
            {no: self._session(no, votes, places[no], ends[no], waits=no in waiting) for no, votes in found}
        )

    def _session(self, no: int, votes: Counter[Row], places: set[Any], end: int, *, waits: bool) -> Row:
        names, studies, epochs, sources, records, begun, ended, sealed, revisions = _columns(votes)
        return (
            _best(names, lambda name: (name, no) in self._names),
            _best(studies, lambda study: (study in {place[0] for place in places}, study in self.studies)),
            _best(epochs, lambda epoch: epoch in {place[1] for place in places}),
            sources[0],
            records[0],
            begun[0],
            _best(ended, lambda ended: (ended in {0, 1}, bool(ended) != waits)),
            _best(sealed, lambda sealed: sealed == end),
            max(revisions),
        )

    def _once(self, rows: dict[int, Row]) -> dict[int, Row]:
        """Leave one row of each name: a number that rotted makes a row appear twice."""
        owner: dict[str, int] = {}
        for no, row in sorted(rows.items(), key=lambda item: (item[1][0], item[0]) in self._names):
            owner[row[0]] = no
        return {no: row for no, row in rows.items() if owner[row[0]] == no}

    def _choose_segment(self, candidates: list[Found]) -> tuple[Found, Row] | None:
        ranked = [(self._segment_opens(each), each.whole, each.sure, each) for each in candidates]
        opens, whole, sure, each = max(ranked, key=lambda it: it[:3])
        if self._opens is not None and not opens and not sure:
            return None  # it was but looked for, and may be what is left of a row that went
        row = each.values
        if len(row) < _SEGMENT_COLUMNS:
            row = (*row, *_REST[len(row) - _SEGMENT_COLUMNS :])
        state = row[_STATE]
        if state not in _STATES:
            state = _state(row)
        if not whole and state in _ON_THE_WAY:
            state = SegmentState.DAMAGED.value
        elif opens and state == SegmentState.DAMAGED.value and not row[_DIGEST]:
            state = self._state_of_a_sound_one(row)
        return each, (*row[:_STATE], state, *row[_STATE + 1 : _BODY])

    def _segment_opens(self, each: Found) -> bool:
        if self._opens is None or not each.whole:
            return False
        row = each.values
        study, session, key = self.studies.get(row[1]), self.sessions.get(row[4]), self.keys.get(row[_KEY])
        if study is None or session is None or key is None:
            return False
        return self._opens(each, str(study[0]), str(session[0]), key[3])

    def _state_of_a_sound_one(self, row: Row) -> str:
        """Let what was set aside be sent after all, unless what comes after it was."""
        study, epoch, number = row[1:4]
        for place, candidates in self._segments.items():
            later = candidates[0].values
            if place[:2] == (study, epoch) and place[2] > number and len(later) > _DIGEST and later[_DIGEST]:
                return SegmentState.DAMAGED.value
        return SegmentState.HELD.value

    def _stand_in(self) -> None:
        """Give what is left of a session or study whose row is lost one that says so."""
        for _, row in self.segments:
            study, session, end = row[1], row[4], row[6] + row[7]
            if study not in self.studies:
                self.studies[study] = (f"lost-{study}", 0, 0, 0, 0)
            known = self.sessions.get(session)
            if known is None:
                name = f"{session & NAME_MASK:032x}"
                known = (name, study, row[2], SOURCE_LOST, "", row[9], 1, end, 0)
            if known[3] == SOURCE_LOST:
                self.sessions[session] = (*known[:7], max(end, known[7]), known[8])
            owner = self.studies[study]
            if owner[1] <= row[2] and owner[0] == f"lost-{study}":
                self.studies[study] = (owner[0], row[2] + 1, 0, 0, 0)


def _columns(votes: Counter[Row]) -> list[list[Any]]:
    """Give what was found in each column, what was found most often first."""
    rows = [row for row, _ in votes.most_common()]
    return [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]


def _best(values: list[Any], rank: Rank) -> Any:
    """Take the value that ranks highest; where all rows say the same, that."""
    return values[0] if len(values) == 1 else max(values, key=rank)


def _state(row: Row) -> str:
    """Tell a segment's state, which can't be read, by what else its row has."""
    receipt, key, envelope = row[15], row[16], row[19]
    if envelope is not None:
        return SegmentState.ENVELOPED.value
    if receipt is not None:
        return SegmentState.UPLOADED.value
    return SegmentState.FORGOTTEN.value if key is None else SegmentState.HELD.value
