"""A person with a study of a site, a real bridge, and a client that speaks as the extension does."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from browser_bridge.gatekeeper import CHROMIUM_ID
from browser_bridge.papers import Papers
from browser_bridge.proofs import bridge_proof, client_proof, paired_secret, to_text
from browser_bridge.server import BridgeServer
from capture_gate.page_door import SOURCE, PageDoor
from capture_gate.status import ClientInfo
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import sign_manifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.study_toml import manifest_from_toml, study_template
from event_model.clock import SystemClock
from event_model.ids import StudyId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from local_store.custody import open_custody
from local_store.store import Store

SITE = "https://tracker.example.org"
ORIGIN = f"chrome-extension://{CHROMIUM_ID}"
PROFILE = "0123456789abcdef" * 2
KINDS = (
    *("page.open", "page.navigate", "page.close", "page.focus"),
    *("pointer.click", "field.change", "key.rhythm", "page.outline"),
)


class Client:
    """The extension's end of one connection."""

    def __init__(self, socket: ClientConnection, port: int, profile: str = PROFILE, origin: str = ORIGIN) -> None:
        self.socket = socket
        self.port = port
        self.profile = profile
        self.origin = origin
        self.seq = 0
        self.bound: dict[str, Any] = {}
        self.challenge: dict[str, Any] = {}

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self, kind: str | None = None) -> dict[str, Any]:
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            if kind is None or message["type"] == kind:
                return dict(message)

    async def ask_for_challenge(self, *, pair: bool = False) -> dict[str, Any]:
        """Go through the first step; gives what proofs are bound to."""
        nonce = to_text(os.urandom(16))
        hello = {"type": "hello", "protocol": 1, "profile": self.profile, "nonce": nonce}
        await self.send({**hello, "pair": pair})
        challenge = await self.receive("challenge")
        self.bound = {"profile": self.profile, "origin": self.origin, "port": self.port, "nonce": nonce}
        self.bound["answer"] = challenge["nonce"]
        self.challenge = challenge
        return self.bound

    async def shake_hands(self, secret: Secret, *, pair: bool = False) -> dict[str, Any]:
        await self.ask_for_challenge(pair=pair)
        assert self.challenge["proof"] == bridge_proof(secret, **self.bound)
        await self.send({"type": "proof", "proof": client_proof(secret, **self.bound)})
        return await self.receive("ready")

    async def events(
        self, *bodies: dict[str, Any], page: str = "p1", first: int | None = None, ack: bool = True
    ) -> None:
        first = self.seq + 1 if first is None else first
        self.seq = first + len(bodies) - 1
        now = SystemClock().wall_ms()
        items = [{"page": page, "wall_ms": now, "url": SITE, "body": body} for body in bodies]
        await self.send({"type": "events", "first": first, "events": items})
        if ack:
            assert (await self.receive("ack"))["seq"] == self.seq

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        await self.send({"type": "request", "id": 1, "method": method, "params": params})
        return await self.receive("response")


PAGE = {"kind": "page.open", "tab": 1, "route": f"{SITE}/issues/7?x=y", "title": "Issue", "width": 800, "height": 600}
FOCUS = {"kind": "page.focus", "focused": True, "visible": True}


class World:
    """One installation, its ledger and its bridge."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.papers = Papers(home)
        self.server: BridgeServer
        self._task: asyncio.Task[None] | None = None
        self._door: PageDoor

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home)

    def join(self) -> None:
        today = datetime.datetime.now(datetime.UTC).date()
        text = study_template(
            study="site-study",
            title="A study of a site",
            receiver_url="http://127.0.0.1:9",
            receiver_key=encode_key(SigningKey(Secret(b"r" * 32)).verify_key.raw),
            recipient=encode_key(RecipientSecretKey(Secret(b"s" * 96)).public.raw),
            workspaces=(WorkspaceRule(path="/nowhere/**"),),
            start=today,
            end=today + datetime.timedelta(days=30),
        )
        kinds = "\n".join(f'"{kind}" = "content"' for kind in KINDS)
        text = re.sub(r"\[kinds\]\n.*?\n\n", f"[kinds]\n{kinds}\n\n", text, flags=re.DOTALL)
        text = text.replace("[scope]\n", f'[scope]\nweb_origins = ["{SITE}"]\nsecret_fields = ["*_pin"]\n')
        manifest = sign_manifest(manifest_from_toml(text), SigningKey(Secret(os.urandom(32))))
        installation = open_custody(self.home).installation
        self.ledger.join(manifest, installation=installation, now_ms=SystemClock().wall_ms())

    def leave(self) -> None:
        keys = open_custody(self.home)
        self.ledger.leave(StudyId("site-study"), installation=keys.installation, now_ms=SystemClock().wall_ms())

    async def start(self) -> None:
        self.papers.make()
        self._door = await PageDoor.open(self.home, source=SOURCE, client=ClientInfo("browser"))
        self.server = BridgeServer(self.papers, self._door, SystemClock())
        self._task = asyncio.create_task(self.server.run())
        while not self.server.port:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if self._task is not None:
            self.server.stop()
            await self._task
            await self._door.close()
            self._task = None

    @property
    def secret(self) -> Secret:
        return self.papers.secret(PROFILE, ORIGIN)

    @contextlib.asynccontextmanager
    async def socket(self, **headers: str) -> AsyncIterator[ClientConnection]:
        options: dict[str, Any] = {"compression": None, "origin": ORIGIN} | headers
        async with connect(f"ws://127.0.0.1:{self.server.port}/overt", **options) as socket:
            yield socket

    @contextlib.asynccontextmanager
    async def client(self, profile: str = PROFILE) -> AsyncIterator[Client]:
        async with self.socket() as socket:
            client = Client(socket, self.server.port, profile)
            await client.shake_hands(self.papers.secret(profile, ORIGIN))
            yield client

    async def kept(self) -> list[Any]:
        store = await Store.open(self.home, open_custody(self.home), clock=SystemClock())
        try:
            return [each.event.body async for each in store.events()]
        finally:
            await store.close()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    world = World(tmp_path / "home")
    world.join()
    await world.start()
    try:
        yield world
    finally:
        await world.stop()


__all__ = ["FOCUS", "ORIGIN", "PAGE", "PROFILE", "SITE", "Client", "World", "paired_secret"]
