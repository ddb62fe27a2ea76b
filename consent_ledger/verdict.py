"""Whether a consent record allows capture now, and if not, why: the codes that people see. Pure.

The device asks before each write, the receiver before it takes a segment.
"""

from __future__ import annotations

from typing import Final

from consent_ledger.record import ConsentRecord, ConsentState
from consent_ledger.study import StudyManifest
from event_model.keys import encode_key
from event_model.signed import Signed

CLOCK_TOLERANCE_MS = 86_400_000
"""A day: a clock further behind the moment of consent than this can't be trusted to know when consent ends."""

REFUSALS: Final[dict[str, str]] = {
    "clock-implausible": "This machine's clock is before the moment you agreed, so it can't tell when consent ends.",
    "consent-expired": "Your consent has run out.",
    "consent-foreign": "The consent record was made by another installation.",
    "consent-malformed": "The consent record is damaged or was changed.",
    "consent-superseded": "You agreed to another version of this study since.",
    "consent-unreadable": "The consent record can't be read.",
    "consent-withdrawn": "You left this study.",
    "manifest-invalid": "The study's manifest is missing, damaged or was changed.",
    "notice-changed": "The study's notice changed; you are asked again.",
    "study-changed": "The study changed in something that matters; you are asked again.",
    "study-ended": "The study has ended.",
    "study-not-started": "The study has not started yet.",
    "study-owner-changed": "The study is signed by another owner than the one you agreed to.",
}
"""Every code with which a grant can be refused, and what it means."""

_STATES: Final = {
    ConsentState.WITHDRAWN: "consent-withdrawn",
    ConsentState.SUPERSEDED: "consent-superseded",
    ConsentState.EXPIRED: "consent-expired",
}


def refusal_of(record: ConsentRecord, manifest: Signed[StudyManifest], now_ms: int) -> str | None:
    """Give the code for which this record does not allow capture under this manifest now, or None if it does."""
    return _STATES.get(record.state) or _mismatch(record, manifest) or untimely(record, manifest.payload, now_ms)


def changes_ms(record: ConsentRecord, manifest: StudyManifest, now_ms: int) -> int | None:
    """Give the next moment at which time alone changes the verdict, Unix ms, or None."""
    moments = (record.given_ms - CLOCK_TOLERANCE_MS, manifest.start_ms, manifest.end_ms, record.expires_ms)
    return min((moment for moment in moments if moment > now_ms), default=None)


def _mismatch(record: ConsentRecord, manifest: Signed[StudyManifest]) -> str | None:
    study = manifest.payload
    if record.study != study.id:
        return "consent-malformed"
    if record.study_key != encode_key(manifest.key.raw):
        return "study-owner-changed"
    if record.notice_digest != study.notice_digest:
        return "notice-changed"
    if record.manifest_digest != manifest.digest:
        return "study-changed"
    allowed = study.levels
    if any(kind not in allowed or allowed[kind] < level for kind, level in record.levels.items()):
        return "consent-malformed"
    return None


def untimely(record: ConsentRecord, study: StudyManifest, now_ms: int) -> str | None:
    """Give the code for which this moment is outside of what was agreed to, or None."""
    if now_ms < record.given_ms - CLOCK_TOLERANCE_MS:
        return "clock-implausible"
    if now_ms >= study.end_ms:
        return "study-ended"
    if now_ms >= record.expires_ms:
        return "consent-expired"
    if now_ms < study.start_ms:
        return "study-not-started"
    return None
