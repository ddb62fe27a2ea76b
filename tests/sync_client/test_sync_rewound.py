"""An older copy of the store that was put back: nothing at the receiver is overwritten, and no event counted twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from event_model.envelope import open_envelope, parse_envelope
from event_model.events import DocumentEdit
from event_model.segment import SegmentContent, decode_segment
from local_store.store import Store
from tests.ingest_server.kit import CUSTODIAN
from tests.sync_client.device import Device
from tests.sync_client.front import Front

pytestmark = pytest.mark.system


def kept(data: Path, device: Device) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in data.glob(f"segments/{device.study}/{device.pseudonym}/**/*.overt")}


def contents(data: Path, device: Device) -> list[SegmentContent]:
    opened = [open_envelope(parse_envelope(raw), CUSTODIAN) for _, raw in sorted(kept(data, device).items())]
    return [decode_segment(each) for each in opened]


def texts(found: list[SegmentContent]) -> list[str]:
    return [event.body.inserted for each in found for event in each.events if isinstance(event.body, DocumentEdit)]


async def typed_and_sent(device: Device, store: Store, *words: str) -> None:
    await device.type(store, *words)
    device.pass_hold()
    await device.sync(store)


async def put_back_yesterdays_copy(device: Device) -> None:
    """One segment sent, one on hold; a copy; the second one and a third are sent; the copy is put back."""
    folder, copy = device.home / "store", device.home.parent / "copy"
    async with await device.open() as store:
        await typed_and_sent(device, store, "one")
        await device.type(store, "two")
    shutil.copytree(folder, copy)
    async with await device.open() as store:
        device.pass_hold()
        await device.sync(store)
        await typed_and_sent(device, store, "three")
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


@pytest.mark.parametrize("witness", ["kept", "put back too"])
async def test_yesterdays_copy_goes_on_in_a_new_epoch(device: Device, front: Front, data: Path, witness: str) -> None:
    await put_back_yesterdays_copy(device)
    before = kept(data, device)
    assert texts(contents(data, device)) == ["one", "two", "three"]
    if witness == "put back too":
        (device.home / "keys" / "sealed.json").unlink()
    async with await device.open() as store:
        assert await store.times_rewound() == (witness == "kept")
        await typed_and_sent(device, store, "four")
        assert (await store.verify()).sound
    after = kept(data, device)
    assert {path: after[path] for path in before} == before
    found = contents(data, device)
    assert texts(found) == ["one", "two", "three", "two", "four"]
    assert {each.header.epoch for each in found[:3]} == {0}
    assert {each.header.epoch for each in found[3:]} == {1}
    # What came twice has the same session and indexes: by these a dataset takes it once.
    second = [(each.header.session, each.events) for each in found if "two" in texts([each])]
    assert second[0] == second[1]


async def test_a_store_that_was_removed_begins_above_all_numbers_used(device: Device, front: Front, data: Path) -> None:
    async with await device.open() as store:
        await typed_and_sent(device, store, "one")
    shutil.rmtree(device.home / "store")
    async with await device.open() as store:
        await typed_and_sent(device, store, "two")
    assert texts(contents(data, device)) == ["one", "two"]
    assert [each.header.epoch for each in contents(data, device)] == [0, 1]
