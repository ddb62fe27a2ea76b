"""The janitor on either pair of stores: what is over goes, what a crash left goes, what a row names stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from event_model.clock import ManualClock
from event_model.ids import StudyId
from event_model.log_entries import LogKind, decode_entry
from ingest_server.app import create_app
from ingest_server.janitor import DAY_MS, Janitor, Sweep
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects, segment_key
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.backends import Backend
from tests.ingest_server.kit import Person, client_of

DAYS = 365


class Rig:
    def __init__(self, client: httpx.AsyncClient, objects: Objects, metadata: Metadata, janitor: Janitor) -> None:
        self.client, self.objects, self.metadata, self.janitor = client, objects, metadata, janitor

    async def store(self, person: Person, *sealed: bytes) -> None:
        await self.client.put(f"{person.path}/consent", content=person.consent())
        for number, data in enumerate(sealed):
            assert (await self.client.put(person.segment_path(number), content=data)).status_code == 201


@pytest.fixture
async def rig(backend: Backend, settings: ReceiverSettings, clock: ManualClock) -> AsyncIterator[Rig]:
    objects, metadata = backend.objects(), backend.metadata()
    app = create_app(settings, clock, objects=objects, metadata=metadata)
    janitor = Janitor(settings.retention_days, objects=objects, metadata=metadata, clock=clock)
    async with (
        app.router.lifespan_context(app),
        client_of(app, clock.wall_ms) as client,
    ):
        yield Rig(client, objects, metadata, janitor)


async def test_what_is_over_its_time_goes_and_is_told_and_refused(rig: Rig, person: Person, clock: ManualClock) -> None:
    chain = person.chain(3)
    await rig.store(person, *chain[:2])
    clock.advance(10 * DAY_MS)
    assert (await rig.client.put(person.segment_path(2), content=chain[2])).status_code == 201
    clock.advance((DAYS - 10) * DAY_MS - 1)
    assert await rig.janitor.sweep() == Sweep(participants=1)
    clock.advance(1)
    assert await rig.janitor.sweep() == Sweep(participants=1, retired=2)
    keys = await rig.objects.keys("segments/")
    assert keys == [segment_key(person.study, person.pseudonym, 1, 2)]
    entries = [decode_entry(data) for data in await rig.metadata.log_entries(person.study, 0, 10)]
    assert [(entry.kind, entry.count) for entry in entries[1:]] == [(LogKind.RETENTION, 2)]
    assert await rig.janitor.sweep() == Sweep(participants=1)
    assert (await rig.client.put(person.segment_path(1), content=chain[1])).status_code == 410


async def test_what_crashes_left_goes_and_nothing_else(rig: Rig, person: Person, stranger: Person) -> None:
    chain = person.chain(2)
    await rig.store(person, *chain)
    await rig.store(stranger, stranger.envelope(0))
    left = [
        segment_key(person.study, person.pseudonym, 1, 2),
        segment_key(person.study, person.pseudonym, 1, 1) + ".part",
    ]
    for key in left:
        await rig.objects.put(key, b"left")
    await rig.metadata.bury(_participant(stranger), "half a deletion", [(1, 0)])
    assert await rig.janitor.sweep() == Sweep(participants=2, orphans=3)
    keys = await rig.objects.keys("segments/")
    assert keys == [segment_key(person.study, person.pseudonym, 1, number) for number in (0, 1)]


async def test_a_row_without_its_object_is_counted_and_left(rig: Rig, person: Person) -> None:
    await rig.store(person, person.envelope(0))
    await rig.objects.erase([segment_key(person.study, person.pseudonym, 1, 0)])
    assert await rig.janitor.sweep() == Sweep(participants=1, missing=1)
    assert len(await rig.metadata.live_segments(_participant(person))) == 1


async def test_uploads_go_on_while_it_sweeps_and_nothing_is_lost(rig: Rig, person: Person) -> None:
    chain = person.chain(12)
    await rig.client.put(f"{person.path}/consent", content=person.consent())
    sweeping = True

    async def sweep() -> Sweep:
        total = Sweep()
        while sweeping:
            total += await rig.janitor.sweep()
        return total

    task = asyncio.create_task(sweep())
    for number, data in enumerate(chain):
        assert (await rig.client.put(person.segment_path(number), content=data)).status_code == 201
    sweeping = False
    total = await task
    assert (total.orphans, total.missing, total.retired) == (0, 0, 0)
    assert len(await rig.objects.keys("segments/")) == 12


async def test_each_segment_is_kept_as_long_as_its_own_version_promised(
    rig: Rig, person: Person, clock: ManualClock
) -> None:
    await rig.store(person, person.envelope(0))
    clock.advance(DAY_MS)
    shorter = {person.study: {1: DAYS, 2: 1}}
    janitor = Janitor(shorter, objects=rig.objects, metadata=rig.metadata, clock=clock)
    assert (await janitor.sweep()).retired == 0
    only_new = {StudyId(person.study): {2: 1}}
    janitor = Janitor(only_new, objects=rig.objects, metadata=rig.metadata, clock=clock)
    assert (await janitor.sweep()).retired == 1


async def test_a_receiver_with_a_janitor_sweeps_by_itself(
    settings: ReceiverSettings, clock: ManualClock, person: Person
) -> None:
    lines: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    settings = msgspec.structs.replace(settings, sweep_every_s=0.01)
    app = create_app(settings, clock, log=lambda line: lines.put_nowait(dict(line)))
    async with app.router.lifespan_context(app):
        line = await asyncio.wait_for(lines.get(), 10)
    assert line == {"event": "swept", "participants": 0, "retired": 0, "orphans": 0, "missing": 0}


def _participant(person: Person):
    from ingest_server.rows import Participant

    return Participant(person.study, person.pseudonym)
