"""A page with planted strings: serves it, does with it what its file says, and knows what to look for."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.browser_hands import Hands

SHORTEST = 4
"""Characters of a string that is looked for: a digit stands everywhere."""


class Typed(msgspec.Struct, frozen=True):
    """A string that is typed: ``steps`` lead to the field, the last one types."""

    name: str
    value: str
    steps: list[list[Any]]
    secret_field: bool = False


class Canaries(msgspec.Struct, frozen=True):
    """What to do with a page, and every string that may not be found.

    ``never`` names those that no level allows, ``secret_fields`` is the list of the study.
    """

    url_path: str
    typed: list[Typed]
    static: dict[str, str]
    files: dict[str, str] = {}
    after: list[list[Any]] = []
    never: list[str] = []
    secret_fields: list[str] = []

    @property
    def strings(self) -> dict[str, str]:
        """Every canary by its name, but those too short to be found: they may only give no event."""
        typed = {each.name: each.value for each in self.typed if len(each.value) >= SHORTEST}
        return {**typed, **self.static}


def read_canaries(path: Path) -> Canaries:
    """Read a file such as canaries.json. msgspec.ValidationError: if it is none."""
    return msgspec.json.decode(path.read_bytes(), type=Canaries)


@contextlib.contextmanager
def serve_page(page: bytes, files: Mapping[str, str], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve a page at every path but those of its files; gives the origin, of https where there is a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            body = files[path].encode() if path in files else page
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "session=CANCOOKIEvalue")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's names
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class SecretField(msgspec.Struct, frozen=True):
    """A secret field as it was used: its structural path, and between which times (Unix, ms) it was typed into."""

    path: str
    first_ms: int
    last_ms: int


def is_of_secret(stored: Mapping[str, Any], secrets: Sequence[SecretField]) -> bool:
    """Say whether an event is about a secret field: by the element's path, or by keys at the time of typing."""
    event = stored["event"]
    body = event["body"]
    paths = {each.path for each in secrets}
    if (body.get("element") or {}).get("path") in paths - {""}:
        return True
    if body["kind"] not in {"key.rhythm", "field.change", "clipboard"}:
        return False
    return any(each.first_ms <= event["wall_ms"] <= each.last_ms for each in secrets)


async def act(hands: Hands, canaries: Canaries) -> list[SecretField]:
    """Do everything that the file says, in its order; gives the secret fields as they were used."""
    secrets: list[SecretField] = []
    for typed in canaries.typed:
        *before, last = typed.steps
        await _do(hands, before, "")
        path = await hands.focused_path() if typed.secret_field else ""
        first_ms = _now_ms()
        await _do(hands, [last], typed.value)
        if typed.secret_field:
            secrets.append(SecretField(path, first_ms, _now_ms()))
    await _do(hands, canaries.after, "")
    return secrets


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _do(hands: Hands, steps: Sequence[Sequence[Any]], value: str) -> None:
    frame: str | None = None
    for step, *arguments in steps:
        match step:
            case "frame":
                frame = arguments[0]
            case "click":
                count = int(arguments[1].get("clickCount", 1)) if len(arguments) > 1 else 1
                await hands.click(arguments[0], frame, count)
            case "press":
                await hands.press(arguments[0])
            case "type":
                await hands.type(value)
            case "eval":
                await hands.evaluate(arguments[0])
            case "select":
                await hands.select(arguments[0], arguments[1], frame)
            case "move":
                await hands.move(*(float(each) for each in arguments))
            case _:
                raise ValueError(f"unknown step {json.dumps(step)}")
