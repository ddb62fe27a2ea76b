"""A person who has joined a study, with the real ledger and the real store."""

from __future__ import annotations

import datetime
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from capture_gate.door import Door
from capture_gate.status import ClientInfo
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import sign_manifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.study_toml import manifest_from_toml, study_template
from event_model.clock import ManualClock
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from local_store.custody import DeviceKeys, open_custody
from local_store.store import Store

NOW_MS = 1_790_000_000_000


@dataclass
class Person:
    """One installation under a temporary folder."""

    home: Path
    work: Path
    clock: ManualClock
    owner: SigningKey

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home)

    @property
    def keys(self) -> DeviceKeys:
        return open_custody(self.home)

    def manifest(self, study: str = "test-study", *, edit: Callable[[str], str] = lambda text: text) -> bytes:
        day = datetime.datetime.fromtimestamp(NOW_MS / 1000, datetime.UTC).date()
        text = study_template(
            study=study,
            title="A study for tests",
            receiver_url="http://127.0.0.1:9",
            receiver_key=encode_key(SigningKey(Secret(b"r" * 32)).verify_key.raw),
            recipient=encode_key(RecipientSecretKey(Secret(b"s" * 96)).public.raw),
            workspaces=(WorkspaceRule(path=f"{self.work}/**"),),
            start=day,
            end=day + datetime.timedelta(days=30),
        )
        return sign_manifest(manifest_from_toml(edit(text)), self.owner)

    def join(self, study: str = "test-study", *, edit: Callable[[str], str] = lambda text: text) -> None:
        manifest = self.manifest(study, edit=edit)
        self.ledger.join(manifest, installation=self.keys.installation, now_ms=self.clock.wall_ms())

    async def door(self, **options: object) -> Door:
        client = ClientInfo("test", "1", "utf-32")
        return await Door.open(self.home, source="lsp", client=client, clock=self.clock, **options)  # type: ignore[arg-type]

    async def store(self) -> Store:
        return await Store.open(self.home, self.keys, clock=self.clock)

    @property
    def store_files(self) -> list[Path]:
        folder = self.home / "store"
        return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    work = tmp_path / "work"
    work.mkdir()
    return Person(tmp_path / "home", work, ManualClock(NOW_MS), SigningKey(Secret(os.urandom(32))))


@pytest.fixture
async def door(person: Person) -> AsyncIterator[Door]:
    person.join()
    opened = await person.door()
    yield opened
    await opened.close()
