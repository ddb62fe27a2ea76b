"""The receiver's HTTP face: routes, body limits, and errors as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.clock import Clock, SystemClock
from event_model.envelope import MAX_ENVELOPE_BYTES
from event_model.errors import OvertError, ReceiverError, StoreError
from event_model.ids import Pseudonym, StudyId
from event_model.keys import encode_key
from event_model.signed import MAX_DOCUMENT_BYTES
from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects
from ingest_server.rows import Participant
from ingest_server.service import Answer, Receiver
from ingest_server.settings import BODY_DEADLINE_S, ReceiverSettings
from ingest_server.sqlite_metadata import SqliteMetadata

RETRY_AFTER_S = 30
"""What a sender is told to wait when the disk or the database fails."""

_PARTICIPANT = "/v1/studies/{study}/participants/{pseudonym}"


def create_app(
    settings: ReceiverSettings,
    clock: Clock | None = None,
    *,
    objects: Objects | None = None,
    metadata: Metadata | None = None,
) -> Starlette:
    """Build the receiver as an ASGI application.

    Objects and notes lie under ``settings.data`` unless other stores are handed in. StoreUnwritable: if they can't be
    opened.
    """
    notes = metadata or SqliteMetadata(settings.data / "receiver.sqlite3")
    receiver = Receiver(
        settings.studies,
        key=settings.key,
        objects=objects or DirectoryObjects(settings.data),
        metadata=notes,
        clock=clock or SystemClock(),
    )
    routes = _Routes(receiver, key=encode_key(settings.key.verify_key.raw))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        notes.close()

    return Starlette(
        routes=[
            Route("/healthz", routes.health, methods=["GET"]),
            Route("/v1/receiver", routes.describe, methods=["GET"]),
            Route(f"{_PARTICIPANT}/consent", routes.consent, methods=["PUT"]),
            Route(f"{_PARTICIPANT}/segments/{{epoch}}/{{number}}", routes.segment, methods=["PUT"]),
            Route(f"{_PARTICIPANT}/deletions", routes.deletion, methods=["POST"]),
        ],
        exception_handlers={
            OvertError: _overt_error,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _crash,
        },
        lifespan=lifespan,
    )


class _Routes:
    def __init__(self, receiver: Receiver, *, key: str) -> None:
        self._receiver = receiver
        self._key = key

    async def health(self, _request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def describe(self, _request: Request) -> Response:
        studies = [{"id": study, "versions": versions} for study, versions in sorted(self._receiver.studies.items())]
        return _json(200, {"service": "overt-receiver", "version": 1, "key": self._key, "studies": studies})

    async def consent(self, request: Request) -> Response:
        data = await _body(request, MAX_DOCUMENT_BYTES)
        return _answer(await self._receiver.put_consent(_participant(request), data))

    async def segment(self, request: Request) -> Response:
        epoch, number = _number(request, "epoch"), _number(request, "number")
        data = await _body(request, MAX_ENVELOPE_BYTES)
        return _answer(await self._receiver.put_segment(_participant(request), epoch, number, data))

    async def deletion(self, request: Request) -> Response:
        data = await _body(request, MAX_DOCUMENT_BYTES)
        return _answer(await self._receiver.delete(_participant(request), data))


def _participant(request: Request) -> Participant:
    return Participant(StudyId(request.path_params["study"]), Pseudonym(request.path_params["pseudonym"]))


def _number(request: Request, name: str) -> int:
    """Read a number from the path; one spelling each, so that a segment has one address."""
    text: str = request.path_params[name]
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or (text != "0" and text.startswith("0")):
        raise ReceiverError("no such address", status=404, code="not-found")
    return int(text)


async def _body(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes. ReceiverError: 408, 413."""
    declared = request.headers.get("content-length", "0")
    if len(declared) > 15 or int(declared) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError as error:
        raise ReceiverError("the body took too long", status=408, code="body-timeout") from error
    return bytes(data)


def _too_large(limit: int) -> ReceiverError:
    return ReceiverError(f"a body has at most {limit} bytes here", status=413, code="body-too-large")


def _answer(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.outcome.value, media_type="application/json")


def _json(status: int, content: object) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def _problem(status: int, code: str, message: str) -> Response:
    return _json(status, {"code": code, "message": message})


async def _overt_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, ReceiverError):
        response = _problem(error.status, error.code, error.message)
        if error.status == 413:
            response.headers["connection"] = "close"
        return response
    if isinstance(error, StoreError):
        response = _problem(503, "unavailable", "the receiver can't store anything at present")
        response.headers["retry-after"] = str(RETRY_AFTER_S)
        return response
    return _problem(500, "internal", "the receiver failed")


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _problem(status, "not-found" if status == 404 else "not-allowed", "no such address or method")


async def _gone(_request: Request, _error: Exception) -> Response:
    return _problem(400, "disconnected", "the sender went away")


async def _crash(_request: Request, _error: Exception) -> Response:
    return _problem(500, "internal", "the receiver failed")
