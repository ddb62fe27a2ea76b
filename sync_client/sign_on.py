"""Signing on with an OpenID Connect provider, for a study whose receiver asks for it, and enrolling with the token.

The authorization code flow with PKCE (RFC 7636) of a native application (RFC 8252): the browser comes back to a port of
this machine that is open for this one answer. Only ``openid`` is asked for, so that the token names nobody by name or
address where the provider keeps to that. The token is shown to the receiver once, and is kept nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec

from consent_ledger.grants import Grant
from event_model.clock import Clock
from event_model.errors import UploadError
from event_model.keys import Secret, encode_key, study_signing_key
from event_model.request_signatures import sign_request
from event_model.sign_on import TOKEN_HEADER, SignOnSettings, discovery_address, nonce_of, safe_address
from sync_client.answers import Reaction, problem_code, reaction_to
from sync_client.transport import Deadlines, Transport, is_loopback, open_http

MAX_ANSWER_BYTES = 256 << 10
"""A provider's description or a token has some kilobytes."""

MAX_REQUEST_LINE = 16 << 10
"""What the browser comes back with."""

Show = Callable[[str], None]
"""Shows the person an address to sign on at, and opens it if it can."""


class _Discovery(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str


class _Tokens(msgspec.Struct):
    id_token: str


class _About(msgspec.Struct):
    sign_on: SignOnSettings | None = None


async def enrol(
    grant: Grant, document: bytes, *, installation: Secret, clock: Clock, show: Show, wait_s: float
) -> None:
    """Sign on where a study's receiver says, and give it the consent record with the token.

    UploadError: if the receiver asks for no sign-on or takes none, the provider can't be asked, or nobody signed on.
    """
    base = grant.manifest.receiver.url
    async with open_http(Deadlines(), loopback=is_loopback(base)) as http:
        transport = Transport(http, base, Deadlines())
        about = await transport.send("GET", "/v1/receiver", b"", may_go=lambda: True)
        settings = _settings(about.body if about.status == httpx.codes.OK else b"")
        nonce = nonce_of(grant.study, grant.record.pseudonym)
        token = await fetch_token(settings, nonce, show=show, wait_s=wait_s)
        target = f"/v1/studies/{grant.study}/participants/{grant.record.pseudonym}/consent"
        signer = study_signing_key(installation, grant.study)
        headers = sign_request("PUT", target, document, signer, now_s=clock.wall_ms() // 1000) | {TOKEN_HEADER: token}
        answer = await transport.send("PUT", target, document, may_go=lambda: True, headers=headers)
    if reaction_to(answer.status) is not Reaction.ACCEPTED:
        raise UploadError("the receiver did not take the sign-on", code=problem_code(answer), hint=_AGAIN)


async def fetch_token(settings: SignOnSettings, nonce: str, *, show: Show, wait_s: float) -> str:
    """Have the person sign on, and give the provider's ID token. UploadError: if that fails, or takes too long."""
    if not safe_address(settings.issuer):
        raise UploadError("the receiver names a sign-on provider without https", code="sign-on-unsafe", hint="")
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = encode_key(hashlib.sha256(verifier.encode()).digest())
    async with open_http(Deadlines(), loopback=is_loopback(settings.issuer)) as http, _Landing(state) as landing:
        found = await _discovery(http, settings)
        query = {
            "response_type": "code", "client_id": settings.client_id, "redirect_uri": landing.address,
            "scope": "openid", "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        joint = "&" if urlsplit(found.authorization_endpoint).query else "?"
        show(found.authorization_endpoint + joint + urlencode(query))
        try:
            code = await asyncio.wait_for(landing.code, wait_s)
        except TimeoutError as error:
            raise UploadError("nobody signed on", code="sign-on-timeout", hint=_AGAIN) from error
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": landing.address,
            "client_id": settings.client_id, "code_verifier": verifier,
        }  # fmt: skip
        body = await _body(http, "POST", found.token_endpoint, form)
    try:
        return msgspec.json.decode(body, type=_Tokens).id_token
    except msgspec.DecodeError as error:
        raise _failed("gives no ID token") from error


class _Landing:
    """A port of this machine to which the browser comes back, once."""

    def __init__(self, state: str) -> None:
        self._state = state
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.address = ""

    async def __aenter__(self) -> _Landing:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=MAX_REQUEST_LINE)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        self.code.cancel()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readuntil(b"\n")
            while await reader.readuntil(b"\n") not in (b"\r\n", b"\n"):
                pass
            known = self._take(line.decode("latin-1").split(" "))
            words = _DONE if known else _NOT_THIS
            head = f"HTTP/1.1 {'200 OK' if known else '404 Not Found'}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            writer.write(f"{head}content-length: {len(words)}\r\nconnection: close\r\n\r\n{words}".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever that was
        finally:
            writer.close()

    def _take(self, request: list[str]) -> bool:
        """Take an answer that bears our own state; anybody on this machine may knock."""
        if len(request) != 3 or request[0] != "GET":
            return False
        query = parse_qs(urlsplit(request[1]).query)
        state = query.get("state", [""])[0]
        if not hmac.compare_digest(state.encode(), self._state.encode()) or self.code.done():
            return False
        code = query.get("code", [""])[0]
        if code:
            self.code.set_result(code)
        else:
            self.code.set_exception(_failed(f"says {query.get('error', ['nothing'])[0][:80]!r}"))
        return True


def _settings(about: bytes) -> SignOnSettings:
    try:
        settings = msgspec.json.decode(about, type=_About).sign_on
    except msgspec.DecodeError as error:
        raise UploadError("the study's receiver can't be asked how to sign on", code="unreachable") from error
    if settings is None:
        raise UploadError(
            "this study's receiver asks for no sign-on", code="sign-on-unknown", hint="Leave --sign-on out."
        )
    return settings


async def _discovery(http: httpx.AsyncClient, settings: SignOnSettings) -> _Discovery:
    body = await _body(http, "GET", discovery_address(settings.issuer))
    try:
        found = msgspec.json.decode(body, type=_Discovery)
    except msgspec.DecodeError as error:
        raise _failed("gives no description of itself") from error
    if found.issuer != settings.issuer:
        raise _failed("calls itself by another name")
    if not safe_address(found.authorization_endpoint) or not safe_address(found.token_endpoint):
        raise _failed("names an address without https")
    return found


async def _body(http: httpx.AsyncClient, method: str, url: str, form: dict[str, str] | None = None) -> bytes:
    try:
        async with http.stream(method, url, data=form) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise _failed("answers without end")
            if answer.status_code != httpx.codes.OK:
                raise _failed(f"answers {answer.status_code}")
            return body
    except httpx.HTTPError as error:
        raise _failed("can't be reached") from error


def _failed(what: str) -> UploadError:
    return UploadError(f"the sign-on provider {what}", code="sign-on-failed", hint=_AGAIN)


_AGAIN = "You have joined; `overt join STUDY --sign-on --agree` tries the sign-on again. Until then nothing is sent."
_DONE = "Signed on. You can close this page."
_NOT_THIS = "Not found."
