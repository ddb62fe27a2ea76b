"""A person who was invited joins and sends; one who was not is told what is missing."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from consent_ledger.invitations import Invitations
from consent_ledger.manifest import read_manifest
from event_model.invitations import make_invitation
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from sync_client.client import sync
from sync_client.report import SyncIncomplete, SyncReport
from tests.ingest_server.kit import NOW, OWNER, RECEIVER_KEY
from tests.sync_client.device import Device, manifest_for


async def test_an_invitation_is_shown_with_the_consent_record(tmp_path: Path) -> None:
    device = Device(tmp_path / "home", manifest_for("http://127.0.0.1:1"))
    device.join()
    store = await device.open()
    await device.type(store, "one")
    device.pass_hold()
    settings = ReceiverSettings(tmp_path / "data", (read_manifest(device.signed),), RECEIVER_KEY, invited_only=True)
    app = create_app(settings, device.clock)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app))
    invitations = Invitations(device.home)

    async def run() -> SyncReport:
        return await sync(
            store=store, ledger=device.ledger, installation=device.installation, clock=device.clock, http=http,
            invitations=invitations,
        )  # fmt: skip

    with pytest.raises(SyncIncomplete) as caught:
        await run()
    (problem,) = caught.value.report.problems
    assert (problem.code, problem.permanent) == ("invitation-missing", True)
    assert "--invitation" in problem.hint
    made = make_invitation(device.study, OWNER, identity="1" * 32, expires_ms=NOW + 10**9)
    invitations.keep(device.study, made)
    assert (await run()).uploaded == 1
    await http.aclose()
    await store.close()
