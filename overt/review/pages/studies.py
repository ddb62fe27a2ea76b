"""Studies: what each asks and may keep, in full; lowering, narrowing, leaving; the consent record to take along."""

from __future__ import annotations

import datetime
import hashlib

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_ledger.grants import Grant
from consent_ledger.manifest import requires_new_consent
from consent_ledger.study import StudyManifest
from event_model.errors import ConsentError, OvertError
from event_model.ids import RecordId, StudyId, is_study_id
from event_model.levels import Level
from event_model.registry import REGISTRY, TEXT_FIELDS
from event_model.signed import Signed
from overt.manifests import ask_for_newer
from overt.review.consenting import DROP, read_choice
from overt.review.desk import Desk, form
from overt.review.pages.today import refusal_words
from overt.review.texts import Texts
from overt.withdrawing import withdraw


class KindRow(msgspec.Struct, frozen=True):
    """One kind of event as a study asks for it, and what the person gives of it."""

    kind: str
    sentence: str
    asked: str
    chosen: str
    options: tuple[str, ...]
    has_text: bool


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/studies", desk.bound(overview)),
        Route("/studies/newer", desk.bound(newer), methods=["POST"]),
        Route("/study", desk.bound(study)),
        Route("/study/change", desk.bound(change), methods=["POST"]),
        Route("/study/leave", desk.bound(sure), methods=["GET"]),
        Route("/study/leave", desk.bound(leave), methods=["POST"]),
        Route("/study/receipt", desk.bound(receipt)),
    ]


async def overview(desk: Desk, request: Request) -> Response:
    """List the studies."""
    t = desk.texts(request)
    rows = []
    for grant in desk.grants().values():
        offered = None if grant.signed_manifest is None else desk.device.ledger.offered(grant.study)
        waits = offered is not None and not desk.device.ledger.was_declined(offered)
        rows.append((grant, refusal_words(t, grant.refusal, grant.detail), waits))
    return desk.page(request, "studies.html", grants=rows)


async def newer(desk: Desk, request: Request) -> Response:
    """Ask the receivers for newer versions, because the person asks for it; they are shown, and not agreed to."""
    del request
    waiting = await ask_for_newer(desk.device.ledger, desk.now_ms())
    return desk.back("/studies", "newer" if waiting else "no_newer")


async def study(desk: Desk, request: Request) -> Response:
    """Show one study in full."""
    t = desk.texts(request)
    grant = _grant(desk, request.query_params.get("id", ""))
    manifest = grant.manifest
    offered = desk.device.ledger.offered(grant.study)
    asks = () if offered is None else requires_new_consent(manifest, offered.payload)
    if offered is not None:
        desk.offers[hashlib.sha256(offered.raw).hexdigest()] = offered.raw
    joined = grant.signed_record is not None
    return desk.page(
        request,
        "study.html",
        grant=grant,
        study=manifest,
        joined=joined,
        why=refusal_words(t, grant.refusal, grant.detail),
        rows=kind_rows(t, manifest, dict(grant.record.levels) if joined else {}),
        expires=_day(grant.record.expires_ms) if joined else "",
        offered=offered,
        offered_digest="" if offered is None else hashlib.sha256(offered.raw).hexdigest(),
        declined=offered is not None and desk.device.ledger.was_declined(offered),
        asks=[str(t("field." + name)) if t.has("field." + name) else name for name in asks],
    )


async def change(desk: Desk, request: Request) -> Response:
    """Take less from now on, or as much as the study asks: consent given anew, with its own record."""
    fields = form(request)
    grant = _grant(desk, fields.get("study", ""))
    if grant.signed_manifest is None or not grant.live:
        raise ConsentError("this study is not live, so there is nothing to change", code="no-consent")
    give_consent(desk, grant.signed_manifest, fields, grant)
    return desk.back(f"/study?id={grant.study}", "changed")


async def sure(desk: Desk, request: Request) -> Response:
    """Ask once before leaving, and say what happens."""
    grant = _grant(desk, request.query_params.get("id", ""))
    catalogue = await desk.catalogue()
    infos = [] if catalogue is None else [info for info in catalogue.segments if info.study == grant.study]
    sent = sum(info.receipt is not None for info in infos)
    return desk.page(
        request, "leave.html", grant=grant, events=sum(info.count for info in infos), sent=sent,
        title=desk.title(grant.study),
    )  # fmt: skip


async def leave(desk: Desk, request: Request) -> Response:
    """Take consent back."""
    fields = form(request)
    grant = _grant(desk, fields.get("study", ""))
    await withdraw(desk.device, grant.study)
    catalogue = await desk.catalogue()
    if catalogue is not None:
        catalogue.let_go()
    return desk.back("/studies", "left")


async def receipt(desk: Desk, request: Request) -> Response:
    """Give the signed consent record to be kept elsewhere."""
    study_id, record = request.query_params.get("id", ""), request.query_params.get("record", "")
    data = desk.device.ledger.record_document(StudyId(study_id), RecordId(record)) if is_study_id(study_id) else None
    if data is None:
        return desk.page(request, "missing.html", status=404)
    name = f"consent-{study_id}-{record[:8]}.json"
    return Response(
        data, media_type="application/json", headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def give_consent(desk: Desk, manifest: Signed[StudyManifest], fields: dict[str, str], before: Grant | None) -> None:
    """Join, or join anew, with what a form says. ConsentError: if it asks for more than the study does."""
    choice = read_choice(manifest.payload, fields)
    desk.device.ledger.join(
        manifest.raw,
        installation=desk.device.keys().installation,
        now_ms=desk.now_ms(),
        levels=choice.levels,
        drop=choice.drop,
        deny=choice.deny,
        deny_origins=choice.deny_origins,
        workspaces=() if before is None else before.narrowing.workspaces,
        expires_ms=choice.expires_ms,
    )


def kind_rows(t: Texts, study: StudyManifest, levels: dict[str, Level]) -> list[KindRow]:
    """Lay out the kinds that a study asks for; ``levels`` are the person's."""
    rows = []
    for kind in (each for each in REGISTRY if each in study.kinds):
        asked = study.kinds[kind]
        chosen = levels[kind].value if kind in levels else DROP
        options = tuple(level.value for level in Level if level <= asked)
        text = str(t("kinds." + kind)) if t.has("kinds." + kind) else REGISTRY[kind].sentence
        rows.append(KindRow(kind, text, asked.value, chosen, (*reversed(options), DROP), kind in TEXT_FIELDS))
    return rows


def _grant(desk: Desk, study_id: str) -> Grant:
    found = desk.grants().get(StudyId(study_id))
    if found is None:
        raise ConsentError("you have not joined a study of this name", code="study-unknown")
    if found.signed_manifest is None:
        raise OvertError(found.detail, code=found.refusal or "no-consent")
    return found


def _day(ms: int) -> str:
    """Give the last day before a moment, as a date field wants it."""
    return datetime.datetime.fromtimestamp(ms / 1000 - 1).astimezone().date().isoformat()
