from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from event_model.clock import ManualClock
from event_model.errors import KeyUnavailable, StoreConflict, StoreUnwritable
from local_store import journal
from local_store.journal import MERGE_EVENTS, REKEY_EVENTS
from local_store.store import Store
from tests.local_store.store_kit import (
    OTHER,
    RECORD,
    SECOND,
    SESSION,
    STUDY,
    begin,
    device_keys,
    every_byte,
    masked,
    open_store,
    opening,
    pending,
    seal,
    typing,
)


async def test_appended_events_are_there_after_reopening(tmp_path: Path) -> None:
    events = (opening(0), *typing(1, 5))
    async with await open_store(tmp_path) as store:
        await begin(store)
        assert await store.append(pending(events[:3]))
        assert await store.append(pending(events[3:]))
    async with await open_store(tmp_path) as store:
        assert await store.pending(SESSION) == events
        assert await store.pending(SESSION, 4) == events[:4]


async def test_append_takes_batches_of_several_sessions_at_once(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND, OTHER)
        await store.append([pending(typing(0, 2)), pending(typing(0, 3), SECOND, OTHER)])
        assert len(await store.pending(SESSION)) == 2
        assert len(await store.pending(SECOND)) == 3


async def test_append_of_several_batches_happens_in_whole_or_not_at_all(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        with pytest.raises(StoreConflict):
            await store.append([pending(typing(0, 2)), pending(typing(7, 2))])
        assert await store.pending(SESSION) == ()
        await store.append(pending(typing(0, 2)))


@pytest.mark.parametrize("start", [1, 3])
async def test_append_refuses_an_index_that_is_not_the_next(tmp_path: Path, start: int) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 2)))
        with pytest.raises(StoreConflict):
            await store.append(pending(typing(start, 2)))
        await store.append(pending(typing(2, 2)))


async def test_append_to_a_session_that_never_began_is_refused(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        with pytest.raises(StoreConflict):
            await store.append(pending(typing(0, 2)))


async def test_append_asks_for_permission_inside_the_transaction(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        assert not await store.append(pending(typing(0, 2)), permitted=lambda: False)
        assert await store.pending(SESSION) == ()
        assert await store.append(pending(typing(0, 2)), permitted=lambda: True)


async def test_small_chunks_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MERGE_CHUNKS", 8)
    count = 20
    async with await open_store(tmp_path) as store:
        await begin(store)
        for index in range(count):
            await store.append(pending(typing(index, 1)))
        (rows,) = await store._database.read(
            lambda connection: connection.execute("SELECT count(*) FROM journal").fetchone()
        )
        assert rows == 3  # the first, 8 merged with the one that found no room, and again; 1 in the file
        assert await store.pending(SESSION) == typing(0, count)


async def test_merging_keeps_order_among_chunks_of_all_sizes(tmp_path: Path) -> None:
    index = 0
    async with await open_store(tmp_path) as store:
        await begin(store)
        for size in (1, 300, 300, 300, 300, MERGE_EVENTS, 1, 2, MERGE_EVENTS - 1, 3):
            await store.append(pending(typing(index, size)))
            index += size
        assert await store.pending(SESSION) == typing(0, index)


async def test_a_failed_transaction_takes_along_what_was_remembered_of_it(tmp_path: Path) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        store._journal.append(connection, pending(typing(0, 2)))
        raise StoreUnwritable("the disk is full")

    async with await open_store(tmp_path) as store:
        await begin(store)
        failed = asyncio.ensure_future(store._database.write(fails))
        written = asyncio.ensure_future(store.append(pending(typing(0, 3))))
        assert await written
        with pytest.raises(StoreUnwritable):
            await failed
        assert await store.pending(SESSION) == typing(0, 3)


async def test_sessions_lists_running_ended_and_orphaned_ones(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(store)
        await begin(store, SECOND, OTHER)
        await store.append(pending(typing(0, 2)))
        await seal(store, masked(await store.pending(SESSION)))
        await store.end_session(SESSION)
        await store.append(pending(typing(0, 3), SECOND, OTHER))
        assert [(each.session, each.next_index, each.sealed) for each in await other.sessions()] == [
            (SESSION, 2, 2),
            (SECOND, 3, 0),
        ]


async def test_a_session_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as first, await open_store(tmp_path) as second:
        await begin(first)
        await first.append(pending(typing(0, 2)))
        assert await second.orphans() == []
        with pytest.raises(StoreConflict) as caught:
            await begin(second)
        assert caught.value.code == "session-live"


async def test_a_session_whose_process_went_away_is_an_orphan_for_one_other(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    await begin(first)
    await first.append(pending(typing(0, 2)))
    await first.close()
    async with await open_store(tmp_path) as second, await open_store(tmp_path) as third:
        (orphan,) = await second.orphans()
        assert (orphan.session, orphan.study, orphan.consent_record) == (SESSION, STUDY, RECORD)
        assert (orphan.next_index, orphan.sealed) == (2, 0)
        assert await third.orphans() == []
        assert await second.orphans() == [orphan]
        await seal(second, masked(await second.pending(SESSION)))
        await second.end_session(SESSION)
        assert await second.orphans() == await third.orphans() == []


async def test_a_session_that_wrote_nothing_leaves_nothing(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    await begin(first)
    await first.close()
    async with await open_store(tmp_path) as second:
        assert await second.orphans() == []
        assert (await second.stats()).sessions == 0
    assert list((tmp_path / "store" / "live").iterdir()) == []


async def test_sealing_destroys_the_pending_key_and_rekeys_the_rest(tmp_path: Path) -> None:
    def key_numbers(store: Store) -> object:
        return store._database.read(
            lambda connection: connection.execute("SELECT no FROM keys WHERE session IS NOT NULL").fetchall()
        )

    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 10)))
        before = await key_numbers(store)  # type: ignore[misc]
        await seal(store, masked((await store.pending(SESSION))[:4]))
        after = await key_numbers(store)  # type: ignore[misc]
        assert len(before) == len(after) == 1
        assert before != after
        assert await store.pending(SESSION) == typing(4, 6)
        await seal(store, masked(await store.pending(SESSION)))
        assert await key_numbers(store) == []  # type: ignore[misc]


async def test_sealing_the_start_of_a_long_journal_leaves_the_rest(tmp_path: Path) -> None:
    total = REKEY_EVENTS + 3000
    async with await open_store(tmp_path) as store:
        await begin(store)
        for start in range(0, total, 1000):
            await store.append(pending(typing(start, min(1000, total - start))))
        await seal(store, masked((await store.pending(SESSION))[:1500]))
        assert await store.pending(SESSION) == typing(1500, total - 1500)
        await store.append(pending(typing(total, 5)))
        await seal(store, masked((await store.pending(SESSION))[:5000]))
        assert await store.pending(SESSION) == typing(6500, total + 5 - 6500)


async def test_the_key_of_what_was_sealed_goes_also_where_a_long_rest_keeps_its_own(tmp_path: Path) -> None:
    async def keys() -> set[int]:
        statement = "SELECT no FROM keys WHERE session IS NOT NULL"
        rows = await store._database.read(lambda connection: connection.execute(statement).fetchall())
        return {number for (number,) in rows}

    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 20)))
        await seal(store, masked((await store.pending(SESSION))[:10]))
        (first,) = await keys()
        for start in range(20, 20 + REKEY_EVENTS + 2000, 1000):
            await store.append(pending(typing(start, 1000)))
        assert len(await keys()) == 2
        await seal(store, masked((await store.pending(SESSION))[:20]))
        assert len(await keys() - {first}) == len(await keys()) == 1


async def test_at_rest_nothing_shows_text_or_paths(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending((opening(0, "private/place.py", "marker-text"), *typing(1, 3, "marker-edit"))))
        await seal(store, masked((await store.pending(SESSION))[:2]))
        content = every_byte(tmp_path)
        assert b"marker" not in content
        assert b"private" not in content
        assert SESSION.encode() in content


async def test_files_are_private(tmp_path: Path) -> None:
    async with await open_store(tmp_path / "home") as store:
        await begin(store)
        await store.append(pending(typing(0, 2)))
        for path in (tmp_path / "home").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


async def test_another_root_key_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 2)))
    before = (tmp_path / "store" / "overt.sqlite3").read_bytes()
    with pytest.raises(KeyUnavailable) as caught:
        await open_store(tmp_path, device_keys(7))
    assert caught.value.code == "key-wrong"
    assert (tmp_path / "store" / "overt.sqlite3").read_bytes() == before


async def test_without_a_key_metadata_and_forgetting_work_and_reading_does_not(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 2)))
    async with await Store.open(tmp_path, None, clock=ManualClock()) as store:
        assert (await store.stats()).pending == 2
        with pytest.raises(KeyUnavailable):
            await store.pending(SESSION)
        with pytest.raises(KeyUnavailable):
            await begin(store, SECOND)
        await store.forget_study(STUDY)
        assert (await store.stats()).pending == 0
