"""The gate's decisions, as pure functions: consent, scope and level, in that order.

Redaction is the fourth step and lives in ``channel``, because it needs the document's history.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from consent_ledger.grants import Grant
from consent_ledger.scope import Place
from consent_ledger.verdict import REFUSALS
from event_model.events import Body, DocumentEdit, DocumentOpen, kind_of
from event_model.ids import StudyId
from event_model.levels import Level

MAX_CONTENT_CHARS = 1_000_000
"""A larger document is kept as shape only: scanning all of it at each step would cost more than it is worth."""

MAX_DOCUMENT_CHARS = 4_000_000
"""A larger document is not captured at all: as one event it would not fit a segment (4 MiB encoded)."""

MAX_CONTENT_LINE_CHARS = 10_000
"""A longer line is generated or minified, not written by a person; detectors are slow and useless on it."""

OWN_KINDS = frozenset({"capture.start", "capture.pause", "capture.resume", "capture.gap", "capture.cursor"})
"""What the collector says of itself. It carries nothing of the person's, and no study can do without it."""


class Refusal(msgspec.Struct, frozen=True):
    """Why something is not captured: a stable code, a sentence, and the study that refuses (``None``: all)."""

    code: str
    detail: str
    study: StudyId | None = None


SENTENCES: Mapping[str, str] = {
    **REFUSALS,
    "no-consent": "You have not joined a study. `overt join` shows one and asks.",
    "remote-host": "You reached this machine over a network, and your data belong on your own. See docs/EDITORS.md.",
    "paused": "Capture is paused. `overt resume` ends the pause.",
    "out-of-scope": "The study does not ask for this place.",
    "denied-path": "Files of this kind are never captured.",
    "denied-site": "You took this site out of the study.",
    "no-file": "Only files on this machine are captured.",
    "kind-not-in-study": "The study does not ask for events of this kind.",
    "document-binary": "The document is not text.",
    "document-too-large": "The document is too large to be captured.",
    "document-large": "The document is large, so only its shape is kept, not its text.",
    "line-too-long": "The document has a very long line, so only its shape is kept, not its text.",
    "key-unavailable": "Your key is missing or locked, so nothing can be encrypted. `overt doctor` says more.",
    "store-unwritable": "The store can't be written. Free some disk space; capture goes on by itself.",
    "store-damaged": "The store failed its check. `overt verify` says more.",
    "filter-failed": "The privacy filter failed, so nothing is captured. Please report this.",
}
"""Every reason not to capture, and what it means; consent's own are the ledger's."""


def refusal(code: str, *, study: StudyId | None = None, detail: str | None = None) -> Refusal:
    """Make a refusal with its sentence; ``detail`` replaces the general one."""
    return Refusal(code, detail or SENTENCES.get(code, code), study)


def consent_refusal(grant: Grant) -> Refusal | None:
    """Step one, consent: ``None`` when the grant is live."""
    return None if grant.refusal is None else refusal(grant.refusal, study=grant.study, detail=grant.detail)


def scope_refusal(grant: Grant, place: Place | None) -> Refusal | None:
    """Step two, scope: ``None`` when the study asks for this place and nothing denies it."""
    if place is None:
        return refusal("no-file", study=grant.study)
    verdict = grant.scope.decide(place)
    return None if verdict.allowed else refusal(verdict.code, study=grant.study)


def level_of(levels: Mapping[str, Level], body: Body, ceiling: Level = Level.CONTENT) -> Level | None:
    """Step three, level: what may be kept of this event, or ``None`` when the study does not ask for its kind."""
    kind = kind_of(body)
    level = Level.CONTENT if kind in OWN_KINDS else levels.get(kind)
    if level is None:
        return None
    return level if ceiling is Level.CONTENT else min(level, ceiling)


def ceiling_of(text: str) -> tuple[Level, str | None]:
    """Say how much of a text may be kept for its size, and the code of the reason when it is not all."""
    if len(text) > MAX_CONTENT_CHARS:
        return Level.SHAPE, "document-large"
    if len(text) > MAX_CONTENT_LINE_CHARS and _longest_line(text) > MAX_CONTENT_LINE_CHARS:
        return Level.SHAPE, "line-too-long"
    return Level.CONTENT, None


def unfit(text: str) -> str | None:
    """Give the code of why a text can't be captured at all, if it can't."""
    if len(text) > MAX_DOCUMENT_CHARS:
        return "document-too-large"
    return "document-binary" if "\x00" in text else None  # a NUL never stands in text that a person edits


def text_of(body: Body) -> str:
    """Give the text that a body carries, or nothing."""
    if isinstance(body, DocumentEdit):
        return body.inserted
    return body.text if isinstance(body, DocumentOpen) else ""


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\n")))
