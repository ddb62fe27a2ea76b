"""What a forgetting is said to do is what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from event_model.clock import ManualClock
from local_store.forgetting import Selection
from local_store.store import Store
from tests.local_store.store_kit import (
    SECOND,
    SESSION,
    START_MS,
    STUDY,
    begin,
    device_keys,
    edit,
    open_store,
    opening,
    pending,
    sealed,
)


async def filled(home: Path) -> Store:
    store = await open_store(home)
    await begin(store)
    sent = await sealed(store, (opening(0, "src/main.py"), edit(1), edit(2)))
    await store.put_envelope(sent, b"envelope", "digest")
    await store.mark_uploaded(await _again(store), b"receipt")
    await sealed(store, (opening(3, "src/other.py", document=2), edit(4, document=2), edit(5), edit(6, document=2)))
    await store.append(pending((edit(7, document=2), opening(8, "notes.md", document=3), edit(9, document=3))))
    await begin(store, SECOND)
    await sealed(store, (opening(0, "src/main.py"), edit(1)), SECOND)
    return store


async def _again(store: Store):  # type: ignore[no-untyped-def]
    return (await store.segments())[0]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(study=STUDY),
        Selection(session=SESSION),
        Selection(session=SECOND, indexes=frozenset({1})),
        Selection(session=SESSION, indexes=frozenset({4})),
        Selection(path="src/main.py"),
        Selection(path="src/*"),
        Selection(path="notes.md"),
        Selection(path="nothing.txt"),
        Selection(since_ms=START_MS + 5000),
        Selection(since_ms=START_MS + 4000, until_ms=START_MS + 5000),
    ],
)
async def test_weighing_says_what_forgetting_does_and_changes_nothing(tmp_path: Path, selection: Selection) -> None:
    store = await filled(tmp_path)
    try:
        before = [each async for each in store.events()]
        weighed = await store.weigh(selection)
        assert [each async for each in store.events()] == before
        done = await store.forget(
            Selection(
                study=selection.study,
                session=selection.session,
                indexes=selection.indexes,
                path=selection.path,
                since_ms=selection.since_ms,
                until_ms=selection.until_ms,
            )
        )
        assert (weighed.events, weighed.segments, weighed.sent) == (
            done.events,
            done.segments,
            len(done.uploaded_segments),
        )
        assert bool(weighed.paths) == bool(done.events)
        assert (await store.weigh(selection)).events == 0
    finally:
        await store.close()


async def test_weighing_names_the_files(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    try:
        assert (await store.weigh(Selection(since_ms=START_MS + 8000))).paths == {"notes.md"}
        assert (await store.weigh(Selection(path="src/main.py"))).paths >= {"src/main.py"}
    finally:
        await store.close()


async def test_a_running_session_is_known_to_other_processes(tmp_path: Path) -> None:
    store = await filled(tmp_path)
    other = await Store.open(tmp_path, device_keys(), clock=ManualClock(START_MS))
    try:
        assert {each.session for each in await other.running()} == {SESSION, SECOND}
        version = await other.version()
        assert await other.version() == version
        await store.append(pending((edit(2),), SECOND))
        await sealed_pending(store)
        assert await other.version() != version
        await store.close()
        assert await other.running() == []
    finally:
        await other.close()


async def sealed_pending(store: Store) -> None:
    await store.forget(Selection(session=SECOND, indexes=frozenset([2])))
