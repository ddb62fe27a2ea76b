"""Forget: an event, a minute, a file, a site, a study, everything. It is said first, then done, then shown."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from event_model.ids import SessionId, StudyId, is_study_id
from local_store.forgetting import Selection
from local_store.store import Forgotten
from local_store.weighing import Weighed
from overt.forgetting import forget
from overt.review.catalogue import Catalogue
from overt.review.desk import Desk, Moments, form
from overt.review.jobs import Work
from overt.review.texts import Texts

WAIT_S = 0.15
"""What is done by then is shown at once; a page must not be kept waiting for more."""

LOOK_S = 0.5
"""How often the count on the page that asks goes on."""

FIELDS = ("what", "session", "event", "path", "site", "study", "since", "until")

LAST_MINUTES = {"10": 10, "60": 60, "1440": 1440}


class Weighing(Work):
    """What a forgetting would do is being counted."""

    weighed: Weighed | None = None


class Forgetting(Work):
    """One forgetting, from the first look to its end; ``checking`` that what is left is being counted."""

    MUST_END: ClassVar[bool] = True

    checking: bool = False
    done: Forgotten | None = None
    left: int | None = None


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/forget", desk.bound(choose), methods=["GET"]),
        Route("/forget/sure", desk.bound(sure), methods=["GET"]),
        Route("/forget/weigh", desk.part(weigh), methods=["GET"]),
        Route("/forget", desk.bound(do), methods=["POST"]),
        Route("/forget/job", desk.bound(job), methods=["GET"]),
    ]


async def choose(desk: Desk, request: Request) -> Response:
    """Offer what can be forgotten."""
    desk.permissions.changed(now=True)
    catalogue = await desk.catalogue()
    studies = sorted({info.study for info in catalogue.segments} | set(desk.permissions.grants)) if catalogue else []
    return desk.page(request, "forget.html", studies=studies, has_store=catalogue is not None, last=LAST_MINUTES)


async def sure(desk: Desk, request: Request) -> Response:
    """Say what would go, and ask."""
    asked = _asked(desk, dict(request.query_params))
    if asked is None:
        return desk.back("/forget")
    return desk.page(
        request,
        "forget_sure.html",
        asked=asked,
        query=urlencode(asked),
        words=describe(desk, desk.texts(request), asked),
    )


async def weigh(desk: Desk, request: Request) -> Response:
    """Count what would go: the confirming page shows it as soon as it is known."""
    asked = _asked(desk, dict(request.query_params))
    catalogue = await desk.catalogue()
    if asked is None or catalogue is None:
        return HTMLResponse(desk.fill(request, "_weighed.html", weighed=Weighed()))
    number = request.query_params.get("counting", "")
    found = desk.jobs.get(number)
    if not isinstance(found, Weighing) or found.asked != asked:
        found = Weighing(asked=asked)
        number = desk.jobs.start(found, _weigh(catalogue, found))
    await found.wait(LOOK_S)
    if found.error is not None:
        return HTMLResponse(desk.fill(request, "_trouble.html", error=found.error))
    query = urlencode(asked | {"counting": number})
    return HTMLResponse(desk.fill(request, "_weighed.html", weighed=found.weighed, percent=found.percent, query=query))


async def do(desk: Desk, request: Request) -> Response:
    """Begin to forget; the page that follows shows how far it is."""
    asked = _asked(desk, form(request))
    catalogue = await desk.catalogue()
    if asked is None or catalogue is None:
        return desk.back("/forget")
    work = Forgetting(asked=asked)
    return desk.back(f"/forget/job?id={desk.jobs.start(work, _forget(desk, catalogue, work))}")


async def job(desk: Desk, request: Request) -> Response:
    """Show how a forgetting stands."""
    found = desk.jobs.get(request.query_params.get("id", ""))
    if not isinstance(found, Forgetting):
        return desk.back("/forget")
    await found.wait(WAIT_S)
    words = describe(desk, desk.texts(request), found.asked)
    return desk.page(request, "forget_job.html", job=found, words=words, requests=len(desk.device.ledger.outbox()))


async def _forget(desk: Desk, catalogue: Catalogue, work: Forgetting) -> None:
    selection = selection_of(work.asked)
    try:
        done = await forget(desk.device, catalogue.store, selection, work.tell)
    finally:
        catalogue.let_go()
    work.checking, work.percent = True, 0
    work.left = (await catalogue.store.weigh(selection, work.tell)).events
    work.done = done


async def _weigh(catalogue: Catalogue, work: Weighing) -> None:
    """Count by opening what is concerned; whole studies are counted by the list alone."""
    selection = selection_of(work.asked)
    if work.asked["what"] in {"study", "everything"}:
        work.weighed = await _listed(catalogue, selection)
    else:
        work.weighed = await catalogue.store.weigh(selection, work.tell)


async def _listed(catalogue: Catalogue, selection: Selection) -> Weighed:
    infos = [info for info in catalogue.segments if selection.study in (None, info.study)]
    pending = sum(
        each.next_index - each.sealed
        for each in await catalogue.open_sessions()
        if selection.study in (None, each.study)
    )
    sent = sum(info.receipt is not None for info in infos)
    aside = catalogue.store.set_aside()
    return Weighed(sum(info.count for info in infos) + pending, len(infos), sent, set_aside=aside)


def selection_of(asked: dict[str, str]) -> Selection:
    """Turn what was asked for into what the store understands."""
    return Selection(
        study=StudyId(asked["study"]) if "study" in asked else None,
        session=SessionId(asked["session"]) if "session" in asked else None,
        indexes=frozenset({int(asked["event"])}) if "event" in asked else None,
        path=asked.get("path"),
        site=asked.get("site"),
        since_ms=int(asked["since"]) if "since" in asked else None,
        until_ms=int(asked["until"]) if "until" in asked else None,
    )


_NEEDS = {
    "event": {"session", "event"},
    "session": {"session"},
    "time": {"since"},
    "file": {"path"},
    "site": {"site"},
    "study": {"study"},
    "everything": set(),
}
"""What each kind of forgetting must name; what it does not name is not looked at."""

_MAY = {"time": {"until"}, "file": {"study"}}


def _asked(desk: Desk, fields: dict[str, str]) -> dict[str, str] | None:
    """Read a request to forget; ``None`` if it does not say clearly what."""
    what = fields.get("what", "")
    if what == "last" and fields.get("minutes") in LAST_MINUTES:
        since = desk.now_ms() - LAST_MINUTES[fields["minutes"]] * 60_000
        return {"what": "time", "since": str(since)}
    if what not in _NEEDS:
        return None
    wanted = _NEEDS[what] | _MAY.get(what, set())
    asked = {"what": what} | {name: fields[name] for name in FIELDS if name in wanted and fields.get(name)}
    if not _NEEDS[what] <= asked.keys():
        return None
    numbers_right = all(asked[name].isdecimal() for name in ("event", "since", "until") if name in asked)
    study_right = "study" not in asked or is_study_id(asked["study"])
    return asked if numbers_right and study_right else None


def describe(desk: Desk, t: Texts, asked: dict[str, str]) -> str:
    """Say in words what was asked for."""
    when = Moments(t)
    match asked["what"]:
        case "event":
            return str(t("forget.what_event", number=asked["event"]))
        case "session":
            return str(t("forget.what_session"))
        case "time":
            since = int(asked["since"])
            if "until" in asked:
                return str(
                    t(
                        "forget.what_span",
                        day=when.day(since),
                        start=when.clock(since),
                        end=when.clock(int(asked["until"])),
                    )
                )
            return str(t("forget.what_since", day=when.day(since), start=when.clock(since)))
        case "file":
            return str(t("forget.what_file", path=asked["path"]))
        case "site":
            return str(t("forget.what_site", site=asked["site"]))
        case "study":
            return str(t("forget.what_study", study=desk.title(asked["study"])))
        case _:
            return str(t("forget.what_everything"))
