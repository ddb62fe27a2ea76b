"""A device side under one folder: real ledger, store and keys, and sealed segments as the gate makes them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from consent_ledger.ledger import Ledger
from consent_ledger.manifest import Receiver, StudyManifest, sign_manifest
from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import ManualClock
from event_model.events import DocumentEdit, DocumentOpen, Event, Origin
from event_model.ids import DocumentId, SessionId, StudyId
from event_model.keys import Secret, encode_key, pseudonym_of, study_signing_key
from event_model.levels import Level
from local_store.custody import DeviceKeys
from local_store.model import SegmentInfo
from local_store.store import Store
from sync_client.audit import AuditFolder
from sync_client.client import SyncReport, sync
from sync_client.transport import Deadlines
from tests.ingest_server.kit import NOW, OWNER, RECEIVER_KEY, make_manifest

HOLD_S = 3600
SHORT = Deadlines(connect_s=2.0, silence_s=0.3, request_s=1.0)


def manifest_for(url: str, **changes: object) -> StudyManifest:
    entry = Receiver(url=url, key=encode_key(RECEIVER_KEY.verify_key.raw))
    return msgspec.structs.replace(make_manifest().payload, receiver=entry, hold_s=HOLD_S, **changes)


class Device:
    """One installation that has joined one study."""

    def __init__(self, home: Path, manifest: StudyManifest) -> None:
        self.home = home
        self.manifest = manifest
        self.signed = sign_manifest(manifest, OWNER)
        self.study: StudyId = manifest.id
        self.clock = ManualClock(NOW)
        self.keys = DeviceKeys(Secret(os.urandom(32)), Secret(os.urandom(32)), "file")
        self.installation = self.keys.installation
        self.ledger = Ledger(home)
        self.pseudonym = pseudonym_of(study_signing_key(self.installation, self.study).verify_key)
        self.slept: list[float] = []
        self.deadlines = Deadlines()
        self.audit: AuditFolder | None = None
        self._next: dict[SessionId, int] = {}

    def join(self) -> None:
        self.ledger.join(self.signed, installation=self.installation, now_ms=self.clock.wall_ms())

    def leave(self) -> None:
        self.ledger.leave(self.study, now_ms=self.clock.wall_ms(), installation=self.installation)

    async def open(self) -> Store:
        return await Store.open(self.home, self.keys, clock=self.clock)

    async def type(self, store: Store, *texts: str) -> list[SegmentInfo]:
        """Seal one segment per text, each of a session of its own."""
        return [await self._segment(store, text) for text in texts]

    async def _segment(self, store: Store, text: str) -> SegmentInfo:
        session = SessionId(os.urandom(16).hex())
        (grant,) = (each for each in self.ledger.grants(self.clock.wall_ms()) if each.study == self.study)
        now = self.clock.wall_ms()
        events = (
            Event(0, now, 0, Level.CONTENT, DocumentOpen(DocumentId(1), "src/a.py", "", "python", "")),
            Event(1, now, 5, Level.CONTENT, DocumentEdit(DocumentId(1), 0, 0, text, Origin.TYPED, 90)),
        )
        about = {
            "study": self.study,
            "session": session,
            "source": "lsp",
            "consent_record": grant.record.record_id,
            "events": events,
        }
        await store.begin_session(study=self.study, session=session, source="lsp")
        await store.append(PendingBatch(STAMP, **about))  # type: ignore[arg-type]
        info = await store.seal(
            MaskedBatch(STAMP, **about, masks=(), findings=()),  # type: ignore[arg-type]
            study_version=grant.record.study_version,
            pseudonym=grant.record.pseudonym,
        )
        await store.end_session(session)
        return info

    def pass_hold(self) -> None:
        self.clock.advance(HOLD_S * 1000)

    async def sync(self, store: Store) -> SyncReport:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.advance(int(seconds * 1000))

        return await sync(
            store=store,
            ledger=self.ledger,
            installation=self.installation,
            clock=self.clock,
            random=lambda count: b"\xff" * count,
            sleep=sleep,
            deadlines=self.deadlines,
            audit=self.audit,
        )
