"""What is said on the wire: the parts of LSP 3.17 that the fast lane reads, and our own messages.

Unknown fields are ignored, as LSP asks; what is there must be of the right type and size.
"""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any, TypeVar

import msgspec

from event_model.body import Percent
from event_model.errors import FormatError
from event_model.events import Origin, SelectionCause

MAX_COMMAND_CHARS = 200
"""A command's name; what is longer holds arguments, and those are not ours to keep."""

MAX_PAUSE_MINUTES = 366 * 24 * 60
"""A year: a longer pause is leaving."""

_Line = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Uri = Annotated[str, msgspec.Meta(min_length=1)]
_Minutes = Annotated[float, msgspec.Meta(gt=0, le=MAX_PAUSE_MINUTES)]


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """Decoded, read once and dropped: no cycles, so the collector of garbage need not look."""


class Hint(_Wire):
    """What a plugin adds to a notification: when it happened (Unix ms), and, of a change, who made it."""

    at: Annotated[float, msgspec.Meta(ge=0, le=2**53)] | None = None
    origin: Origin | None = None
    confidence: Percent = 0


class _Told(_Wire, kw_only=True):
    """A notification; ``overt`` is our own addition. One that makes no sense is passed over."""

    overt: Hint | msgspec.UnsetType = msgspec.UNSET


class Message(_Wire):
    """One JSON-RPC 2.0 message; ``id`` is unset in notifications."""

    method: str | None = None
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    params: msgspec.Raw = msgspec.Raw(b"null")


class Position(_Wire):
    """A place, in the negotiated encoding."""

    line: int
    character: int


class Range(_Wire):
    """Two places, the end not included."""

    start: Position
    end: Position


class Change(_Wire):
    """New text for a range, or for the whole document when there is no range."""

    text: str
    range: Range | None = None


class Versioned(_Wire):
    """A document at a version."""

    uri: _Uri
    version: int | None = None


class Item(_Wire):
    """A document with its text."""

    uri: _Uri
    text: str
    language_id: str = ""
    version: int | None = None


class DidOpen(_Told):
    """``textDocument/didOpen``."""

    text_document: Item


class DidChange(_Told):
    """``textDocument/didChange``."""

    text_document: Versioned
    content_changes: list[Change]


class DidSave(_Told):
    """``textDocument/didSave``."""

    text_document: Versioned
    text: str | None = None


class DidClose(_Told):
    """``textDocument/didClose``."""

    text_document: Versioned


class SelectionParams(_Told):
    """``overt/selection``: the first of ``count`` selections."""

    uri: _Uri
    anchor: Position
    active: Position
    count: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    cause: SelectionCause = SelectionCause.UNKNOWN


class ViewportParams(_Told):
    """``overt/viewport``: the lines in view, the last one included."""

    uri: _Uri
    first_line: _Line
    last_line: _Line


class FocusParams(_Told):
    """``overt/focus``: whether the editor's window has the focus."""

    focused: bool


class OriginParams(_Told):
    """``overt/origin``: who made the change that will bring the document to ``version``."""

    uri: _Uri
    version: int
    origin: Origin
    confidence: Percent = 0


class CommandParams(_Told):
    """``overt/command``: a command's name, never its arguments."""

    command: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_COMMAND_CHARS, pattern=r"^[^\x00-\x1f]+$")]


class CompletionParams(_Told):
    """``overt/completionAccepted``: the code points of the completion, whose text follows as a change."""

    uri: _Uri
    length: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Streamed(_Wire, tag_field="method"):
    """A whole message of a kind that comes with each key; it has no ``id``, as a request would."""

    id: msgspec.UnsetType = msgspec.UNSET


class _Change(_Streamed, tag="textDocument/didChange", kw_only=True):
    params: DidChange


class _Selection(_Streamed, tag="overt/selection", kw_only=True):
    params: SelectionParams


class _Viewport(_Streamed, tag="overt/viewport", kw_only=True):
    params: ViewportParams


class _Completion(_Streamed, tag="overt/completionAccepted", kw_only=True):
    params: CompletionParams


Streamed = DidChange | SelectionParams | ViewportParams | CompletionParams
"""What comes with each key; told with its time, it may wait to be read."""


class PauseParams(_Wire):
    """``overt/pause``: for how long; without, until resumed."""

    minutes: _Minutes | None = None


class ForgetParams(_Wire):
    """``overt/forget``: everything of the last minutes."""

    minutes: _Minutes


class UriParams(_Wire):
    """``overt/why``: about which document."""

    uri: _Uri


class FileRename(_Wire):
    """One file or folder, before and after."""

    old_uri: _Uri
    new_uri: _Uri


class DidRename(_Told):
    """``workspace/didRenameFiles``."""

    files: list[FileRename]


class RefusalAnswer(msgspec.Struct, frozen=True):
    """Why something is not captured."""

    code: str
    detail: str
    study: str | None


class StudyAnswer(msgspec.Struct, frozen=True):
    """One study; counts are of this run of the collector."""

    study: str
    title: str
    live: bool
    offered: int
    durable: int
    sealed: int
    findings: int
    masked: dict[str, int]
    documents: int


class StatusAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """``overt/status``, and what ``overt/statusChanged`` carries."""

    state: str
    reasons: tuple[RefusalAnswer, ...]
    studies: tuple[StudyAnswer, ...]
    paused_until_ms: int | None = None


class WhyAnswer(msgspec.Struct, frozen=True):
    """``overt/why``: whether the document is captured at this moment, and every reason against it."""

    captured: bool
    refusals: tuple[RefusalAnswer, ...]


class ForgetAnswer(msgspec.Struct, frozen=True):
    """``overt/forget``: how many events went."""

    events: int


class ErrorCode(enum.IntEnum):
    """JSON-RPC 2.0 and LSP 3.17 error codes that are used."""

    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    SERVER_NOT_INITIALIZED = -32002
    REQUEST_FAILED = -32803


T = TypeVar("T")


class NotJson(FormatError):
    """A body that is no JSON."""

    code = "message-malformed"


class WrongShape(FormatError):
    """JSON that is not what its method says."""

    code = "message-malformed"


_MESSAGE = msgspec.json.Decoder(Message)
_STREAMED: msgspec.json.Decoder[_Change | _Selection | _Viewport | _Completion] = msgspec.json.Decoder(
    _Change | _Selection | _Viewport | _Completion
)
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def decode_message(body: bytes) -> Message:
    """Read a body. NotJson: if it is no JSON; WrongShape: if it is JSON, but no JSON-RPC message."""
    try:
        return _MESSAGE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    mended = msgspec.json.encode(_mend(body))
    try:
        return _MESSAGE.decode(mended)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WrongShape("not a JSON-RPC message") from error


def decode_streamed(body: bytes) -> Streamed | None:
    """Read what nearly all messages are in one go; ``None`` for any other, and for what must be read with more care."""
    try:
        return _STREAMED.decode(body).params
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_any(body: bytes) -> dict[str, Any]:
    """Read a body that ``decode_message`` took, with all that is in it, for who knows more methods than we do."""
    try:
        return dict(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return dict(_mend(body))


def decode_params(params: msgspec.Raw, kind: type[T]) -> T:
    """Read the parameters of a method. WrongShape: if they are not what the method takes."""
    decoder: msgspec.json.Decoder[T] | None = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(params)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_mended(bytes(params), decoder)


def _decode_mended(params: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        mended = _mend(params)
        try:
            return decoder.decode(msgspec.json.encode(mended))
        except msgspec.ValidationError:
            if not isinstance(mended, dict) or "overt" not in mended:
                raise
            del mended["overt"]  # what makes no sense in it never costs the event
            return decoder.decode(msgspec.json.encode(mended))
    except (FormatError, msgspec.DecodeError, RecursionError) as error:
        raise WrongShape("parameters that the method does not take") from error


def _mend(body: bytes) -> Any:
    """Read again what msgspec refused, for two things that are JSON all the same.

    A surrogate without its other half (a JavaScript string may hold one) becomes U+FFFD, which is as long in UTF-16
    and is what the editor writes to the file; a whole number written as ``3.0`` becomes ``3``. NotJson: if it is none.
    """
    try:
        value = json.loads(body.decode("utf-8", "surrogatepass"))
        return _mended(value)
    except (ValueError, RecursionError) as error:
        raise NotJson("a body that is no JSON") from error


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, list):
        return [_mended(each) for each in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return value
