"""Bit rot: flipped bits, zeroed pages, cut files, swapped pages. No wrong event is ever given, and no damage hidden."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from event_model.errors import DecryptError, OvertError, StoreDamaged
from event_model.events import CaptureGap, Event
from event_model.keys import Secret
from local_store import vault
from local_store.salvage import extent, scan
from local_store.schema import PAGE_BYTES
from tests.faults.fault_effort import effort
from tests.local_store.store_kit import SECOND, SESSION, begin, open_store, opening, pending, sealed, tail_path, typing

DATABASE = Path("store/overt.sqlite3")
SEGMENTS, EACH = 12, 40
PENDING, FIRST_BATCH = 600, 3
Harm = Callable[[bytearray, random.Random], None]
Right = dict[tuple[str, int], Event]


def flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: random.Random) -> None:
    page = chance.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES
    data[page : page + PAGE_BYTES] = bytes(PAGE_BYTES)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def swap(data: bytearray, chance: random.Random) -> None:
    one, other = (page * PAGE_BYTES for page in chance.sample(range(len(data) // PAGE_BYTES), 2))
    first, second = data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES]
    data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES] = second, first


HARMS: dict[str, Harm] = {"flip": flip, "zero": zero, "cut": cut, "swap": swap}
TIMES = {"flip": effort(60, 100), "zero": effort(15, 100), "cut": effort(10, 100), "swap": effort(10, 50)}
"""In each part."""

PARTS = [(harm, part) for harm in HARMS for part in range(effort(1, 10) if harm == "flip" else 1)]


async def filled(home: Path) -> Right:
    """Sealed segments, and what is pending in rows and in a session's file."""
    async with await open_store(home) as store:
        await begin(store)
        for number in range(SEGMENTS):
            first = number * EACH
            await sealed(store, (opening(first), *typing(first + 1, EACH - 1, f"text {number} of many ")))
        await begin(store, SECOND)
        for start in range(0, PENDING, FIRST_BATCH):
            await store.append(pending((opening(start), *typing(start + 1, FIRST_BATCH - 1, "pending text ")), SECOND))
        return {(each.session, each.event.index): each.event async for each in store.events()}


async def look(home: Path, right: Right) -> tuple[int, bool]:
    """Look at everything; gives how many events are not given any more, and whether that is told."""
    given: set[tuple[str, int]] = set()
    try:
        async with await open_store(home) as store:
            async for each in store.events():
                place = (each.session, each.event.index)
                if isinstance(each.event.body, CaptureGap):
                    continue
                assert each.event == right[place], f"a wrong event at {place}"
                given.add(place)
            damaged = 0
            for info in await store.segments():
                try:
                    events = (await store.read(info)).events
                except StoreDamaged:
                    damaged += 1
                else:
                    assert all(event == right[info.session, event.index] for event in events), "a wrong event"
            report = await store.verify()
            assert report.sound or report.damaged or report.gaps
            assert damaged <= sum(each.what == "segment" for each in report.damaged), "a damaged segment is not counted"
            if damaged and not any(each.what == "database" for each in report.damaged):
                assert (await store.stats()).studies[0].damaged, "damage is not shown"
            return len(right) - len(given), bool(report.set_aside) or not report.sound
    except OvertError:
        return len(right) - len(given), True


class Owned:
    """Where in the database each segment's bytes lie, and those of the rows without which it does not open."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._segments: dict[int, list[slice]] = {}
        self._needed: dict[str, list[list[slice]]] = {}
        pages, count = (lambda page: data[(page - 1) * PAGE_BYTES : page * PAGE_BYTES]), len(data) // PAGE_BYTES
        (key,) = {each.values[16] for each in scan(pages, count) if each.table == "segments"}
        for each in scan(pages, count):
            bytes_of_it = [
                slice((page - 1) * PAGE_BYTES + start, (page - 1) * PAGE_BYTES + end)
                for page, start, end in extent(pages, count, each.place)
            ]
            if each.table == "segments":
                self._segments[each.values[3]] = bytes_of_it
            elif each.table == "studies" or (each.table, each.no) in {("sessions", 1), ("keys", key)}:
                self._needed.setdefault(each.table, []).append(bytes_of_it)
        assert len(self._segments) == SEGMENTS
        assert [len(copies) for copies in self._needed.values()] == [2, 2, 2]

    def untouched(self, harmed: bytes) -> set[int]:
        """Number the segments of which no byte changed, nor of one copy of each row that they need."""

        def stands(parts: list[slice]) -> bool:
            return all(harmed[part] == self._data[part] for part in parts)

        if not all(any(map(stands, copies)) for copies in self._needed.values()):
            return set()
        return {number for number, parts in self._segments.items() if stands(parts)}


async def readable(home: Path) -> set[int]:
    """Number the segments that can be read, and are walked through."""
    try:
        store = await open_store(home)
    except StoreDamaged:
        return set()
    async with store:
        found = {event.event.index // EACH async for event in store.events() if event.session == SESSION}
        for info in await store.segments():
            if info.number in found:
                assert len((await store.read(info)).events) == EACH
        return found


async def sweep(home: Path, right: Right, path: Path, harm: Harm, times: int, chance: random.Random) -> tuple[int, int]:
    """Harm one file many times; gives how often events were missing without a word, and how often any were missing."""
    intact = home.with_name("intact")
    shutil.copytree(home, intact)
    owned = Owned((intact / DATABASE).read_bytes())
    silent = missed = 0
    for _ in range(times):
        data = bytearray((intact / path).read_bytes())
        harm(data, chance)
        shutil.rmtree(home)
        shutil.copytree(intact, home)
        (home / path).write_bytes(data)
        missing, told = await look(home, right)
        missed += missing > 0
        silent += missing > 0 and not told
        if path == DATABASE:
            assert await readable(home) >= owned.untouched(bytes(data)), "what is whole can't be read"
    return silent, missed


@pytest.mark.parametrize(("harm", "part"), PARTS)
async def test_a_harmed_database_gives_no_wrong_event_and_hides_nothing(tmp_path: Path, harm: str, part: int) -> None:
    home = tmp_path / "home"
    right = await filled(home)
    chance = random.Random(f"{harm} {part}")
    silent, missed = await sweep(home, right, DATABASE, HARMS[harm], TIMES[harm], chance)
    assert missed > 0
    assert silent == 0


@pytest.mark.parametrize("harm", ["zero", "head", "swap"])
async def test_no_page_is_needed_for_what_lies_on_others(tmp_path: Path, harm: str) -> None:
    home = tmp_path / "home"
    right = await filled(home)
    pages = (home / DATABASE).stat().st_size // PAGE_BYTES
    order = iter(range(pages))

    def harm_next(data: bytearray, chance: random.Random) -> None:
        """Harm each page in turn: the first one, and those of the definitions, of indexes and of inner pages, too."""
        at = next(order) * PAGE_BYTES
        if harm == "zero":
            data[at : at + PAGE_BYTES] = bytes(PAGE_BYTES)
        elif harm == "head":
            data[at + chance.randrange(12)] ^= 1 << chance.randrange(8)
        else:
            other = (at + PAGE_BYTES) % len(data)
            first, second = data[at : at + PAGE_BYTES], data[other : other + PAGE_BYTES]
            data[at : at + PAGE_BYTES], data[other : other + PAGE_BYTES] = second, first

    silent, _ = await sweep(home, right, DATABASE, harm_next, pages, random.Random(harm))
    assert silent == 0


@pytest.mark.parametrize(("harm", "part"), PARTS)
async def test_a_harmed_session_file_gives_no_wrong_event(tmp_path: Path, harm: str, part: int) -> None:
    home = tmp_path / "home"
    right = await filled(home)
    act, times, chance = HARMS[harm], TIMES[harm], random.Random(f"{harm} {part}")
    path = tail_path(home, SECOND).relative_to(home)
    silent, missed = await sweep(home, right, path, act, times, chance)
    assert missed > 0
    assert silent == 0


@pytest.mark.parametrize("harm", [*HARMS, "emptied", "removed"])
async def test_what_a_harmed_session_file_lost_is_counted_to_the_event(tmp_path: Path, harm: str) -> None:
    home = tmp_path / "home"
    await filled(home)
    path, chance = tail_path(home, SECOND), random.Random(harm)
    intact = path.read_bytes()
    for _ in range(effort(15, 200) if harm in HARMS else 1):
        data = bytearray(intact)
        HARMS.get(harm, lambda data, _: data.clear())(data, chance)
        path.write_bytes(data)
        if harm == "removed":
            path.unlink()
        async with await open_store(home) as store:
            events = await store.pending(SECOND)
            assert [event.index for event in events] == list(range(PENDING))
            lost = sum(each.events for each in (await store.verify()).damaged if each.session == SECOND)
            # Each batch opens a document of its own, so that none goes along with one that is lost.
            assert lost == sum(isinstance(event.body, CaptureGap) for event in events)
            assert harm in HARMS or lost == PENDING - FIRST_BATCH


async def test_the_sweep_notices_when_nothing_is_authenticated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unchecked(key: Secret, nonce: bytes, sealed_bytes: bytes, _about: bytes) -> bytes:
        if len(nonce) != vault.NONCE_BYTES:
            raise DecryptError("not even a nonce")
        counter = modes.CTR(nonce + b"\x00\x00\x00\x02")
        return Cipher(algorithms.AES(key.reveal()), counter).decryptor().update(sealed_bytes[: -vault.TAG_BYTES])

    home = tmp_path / "home"
    right = await filled(home)
    monkeypatch.setattr(vault, "_decrypt", unchecked)
    with pytest.raises(AssertionError, match="a wrong event"):
        await sweep(home, right, tail_path(home, SECOND).relative_to(home), flip, 200, random.Random(1))


async def test_undamaged_segments_stay_readable_beside_damaged_ones(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await filled(home)
    async with await open_store(home) as store:
        infos = await store.segments()
        bodies = await store._database.read(
            lambda connection: [
                bytes(row[0]) for row in connection.execute("SELECT body FROM segments ORDER BY number")
            ]
        )
    path = home / DATABASE
    data = bytearray(path.read_bytes())
    harmed = {1, 5, 6, 11}
    for number in harmed:
        at = data.index(bodies[number][:40])
        data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    async with await open_store(home) as store:
        for info in infos:
            if info.number in harmed:
                with pytest.raises(StoreDamaged):
                    await store.read(info)
            else:
                assert len((await store.read(info)).events) == EACH
        assert {
            each.first_index // EACH for each in (await store.verify()).damaged if each.session == SESSION
        } == harmed
