"""The receiver's HTTP face: routes, body limits, and errors as JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from event_model.clock import Clock, SystemClock
from event_model.envelope import MAX_ENVELOPE_BYTES
from event_model.errors import AuditError, OvertError, ReceiverError, StoreError
from event_model.ids import Pseudonym, StudyId
from event_model.keys import encode_key
from event_model.roles import STUDY_ROLES, Roles, StudyRoles, read_roles
from event_model.signed import MAX_DOCUMENT_BYTES, open_document
from ingest_server.http import json_answer, problem, read_body
from ingest_server.log_routes import LogRoutes
from ingest_server.log_service import StudyLogs
from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects
from ingest_server.rows import Participant
from ingest_server.service import Answer, Receiver
from ingest_server.settings import ReceiverSettings
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
    clock = clock or SystemClock()
    receiver = Receiver(
        settings.studies,
        key=settings.key,
        objects=objects or DirectoryObjects(settings.data),
        metadata=notes,
        clock=clock,
    )
    logs = StudyLogs(study_roles(settings), key=settings.key, metadata=notes, clock=clock)
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
            *LogRoutes(logs).routes(),
        ],
        exception_handlers={
            OvertError: _overt_error,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _crash,
        },
        lifespan=lifespan,
    )


def study_roles(settings: ReceiverSettings) -> dict[StudyId, Roles]:
    """Read who does what in each study. OvertError: if a list is malformed, or of no study that is served."""
    owners = {signed.payload.id: signed.key for signed in settings.studies}
    lists = {open_document(STUDY_ROLES, data, StudyRoles).payload.study: data for data in settings.roles}
    for study in lists.keys() - owners.keys():
        raise AuditError(f"a list of roles is of {study}, which is not served", code="roles-foreign")
    return {study: read_roles(lists.get(study), study=study, owner=key) for study, key in owners.items()}


class _Routes:
    def __init__(self, receiver: Receiver, *, key: str) -> None:
        self._receiver = receiver
        self._key = key

    async def health(self, _request: Request) -> Response:
        return json_answer(200, {"status": "ok"})

    async def describe(self, _request: Request) -> Response:
        studies = [{"id": study, "versions": versions} for study, versions in sorted(self._receiver.studies.items())]
        return json_answer(200, {"service": "overt-receiver", "version": 1, "key": self._key, "studies": studies})

    async def consent(self, request: Request) -> Response:
        data = await read_body(request, MAX_DOCUMENT_BYTES)
        return _answer(await self._receiver.put_consent(_participant(request), data))

    async def segment(self, request: Request) -> Response:
        epoch, number = _number(request, "epoch"), _number(request, "number")
        data = await read_body(request, MAX_ENVELOPE_BYTES)
        return _answer(await self._receiver.put_segment(_participant(request), epoch, number, data))

    async def deletion(self, request: Request) -> Response:
        data = await read_body(request, MAX_DOCUMENT_BYTES)
        return _answer(await self._receiver.delete(_participant(request), data))


def _participant(request: Request) -> Participant:
    return Participant(StudyId(request.path_params["study"]), Pseudonym(request.path_params["pseudonym"]))


def _number(request: Request, name: str) -> int:
    """Read a number from the path; one spelling each, so that a segment has one address."""
    text: str = request.path_params[name]
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or (text != "0" and text.startswith("0")):
        raise ReceiverError("no such address", status=404, code="not-found")
    return int(text)


def _answer(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.outcome.value, media_type="application/json")


async def _overt_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, ReceiverError):
        response = problem(error.status, error.code, error.message)
        if error.status == 413:
            response.headers["connection"] = "close"
        return response
    if isinstance(error, StoreError):
        response = problem(503, "unavailable", "the receiver can't store anything at present")
        response.headers["retry-after"] = str(RETRY_AFTER_S)
        return response
    return problem(500, "internal", "the receiver failed")


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return problem(status, "not-found" if status == 404 else "not-allowed", "no such address or method")


async def _gone(_request: Request, _error: Exception) -> Response:
    return problem(400, "disconnected", "the sender went away")


async def _crash(_request: Request, _error: Exception) -> Response:
    return problem(500, "internal", "the receiver failed")
