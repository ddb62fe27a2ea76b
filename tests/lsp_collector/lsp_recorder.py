"""A door that records: an honest, small gate for the collector's tests, and what replays its record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from event_model.events import (
    Body,
    CaptureGap,
    CapturePause,
    CaptureResume,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    GapReason,
)
from event_model.ids import DocumentId
from lsp_collector.ports import Client

DENIED = re.compile(r"(^|/)\.env|\.pem$")


class Refused(msgspec.Struct, frozen=True):
    code: str
    detail: str = ""
    study: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    document: DocumentId | None
    refusals: tuple[Refused, ...] = ()


class Study(msgspec.Struct, frozen=True):
    study: str
    title: str
    live: bool
    offered: int
    durable: int
    documents: int
    sealed: int = 0
    masked: dict[str, int] = {}


class State(msgspec.Struct, frozen=True):
    state: str
    reasons: tuple[Refused, ...]
    studies: tuple[Study, ...]
    paused_until_ms: int | None = None


class RecorderDoor:
    """Admits files below ``root`` that no deny rule names; keeps bodies, and appends them to ``file`` on flush."""

    def __init__(self, root: Path, *, file: Path | None = None, client: Client | None = None) -> None:
        self.root = root
        self.file = file
        self.client = client
        self.bodies: list[Body] = []
        self.at_ms: int | None = None
        self.times_ms: list[int | None] = []
        self.durable = 0
        self.closed = 0
        self.waits = 0
        self.writes = 0
        self.consent = True
        self.paused_until: int | None = None
        self._paused = False
        self._open: set[DocumentId] = set()
        self._last = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def live(self) -> bool:
        return self.consent and not self._paused

    @property
    def open_documents(self) -> frozenset[DocumentId]:
        return frozenset(self._open)

    def captures(self, document: DocumentId) -> bool:
        return document in self._open

    def look_again(self, document: DocumentId) -> bool:
        return document in self._open

    def open_document(
        self, *, path: Path | None, language: str, text: str, continues: DocumentId | None = None
    ) -> Verdict:
        refusals = self.explain(path)
        if not refusals and "\x00" in text:
            refusals = (Refused("document-binary"),)
        if refusals:
            return Verdict(None, refusals)
        assert path is not None
        self._last += 1
        document = DocumentId(self._last)
        known = continues if continues in self._open else None
        self._open.add(document)
        name = path.relative_to(self.root).as_posix()
        self.bodies.append(DocumentOpen(document, name, "", language, "" if known else text, known))
        return Verdict(document)

    def offer(self, body: Body) -> None:
        document = getattr(body, "document", None)
        if not self.live or (document is not None and document not in self._open):
            return
        if isinstance(body, DocumentEdit) and "\x00" in body.inserted:
            self.gap(1, GapReason.DOCUMENT_BINARY, document)
            return
        self.bodies.append(body)
        self.times_ms.append(self.at_ms)
        if isinstance(body, DocumentClose):
            self._open.discard(body.document)

    def gap(self, count: int, reason: GapReason, document: DocumentId | None = None) -> None:
        if not self.live:
            return
        if document is None or document in self._open:
            self.bodies.append(CaptureGap(count, reason, document))
        if document is not None:
            self._open.discard(document)
            self._notify()

    def begin(self) -> None:
        pass

    def done(self, *, write: bool = False) -> None:
        self.at_ms = None
        self.writes += write

    def date(self, at_ms: int | None) -> None:
        self.at_ms = at_ms

    async def ready(self) -> None:
        self.waits += 1

    async def flush(self) -> State:
        if self.file is not None:
            with self.file.open("ab") as out:
                for body in self.bodies[self.durable :]:
                    out.write(msgspec.json.encode(body) + b"\n")
        self.durable = len(self.bodies)
        return self.status()

    async def close(self) -> None:
        await self.flush()
        self.closed += 1

    def explain(self, path: Path | None) -> tuple[Refused, ...]:
        if not self.consent:
            return (Refused("no-consent"),)
        if self._paused:
            return (Refused("paused"),)
        if path is None:
            return (Refused("no-file"),)
        if not path.is_relative_to(self.root):
            return (Refused("out-of-scope"),)
        return (Refused("denied-path"),) if DENIED.search(path.as_posix()) else ()

    def status(self) -> State:
        study = Study("tiny", "A tiny study", self.live, len(self.bodies), self.durable, len(self._open))
        state = "off" if not self.consent else "paused" if self._paused else "capturing"
        reasons = () if self.live else (self.explain(None)[0],)
        return State(state, reasons, (study,), self.paused_until)

    def pause(self, until_ms: int | None = None) -> None:
        for document in sorted(self._open):
            self.bodies.append(DocumentClose(document))
        self._open.clear()
        self.bodies.append(CapturePause())
        self._paused, self.paused_until = True, until_ms
        self._notify()

    def resume(self) -> None:
        self._paused, self.paused_until = False, None
        self.bodies.append(CaptureResume())
        self._notify()

    async def forget(self, since_ms: int) -> int:
        count = len(self.bodies)
        self.bodies.clear()
        self._open.clear()
        self._notify()
        return count

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def withdraw(self) -> None:
        self.consent = False
        self._open.clear()
        self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def read_record(file: Path) -> list[Body]:
    """Read what was flushed; a line that is being written is left out."""
    lines = file.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Body) for line in lines]


def replay(bodies: Sequence[Body]) -> dict[str, str]:
    """Rebuild every document from its events alone: the last text by path. Broken ones are left out."""
    texts: dict[DocumentId, str] = {}
    paths: dict[DocumentId, str] = {}
    found: dict[str, str] = {}
    for body in bodies:
        if isinstance(body, DocumentOpen):
            texts[body.document] = body.text if body.continues is None else texts[body.continues]
            paths[body.document] = body.path
        elif isinstance(body, DocumentEdit):
            text = texts[body.document]
            end = body.position + body.deleted
            assert end <= len(text), "an edit outside its document"
            texts[body.document] = text[: body.position] + body.inserted + text[end:]
        elif isinstance(body, CaptureGap) and body.document is not None:
            del texts[body.document]
            found.pop(paths[body.document], None)
        if isinstance(body, DocumentOpen | DocumentEdit):
            found[paths[body.document]] = texts[body.document]
    return found


def texts_at_saves(bodies: Sequence[Body]) -> list[tuple[str, str]]:
    """Give path and text at every save, in order."""
    paths = {body.document: body.path for body in bodies if isinstance(body, DocumentOpen)}
    return [
        (paths[body.document], replay(bodies[:at])[paths[body.document]])
        for at, body in enumerate(bodies)
        if isinstance(body, DocumentSave)
    ]
