"""Who may speak to the page: the rules as pure functions, and the thin ASGI layer that asks them.

A page on loopback is in reach of every program and every other user of the machine, of every web page in the person's
browser, and, by a rebound name, of pages anywhere. So: exact Host, exact Origin, a one-time token that becomes a
SameSite=Strict, HttpOnly cookie, a secret path that the cookie is bound to (cookies are not bound to a port), and a
CSRF token in each form. Every refusal is the same bytes, so that nothing can be learned from it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import msgspec

COOKIE = "overt-review"

TOKEN_BYTES = 32

PATH_BYTES = 12
"""The secret part of every address: a server of someone else's on another port never gets the cookie to see."""

TOKEN_MS = 120_000
"""How long the address in the terminal opens the page: long enough for a slow browser."""

MAX_BODY_BYTES = 2 << 20
"""A form; the largest carries a study's manifest."""

CSRF_FIELD = "csrf"

REFUSAL = b"This page belongs to someone else, or has closed. Run `overt review` again.\n"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types overt"
)
"""``style`` names the one style sheet that may stand in a page, by its digest."""

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    # Not "no-referrer": with it, browsers send forms with the origin "null", which is refused.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), clipboard-read=()"),
)
"""On every answer, also on refusals, beside the policy."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Facts(msgspec.Struct, frozen=True):
    """What of a request decides: headers come as lists, because two of one kind are a trick."""

    method: str
    path: str
    query: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    """Sec-Fetch-Site (W3C Fetch Metadata)."""


class Guard:
    """One server's secrets, and its answers. ``port`` is where it listens."""

    def __init__(self, port: int, *, now_ms: int, random: Callable[[int], str] = secrets.token_urlsafe) -> None:
        self.host = f"127.0.0.1:{port}"
        self.origin = f"http://{self.host}"
        self.base = "/" + random(PATH_BYTES)
        self.csrf = random(TOKEN_BYTES)
        self._random = random
        self._cookie = random(TOKEN_BYTES)
        self._token = random(TOKEN_BYTES)
        self._token_until_ms = now_ms + TOKEN_MS

    @property
    def address(self) -> str:
        """The address that opens the page once."""
        return f"{self.origin}/open?token={self._token}"

    def opens(self, facts: Facts, now_ms: int) -> bool:
        """Say whether this is the one request that brings the token; it is used up then."""
        if facts.path != "/open" or facts.method != "GET" or not self._from_here(facts) or facts.origins:
            return False
        given = parse_qs(facts.query).get("token", [""])[0]
        right = _same(given, self._token) and now_ms < self._token_until_ms
        if right:
            self._token = self._random(TOKEN_BYTES)  # nobody ever sees this one
        return right

    def admits(self, facts: Facts) -> bool:
        """Say whether a request belongs to the person's own page."""
        if facts.method not in {"GET", "POST"} or not self._from_here(facts):
            return False
        if not facts.path.startswith(self.base + "/"):
            return False
        if any(origin != self.origin for origin in facts.origins) or len(facts.origins) > 1:
            return False
        if any(site not in {"same-origin", "none"} for site in facts.sites):
            return False
        if facts.method == "POST" and facts.origins != (self.origin,):
            return False
        return any(_same(each, self._cookie) for each in _cookies(facts.cookies))

    def sent_by_us(self, form: dict[str, list[str]]) -> bool:
        """Say whether a form carries this page's CSRF token."""
        return _same(form.get(CSRF_FIELD, [""])[0], self.csrf)

    @property
    def set_cookie(self) -> bytes:
        """The header's value that makes the browser the person's."""
        return f"{COOKIE}={self._cookie}; Path={self.base}; HttpOnly; SameSite=Strict".encode()

    def _from_here(self, facts: Facts) -> bool:
        return facts.hosts == (self.host,)


def facts_of(scope: Scope) -> Facts:
    """Read the facts of an ASGI request."""

    def all_of(name: bytes) -> tuple[str, ...]:
        return tuple(value.decode("latin-1") for key, value in scope["headers"] if key == name)

    return Facts(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        hosts=all_of(b"host"),
        origins=all_of(b"origin"),
        cookies=all_of(b"cookie"),
        sites=all_of(b"sec-fetch-site"),
    )


class Gatehouse:
    """Lets only the person's own requests through to the pages, and puts the headers on every answer.

    ``style`` is the page's own style sheet; ``used`` is called for each request that is let through; ``now_ms`` is any
    clock that does not go back.
    """

    def __init__(
        self, app: App, guard: Guard, *, style: str, now_ms: Callable[[], int], used: Callable[[], None]
    ) -> None:
        self._app = app
        policy = POLICY.format(style=_digest_source(style))
        self._headers = ((b"content-security-policy", policy.encode()), *HEADERS)
        self._guard = guard
        self._now_ms = now_ms
        self._used = used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError("this server speaks HTTP alone")
        facts = facts_of(scope)
        if self._guard.opens(facts, self._now_ms()):
            self._used()
            cookie = (b"set-cookie", self._guard.set_cookie)
            await self._answer(send, 200, self._welcome(), b"text/html; charset=utf-8", cookie)
            return
        if not self._guard.admits(facts):
            await self._answer(send, 403, REFUSAL, b"text/plain; charset=utf-8")
            return
        form: dict[str, list[str]] = {}
        if facts.method == "POST":
            body = await _body(receive)
            if body is None or not _is_form(scope):
                await self._answer(send, 403, REFUSAL, b"text/plain; charset=utf-8")
                return
            form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
            if not self._guard.sent_by_us(form):
                await self._answer(send, 403, REFUSAL, b"text/plain; charset=utf-8")
                return
        self._used()
        inner = dict(scope) | {"path": facts.path[len(self._guard.base) :], "overt.form": form}
        inner["raw_path"] = inner["path"].encode()

        async def sealed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in self._headers}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in own]
                message = dict(message) | {"headers": [*kept, *self._headers]}
            await send(message)

        await self._app(inner, receive, sealed)

    async def _answer(self, send: Send, status: int, body: bytes, kind: bytes, *more: tuple[bytes, bytes]) -> None:
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *self._headers, *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _welcome(self) -> bytes:
        # A page, not a redirect: SameSite=Strict holds the cookie back where the first step came from elsewhere.
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>overt</title>'
            f'<meta http-equiv="refresh" content="0;url={self._guard.base}/">'
            f'<p><a href="{self._guard.base}/">Open the page</a></p></html>'
        ).encode()


def _digest_source(style: str) -> str:
    """Name a style sheet in a policy (CSP 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def _cookies(headers: Sequence[str]) -> list[str]:
    found: list[str] = []
    for header in headers:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(header)
        except CookieError:
            continue
        if COOKIE in jar:
            found.append(jar[COOKIE].value)
    return found


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _is_form(scope: Scope) -> bool:
    kinds = [value.split(b";")[0].strip().lower() for key, value in scope["headers"] if key == b"content-type"]
    return kinds == [b"application/x-www-form-urlencoded"]


async def _body(receive: Receive) -> bytes | None:
    """Read a form; ``None`` if it is too large or cut off."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
