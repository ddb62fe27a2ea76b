"""What every route needs: bodies of a bounded size in bounded time, and answers as JSON."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from event_model.errors import ReceiverError
from ingest_server.settings import BODY_DEADLINE_S, DRAIN_BYTES, DRAIN_S


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes. ReceiverError: 408, 413."""
    declared = request.headers.get("content-length", "0")
    if len(declared) > 15 or int(declared) > limit:
        await _drain(request)
        raise _too_large(limit)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    await _drain(request)
                    raise _too_large(limit)
    except TimeoutError as error:
        raise ReceiverError("the body took too long", status=408, code="body-timeout") from error
    return b"".join(chunks)


async def _drain(request: Request) -> None:
    """Read some more of a body that is too large, and forget it.

    Closing with unread bytes resets the connection, and the sender never sees why. Who sends much more is reset.
    """
    read = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                read += len(chunk)
                if read > DRAIN_BYTES:
                    return
    except (TimeoutError, RuntimeError):
        return


def json_answer(status: int, content: object) -> Response:
    """Write an answer as JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def problem(status: int, code: str, message: str) -> Response:
    """Write a refusal."""
    return json_answer(status, {"code": code, "message": message})


def _too_large(limit: int) -> ReceiverError:
    return ReceiverError(f"a body has at most {limit} bytes here", status=413, code="body-too-large")
