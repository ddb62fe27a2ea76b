"""What of a page's address may be kept: the route, never whom or what it was about.

An address names a place in a program (``/orders/:id/edit``) and, in between, somebody's order, name, search or
session. Only what reads as the name of a place is kept; what can't be told is taken for the latter.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from event_model.levels import Level
from privacy_filter.detectors.values import is_worded, looks_random
from privacy_filter.shapes import to_shape

ID = ":id"
"""What stands in a template where an address has a value of its own."""

MAX_ROUTE_CHARS = 512
"""Longer templates are cut at a segment: no program has so deep a place."""

MAX_SEGMENT_CHARS = 32
"""Longer segments are titles and tokens."""

MAX_SEGMENT_WORDS = 3
"""More words than that are a title: of an article, a ticket, a file."""

MAX_NAMES = 24
"""Names of a query that are kept, sorted: more of them are a form's values."""

_WEB = frozenset({"http", "https", "ws", "wss"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PEOPLE = (
    "accounts assignee author authors by candidate candidates client clients colleague colleagues contact contacts "
    "customer customers employee employees friend friends member members owner owners patient patients people person "
    "persons profile profiles reporter staff student students u user users"
)
_OF_PEOPLE = frozenset(_PEOPLE.split())
"""What follows these is somebody's name."""

_ROOMS = (
    "add all archive create current dashboard delete detail details edit export home import index inbox invite list "
    "login logout manage me new overview password permissions preferences profile register reset roles search security "
    "self settings signin signup summary teams trash upload view"
)
_PLACES = frozenset(_ROOMS.split())
"""What may follow them all the same."""

_VERSION = re.compile(r"(?:v|api-?v)\d{1,2}(?:\.\d{1,2}){0,2}(?:alpha|beta)?\d?")
_WORDS = re.compile(r"[a-z]+(?:[-_][a-z]+)*(?:\.(?:aspx?|cgi|do|html?|jsp|json|php|xml))?")
_CAMEL = re.compile(r"[A-Za-z]?[a-z]+(?:[A-Z][a-z]+)*")
_NUMBERED = re.compile(r"[a-z]{2,}[0-9]{1,2}|[a-z][0-9][a-z]{0,2}")
"""``oauth2``, ``page1``; ``s3``, ``k8s``."""

_QUERY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,23}(?:[-_.][A-Za-z0-9]{1,24}){0,4}(?:\[\])?")
_SEPARATORS = re.compile(r"[-_.]|(?<=[a-z])(?=[A-Z])")
_UNSEEN = re.compile(r"[\x00-\x20\x7f]+")


def route_template(url: str, level: Level) -> str:
    """Give the route of an address at a level: a fixed point, so that a template gives itself.

    ``content``: origin and path, ``:id`` for every segment that is a number, a token, an address, a name or a title,
    and the plain names of the query, without values; ``shape``: origin and the path with each character replaced by
    its class; ``rhythm``: nothing. Never a user, a password, a value of the query or the fragment. Of an address that
    is not of the web only its scheme is kept (``blob:``), of one that can't be read nothing.
    """
    if level is Level.RHYTHM:
        return ""
    parts = _split(url)
    if parts is None:
        return ""
    if parts.scheme not in _WEB:
        return f"{parts.scheme}:" if parts.scheme else ""
    host = _origin(parts)
    if not host:
        return ""
    segments = [segment.partition(";")[0] for segment in parts.path.split("/")]
    if level is Level.SHAPE:
        return _cut(host, [segment if segment == ID else to_shape(_readable(segment)) for segment in segments])
    kept = [_segment(segment, segments[at - 1] if at else "") for at, segment in enumerate(segments)]
    names = _query_names(parts.query)
    return _cut(host, kept) + (f"?{'&'.join(names)}" if names else "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(_UNSEEN.sub("", url))
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    return parts


def _origin(parts: SplitResult) -> str:
    """Give scheme, host and port; a port that goes without saying is left out."""
    host = parts.hostname or ""
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _cut(origin: str, segments: list[str]) -> str:
    route = origin
    for at, segment in enumerate(segments):
        piece = segment if at == 0 else f"/{segment}"
        if len(route) + len(piece) > MAX_ROUTE_CHARS:
            break
        route += piece
    return route


def _readable(segment: str) -> str:
    # What an escape stands for may itself be a separator; it must not become one.
    return re.sub(r"[/?#;%\x00-\x20\x7f]", "-", unquote(segment, errors="replace"))


def _segment(segment: str, before: str) -> str:
    if segment in {"", ID}:
        return segment
    if before.lower() in _OF_PEOPLE and segment.lower() not in _PLACES:
        return ID
    return segment if _is_place(segment) else ID


def _is_place(segment: str) -> bool:
    """Say whether a segment reads as the name of a place in a program."""
    if len(segment) > MAX_SEGMENT_CHARS or segment.startswith(("~", "@")):
        return False
    if _VERSION.fullmatch(segment) or _NUMBERED.fullmatch(segment):
        return True
    if not (_WORDS.fullmatch(segment) or _CAMEL.fullmatch(segment)):
        return False
    words = _SEPARATORS.split(segment)
    return len(words) <= MAX_SEGMENT_WORDS and all(_is_word(word) for word in words)


def _is_word(word: str) -> bool:
    if len(word) >= 8 and not set(word) - set("abcdef"):
        return False  # hexadecimal
    # Short words have too few pairs of letters to be judged by them; a token is not short.
    return len(word) <= 4 or (len(word) <= 20 and is_worded(word.lower()))


def _query_names(query: str) -> list[str]:
    names = {unquote(piece.partition("=")[0], errors="replace") for piece in re.split("[&;]", query)}
    return sorted(name for name in names if _is_name(name))[:MAX_NAMES]


def _is_name(name: str) -> bool:
    if _QUERY_NAME.fullmatch(name) is None or sum(map(str.isdigit, name)) > 2 or looks_random(name):
        return False
    words = _SEPARATORS.split(name.removesuffix("[]"))
    return len(name) <= MAX_SEGMENT_CHARS and all(_is_word(word.strip("0123456789")) for word in words)
