"""The study owner's TOML: reading it with sentences that help, writing it, and the template of a new study."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from consent_ledger.study import StudyManifest
from consent_ledger.study_checks import (
    DEFAULT_HOLD_S,
    DEFAULT_K,
    DEFAULT_RELEASE_GAP_S,
    DEFAULT_RELEASE_ROUND_S,
    DEFAULT_SETTLE_S,
    notice_digest,
)
from consent_ledger.study_parts import WorkspaceRule
from event_model.errors import ManifestError
from event_model.levels import Level

MAX_TOML_BYTES = 1 << 19
"""Twice what the longest notice needs."""

_PATH = re.compile(r"(.*?) - at `(key in )?\$(.*)`$", re.DOTALL)


def manifest_from_toml(text: str) -> StudyManifest:
    """Read a study owner's TOML. ManifestError: with a sentence that names the field and what is wrong with it."""
    if len(text) > MAX_TOML_BYTES:
        raise ManifestError(f"a study file has at most {MAX_TOML_BYTES} characters")
    import tomllib  # noqa: PLC0415 - a study owner's need only; the device side starts without it

    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"not TOML: {error}") from error
    for field in ("start", "end"):
        table[field] = _moment_text(table.get(field), field)
    if isinstance(notice := table.get("notice"), str):
        table["notice"] = notice.strip()
        table.setdefault("notice_digest", notice_digest(table["notice"]))
    try:
        return msgspec.convert(table, type=StudyManifest)
    except msgspec.ValidationError as error:
        raise ManifestError(explain(str(error))) from error
    except UnicodeEncodeError as error:
        raise ManifestError("the study file holds half of a surrogate pair") from error


def _moment_text(value: Any, field: str) -> Any:
    """Write a TOML date as RFC 3339 text; ManifestError: for a time without an offset, which means nothing."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ManifestError(f"{field} has no offset: write {value.isoformat()}Z for UTC")
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value is None:
        raise ManifestError(f"{field} is missing")
    return value


def explain(message: str) -> str:
    """Turn a decoder's complaint into a sentence that names the field as the study file writes it."""
    match = _PATH.search(message)
    complaint, path = (match[1], match[3]) if match else (message, "")
    if "Invalid enum value" in complaint:
        complaint += f"; it is one of {', '.join(level.value for level in Level)}"
    where = re.sub(r"\[(\d*|\.\.\.)\]", "[]", path).strip(".")
    if field := re.search(r"required field `(.+?)`", complaint):
        return f"{'.'.join(part for part in (where, field[1]) if part)} is missing"
    if field := re.search(r"unknown field `(.+?)`", complaint):
        return f"{'.'.join(part for part in (where, field[1]) if part)} is no field of a study"
    return f"{where}: {complaint}" if where else complaint


def manifest_to_toml(manifest: StudyManifest) -> str:
    """Write a manifest as the TOML that reads back to the same manifest."""
    lines: list[str] = []
    tables: list[tuple[str, Any]] = []
    for field, value in msgspec.to_builtins(manifest).items():
        if field in {"controller", "purposes", "kinds", "scope", "receiver"}:
            tables.append((field, value))
        else:
            lines.append(f"{field} = {_inline(value)}")
    for field, value in tables:
        if field == "purposes":
            for purpose in value:
                lines += ["", "[[purposes]]", *_entries(purpose)]
        else:
            lines += ["", f"[{field}]", *_entries(value)]
    return "\n".join(lines) + "\n"


def _entries(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_inline(value)}" for key, value in table.items() if value is not None]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _inline(key)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")
    if isinstance(value, dict):
        return "{ " + ", ".join(_entries(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(entry) for entry in value) + "]"
    return str(value)


def study_template(
    *,
    study: str,
    recipient: str,
    receiver_url: str,
    receiver_key: str,
    start: datetime.date,
    end: datetime.date,
    title: str = "What this study is called",
    workspaces: Sequence[WorkspaceRule] = (WorkspaceRule(remote="github.com/example/*"),),
) -> str:
    """Write the TOML that ``overt study new`` begins with; valid as it is, and meant to be edited."""
    rules = [{name: glob for name, glob in msgspec.to_builtins(rule).items() if glob} for rule in workspaces]
    return _TEMPLATE.format(
        study=_inline(study),
        title=_inline(title),
        workspaces=_inline(rules),
        start=start.isoformat(),
        end=end.isoformat(),
        hold_s=DEFAULT_HOLD_S,
        settle_s=DEFAULT_SETTLE_S,
        release_round_s=DEFAULT_RELEASE_ROUND_S,
        release_gap_s=DEFAULT_RELEASE_GAP_S,
        k=DEFAULT_K,
        recipient=_inline(recipient),
        url=_inline(receiver_url),
        key=_inline(receiver_key),
    )


_TEMPLATE = '''\
# A study, as the people who are asked will see it. Check it with `overt study check`, sign it with `overt study sign`.
# docs/STUDY.md explains each field.
id = {study}
version = 1
title = {title}

# Dates are whole days in UTC; both are included.
start = {start}
end = {end}

# The legal ground, as a DPV or GDPR term: consent.
legal_basis = "eu-gdpr:A6-1-a"

# Seconds that sealed segments stay on the person's device, where they can be looked at and forgotten.
hold_s = {hold_s}
# Seconds that the filter waits for a text to settle before it is sealed.
settle_s = {settle_s}
# Days that the receiver keeps the data.
retention_days = 365
# Nothing is published about fewer people than this.
k = {k}
# Seconds to which times are rounded in what is released to partners: moments, and the gaps between events.
release_round_s = {release_round_s}
release_gap_s = {release_gap_s}

# The public keys that data is sealed to; their private halves open it.
recipients = [{recipient}]

# Shown in full to everyone who is asked. Say what is captured, why, who sees it, for how long, and how to stop.
notice = """
While you take part, your editor records the edits that you make in the workspaces named below: which text you
insert and delete, where, and when. Passwords, keys and personal data are taken out on your machine before anything
is kept. What is kept is encrypted, stays on your machine for a day, and can be looked at and deleted by you.
Then it is sent, sealed, to the researchers named below, who use it to train models that suggest edits.
You can pause or leave at any time; when you leave, what was sent is deleted too. Saying no has no consequence.
"""

[controller]
name = "Who answers for the data"
contact = "privacy@example.org"

[[purposes]]
id = "edit-models"
dpv = "dpv:ResearchAndDevelopment"
text = "Training models that suggest the next edit."

# What is captured, and in which detail: "rhythm" (when, no text), "shape" (text as character classes), "content".
[kinds]
"document.open" = "content"
"document.edit" = "content"
"document.save" = "content"
"document.close" = "content"
"selection.change" = "content"

[scope]
# Workspaces by git remote, by folder, or by both. Nothing else is captured.
workspaces = {workspaces}
# Files that are never captured, beside the built-in list; patterns as in .gitignore.
deny = ["private/"]

[receiver]
url = {url}
key = {key}
'''
