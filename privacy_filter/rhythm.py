"""The rhythm of what is masked: when the keys of a secret came says something of the keys, so it is never kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from event_model.events import Event, Mask

MAX_BETWEEN = 16
"""Events that may lie between two keys of one secret (a selection, a scroll, a slip taken back), at most."""


def collapse_rhythm(events: Sequence[Event], masks: Iterable[Mask]) -> tuple[Event, ...]:
    """Take the times between the events that brought one finding, and of what lies between them, to one moment.

    ``events`` consecutive, ``masks`` theirs. All but the last of such a run have the first one's time; the last
    keeps its own, so that what comes later keeps its distance: what remains is how long the whole took.
    """
    if not events:
        return ()
    collapsed = list(events)
    first_index = events[0].index
    for start, end in _runs(masks):
        first, last = start - first_index, end - first_index
        if first < 0 or last >= len(collapsed) or first == last:
            continue
        wall_ms = collapsed[first].wall_ms
        passed = sum(event.delta_ms for event in collapsed[first + 1 : last + 1])
        for at in range(first + 1, last):
            collapsed[at] = msgspec.structs.replace(collapsed[at], wall_ms=wall_ms, delta_ms=0)
        collapsed[last] = msgspec.structs.replace(collapsed[last], delta_ms=passed)
    return tuple(collapsed)


def _runs(masks: Iterable[Mask]) -> Iterator[tuple[int, int]]:
    """Give first and last event of each run in which findings were written, joined where they overlap."""
    open_runs: dict[int, tuple[int, int]] = {}
    runs: list[tuple[int, int]] = []
    for mask in sorted(masks, key=lambda mask: mask.index):
        run = open_runs.get(mask.finding)
        if run is not None and mask.index - run[1] <= MAX_BETWEEN:
            open_runs[mask.finding] = (run[0], mask.index)
            continue
        if run is not None:
            runs.append(run)
        open_runs[mask.finding] = (mask.index, mask.index)
    joined: tuple[int, int] | None = None
    for run in sorted([*runs, *open_runs.values()]):
        if joined is not None and run[0] <= joined[1]:
            joined = (joined[0], max(joined[1], run[1]))
            continue
        if joined is not None:
            yield joined
        joined = run
    if joined is not None:
        yield joined
