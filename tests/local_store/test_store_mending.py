"""A damaged database is mended at its opening: what is whole in it stays, and nothing is destroyed unasked."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from event_model.clock import ManualClock
from event_model.errors import KeyUnavailable, StoreDamaged, StoreUnwritable
from event_model.events import CaptureGap
from local_store import mending
from local_store.forgetting import Selection
from local_store.model import SegmentState
from local_store.salvage import scan
from local_store.schema import PAGE_BYTES
from local_store.store import Store
from tests.local_store.store_kit import (
    OTHER,
    SECOND,
    SESSION,
    START_MS,
    STUDY,
    begin,
    device_keys,
    edit,
    gathered,
    masked,
    open_store,
    pending,
    seal,
    sealed,
    tail_path,
    typing,
)

TABLES = ("meta", "studies", "sessions", "keys", "journal", "segments", "sqlite_sequence")
Harm = Callable[[bytearray], None]


async def filled(home: Path) -> None:
    """One of everything: segments in every state, rows and files of pending events, and two studies."""
    async with await open_store(home) as store:
        await begin(store)
        for number in range(5):
            # Long enough to lie on many pages.
            await sealed(store, tuple(edit(number * 20 + index, os.urandom(60).hex()) for index in range(20)))
        due = await store.due(STUDY, sealed_before_ms=START_MS)
        sent = [await store.put_envelope(info, b"envelope", f"{info.number:064d}") for info in due[:3]]
        await store.mark_uploaded(sent[0], b"receipt")
        await store.mark_uploaded(sent[1], b"receipt")
        await store.forget(Selection(indexes=frozenset({25})))
        await store.append(pending(typing(100, 10)))
        await gathered(store)
        await store.append(pending(typing(110, 10)))
        await begin(store, SECOND, OTHER)
        await store.append(pending(typing(0, 5), SECOND, OTHER))
        await store.append(pending(typing(5, 5), SECOND, OTHER))


def rows_of(home: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(database(home))) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


async def events_of(home: Path) -> list[Any]:
    async with await open_store(home) as store:
        return [each async for each in store.events() if not isinstance(each.event.body, CaptureGap)]


def database(home: Path) -> Path:
    return home / "store" / "overt.sqlite3"


def set_aside(home: Path) -> list[Path]:
    return mending.set_aside(database(home))


def harm(home: Path, act: Harm) -> None:
    data = bytearray(database(home).read_bytes())
    act(data)
    database(home).write_bytes(data)


async def meet_damage(home: Path) -> None:
    """Open a damaged store and check it: what is met at the opening is mended there, the rest at the next."""
    with contextlib.suppress(StoreDamaged):
        async with await open_store(home) as store:
            report = await store.verify()
            assert not report.sound or report.set_aside


def without_first_page(data: bytearray) -> None:
    data[:PAGE_BYTES] = bytes(PAGE_BYTES)


def wrong_definition(data: bytearray) -> None:
    data[data.index(b"INTEGER PRIMARY KEY", data.index(b"CREATE TABLE studies")) + 9] = 0xD2


def change(home: Path, *statements: str) -> None:
    """Change the rows, and not what indexes say of them, as a bit that flips would."""
    with contextlib.closing(sqlite3.connect(database(home))) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        definitions = connection.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE '%_again'").fetchall()
        connection.execute("UPDATE sqlite_master SET sql = sql || ' WHERE 0' WHERE name LIKE '%_again'")
        connection.commit()
    with contextlib.closing(sqlite3.connect(database(home))) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany("UPDATE sqlite_master SET sql = ?2 WHERE name = ?1", definitions)
        connection.commit()


async def test_a_database_that_is_mended_has_the_same_rows(tmp_path: Path) -> None:
    await filled(tmp_path)
    before = rows_of(tmp_path)
    assert all(before.values())
    mending.mend(database(tmp_path), device_keys().root)
    assert rows_of(tmp_path) == before


@pytest.mark.parametrize("act", [without_first_page, wrong_definition])
async def test_what_leads_to_the_rows_can_be_done_without(tmp_path: Path, act: Harm) -> None:
    await filled(tmp_path)
    before, events = rows_of(tmp_path), await events_of(tmp_path)
    harm(tmp_path, act)
    damaged = database(tmp_path).read_bytes()
    assert await events_of(tmp_path) == events
    assert rows_of(tmp_path) == before
    (aside,) = set_aside(tmp_path)
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o077 == 0
    async with await open_store(tmp_path) as store:
        report = await store.verify()
        assert report.sound
        assert report.set_aside == (str(aside),)
    assert set_aside(tmp_path) == [aside]


@pytest.mark.parametrize("at", [16, 18, 19, 20, 21, 47, 59, 63, 67, 71])
async def test_a_header_that_rotted_is_not_believed(tmp_path: Path, at: int) -> None:
    await filled(tmp_path)
    events = await events_of(tmp_path)

    def rot(data: bytearray) -> None:
        data[at] ^= 4

    harm(tmp_path, rot)
    async with await open_store(tmp_path) as store:
        await begin(store, type(SESSION)("d" * 32))  # it can be written, too
    assert await events_of(tmp_path) == events


async def test_a_table_that_is_said_to_begin_elsewhere_is_not_believed(tmp_path: Path) -> None:
    await filled(tmp_path)
    events = await events_of(tmp_path)

    def rot(data: bytearray) -> None:
        """Let one index begin where another does, so that nothing is found in it."""
        one, other = b"segments_by_sessionsegments", b"segments_by_placesegments"
        data[data.index(one) + len(one)] = data[data.index(other) + len(other)]

    harm(tmp_path, rot)
    assert await events_of(tmp_path) == events
    assert len(set_aside(tmp_path)) == 1


@pytest.mark.parametrize("leaving", [False, True])
async def test_forgetting_reaches_what_was_set_aside(tmp_path: Path, leaving: bool) -> None:
    await filled(tmp_path)
    harm(tmp_path, without_first_page)
    async with await Store.open(tmp_path, None if leaving else device_keys(), clock=ManualClock(START_MS)) as store:
        (aside,) = set_aside(tmp_path)
        os.link(aside, tmp_path / "kept")
        if leaving:  # with no key at all
            await store.forget_study(OTHER)
        else:
            assert (await store.weigh(Selection(path="no such file"))).set_aside == (str(aside),)
            await store.forget(Selection(session=SECOND))
            assert not await store.weigh(Selection(path="no such file"))
    assert set_aside(tmp_path) == []
    assert not any((tmp_path / "kept").read_bytes()), "removed, and not overwritten"
    async with await open_store(tmp_path) as store:
        held = {each.session async for each in store.events() if not isinstance(each.event.body, CaptureGap)}
        assert held == {SESSION}


async def test_nothing_is_mended_while_others_have_the_store_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "WAIT_S", 0)
    await filled(tmp_path)
    events = await events_of(tmp_path)
    async with await open_store(tmp_path) as other:
        harm(tmp_path, without_first_page)
        before = database(tmp_path).read_bytes()
        with pytest.raises(StoreDamaged) as caught:
            await open_store(tmp_path)
        assert "Close your editors" in caught.value.hint
        assert database(tmp_path).read_bytes() == before
        assert set_aside(tmp_path) == []
        with pytest.raises(StoreDamaged):
            await other.segments()
    assert await events_of(tmp_path) == events


async def test_damage_met_while_a_program_works_is_mended_at_the_next_opening(tmp_path: Path) -> None:
    await filled(tmp_path)
    events = await events_of(tmp_path)
    with contextlib.closing(sqlite3.connect(database(tmp_path))) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'segments_by_place'").fetchone()

    def without_root(data: bytearray) -> None:
        data[(root - 1) * PAGE_BYTES : root * PAGE_BYTES] = bytes(PAGE_BYTES)

    harm(tmp_path, without_root)
    async with await open_store(tmp_path) as store:
        with pytest.raises(StoreDamaged):
            await store.segments()
        async with await open_store(tmp_path):  # and not while another has it open
            assert set_aside(tmp_path) == []
    assert await events_of(tmp_path) == events
    assert len(set_aside(tmp_path)) == 1


async def test_a_note_of_damage_that_is_none_changes_nothing(tmp_path: Path) -> None:
    await filled(tmp_path)
    inode = database(tmp_path).stat().st_ino
    mending.note(database(tmp_path))
    async with await open_store(tmp_path):
        assert not mending.is_noted(database(tmp_path))
    assert database(tmp_path).stat().st_ino == inode


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE studies SET epoch = 8 WHERE no = 1",
        "UPDATE studies SET forgotten_below = 4 WHERE no = 1",
        "UPDATE studies SET next_number = 1, next_seq = 7 WHERE no = 1",
        "UPDATE sessions SET study = 7 WHERE no = 1",
        "UPDATE sessions SET epoch = -8 WHERE no = 1",
        "UPDATE sessions SET ended = 1 WHERE no = 1",
        "UPDATE sessions SET ended = 1 WHERE no = 2",
        "UPDATE sessions SET sealed = 39 WHERE no = 1",
        "UPDATE keys SET study = 2 WHERE session IS NULL",
        "UPDATE keys SET epoch = 1 WHERE session IS NULL",
        "UPDATE keys SET session = 2 WHERE session IS NULL",
        "UPDATE keys SET session = NULL WHERE session = 2",
        "UPDATE keys SET no = 99 WHERE session IS NULL",
        "UPDATE keys SET no = 99 WHERE session = 2",
        "UPDATE keys SET wrapped = zeroblob(40) WHERE session IS NULL",
        "DELETE FROM keys WHERE no > 0",
        "DELETE FROM sessions WHERE no > 0",
        "DELETE FROM studies WHERE no > 0",
    ],
)
async def test_a_row_that_others_hang_on_is_taken_from_its_copy(tmp_path: Path, statement: str) -> None:
    await filled(tmp_path)
    before, events = rows_of(tmp_path), await events_of(tmp_path)
    change(tmp_path, statement)
    await meet_damage(tmp_path)
    assert await events_of(tmp_path) == events
    after = rows_of(tmp_path)
    assert {table: rows for table, rows in after.items() if table != "sqlite_sequence"} == {
        table: rows for table, rows in before.items() if table != "sqlite_sequence"
    }
    async with await open_store(tmp_path) as store:
        assert (await store.verify()).sound
        assert len(await store.orphans()) == 2


async def test_a_key_that_rotted_is_taken_from_its_copy_at_once(tmp_path: Path) -> None:
    whole, harmed = tmp_path / "whole", tmp_path / "harmed"
    await filled(whole)
    shutil.copytree(whole, harmed)
    change(harmed, "UPDATE keys SET wrapped = zeroblob(40) WHERE session IS NULL")
    assert await events_of(harmed) == await events_of(whole)
    for home in (whole, harmed):  # forgetting takes along no more than it would else, and sealing goes on
        async with await open_store(home) as store:
            await store.forget(Selection(session=SESSION, indexes=frozenset({65})))
            await store.orphans()
            await seal(store, masked(await store.pending(SECOND), SECOND, OTHER))
    assert await events_of(harmed) == await events_of(whole)


async def test_an_epochs_key_that_rotted_is_not_replaced(tmp_path: Path) -> None:
    await filled(tmp_path)
    with contextlib.closing(sqlite3.connect(database(tmp_path))) as connection:
        connection.execute("UPDATE keys SET wrapped = zeroblob(40) WHERE session IS NULL")
        connection.commit()
    before = rows_of(tmp_path)["keys"]
    async with await open_store(tmp_path) as store:
        await store.orphans()
        with pytest.raises(StoreDamaged):
            await seal(store, masked(await store.pending(SESSION)))
    assert rows_of(tmp_path)["keys"] == before
    assert mending.is_noted(database(tmp_path))


@pytest.mark.parametrize(
    ("table", "copy", "old", "new"),
    [
        ("studies", False, b"study-one", b"study-onf"),
        ("studies", True, b"study-one", b"study-onf"),
        ("studies", False, b"\x01\x07\x00", b"\x09\x07\x00"),
        ("sessions", False, b"a" * 32, b"q" + b"a" * 31),
        ("sessions", True, b"a" * 32, b"q" + b"a" * 31),
        ("sessions", False, b"b" * 32, b"\0" + b"b" * 31),
        ("sessions", False, b"b" * 32, b"e" + b"b" * 31),
        ("sessions", True, b"b" * 32, b"q" + b"b" * 31),
        ("sessions", False, b"\x02\x0b\x00", b"\x09\x0b\x00"),
    ],
)
async def test_a_name_or_number_that_rotted_is_put_right(
    tmp_path: Path, table: str, copy: bool, old: bytes, new: bytes
) -> None:
    await filled(tmp_path)
    before, events = rows_of(tmp_path), await events_of(tmp_path)

    def rot(data: bytearray) -> None:
        count = len(data) // PAGE_BYTES
        places = [
            (each.place.page - 1) * PAGE_BYTES + each.place.at
            for each in scan(lambda page: bytes(data[(page - 1) * PAGE_BYTES : page * PAGE_BYTES]), count)
            if each.table == table and each.repeats is copy
        ]
        found = [at + data[at : at + 100].find(old) for at in places if old in data[at : at + 100]]
        data[found[0] : found[0] + len(old)] = new

    harm(tmp_path, rot)
    await meet_damage(tmp_path)
    assert await events_of(tmp_path) == events
    assert rows_of(tmp_path) == before


async def test_what_was_set_aside_for_a_damage_that_is_mended_is_sent_after_all(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        for number in range(3):
            await sealed(store, typing(number * 20, 20))
        await store.mark_damaged((await store.segments())[1])
    harm(tmp_path, without_first_page)
    async with await open_store(tmp_path) as store:
        assert [each.number for each in await store.due(STUDY, sealed_before_ms=START_MS)] == [0, 1, 2]


async def test_what_comes_before_something_that_was_sent_stays_set_aside(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        for number in range(3):
            await sealed(store, typing(number * 20, 20))
        infos = await store.segments()
        await store.mark_damaged(infos[0])
        await store.put_envelope(infos[1], b"envelope", "1" * 64)
    harm(tmp_path, without_first_page)
    async with await open_store(tmp_path) as store:
        assert [each.number for each in await store.due(STUDY, sealed_before_ms=START_MS)] == [1, 2]


async def test_a_state_that_rotted_is_told_and_found_again(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "UPDATE segments SET state = 'hemd'")
    async with await open_store(tmp_path) as store:
        assert {info.state for info in await store.segments()} == {SegmentState.DAMAGED}
        assert not (await store.verify()).sound
    async with await open_store(tmp_path) as store:
        states = [info.state.value for info in await store.segments()]
        assert states == ["uploaded", "forgotten", "enveloped", "held", "held"]


async def test_a_session_that_is_lost_in_every_place_is_counted_and_can_be_forgotten(tmp_path: Path) -> None:
    await filled(tmp_path)
    with contextlib.closing(sqlite3.connect(database(tmp_path))) as connection:
        connection.execute("DELETE FROM sessions WHERE no = 1")
        connection.execute("DELETE FROM studies WHERE no = 1")
        connection.commit()
    harm(tmp_path, without_first_page)
    async with await open_store(tmp_path) as store:
        lost = [each.events for each in (await store.verify()).damaged if each.what == "segment"]
        assert lost == [20] * 4
        await begin(store, type(SESSION)("d" * 32))  # the study begins anew, in a row of its own
        done = await store.forget(Selection(study=type(STUDY)("lost-1")))
        assert (done.events, len(done.uploaded_segments)) == (90, 2)  # what was pending of it, too


async def test_a_check_value_that_rotted_keeps_nobody_out(tmp_path: Path) -> None:
    await filled(tmp_path)
    events = await events_of(tmp_path)
    change(tmp_path, "UPDATE meta SET value = zeroblob(16) WHERE name = 'root-check'")
    with pytest.raises(KeyUnavailable):
        await open_store(tmp_path, device_keys(5))
    assert await events_of(tmp_path) == events


async def test_another_root_key_mends_nothing(tmp_path: Path) -> None:
    await filled(tmp_path)
    harm(tmp_path, without_first_page)
    damaged = database(tmp_path).read_bytes()
    with pytest.raises(KeyUnavailable) as caught:
        await open_store(tmp_path, device_keys(5))
    assert caught.value.code == "key-wrong"
    assert database(tmp_path).read_bytes() == damaged
    assert set_aside(tmp_path) == []


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with contextlib.closing(sqlite3.connect(database(tmp_path))) as connection:
        connection.execute("CREATE TABLE theirs (name TEXT)")
        connection.execute("PRAGMA user_version = 1")
    before = database(tmp_path).read_bytes()
    with pytest.raises(StoreDamaged) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "store-foreign"
    assert database(tmp_path).read_bytes() == before


async def test_a_mending_that_is_cut_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tmp_path)
    events = await events_of(tmp_path)
    harm(tmp_path, without_first_page)
    damaged = database(tmp_path).read_bytes()

    def fails(_self: Path, _target: Path) -> Path:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fails)
        with pytest.raises(StoreUnwritable):
            await open_store(tmp_path)
    assert database(tmp_path).read_bytes() == damaged
    assert await events_of(tmp_path) == events
    (aside,) = set_aside(tmp_path)
    assert aside.read_bytes() == damaged


async def test_forgetting_reaches_what_a_mending_that_was_cut_off_began(tmp_path: Path) -> None:
    await filled(tmp_path)
    begun = database(tmp_path).with_name("overt.sqlite3.new")
    shutil.copyfile(database(tmp_path), begun)
    os.link(begun, tmp_path / "kept")
    async with await open_store(tmp_path) as store:
        await store.forget(Selection(session=SECOND))
    assert not begun.exists()
    assert not any((tmp_path / "kept").read_bytes())


async def test_a_session_whose_name_rotted_keeps_its_file(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "UPDATE sessions SET session = 'f' || substr(session, 2) WHERE no = 2")
    async with await open_store(tmp_path):
        assert tail_path(tmp_path, SECOND).exists()


async def test_a_rotted_name_does_not_lead_a_segment_elsewhere(tmp_path: Path) -> None:
    await filled(tmp_path)
    async with await open_store(tmp_path) as store:
        await seal(store, masked(await store.pending(SECOND), SECOND, OTHER))
    events = await events_of(tmp_path)
    change(tmp_path, "UPDATE segments SET session = 1 WHERE session = 2")
    async with await open_store(tmp_path) as store:
        report = await store.verify()
        assert not report.sound
    given = await events_of(tmp_path)
    assert all(each in events for each in given)
