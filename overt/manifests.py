"""Where a study's signed manifest comes from: a file, or an https address that the person names."""

from __future__ import annotations

from pathlib import Path

import httpx

from event_model.errors import ConsentError
from event_model.signed import MAX_DOCUMENT_BYTES

FETCH_TIMEOUT_S = 20.0


def fetch_manifest(source: str) -> bytes:
    """Read a manifest from a file or an https address. ConsentError: if it can't be had."""
    if source.startswith("https://"):
        try:
            answer = httpx.get(source, timeout=FETCH_TIMEOUT_S, follow_redirects=False)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise ConsentError(f"can't fetch {source}: {error}", code="manifest-unreachable", hint="") from error
        return answer.content[: MAX_DOCUMENT_BYTES + 1]
    try:
        with Path(source).expanduser().open("rb") as file:
            return file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise ConsentError(
            f"can't read {source}: {error.strerror}",
            code="manifest-unreachable",
            hint="Give the signed manifest (study.json) that the study's owner handed out.",
        ) from error
