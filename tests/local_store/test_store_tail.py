"""The file of a session's newest chunks: what is cut off, damaged, taken over by others, or left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from event_model.errors import StoreConflict, StoreUnwritable
from event_model.events import CaptureGap
from event_model.ids import SessionId
from local_store import tail
from local_store.files import RESERVE_BYTES
from local_store.forgetting import Selection
from local_store.high_water import mark_path
from local_store.store import Store
from local_store.tail import TailFile, read_chunks
from tests.local_store.store_kit import (
    SESSION,
    STUDY,
    begin,
    edit,
    every_byte,
    gathered,
    masked,
    open_store,
    pending,
    seal,
    tail_path,
    typing,
)


async def three_commits(store: Store) -> None:
    """One in a row, two in the file."""
    await begin(store)
    for start in (0, 10, 20):
        await store.append(pending(typing(start, 10)))


async def test_what_is_in_the_file_is_pending_for_every_process(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await three_commits(store)
        assert tail_path(tmp_path).stat().st_mode & 0o777 == 0o600
        assert await store.pending(SESSION) == await other.pending(SESSION) == typing(0, 30)
        assert (await other.stats()).studies[0].pending == 30
        assert await store.size_bytes() > (tmp_path / "store" / "overt.sqlite3").stat().st_size
    async with await open_store(tmp_path) as store:
        (orphan,) = await store.orphans()
        assert orphan.next_index == 30


@pytest.mark.parametrize("missing", [(1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)])
async def test_a_commit_of_which_a_sector_never_arrived_is_dropped(tmp_path: Path, missing: tuple[int, ...]) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 10)))
        await store.append(pending((edit(10, os.urandom(240).hex()),)))
        first = len(tail_path(tmp_path).read_bytes().rstrip(b"\0"))
        mark = mark_path(tail_path(tmp_path)).read_bytes()
        await store.append(pending((edit(11, os.urandom(1200).hex()),)))
    path = tail_path(tmp_path)
    data = bytearray(path.read_bytes())
    sectors = range(first // 512, len(data.rstrip(b"\0")) // 512 + 1)
    assert len(sectors) >= 4
    for sector in (sectors[each] for each in missing):
        data[sector * 512 : sector * 512 + 512] = bytes(512)
    path.write_bytes(data)
    async with await open_store(tmp_path) as store:  # it was acknowledged: this is damage
        assert [event.index for event in await store.pending(SESSION)] == list(range(12))
        assert [each.events for each in (await store.verify()).damaged] == [1]
    mark_path(path).write_bytes(mark)
    async with await open_store(tmp_path) as store:  # it was not: the power was cut
        assert [event.index for event in await store.pending(SESSION)] == list(range(11))
        assert (await store.verify()).sound
        await store.orphans()
        await store.append(pending(typing(11, 5)))
        assert (await store.pending(SESSION))[11:] == typing(11, 5)


async def test_a_file_that_was_cut_is_reported(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 10)))
        for index in range(10, 60):
            await store.append(pending((edit(index, os.urandom(200).hex()),)))
        path = tail_path(tmp_path)
        data = path.read_bytes()
        for cut in range(0, len(data.rstrip(b"\0")), 61):
            path.write_bytes(data[:cut])
            events = await store.pending(SESSION)
            assert [event.index for event in events] == list(range(60))
            lost = sum(isinstance(event.body, CaptureGap) for event in events)
            assert 0 < sum(each.events for each in (await store.verify()).damaged) <= lost


@pytest.mark.parametrize("harm", ["flipped", "emptied", "removed"])
async def test_a_mark_that_is_damaged_costs_nothing(tmp_path: Path, harm: str) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
    path = mark_path(tail_path(tmp_path))
    data = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    for at in range(len(data) if harm == "flipped" else 1):
        path.unlink(missing_ok=True)
        if harm != "removed":
            path.write_bytes(data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :] if harm == "flipped" else b"")
        async with await open_store(tmp_path) as store:
            assert await store.pending(SESSION) == typing(0, 30)
            assert (await store.verify()).sound


async def test_an_old_mark_says_nothing_about_what_was_forgotten_since(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
    old = mark_path(tail_path(tmp_path)).read_bytes()
    async with await open_store(tmp_path) as store:
        await store.forget(Selection(indexes=frozenset(range(15, 30))))
        mark_path(tail_path(tmp_path)).write_bytes(old)
        assert await store.pending(SESSION) == typing(0, 15)
        assert (await store.verify()).sound


async def test_what_a_file_lost_stays_lost_and_the_session_goes_on(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
    tail_path(tmp_path).unlink()
    async with await open_store(tmp_path) as store:
        (orphan,) = await store.orphans()
        assert orphan.next_index == 30
        await store.append(pending(typing(30, 5)))
        await store.append(pending(typing(35, 5)))
        events = await store.pending(SESSION)
        assert (events[:10], len(events)) == (typing(0, 10), 40)
        assert [each.events for each in (await store.verify()).damaged] == [20]
        await seal(store, masked(events))
        assert (await store.verify()).sound


async def test_what_stands_behind_a_damaged_page_is_found_again(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 10)))
        for index in range(10, 60):
            await store.append(pending((edit(index, os.urandom(200).hex()),)))
        path = tail_path(tmp_path)
        data = path.read_bytes()
        intact = read_chunks(path)
        for page in range(1, len(data.rstrip(b"\0")) // 4096 - 1):
            start, end = page * 4096, (page + 1) * 4096
            path.write_bytes(data[:start] + bytes(4096) + data[end:])
            whole = [each for each in intact if data.index(each.body) + len(each.body) <= start]
            whole += [each for each in intact if data.index(each.body) - 16 >= end]
            assert [each for each in read_chunks(path) if each in intact] == whole
            assert len(intact) - 30 < len(whole) < len(intact) - 10
            damaged = (await store.verify()).damaged
            assert sum(each.events for each in damaged) == len(intact) - len(whole)


async def test_every_flipped_bit_is_counted_and_gives_no_wrong_event(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
        right = {event.index: event for event in typing(0, 30)}
        path = tail_path(tmp_path)
        data = path.read_bytes()
        for at in (1, 9, *range(16, len(data.rstrip(b"\0")), 7)):
            path.write_bytes(data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :])
            events = await store.pending(SESSION)
            for event in events:
                assert isinstance(event.body, CaptureGap) or event == right[event.index]
            assert (events == typing(0, 30)) == (await store.verify()).sound


async def test_what_was_left_behind_after_a_transaction_is_passed_over(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
        old = tail_path(tmp_path).read_bytes()
        await gathered(store)
    tail_path(tmp_path).write_bytes(old)  # as if the machine had stopped before the file was emptied
    async with await open_store(tmp_path) as store:
        assert await store.pending(SESSION) == typing(0, 30)
        await store.orphans()
        await store.append(pending(typing(30, 2)))
        await store.append(pending(typing(32, 2)))
        await seal(store, masked(await store.pending(SESSION)))
        tail_path(tmp_path).write_bytes(old)
        assert await store.pending(SESSION) == ()
        assert (await store.verify()).sound


async def test_a_writer_notices_what_another_process_forgot(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await three_commits(store)
        before = tail_path(tmp_path).read_bytes()
        await other.forget(Selection(indexes=frozenset([25])))
        assert await store.was_revised(SESSION)
        with pytest.raises(StoreConflict) as caught:
            await store.append(pending(typing(30, 10)))
        assert caught.value.code == "forgotten-meanwhile"
        await store.forget(Selection(indexes=frozenset([3])))  # what this process forgets itself it knows
        await store.append(pending(typing(30, 10)))
        await store.append(pending(typing(40, 10)))
        events = await other.pending(SESSION)
        assert [event.index for event in events] == list(range(50))
        assert events[30:] == typing(30, 20)
        assert isinstance(events[25].body, CaptureGap)
        assert before[60:120] not in every_byte(tmp_path / "store")


async def test_a_writer_notices_what_another_process_forgot_before_it_was_killed(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await three_commits(store)
        other._database._done = other._journal.undone  # killed between a commit and the emptying of the file
        await other.forget(Selection(indexes=frozenset([25])))
        assert tail_path(tmp_path).read_bytes().strip(b"\0-")
        with pytest.raises(StoreConflict) as caught:
            await store.append(pending(typing(30, 10)))
        assert caught.value.code == "forgotten-meanwhile"
        assert [event.index for event in await other.pending(SESSION)] == list(range(30))


async def test_a_writer_stops_when_another_process_leaves_the_study(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await three_commits(store)
        await other.forget_study(STUDY)
        with pytest.raises(StoreConflict):
            await store.append(pending(typing(30, 10)))
        assert not tail_path(tmp_path).exists()


async def test_permission_is_asked_while_the_file_is_held(tmp_path: Path) -> None:
    def permitted() -> bool:
        handle = os.open(tail_path(tmp_path), os.O_RDWR)
        try:
            held.append(not tail.lock(handle, wait=False, share=True))
        finally:
            os.close(handle)
        return False

    held: list[bool] = []
    async with await open_store(tmp_path) as store:
        await three_commits(store)
        assert not await store.append(pending(typing(30, 10)), permitted=permitted)
        assert held == [True]
        assert await store.append(pending(typing(30, 10)))
        assert await store.pending(SESSION) == typing(0, 40)


async def test_an_append_that_failed_leaves_nothing_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    async with await open_store(tmp_path) as store:
        await three_commits(store)
        with monkeypatch.context() as patch:
            patch.setattr(tail, "sync", fails)
            with pytest.raises(StoreUnwritable, match="disk is full"):
                await store.append(pending(typing(30, 10)))
            assert await store.pending(SESSION) == typing(0, 30)
        await store.append(pending(typing(30, 12)))
        await store.append(pending(typing(42, 1)))
        assert await store.pending(SESSION) == typing(0, 43)


async def test_the_file_stays_small_enough_for_the_reserve(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        for index in range(8):
            await store.append(pending((edit(index, os.urandom(15_000).hex()),)))
            assert tail_path(tmp_path).stat().st_size < RESERVE_BYTES // 2
        assert len(await store.pending(SESSION)) == 8


async def test_the_file_goes_with_its_session(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
        await seal(store, masked(await store.pending(SESSION)))
        await store.end_session(SESSION)
        assert not tail_path(tmp_path).exists()
        stale = tail_path(tmp_path, SessionId("f" * 32))
        stale.write_bytes(b"left behind")
        mark_path(stale).write_bytes(b"left behind")
    async with await open_store(tmp_path):
        assert not stale.exists()
        assert not mark_path(stale).exists()


async def test_a_file_that_was_being_made_when_its_process_was_killed_goes_at_the_next_opening(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await three_commits(store)
    left = tail_path(tmp_path).with_suffix(tail.NEW_SUFFIX)
    left.write_bytes(bytes(tail.ROOM_BYTES))
    async with await open_store(tmp_path) as store:
        assert not left.exists()
        assert await store.pending(SESSION) == typing(0, 30)


def test_a_file_that_is_none_of_ours_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    assert read_chunks(tmp_path / "x") == []
    for data in (b"x", bytes(tail.ROOM_BYTES), b"some other file's text"):
        (tmp_path / "x").write_bytes(data)
        lost = read_chunks(tmp_path / "x")
        assert lost
        assert all(each.body == b"" for each in lost)
    assert read_chunks(tmp_path / "none") == []
    assert TailFile.open(tmp_path / "none") is None
