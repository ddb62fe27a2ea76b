"""Settings: language, theme, a backup of the keys, and what runs by itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.errors import KeyUnavailable, OvertError
from local_store.backup import write_backup
from overt.review.desk import Desk, form
from overt.review.pages.join import remember
from overt.review.preferences import THEMES
from overt.review.texts import LANGUAGES

MIN_PASSPHRASE_CHARS = 12
"""Argon2id makes each guess dear; this makes the guesses many."""

BACKUP_NAME = "overt-keys.json"


def routes(desk: Desk) -> list[Route]:
    """Give these pages' routes."""
    return [
        Route("/settings", desk.bound(show), methods=["GET"]),
        Route("/settings", desk.bound(change), methods=["POST"]),
        Route("/settings/backup", desk.bound(backup), methods=["POST"]),
    ]


async def show(desk: Desk, request: Request) -> Response:
    """Show the settings."""
    return desk.page(request, "settings.html", **_values(desk), problem=None)


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
        return desk.page(request, "settings.html", status=409, **_values(desk), problem=problem)
    with tempfile.TemporaryDirectory(prefix="overt-") as folder:
        path = Path(folder) / BACKUP_NAME
        write_backup(path, desk.device.keys(), passphrase)
        data = path.read_bytes()
    headers = {"content-disposition": f'attachment; filename="{BACKUP_NAME}"'}
    return Response(data, media_type="application/json", headers=headers)


def _values(desk: Desk) -> dict[str, Any]:
    kept_in: str | None = None
    warning: str | None = None
    joined = any(desk.grants())
    if joined or desk.device.has_store:
        try:
            keys = desk.device.keys()
            kept_in, warning = keys.kept_in, keys.warning
        except KeyUnavailable as error:
            warning = error.message
        except OvertError as error:
            warning = error.message
    return {
        "kept_in": kept_in,
        "warning": warning,
        "home": str(desk.device.home),
        "chosen": desk.preferences,
        "least": MIN_PASSPHRASE_CHARS,
        "hold": [
            (grant.manifest.title, grant.manifest.hold_s) for grant in desk.grants().values() if grant.signed_manifest
        ],
    }
