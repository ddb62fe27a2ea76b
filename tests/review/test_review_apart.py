"""Large segments are read in a process of its own: with the same outcome, and gone with who asked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from event_model.clock import SystemClock
from event_model.segment import encode_segment
from overt.device import Device
from overt.exporting import catalogue_of
from overt.review import catalogue
from overt.review.apart import Apart
from overt.review.catalogue import Entry
from overt.review.digest import digest

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("review")]


async def entries(home: Path) -> list[Entry]:
    async with catalogue_of(Device(home)) as found:
        return await found.entries(0, SystemClock().wall_ms())


@pytest.fixture
def person(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    return filled / "person"


async def test_it_tells_the_same(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = await entries(person)
    assert len(here) > 3
    asked: list[int] = []
    whole = Apart.digest

    async def counted(self: Apart, segment: bytes) -> object:
        found = await whole(self, segment)
        asked.append(len(segment))
        assert found is not None
        return found

    monkeypatch.setattr(catalogue, "APART_EVENTS", 1)
    monkeypatch.setattr(Apart, "digest", counted)
    assert await entries(person) == here
    assert len(asked) == 2


async def test_what_is_no_segment_and_a_process_that_died_are_left_to_the_caller(person: Path) -> None:
    async with catalogue_of(Device(person)) as found:
        content = await found.store.read(found.segments[0])
    segment = encode_segment(content)
    apart = Apart()
    try:
        assert await apart.digest(b"no segment") is None
        right = digest(content.events, content.masks, content.findings)
        assert await apart.digest(segment) == right
        process = apart._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        assert await apart.digest(segment) is None
        assert await apart.digest(segment) == right
        last = apart._process
        assert last is not None
    finally:
        await apart.close()
    assert last.returncode is not None
