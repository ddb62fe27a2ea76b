"""Runs the receiver under uvicorn."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette

from event_model.clock import Clock
from event_model.errors import ReceiverError
from ingest_server.app import create_app
from ingest_server.intake import WorkerIntake
from ingest_server.operations import Log
from ingest_server.segment_worker import WorkerSpec, settle_memory
from ingest_server.settings import ReceiverSettings
from ingest_server.stores import StoreSettings

Tls = tuple[Path, Path]
"""A certificate chain and its private key, PEM files."""

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
    stores: StoreSettings | None = None,
    workers: int = 0,
    log: Log | None = None,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished first, then the signal takes its course.

    ``ready`` is called with the base URL once connections are accepted; port 0 takes a free one. ``tls`` names a
    certificate chain and its key. So many ``workers`` store segments, in processes beside this one; with 0 it does so
    itself. ReceiverError: if the address can't be bound or the certificate is no good. StoreUnwritable: if the stores
    can't be opened.
    """
    stores = stores or StoreSettings(str(settings.data))
    objects, metadata = stores.open()
    app = create_app(
        settings, clock, objects=objects, metadata=metadata, log=log,
        workers=WorkerIntake(_spec(settings, stores), workers) if workers else None,
    )  # fmt: skip
    asyncio.run(serve_app(app, host=host, port=port, ready=ready, tls=tls))


def _spec(settings: ReceiverSettings, stores: StoreSettings) -> bytes:
    studies = tuple(signed.raw for signed in settings.studies)
    return msgspec.msgpack.encode(WorkerSpec(stores, studies, settings.key.seed.reveal()))


async def serve_app(
    app: Starlette, *, host: str, port: int, ready: Callable[[str], None] | None, tls: Tls | None = None
) -> None:
    """Serve an application that is already built; see ``serve``."""
    settle_memory()
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
        lifespan="on",
        ssl_certfile=None if tls is None else tls[0],
        ssl_keyfile=None if tls is None else tls[1],
    )
    _load(config)
    server = _Server(config)
    if ready is not None:
        server.on_startup = partial(ready, _base_url(listener, scheme="http" if tls is None else "https"))
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """Says when it serves: what it needs has been started then, and connections are accepted."""

    on_startup: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_startup is not None and not self.should_exit:
            self.on_startup()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        hint = "Another program may use this port; choose another, or 0 for any free one."
        raise ReceiverError(f"can't listen on {host}:{port}: {error}", status=503, code="address", hint=hint) from error
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with it an answer waits 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _load(config: uvicorn.Config) -> None:
    """Read certificate and key. ReceiverError: if they are no good."""
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        hint = "Give a PEM file with the whole chain, and the key that belongs to it, without a passphrase."
        raise ReceiverError(f"the certificate can't be used: {error}", status=503, code="tls", hint=hint) from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2


def _base_url(listener: socket.socket, *, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
