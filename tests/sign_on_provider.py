"""An OpenID Connect provider on loopback: discovery, keys, the authorization code flow with PKCE, real signatures."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT = "overt-devices"


class Provider:
    """``wrong`` names what it does wrong; ``asked`` counts requests by path."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.issuer = base
        self.subject = "employee-17"
        self.asked: dict[str, int] = {}
        self.wrong = ""
        self.now_s: int | None = None
        """The time in its tokens, where that is not the system's."""
        self.shared: list[OctKey] = []
        """Symmetric keys that it names beside its own."""
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate("first")

    def rotate(self, name: str) -> None:
        """Sign with another key from here on, and name no other."""
        self.key = ECKey.generate_key("P-256", {"kid": name})

    def token(self, *, key: Any = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Make an ID token; a claim that is changed to None is left out."""
        now = int(time.time()) if self.now_s is None else self.now_s
        claims = {"iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": ""}
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        signer = key or self.key
        head = {"alg": "ES256", "kid": self.key.kid} | (header or {})
        return jwt.encode(head, claims, signer, algorithms=["ES256", "RS256", "HS256", "none"])

    def get(self, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        if path == "/.well-known/openid-configuration":
            issuer = "https://elsewhere.example" if self.wrong == "issuer" else self.issuer
            at = "http://elsewhere.example" if self.wrong == "plain" else self.base
            page = "http://elsewhere.example" if self.wrong == "plain page" else self.base
            found = {"issuer": issuer, "jwks_uri": f"{at}/keys", "authorization_endpoint": f"{page}/authorize",
                     "token_endpoint": f"{at}/token"}  # fmt: skip
            return self._as_wrong(json.dumps(found).encode(), of="description")
        if path in {"/keys", "/moved"}:
            keys = [self.key.as_dict(private=False), *(key.as_dict() for key in self.shared)]
            body = json.dumps({"keys": keys}).encode()
            if self.wrong == "redirect" and path == "/keys":
                return 302, b"", {"location": f"{self.base}/moved"}
            return self._as_wrong(body, of="keys")
        if path == "/authorize":
            code = hashlib.sha256(repr(query).encode()).hexdigest()
            self._codes[code] = query
            back = {"state": query["state"], "code": code}
            if self.wrong == "denied":
                back = {"state": query["state"], "error": "access_denied"}
            return 302, b"", {"location": f"{query['redirect_uri']}?{urlencode(back)}"}
        return 404, b"", {}

    def _as_wrong(self, body: bytes, *, of: str) -> tuple[int, bytes, dict[str, str]]:
        """Give a document that is good but for its status or its size."""
        if self.wrong == f"endless {of}":
            return 200, body + b" " * (1 << 20), {}
        return (500 if self.wrong == f"failing {of}" else 200), body, {}

    def post(self, path: str, form: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        asked = self._codes.pop(form.get("code", ""), None)
        if path != "/token" or asked is None:
            return 400, b"{}", {}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        same = all(form[name] == asked[name] for name in ("client_id", "redirect_uri"))
        if asked["code_challenge"] != challenge or not same or asked["scope"] != "openid":
            return 400, b"{}", {}
        return 200, json.dumps({"id_token": self.token(nonce=asked["nonce"])}).encode(), {}


@contextlib.contextmanager
def provider_running() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(parts.path, provider.get(parts.path, _single(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._reply(self.path, provider.post(self.path, _single(body)))

        def _reply(self, path: str, answer: tuple[int, bytes, dict[str, str]]) -> None:
            provider.asked[path] = provider.asked.get(path, 0) + 1
            status, body, headers = answer
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # who has read enough goes
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


FOREIGN = ECKey.generate_key("P-256", {"kid": "first"})
"""A key of the same name that is not the provider's."""

RSA = RSAKey.generate_key(2048, {"kid": "first"})


def symmetric(provider: Provider, token: str) -> str:
    """Sign a token anew with the public key as a shared secret, as a verifier that trusts the header would take it."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": provider.key.kid}).encode()).rstrip(b"=")
    signed = head + b"." + token.split(".")[1].encode()
    digest = hmac.digest(provider.key.as_pem(private=False), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()
