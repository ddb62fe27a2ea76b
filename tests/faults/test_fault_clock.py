"""Clocks that go back, leap a year, change to winter time, or stand still while the machine sleeps, under a whole gate.

Numbers follow each other, no time between two events is negative, and what was not uploaded stays and gets its turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture_gate.door import Door
from event_model.clock import ManualClock, SystemClock
from event_model.events import DocumentEdit, Event, Origin
from event_model.ids import DocumentId, StudyId
from event_model.keys import Secret, SigningKey
from local_store.model import SegmentInfo
from local_store.store import Store
from tests.capture_gate.conftest import NOW_MS, Person

STUDY = StudyId("test-study")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class HardClock(ManualClock):
    """A clock of which both readings can be set."""

    def __init__(self) -> None:
        super().__init__(NOW_MS)
        self.back_ms = -DAY_MS

    def monotonic_ms(self) -> int:
        return super().monotonic_ms() - self.back_ms


LEAPS = {
    "back": lambda clock: clock.set_wall(clock.wall_ms() - 3 * HOUR_MS),
    "a-week-on": lambda clock: clock.set_wall(clock.wall_ms() + 7 * DAY_MS),
    "asleep-and-not-counted": lambda clock: clock.set_wall(clock.wall_ms() + 9 * HOUR_MS),
    "asleep-and-counted": lambda clock: clock.advance(9 * HOUR_MS),
    "monotonic-back": lambda clock: setattr(clock, "back_ms", clock.back_ms + 20_000),
}


@pytest.fixture
def clock() -> HardClock:
    return HardClock()


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: HardClock) -> Person:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    (tmp_path / "work").mkdir()
    made = Person(tmp_path / "home", tmp_path / "work", clock, SigningKey(Secret(b"o" * 32)))
    made.join()
    return made


async def type_some(door: Door, document: DocumentId, clock: HardClock, at: int) -> None:
    for position in range(at, at + 5):
        door.offer(DocumentEdit(document, position, 0, "x", Origin.TYPED, 90))
        clock.advance(1000)
    await door.flush()


async def everything(store: Store) -> dict[str, list[Event]]:
    seen: dict[str, list[Event]] = {}
    async for each in store.events():
        seen.setdefault(each.session, []).append(each.event)
    return seen


@pytest.mark.parametrize("leap", LEAPS)
async def test_whatever_the_clock_does_numbers_rise_and_no_time_is_negative(
    person: Person, clock: HardClock, leap: str
) -> None:
    door = await person.door()
    document = door.open_document(path=person.work / "a.py", language="python", text="").document
    assert document is not None
    await type_some(door, document, clock, 0)
    LEAPS[leap](clock)
    await type_some(door, document, clock, 5)
    LEAPS[leap](clock)
    await type_some(door, document, clock, 10)
    await door.close()
    async with await person.store() as store:
        assert (await store.verify()).sound
        (events,) = (await everything(store)).values()
        assert [event.index for event in events] == list(range(len(events)))
        assert all(event.delta_ms >= 0 and event.wall_ms >= 0 for event in events)
        edits = [event.body for event in events if isinstance(event.body, DocumentEdit)]
        assert [body.position for body in edits] == list(range(15))
        # Between two keys of one stretch a second passed, whatever the wall clock says.
        deltas = [event.delta_ms for event in events if isinstance(event.body, DocumentEdit)]
        assert sum(delta == 1000 for delta in deltas) >= 12


@pytest.mark.parametrize("years", [-1, 1, 40])
async def test_what_was_not_uploaded_outlives_any_leap_and_is_due_again(
    person: Person, clock: HardClock, years: int
) -> None:
    for path in ("a.py", "b.py"):  # two sessions, two segments
        door = await person.door()
        document = door.open_document(path=person.work / path, language="python", text="text").document
        assert document is not None
        await type_some(door, document, clock, 0)
        await door.close()
    async with await person.store() as store:
        before = await everything(store)
    clock.set_wall(clock.wall_ms() + years * 365 * DAY_MS)
    async with await person.store() as store:
        assert await store.orphans() == []
        assert await everything(store) == before
        assert [each.number for each in await due_after_a_hold(store, clock)] == [0, 1]
        assert await everything(store) == before


async def due_after_a_hold(store: Store, clock: HardClock) -> list[SegmentInfo]:
    """Ask as a sync does, now and when a hold of a day is over."""
    await store.due(STUDY, sealed_before_ms=clock.wall_ms() - DAY_MS)
    clock.advance(DAY_MS + 1)
    return await store.due(STUDY, sealed_before_ms=clock.wall_ms() - DAY_MS)


@pytest.fixture
def winter_comes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of this process can't be changed here")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M9.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("winter_comes")
async def test_the_hour_that_comes_twice_is_two_hours(person: Person, clock: HardClock) -> None:
    end_ms = 1_790_470_800_000  # 2026-09-27 01:00 UTC: there, 3 o'clock is 2 o'clock again
    assert [time.localtime(end_ms / 1000 - 1).tm_isdst, time.localtime(end_ms / 1000).tm_isdst] == [1, 0]
    clock.advance(end_ms - 2000 - clock.wall_ms())
    door = await person.door()
    document = door.open_document(path=person.work / "a.py", language="python", text="").document
    assert document is not None
    await type_some(door, document, clock, 0)
    await door.close()
    async with await person.store() as store:
        (events,) = (await everything(store)).values()
        edits = [event for event in events if isinstance(event.body, DocumentEdit)]
        assert [event.wall_ms - end_ms for event in edits] == [-2000, -1000, 0, 1000, 2000]
        assert [event.delta_ms for event in edits[1:]] == [1000] * 4
        (info,) = await store.segments()
        assert info.first_wall_ms < end_ms < info.last_wall_ms


@pytest.mark.usefixtures("winter_comes")
def test_the_system_clock_knows_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SystemClock().wall_ms()
    monkeypatch.setenv("TZ", "XYZ+11")
    time.tzset()
    assert 0 <= SystemClock().wall_ms() - before < 60_000
