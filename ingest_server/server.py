"""Runs the receiver under uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from event_model.clock import Clock
from event_model.errors import ReceiverError
from ingest_server.app import create_app
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects
from ingest_server.settings import ReceiverSettings

__all__ = ["ReceiverSettings", "create_app", "serve", "serve_app"]

GRACE_S = 20
"""How long requests under way may take to end when the receiver is stopped."""

BACKLOG = 2048
"""Connections that may wait to be accepted: a whole company's timers fire within the same minute."""


def serve(
    settings: ReceiverSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] | None = None,
    clock: Clock | None = None,
    objects: Objects | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished first, then the signal takes its course.

    ``ready`` is called with the base URL once connections are accepted; port 0 takes a free one. ReceiverError: if the
    address can't be bound. StoreUnwritable: if the data directory can't be opened.
    """
    app = create_app(settings, clock, objects=objects, metadata=metadata)
    asyncio.run(serve_app(app, host=host, port=port, ready=ready))


async def serve_app(app: Starlette, *, host: str, port: int, ready: Callable[[str], None] | None) -> None:
    """Serve an application that is already built; see ``serve``."""
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    try:
        # The socket listens already: what connects from here on is served as soon as the loop turns.
        if ready is not None:
            ready(_base_url(listener))
        await server.serve(sockets=[listener])
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        hint = "Another program may use this port; choose another, or 0 for any free one."
        raise ReceiverError(f"can't listen on {host}:{port}: {error}", status=503, code="address", hint=hint) from error
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with it an answer waits 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
