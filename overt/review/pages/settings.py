"""Settings: language, theme, a backup of the keys, and the times: sending, holding, pausing, closing."""

from __future__ import annotations

import asyncio
import datetime
import tempfile
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent_ledger.grants import Grant
from event_model.errors import OvertError
from event_model.ids import StudyId, is_study_id
from local_store.backup import write_backup
from overt import timer_shell
from overt.review.desk import Desk, form
from overt.review.pages.join import remember
from overt.review.preferences import IDLE_CHOICES_S, THEMES
from overt.review.texts import LANGUAGES

MIN_PASSPHRASE_CHARS = 12
"""Argon2id makes each guess dear; this makes the guesses many."""

BACKUP_NAME = "overt-keys.json"

EVERY_CHOICES_S = (3600, 4 * 3600, 24 * 3600)
"""How often sending may run by itself."""

HOLD_CHOICES_S = (86_400, 2 * 86_400, 7 * 86_400, 30 * 86_400)
"""How long a person may keep things here; those longer than a study's own hold are offered."""

MAX_PAUSE_MS = 366 * 86_400_000


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/settings", desk.bound(show), methods=["GET"]),
        Route("/settings", desk.bound(change), methods=["POST"]),
        Route("/settings/backup", desk.bound(backup), methods=["POST"]),
        Route("/settings/timer", desk.bound(timer), methods=["POST"]),
        Route("/settings/hold", desk.bound(hold), methods=["POST"]),
        Route("/settings/pause", desk.bound(pause), methods=["POST"]),
        Route("/settings/idle", desk.bound(idle), methods=["POST"]),
    ]


async def show(desk: Desk, request: Request) -> Response:
    """Show the settings."""
    return _page(desk, request)


async def change(desk: Desk, request: Request) -> Response:
    """Keep a language and a theme."""
    fields = form(request)
    language, theme = fields.get("language", ""), fields.get("theme", "auto")
    wanted = msgspec.structs.replace(
        desk.preferences,
        language=language if language in LANGUAGES else "",
        theme=theme if theme in THEMES else "auto",
    )
    remember(desk, wanted)
    return desk.back("/settings", "saved")


async def timer(desk: Desk, request: Request) -> Response:
    """Have sending run by itself, or not; says what the system did not do."""
    every = form(request).get("every", "")
    if every not in {"", *map(str, EVERY_CHOICES_S)}:
        return desk.back("/settings")
    if every:
        report = await asyncio.to_thread(timer_shell.install, timer_shell.plan(int(every)))
    else:
        report = await asyncio.to_thread(timer_shell.undo, timer_shell.plan())
    if report.failed:
        return _page(desk, request, failed=report.failed)
    return desk.back("/settings", "timer_on" if every else "timer_off")


async def hold(desk: Desk, request: Request) -> Response:
    """Keep a study's data here for longer than it asks, or as long as it asks."""
    fields = form(request)
    study, hold_s = fields.get("study", ""), fields.get("hold", "")
    if is_study_id(study) and hold_s in {"0", *map(str, HOLD_CHOICES_S)}:
        desk.device.ledger.hold_longer(StudyId(study), int(hold_s))
        return desk.back("/settings", "saved")
    return desk.back("/settings")


async def pause(desk: Desk, request: Request) -> Response:
    """Pause until a moment that the person names."""
    now = desk.now_ms()
    until = _moment(form(request).get("until", ""))
    if until is None or not now < until < now + MAX_PAUSE_MS:
        return _page(desk, request, status=409, problem="settings.pause_past")
    desk.device.ledger.pause(until, now)
    return desk.back("/", "paused")


async def idle(desk: Desk, request: Request) -> Response:
    """Keep how long the page stays open without use."""
    idle_s = form(request).get("idle", "")
    if idle_s in map(str, IDLE_CHOICES_S):
        remember(desk, msgspec.structs.replace(desk.preferences, idle_s=int(idle_s)))
    return desk.back("/settings", "saved")


async def backup(desk: Desk, request: Request) -> Response:
    """Give the keys as a file under a passphrase."""
    fields = form(request)
    passphrase = fields.get("passphrase", "")
    problem = None
    if passphrase != fields.get("again", ""):
        problem = "settings.backup_differs"
    elif len(passphrase) < MIN_PASSPHRASE_CHARS:
        problem = "settings.backup_short"
    if problem is not None:
        return _page(desk, request, status=409, problem=problem)
    with tempfile.TemporaryDirectory(prefix="overt-") as folder:
        path = Path(folder) / BACKUP_NAME
        write_backup(path, desk.device.keys(), passphrase)
        data = path.read_bytes()
    headers = {"content-disposition": f'attachment; filename="{BACKUP_NAME}"'}
    return Response(data, media_type="application/json", headers=headers)


def _page(
    desk: Desk, request: Request, *, status: int = 200, problem: str | None = None, failed: tuple[str, ...] = ()
) -> Response:
    kept_in, warning = _keys(desk)
    grants = [grant for grant in desk.grants().values() if grant.signed_manifest and grant.signed_record]
    earliest = datetime.datetime.fromtimestamp(desk.now_ms() / 1000 + 60).astimezone()
    return desk.page(
        request,
        "settings.html",
        status=status,
        problem=problem,
        failed=failed,
        kept_in=kept_in,
        warning=warning,
        home=str(desk.device.home),
        chosen=desk.preferences,
        least=MIN_PASSPHRASE_CHARS,
        every=_every(),
        every_choices=EVERY_CHOICES_S,
        holds=[(grant, _hold_choices(grant)) for grant in grants],
        idle_choices=IDLE_CHOICES_S,
        paused=desk.permissions.paused,
        until_ms=desk.permissions.paused_until_ms,
        earliest=earliest.strftime("%Y-%m-%dT%H:%M"),
    )


def _keys(desk: Desk) -> tuple[str | None, str | None]:
    """Say where the key is kept, if there is one, and what is to be said of that."""
    if not (any(desk.grants()) or desk.device.has_store):
        return None, None
    try:
        keys = desk.device.keys()
    except OvertError as error:
        return None, error.message
    return keys.kept_in, keys.warning


def _every() -> int | None:
    """Say how often, in seconds, sending runs by itself: None for never, 0 for otherwise, -1 where it can't be set."""
    try:
        return timer_shell.installed(EVERY_CHOICES_S)
    except OvertError:
        return -1


def _hold_choices(grant: Grant) -> list[int]:
    own = {grant.own_hold_s} if grant.own_hold_s > grant.manifest.hold_s else set()
    return sorted({each for each in HOLD_CHOICES_S if each > grant.manifest.hold_s} | own)


def _moment(text: str) -> int | None:
    """Read a day and a time, the person's own, as Unix ms."""
    try:
        return round(datetime.datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
