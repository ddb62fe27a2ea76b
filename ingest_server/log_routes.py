"""The audit log's HTTP face: anyone who knows a study's name may read; its members may state."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.errors import ReceiverError
from event_model.ids import StudyId
from event_model.signed import MAX_DOCUMENT_BYTES
from ingest_server.http import json_answer, read_body
from ingest_server.log_service import StudyLogs

_LOG = "/v1/studies/{study}/log"


class _Statements(msgspec.Struct, frozen=True):
    statements: list[msgspec.Raw]


class LogRoutes:
    """The routes below ``/v1/studies/{study}/log``."""

    def __init__(self, logs: StudyLogs) -> None:
        self._logs = logs

    def routes(self) -> list[Route]:
        """Give them."""
        return [
            Route(f"{_LOG}/checkpoint", self._checkpoint, methods=["GET"]),
            Route(f"{_LOG}/entries", self._entries, methods=["GET"]),
            Route(f"{_LOG}/inclusion", self._inclusion, methods=["GET"]),
            Route(f"{_LOG}/consistency", self._consistency, methods=["GET"]),
            Route(_LOG, self._state, methods=["POST"]),
        ]

    async def _checkpoint(self, request: Request) -> Response:
        return Response(await self._logs.checkpoint(_study(request)), media_type="text/plain")

    async def _entries(self, request: Request) -> Response:
        entries = await self._logs.entries(_study(request), _number(request, "start"), _number(request, "end"))
        return json_answer(200, {"entries": entries})

    async def _inclusion(self, request: Request) -> Response:
        path = await self._logs.inclusion(_study(request), _number(request, "index"), _number(request, "size"))
        return json_answer(200, {"path": path})

    async def _consistency(self, request: Request) -> Response:
        path = await self._logs.consistency(_study(request), _number(request, "first"), _number(request, "second"))
        return json_answer(200, {"path": path})

    async def _state(self, request: Request) -> Response:
        data = await read_body(request.scope, request.receive, MAX_DOCUMENT_BYTES)
        try:
            documents = msgspec.json.decode(data, type=_Statements).statements
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ReceiverError("not a list of statements", status=403, code="statement-refused") from error
        return json_answer(201, await self._logs.state(_study(request), [bytes(each) for each in documents]))


def _study(request: Request) -> StudyId:
    return StudyId(request.path_params["study"])


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise ReceiverError(f"{name} must be a number", status=400, code="query-malformed")
    return int(text)
