"""One conversation with one editor: bytes in, events through the gate, answers out.

``receive`` handles what has arrived at once and in order. What must wait for the gate comes back as an awaitable;
the shell reads no further until it is done, so that order is kept and nothing piles up in memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from event_model.clock import Clock
from event_model.errors import OvertError
from event_model.events import GapReason
from event_model.positions import PositionEncoding
from lsp_collector import messages
from lsp_collector.answers import status_answer, steady, why_answer
from lsp_collector.documents import Documents
from lsp_collector.lifecycle import InitializeParams, initialize_result, read_initialize
from lsp_collector.messages import (
    ErrorCode,
    Hint,
    Message,
    NotJson,
    WrongShape,
    decode_message,
    decode_params,
    decode_streamed,
)
from lsp_collector.ports import Door, OpenDoor
from lsp_collector.rare import RareLane
from lsp_collector.reader import HEAD_BYTES, PLAIN_HEADER, Fault, FrameReader
from lsp_collector.shut_door import ShutDoor
from lsp_collector.uris import path_of

MESSAGES_BETWEEN_WAITS = 256
"""So many messages are taken before the gate is asked whether it keeps up."""

MAX_AGO_MS = 10_000
MAX_AHEAD_MS = 50
"""What a client says to have happened longer ago, or later than that, is taken to happen as it arrives."""

_MINUTE_MS = 60_000
_METHOD = re.compile(rb'(?<!\\)"method"\s*:\s*"([^"\\]{1,100})"')
_URI = re.compile(rb'(?<!\\)"uri"\s*:\s*("(?:[^"\\]|\\.){1,4096}")')
_CHANGING = {b"textDocument/didChange", b"textDocument/didOpen"}

_NOT_FOR_US = ("$/", "overt/", "textDocument/", "notebookDocument/", "initialized")
"""Notifications that change nothing here. Those about documents may hold text, which pygls would keep."""


class Session:
    """The state of one conversation. ``finished`` is true once the client said ``exit``."""

    def __init__(
        self,
        *,
        open_door: OpenDoor,
        send: Callable[[bytes], None],
        soon: Callable[[Callable[[], None]], object],
        clock: Clock,
        on_initialize: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        """``send`` takes whole frames, ``soon`` calls back once what is at hand is done.

        ``on_initialize`` is told the client's process id.
        """
        self._open_door = open_door
        self._send_frame = send
        self._soon = soon
        self._clock = clock
        self._on_initialize = on_initialize
        self._reader = FrameReader()
        self._door: Door = ShutDoor("not-initialized", "The editor has not said hello yet.")
        self._documents = Documents(self._door, PositionEncoding.UTF16)
        self._initialized = False
        self._wants_status = False
        self._last_status: messages.StatusAnswer | None = None
        self._stale = False
        self._rare: RareLane | None = None
        self._since_wait = 0
        self._shut_down = False
        self.finished = False
        self.in_rows = False
        """Whether the client holds keys back itself, so that what arrives is written at once."""
        self.patient = False
        """Whether everything that was received last said when it happened, so that what follows may wait a little."""

    @property
    def exit_code(self) -> int:
        """1 when ``exit`` came without ``shutdown`` (LSP 3.17), else 0."""
        return 1 if self.finished and not self._shut_down else 0

    def receive(self, data: bytes, *, write: bool = False) -> Awaitable[None] | None:
        """Take bytes; when something awaitable comes back, await it and then ``proceed``, before taking more.

        With ``write``, what became of them is brought to disk at once where that can be.
        FramingLost: when the stream can't be understood any more.
        """
        self.patient = True
        self._door.begin()
        waiting = None
        if self._reader.idle and self._streaming:
            data, waiting = self._take_keys(data)
        if data:
            self._reader.feed(data)
            waiting = waiting or self._take_all()
        self._door.done(write=write)
        return waiting

    def proceed(self) -> Awaitable[None] | None:
        """Go on with what has arrived; as ``receive``."""
        self._door.begin()
        waiting = self._take_all()
        self._door.done()
        return waiting

    @property
    def _streaming(self) -> bool:
        return self._initialized and not self._shut_down

    def _take_keys(self, data: bytes) -> tuple[bytes, Awaitable[None] | None]:
        """Take what comes with each key, the short way, up to the first message that is something else.

        Gives the rest, and what must be awaited.
        """
        at, documents, now_ms, last_ms = 0, self._documents, self._clock.wall_ms(), None
        while self._since_wait < MESSAGES_BETWEEN_WAITS and (head := PLAIN_HEADER.match(data, at)) is not None:
            start = head.end()
            end = start + int(head[1])
            if end > len(data) or (told := decode_streamed(data[start:end])) is None:
                break
            self._since_wait += 1
            at = end
            hint = told.overt
            if hint is msgspec.UNSET or hint.at is None or hint.at != last_ms:
                last_ms = self._date(hint, now_ms)
            try:
                _STREAMED[type(told)](documents, told)
            except Exception as error:  # as in ``_take_all``
                return data[at:], self._fail_closed(error)
        return data[at:], None

    def _take_all(self) -> Awaitable[None] | None:
        while not self.finished:
            frame = self._reader.next()
            if frame is None:
                return None
            try:
                waiting = self._take(frame)
            except Exception as error:  # whatever is wrong in here: the editor goes on, and the sign goes off
                waiting = self._fail_closed(error)
            if waiting is not None:
                return waiting
            self._since_wait += 1
            if self._since_wait >= MESSAGES_BETWEEN_WAITS:
                self._since_wait = 0
                return self._door.ready()
        return None

    async def end(self) -> None:
        """Close every document, bring everything to disk, and shut the door. Safe to call again."""
        self._documents.finish()
        door, self._door = self._door, ShutDoor("ended", "The editor has ended the session.")
        self._documents = Documents(self._door, PositionEncoding.UTF16)
        await door.close()

    # --- one message

    def _take(self, frame: bytes | Fault) -> Awaitable[None] | None:
        if isinstance(frame, Fault):
            self._lost(frame)
            return None
        if self._streaming and (told := decode_streamed(frame)) is not None:
            self._date(told.overt, self._clock.wall_ms())
            _STREAMED[type(told)](self._documents, told)
            return None
        try:
            message = decode_message(frame)
        except NotJson:
            return self._take(self._reader.reject(frame) or Fault(GapReason.MESSAGE_MALFORMED, frame))
        except WrongShape:
            self._door.gap(1, GapReason.MESSAGE_MALFORMED)
            return None
        self.patient = False
        if message.method is None:
            # An answer to a request; only pygls may have made one.
            if self._rare is not None:
                self._hand_over(frame)
        elif message.id is None:  # null, or a number that is none: there is nothing to answer to
            self._refuse(message, ErrorCode.INVALID_REQUEST, "a request's id is a number or a string")
        elif message.id is msgspec.UNSET:
            self._notified(message.method, message.params, frame)
        else:
            return self._requested(message.method, message, frame)
        return None

    def _notified(self, method: str, raw: msgspec.Raw, body: bytes) -> None:
        handler = _NOTIFICATIONS.get(method)
        if method == "exit":
            self.finished = True
        elif not self._streaming:
            return
        elif handler is not None:
            kind, act = handler
            try:
                params = decode_params(raw, kind)
            except WrongShape:
                self._lost(Fault(GapReason.MESSAGE_MALFORMED, body))
            else:
                self._date(params.overt, self._clock.wall_ms())
                act(self._documents, params)
        elif not method.startswith(_NOT_FOR_US):
            self._hand_over(body)

    def _date(self, hint: Hint | msgspec.UnsetType, now_ms: int) -> int | None:
        """Say when what comes now happened: as the client says, if that can be, else now, which is ``None``."""
        at_ms = None if hint is msgspec.UNSET or hint.at is None else int(hint.at)
        if at_ms is None or not -MAX_AHEAD_MS <= now_ms - at_ms <= MAX_AGO_MS:
            self.patient, at_ms = False, None
        self._door.date(at_ms)
        return at_ms

    def _requested(self, method: str, message: Message, body: bytes) -> Awaitable[None] | None:
        handler = _REQUESTS.get(method)
        if method == "initialize" and not self._initialized:
            return self._start(message)
        if not self._initialized:
            self._refuse(message, ErrorCode.SERVER_NOT_INITIALIZED, "initialize comes first")
        elif self._shut_down or method == "initialize":
            self._refuse(message, ErrorCode.INVALID_REQUEST, "not at this point of the session")
        elif handler is None:
            self._hand_over(body)
        else:
            kind, act = handler
            try:
                return self._answer(message, act(self, decode_params(message.params, kind)))
            except WrongShape as error:
                self._refuse(message, ErrorCode.INVALID_PARAMS, error.message)
        return None

    def _lost(self, fault: Fault) -> None:
        """A message is lost: whatever document it may have changed is not known exactly any more."""
        self.patient = False
        head = fault.head[:HEAD_BYTES]
        method, uri = _METHOD.search(head), _URI.search(head)
        about = _string(uri[1]) if uri else None
        if method is None or (method[1] == b"textDocument/didChange" and about is None):
            self._documents.lose(None, fault.reason)
        elif method[1] in _CHANGING and about is not None:
            self._documents.lose(about, fault.reason)
        else:
            self._door.gap(1, fault.reason)

    def _hand_over(self, body: bytes) -> None:
        """Let pygls have it."""
        try:
            if self._rare is None:
                self._rare = RareLane(self._send_frame)
            answer = self._rare.handle(body)
        except Exception as error:  # nothing that pygls is for has to do with capture, which goes on
            sys.stderr.write(f"overt: a message could not be handled: {type(error).__name__}\n")
            return
        if answer is not None:
            self._send(answer)

    def _fail_closed(self, error: Exception) -> Awaitable[None]:
        """A fault of our own: capture nothing more, keep what there is, and let the editor go on."""
        # The type alone: the message may hold the person's text.
        sys.stderr.write(f"overt: capture has stopped after an internal {type(error).__name__}\n")
        door, self._door = self._door, ShutDoor("collector-failed", "The collector failed. Please report this.")
        self._documents = Documents(self._door, PositionEncoding.UTF16)
        self._mark_stale()
        return door.close()

    # --- lifecycle

    def _start(self, message: Message) -> Awaitable[None]:
        self._initialized = True
        params = read_initialize(message.params)
        self.in_rows = params.own.rows
        self._send({"jsonrpc": "2.0", "id": message.id, "result": initialize_result(params.encoding)})
        self._on_initialize(params.process_id)
        return self._open(params)

    async def _open(self, params: InitializeParams) -> None:
        try:
            self._door = await self._open_door(params.client)
        except OvertError as error:
            self._door = ShutDoor(error.code, error.message)
        except Exception as error:  # without a gate nothing is captured, and the editor goes on
            sys.stderr.write(f"overt: the gate could not be opened: {type(error).__name__}\n")
            self._door = ShutDoor("collector-failed", "The collector could not start. `overt doctor` says more.")
        self._documents = Documents(self._door, params.encoding)
        self._wants_status = params.own.status
        self._door.on_change(self._mark_stale)
        self._mark_stale()

    async def _shutdown(self, _: object) -> None:
        """Bring everything to disk before the answer: some editors kill right after it."""
        self._shut_down = True
        self._documents.finish()
        await self._door.flush()

    def _mark_stale(self) -> None:
        if not self._stale:
            self._stale = True
            self._soon(self.sweep)

    def sweep(self) -> None:
        """Let go of what is not captured any more, and tell the editor if it wants to know."""
        self._stale = False
        let_go = self._documents.sweep()
        if self._wants_status and not self._shut_down:
            status = status_answer(self._door.status())
            # Where documents were let go of, the editor has to look which of them it may open again.
            if let_go or steady(status) != self._last_status:
                self._last_status = steady(status)
                self._send({"jsonrpc": "2.0", "method": "overt/statusChanged", "params": status})

    # --- our own requests

    async def _status(self, _: object) -> messages.StatusAnswer:
        return status_answer(self._door.status())

    async def _pause(self, params: messages.PauseParams | None) -> messages.StatusAnswer:
        minutes = params.minutes if params else None
        try:
            self._door.pause(None if minutes is None else self._clock.wall_ms() + int(minutes * _MINUTE_MS))
        except Exception as error:
            # Whoever asks for a pause gets one, here at least, even where it can't be written down.
            if self._door.live:
                await self._fail_closed(error)
            raise
        self._documents.sweep()
        return status_answer(self._door.status())

    async def _resume(self, _: object) -> messages.StatusAnswer:
        self._door.resume()
        return status_answer(self._door.status())

    async def _flush(self, _: object) -> messages.StatusAnswer:
        return status_answer(await self._door.flush())

    async def _why(self, params: messages.UriParams) -> messages.WhyAnswer:
        path = path_of(params.uri)
        refusals = () if path is None else (*self._documents.flaws(params.uri), *self._door.explain(path))
        return why_answer(captured=self._documents.captured(params.uri), is_file=path is not None, refusals=refusals)

    async def _forget(self, params: messages.ForgetParams) -> messages.ForgetAnswer:
        events = await self._door.forget(self._clock.wall_ms() - int(params.minutes * _MINUTE_MS))
        self._documents.sweep()
        return messages.ForgetAnswer(events)

    # --- answers

    async def _answer(self, message: Message, work: Coroutine[Any, Any, object]) -> None:
        try:
            result = await work
        except OvertError as error:
            self._refuse(message, ErrorCode.REQUEST_FAILED, error.message, {"code": error.code, "hint": error.hint})
        except Exception as error:  # a request is always answered
            sys.stderr.write(f"overt: a request failed with an internal {type(error).__name__}\n")
            self._refuse(message, ErrorCode.INTERNAL_ERROR, "the collector failed")
        else:
            self._send({"jsonrpc": "2.0", "id": message.id, "result": result})

    def _refuse(self, message: Message, code: ErrorCode, sentence: str, data: object = None) -> None:
        error: dict[str, object] = {"code": int(code), "message": sentence}
        if data is not None:
            error["data"] = data
        self._send({"jsonrpc": "2.0", "id": message.id, "error": error})

    def _send(self, message: dict[str, object]) -> None:
        body = msgspec.json.encode(message)
        self._send_frame(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


def _string(quoted: bytes) -> str | None:
    try:
        return msgspec.json.decode(quoted, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


_NOTIFICATIONS: dict[str, tuple[Any, Callable[[Documents, Any], None]]] = {
    "textDocument/didChange": (messages.DidChange, Documents.did_change),
    "textDocument/didOpen": (messages.DidOpen, Documents.did_open),
    "textDocument/didSave": (messages.DidSave, Documents.did_save),
    "textDocument/didClose": (messages.DidClose, Documents.did_close),
    "workspace/didRenameFiles": (messages.DidRename, Documents.did_rename),
    "overt/origin": (messages.OriginParams, Documents.origin),
    "overt/selection": (messages.SelectionParams, Documents.selection),
    "overt/viewport": (messages.ViewportParams, Documents.viewport),
    "overt/completionAccepted": (messages.CompletionParams, Documents.completion),
    "overt/focus": (messages.FocusParams, Documents.focus),
    "overt/command": (messages.CommandParams, Documents.command),
}
"""The fast lane: decoded by msgspec, 2 to 5 microseconds each, where pygls takes 130 and more."""

_STREAMED: dict[type, Callable[[Documents, Any], None]] = {
    messages.DidChange: Documents.did_change,
    messages.SelectionParams: Documents.selection,
    messages.ViewportParams: Documents.viewport,
    messages.CompletionParams: Documents.completion,
}

_REQUESTS: dict[str, tuple[Any, Callable[[Session, Any], Coroutine[Any, Any, object]]]] = {
    "shutdown": (Any, Session._shutdown),
    "overt/status": (Any, Session._status),
    "overt/pause": (messages.PauseParams | None, Session._pause),
    "overt/resume": (Any, Session._resume),
    "overt/flush": (Any, Session._flush),
    "overt/why": (messages.UriParams, Session._why),
    "overt/forget": (messages.ForgetParams, Session._forget),
}
