"""The receiver's HTTP face: routes, body limits, and errors as JSON."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from event_model.clock import Clock, SystemClock
from event_model.envelope import MAX_ENVELOPE_BYTES
from event_model.errors import AuditError, OvertError, ReceiverError
from event_model.ids import Pseudonym, StudyId
from event_model.invitations import HEADER as INVITATION_HEADER
from event_model.keys import encode_key
from event_model.roles import STUDY_ROLES, Roles, StudyRoles, read_roles
from event_model.sign_on import TOKEN_HEADER, SignOnSettings
from event_model.signed import MAX_DOCUMENT_BYTES, open_document
from ingest_server.answers import Answer
from ingest_server.enrolment import Enrolments
from ingest_server.http import gone, json_answer, problem, read_body, refusal_of
from ingest_server.intake import WorkerIntake
from ingest_server.janitor import Janitor
from ingest_server.log_routes import LogRoutes
from ingest_server.log_service import StudyLogs
from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects
from ingest_server.operation_routes import OperationRoutes
from ingest_server.operations import Log, Metrics, Watched, log_to_stderr
from ingest_server.rate_limit import RateLimit, TooOften
from ingest_server.request_proof import check_request, proof_of
from ingest_server.rows import Participant
from ingest_server.segments import Upload
from ingest_server.service import Receiver
from ingest_server.settings import RATE_BURST, ReceiverSettings
from ingest_server.sqlite_metadata import SqliteMetadata

_SEGMENT_METHOD = "PUT"

_PARTICIPANT = "/v1/studies/{study}/participants/{pseudonym}"


def create_app(
    settings: ReceiverSettings,
    clock: Clock | None = None,
    *,
    objects: Objects | None = None,
    metadata: Metadata | None = None,
    log: Log | None = None,
    workers: WorkerIntake | None = None,
) -> Starlette:
    """Build the receiver as an ASGI application.

    Objects and notes lie under ``settings.data`` unless other stores are handed in; ``log`` is told of each request.
    ``workers`` work on the same stores; without them this process stores segments itself.
    StoreUnwritable: if the stores can't be opened.
    """
    notes = metadata or SqliteMetadata(settings.data / "receiver.sqlite3")
    clock = clock or SystemClock()
    things = objects or DirectoryObjects(settings.data)
    owners = {signed.payload.id: signed.key for signed in settings.studies}
    sign_on = None
    if settings.sign_on is not None:
        from ingest_server.sign_on import SignOn  # noqa: PLC0415 - only who asks for it pays for it

        sign_on = SignOn(settings.sign_on, secret=settings.key.seed, clock=clock)
    enrolments = Enrolments(owners, metadata=notes, clock=clock, invited_only=settings.invited_only, sign_on=sign_on)
    receiver = Receiver(
        settings.studies, key=settings.key, objects=things, metadata=notes, clock=clock, enrolments=enrolments,
        intake=workers,
    )  # fmt: skip
    logs = StudyLogs(study_roles(settings), key=settings.key, metadata=notes, clock=clock)
    limit = RateLimit(per_minute=settings.rate_per_minute, burst=min(RATE_BURST, settings.rate_per_minute))
    metrics = Metrics()
    metrics.watch(notes)
    routes = _Routes(
        receiver, enrolments, key=encode_key(settings.key.verify_key.raw), limit=limit, clock=clock,
        sign_on=settings.sign_on,
    )  # fmt: skip
    about = OperationRoutes(notes, things, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        sweeping = None
        await notes.finish_erasing()
        if workers is not None:
            await workers.start()
        if settings.sweep_every_s is not None:
            janitor = Janitor(settings.retention_days, objects=things, metadata=notes, clock=clock)
            sweeping = asyncio.create_task(janitor.keep_sweeping(settings.sweep_every_s, log or log_to_stderr))
        yield
        if sweeping is not None:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
        if workers is not None:
            await workers.close()
        notes.close()

    segments = Route(
        f"{_PARTICIPANT}/segments/{{epoch}}/{{number}}", _Application(routes.segment), methods=[_SEGMENT_METHOD]
    )
    table = [
        segments,
        *about.routes(),
        Route("/v1/receiver", routes.describe, methods=["GET"]),
        Route(f"{_PARTICIPANT}/consent", routes.consent, methods=["PUT"]),
        Route(f"{_PARTICIPANT}/deletions", routes.deletion, methods=["POST"]),
        Route("/v1/studies/{study}/manifest", routes.manifest, methods=["GET"]),
        Route("/v1/studies/{study}/revocations", routes.revocation, methods=["POST"]),
        *LogRoutes(logs).routes(),
    ]
    templates = {route.endpoint: route.path for route in table}
    return Starlette(
        routes=table,
        middleware=[
            Middleware(Watched, metrics=metrics, routes=templates, log=log),
            Middleware(_Shortcut, route=segments),
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
    def __init__(
        self,
        receiver: Receiver,
        enrolments: Enrolments,
        *,
        key: str,
        limit: RateLimit,
        clock: Clock,
        sign_on: SignOnSettings | None,
    ) -> None:
        self._sign_on = sign_on
        self._receiver = receiver
        self._enrolments = enrolments
        self._key = key
        self._limit = limit
        self._clock = clock

    async def describe(self, _request: Request) -> Response:
        studies = [{"id": study, "versions": versions} for study, versions in sorted(self._receiver.studies.items())]
        about = {"service": "overt-receiver", "version": 1, "key": self._key, "studies": studies}
        return json_answer(200, about if self._sign_on is None else {**about, "sign_on": self._sign_on})

    async def manifest(self, request: Request) -> Response:
        data = self._receiver.manifest(StudyId(request.path_params["study"]))
        return Response(data, media_type="application/json")

    async def consent(self, request: Request) -> Response:
        participant = self._participant(request.path_params)
        data = await self._signed_body(request, participant)
        shown = request.headers.get(INVITATION_HEADER), request.headers.get(TOKEN_HEADER)
        return _answer(await self._receiver.put_consent(participant, data, *shown))

    async def revocation(self, request: Request) -> Response:
        data = await read_body(request.scope, request.receive, MAX_DOCUMENT_BYTES)
        await self._enrolments.revoke(StudyId(request.path_params["study"]), data)
        return json_answer(201, {"revoked": True})

    async def segment(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a segment: an application by itself, since what Starlette puts around a function costs as much."""
        try:
            answer = await self._segment(scope, receive)
        except OvertError as error:
            await refusal_of(error)(scope, receive, send)
        except ClientDisconnect:
            await gone()(scope, receive, send)
        else:
            headers = [(b"content-length", b"%d" % len(answer.body)), (b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": answer.outcome.value, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _segment(self, scope: Scope, receive: Receive) -> Answer:
        path: dict[str, str] = scope["path_params"]
        participant = self._participant(path)
        epoch, number = _number(path["epoch"]), _number(path["number"])
        proof = proof_of(scope)
        data = await read_body(scope, receive, MAX_ENVELOPE_BYTES)
        return await self._receiver.put_segment(Upload(participant, epoch, number, data, proof))

    async def deletion(self, request: Request) -> Response:
        participant = self._participant(request.path_params)
        data = await self._signed_body(request, participant)
        return _answer(await self._receiver.delete(participant, data))

    async def _signed_body(self, request: Request, participant: Participant) -> bytes:
        """Read a document whose request a participant's own key has signed. ReceiverError: 401, 404, 408, 413."""
        self._receiver.known(participant.study)
        data = await read_body(request.scope, request.receive, MAX_DOCUMENT_BYTES)
        digest = hashlib.sha256(data).digest()
        check_request(proof_of(request.scope), participant, digest, now_ms=self._clock.wall_ms())
        return data

    def _participant(self, path: Mapping[str, str]) -> Participant:
        """Say whom a request is about. ReceiverError: 429, if that installation asks too often."""
        participant = Participant(StudyId(path["study"]), Pseudonym(path["pseudonym"]))
        wait_ms = self._limit.wait_ms(participant, self._clock.monotonic_ms())
        if wait_ms:
            raise TooOften(-(-wait_ms // 1000))
        return participant


class _Application:
    """What Starlette calls as it is, without a wrapper."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Shortcut:
    """Takes the requests of one route past routing and Starlette's layers, which answer the others."""

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._pattern = route.path_regex
        self._endpoint = route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = None
        if scope["type"] == "http" and scope["method"] == _SEGMENT_METHOD:
            match = self._pattern.match(scope["path"])
        if match is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"], scope["path_params"] = self._endpoint, match.groupdict()
        await self._endpoint(scope, receive, send)


def _number(text: str) -> int:
    """Read a number from the path; one spelling each, so that a segment has one address."""
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or (text != "0" and text.startswith("0")):
        raise ReceiverError("no such address", status=404, code="not-found")
    return int(text)


def _answer(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.outcome.value, media_type="application/json")


async def _overt_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OvertError)
    return refusal_of(error)


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    response = problem(status, "not-found" if status == 404 else "not-allowed", "no such address or method")
    for name, value in (getattr(error, "headers", None) or {}).items():
        response.headers[name] = value
    return response


async def _gone(_request: Request, _error: Exception) -> Response:
    return gone()


async def _crash(_request: Request, _error: Exception) -> Response:
    return problem(500, "internal", "the receiver failed")
