"""Whom the server lets speak at all: the path, the Host and the Origin of a connection, each exact. Pure.

Pages on this machine, pages that rebind a name to loopback, and other extensions fail here, before a byte of the
protocol. A local program can write any header: it fails at the handshake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PATH = "/overt"
CHROMIUM_ID = "fmhepkjmpkclcdnaaiehckedkjmeibll"
"""The extension's id in Chromium: it follows from the public key in its manifest."""

FIREFOX_ID = "browser@overt.invalid"
"""The extension's id in Firefox, which native messaging checks; its origin is another one in every profile."""

_FIREFOX_ORIGIN = re.compile(r"moz-extension://[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")


def is_extension(origin: str) -> bool:
    """Say whether an origin is one that the extension can have."""
    return origin == f"chrome-extension://{CHROMIUM_ID}" or _FIREFOX_ORIGIN.match(origin) is not None


def admits(*, path: str, hosts: Iterable[str], origins: Iterable[str], port: int) -> bool:
    """Say whether a request may become a connection: each header there once, and exact."""
    hosts, origins = list(hosts), list(origins)
    return path == PATH and hosts == [f"127.0.0.1:{port}"] and len(origins) == 1 and is_extension(origins[0])
