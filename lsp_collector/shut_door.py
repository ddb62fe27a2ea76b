"""The door that admits nothing: what stands in for the gate when the gate can't be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from event_model.errors import OvertError
from event_model.events import Body, GapReason
from event_model.ids import DocumentId


class ShutRefusal(msgspec.Struct, frozen=True):
    """Why the door is shut."""

    code: str
    detail: str
    study: str | None = None


class ShutVerdict(msgspec.Struct, frozen=True):
    """No."""

    document: None
    refusals: tuple[ShutRefusal, ...]


class ShutStatus(msgspec.Struct, frozen=True):
    """Off, and why."""

    reasons: tuple[ShutRefusal, ...]
    state: str = "off"
    studies: tuple[()] = ()
    paused_until_ms: None = None


class ShutDoor:
    """Refuses everything with one reason, so that the editor goes on and the sign is off."""

    def __init__(self, code: str, detail: str) -> None:
        self._refusals = (ShutRefusal(code, detail),)

    @property
    def live(self) -> bool:
        """Never."""
        return False

    def captures(self, document: DocumentId) -> bool:  # noqa: ARG002 - the protocol's signature
        """Nothing."""
        return False

    def look_again(self, document: DocumentId) -> bool:  # noqa: ARG002 - the protocol's signature
        """Nothing."""
        return False

    def open_document(
        self,
        *,
        path: Path | None,  # noqa: ARG002 - the protocol's signature
        language: str,  # noqa: ARG002 - the protocol's signature
        text: str,  # noqa: ARG002 - the protocol's signature
        continues: DocumentId | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> ShutVerdict:
        """Refuse."""
        return ShutVerdict(None, self._refusals)

    def offer(self, body: Body) -> None:
        """Let it go."""

    def gap(self, count: int, reason: GapReason, document: DocumentId | None = None) -> None:
        """Let it go."""

    def begin(self) -> None:
        """Nothing to look at."""

    def done(self, *, write: bool = False) -> None:
        """Nothing to write."""

    def date(self, at_ms: int | None) -> None:
        """Let it go."""

    async def ready(self) -> None:
        """Return at once."""

    async def flush(self) -> ShutStatus:
        """Nothing to write."""
        return self.status()

    async def close(self) -> None:
        """Nothing to close."""

    def explain(self, path: Path | None) -> tuple[ShutRefusal, ...]:  # noqa: ARG002 - the protocol's signature
        """Give the one reason."""
        return self._refusals

    def status(self) -> ShutStatus:
        """Off."""
        return ShutStatus(self._refusals)

    def pause(self, until_ms: int | None = None) -> None:  # noqa: ARG002 - the protocol's signature
        """OvertError: always, because nobody would keep it."""
        raise self._error()

    def resume(self) -> None:
        """OvertError: always, because nobody would keep it."""
        raise self._error()

    async def forget(self, since_ms: int) -> int:  # noqa: ARG002 - the protocol's signature
        """OvertError: always, because the store was not opened."""
        raise self._error()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Nothing will change."""

    def _error(self) -> OvertError:
        return OvertError(self._refusals[0].detail, code=self._refusals[0].code, hint="`overt doctor` says more.")
