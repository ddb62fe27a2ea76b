"""Where a study's signed manifest comes from: a file, an https address that the person names, or its receiver."""

from __future__ import annotations

from pathlib import Path

import httpx

from consent_ledger.ledger import Ledger
from consent_ledger.manifest import StudyManifest, read_manifest
from event_model.errors import ConsentError
from event_model.ids import StudyId
from event_model.signed import MAX_DOCUMENT_BYTES, Signed
from sync_client.newer import look_for_newer
from sync_client.transport import Deadlines, Transport, is_loopback, open_http

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


def signed_study(folder: Path) -> Signed[StudyManifest]:
    """Read the signed study in its owner's folder. ConsentError: if it is not there, or no study."""
    try:
        return read_manifest((folder / "study.json").read_bytes())
    except OSError as error:
        raise ConsentError(
            f"{folder} holds no signed study",
            code="manifest-missing",
            hint=f"Sign it first: `overt study sign {folder}`.",
        ) from error


async def ask_for_newer(ledger: Ledger, now_ms: int) -> tuple[StudyId, ...]:
    """Ask the receivers of all joined studies for newer versions; gives the studies that wait for an answer.

    ConsentError: if a receiver serves what is no successor of the version that was agreed to.
    """
    deadlines = Deadlines()
    waiting = []
    for grant in ledger.grants(now_ms):
        if grant.signed_manifest is None or grant.signed_record is None:
            continue
        url = grant.manifest.receiver.url
        async with open_http(deadlines, loopback=is_loopback(url)) as http:
            if await look_for_newer(Transport(http, url, deadlines), ledger, grant.study):
                waiting.append(grant.study)
    return tuple(waiting)
