"""The film: one document of a session as it was typed, or a page's outline with the pointer's trail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.ids import DocumentId, SessionId
from overt.review.desk import Desk
from overt.review.film import Cutter, Reel, ending
from overt.review.page_film import scenes
from overt.review.pages.today import lines_of
from overt.review.preview import Chapter
from overt.review.sentences import event_sentence, name_of
from overt.review.sheet import MaskIndex

ENDING_LINES = 2000
"""Lines of the last state that the page itself carries, for reading without the film."""

TEXTS = {
    "play": "play",
    "pause": "pause",
    **{
        what: f"do_{what}"
        for what in (
            "open", "typed", "pasted", "completion", "agent", "formatter", "undo", "redo", "external", "unknown",
            "caret", "save", "gap",
        )
    },
}  # fmt: skip
"""What the film's script says, by what it is about."""


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [Route("/film", desk.bound(film)), Route("/reel", desk.bound(reel))]


async def film(desk: Desk, request: Request) -> Response:
    """Show a stretch of work: the document as it stood at its end, and the film of how it came about."""
    if request.query_params.get("thing", "").startswith("page-"):
        return await page_film(desk, request)
    found = await _reel(desk, request)
    t = desk.texts(request)
    if found is None:
        return desk.page(request, "missing.html", status=404)
    runs = await asyncio.to_thread(ending, found)
    lines = lines_of(runs, found.labels)
    query = request.query_params
    return desk.page(
        request,
        "film.html",
        name=name_of(t, found.name),
        reel=found,
        film_texts={what: str(t("film." + key)) for what, key in TEXTS.items()},
        lines=lines[:ENDING_LINES],
        cut=max(0, len(lines) - ENDING_LINES),
        address=f"{desk.guard.base}/reel?session={query['session']}&thing={query['thing']}",
        start=query.get("from", "0"),
        end=query.get("to", ""),
        first_ms=found.steps[0][0] if found.steps else None,
        last_ms=found.steps[-1][0] if found.steps else None,
    )


async def page_film(desk: Desk, request: Request) -> Response:
    """Show a page's outline, and the pointer's way over it."""
    query = request.query_params
    number, start, end = query.get("thing", "").partition("-")[2], query.get("from", "0"), query.get("to", "")
    catalogue = await desk.catalogue()
    session = SessionId(query.get("session", ""))
    if catalogue is None or not number.isdecimal() or not start.isdecimal():
        return desk.page(request, "missing.html", status=404)
    chapters = [chapter async for _, chapter in catalogue.chapters_of(session)]
    events = [event for chapter in chapters for event in chapter.events]
    last = int(end) if end.isdecimal() else None
    found = await asyncio.to_thread(scenes, events, DocumentId(int(number)), start=int(start), end=last)
    if not found:
        return desk.page(request, "missing.html", status=404)
    t = desk.texts(request)
    masked, labels = MaskIndex(()), dict[int, str]()
    rows = [
        (
            scene,
            name_of(t, scene.route, page=True),
            [(act.wall_ms, event_sentence(t, act.event, masked, labels)) for act in scene.acts],
        )
        for scene in found
    ]
    return desk.page(request, "page_film.html", name=name_of(t, found[0].route, page=True), scenes=rows)


async def reel(desk: Desk, request: Request) -> Response:
    """Give a part of the film, as JSON."""
    found = await _reel(desk, request)
    if found is None:
        return Response(b"{}", 404, media_type="application/json")
    return Response(msgspec.json.encode(found), media_type="application/json")


async def _reel(desk: Desk, request: Request) -> Reel | None:
    query = request.query_params
    kind, _, number = query.get("thing", "").partition("-")
    start, end = query.get("from", "0"), query.get("to", "")
    if kind != "file" or not number.isdecimal() or not start.isdecimal():
        return None
    catalogue = await desk.catalogue()
    if catalogue is None:
        return None
    chapters = [chapter async for _, chapter in catalogue.chapters_of(SessionId(query.get("session", "")))]
    if not chapters:
        return None
    last = int(end) if end.isdecimal() else None
    return await asyncio.to_thread(_cut, DocumentId(int(number)), int(start), last, chapters)


def _cut(document: DocumentId, start: int, end: int | None, chapters: Sequence[Chapter]) -> Reel:
    cutter = Cutter(document, start=start, end=end)
    for chapter in chapters:
        if cutter.done:
            break
        cutter.chapter(chapter)
    return cutter.reel()
