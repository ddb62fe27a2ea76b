"""Today: what is captured now, where, for which study; why not, if not; and a live view of what is kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from capture_gate.decision import SENTENCES
from event_model.errors import OvertError
from event_model.events import DocumentEdit, DocumentOpen, Event
from event_model.ids import DocumentId
from local_store.store import SessionInfo
from overt.review.catalogue import Catalogue
from overt.review.desk import Desk, day_bounds, form
from overt.review.preview import Chapter
from overt.review.sentences import mark, name_of, placeholders, source_words
from overt.review.sheet import MaskIndex, Sheet, replay
from overt.review.texts import Texts

PAUSES_MIN = (15, 60, 240)
"""The pauses that one click gives; longer ones last until resumed."""

LIVE_S = 0.25
"""How often the live view looks for something new; what is typed shows well within a second."""

LIVE_LINES = 4
"""Lines above and below the caret."""

LIVE_SHEETS = 3

COMMENT_S = 15.0
"""So often an idle stream says that it is there."""


class Running(msgspec.Struct, frozen=True):
    """A collector at work: its tool, its study, and the documents that it follows (``None``: not read yet)."""

    session: SessionInfo
    tool: str
    documents: tuple[str, ...] | None


class LiveSheet(msgspec.Struct, frozen=True):
    """A document around its caret, as it would be sealed now."""

    name: str
    study: str
    tool: str
    level: str
    first_line: int
    lines: tuple[Markup, ...]
    secrets: int
    personal: int
    last_ms: int


def routes(desk: Desk) -> list[Route]:
    """Give this page's routes."""

    async def today(request: Request) -> Response:
        desk.permissions.changed(now=True)
        if not desk.permissions.grants and not desk.preferences.welcomed:
            return desk.back("/welcome")
        catalogue = await desk.catalogue()
        running = [] if catalogue is None else await _at_a_glance(desk.texts(request), catalogue)
        waiting = () if catalogue is None else await _counts(desk, catalogue)
        return desk.page(request, "today.html", **_state(desk, desk.texts(request), running), counts=waiting)

    async def live(request: Request) -> Response:
        return StreamingResponse(_stream(desk, request), media_type="text/event-stream")

    async def pause(request: Request) -> Response:
        minutes = form(request).get("minutes", "")
        now = desk.now_ms()
        until = now + int(minutes) * 60_000 if minutes.isdigit() and int(minutes) in PAUSES_MIN else None
        desk.device.ledger.pause(until, now)
        return desk.back("/", "paused")

    async def resume(request: Request) -> Response:
        del request
        desk.device.ledger.resume()
        return desk.back("/", "resumed")

    return [
        Route("/", today),
        Route("/live", live),
        Route("/pause", pause, methods=["POST"]),
        Route("/resume", resume, methods=["POST"]),
    ]


def _state(desk: Desk, t: Texts, running: list[Running]) -> dict[str, Any]:
    permissions = desk.permissions
    live = [grant for grant in permissions.grants.values() if grant.live]
    if permissions.paused:
        state = "paused"
    elif not live:
        state = "off"
    else:
        state = "capturing" if running else "ready"
    return {
        "state": state,
        "until_ms": permissions.paused_until_ms,
        "running": running,
        "grants": [(grant, refusal_words(t, grant.refusal, grant.detail)) for grant in permissions.grants.values()],
        "pauses": PAUSES_MIN,
        "has_live": bool(live),
    }


def refusal_words(t: Texts, code: str | None, detail: str = "") -> str:
    """Say in the person's language why something is not captured."""
    if code is None:
        return ""
    return str(t("refusal." + code)) if t.has("refusal." + code) else detail or SENTENCES.get(code, code)


async def _counts(desk: Desk, catalogue: Catalogue) -> dict[str, int]:
    """Count today's events, from the list alone, and what is pending."""
    start, end = day_bounds(desk.today())
    sealed = sum(info.count for info in catalogue.within(start, end))
    pending = sum(info.next_index - info.sealed for info in await catalogue.open_sessions())
    return {
        "today": sealed + pending,
        "pending": pending,
        "all": sum(info.count for info in catalogue.segments) + pending,
    }


async def _at_a_glance(t: Texts, catalogue: Catalogue) -> list[Running]:
    """List who is at work without opening anything: the live view tells the rest a moment after the page is there."""
    running = await catalogue.glance.running()
    return [
        Running(each, catalogue.known_tool(each.session) or source_words(t, each.source), None)
        for each in running
        if each.next_index > 0
    ]


async def _running(t: Texts, catalogue: Catalogue) -> list[Running]:
    found = []
    for session in await catalogue.glance.running():
        if session.next_index > 0:
            digest = await catalogue.pending_digest(session) if session.next_index > session.sealed else None
            tool = (digest.tool if digest is not None else "") or await catalogue.tool(session.session)
            names = await catalogue.open_documents(session)
            found.append(Running(session, tool or source_words(t, session.source), tuple(names)))
    return found


async def _stream(desk: Desk, request: Request) -> AsyncIterator[bytes]:
    """Tell of every change, as server-sent events (HTML Living Standard, 9.2)."""
    t = desk.texts(request)
    seen: object = None
    quiet = 0.0
    while not desk.closing.is_set():
        desk.used()
        pulse = _pulse(desk)
        if pulse != seen:
            seen, quiet = pulse, 0.0
            try:
                catalogue = await desk.catalogue()
                running = [] if catalogue is None else await _running(t, catalogue)
                sheets = [] if catalogue is None else await _sheets(desk, catalogue, t)
                desk.permissions.changed(now=True)
                state = desk.fill(request, "_state.html", **_state(desk, t, running))
                view = desk.fill(request, "_live.html", sheets=sheets)
            except OvertError as error:
                state, view = "", desk.fill(request, "_trouble.html", error=error)
            yield b"data: " + msgspec.json.encode({"state": state, "live": view}) + b"\n\n"
        elif quiet >= COMMENT_S:
            quiet = 0.0
            yield b": here\n\n"
        try:
            await asyncio.wait_for(desk.closing.wait(), LIVE_S)
        except TimeoutError:
            quiet += LIVE_S


def _pulse(desk: Desk) -> object:
    """Give a value that changes when something is written, sealed, forgotten, agreed to or paused: a few stat calls."""
    store = desk.device.home / "store"
    stamps = [desk.device.ledger.fingerprint(), desk.now_ms() // 30_000]
    for folder in (store / "pending", store / "live"):
        try:
            with os.scandir(folder) as entries:
                stamps += sorted((entry.name, *_stamp(Path(entry.path))) for entry in entries)
        except OSError:
            stamps.append(())
    stamps.append(_stamp(store / "overt.sqlite3"))
    return tuple(stamps)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size)


async def _sheets(desk: Desk, catalogue: Catalogue, t: Texts) -> list[LiveSheet]:
    """Draw the documents that were edited last, as they would be sealed now."""
    found: list[LiveSheet] = []
    for session in await catalogue.open_sessions():
        chapter = await catalogue.pending(session)
        base = await catalogue.base(session.session)
        tool = await catalogue.tool(session.session) or source_words(t, session.source)
        found += await asyncio.to_thread(_draw, t, desk.title(session.study), tool, chapter, base)
    found.sort(key=lambda sheet: -sheet.last_ms)
    return found[:LIVE_SHEETS]


def _draw(t: Texts, study: str, tool: str, chapter: Chapter, base: dict[DocumentId, Sheet]) -> list[LiveSheet]:
    replay(base, chapter.events)
    last: dict[DocumentId, Event] = {}
    for event in chapter.events:
        if isinstance(event.body, DocumentEdit | DocumentOpen):
            last[event.body.document] = event
    masked = MaskIndex(chapter.masks)
    findings = {each.number: each for each in chapter.findings}
    labels = placeholders(chapter.findings)
    drawn = []
    for document, event in sorted(last.items(), key=lambda each: -each[1].wall_ms)[:LIVE_SHEETS]:
        sheet = base.get(document)
        if sheet is None or sheet.broken:
            continue
        start, end, first_line = sheet.around(LIVE_LINES)
        shown = _findings_of(chapter, document)
        secrets = sum(findings[number].category == "secret" for number in shown if number in findings)
        drawn.append(
            LiveSheet(
                name=str(name_of(t, sheet.name)),
                study=study,
                tool=tool,
                level=event.level.value,
                first_line=first_line,
                lines=lines_of(sheet.runs(masked, start, end), labels),
                secrets=secrets,
                personal=len(shown) - secrets,
                last_ms=event.wall_ms,
            )
        )
    return drawn


def _findings_of(chapter: Chapter, document: DocumentId) -> set[int]:
    documents = {event.index: getattr(event.body, "document", None) for event in chapter.events}
    return {mask.finding for mask in chapter.masks if documents.get(mask.index) == document}


def lines_of(runs: list[tuple[str, int]], labels: dict[int, str]) -> tuple[Markup, ...]:
    """Write runs as lines of markup; what was masked is its placeholder, once."""
    lines: list[Markup] = [Markup("")]
    for text, finding in runs:
        if finding:
            lines[-1] += mark(labels.get(finding, "<MASKED>"))
            continue
        first, *rest = text.split("\n")
        lines[-1] += first
        lines.extend(Markup("") + part for part in rest)
    return tuple(lines)
