"""The rules that the parts of a study manifest keep: their limits, and a check for each. Pure.

Each refusal is a ``ManifestError`` whose sentence names the field as it is written in the study's TOML file.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from consent_ledger.globs import GlobError, check_folder_glob, check_path_glob, check_remote_glob
from consent_ledger.study_parts import Purpose, Receiver, ScopeRules, WorkspaceRule
from event_model.errors import KeyUnavailable, ManifestError
from event_model.events import BODY_TYPES, kind_of
from event_model.keys import RecipientPublicKey, VerifyKey, decode_key
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES

MANIFEST_SCHEMA = 1
DEFAULT_HOLD_S = 86_400
"""A day: a person who looks once a day sees everything before it leaves."""
DEFAULT_SETTLE_S = 120
"""Long enough to finish typing a secret and to undo and redo it."""
MIN_SETTLE_S = 30
"""Below that a pause in the middle of a secret would seal its first half before anybody could know it for one."""
DEFAULT_K = 5
MIN_K = 2
"""Below two, an aggregate is a report about one person."""
MAX_K = 1_000_000
DEFAULT_RELEASE_ROUND_S = 60
"""A minute: enough to order what happened in a session, too coarse to find it in another log."""
MIN_RELEASE_ROUND_S = 1
MAX_RELEASE_ROUND_S = 86_400
DEFAULT_RELEASE_GAP_S = 2
"""The rhythm of keys, by which people can be told apart, is gone; pauses to think are still there."""
MIN_RELEASE_GAP_S = 1
"""Keys lie a fifth of a second apart: what is coarser than a second tells nothing of them."""
MAX_RELEASE_GAP_S = 3_600
MAX_HOLD_S = 365 * 86_400
MAX_SETTLE_S = 86_400
MAX_RETENTION_DAYS = 36_500
MAX_VERSION = 2**31 - 1
MAX_LINE = 300
"""Characters of a title, a name or a contact: what fits on a screen that asks for consent."""
MAX_TEXT = 2_000
"""Characters of a purpose."""
MAX_NOTICE = 60_000
"""Characters of the notice; what is longer is not read by anyone."""
MAX_ENTRIES = 200
"""Entries of a list in the manifest."""
MAX_URL = 2_000
MAX_FIELD_NAME = 120
"""Characters of the name of a form's field."""

KINDS: Final = tuple(kind_of(body) for body in BODY_TYPES)
"""Every kind of event that a study can name."""
CONTROL_KINDS: Final = tuple(kind for kind in KINDS if kind.startswith("capture."))
"""Kinds about the capture itself: part of every study, because a gap is never silent."""
PAGE_KINDS: Final = tuple(kind_of(body) for body in PAGE_TYPES)
"""Kinds of web pages."""
DOCUMENT_KINDS: Final = tuple(
    kind_of(body)
    for body in BODY_TYPES
    if kind_of(body) not in {*CONTROL_KINDS, *PAGE_KINDS} and "document" in body.__struct_fields__
)
"""Kinds of documents in an editor."""
LEANING: Final = {
    **dict.fromkeys(DOCUMENT_KINDS, "document.open"),
    **dict.fromkeys(PAGE_KINDS, "page.open"),
}
"""The kind without which another means nothing."""

_TERM = re.compile(r"[a-z][a-z0-9-]*:[A-Za-z][A-Za-z0-9-]*")
_PURPOSE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing: they could hide text or show it falsely."""
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_DAY_MS = 86_400_000


def with_control_kinds(levels: Mapping[str, Level]) -> dict[str, Level]:
    """Add the kinds about the capture itself, which belong to every study."""
    return {**dict.fromkeys(CONTROL_KINDS, Level.CONTENT), **levels}


def notice_digest(notice: str) -> str:
    """Name a notice by its content: SHA-256 of its UTF-8, hex."""
    return hashlib.sha256(notice.encode()).hexdigest()


def moment_ms(text: str, *, field: str, end_of_day: bool = False) -> int:
    """Read an RFC 3339 date (UTC) or date-time with an offset as Unix ms. ManifestError: if it is neither."""
    is_date = _DATE.fullmatch(text) is not None
    if not is_date and _DATE_TIME.fullmatch(text) is None:
        raise ManifestError(
            f"{field} must be a date such as 2026-03-31 or a time with an offset such as 2026-03-31T12:00:00Z,"
            f" not {text!r}"
        )
    try:
        moment = datetime.datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ManifestError(f"{field} is not in the calendar: {text!r}") from error
    if is_date:
        moment = moment.replace(tzinfo=datetime.UTC)
    milliseconds = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(milliseconds=1)
    if milliseconds < 0:
        raise ManifestError(f"{field} lies before 1970: {text!r}")
    return milliseconds + (_DAY_MS if is_date and end_of_day else 0)


def check_levels(levels: Mapping[str, Level], *, field: str = "kinds") -> None:
    """Check that every kind exists. ManifestError: if one does not; the sentence offers the nearest name."""
    for kind in levels:
        if kind not in KINDS:
            import difflib  # noqa: PLC0415 - only a wrong name pays for it

            near = difflib.get_close_matches(kind, KINDS, n=1)
            offer = f"; did you mean {near[0]!r}?" if near else f"; the kinds are {', '.join(KINDS)}"
            raise ManifestError(f"{field} names {kind!r}, which is no kind of event{offer}")


def check_rules(rules: Iterable[WorkspaceRule], *, field: str) -> None:
    """Check workspace rules. ManifestError: if one is empty or its glob can't be used."""
    for rule in rules:
        if rule.remote is None and rule.path is None:
            raise ManifestError(f"{field} has an entry with neither remote nor path")
        _check_globs(field, check_remote_glob, [] if rule.remote is None else [rule.remote])
        _check_globs(field, check_folder_glob, [] if rule.path is None else [rule.path])


def check_deny(patterns: Iterable[str], *, field: str) -> None:
    """Check deny patterns. ManifestError: if one can't be used, or would take an earlier one back."""
    _check_globs(field, check_path_glob, patterns)


def _check_globs(field: str, check: Callable[[str], None], patterns: Iterable[str]) -> None:
    for pattern in patterns:
        try:
            check(pattern)
        except GlobError as error:
            raise ManifestError(f"{field}: {error.message}") from error


def check_text(field: str, text: str, limit: int) -> None:
    """Check a text that the person reads. ManifestError: if it is empty, too long, or hides something."""
    if not text.strip():
        raise ManifestError(f"{field} is empty")
    if len(text) > limit:
        raise ManifestError(f"{field} has {len(text)} characters; at most {limit} fit")
    if _CONTROL.search(text):
        # The text is shown on the screen that asks for consent.
        raise ManifestError(f"{field} holds control characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ManifestError(f"{field} holds half of a surrogate pair") from error


def check_line(field: str, text: str) -> None:
    """Check a text that stands in one line. ManifestError: as ``check_text``, and if it has two."""
    check_text(field, text, MAX_LINE)
    if "\n" in text:
        raise ManifestError(f"{field} has more than one line")


def check_term(field: str, term: str, *, example: str) -> None:
    """Check a term of a vocabulary. ManifestError: if it is not written prefix:Term."""
    if _TERM.fullmatch(term) is None:
        raise ManifestError(f"{field} must be a vocabulary term such as {example}, not {term!r}")


def check_number(field: str, value: int, low: int, high: int) -> None:
    """Check a number. ManifestError: if it is outside its limits, both of which are allowed."""
    if not low <= value <= high:
        raise ManifestError(f"{field} must lie between {low} and {high}, not {value}")


def check_purposes(purposes: tuple[Purpose, ...]) -> None:
    """Check what the data is for. ManifestError: if nothing is named, twice, or in no vocabulary's terms."""
    _check_list("purposes", purposes, least=1)
    for purpose in purposes:
        if _PURPOSE_ID.fullmatch(purpose.id) is None:
            raise ManifestError(f"purposes: an id is lower-case letters, digits and hyphens, not {purpose.id!r}")
        check_term("purposes: dpv", purpose.dpv, example="dpv:ResearchAndDevelopment")
        check_text(f"purposes: the text of {purpose.id!r}", purpose.text, MAX_TEXT)
    if len({purpose.id for purpose in purposes}) != len(purposes):
        raise ManifestError("purposes: two of them have the same id")


def _check_list(field: str, entries: tuple[object, ...], *, least: int = 0) -> None:
    if len(entries) < least:
        raise ManifestError(f"{field} is empty")
    if len(entries) > MAX_ENTRIES:
        raise ManifestError(f"{field} has {len(entries)} entries; at most {MAX_ENTRIES} fit")


def check_kinds(kinds: Mapping[str, Level]) -> None:
    """Check what is captured. ManifestError: if it is nothing, or a kind stands without the one it leans on."""
    check_levels(kinds)
    if not set(kinds) - set(CONTROL_KINDS):
        raise ManifestError("kinds is empty: the study would capture nothing")
    for kind, needed in LEANING.items():
        if kind in kinds and needed not in kinds:
            raise ManifestError(f"kinds has {kind!r} without {needed!r}, on which it leans")


def check_scope(scope: ScopeRules) -> None:
    """Check where is captured. ManifestError: if it is nowhere, or an entry can't be used."""
    for field in ("workspaces", "deny", "web_origins", "secret_fields"):
        _check_list(f"scope.{field}", getattr(scope, field))
    for glob in scope.secret_fields:
        check_text("scope.secret_fields: a name", glob, MAX_FIELD_NAME)
    if not scope.workspaces and not scope.web_origins:
        raise ManifestError("scope has neither workspaces nor web_origins: the study would capture nothing")
    check_rules(scope.workspaces, field="scope.workspaces")
    check_deny(scope.deny, field="scope.deny")
    check_origins(scope.web_origins, field="scope.web_origins")


def _split(url: str, field: str) -> tuple[SplitResult, int | None]:
    """Split a URL and read its port. ManifestError: if it is no URL."""
    if len(url) > MAX_URL or not url.isascii() or any(character <= " " for character in url):
        raise ManifestError(f"{field} is not a URL: {url[:80]!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ManifestError(f"{field} is not a URL: {url!r}") from error
    return parts, port


def check_origins(origins: Iterable[str], *, field: str) -> None:
    """Check web origins. ManifestError: if one is not written as https://host or https://host:port."""
    for origin in origins:
        parts, _port = _split(origin, field)
        plain = f"{parts.scheme}://{parts.netloc}" == origin and "@" not in parts.netloc
        if parts.scheme not in {"http", "https"} or not plain or _HOST.fullmatch(parts.hostname or "") is None:
            raise ManifestError(f"{field}: an origin is written https://host or https://host:port, not {origin!r}")


def check_receiver(receiver: Receiver) -> None:
    """Check where segments go. ManifestError: if it is no https URL (loopback apart), or the key is none."""
    url = receiver.url
    parts, _port = _split(url, "receiver.url")
    loopback = parts.hostname in _LOOPBACK
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ManifestError(f"receiver.url is not an https URL: {url!r}")
    if parts.scheme == "http" and not loopback:
        raise ManifestError("receiver.url must be https; http is for a receiver on this machine only")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ManifestError("receiver.url must have no user name, query or fragment")
    _check_key("receiver.key", receiver.key, VerifyKey)


def check_recipients(keys: tuple[str, ...]) -> None:
    """Check whom segments are sealed to. ManifestError: if it is nobody, or one key twice, or no key."""
    _check_list("recipients", keys, least=1)
    if len(set(keys)) != len(keys):
        raise ManifestError("recipients: the same key stands there twice")
    for key in keys:
        _check_key("recipients", key, RecipientPublicKey)


def _check_key(field: str, key: str, kind: Callable[[bytes], object]) -> None:
    try:
        kind(decode_key(key))
    except KeyUnavailable as error:
        raise ManifestError(f"{field}: {error.message}; `overt study new` makes a pair") from error
