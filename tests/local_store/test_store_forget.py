from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model.clock import ManualClock
from event_model.errors import StoreConflict, StoreUnwritable
from event_model.events import (
    CaptureGap,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    Event,
    Finding,
    GapReason,
    Mask,
)
from event_model.ids import DocumentId
from event_model.levels import Level
from local_store import vault
from local_store.erasure import Erasure, Piece
from local_store.forgetting import Eraser, Selection, fill_holes, keep_masks
from local_store.model import SegmentState
from local_store.sessions import all_sessions
from local_store.store import Store
from local_store.transactions import Transactions
from tests.local_store.store_kit import (
    OTHER,
    SECOND,
    SESSION,
    START_MS,
    STUDY,
    begin,
    device_keys,
    edit,
    every_byte,
    masked,
    open_store,
    opening,
    pending,
    seal,
    sealed,
    typing,
)


def gone(event: Event) -> bool:
    return isinstance(event.body, CaptureGap) and event.body.reason is GapReason.FORGOTTEN


def left(events: tuple[Event, ...]) -> list[int]:
    return [event.index for event in events if not gone(event)]


def test_a_forgotten_event_becomes_a_gap_and_its_time_collapses() -> None:
    events = (Event(0, START_MS, 0, Level.CONTENT, EditorFocus(True)), edit(1), edit(2, document=2), edit(3))
    after, replaced = Eraser(Selection(indexes=frozenset({2}))).apply(events)
    assert replaced == 1
    assert after[2] == Event(2, after[1].wall_ms, 0, Level.CONTENT, CaptureGap(1, GapReason.FORGOTTEN, DocumentId(2)))
    assert after[3].delta_ms == events[2].delta_ms + events[3].delta_ms
    assert (*after[:2], after[3].body) == (*events[:2], events[3].body)


def test_forgetting_an_edit_takes_the_later_edits_of_its_document_up_to_its_next_opening() -> None:
    events = (opening(0), edit(1), edit(2, document=2), edit(3), opening(4), edit(5))
    after, replaced = Eraser(Selection(indexes=frozenset({1}))).apply(events)
    assert replaced == 2
    assert left(after) == [0, 2, 4, 5]


def test_forgetting_an_event_without_text_breaks_no_document() -> None:
    save = Event(1, START_MS, 0, Level.CONTENT, DocumentSave(DocumentId(1)))
    after, _ = Eraser(Selection(indexes=frozenset({1}))).apply((opening(0), save, edit(2)))
    assert left(after) == [0, 2]
    assert after[1].body == CaptureGap(1, GapReason.FORGOTTEN, None)


def test_forgetting_a_path_takes_the_document_and_what_it_was_renamed_to() -> None:
    renamed = DocumentOpen(DocumentId(3), "src/b.py", "", "python", "", continues=DocumentId(1))
    events = (
        opening(0, "src/a.py"),
        opening(1, "src/other.py", document=2),
        edit(2),
        Event(3, START_MS, 0, Level.CONTENT, renamed),
        edit(4, document=3),
        edit(5, document=2),
    )
    after, _ = Eraser(Selection(path="src/a.py")).apply(events)
    assert left(after) == [1, 5]
    globbed, _ = Eraser(Selection(path="src/*")).apply(events)
    assert left(globbed) == []


def test_a_document_that_continues_a_broken_one_is_broken() -> None:
    renamed = DocumentOpen(DocumentId(2), "b", "", "", "", continues=DocumentId(1))
    events = (opening(0), edit(1), Event(2, START_MS, 0, Level.CONTENT, renamed), edit(3, document=2))
    after, _ = Eraser(Selection(indexes=frozenset({1}))).apply(events)
    assert left(after) == [0]


def test_masks_of_forgotten_events_go_with_their_findings() -> None:
    events = (edit(0), edit(1, document=2))
    after, _ = Eraser(Selection(indexes=frozenset({0}))).apply(events)
    masks = (Mask(0, "inserted", 0, 1, 1), Mask(1, "inserted", 0, 1, 2))
    findings = (Finding(1, "secret", "one"), Finding(2, "pii", "two"))
    assert keep_masks(events, after, masks, findings) == (masks[1:], findings[1:])


@given(
    st.lists(st.tuples(st.sampled_from("oefc"), st.integers(1, 3), st.integers(0, 50)), min_size=1, max_size=40),
    st.sets(st.integers(0, 39)),
    st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_forgetting_keeps_indexes_and_time_and_is_the_same_in_pieces(
    plan: list[tuple[str, int, int]], chosen: set[int], cut: int
) -> None:
    events = []
    for index, (what, document, delta) in enumerate(plan):
        body = {
            "o": DocumentOpen(DocumentId(document), "p", "", "", "t"),
            "e": DocumentEdit(DocumentId(document), 0, 0, "x"),
            "f": EditorFocus(True),
            "c": DocumentOpen(DocumentId(document), "p", "", "", "", continues=DocumentId(document % 3 + 1)),
        }[what]
        events.append(Event(index, START_MS + index, delta, Level.CONTENT, body))
    whole, replaced = Eraser(Selection(indexes=frozenset(chosen))).apply(events)
    pieces = Eraser(Selection(indexes=frozenset(chosen)))
    assert (*pieces.apply(events[:cut])[0], *pieces.apply(events[cut:])[0]) == whole
    assert [event.index for event in whole] == [event.index for event in events]
    assert all(gone(whole[index]) for index in chosen if index < len(events))
    assert replaced == sum(map(gone, whole))
    if not gone(whole[-1]):
        assert sum(event.delta_ms for event in whole) == sum(event.delta_ms for event in events)
    again, more = Eraser(Selection(indexes=frozenset(chosen))).apply(whole)
    assert (again, more) == (whole, 0)


def test_a_hole_becomes_gaps_and_puts_every_document_in_doubt() -> None:
    chunks = [(opening(0), edit(1)), (edit(4), opening(5, document=2), edit(6, document=2), edit(7))]
    events = fill_holes(chunks, start=0, end=9, wall_ms=START_MS)
    assert [event.index for event in events] == list(range(9))
    kept = [event.index for event in events if not isinstance(event.body, CaptureGap)]
    assert kept == [0, 1, 5, 6]
    assert fill_holes([], start=2, end=4, wall_ms=5)[0].wall_ms == 5


async def test_forget_rewrites_held_and_pending_events(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await sealed(store, (opening(0), *typing(1, 3)))
        await store.append(pending((*typing(4, 2), edit(6, document=2))))
        done = await store.forget(Selection(since_ms=START_MS + 3000, until_ms=START_MS + 5000))
        assert (done.events, done.segments, done.uploaded_segments) == (3, 1, ())
        (info,) = await store.segments()
        assert left((await store.read(info)).events) == [0, 1, 2]
        assert left(await store.pending(SESSION)) == [6]
        assert len(await store.pending(SESSION)) == 3
        await store.append(pending(typing(7, 1)))
        assert (await store.verify()).sound
        again = await store.forget(Selection(since_ms=START_MS + 3000, until_ms=START_MS + 5000))
        assert (again.events, again.segments) == (0, 0)


async def test_forget_by_study_session_and_everything(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND, OTHER)
        await store.append([pending(typing(0, 2)), pending(typing(0, 3), SECOND, OTHER)])
        assert (await store.forget(Selection(study=OTHER))).events == 3
        assert left(await store.pending(SESSION)) == [0, 1]
        assert (await store.forget(Selection(session=SECOND))).events == 0
        assert (await store.forget()).events == 2
        assert [each async for each in store.events() if not gone(each.event)] == []


async def test_what_is_forgotten_at_the_end_of_an_orphan_leaves_nothing_to_seal(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    await begin(first)
    await first.append(pending(typing(0, 4)))
    await first.close()
    async with await open_store(tmp_path) as store:
        (orphan,) = await store.orphans()
        assert (await store.forget(Selection(session=orphan.session))).events == 4
        await store.end_session(orphan.session)
        assert await store.orphans() == []
        assert (await store.stats()).sessions == 0


async def test_events_forgotten_since_they_were_read_are_not_sealed(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(store)
        await store.append(pending((opening(0), *typing(1, 3))))
        read = await store.pending(SESSION)
        await other.forget(Selection(indexes=frozenset([2])))
        with pytest.raises(StoreConflict) as caught:
            await seal(store, masked(read))
        assert caught.value.code == "forgotten-meanwhile"
        info = await seal(store, masked(await store.pending(SESSION)))
        assert left((await store.read(info)).events) == [0, 1]


async def test_events_read_while_they_are_being_forgotten_are_not_sealed(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(other)
        await other.append(pending((opening(0), *typing(1, 3))))
        (row,) = await store._database.read(all_sessions)
        erasure = Erasure(store._journal, store._segments)
        forgets = partial(erasure.piece, session_no=row.no, first_index=0, eraser=Eraser(Selection(path="src/main.py")))
        await store._database.write(forgets)
        read = await other.pending(SESSION)  # between two transactions of one forgetting
        await store._database.write(partial(erasure.rekey, session_no=row.no, live=False))
        with pytest.raises(StoreConflict) as caught:
            await seal(other, masked(read))
        assert caught.value.code == "forgotten-meanwhile"
        assert await other.pending(SESSION) == ()


async def test_a_writer_notices_what_another_process_forgot_of_what_is_sealed(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store, await open_store(tmp_path) as other:
        await begin(store)
        await sealed(store, (opening(0), *typing(1, 3)))
        await other.forget(Selection(indexes=frozenset([2])))
        with pytest.raises(StoreConflict) as caught:
            await store.append(pending(typing(4, 1)))
        assert caught.value.code == "forgotten-meanwhile"


async def test_forgetting_an_enveloped_segment_takes_the_envelopes_back_from_there_on(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        infos = [await sealed(store, (edit(index, document=index + 1),)) for index in range(3)]
        for info in infos:
            await store.put_envelope(info, b"envelope %d" % info.number, f"0{info.number}")
        await store.mark_uploaded((await store.segments())[0], b"receipt")
        done = await store.forget(Selection(indexes=frozenset([1])))
        assert done.uploaded_segments == ((STUDY, 0, 1), (STUDY, 0, 2))
        states = [info.state for info in await store.segments()]
        assert states == [SegmentState.UPLOADED, SegmentState.HELD, SegmentState.HELD]
        assert await store.last_digest(STUDY, 0) == "00"
        assert b"envelope 1" not in every_byte(tmp_path)
        assert b"envelope 2" not in every_byte(tmp_path)


async def test_an_envelope_that_is_chained_to_one_of_another_session_is_taken_back_with_it(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND)
        for number, session in enumerate((SESSION, SECOND)):
            info = await sealed(store, (opening(0), edit(1)), session)
            await store.put_envelope(info, b"envelope", f"0{number}")
        done = await store.forget(Selection(session=SESSION, indexes=frozenset([1])))
        assert done.uploaded_segments == ((STUDY, 0, 0), (STUDY, 0, 1))
        assert [(info.state, info.digest) for info in await store.segments()] == [(SegmentState.HELD, "")] * 2
        assert left((await store.read((await store.segments())[1])).events) == [0, 1]


async def test_forgetting_an_uploaded_segment_destroys_it_here_and_names_it(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        info = await sealed(store, typing(0, 3))
        await store.put_envelope(info, b"envelope", "01")
        await store.mark_uploaded((await store.segments())[0], b"receipt")
        done = await store.forget(Selection(since_ms=START_MS + 1000, until_ms=START_MS + 2000))
        assert done.uploaded_segments == ((STUDY, 0, 0),)
        assert (await store.segments())[0].state is SegmentState.FORGOTTEN
        assert [each async for each in store.events()] == []
        assert await store.last_digest(STUDY, 0) == "01"
        assert (await store.verify()).gaps == ()
        assert (await store.forget()).uploaded_segments == ()


async def test_forgetting_a_study_leaves_the_other_and_begins_a_new_epoch(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await begin(store, SECOND, OTHER)
        await sealed(store, typing(0, 3))
        await store.append([pending(typing(3, 2)), pending(typing(0, 2), SECOND, OTHER)])
        await store.forget_study(STUDY)
        with pytest.raises(StoreConflict):
            await store.append(pending(typing(5, 1)))
        with pytest.raises(StoreConflict):
            await seal(store, masked(typing(3, 2)))
        assert await store.segments() == []
        assert [each.study async for each in store.events()] == [OTHER, OTHER]
        await store.end_session(SESSION)
        await begin(store)
        info = await sealed(store, typing(0, 2))
        assert (info.epoch, info.number, info.first_seq) == (1, 0, 0)
        await store.forget_study(STUDY)
        await store.forget_study(OTHER)
        assert (await store.stats()).sessions == 0


async def test_a_forgotten_study_that_was_not_swept_is_swept_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await sealed(store, typing(0, 100))
        await store.append(pending(typing(100, 10)))
        with monkeypatch.context() as patch:
            patch.setattr(Transactions, "sweep", _nothing)
            await store.forget_study(STUDY)
        assert [each async for each in store.events()] == []
        rows = await store._database.read(
            lambda connection: connection.execute("SELECT count(*) FROM journal").fetchone()
        )
        assert rows == (1,)
    async with await open_store(tmp_path) as store:
        for table in ("journal", "segments", "sessions", "keys"):
            count = await store._database.read(
                lambda connection, table=table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            )
            assert count == (0,), table


async def test_what_is_forgotten_is_in_no_byte_even_for_who_kept_the_keys(tmp_path: Path) -> None:
    """Every key that ever was is kept by the adversary, who looks for every ciphertext that ever was."""
    markers = [f"marker-{number:03d}-" + "s3cret" * 8 for number in range(60)]
    async with await open_store(tmp_path, clock=ManualClock(START_MS)) as store:
        await begin(store)
        for start in range(0, 40, 4):
            await store.append(pending(opening(i, text=markers[i], document=i + 1) for i in range(start, start + 4)))
        await seal(store, masked((await store.pending(SESSION))[:30]))
        for start in range(40, 60, 5):
            await store.append(pending(opening(i, text=markers[i], document=i + 1) for i in range(start, start + 5)))
        before = await _ciphertexts(store)
        await store.forget(Selection(indexes=frozenset(range(10, 55))))
        kept = [each.event async for each in store.events()]
        assert left(tuple(kept)) == [*range(10), *range(55, 60)]
        data = every_byte(tmp_path)
        for body in before:
            for piece in (body[start : start + 24] for start in range(0, len(body) - 24, 24)):
                assert piece not in data
        await store.forget_study(STUDY)
        data = every_byte(tmp_path)
        for body in before:
            assert body[:24] not in data


async def test_forgetting_that_had_to_be_tried_twice_counts_time_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending((opening(0), edit(1))))
        await store.append(pending((edit(2, document=2),)))
        write, failures = store._database._database.write, [StoreUnwritable("the disk is full")]

        async def fails_once(work, **others):
            def refused(connection):
                work(connection)
                if failures:
                    raise failures.pop()
                return work(connection)

            return await write(refused if failures else work, **others)

        monkeypatch.setattr(store._database._database, "write", fails_once)
        await store.forget(Selection(indexes=frozenset([1])))
        assert failures == []
        assert [event.delta_ms for event in await store.pending(SESSION)] == [0, 0, 2000]


async def test_what_can_not_be_read_and_may_have_been_sent_goes_with_its_envelope(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        info = await sealed(store, typing(0, 10))
        info = await store.put_envelope(info, b"envelope", "1" * 64)
        await store._database.write(lambda connection: connection.execute("UPDATE segments SET body = zeroblob(99)"))
        done = await store.forget(Selection(indexes=frozenset({3})))
        assert (done.events, done.uploaded_segments) == (10, (info.place,))
        assert await store.envelope(info) is None
        assert await _ciphertexts(store) == [None, None]


async def test_what_is_sealed_while_it_is_walked_is_still_forgotten(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 10)))
        await store.append(pending(edit(index, document=index) for index in range(10, 20)))
        eraser = Eraser(Selection(indexes=frozenset({5, 15})))
        erasure = Erasure(store._journal, store._segments)

        async def walk(index: int, eraser: Eraser) -> Piece:
            return await store._database.write(partial(erasure.piece, session_no=1, first_index=index, eraser=eraser))

        first = await walk(0, eraser)
        assert first.next_index == 10
        assert first.eraser is not None
        await seal(store, masked(await store.pending(SESSION)))
        second = await walk(10, first.eraser)
        assert (second.next_index, second.events) == (20, 1)
        events = (await store.read((await store.segments())[0])).events
        assert left(events) == [*range(5), *range(10, 15), *range(16, 20)]
        assert [events[0].delta_ms, events[10].delta_ms] == [1000, 6000]


async def _ciphertexts(store: Store) -> list[bytes]:
    def work(connection):
        bodies = connection.execute("SELECT body FROM journal").fetchall()
        bodies += connection.execute("SELECT body FROM segments").fetchall()
        bodies += connection.execute("SELECT wrapped FROM segments").fetchall()
        bodies += connection.execute("SELECT wrapped FROM keys WHERE session IS NOT NULL").fetchall()
        return [row[0] for row in bodies]

    return await store._database.read(work)


async def _nothing(_: Transactions) -> None:
    return


def test_the_vault_refuses_what_was_moved_or_changed() -> None:
    key = vault.new_key(lambda count: bytes(range(count)))
    sealed_chunk = vault.seal_chunk(vault.chunk_cipher(key), b"plain", b"about", bytes)
    assert vault.open_chunk(key, sealed_chunk, b"about") == b"plain"
    root = device_keys().root
    wrapped, body = vault.seal_body(root, b"plain", b"about", lambda count: bytes(range(count)))
    assert vault.open_body(root, wrapped, body, b"about") == b"plain"
    for changed, about in ((sealed_chunk, b"elsewhere"), (sealed_chunk[:-1], b"about"), (b"", b"about")):
        with pytest.raises(vault.DecryptError):
            vault.open_chunk(key, changed, about)
    for args in (
        (key, wrapped, body, b"about"),
        (root, wrapped[:-1], body, b"about"),
        (root, wrapped, body[1:], b"about"),
        (root, wrapped, body, b""),
    ):
        with pytest.raises(vault.DecryptError):
            vault.open_body(*args)
