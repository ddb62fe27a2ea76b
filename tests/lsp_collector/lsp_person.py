"""A person who has joined a study, for tests with the real gate: what is kept is read back from the real store."""

from __future__ import annotations

import datetime
import time
from collections import defaultdict
from pathlib import Path

from capture_gate.door import Door
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import sign_manifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.study_toml import manifest_from_toml, study_template
from event_model.clock import SystemClock
from event_model.events import Body, Event
from event_model.ids import SessionId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from local_store.custody import open_custody
from local_store.store import Store
from lsp_collector.ports import Door as DoorPort

_: type[DoorPort] = Door
"""The gate's door is what this room's protocol asks for: the type checker sees to it."""


class Participant:
    """One installation, with the key in a file and one study that asks for everything below ``work``."""

    def __init__(self, home: Path, work: Path) -> None:
        self.home = home
        self.work = work
        self._keys = open_custody(home, backend="file")

    def join(self) -> None:
        today = datetime.datetime.now(datetime.UTC).date()
        text = study_template(
            study="editor-study",
            title="A study for editors",
            receiver_url="http://127.0.0.1:9",
            receiver_key=encode_key(SigningKey(Secret(b"r" * 32)).verify_key.raw),
            recipient=encode_key(RecipientSecretKey(Secret(b"s" * 96)).public.raw),
            workspaces=(WorkspaceRule(path=f"{self.work}/**"),),
            start=today,
            end=today + datetime.timedelta(days=30),
        )
        manifest = sign_manifest(manifest_from_toml(text), SigningKey(Secret(b"o" * 32)))
        self.ledger.join(manifest, installation=self._keys.installation, now_ms=time.time_ns() // 1_000_000)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.home)

    async def kept(self) -> list[list[Body]]:
        """Give what the store holds: the bodies of every session, in order."""
        return [[each.body for each in events] for events in await self.kept_events()]

    async def kept_events(self) -> list[list[Event]]:
        """Give what the store holds: the events of every session, in order."""
        sessions: dict[SessionId, list[Event]] = defaultdict(list)
        async with await Store.open(self.home, self._keys, clock=SystemClock()) as store:
            async for each in store.events():
                sessions[each.session].append(each.event)
        for events in sessions.values():
            events.sort(key=lambda event: event.index)
            assert [each.index for each in events] == list(range(len(events))), "a gap in the session"
        return list(sessions.values())
