"""What an operator and a load balancer ask: whether the process lives, whether it can store, figures, the interface."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.errors import StoreError
from ingest_server import openapi
from ingest_server.http import json_answer, problem
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects
from ingest_server.operations import Metrics
from ingest_server.settings import READY_S

_PROBE = "probe/none"
"""An object that is never there: asking for it shows that the store answers."""


class OperationRoutes:
    """The routes that are about no study."""

    def __init__(self, metadata: Metadata, objects: Objects, metrics: Metrics) -> None:
        self._metadata = metadata
        self._objects = objects
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Give them."""
        return [
            Route("/healthz", self._health, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._figures, methods=["GET"]),
            Route("/openapi.json", self._openapi, methods=["GET"]),
        ]

    async def _health(self, _request: Request) -> Response:
        return json_answer(200, {"status": "ok"})

    async def _ready(self, _request: Request) -> Response:
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.gather(self._metadata.deletion(""), self._objects.get(_PROBE))
        except (StoreError, TimeoutError):
            return problem(503, "unavailable", "the database or the object store does not answer")
        return json_answer(200, {"status": "ready"})

    async def _figures(self, _request: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain")

    async def _openapi(self, _request: Request) -> Response:
        return json_answer(200, openapi.document())
