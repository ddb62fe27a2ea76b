"""The film: one document of a session as it was typed, or a page's outline with the pointer's trail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
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
    return [
        Route("/film", desk.bound(film)),
        Route("/film/end", desk.part(film_end)),
        Route("/film/page", desk.part(page_film)),
        Route("/reel", desk.part(reel)),
    ]


async def film(desk: Desk, request: Request) -> Response:
    """Show the place of a film; what it shows follows as soon as it is read."""
    asked = _asked(request)
    catalogue = await desk.catalogue()
    if asked is None or catalogue is None or not await catalogue.knows(asked.session):
        return desk.page(request, "missing.html", status=404)
    t = desk.texts(request)
    page = asked.kind == "page"
    known = catalogue.known_name(asked.session, (asked.kind, asked.document))
    return desk.page(
        request,
        "page_film.html" if page else "film.html",
        name=name_of(t, known, page=page) if known else t("film.title"),
        film_texts={what: str(t("film." + key)) for what, key in TEXTS.items()},
        query=urlencode(asked.query),
        first=asked.start,
    )


async def film_end(desk: Desk, request: Request) -> Response:
    """Give a document as it stood at the end of its film."""
    found = await _reel(desk, request)
    if found is None:
        return HTMLResponse(desk.fill(request, "_nothing.html"))
    runs = await asyncio.to_thread(ending, found)
    lines = lines_of(runs, found.labels)
    return HTMLResponse(
        desk.fill(
            request,
            "_film_end.html",
            steps=len(found.steps),
            lines=lines[:ENDING_LINES],
            cut=max(0, len(lines) - ENDING_LINES),
            first_ms=found.steps[0][0] if found.steps else None,
            last_ms=found.steps[-1][0] if found.steps else None,
        )
    )


async def page_film(desk: Desk, request: Request) -> Response:
    """Give a page's outline, and the pointer's way over it."""
    asked = _asked(request)
    catalogue = await desk.catalogue()
    if asked is None or catalogue is None:
        return HTMLResponse(desk.fill(request, "_nothing.html"))
    chapters = [chapter async for _, chapter in catalogue.chapters_of(asked.session)]
    events = [event for chapter in chapters for event in chapter.events]
    found = await asyncio.to_thread(scenes, events, asked.document, start=asked.start, end=asked.end)
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
    words = {what: str(t("film." + key)) for what, key in TEXTS.items()}
    return HTMLResponse(desk.fill(request, "_scenes.html", scenes=rows, film_texts=words))


async def reel(desk: Desk, request: Request) -> Response:
    """Give a part of the film, as JSON."""
    found = await _reel(desk, request)
    if found is None:
        return Response(b"{}", 404, media_type="application/json")
    return Response(msgspec.json.encode(found), media_type="application/json")


class Asked(msgspec.Struct, frozen=True):
    """What a film is of: a document (kind ``file``) or a page of a session, from one event to another."""

    session: SessionId
    kind: str
    document: DocumentId
    start: int
    end: int | None

    @property
    def query(self) -> dict[str, str | int]:
        """Its part of an address."""
        query: dict[str, str | int] = {"session": self.session, "thing": f"{self.kind}-{self.document}"}
        query["from"] = self.start
        return query if self.end is None else query | {"to": self.end}


def _asked(request: Request) -> Asked | None:
    """Read what is asked for; ``None`` if that is not clear."""
    query = request.query_params
    kind, _, number = query.get("thing", "").partition("-")
    start, end = query.get("from", "0"), query.get("to", "")
    if kind not in {"file", "page"} or not number.isdecimal() or not start.isdecimal():
        return None
    last = int(end) if end.isdecimal() else None
    return Asked(SessionId(query.get("session", "")), kind, DocumentId(int(number)), int(start), last)


async def _reel(desk: Desk, request: Request) -> Reel | None:
    asked = _asked(request)
    catalogue = await desk.catalogue()
    if asked is None or asked.kind != "file" or catalogue is None:
        return None
    chapters = [chapter async for _, chapter in catalogue.chapters_of(asked.session)]
    if not chapters:
        return None
    return await asyncio.to_thread(_cut, asked.document, asked.start, asked.end, chapters)


def _cut(document: DocumentId, start: int, end: int | None, chapters: Sequence[Chapter]) -> Reel:
    cutter = Cutter(document, start=start, end=end)
    for chapter in chapters:
        if cutter.done:
            break
        cutter.chapter(chapter)
    return cutter.reel()
