"""Clocks: the steady one follows jumps and ignores jitter."""

from __future__ import annotations

from event_model.clock import ManualClock, SteadyClock


def test_jitter_is_not_seen() -> None:
    source = ManualClock(1_000_000)
    steady = SteadyClock(source)
    source.set_wall(1_000_001)
    assert steady.wall_ms() == 1_000_000
    source.set_wall(999_999)
    assert steady.wall_ms() == 1_000_000


def test_a_jump_is_followed_both_ways() -> None:
    source = ManualClock(1_000_000)
    steady = SteadyClock(source)
    source.set_wall(9_000_000)
    assert steady.wall_ms() == 9_000_000
    source.set_wall(5_000)
    assert steady.wall_ms() == 5_000
    source.advance(10)
    assert steady.wall_ms() == 5_010
    assert steady.monotonic_ms() == 10
