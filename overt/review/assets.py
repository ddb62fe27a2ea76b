"""The page's own files, read once: the style sheet that stands in each page, the scripts, the icon."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "static"

STYLE = (FOLDER / "review.css").read_text("utf-8")
"""It stands in the page itself: nothing has to be fetched before the page can be drawn."""

_KINDS = {".js": "text/javascript", ".svg": "image/svg+xml"}

FILES = {path.name: (path.read_bytes(), _KINDS[path.suffix]) for path in FOLDER.iterdir() if path.suffix in _KINDS}
"""Everything that is served as a file, with its media type; nothing else of the disk can be asked for."""
