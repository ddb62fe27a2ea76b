"""Forgetting a file or a site reads only the segments that may hold it, and finds the same as reading them all."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from event_model.events import Body, DocumentOpen, Event
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import PageFocus, PageNavigate, PageOpen
from event_model.segment import SegmentContent
from local_store.forgetting import Eraser, Selection
from local_store.model import SegmentInfo
from local_store.segments import Segments
from local_store.store import Store
from tests.local_store.store_kit import SECOND, SESSION, START_MS, begin, edit, open_store, opening, sealed

SITE, OTHER = "https://tickets.example.org", "https://wiki.example.org"

QUOTED = 'a "quoted" [1].py'

SELECTIONS = [
    Selection(path="src/main.py"),
    Selection(path="src/renamed.py"),
    Selection(path="src/*.py"),
    Selection(path="größe.md"),
    Selection(path=QUOTED),
    Selection(path="src/main"),
    Selection(path="nothing.txt"),
    Selection(path="src/main.py", since_ms=START_MS + 3000),
    Selection(site=SITE),
    Selection(site=OTHER),
    Selection(site="https://nowhere.example.org"),
    Selection(site=SITE, path="src/main.py"),
    Selection(path="src/renamed.py", since_ms=START_MS + 7000),
    Selection(site=SITE, since_ms=START_MS + 6000),
]


def at(index: int, body: Body) -> Event:
    return Event(index, START_MS + index * 1000, 1000 if index else 0, Level.CONTENT, body)


async def filled(home: Path) -> Store:
    """Two sessions: files with names of every sort, one renamed; and pages that go from site to site and back."""
    store = await open_store(home)
    await begin(store)
    await sealed(store, (opening(0, QUOTED, document=3), edit(1, document=3)))
    await sealed(store, (opening(2, "src/main.py"), edit(3), edit(4)))
    renamed = DocumentOpen(DocumentId(2), "src/renamed.py", "", "python", "", continues=DocumentId(1))
    await sealed(store, (at(5, renamed), edit(6, document=2)))
    await sealed(store, (edit(7, document=2), edit(8, document=2)))
    await sealed(store, (opening(9, "größe.md", document=4), edit(10, document=4), edit(11, document=2)))
    await begin(store, SECOND)
    page = DocumentId(1)
    await sealed(store, (at(0, PageOpen(page, 1, f"{SITE}/a", "t")), at(1, PageFocus(page, True, True))), SECOND)
    await sealed(store, (at(2, PageNavigate(page, f"{OTHER}/b", "t")), at(3, PageFocus(page, False, True))), SECOND)
    await sealed(store, (at(4, PageFocus(page, True, True)),), SECOND)
    await sealed(store, (at(5, PageNavigate(page, f"{SITE}/c", "t")),), SECOND)
    await sealed(store, (at(6, PageFocus(page, False, True)),), SECOND)
    return store


async def outcome(home: Path, selection: Selection) -> tuple[object, ...]:
    store = await filled(home)
    try:
        weighed = await store.weigh(selection)
        done = await store.forget(
            Selection(
                path=selection.path, site=selection.site, since_ms=selection.since_ms, until_ms=selection.until_ms
            )
        )
        return weighed, done, [each async for each in store.events()]
    finally:
        await store.close()


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
async def test_what_is_passed_by_holds_nothing(
    tmp_path: Path, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = await outcome(tmp_path / "quick", selection)
    monkeypatch.setattr(Eraser, "needle", None)
    assert await outcome(tmp_path / "whole", selection) == quick


async def test_only_what_may_hold_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[tuple[str, int]] = Counter()
    whole = Segments.read

    def counted(self: Segments, connection: sqlite3.Connection, info: SegmentInfo) -> SegmentContent:
        reads[info.session, info.first_index] += 1
        return whole(self, connection, info)

    store = await filled(tmp_path)
    try:
        monkeypatch.setattr(Segments, "read", counted)
        await store.weigh(Selection(path="größe.md"))
        assert reads == {(SESSION, 9): 1}
        reads.clear()
        await store.weigh(Selection(path="src/main.py"))  # and what may go on with it
        assert reads == {(SESSION, first): 1 for first in (2, 5, 7, 9)}
        reads.clear()
        assert (await store.forget(Selection(site=OTHER))).events == 3
        assert (SECOND, 0) not in reads
    finally:
        await store.close()
