"""From the URI that an editor names a document by to a path on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_URI_CHARS = 32_768
"""Longer than any path that an operating system takes, percent-encoded."""

_CUT = re.compile(r"[#?\x00-\x1f\x7f]")
"""What a parser of URIs takes for the end of the path, or leaves out: then another file would be judged."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"/[A-Za-z]:")


def path_of(uri: str) -> Path | None:
    """Give the path of a ``file:`` URI (RFC 8089); ``None`` for everything that is not a file on this machine.

    A sign that should have been escaped (``#``, ``?``, a control character) makes the path doubtful, and it is none.
    """
    if uri[:5].lower() != "file:" or len(uri) > MAX_URI_CHARS or _CUT.search(uri):
        return None
    try:
        parts = urlsplit(uri)
        text = unquote(parts.path, errors="strict")
    except ValueError:
        return None
    host = parts.netloc
    if os.name == "nt":  # Written to the rule, not tried here.
        if host and host.lower() != "localhost":
            text = f"//{host}{text}"
        elif _DRIVE.match(text):
            text = text[1:]
    elif host and host.lower() != "localhost":
        return None
    if _CONTROL.search(text):
        return None
    path = Path(text)
    return path if path.is_absolute() else None
