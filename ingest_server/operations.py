"""What an operator sees: counts and times by route, and one line of JSON per request; never whom a request was about.

Labels and lines hold the route's template, not its address: pseudonyms, segment numbers and bodies appear in neither.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest_server.metadata import Metadata

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Edges of the histogram: two fsyncs take 5 ms, a stalled disk or database seconds."""

UNKNOWN = "unknown"
"""The label of everything that has no route."""

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST"})

Log = Callable[[Mapping[str, Any]], None]


class Metrics:
    """The receiver's figures, of one process; Prometheus adds replicas up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "overt_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "overt_request_seconds", "From head to answer.", ("route",), buckets=SECONDS, registry=self._registry
        )
        self.bytes = Counter("overt_body_bytes", "Body bytes taken.", ("route",), registry=self._registry)
        self.under_way = Gauge("overt_requests_under_way", "Requests not yet answered.", registry=self._registry)
        self._erasing = Gauge(
            "overt_erasures_waiting", "1 while erased rows still lie in the database's log.", registry=self._registry
        )
        self._labelled: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}

    def watch(self, metadata: Metadata) -> None:
        """Show whether the notes have erased rows left to overwrite."""
        self._erasing.set_function(lambda: float(metadata.erasing))

    def answered(self, route: str, method: str, status: int, *, seconds: float, size: int) -> None:
        """Count an answer: its route's template, and the body's bytes."""
        found = self._labelled.get((route, method, status))
        if found is None:  # Looking labels up costs as much as all the counting.
            requests = self.requests.labels(route, method, str(status))
            found = requests, self.seconds.labels(route), self.bytes.labels(route)
            self._labelled[route, method, status] = found
        requests, times, sizes = found
        requests.inc()
        times.observe(seconds)
        sizes.inc(size)

    def text(self) -> bytes:
        """Write them in Prometheus' text format."""
        return generate_latest(self._registry)


class Watched:
    """An application whose requests are counted, timed and, if asked for, logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Mapping[Any, str], log: Log | None) -> None:
        """``routes`` gives the template of each endpoint."""
        self._app = app
        self._metrics = metrics
        self._routes = routes
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), 500, 0

        async def count_body() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.under_way.inc()
        try:
            await self._app(scope, count_body, note_status)
        finally:
            self._metrics.under_way.dec()
            self._note(scope, status, size, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        route = self._routes.get(scope.get("endpoint"), UNKNOWN)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(route, method, status, seconds=seconds, size=size)
        if self._log is not None:
            self._log(
                {"event": "request", "route": route, "method": method, "status": status, "bytes": size,
                 "ms": round(seconds * 1000, 1)}
            )  # fmt: skip


def log_to_stderr(line: Mapping[str, Any]) -> None:
    """Write a line of JSON, with its time in Unix milliseconds."""
    data = msgspec.json.encode({"at_ms": time.time_ns() // 1_000_000, **line})
    sys.stderr.write(data.decode() + "\n")
    sys.stderr.flush()
