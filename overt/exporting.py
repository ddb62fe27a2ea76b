"""One's own data in forms that people and other tools read: sentences, traces, a page; masked as what is sent."""

from __future__ import annotations

import datetime
import errno
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from markupsafe import Markup

from capture_gate.permissions import Permissions
from event_model.events import FILLER, CaptureGap, DocumentClose, DocumentEdit, DocumentOpen, Event
from event_model.ids import DocumentId, StudyId
from local_store.files import PRIVATE_FILE, make_private_folder
from overt.demo.trace import Trace, Transaction
from overt.device import Device
from overt.review.assets import STYLE
from overt.review.catalogue import Catalogue, Entry
from overt.review.desk import Moments, day_bounds, make_templates
from overt.review.preferences import preferred_language, read_preferences
from overt.review.sentences import entry_sentence
from overt.review.sheet import Sheet
from overt.review.texts import Texts

REPORT_LINES = 400
"""Lines of a document's last text in the report; the traces have all of it."""


class Life(msgspec.Struct):
    """One document of a session, from its first text to its last; an edit that can't be replayed ends it."""

    name: str
    first: str
    opened_ms: int
    sheet: Sheet
    txns: list[Transaction]


@asynccontextmanager
async def catalogue_of(device: Device) -> AsyncIterator[Catalogue]:
    """Open the store for looking."""
    permissions = Permissions(device.ledger, device.clock)
    permissions.changed(now=True)
    async with device.store() as store:
        made = Catalogue(
            store,
            installation=device.keys().installation,
            grants=lambda: permissions.grants,
            clock=device.clock,
        )
        await made.refresh()
        try:
            yield made
        finally:
            await made.settle()


def own_language(home: Path, environment: Mapping[str, str]) -> str:
    """Give the person's language: as they set it on the page, else as the environment has it (POSIX), else English."""
    if (chosen := read_preferences(home).language) != "":
        return chosen
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    return preferred_language(next((environment[name] for name in names if environment.get(name)), ""))


async def brief(catalogue: Catalogue, since_ms: int, study: str | None) -> AsyncIterator[tuple[Entry, str]]:
    """Give a plain English sentence for each stretch of work, day by day."""
    t = Texts("en")
    when = Moments(t)
    async for entry in _entries(catalogue, since_ms, study):
        yield entry, str(entry_sentence(t, when, entry).striptags())


async def write_traces(catalogue: Catalogue, folder: Path, study: str | None) -> int:
    """Write each document as an editing trace; gives how many. FileExistsError: if the folder holds something."""
    _empty_folder(folder)
    count = 0
    async for life in _lives(catalogue, study):
        if not life.txns:
            continue
        count += 1
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", life.name.rpartition("/")[2]).strip(".-") or "document"
        trace = Trace(life.first, life.sheet.text, tuple(life.txns))
        _write(folder / f"{count:05d}-{name[:80]}.json", msgspec.json.encode(trace))
    return count


async def write_report(catalogue: Catalogue, path: Path, study: str | None, language: str) -> int:
    """Write one page: the days in sentences, and each document as it stood at last; gives how many sentences."""
    t = Texts(language)
    when = Moments(t)
    days: dict[str, list[tuple[int, Markup]]] = {}
    count = 0
    async for entry in _entries(catalogue, 0, study):
        count += 1
        start = entry.stretch.start_ms
        days.setdefault(when.day(start), []).append((start, entry_sentence(t, when, entry)))
    documents = [_shown(life) async for life in _lives(catalogue, study)]
    page = make_templates().get_template("report.html")
    _write(path, page.render(t=t, when=when, days=days, documents=documents, style=STYLE).encode())
    return count


async def _entries(catalogue: Catalogue, since_ms: int, study: str | None) -> AsyncIterator[Entry]:
    wanted = None if study is None else StudyId(study)
    spans = [(info.first_wall_ms, info.last_wall_ms) for info in catalogue.segments]
    spans += await catalogue.pending_spans()
    days: set[datetime.date] = set()
    for first, last in spans:
        day = datetime.datetime.fromtimestamp(first / 1000).astimezone().date()
        while day_bounds(day)[0] <= last:
            days.add(day)
            day += datetime.timedelta(days=1)
    for day in sorted(days):
        start, end = day_bounds(day)
        if end > since_ms:
            for entry in await catalogue.entries(max(start, since_ms), end, wanted):
                yield entry


async def _lives(catalogue: Catalogue, study: str | None) -> AsyncIterator[Life]:
    sessions = {info.session: info.study for info in catalogue.segments}
    sessions |= {info.session: info.study for info in await catalogue.open_sessions()}
    for session, owner in sessions.items():
        if study not in (None, owner):
            continue
        open_lives: dict[DocumentId, Life] = {}
        async for _, chapter in catalogue.chapters_of(session):
            for event in chapter.events:
                for life in _follow(open_lives, event):
                    yield life
        for life in open_lives.values():
            yield life


def _follow(lives: dict[DocumentId, Life], event: Event) -> list[Life]:
    """Bring a session's documents forward by one event; gives those that ended."""
    body = event.body
    ended: list[Life | None] = []
    if isinstance(body, DocumentOpen):
        ended.append(lives.pop(body.document, None))
        before = lives.pop(body.continues, None) if body.continues is not None else None
        if before is not None:
            lives[body.document] = before
        elif body.continues is None:
            sheet = Sheet(body.path, body.text, event.index)
            lives[body.document] = Life(body.path, body.text, event.wall_ms, sheet, [])
    elif isinstance(body, DocumentEdit):
        life = lives.get(body.document)
        if life is not None:
            life.sheet.edit(event.index, body)
            if not life.sheet.broken:
                _append(life.txns, event.wall_ms, (body.position, body.deleted, body.inserted), joined=body.joined)
    elif isinstance(body, DocumentClose | CaptureGap) and body.document is not None:
        ended.append(lives.pop(body.document, None))
    return [life for life in ended if life is not None]


def _append(txns: list[Transaction], wall_ms: int, patch: tuple[int, int, str], *, joined: bool) -> None:
    time = datetime.datetime.fromtimestamp(wall_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")
    if joined and txns:
        txns[-1] = Transaction((*txns[-1].patches, patch), txns[-1].time)
    else:
        txns.append(Transaction((patch,), time))


def _shown(life: Life) -> tuple[str, int, list[str], int]:
    """Give a document's name, when it was opened, its last text's first lines, and how many more there are."""
    lines = re.sub(f"{FILLER}+", "▒", life.sheet.text).split("\n")
    return re.sub(f"{FILLER}+", "▒", life.name), life.opened_ms, lines[:REPORT_LINES], max(0, len(lines) - REPORT_LINES)


def _empty_folder(folder: Path) -> None:
    make_private_folder(folder)
    if any(folder.iterdir()):
        raise FileExistsError(errno.EEXIST, "the folder is not empty", str(folder))


def _write(path: Path, data: bytes) -> None:
    """Write a new private file."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE), "wb") as file:
        file.write(data)
