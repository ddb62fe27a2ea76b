"""What this room needs of the gate, as protocols: the gate's ``Door`` fits them without knowing of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from event_model.events import Body, GapReason
from event_model.ids import DocumentId


class Client(msgspec.Struct, frozen=True):
    """The editor, as it names itself in ``initialize``."""

    name: str
    version: str
    position_encoding: str


class Refusal(Protocol):
    """Why something is not captured."""

    @property
    def code(self) -> str:
        """Stable, for programs."""
        ...

    @property
    def detail(self) -> str:
        """One sentence, for the person."""
        ...

    @property
    def study(self) -> str | None:
        """The study that refuses; ``None`` when all do."""
        ...


class Verdict(Protocol):
    """Whether a document is captured, and why not."""

    @property
    def document(self) -> DocumentId | None:
        """Its id, or ``None`` when no study admits it."""
        ...

    @property
    def refusals(self) -> Sequence[Refusal]:
        """Every reason against it."""
        ...


class StudyStatus(Protocol):
    """One study, as this collector sees it; counts are of this run."""

    @property
    def study(self) -> str:
        """Its id."""
        ...

    @property
    def title(self) -> str:
        """Its title."""
        ...

    @property
    def live(self) -> bool:
        """Whether it captures now."""
        ...

    @property
    def offered(self) -> int:
        """Events admitted."""
        ...

    @property
    def durable(self) -> int:
        """Events on disk."""
        ...

    @property
    def sealed(self) -> int:
        """Events masked and sealed."""
        ...

    @property
    def masked(self) -> Mapping[str, int]:
        """What the filter takes out, by kind."""
        ...

    @property
    def documents(self) -> int:
        """Documents captured now."""
        ...


class Status(Protocol):
    """What is captured now."""

    @property
    def state(self) -> str:
        """One of ``capturing``, ``paused`` and ``off``."""
        ...

    @property
    def reasons(self) -> Sequence[Refusal]:
        """Why not everything."""
        ...

    @property
    def studies(self) -> Sequence[StudyStatus]:
        """The studies that the person joined."""
        ...

    @property
    def paused_until_ms(self) -> int | None:
        """Unix time at which a pause ends by itself."""
        ...


class Door(Protocol):
    """The gate, as collectors meet it. Offers are synchronous and never wait."""

    @property
    def live(self) -> bool:
        """Whether anything could be captured now."""
        ...

    def captures(self, document: DocumentId) -> bool:
        """Whether a document is still captured."""
        ...

    def open_document(
        self, *, path: Path | None, language: str, text: str, continues: DocumentId | None = None
    ) -> Verdict:
        """Ask whether a document may be captured, and begin with it where it may."""
        ...

    def look_again(self, document: DocumentId) -> bool:
        """Judge anew where a captured document lies, and say whether it still is captured."""
        ...

    def offer(self, body: Body) -> None:
        """Offer an event."""
        ...

    def gap(self, count: int, reason: GapReason, document: DocumentId | None = None) -> None:
        """Say that events are missing; with a document, it is not captured from here on."""
        ...

    def begin(self) -> None:
        """Say that what is offered up to ``done`` comes all at once: one look at what is allowed will do for it."""
        ...

    def done(self, *, write: bool = False) -> None:
        """Say that this was all, and end what ``date`` said; with ``write``, bring it to disk now if that can be."""
        ...

    def date(self, at_ms: int | None) -> None:
        """Say when what is offered from here on happened (Unix ms), if not as it is offered."""
        ...

    async def ready(self) -> None:
        """Wait while too much is buffered."""
        ...

    async def flush(self) -> Status:
        """Bring everything offered so far to disk."""
        ...

    async def close(self) -> None:
        """End every session."""
        ...

    def explain(self, path: Path | None) -> Sequence[Refusal]:
        """Say why a file is not captured; nothing when it is or would be."""
        ...

    def status(self) -> Status:
        """Say what is captured now."""
        ...

    def pause(self, until_ms: int | None = None) -> None:
        """Pause all capture on this machine."""
        ...

    def resume(self) -> None:
        """End the pause."""
        ...

    async def forget(self, since_ms: int) -> int:
        """Forget every event since a time; gives how many went."""
        ...

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when the status may have changed."""
        ...


OpenDoor = Callable[[Client], Awaitable[Door]]
"""How a door is opened, once the editor has said who it is."""
