"""What every route needs: bodies of a bounded size in bounded time, and answers and refusals as JSON."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope

from event_model.errors import OvertError, ReceiverError, StoreError
from ingest_server.rate_limit import TooOften
from ingest_server.settings import BODY_DEADLINE_S, DRAIN_BYTES, DRAIN_S

RETRY_AFTER_S = 30
"""What a sender is told to wait when the disk or the database fails."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes. ReceiverError: 408, 413. ClientDisconnect: if its sender went away."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if len(declared) > 15 or int(declared) > limit:
        await _drain(receive)
        raise _too_large(limit)
    chunks, size, more = [], 0, True
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while more:
                chunk, more = await _chunk(receive)
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    await _drain(receive)
                    raise _too_large(limit)
    except TimeoutError as error:
        raise ReceiverError("the body took too long", status=408, code="body-timeout") from error
    return b"".join(chunks)


async def _drain(receive: Receive) -> None:
    """Read some more of a body that is too large, and forget it.

    Closing with unread bytes resets the connection, and the sender never sees why. Who sends much more is reset.
    """
    read, more = 0, True
    try:
        async with asyncio.timeout(DRAIN_S):
            while more and read <= DRAIN_BYTES:
                chunk, more = await _chunk(receive)
                read += len(chunk)
    except TimeoutError:
        return


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    """Wait for a piece of a body, and say whether there is more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def json_answer(status: int, content: object) -> Response:
    """Write an answer as JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def problem(status: int, code: str, message: str) -> Response:
    """Write a refusal."""
    return json_answer(status, {"code": code, "message": message})


def refusal_of(error: OvertError) -> Response:
    """Write what a request is told that ended in an error."""
    if isinstance(error, ReceiverError):
        response = problem(error.status, error.code, error.message)
        if error.status == 413:
            response.headers["connection"] = "close"
        if isinstance(error, TooOften):
            response.headers["retry-after"] = str(error.seconds)
        return response
    if isinstance(error, StoreError):
        response = problem(503, "unavailable", "the receiver can't store anything at present")
        response.headers["retry-after"] = str(RETRY_AFTER_S)
        return response
    return problem(500, "internal", "the receiver failed")


def gone() -> Response:
    """Write what nobody reads any more; it is counted all the same."""
    return problem(400, "disconnected", "the sender went away")


def _too_large(limit: int) -> ReceiverError:
    return ReceiverError(f"a body has at most {limit} bytes here", status=413, code="body-too-large")
