"""From two whole texts to the edit between them, for clients that send all of a document at every change."""

from __future__ import annotations

_STEP = 4096
"""Code points compared at once: slices are compared in C, the place within a step is then found by halving."""


def minimal_edit(old: str, new: str) -> tuple[int, int, str] | None:
    """Give position, deleted length and inserted text of the shortest single edit; ``None`` when nothing changed."""
    if old == new:
        return None
    shared = min(len(old), len(new))
    start = _common(old, new, shared, from_end=False)
    tail = _common(old, new, shared - start, from_end=True)
    return start, len(old) - start - tail, new[start : len(new) - tail]


def _common(old: str, new: str, limit: int, *, from_end: bool) -> int:
    """How many code points two texts share at one end, at most ``limit``."""

    def same(low: int, high: int) -> bool:
        if from_end:
            return old[len(old) - high : len(old) - low] == new[len(new) - high : len(new) - low]
        return old[low:high] == new[low:high]

    known = 0
    while known < limit:
        end = min(known + _STEP, limit)
        if not same(known, end):
            break
        known = end
    else:
        return known
    while end - known > 1:
        middle = (known + end) // 2
        if same(known, middle):
            known = middle
        else:
            end = middle
    return known
