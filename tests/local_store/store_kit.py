"""What the store's tests share: keys, events, and batches made with the gate's stamp."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import Clock, ManualClock
from event_model.events import DocumentEdit, DocumentOpen, Event, Finding, Mask, Origin
from event_model.ids import DocumentId, Pseudonym, RecordId, SessionId, StudyId
from event_model.keys import Secret
from event_model.levels import Level
from local_store.custody import DeviceKeys
from local_store.sessions import get_session
from local_store.store import SegmentInfo, Store

STUDY = StudyId("study-one")
OTHER = StudyId("study-two")
SESSION = SessionId("a" * 32)
SECOND = SessionId("b" * 32)
RECORD = RecordId("c" * 32)
PSEUDONYM = Pseudonym("d" * 32)
SOURCE = "lsp"
START_MS = 1_700_000_000_000


def device_keys(seed: int = 1) -> DeviceKeys:
    return DeviceKeys(Secret(bytes([seed]) * 32), Secret(bytes([seed + 1]) * 32), "file")


async def open_store(home: Path, keys: DeviceKeys | None = None, clock: Clock | None = None) -> Store:
    return await Store.open(home, keys or device_keys(), clock=clock or ManualClock(START_MS))


def opening(index: int, path: str = "src/main.py", text: str = "", document: int = 1) -> Event:
    body = DocumentOpen(DocumentId(document), path, "", "python", text)
    return Event(index, START_MS + index * 1000, 1000 if index else 0, Level.CONTENT, body)


def edit(index: int, inserted: str = "x", document: int = 1, position: int = 0) -> Event:
    body = DocumentEdit(DocumentId(document), position, 0, inserted, Origin.TYPED, 90)
    return Event(index, START_MS + index * 1000, 1000, Level.CONTENT, body)


def typing(start: int, count: int, text: str = "x") -> tuple[Event, ...]:
    return tuple(edit(index, text) for index in range(start, start + count))


def pending(events: Iterable[Event], session: SessionId = SESSION, study: StudyId = STUDY) -> PendingBatch:
    return PendingBatch(STAMP, study=study, session=session, source=SOURCE, consent_record=RECORD, events=tuple(events))


def masked(
    events: Iterable[Event],
    session: SessionId = SESSION,
    study: StudyId = STUDY,
    masks: Sequence[Mask] = (),
    findings: Sequence[Finding] = (),
) -> MaskedBatch:
    return MaskedBatch(
        STAMP,
        study=study,
        session=session,
        source=SOURCE,
        consent_record=RECORD,
        events=tuple(events),
        masks=tuple(masks),
        findings=tuple(findings),
    )


async def begin(store: Store, session: SessionId = SESSION, study: StudyId = STUDY) -> None:
    await store.begin_session(study=study, session=session, source=SOURCE)


async def seal(store: Store, batch: MaskedBatch) -> SegmentInfo:
    return await store.seal(batch, study_version=1, pseudonym=PSEUDONYM)


async def sealed(store: Store, events: Sequence[Event], session: SessionId = SESSION) -> SegmentInfo:
    """Append and seal in one go."""
    await store.append(pending(events, session))
    return await seal(store, masked(await store.pending(session), session))


async def gathered(store: Store, session: SessionId = SESSION) -> None:
    """Bring what lies in a session's file into rows."""
    await store._database.write(lambda connection: store._journal.gather(connection, get_session(connection, session)))


def tail_path(home: Path, session: SessionId = SESSION) -> Path:
    return home / "store" / "pending" / f"{session}.tail"


def every_byte(folder: Path) -> bytes:
    """All bytes of all files under a folder, and their names."""
    parts: list[bytes] = []
    for root, _, names in os.walk(folder):
        for name in names:
            parts.extend((name.encode(), (Path(root) / name).read_bytes()))
    return b"\n".join(parts)
