"""Uploads: what went when, with its receipt; what goes next and when; what was asked back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_ledger.grants import Grant
from event_model.errors import OvertError
from event_model.ids import StudyId
from event_model.receipts import DELETION_REQUEST, SEGMENT_RECEIPT, DeletionRequest, SegmentReceipt, SentSpan
from event_model.signed import open_document
from local_store.store import SegmentInfo, SegmentState
from overt.audit import Opening, fetch_log, openings
from overt.review.desk import Desk
from sync_client.audit import AuditFolder

ROWS = 100
"""Rows of one list on one page."""

MS = 1000


class Sent(msgspec.Struct, frozen=True):
    """A segment that the receiver has, as its signed receipt says."""

    info: SegmentInfo
    received_ms: int
    digest: str
    verified: bool


class Next(msgspec.Struct, frozen=True):
    """A segment that waits here; ``why`` is a refusal's code where it stays."""

    info: SegmentInfo
    due_ms: int
    why: str | None


class StudyLog(msgspec.Struct, frozen=True):
    """What a study's log says of openings (``None``: never read), or why it can't be believed."""

    study: StudyId
    openings: tuple[Opening, ...] | None
    problem: str = ""


class AskedBack(msgspec.Struct, frozen=True):
    """A request to erase that waits for the next sync."""

    study: StudyId
    requested_ms: int
    segments: int | None
    sent: SentSpan | None = None


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/uploads", desk.bound(uploads)),
        Route("/uploads/receipt", desk.bound(receipt)),
        Route("/uploads/log", desk.bound(fetch), methods=["POST"]),
    ]


async def uploads(desk: Desk, request: Request) -> Response:
    """Show what left, and what will."""
    catalogue = await desk.catalogue()
    segments = [] if catalogue is None else catalogue.segments
    grants = desk.grants()
    page = request.query_params.get("page", "0")
    at = int(page) * ROWS if page.isdecimal() and len(page) < 9 else 0
    gone = [info for info in segments if info.receipt is not None]
    gone.sort(key=lambda info: -info.sealed_ms)
    waiting = [info for info in segments if info.state in (SegmentState.HELD, SegmentState.ENVELOPED)]
    waiting.sort(key=lambda info: info.sealed_ms)
    open_sessions = [] if catalogue is None else await catalogue.open_sessions()
    return desk.page(
        request,
        "uploads.html",
        sent=[_sent(info, grants.get(info.study)) for info in gone[at : at + ROWS]],
        sent_total=len(gone),
        sent_bytes=sum(info.size for info in gone),
        next=_next(waiting, grants, desk.now_ms())[:ROWS],
        next_total=len(waiting),
        pending=sum(info.next_index - info.sealed for info in open_sessions),
        damaged=sum(info.state is SegmentState.DAMAGED for info in segments),
        asked_back=_asked_back(desk),
        logs=await asyncio.to_thread(_logs, desk, list(grants.values())),
        page=at // ROWS,
        pages=-(-len(gone) // ROWS),
        grants=grants,
        now=desk.now_ms(),
    )


async def fetch(desk: Desk, request: Request) -> Response:
    """Read the logs of all studies from their receivers, because the person asks for it, and verify them."""
    del request
    for grant in desk.grants().values():
        if grant.signed_manifest is not None:
            await fetch_log(AuditFolder(desk.device.home), desk.device.ledger, grant.study)
    return desk.back("/uploads", "log_read")


async def receipt(desk: Desk, request: Request) -> Response:
    """Give the receiver's signed receipt for one segment."""
    query = request.query_params
    catalogue = await desk.catalogue()
    place = (query.get("study"), query.get("epoch"), query.get("number"))
    for info in [] if catalogue is None else catalogue.segments:
        if (info.study, str(info.epoch), str(info.number)) == place and info.receipt is not None:
            name = f"receipt-{info.study}-{info.epoch}-{info.number}.json"
            headers = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(info.receipt, media_type="application/json", headers=headers)
    return desk.page(request, "missing.html", status=404)


def _sent(info: SegmentInfo, grant: Grant | None) -> Sent:
    """Read a receipt, and check it with the key that the study names for its receiver."""
    key = grant.manifest.receiver_key if grant is not None and grant.signed_manifest is not None else None
    try:
        found = open_document(SEGMENT_RECEIPT, info.receipt or b"", SegmentReceipt, key=key).payload
    except OvertError:
        return Sent(info, info.sealed_ms, info.digest, verified=False)
    fits = (found.study, found.epoch, found.number, found.digest) == (*info.place, info.digest)
    return Sent(info, found.received_ms, found.digest, verified=fits and key is not None)


def _next(waiting: Iterable[SegmentInfo], grants: dict[StudyId, Grant], now_ms: int) -> list[Next]:
    found = []
    for info in waiting:
        grant = grants.get(info.study)
        hold_s = 0 if grant is None else grant.hold_s
        why = "consent-withdrawn" if grant is None else grant.refusal
        found.append(Next(info, info.sealed_ms + hold_s * MS, why))
    del now_ms
    return found


def _logs(desk: Desk, grants: list[Grant]) -> list[StudyLog]:
    folder = AuditFolder(desk.device.home)
    found = []
    for grant in grants:
        if grant.signed_manifest is None:
            continue
        try:
            found.append(StudyLog(grant.study, openings(folder, desk.device.ledger, grant.study)))
        except OvertError as error:
            found.append(StudyLog(grant.study, None, f"{error.message} {error.hint}".strip()))
    return found


def _asked_back(desk: Desk) -> list[AskedBack]:
    found = []
    for _, data in desk.device.ledger.outbox():
        try:
            request = open_document(DELETION_REQUEST, data, DeletionRequest).payload
        except OvertError:
            continue
        segments = None if request.segments is None else len(request.segments)
        found.append(AskedBack(request.study, request.requested_ms, segments, request.sent))
    return found
