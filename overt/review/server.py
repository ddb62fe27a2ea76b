"""Runs the page: a loopback socket, one process, until it is stopped or nobody has looked for a while."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from event_model.errors import OvertError
from local_store.files import PRIVATE_FILE, make_private_folder
from overt.device import Device
from overt.review.app import Desk, make_app
from overt.review.assets import STYLE
from overt.review.guard import App, Gatehouse, Guard

LOOK_S = 1.0

SWITCH_S = 0.001
"""A page is asked for while segments are being read on another thread: it should not wait five times as long."""

REHEARSED = ("/", "/timeline", "/uploads", "/studies", "/settings", "/forget")
"""Pages that are drawn once before anyone looks, so that what they load and derive is there for the first visit."""

CONNECTIONS = 32
"""One person's browser needs six."""


async def serve(
    device: Device,
    *,
    port: int = 0,
    open_browser: bool = True,
    idle_s: float | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the page until it is idle or interrupted. ``ready`` is told the address that opens it, once.

    ``idle_s`` is how long nobody need look at it; without it, what the person set holds.

    OvertError: if the port is taken.
    """
    sys.setswitchinterval(SWITCH_S)
    listening = _listen(port)
    guard = Guard(listening.getsockname()[1], now_ms=device.clock.monotonic_ms())
    desk = Desk(device, guard)
    last_used = device.clock.monotonic_ms()

    def used() -> None:
        nonlocal last_used
        last_used = device.clock.monotonic_ms()

    desk.used = used
    pages = make_app(desk)
    app = Gatehouse(pages, guard, style=STYLE, now_ms=device.clock.monotonic_ms, used=used)
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    pointer = device.home / "review.html"

    async def watch() -> None:
        await desk.warm()
        for path in REHEARSED:
            await _rehearse(pages, path)
        ready(guard.address)
        if open_browser:
            await asyncio.to_thread(_open, guard.address, pointer)
        while not server.should_exit:
            await asyncio.sleep(LOOK_S)
            allowed_s = desk.preferences.idle_s if idle_s is None else idle_s
            if desk.jobs.busy:
                used()
            if device.clock.monotonic_ms() - last_used > allowed_s * 1000:
                server.should_exit = True
        desk.closing.set()

    watching = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        with contextlib.suppress(OSError):
            pointer.unlink(missing_ok=True)
        await desk.close()
        listening.close()


async def _rehearse(app: App, path: str) -> None:
    """Draw a page for nobody. What goes wrong is shown when somebody asks for it."""
    headers = [(b"host", b"127.0.0.1"), (b"accept-language", b"en")]
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "overt.form": {},
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: object) -> None:
        pass

    with contextlib.suppress(Exception):
        await app(scope, receive, send)


def _listen(port: int) -> socket.socket:
    # The protocol is named, because asyncio switches Nagle's delay (40 ms an answer) off only where it is.
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()  # who comes before the server is up waits a moment
    except OSError as error:
        made.close()
        raise OvertError(
            f"port {port} can't be used: {error.strerror}", code="port-taken", hint="Leave --port out."
        ) from error
    return made


def _open(address: str, pointer: Path) -> None:
    """Open the browser by a private file: a command line with the token in it could be read by other users."""
    try:
        make_private_folder(pointer.parent)
        with contextlib.suppress(FileNotFoundError):
            pointer.unlink()
        handle = os.open(pointer, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            target = html.escape(address, quote=True)
            file.write(
                '<!doctype html><html lang="en"><meta charset="utf-8"><title>overt</title>'
                f'<meta http-equiv="refresh" content="0;url={target}"><p><a href="{target}">overt</a></p></html>\n'
            )
        webbrowser.open(pointer.absolute().as_uri())
    except (OSError, webbrowser.Error):
        return  # the address stands in the terminal
