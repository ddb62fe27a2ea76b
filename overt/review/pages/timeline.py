"""The timeline: days, hours, minutes, single events; and search. Drawn from the list first, filled in as it is read."""

from __future__ import annotations

import asyncio
import datetime
import re
import time
from collections.abc import Sequence

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from event_model.events import FILLER, DocumentEdit, DocumentOpen, Event
from event_model.ids import DocumentId, SessionId, StudyId
from event_model.page_events import PageNavigate, PageOpen
from local_store.forgetting import origin_of
from overt.review.catalogue import PENDING, Catalogue, Entry
from overt.review.desk import Desk, Moments, day_bounds
from overt.review.digest import Thing, thing_of
from overt.review.preview import Chapter
from overt.review.sentences import entry_sentence, event_sentence, label_of, name_of, placeholders
from overt.review.sheet import MaskIndex
from overt.review.texts import Texts

HOUR_MS = 3_600_000
MINUTE_MS = 60_000

DAY_HOURS = (8, 18)
"""The hours of a day that are drawn even if nothing was done in them."""

STRIP_DAYS = 28
"""Days that one sees at a glance."""

LANES = 14
"""Lanes of a day; the rest is in the sentences below."""

MINUTE_EVENTS = 400
"""Events on one page of a minute; a formatter can make thousands."""

SEARCH_S = 0.35
"""How long one part of a search reads before it shows what it has."""

EXCERPT_CHARS = 60

SPANS_DAYS = {"1": 1, "7": 7, "30": 30, "all": None}


Piece = tuple[SessionId, StudyId, str, Chapter]
"""A piece of a session, with its study and state."""


class Lane(msgspec.Struct, frozen=True):
    """One file, site or tool over a day: its bars as start and width, in thousandths of the shown time."""

    name: Markup
    plain: str
    kind: str
    total_ms: int
    first_ms: int
    last_ms: int
    bars: tuple[tuple[float, float, bool], ...]


class Line(msgspec.Struct, frozen=True):
    """One event as the minute's page shows it."""

    session: str
    study: str
    index: int
    wall_ms: int
    level: str
    state: str
    masked: bool
    words: Markup
    name: Markup


class Hit(msgspec.Struct, frozen=True):
    """Something found."""

    wall_ms: int
    name: Markup
    session: str
    thing: str
    index: int
    excerpt: Markup


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/timeline", desk.bound(timeline)),
        Route("/timeline/lanes", desk.part(lanes)),
        Route("/timeline/part", desk.part(part)),
        Route("/timeline/minutes", desk.part(minutes)),
        Route("/minute", desk.bound(minute)),
        Route("/minute/events", desk.part(minute_part)),
        Route("/search", desk.bound(search)),
        Route("/search/part", desk.part(search_part)),
    ]


async def timeline(desk: Desk, request: Request) -> Response:
    """Show a day, or an hour of it, from the list alone."""
    catalogue = await desk.catalogue()
    day = day_of(request.query_params.get("day"), desk.today())
    hour = _number(request.query_params.get("hour"), 0, 23)
    start, end = day_bounds(day)
    strip = [] if catalogue is None else _strip(catalogue, day, desk.today())
    hours = [] if catalogue is None else await _hours(catalogue, start, end)
    if hour is not None:
        start = start + hour * HOUR_MS
        end = start + HOUR_MS
    return desk.page(
        request,
        "timeline.html",
        day=day,
        hour=hour,
        start=start,
        end=end,
        strip=strip,
        hours=hours,
        before=day - datetime.timedelta(days=1),
        after=day + datetime.timedelta(days=1) if day < desk.today() else None,
        is_today=day == desk.today(),
    )


async def lanes(desk: Desk, request: Request) -> Response:
    """Draw the lanes of a time: who needs them sees them a moment after the page."""
    start, end = _span(request)
    catalogue = await desk.catalogue()
    entries = [] if catalogue is None else await catalogue.entries(start, end, clip=False)
    if end - start > DAY_HOURS[1] * HOUR_MS:
        start, end = _worked(entries, start, end)
    drawn = _lanes(desk.texts(request), entries, start, end)
    ticks = _ticks(start, end)
    return _fragment(desk, request, "_lanes.html", lanes=drawn[:LANES], more=len(drawn) - LANES, ticks=ticks)


async def part(desk: Desk, request: Request) -> Response:
    """Give the sentences of an hour."""
    start, end = _span(request)
    catalogue = await desk.catalogue()
    entries = [] if catalogue is None else await catalogue.entries(start, end)
    t = desk.texts(request)
    when = Moments(t)
    rows = [(entry, entry_sentence(t, when, entry), thing_text(entry.stretch.thing)) for entry in entries]
    return _fragment(desk, request, "_entries.html", rows=rows)


async def minutes(desk: Desk, request: Request) -> Response:
    """Give an hour minute by minute."""
    start, end = _span(request)
    catalogue = await desk.catalogue()
    rows = [] if catalogue is None else await _minutes(catalogue, start, end)
    return _fragment(desk, request, "_minutes.html", minutes=rows)


async def minute(desk: Desk, request: Request) -> Response:
    """Show a minute; its events follow as soon as they are read."""
    start, skip = _minute(request)
    day = Moments(desk.texts(request)).local(start)
    return desk.page(request, "minute.html", start=start, skip=skip, day=day.date(), hour=day.hour)


async def minute_part(desk: Desk, request: Request) -> Response:
    """Give every event of a minute."""
    start, skip = _minute(request)
    catalogue = await desk.catalogue()
    lines = [] if catalogue is None else await _events(desk, desk.texts(request), catalogue, start, start + MINUTE_MS)
    shown = lines[skip : skip + MINUTE_EVENTS]
    alike = len({(line.level, line.state, line.study) for line in shown}) == 1
    return _fragment(
        desk, request, "_events.html",
        start=start, lines=shown, alike=alike, total=len(lines), skip=skip, page=MINUTE_EVENTS,
    )  # fmt: skip


async def search(desk: Desk, request: Request) -> Response:
    """Show the form, and begin to look."""
    words = request.query_params.get("q", "").strip()[:200]
    span = request.query_params.get("span", "7")
    days = SPANS_DAYS.get(span, 7)
    until = desk.now_ms() + 1
    since = 0 if days is None else until - days * 86_400_000
    return desk.page(request, "search.html", q=words, span=span, spans=list(SPANS_DAYS), since=since, until=until)


async def search_part(desk: Desk, request: Request) -> Response:
    """Look for some time, newest first; says how far it came."""
    words = request.query_params.get("q", "").strip()[:200].casefold()
    since, until = _span(request)
    catalogue = await desk.catalogue()
    if catalogue is None or not words:
        return _fragment(desk, request, "_hits.html", hits=[], more=None, q=words, since=since)
    t = desk.texts(request)
    hits: list[Hit] = []
    began = time.monotonic()
    first = request.query_params.get("first") == "1"
    if first:
        for session in await catalogue.open_sessions():
            hits += await _find(t, catalogue, session.session, await catalogue.pending(session), words)
    segments = [info for info in catalogue.within(since, until) if info.first_wall_ms < until]
    segments.sort(key=lambda info: (-info.first_wall_ms, info.place))
    done = _number(request.query_params.get("done"), 0, 2**31) or 0
    at = done
    for info in segments[done:]:
        chapter = await catalogue.chapter(info)
        at += 1
        if chapter is not None:
            hits += await _find(t, catalogue, info.session, chapter, words)
        if time.monotonic() - began > SEARCH_S:
            break
    hits.sort(key=lambda hit: -hit.wall_ms)
    more = (at, segments[at].last_wall_ms) if at < len(segments) else None
    return _fragment(
        desk, request, "_hits.html", hits=hits, more=more, q=words, since=since, until=until, total=len(segments)
    )


def day_of(text: str | None, today: datetime.date) -> datetime.date:
    """Read a day as ISO 8601; today when it is none."""
    try:
        return datetime.date.fromisoformat(text or "")
    except ValueError:
        return today


def thing_text(thing: Thing) -> str:
    """Write what a stretch is about for an address."""
    return f"{thing[0]}-{thing[1]}"


def _number(text: str | None, low: int, high: int) -> int | None:
    if text is None or not text.isdecimal() or not low <= int(text) <= high:
        return None
    return int(text)


def _minute(request: Request) -> tuple[int, int]:
    """Read a minute's first moment, and how many of its events were seen already."""
    at = _number(request.query_params.get("at"), 0, 2**53) or 0
    return at - at % MINUTE_MS, _number(request.query_params.get("skip"), 0, 2**31) or 0


def _span(request: Request) -> tuple[int, int]:
    start = _number(request.query_params.get("from"), 0, 2**53) or 0
    end = _number(request.query_params.get("to"), 0, 2**53) or 0
    return start, end


def _fragment(desk: Desk, request: Request, template: str, **values: object) -> Response:
    return HTMLResponse(desk.fill(request, template, **values))


def _strip(catalogue: Catalogue, day: datetime.date, today: datetime.date) -> list[tuple[datetime.date, int, int]]:
    """Count the events of four weeks; gives day, count, and the bar's height in percent."""
    last = min(max(day + datetime.timedelta(days=3), day), today)
    days = [last - datetime.timedelta(days=back) for back in range(STRIP_DAYS - 1, -1, -1)]
    counts = []
    for each in days:
        start, end = day_bounds(each)
        counts.append(sum(info.count for info in catalogue.within(start, end) if info.first_wall_ms >= start))
    most = max(counts) or 1
    return [(each, count, round(100 * count / most)) for each, count in zip(days, counts, strict=True)]


async def _hours(catalogue: Catalogue, start: int, end: int) -> list[int]:
    """Give the beginnings of the hours in which something was kept, latest first."""
    found: set[int] = set()
    spans = [(info.first_wall_ms, info.last_wall_ms) for info in catalogue.within(start, end)]
    spans += await catalogue.pending_spans()
    for first, last in spans:
        at = start + max(0, (first - start) // HOUR_MS) * HOUR_MS
        while at <= last and at < end:
            found.add(at)
            at += HOUR_MS
    return sorted(found, reverse=True)


def _lanes(t: Texts, entries: Sequence[Entry], start: int, end: int) -> list[Lane]:
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        kind = entry.stretch.thing[0]
        if kind != "tool":
            name = origin_of(entry.name) or entry.name if kind == "page" else entry.name
            grouped.setdefault((kind, name), []).append(entry)
        grouped.setdefault(("tool", entry.tool), []).append(entry)
    drawn = [_lane(t, kind, name, each, start, end) for (kind, name), each in grouped.items()]
    drawn.sort(key=lambda lane: (lane.kind != "tool", -lane.total_ms, lane.plain))
    return drawn


def _lane(t: Texts, kind: str, name: str, entries: Sequence[Entry], start: int, end: int) -> Lane:
    scale = 1000 / (end - start)
    spans: list[list[int]] = []
    for entry in sorted(entries, key=lambda each: each.stretch.start_ms):
        first, last = max(entry.stretch.start_ms, start), min(entry.stretch.end_ms, end)
        masked = 1 if entry.stretch.masked else 0
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], last)
            spans[-1][2] |= masked
        else:
            spans.append([first, last, masked])
    if kind == "page":
        name = name.partition("://")[2] or name
    strong = Markup("<strong>{}</strong>").format(label_of(t, name))
    return Lane(
        name=name_of(t, name) if kind == "file" else strong,
        plain=label_of(t, name),
        kind=kind,
        total_ms=sum(last - first for first, last, _ in spans),
        first_ms=spans[0][0],
        last_ms=spans[-1][1],
        bars=tuple(
            (round((first - start) * scale, 1), max(3.0, round((last - first) * scale, 1)), bool(masked))
            for first, last, masked in spans
        ),
    )


def _worked(entries: Sequence[Entry], start: int, end: int) -> tuple[int, int]:
    """Give the part of a day that is drawn: its usual hours, and whole hours before and after where work was done."""
    first = min((entry.stretch.start_ms for entry in entries), default=end)
    last = max((entry.stretch.end_ms for entry in entries), default=start)
    before = min(DAY_HOURS[0], (first - start) // HOUR_MS)
    after = max(DAY_HOURS[1], -(-(last - start) // HOUR_MS))
    return start + max(0, before) * HOUR_MS, min(end, start + after * HOUR_MS)


def _ticks(start: int, end: int) -> list[int]:
    hours = (end - start) // HOUR_MS
    step = 10 * MINUTE_MS if hours < 2 else HOUR_MS if hours < 12 else 2 * HOUR_MS if hours % 2 == 0 else 3 * HOUR_MS
    return list(range(start, end + 1, step))


async def _pieces(catalogue: Catalogue, start: int, end: int) -> list[Piece]:
    found: list[Piece] = []
    for info in catalogue.within(start, end):
        chapter = await catalogue.chapter(info)
        if chapter is not None:
            found.append((info.session, info.study, info.state.value, chapter))
    found += [
        (session.session, session.study, PENDING, await catalogue.pending(session))
        for session in await catalogue.open_sessions()
    ]
    return found


async def _minutes(catalogue: Catalogue, start: int, end: int) -> list[tuple[int, int, int, list[str]]]:
    """Count each minute's events; gives the minute, how many, how many of them masked, and in what."""
    pieces = await _pieces(catalogue, start, end)
    counts, things = await asyncio.to_thread(_count, pieces, start, end)
    names = {each: await catalogue.name(*each) for each in {each for found in things.values() for each in found}}
    return [
        (at, count, masked, list(dict.fromkeys(names[each] for each in things.get(at, ()))))
        for at, (count, masked) in sorted(counts.items())
    ]


def _count(
    pieces: list[Piece], start: int, end: int
) -> tuple[dict[int, tuple[int, int]], dict[int, dict[tuple[SessionId, Thing], None]]]:
    counts: dict[int, tuple[int, int]] = {}
    things: dict[int, dict[tuple[SessionId, Thing], None]] = {}
    for session, _, _, chapter in pieces:
        masked = {mask.index for mask in chapter.masks}
        for event in chapter.events:
            if start <= event.wall_ms < end:
                at = event.wall_ms - event.wall_ms % MINUTE_MS
                count, hidden = counts.get(at, (0, 0))
                counts[at] = (count + 1, hidden + (event.index in masked))
                thing = thing_of(event)
                if thing[0] != "tool":
                    things.setdefault(at, {})[session, thing] = None
    return counts, things


async def _events(desk: Desk, t: Texts, catalogue: Catalogue, start: int, end: int) -> list[Line]:
    lines: list[Line] = []
    for session, study, state, chapter in await _pieces(catalogue, start, end):
        found = await asyncio.to_thread(_between, chapter, start, end)
        masked, labels = MaskIndex(chapter.masks), placeholders(chapter.findings)
        names: dict[Thing, Markup] = {("tool", 0): Markup("")}
        for event in found:
            thing = thing_of(event)
            if thing not in names:
                names[thing] = name_of(t, await catalogue.name(session, thing), page=thing[0] == "page")
            lines.append(
                Line(
                    session, desk.title(study), event.index, event.wall_ms, event.level.value, state,
                    bool(masked.of(event.index)), event_sentence(t, event, masked, labels), names[thing],
                )
            )  # fmt: skip
    lines.sort(key=lambda line: (line.wall_ms, line.session, line.index))
    return lines


def _between(chapter: Chapter, start: int, end: int) -> list[Event]:
    return [event for event in chapter.events if start <= event.wall_ms < end]


async def _find(t: Texts, catalogue: Catalogue, session: SessionId, chapter: Chapter, words: str) -> list[Hit]:
    """Find words in what was written, in texts that were opened, and in names."""
    return [
        Hit(
            event.wall_ms,
            name_of(t, await catalogue.name(session, thing_of(event))),
            session,
            thing_text(thing_of(event)),
            event.index,
            excerpt,
        )
        for event, excerpt in await asyncio.to_thread(_matches, chapter, words)
    ]


def _matches(chapter: Chapter, words: str) -> list[tuple[Event, Markup]]:
    found: list[tuple[Event, Markup]] = []
    written: dict[DocumentId, tuple[str, int]] = {}
    for event in chapter.events:
        body = event.body
        if isinstance(body, DocumentEdit) and body.inserted:
            text, end = written.get(body.document, ("", -1))
            text = text + body.inserted if end == body.position else body.inserted
            if words in text.casefold():
                found.append((event, _excerpt(text, words)))
                text = ""
            # Only what could still become a hit, and what an excerpt shows of it, is carried on.
            written[body.document] = (text[-(len(words) + EXCERPT_CHARS) :], body.position + len(body.inserted))
        elif isinstance(body, DocumentOpen):
            if words in body.path.casefold():
                found.append((event, Markup("")))
            elif words in body.text.casefold():
                found.append((event, _excerpt(body.text, words)))
        elif isinstance(body, PageOpen | PageNavigate) and (
            words in body.route.casefold() or words in body.title.casefold()
        ):
            found.append((event, Markup("")))
    return found


def _excerpt(text: str, words: str) -> Markup:
    at = text.casefold().find(words)
    start, end = max(0, at - EXCERPT_CHARS), at + len(words) + EXCERPT_CHARS
    before, found, after = text[start:at], text[at : at + len(words)], text[at + len(words) : end]
    parts = (re.sub(rf"{FILLER}+", "▒", re.sub(r"\s*\n\s*", " ↵ ", part)) for part in (before, after))
    return Markup("{}{}<b>{}</b>{}").format("…" if start else "", next(parts), found, next(parts))
