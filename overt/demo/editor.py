"""A scripted editor: starts a language server over stdio and speaks to it as an editor would."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from event_model.errors import OvertError

ANSWER_S = 120.0
"""A server that has not answered by then is taken for dead."""

WRITE_BYTES = 1 << 16
"""How much is handed to the pipe before waiting for the server to read."""


def frame(message: Mapping[str, Any]) -> bytes:
    """Write a JSON-RPC message with its header (LSP 3.17, "Base Protocol")."""
    body = msgspec.json.encode({"jsonrpc": "2.0", **message})
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def did_change(uri: str, version: int, changes: Sequence[Any]) -> bytes:
    """Frame one ``textDocument/didChange``."""
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": changes}
    return frame({"method": "textDocument/didChange", "params": params})


class ScriptedEditor:
    """One server process and the pipe to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use ``ScriptedEditor.start``."""
        self._process = process
        self._next_id = 0
        if process.stdin is None or process.stdout is None:
            raise ValueError("the server must be started with pipes")
        self._stdin, self._stdout = process.stdin, process.stdout

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        root: Path,
        environment: Mapping[str, str] | None = None,
        name: str = "overt demo",
    ) -> ScriptedEditor:
        """Start a server and initialize it for one workspace folder, with UTF-16 positions."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        editor = cls(process)
        folder = {"uri": root.as_uri(), "name": root.name}
        capabilities = {"general": {"positionEncodings": ["utf-16"]}}
        await editor.request(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": name, "version": "1"},
                "rootUri": root.as_uri(),
                "workspaceFolders": [folder],
                "capabilities": capabilities,
            },
        )
        editor.notify("initialized", {})
        return editor

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        self._stdin.write(frame({"method": method, "params": params}))

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send framed messages as fast as the server reads them."""
        waiting = 0
        for message in messages:
            self._stdin.write(message)
            waiting += len(message)
            if waiting >= WRITE_BYTES:
                await self._stdin.drain()
                waiting = 0
        await self._stdin.drain()

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send a request and wait for its answer. OvertError: if the server refuses or is gone."""
        self._next_id += 1
        number = self._next_id
        message: dict[str, Any] = {"id": number, "method": method}
        if params is not None:
            message["params"] = params
        self._stdin.write(frame(message))
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer = await self._read()
                if answer.get("id") == number and "method" not in answer:
                    break
                if "id" in answer and "method" in answer:  # the server asks: nothing is offered
                    self._stdin.write(frame({"id": answer["id"], "result": None}))
        if "error" in answer:
            raise OvertError(f"{method}: {answer['error'].get('message')}", code="sidecar")
        return answer.get("result")

    def open(self, path: Path, language: str, text: str) -> str:
        """Announce a document; gives its uri."""
        document = {"uri": path.as_uri(), "languageId": language, "version": 0, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return path.as_uri()

    def save(self, uri: str) -> None:
        """Announce that a document was saved."""
        self.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def close(self, uri: str) -> None:
        """Announce that a document was closed."""
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    async def stop(self) -> int:
        """Shut the server down as an editor does, and wait for it; gives its exit code."""
        await self.request("shutdown")
        self.notify("exit", {})
        await self._stdin.drain()
        self._stdin.close()
        return await self.gone()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the server as a crash or a session manager does."""
        self._process.send_signal(number)

    async def gone(self) -> int:
        """Wait until the server has ended; gives its exit code."""
        async with asyncio.timeout(ANSWER_S):
            return await self._process.wait()

    async def _read(self) -> dict[str, Any]:
        try:
            header = await self._stdout.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in header.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            decoded = msgspec.json.decode(await self._stdout.readexactly(length))
        except asyncio.IncompleteReadError as error:
            raise OvertError("the sidecar has gone", code="sidecar", hint="Its last words are above.") from error
        return dict(decoded)
