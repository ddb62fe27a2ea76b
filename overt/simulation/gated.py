"""A fleet through the real thing: each person joins, works through the gate, and sends what was sealed to a receiver.

Everything is real but the clock, the keyboard and the network: consent, gate, filter, store, sync and receiver run as
they do for people, in this process, and the receiver is called without a socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from capture_gate.door import Door
from capture_gate.page_door import SOURCE, PageDoor, Sent
from capture_gate.status import ClientInfo
from consent_ledger.ledger import Ledger
from consent_ledger.study import StudyManifest
from event_model.clock import ManualClock
from event_model.errors import OvertError
from event_model.events import Body, CaptureStart, DocumentOpen
from event_model.ids import DocumentId
from event_model.page_events import PageBody, PageOpen
from event_model.signed import Signed
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from local_store.custody import BACKEND_VARIABLE, open_custody
from local_store.store import Store
from overt.keyfiles import read_signing_key
from overt.simulation.fleet import FleetPlan, SimulatedSession, sessions_of
from overt.simulation.people import Person, make_people
from overt.simulation.tickets import ORIGIN
from sync_client.client import sync

FLUSH_EVENTS = 512
"""Events after which the gate may write: a person pauses more often."""

BROWSER = ("chromium", "140", "utf-16")

Tell = Callable[[SimulatedSession], None]


async def simulate_through_gate(
    plan: FleetPlan, *, folder: Path, study: Path, manifest: Signed[StudyManifest], work: Path, tell: Tell
) -> int:
    """Let the people of a fleet work and send what they did to a receiver; gives how many segments it has.

    ``folder`` gets a home per person and the receiver's ``received``. OvertError: if the gate refuses what the study
    covers.
    """
    os.environ[BACKEND_VARIABLE] = "file"
    clock = ManualClock(plan.end_ms)
    settings = ReceiverSettings(
        data=folder / "received", studies=(manifest,), key=read_signing_key(study / "receiver.key")
    )
    app = create_app(settings, clock)
    sent = 0
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=manifest.payload.receiver.url) as http:
        for person in make_people(plan.people, plan.seed):
            sent += await _person(person, plan, folder, work, study, http, tell)
    return sent


async def _person(
    person: Person, plan: FleetPlan, folder: Path, work: Path, study: Path, http: httpx.AsyncClient, tell: Tell
) -> int:
    home = folder / "people" / f"{person.number:04d}"
    installation = open_custody(home).installation
    ledger = Ledger(home)
    ledger.join((study / "study.json").read_bytes(), installation=installation, now_ms=plan.start_ms)
    for session in sessions_of(person, plan):
        await _session(session, home, work)
        tell(session)
    clock = ManualClock(plan.end_ms)
    store = await Store.open(home, open_custody(home), clock=clock)
    try:
        report = await sync(store=store, ledger=ledger, installation=installation, clock=clock, http=http)
    finally:
        await store.close()
    return report.uploaded


async def _session(session: SimulatedSession, home: Path, work: Path) -> None:
    """Offer a session to the gate, event by event, at the times at which they happen."""
    clock = ManualClock(session.start_ms)
    name, version, encoding = BROWSER if session.source == SOURCE else session.person.client
    client = ClientInfo(name, version, encoding)
    door = await PageDoor.open(home, source=session.source, client=client, clock=clock)
    documents: dict[int, DocumentId] = {}
    try:
        for number, step in enumerate(session.steps):
            clock.advance(step.gap_ms)
            if isinstance(step.body, PageBody):
                _offer_page(door, step.body, documents, Sent(f"{session.number:032x}", number + 1))
            else:
                _offer(door, step.body, documents, work)
            if number % FLUSH_EVENTS == FLUSH_EVENTS - 1:
                await door.flush()
    finally:
        await door.close()


def _offer(door: Door, body: Body, documents: dict[int, DocumentId], work: Path) -> None:
    if isinstance(body, CaptureStart):
        return  # the gate writes its own
    if isinstance(body, DocumentOpen):
        verdict = door.open_document(path=work / body.workspace / body.path, language=body.language, text=body.text)
        if verdict.document is None:
            raise OvertError("the gate refused a simulated file", code=verdict.refusals[0].code)
        documents[body.document] = verdict.document
        return
    document: DocumentId | None = getattr(body, "document", None)
    if document is not None:
        body = _renumbered(body, documents[document])
    door.offer(body)


def _offer_page(door: PageDoor, body: PageBody, pages: dict[int, DocumentId], sent: Sent) -> None:
    if isinstance(body, PageOpen):
        verdict = door.open_page(ORIGIN, body, sent)
        if verdict.document is None:
            raise OvertError("the gate refused a simulated page", code=verdict.refusals[0].code)
        pages[body.document] = verdict.document
        return
    door.offer_page(msgspec.structs.replace(body, document=pages[body.document]), sent)


def _renumbered(body: Body, document: DocumentId) -> Body:
    return msgspec.structs.replace(body, document=document)
