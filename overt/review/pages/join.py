"""The first run, and joining: what overt is, what a study asks, and a yes or a no that weigh the same."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_ledger.study import StudyManifest
from event_model.errors import ConsentError, OvertError
from event_model.signed import Signed
from overt.manifests import fetch_manifest
from overt.review.consenting import earlier_choice
from overt.review.desk import MAX_OFFERS, Desk, form
from overt.review.pages.studies import give_consent, kind_rows
from overt.review.preferences import write_preferences


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/welcome", desk.bound(welcome)),
        Route("/welcome/done", desk.bound(done), methods=["POST"]),
        Route("/join", desk.bound(ask), methods=["GET"]),
        Route("/join", desk.bound(look), methods=["POST"]),
        Route("/join/offer", desk.bound(offer)),
        Route("/join/agree", desk.bound(agree), methods=["POST"]),
        Route("/join/decline", desk.bound(decline), methods=["POST"]),
    ]


async def welcome(desk: Desk, request: Request) -> Response:
    """Say in one screen what overt is; two more follow: the study's notice, and the answer."""
    return desk.page(request, "welcome.html")


async def done(desk: Desk, request: Request) -> Response:
    """End the first run without joining: as good an end as any."""
    del request
    remember(desk, msgspec.structs.replace(desk.preferences, welcomed=True))
    return desk.back("/", "later")


async def ask(desk: Desk, request: Request) -> Response:
    """Ask for a study's manifest."""
    return desk.page(request, "join.html", problem=None, source="")


async def look(desk: Desk, request: Request) -> Response:
    """Read a manifest, and show it."""
    fields = form(request)
    source, document = fields.get("source", "").strip(), fields.get("document", "")
    try:
        if document:
            data = document.encode()
        elif source:
            data = await asyncio.to_thread(fetch_manifest, source)
        else:
            raise ConsentError("no file or address was given", code="manifest-unreachable", hint="")
        offered = desk.device.ledger.offer(data)
        if _joined(desk, offered):
            desk.device.ledger.renew(data)
    except OvertError as error:
        return desk.page(request, "join.html", status=409, problem=error, source=source)
    return desk.back(f"/join/offer?digest={_keep(desk, data)}")


async def offer(desk: Desk, request: Request) -> Response:
    """Show a study in full, with everything that can be lowered, and ask."""
    digest = request.query_params.get("digest", "")
    found = _offered(desk, digest)
    before = desk.grants().get(found.payload.id)
    joined = before is not None and before.signed_record is not None
    t = desk.texts(request)
    levels, dropped = earlier_choice(
        found.payload,
        before.manifest if before is not None and before.signed_manifest is not None else None,
        before.record if before is not None and before.signed_record is not None else None,
    )
    chosen = {kind: levels.get(kind, level) for kind, level in found.payload.kinds.items() if kind not in dropped}
    return desk.page(
        request,
        "offer.html",
        study=found.payload,
        digest=digest,
        joined=joined,
        deny="\n".join(before.narrowing.deny) if before is not None else "",
        deny_origins="\n".join(before.narrowing.deny_origins) if before is not None else "",
        declined=desk.device.ledger.was_declined(found),
        rows=kind_rows(t, found.payload, chosen),
    )


async def agree(desk: Desk, request: Request) -> Response:
    """Join."""
    fields = form(request)
    found = _offered(desk, fields.get("digest", ""))
    give_consent(desk, found, fields, desk.grants().get(found.payload.id))
    remember(desk, msgspec.structs.replace(desk.preferences, welcomed=True))
    return desk.back(f"/study?id={found.payload.id}", "joined")


async def decline(desk: Desk, request: Request) -> Response:
    """Remember the no."""
    found = _offered(desk, form(request).get("digest", ""))
    desk.device.ledger.decline(found.raw, now_ms=desk.now_ms())
    remember(desk, msgspec.structs.replace(desk.preferences, welcomed=True))
    return desk.back("/", "declined")


def remember(desk: Desk, preferences: object) -> None:
    """Keep how the person likes the page; where that fails, for this run alone."""
    assert isinstance(preferences, type(desk.preferences))
    desk.preferences = preferences
    try:
        write_preferences(desk.device.home, preferences)
    except OSError as error:
        raise OvertError(f"your settings can't be written: {error.strerror}", code="settings-unwritable") from error


def _keep(desk: Desk, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    desk.offers[digest] = data
    while len(desk.offers) > MAX_OFFERS:
        del desk.offers[next(iter(desk.offers))]
    return digest


def _offered(desk: Desk, digest: str) -> Signed[StudyManifest]:
    data = desk.offers.get(digest)
    if data is None:
        raise ConsentError("this offer is not open any more", code="offer-gone", hint="Open the study's file again.")
    return desk.device.ledger.offer(data)


def _joined(desk: Desk, offered: Signed[StudyManifest]) -> bool:
    grant = desk.grants().get(offered.payload.id)
    return grant is not None and grant.signed_record is not None
