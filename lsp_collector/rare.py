"""Everything that the fast lane does not know, for pygls: loaded when the first such message comes.

pygls and lsprotocol take 0.4 s and 20 MB to load; most sessions of most editors never send anything that needs them.
What they answer is LSP's own etiquette: cancelled requests, traces, unknown methods, later additions to the protocol.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

from lsp_collector.messages import ErrorCode, decode_any


class _Writer:
    """pygls's way out: complete frames, straight to the client."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def write(self, data: bytes) -> None:
        """Send one frame."""
        self._send(data)

    def close(self) -> None:
        """The stream belongs to the process, not to pygls."""


class RareLane:
    """One pygls server without transport: messages go in decoded, frames come out."""

    def __init__(self, send_frame: Callable[[bytes], None]) -> None:
        """Load pygls, and bring it past ``initialize``, which was answered long ago.

        What the client said in it is not told: nothing here depends on that, and pygls stumbles over what it lacks.
        """
        # It logs whole messages, and messages hold the person's text.
        logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
        self._server = _make_server()
        protocol = self._server.protocol
        protocol.set_writer(_Writer(lambda _: None))
        self._handle({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"capabilities": {}}})
        protocol.set_writer(_Writer(send_frame))

    def handle(self, body: bytes) -> dict[str, Any] | None:
        """Give a message to pygls; what comes back is the error answer for one that it can't take."""
        message = decode_any(body)
        if "method" in message:
            # pygls never answers a custom request without parameters.
            message.setdefault("params", None)
        try:
            self._handle(message)
        except Exception:  # pygls lets out whatever its converters raise; none of it may end the process
            if "id" not in message or "method" not in message:
                return None
            error = {"code": int(ErrorCode.INVALID_PARAMS), "message": "parameters that the method does not take"}
            return {"jsonrpc": "2.0", "id": message["id"], "error": error}
        return None

    def _handle(self, message: dict[str, Any]) -> None:
        protocol: Any = self._server.protocol
        protocol.handle_message(protocol.structure_message(message))


def _make_server() -> LanguageServer:
    from pygls.lsp.server import LanguageServer  # noqa: PLC0415 - loaded late on purpose, see above

    class QuietServer(LanguageServer):
        """Keeps its troubles to itself: pygls would show each as a message in the editor."""

        def report_server_error(self, error: Exception, source: Any) -> None:
            """Say nothing."""

    return QuietServer("overt", "")
