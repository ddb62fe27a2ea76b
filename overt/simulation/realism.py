"""How like real editing the fleet's is: the same measures of both, side by side, and how far apart they are. Pure."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from event_model.events import DocumentEdit
from overt.demo.trace import Trace
from overt.simulation.fleet import SimulatedSession

REPAIR_EDITS = 6
"""A deletion within so many edits of the text that it takes out is a repair, not a change of mind."""

MAX_PAUSE_S = 300
"""A longer pause is a break between two sittings (seconds)."""

QUANTILES = (0.1, 0.5, 0.9, 0.99)


class TimedEdit(msgspec.Struct, frozen=True):
    """An edit and when it happened, in whole seconds; None where that was not recorded."""

    second: int | None
    position: int
    deleted: int
    inserted: str


class Measures(msgspec.Struct, frozen=True):
    """What is measured of a set of edits: shares of all edits, and lists of single values."""

    edits: int
    shares: dict[str, float]
    values: dict[str, list[float]]

    def quantiles(self, name: str) -> tuple[float, ...]:
        """Give the values below which a tenth, a half, nine tenths and all but a hundredth lie."""
        values = self.values[name]
        return tuple(values[min(len(values) - 1, int(part * len(values)))] for part in QUANTILES) if values else ()


class Comparison(msgspec.Struct, frozen=True):
    """One measure of both: quantiles or a share, and how far apart they are.

    ``distance`` is the Kolmogorov-Smirnov statistic of distributions (0 the same, 1 nothing in common), and the
    difference of shares.
    """

    measure: str
    real: tuple[float, ...]
    simulated: tuple[float, ...]
    distance: float


def edits_of_trace(trace: Trace) -> list[TimedEdit]:
    """Give a recorded trace's edits. Its first transaction is the file's text as it was loaded."""
    edits: list[TimedEdit] = []
    for transaction in trace.txns[1:]:
        second = _second(transaction.time)
        edits += [TimedEdit(second, *patch) for patch in transaction.patches]
    seconds = {edit.second for edit in edits}
    if len(seconds) < 3:  # no times were recorded
        edits = [msgspec.structs.replace(edit, second=None) for edit in edits]
    return edits


def edits_of_sessions(sessions: Iterable[SimulatedSession]) -> list[list[TimedEdit]]:
    """Give simulated edits, session by session and document by document."""
    found: list[list[TimedEdit]] = []
    for session in sessions:
        documents: dict[int, list[TimedEdit]] = {}
        for event in session.events():
            if isinstance(body := event.body, DocumentEdit):
                edit = TimedEdit(event.wall_ms // 1000, body.position, body.deleted, body.inserted)
                documents.setdefault(body.document, []).append(edit)
        found += documents.values()
    return found


def measure(documents: Iterable[Sequence[TimedEdit]]) -> Measures:
    """Measure the edits of some documents."""
    counts: dict[str, int] = dict.fromkeys(
        ("typed", "erased", "larger insert", "larger deletion", "replacement", "repair"), 0
    )
    runs: list[float] = []
    jumps: list[float] = []
    pauses: list[float] = []
    inserts: list[float] = []
    total = 0
    for edits in documents:
        run = 0
        recent: list[tuple[int, int, int]] = []
        for number, edit in enumerate(edits):
            total += 1
            counts[_kind(edit)] += 1
            before = edits[number - 1] if number else None
            expected = before.position + len(before.inserted) if before else None
            if len(edit.inserted) > 1:
                inserts.append(len(edit.inserted))
            if edit.deleted and any(
                number - at <= REPAIR_EDITS and start <= edit.position < end for at, start, end in recent
            ):
                counts["repair"] += 1
            recent = [*recent[-REPAIR_EDITS:], (number, edit.position, edit.position + len(edit.inserted))]
            if (expected is not None and edit.position + edit.deleted == expected) or edit.position == expected:
                run += 1
            else:
                if run:
                    runs.append(run)
                if expected is not None:
                    jumps.append(abs(edit.position - expected))
                run = 1
            if before and before.second is not None and edit.second is not None:
                pause = edit.second - before.second
                if 0 <= pause <= MAX_PAUSE_S:
                    pauses.append(pause)
        if run:
            runs.append(run)
    shares = {name: count / total for name, count in counts.items()} if total else {}
    values = {"run of edits": runs, "jump (code points)": jumps, "pause (s)": pauses, "insert (code points)": inserts}
    return Measures(total, shares, {name: sorted(found) for name, found in values.items()})


def compare(real: Measures, simulated: Measures) -> list[Comparison]:
    """Put the measures side by side."""
    rows = [
        Comparison(f"share: {name}", (share,), (simulated.shares[name],), abs(share - simulated.shares[name]))
        for name, share in real.shares.items()
    ]
    rows += [
        Comparison(name, real.quantiles(name), simulated.quantiles(name), _distance(values, simulated.values[name]))
        for name, values in real.values.items()
    ]
    return rows


def _kind(edit: TimedEdit) -> str:
    if edit.deleted and edit.inserted:
        return "replacement"
    if edit.deleted:
        return "erased" if edit.deleted == 1 else "larger deletion"
    return "typed" if len(edit.inserted) == 1 else "larger insert"


def _distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The Kolmogorov-Smirnov statistic of two sorted samples; 1 where one is empty."""
    if not left or not right:
        return 1.0
    points = sorted({*left, *right})
    return max(abs(bisect_right(left, at) / len(left) - bisect_right(right, at) / len(right)) for at in points)


def _second(text: str | None) -> int | None:
    if text is None:
        return None
    return int(datetime.datetime.fromisoformat(text).timestamp())
