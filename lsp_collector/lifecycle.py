"""The answer to ``initialize``, given before anything heavy is loaded, and what the client said in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from event_model.positions import PositionEncoding
from lsp_collector import VERSION
from lsp_collector.messages import WrongShape, decode_params
from lsp_collector.ports import Client

PROTOCOL_VERSION = 1
"""Of our own messages; raised when one of them changes its meaning."""

_SYNC_INCREMENTAL = 2


class ClientInfo(msgspec.Struct):
    """``clientInfo``."""

    name: str = ""
    version: str | None = None


class GeneralCapabilities(msgspec.Struct, rename="camel"):
    """``capabilities.general``."""

    position_encodings: Sequence[str] | None = None


class ClientCapabilities(msgspec.Struct):
    """``capabilities``: the part that changes what we do."""

    general: GeneralCapabilities | None = None


class OvertOptions(msgspec.Struct, frozen=True):
    """``initializationOptions.overt``: whether ``overt/statusChanged`` is wanted, and whether keys come in rows.

    A client that sends ``rows`` holds keys back for up to a second and sends them together, each with its time.
    """

    status: bool = False
    rows: bool = False


class InitializeParams(msgspec.Struct, rename="camel"):
    """The parts of ``initialize`` that are read."""

    process_id: int | None = None
    client_info: ClientInfo | None = None
    capabilities: ClientCapabilities | None = None
    initialization_options: Any = None

    @property
    def own(self) -> OvertOptions:
        """What the client says to us alone."""
        options = self.initialization_options
        own = options.get("overt") if isinstance(options, dict) else None
        try:
            return msgspec.convert(own, OvertOptions | None) or OvertOptions()
        except msgspec.ValidationError:
            return OvertOptions()

    @property
    def encoding(self) -> PositionEncoding:
        """The first of the client's encodings that we speak; UTF-16 when it names none (LSP 3.17)."""
        general = self.capabilities.general if self.capabilities else None
        for name in (general.position_encodings if general else None) or ():
            if name in _ENCODINGS:
                return _ENCODINGS[name]
        return PositionEncoding.UTF16

    @property
    def client(self) -> Client:
        """Who the client says it is."""
        info = self.client_info or ClientInfo()
        return Client(info.name or "unknown", info.version or "", self.encoding.value)


_ENCODINGS = {each.value: each for each in PositionEncoding}


def read_initialize(params: msgspec.Raw) -> InitializeParams:
    """Read the parameters. What is malformed in them is taken as not said: a client must be able to start."""
    try:
        return decode_params(params, InitializeParams)
    except WrongShape:
        return InitializeParams()


def initialize_result(encoding: PositionEncoding) -> dict[str, Any]:
    """Say what we do: follow documents. No completion, no diagnostics, nothing that another server also does."""
    renames = {"filters": [{"scheme": "file", "pattern": {"glob": "**"}}]}
    return {
        "capabilities": {
            "positionEncoding": encoding.value,
            "textDocumentSync": {
                "openClose": True,
                "change": _SYNC_INCREMENTAL,
                # With the text, a save mends what was lost and brings back what was paused.
                "save": {"includeText": True},
            },
            "workspace": {"fileOperations": {"didRename": renames}},
            "experimental": {"overt": {"protocol": PROTOCOL_VERSION}},
        },
        "serverInfo": {"name": "overt", "version": VERSION},
    }
