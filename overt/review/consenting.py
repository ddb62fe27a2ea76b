"""A person's choices about a study, read from a form: levels, kinds left out, places left out, and an end."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

import msgspec

from consent_ledger.manifest import CONTROL_KINDS
from consent_ledger.record import ConsentRecord
from consent_ledger.study import StudyManifest
from event_model.errors import ConsentError
from event_model.levels import Level

DROP = "none"

MAX_LINES = 200


class Choice(msgspec.Struct, frozen=True):
    """What a person takes of what a study asks for."""

    levels: dict[str, Level]
    drop: tuple[str, ...]
    deny: tuple[str, ...]
    deny_origins: tuple[str, ...]
    expires_ms: int | None


def read_choice(study: StudyManifest, fields: Mapping[str, str]) -> Choice:
    """Read a form. ConsentError: if a date or level is none; what asks for more than the study is refused later."""
    levels: dict[str, Level] = {}
    drop: list[str] = []
    for kind, asked in study.kinds.items():
        chosen = fields.get(f"level:{kind}", asked.value)
        if chosen == DROP:
            drop.append(kind)
        else:
            try:
                levels[kind] = Level(chosen)
            except ValueError as error:
                raise ConsentError(f"{chosen!r} is no level", code="level-unknown", hint="") from error
    return Choice(
        levels=levels,
        drop=with_dependents(study, drop),
        deny=_lines(fields.get("deny", "")),
        deny_origins=_lines(fields.get("deny_origins", "")),
        expires_ms=_date(fields.get("expires", "")),
    )


def earlier_choice(
    study: StudyManifest, accepted: StudyManifest | None, record: ConsentRecord | None
) -> tuple[dict[str, Level], tuple[str, ...]]:
    """Give the levels that a person chose before, where a study would take more now, and the kinds they left out.

    ``accepted`` is the version that ``record`` agrees to: a kind that is new since then was never left out.
    """
    if accepted is None or record is None:
        return {}, ()
    levels = {kind: level for kind, level in record.levels.items() if kind in study.kinds and level < study.kinds[kind]}
    dropped = tuple(kind for kind in accepted.kinds if kind in study.kinds and kind not in record.levels)
    return levels, dropped


def with_dependents(study: StudyManifest, drop: Iterable[str]) -> tuple[str, ...]:
    """Leave out with a file's or page's opening everything that points at it: it would mean nothing alone."""
    chosen = dict.fromkeys(drop)
    if "document.open" in chosen:
        chosen |= dict.fromkeys(kind for kind in study.kinds if kind.startswith(_EDITOR))
    if "page.open" in chosen:
        chosen |= dict.fromkeys(kind for kind in study.kinds if kind.startswith(_BROWSER))
    return tuple(kind for kind in chosen if kind not in CONTROL_KINDS)


_EDITOR = ("document.", "selection.", "viewport.", "completion.")
_BROWSER = ("page.", "tab.", "pointer.", "scroll", "field.", "key.", "form.", "clipboard")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines()[:MAX_LINES] if line.strip()))


def _date(text: str) -> int | None:
    """Read a day as the moment at which it ends, the person's own time."""
    if not text:
        return None
    try:
        day = datetime.date.fromisoformat(text) + datetime.timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise ConsentError(f"{text!r} is not a date", code="date-malformed", hint="Write it as 2026-12-31.") from error
    return round(datetime.datetime.combine(day, datetime.time()).astimezone().timestamp() * 1000)
