"""Numbers in the clear that rotted: whatever they hide is told, and nothing is destroyed for it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from event_model.errors import StoreDamaged
from event_model.events import CaptureGap
from local_store.forgetting import Selection
from local_store.model import SegmentState
from local_store.schema import COPIES, INDEXES, SCHEMA_VERSION
from tests.local_store.store_kit import (
    OTHER,
    SECOND,
    SESSION,
    STUDY,
    begin,
    gathered,
    masked,
    open_store,
    pending,
    seal,
    sealed,
    typing,
)


async def filled(home: Path) -> None:
    """Segments and pending rows of one study, and pending rows of another."""
    async with await open_store(home) as store:
        await begin(store)
        await sealed(store, typing(0, 20))
        await sealed(store, typing(20, 20))
        await store.append(pending(typing(40, 10)))
        await store.append(pending(typing(50, 10)))
        await gathered(store)
        await begin(store, SECOND, OTHER)
        await store.append(pending(typing(0, 5), SECOND, OTHER))


def change(home: Path, statement: str) -> None:
    """Change the database as a bit that flips would, past the store."""
    with contextlib.closing(sqlite3.connect(home / "store" / "overt.sqlite3")) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        assert connection.execute(statement).rowcount > 0
        connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE studies SET forgotten_below = 1 WHERE study = 'study-one'",
        "UPDATE studies SET forgotten_below = 1 WHERE study = 'study-two'",
        "UPDATE studies SET no = 9 WHERE study = 'study-one'",
        "UPDATE sessions SET epoch = -8 WHERE sealed > 0",
        "UPDATE sessions SET epoch = -8 WHERE sealed = 0",
        "UPDATE sessions SET study = 7 WHERE sealed > 0",
        "UPDATE sessions SET no = 99 WHERE sealed > 0",
        "UPDATE sessions SET no = 99 WHERE sealed = 0",
        "UPDATE sessions SET sealed = 39 WHERE sealed = 40",
        "UPDATE sessions SET ended = 1 WHERE sealed = 40",
        "UPDATE segments SET session = 5 WHERE number = 1",
        "UPDATE segments SET first_index = 276 WHERE number = 1",
        "UPDATE journal SET place = place + (64 << 32) WHERE place & 4294967295 = 50",
        "UPDATE journal SET place = place + 64 WHERE place & 4294967295 = 50",
        "UPDATE journal SET place = place + 2147483648 WHERE place & 4294967295 = 50",
        "UPDATE journal SET count = 2147483658 WHERE place & 4294967295 = 50",
        "UPDATE journal SET count = -10 WHERE place & 4294967295 = 50",
        "UPDATE journal SET count = count + 1 WHERE place & 4294967295 = 40",
        "DELETE FROM journal WHERE place & 4294967295 = 40",
        "DELETE FROM journal WHERE place & 4294967295 = 50",
        "DELETE FROM segments WHERE number = 0",
        "DELETE FROM segments WHERE number = 1",
    ],
)
async def test_whatever_a_number_that_rotted_hides_is_told_and_stays(tmp_path: Path, statement: str) -> None:
    await filled(tmp_path)
    change(tmp_path, statement)
    left = bodies(tmp_path)
    async with await open_store(tmp_path) as store:
        assert not (await store.verify()).sound
        await store.orphans()
    assert bodies(tmp_path) >= left


def bodies(home: Path) -> int:
    """Count the ciphertexts that are still there."""
    with contextlib.closing(sqlite3.connect(home / "store" / "overt.sqlite3")) as connection:
        (count,) = connection.execute(
            "SELECT (SELECT count(body) FROM segments) + (SELECT count(*) FROM journal)"
        ).fetchone()
    return int(count)


async def test_a_row_that_is_gone_from_the_middle_is_counted(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "DELETE FROM journal WHERE place & 4294967295 = 40")
    async with await open_store(tmp_path) as store:
        assert [event.index for event in await store.pending(SESSION)] == list(range(40, 60))
        (damage,) = (await store.verify()).damaged
        assert (damage.what, damage.first_index, damage.events) == ("journal", 40, 10)


async def test_a_row_that_is_gone_from_the_end_is_counted(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "DELETE FROM journal WHERE place & 4294967295 = 50")
    async with await open_store(tmp_path) as store:
        assert [event.index for event in await store.pending(SESSION)] == list(range(40, 60))
        (damage,) = (await store.verify()).damaged
        assert (damage.what, damage.first_index, damage.events) == ("journal", 50, 10)


async def test_a_segment_that_holds_other_indexes_than_its_row_says_does_not_open(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "UPDATE segments SET first_index = 276 WHERE number = 1")
    async with await open_store(tmp_path) as store:
        first, second = await store.segments()
        assert len((await store.read(first)).events) == 20
        with pytest.raises(StoreDamaged, match="what its row does not say"):
            await store.read(second)


async def test_a_body_in_anothers_place_does_not_open(tmp_path: Path) -> None:
    await filled(tmp_path)
    other = "(SELECT wrapped, body FROM segments WHERE number = 1)"
    change(tmp_path, f"UPDATE segments SET (wrapped, body) = {other} WHERE number = 0")
    async with await open_store(tmp_path) as store:
        info, _ = await store.segments()
        with pytest.raises(StoreDamaged):
            await store.read(info)
        with pytest.raises(StoreDamaged):  # nor for who looks no further
            await store.read_opened(info)


async def test_a_chunk_that_rotted_into_another_session_is_none_of_its_events(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 5, "of the first")))
        await begin(store, SECOND)
    change(tmp_path, "UPDATE journal SET place = place + (1 << 32)")
    async with await open_store(tmp_path) as store:
        assert [type(event.body) for event in await store.pending(SECOND)] == [CaptureGap] * 5
        told = {(each.session, each.events) for each in (await store.verify()).damaged}
        assert told == {(SESSION, 5), (SECOND, 5)}


async def test_a_chunk_in_anothers_place_is_none_of_its_events(tmp_path: Path) -> None:
    await filled(tmp_path)
    other = "(SELECT body FROM journal WHERE place & 4294967295 = 40)"
    change(tmp_path, f"UPDATE journal SET body = {other} WHERE place & 4294967295 = 50")
    async with await open_store(tmp_path) as store:
        events = await store.pending(SESSION)
        assert events[:10] == typing(40, 10)
        assert [(event.index, type(event.body)) for event in events[10:]] == [(n, CaptureGap) for n in range(50, 60)]
        assert [(each.first_index, each.events) for each in (await store.verify()).damaged] == [(50, 10)]


async def test_a_store_of_the_first_version_goes_on(tmp_path: Path) -> None:
    await filled(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "overt.sqlite3")) as connection:
        for statement in (*INDEXES, *COPIES):
            connection.execute(f"DROP INDEX {statement.split()[2]}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    async with await open_store(tmp_path) as store:
        assert (await store.verify()).sound
        await store.orphans()
        await store.append(pending(typing(60, 5)))
        await seal(store, masked(await store.pending(SESSION)))
        assert (await store.forget(Selection(study=STUDY))).events == 65
        (version,) = await store._database.read(lambda connection: connection.execute("PRAGMA user_version").fetchone())
        assert version == SCHEMA_VERSION


async def test_what_no_walk_comes_to_is_set_aside(tmp_path: Path) -> None:
    await filled(tmp_path)
    change(tmp_path, "UPDATE sessions SET epoch = -8 WHERE sealed > 0")
    async with await open_store(tmp_path) as store:
        report = await store.verify()
        assert sorted(each.first_index for each in report.damaged if each.what == "segment" and each.session) == [0, 20]
        assert {info.state for info in await store.segments(STUDY)} == {SegmentState.DAMAGED}
        assert await store.due(STUDY, sealed_before_ms=2**50) == []
