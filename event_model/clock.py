"""Time as an argument: what the rooms take instead of calling the system clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings, both in milliseconds."""

    def wall_ms(self) -> int:
        """Unix time."""
        ...

    def monotonic_ms(self) -> int:
        """Time that never goes back, from an arbitrary origin."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ms(self) -> int:
        """Unix time."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Time that never goes back, from an arbitrary origin."""
        return time.monotonic_ns() // 1_000_000


class SteadyClock:
    """Another clock, with a wall time that runs with the monotonic one and jumps only when the two disagree.

    Two clocks read one after the other jitter by a millisecond, which would cost space in every event.
    """

    TOLERANCE_MS = 50
    """So far the wall clock may be slewed before it is read anew; a person notices none of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.monotonic_ms = clock.monotonic_ms
        self._offset = clock.wall_ms() - clock.monotonic_ms()

    def wall_ms(self) -> int:
        """Unix time."""
        wall = self._clock.wall_ms()
        steady = self._clock.monotonic_ms() + self._offset
        if abs(wall - steady) <= self.TOLERANCE_MS:
            return steady
        self._offset += wall - steady
        return wall

    def monotonic_of(self, wall_ms: int) -> int:
        """Give the monotonic time of a moment that another process read from the wall clock: exact between two such."""
        return wall_ms - self._offset


class ManualClock:
    """A clock that stands still until it is moved; for tests and simulation."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = 0

    def wall_ms(self) -> int:
        """Unix time."""
        return self._wall_ms

    def monotonic_ms(self) -> int:
        """Time that never goes back, from an arbitrary origin."""
        return self._monotonic_ms

    def set_wall(self, wall_ms: int) -> None:
        """Set the wall clock, as a person or a time server may; no time passes."""
        self._wall_ms = wall_ms

    def advance(self, milliseconds: int) -> None:
        """Let time pass on both clocks."""
        self._wall_ms += milliseconds
        self._monotonic_ms += milliseconds
