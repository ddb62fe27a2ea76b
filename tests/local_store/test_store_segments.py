from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from event_model.clock import ManualClock
from event_model.errors import SegmentError, StoreConflict
from event_model.events import Finding, Mask
from event_model.ids import SessionId
from event_model.segment import MAX_SEGMENT_EVENTS, SegmentContent, encode_segment
from local_store.forgetting import Selection
from local_store.model import TRANSITIONS, SegmentAct, SegmentState, transition
from local_store.schema import free_pages
from tests.local_store.store_kit import (
    OTHER,
    PSEUDONYM,
    RECORD,
    SECOND,
    SESSION,
    SOURCE,
    START_MS,
    STUDY,
    begin,
    edit,
    masked,
    open_store,
    opening,
    pending,
    seal,
    sealed,
    typing,
)


async def test_a_segment_holds_what_was_sealed(tmp_path: Path) -> None:
    masks = (Mask(1, "inserted", 0, 1, 1),)
    findings = (Finding(1, "secret", "aws-access-key", b"tag"),)
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending((opening(0), *typing(1, 4))))
        info = await seal(store, masked((await store.pending(SESSION))[:3], masks=masks, findings=findings))
        content = await store.read(info)
        assert content.events == (opening(0), *typing(1, 2))
        assert (content.masks, content.findings) == (masks, findings)
        header = content.header
        assert (header.study, header.study_version, header.pseudonym) == (STUDY, 1, PSEUDONYM)
        assert (header.session, header.source, header.consent_record) == (SESSION, SOURCE, RECORD)
        assert await store.session_segments(SESSION) == [content]
        assert (info.count, info.first_index, info.state) == (3, 0, SegmentState.HELD)
        assert (info.first_wall_ms, info.last_wall_ms) == (START_MS, START_MS + 2000)


async def test_sequence_numbers_of_a_study_are_gapless_across_sessions(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(store)
        await begin(other, SECOND)
        infos = [
            await sealed(store, typing(0, 3)),
            await sealed(other, typing(0, 5), SECOND),
            await sealed(store, typing(3, 2)),
        ]
        assert [(info.number, info.first_seq, info.count) for info in infos] == [(0, 0, 3), (1, 3, 5), (2, 8, 2)]
        assert await store.segments(STUDY) == await store.segments() == infos
        assert await store.segments(OTHER) == []
        assert (await store.verify()).sound


async def test_sealing_goes_through_while_another_process_always_takes_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(store)
        await begin(other, SECOND)
        await store.append(pending(typing(0, 3)))
        await other.append(pending(typing(0, 50), SECOND))
        loop = asyncio.get_running_loop()

        def late(content: SegmentContent) -> bytes:
            if content.header.session == SESSION and not store._database._database._connection.raw.in_transaction:
                asyncio.run_coroutine_threadsafe(seal_one(), loop).result()  # this is the store's thread
            return encode_segment(content)

        async def seal_one() -> None:
            await seal(other, masked((await other.pending(SECOND))[:1], SECOND))

        monkeypatch.setattr("local_store.sealing.encode_segment", late)
        info = await seal(store, masked(await store.pending(SESSION)))
        assert (info.number, info.first_seq, info.count) == (1, 1, 3)
        assert (await store.verify()).sound


async def test_seal_refuses_what_is_not_next_not_durable_or_of_another_study(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND, OTHER)
        await store.append(pending(typing(0, 4)))
        for batch in (
            masked(typing(1, 2)),
            masked(typing(0, 5)),
            masked((edit(0), edit(2))),
            masked(typing(0, 2), study=OTHER),
            masked(typing(0, 2), SECOND),
        ):
            with pytest.raises(StoreConflict):
                await seal(store, batch)
        assert await store.segments() == []
        assert await store.pending(SESSION) == typing(0, 4)


async def test_a_segment_that_would_be_too_large_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, MAX_SEGMENT_EVENTS)))
        await store.append(pending(typing(MAX_SEGMENT_EVENTS, 1)))
        with pytest.raises(SegmentError):
            await seal(store, masked(await store.pending(SESSION)))
        assert len(await store.pending(SESSION)) == MAX_SEGMENT_EVENTS + 1


async def test_events_are_given_once_in_order_with_their_state(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND, OTHER)
        first = await sealed(store, typing(0, 3))
        await sealed(store, typing(3, 2))
        await store.append([pending(typing(5, 2)), pending(typing(0, 2), SECOND, OTHER)])
        await store.put_envelope(first, b"envelope", "01")
        await store.mark_uploaded(await _again(store, first), b"receipt")
        seen = [(each.session, each.event.index, each.state) async for each in store.events()]
        assert seen == [
            *((SESSION, index, "uploaded") for index in range(3)),
            *((SESSION, index, "held") for index in range(3, 5)),
            *((SESSION, index, "pending") for index in range(5, 7)),
            *((SECOND, index, "pending") for index in range(2)),
        ]
        assert len([each async for each in store.events(study=OTHER)]) == 2
        spanned = [each async for each in store.events(since_ms=START_MS + 2000, until_ms=START_MS + 6000)]
        assert [each.event.index for each in spanned] == [2, 3, 4, 5]


async def test_due_segments_come_in_order_and_do_not_overtake(tmp_path: Path) -> None:
    clock = ManualClock(START_MS)
    async with await open_store(tmp_path, clock=clock) as store:
        await begin(store)
        infos = []
        for index, step in enumerate((0, 5000, -9000)):
            clock.advance(step)
            infos.append(await sealed(store, typing(index, 1)))
        clock.set_wall(START_MS + 5000)
        assert await store.due(STUDY, sealed_before_ms=START_MS - 1) == []
        assert await store.due(STUDY, sealed_before_ms=START_MS) == infos[:1]
        assert await store.due(STUDY, sealed_before_ms=START_MS + 5000) == infos
        assert await store.due(OTHER, sealed_before_ms=START_MS + 5000) == []


async def test_an_envelope_is_kept_until_its_receipt(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        first, second = await sealed(store, typing(0, 2)), await sealed(store, typing(2, 2))
        assert await store.last_digest(STUDY, 0) == ""
        with pytest.raises(StoreConflict):
            await store.put_envelope(second, b"second", "02")
        kept = await store.put_envelope(first, b"first", "01")
        assert (kept.state, kept.digest) == (SegmentState.ENVELOPED, "01")
        assert await store.envelope(first) == b"first"
        assert await store.last_digest(STUDY, 0) == "01"
        await store.put_envelope(second, b"second", "02")
        assert await store.last_digest(STUDY, 0) == "02"
        done = await store.mark_uploaded(kept, b"receipt")
        assert (done.state, done.receipt) == (SegmentState.UPLOADED, b"receipt")
        assert await store.mark_uploaded(kept, b"receipt") == done
        assert await store.envelope(first) is None
        assert [each.number for each in await store.due(STUDY, sealed_before_ms=START_MS)] == [1]
        assert (await store.read(done)).events == typing(0, 2)


async def test_an_envelope_of_what_was_rewritten_meanwhile_is_refused(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        info = await sealed(store, typing(0, 4))
        await store.forget(Selection(indexes=frozenset([3])))
        with pytest.raises(StoreConflict):
            await store.put_envelope(info, b"old content", "01")
        kept = await store.put_envelope(await _again(store, info), b"new content", "02")
        await store.forget(Selection(indexes=frozenset([2])))
        with pytest.raises(StoreConflict):
            await store.mark_uploaded(kept, b"receipt")


async def test_a_receipt_of_what_was_forgotten_meanwhile_changes_nothing(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        held = await sealed(store, typing(0, 3))
        with pytest.raises(StoreConflict):  # it never went out
            await store.mark_uploaded(held, b"receipt")
        sent = await store.put_envelope(held, b"envelope", "1" * 64)
        await store.mark_uploaded(sent, b"receipt")
        await store.forget(Selection(session=SESSION))
        (forgotten,) = await store.segments()
        with pytest.raises(StoreConflict):
            await store.mark_uploaded(sent, b"late receipt")
        assert await store.segments() == [forgotten]
        assert (forgotten.state, forgotten.receipt) == (SegmentState.FORGOTTEN, None)


async def test_a_receipt_of_what_was_sent_before_a_forgetting_is_refused(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        before = await store.put_envelope(await sealed(store, (opening(0), edit(1))), b"before", "1" * 64)
        await store.forget(Selection(indexes=frozenset({1})))
        now = await store.put_envelope((await store.segments())[0], b"now", "2" * 64)
        with pytest.raises(StoreConflict) as caught:
            await store.mark_uploaded(before, b"late receipt")
        assert caught.value.code == "segment-rewritten"
        assert await store.envelope(now) == b"now"
        assert (await store.mark_uploaded(now, b"receipt")).state is SegmentState.UPLOADED


async def test_a_new_epoch_neither_lengthens_nor_shortens_a_hold(tmp_path: Path) -> None:
    clock = ManualClock(START_MS)
    async with await open_store(tmp_path, clock=clock) as store:
        await begin(store)
        await sealed(store, typing(0, 3))
        clock.advance(1000)
        await sealed(store, typing(3, 3))
        clock.advance(1000)
        assert await store.begin_epoch(STUDY) == 2
        assert [each.sealed_ms for each in await store.segments()] == [START_MS, START_MS + 1000]
        assert [each.number for each in await store.due(STUDY, sealed_before_ms=START_MS)] == [0]


@pytest.mark.parametrize("state", SegmentState)
@pytest.mark.parametrize("act", SegmentAct)
def test_no_transition_outside_the_table(state: SegmentState, act: SegmentAct) -> None:
    if (state, act) in TRANSITIONS:
        assert transition(state, act) is TRANSITIONS[state, act]
    else:
        with pytest.raises(StoreConflict):
            transition(state, act)


async def test_stats_count_events_by_state(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        info = await sealed(store, typing(0, 3))
        await store.append(pending(typing(3, 2)))
        (stats,) = (await store.stats()).studies
        assert (stats.study, stats.held, stats.pending, stats.segments) == (STUDY, 3, 2, 1)
        await store.put_envelope(info, b"envelope", "01")
        await store.mark_uploaded(await _again(store, info), b"receipt")
        (stats,) = (await store.stats()).studies
        assert (stats.held, stats.uploaded) == (0, 3)


async def _again(store, info):
    return next(each for each in await store.segments() if each.number == info.number)


async def test_the_file_gets_shorter_when_a_session_ends(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        empty = await store.size_bytes()
        await begin(store)
        for index in range(0, 6000, 1000):
            await store.append(pending(edit(each, f"{each * 7919 % 1000003}") for each in range(index, index + 1000)))
        full = await store.size_bytes()
        info = await seal(store, masked(await store.pending(SESSION)))
        await store.end_session(SESSION)
        assert await store.size_bytes() < empty + info.size + 16_384 < full + info.size
        assert await store._database.read(free_pages) == 0
        assert (tmp_path / "store" / "overt.sqlite3").stat().st_size == await store.size_bytes()


async def test_a_clock_that_ran_ahead_keeps_nothing_back_for_longer_than_a_hold(tmp_path: Path) -> None:
    year_ms, hold_ms = 365 * 86_400_000, 86_400_000
    for now in (START_MS, START_MS + year_ms):
        async with await open_store(tmp_path, clock=ManualClock(now)) as store:
            session = SessionId(f"{now:032x}")
            await begin(store, session)
            await sealed(store, typing(0, 5), session)
            await store.end_session(session)
    clock = ManualClock(START_MS + 1000)
    async with await open_store(tmp_path, clock=clock) as store:
        await begin(store)
        await sealed(store, typing(0, 5))
        assert await store.due(STUDY, sealed_before_ms=START_MS - 1) == []
        clock.set_wall(START_MS + 1000 + hold_ms)
        due = await store.due(STUDY, sealed_before_ms=clock.wall_ms() - hold_ms)
        assert [info.number for info in due] == [0, 1, 2]
        assert [info.first_seq for info in due] == [0, 5, 10]
