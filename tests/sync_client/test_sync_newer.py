"""A newer version of a study at its receiver: found, offered, and never agreed to by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consent_ledger.manifest import sign_manifest
from event_model.keys import Secret, SigningKey
from local_store.store import Store
from sync_client.client import SyncIncomplete, SyncReport, sync
from tests.ingest_server.kit import OWNER
from tests.sync_client.device import Device, manifest_for
from tests.sync_client.front import Front, say

pytestmark = pytest.mark.system


async def ask(device: Device, store: Store) -> SyncReport:
    return await sync(
        store=store, ledger=device.ledger, installation=device.installation, clock=device.clock, ask_for_newer=True
    )


def serve(front: Front, signer: SigningKey = OWNER, **changes: Any) -> None:
    """Have the receiver answer the first request, which asks for the manifest."""
    front.acts = [say(200, sign_manifest(manifest_for(front.url, **changes), signer))]


@pytest.fixture
async def due(device: Device, store: Store, front: Front) -> Store:
    await device.type(store, "one")
    device.pass_hold()
    return store


async def test_the_version_that_was_agreed_to_is_nothing_new(device: Device, due: Store, front: Front) -> None:
    report = await ask(device, due)  # from the real receiver
    assert (report.newer, report.uploaded) == ((), 1)
    assert device.ledger.offered(device.study) is None


async def test_what_asks_for_more_waits_for_an_answer_and_stops_the_study(
    device: Device, due: Store, front: Front
) -> None:
    serve(front, version=2, retention_days=4000)
    report = await ask(device, due)
    assert (report.newer, report.uploaded) == ((device.study,), 0)
    assert len(front.requests) == 1
    (grant,) = device.ledger.grants(device.clock.wall_ms())
    assert (grant.refusal, grant.manifest.version) == ("study-changed", 1)
    offered = device.ledger.offered(device.study)
    assert offered is not None
    assert offered.payload.version == 2
    serve(front, version=2, retention_days=4000)
    assert (await ask(device, due)).newer == (device.study,)


async def test_what_asks_for_less_goes_on(device: Device, due: Store, front: Front) -> None:
    serve(front, version=2, retention_days=device.manifest.retention_days - 1)
    report = await ask(device, due)
    assert (report.newer, report.uploaded) == ((), 1)
    assert device.ledger.grants(device.clock.wall_ms())[0].manifest.version == 2


async def test_another_owner_is_told_and_changes_nothing(device: Device, due: Store, front: Front) -> None:
    serve(front, SigningKey(Secret(bytes(range(32)))), version=2)
    with pytest.raises(SyncIncomplete) as caught:
        await ask(device, due)
    assert (caught.value.code, caught.value.report.uploaded) == ("study-owner-changed", 1)
    assert device.ledger.grants(device.clock.wall_ms())[0].live


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"<html>log in</html>"), (500, b""), (200, b"{}")])
async def test_an_answer_that_is_no_manifest_is_nothing_new(
    device: Device, due: Store, front: Front, status: int, body: bytes
) -> None:
    front.acts = [say(status, body)]
    report = await ask(device, due)
    assert (report.newer, report.uploaded) == ((), 1)


async def test_an_older_version_is_passed_over(tmp_path: Path, front: Front) -> None:
    device = Device(tmp_path / "ahead", manifest_for(front.url, version=2))
    device.join()
    store = await device.open()
    serve(front)
    assert (await ask(device, store)).newer == ()
    await store.close()


async def test_a_hold_that_the_person_lengthened_holds(device: Device, due: Store) -> None:
    device.ledger.hold_longer(device.study, 30 * 86_400)
    report = await device.sync(due)
    assert (report.uploaded, report.held) == (0, 1)
    device.ledger.hold_longer(device.study, 0)
    assert (await device.sync(due)).uploaded == 1
