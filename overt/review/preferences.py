"""How a person likes the page: language and theme, in a small file. It holds nothing that was captured."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from local_store.files import PRIVATE_FILE, make_private_folder
from overt.review.texts import LANGUAGES

FILE = "review.json"

THEMES = ("auto", "light", "dark")

IDLE_CHOICES_S = (300, 900, 3600)
"""After how long without use the page may close."""

IDLE_S = 900
"""A page that nobody has used for a quarter of an hour closes; a live view that is on the screen counts as use."""


class Preferences(msgspec.Struct, frozen=True):
    """``language`` empty: what the browser asks for. ``welcomed``: the first run was seen to its end."""

    language: str = ""
    theme: str = "auto"
    welcomed: bool = False
    idle_s: int = IDLE_S


def read_preferences(home: Path) -> Preferences:
    """Read the file; what can't be read or used is as if it were not there."""
    try:
        found = msgspec.json.decode((home / FILE).read_bytes(), type=Preferences)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Preferences()
    language = found.language if found.language in LANGUAGES else ""
    theme = found.theme if found.theme in THEMES else "auto"
    idle_s = found.idle_s if found.idle_s in IDLE_CHOICES_S else IDLE_S
    return Preferences(language, theme, found.welcomed, idle_s)


def write_preferences(home: Path, preferences: Preferences) -> None:
    """Write the file, private. OSError: if that can't be done."""
    make_private_folder(home)
    path = home / f".{FILE}"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
        file.write(msgspec.json.encode(preferences) + b"\n")
    path.replace(home / FILE)


def preferred_language(accept: str) -> str:
    """Choose a language from an Accept-Language header (RFC 9110, 12.5.4), in the order in which it stands there."""
    for part in accept.split(","):
        language = part.split(";")[0].strip().lower()[:2]
        if language in LANGUAGES:
            return language
    return "en"
