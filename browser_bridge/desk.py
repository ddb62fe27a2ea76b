"""What the bridge says of itself, and what the person asks of it in the popup."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from browser_bridge.messages import Request
from browser_bridge.spawn import start
from capture_gate.decision import Refusal
from capture_gate.page_door import PageDoor
from event_model.errors import FormatError, OvertError

MINUTE_MS = 60_000
MAX_MINUTES = 60 * 24 * 366
_Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Desk:
    """Answers requests. ``now_ms`` gives Unix time."""

    def __init__(self, door: PageDoor, now_ms: Callable[[], int]) -> None:
        self._door = door
        self._now_ms = now_ms
        self._methods: dict[str, _Answer] = {
            "state": self._state,
            "pause": self._pause,
            "resume": self._resume,
            "forget": self._forget,
            "today": self._today,
            "why": self._why,
            "review": self._review,
        }

    def state(self) -> dict[str, Any]:
        """Give what the extension shows: capturing, paused or off, why, and every study's terms."""
        status = self._door.status()
        terms = self._door.terms()
        sites = any(study.live and study.origins for study in terms)
        capture = "off" if status.state == "capturing" and not sites else status.state
        return {
            "capture": capture,
            "reasons": [_refusal(each) for each in status.reasons],
            "paused_until_ms": status.paused_until_ms,
            "studies": [
                msgspec.to_builtins(each)
                | {"purposes": [{"id": name, "dpv": dpv, "text": text} for name, dpv, text in each.purposes]}
                for each in terms
            ],
        }

    async def answer(self, request: Request) -> dict[str, Any]:
        """Answer a request; an error says what to do."""
        method = self._methods.get(request.method)
        try:
            if method is None:
                raise FormatError(f"there is no {request.method!r}", code="method-unknown")
            return {"type": "response", "id": request.id, "result": await method(request.params)}
        except OvertError as error:
            told = {"code": error.code, "message": error.message, "hint": error.hint}
            return {"type": "response", "id": request.id, "error": told}

    async def _state(self, _params: dict[str, Any]) -> dict[str, Any]:
        return self.state()

    async def _pause(self, params: dict[str, Any]) -> dict[str, Any]:
        minutes = params.get("minutes")
        self._door.pause(None if minutes is None else self._now_ms() + _minutes(minutes) * MINUTE_MS)
        return self.state()

    async def _resume(self, _params: dict[str, Any]) -> dict[str, Any]:
        self._door.resume()
        return self.state()

    async def _forget(self, params: dict[str, Any]) -> dict[str, Any]:
        since = self._now_ms() - _minutes(params.get("minutes")) * MINUTE_MS
        return {"events": await self._door.forget(since)}

    async def _today(self, params: dict[str, Any]) -> dict[str, Any]:
        now = datetime.datetime.fromtimestamp(self._now_ms() / 1000).astimezone()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        events, masked = await self._door.today(_origin(params), int(midnight.timestamp() * 1000))
        studies = [each.title for each in self._door.terms() if each.live and _origin(params) in each.origins]
        return {"events": events, "masked": masked, "studies": studies}

    async def _why(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"reasons": [_refusal(each) for each in self._door.explain_site(_origin(params))]}

    async def _review(self, _params: dict[str, Any]) -> dict[str, Any]:
        """Open the review page: it is a process of its own, which ends by itself when nobody looks any more."""
        await asyncio.to_thread(start, "review")
        return {}


def _minutes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_MINUTES:
        raise FormatError("minutes is a whole number above 0", code="params-invalid")
    return value


def _origin(params: dict[str, Any]) -> str:
    origin = params.get("origin")
    if not isinstance(origin, str):
        raise FormatError("origin is missing", code="params-invalid")
    return origin


def _refusal(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "detail": refusal.detail, "study": refusal.study}
