"""A client for the collector's tests: frames, a session in memory, and a session in a process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from event_model.clock import ManualClock
from event_model.events import Body
from lsp_collector.ports import Client, Door
from lsp_collector.session import Session
from tests.lsp_collector.lsp_recorder import RecorderDoor

ROOT = Path("/proj")
HERE = Path(__file__).parent
SERVER = HERE / "lsp_recorder_server.py"


def frame(message: dict[str, Any] | bytes) -> bytes:
    body = message if isinstance(message, bytes) else msgspec.json.encode({"jsonrpc": "2.0", **message})
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def note(method: str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": params}


def uri(name: str, root: Path = ROOT) -> str:
    return (root / name).as_uri()


def opened(name: str, text: str, language: str = "python", *, at: str | None = None) -> dict[str, Any]:
    item = {"uri": at or uri(name), "languageId": language, "version": 1, "text": text}
    return note("textDocument/didOpen", textDocument=item)


def place(start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    (a, b), (c, d) = start, end
    return {"start": {"line": a, "character": b}, "end": {"line": c, "character": d}}


def edit(start: tuple[int, int], end: tuple[int, int], text: str) -> dict[str, Any]:
    return {"range": place(start, end), "text": text}


def changed(name: str, *changes: dict[str, Any], version: int | None = 2, at: str | None = None) -> dict[str, Any]:
    document = {"uri": at or uri(name), "version": version}
    return note("textDocument/didChange", textDocument=document, contentChanges=list(changes))


def saved(name: str, text: str | None = None, *, at: str | None = None) -> dict[str, Any]:
    more = {} if text is None else {"text": text}
    return note("textDocument/didSave", textDocument={"uri": at or uri(name)}, **more)


def closed(name: str) -> dict[str, Any]:
    return note("textDocument/didClose", textDocument={"uri": uri(name)})


def renamed(old: str, new: str) -> dict[str, Any]:
    return note("workspace/didRenameFiles", files=[{"oldUri": uri(old), "newUri": uri(new)}])


def unframe(data: bytes) -> list[dict[str, Any]]:
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        found.append(msgspec.json.decode(rest[:size]))
        data = rest[size:]
    return found


class Talk:
    """A session in memory with a recording door."""

    def __init__(self, door: Door | None = None, *, root: Path = ROOT) -> None:
        self.recorder = RecorderDoor(root)
        self.door: Door = door or self.recorder
        self.clients: list[Client] = []
        self.clock = ManualClock()
        self.process_ids: list[int | None] = []
        self._out = bytearray()
        self._soon: list[Callable[[], None]] = []
        self._id = 0
        self.session = Session(
            open_door=self._open,
            send=self._out.extend,
            soon=self._soon.append,
            clock=self.clock,
            on_initialize=self.process_ids.append,
        )

    @property
    def bodies(self) -> list[Body]:
        return self.recorder.bodies

    async def start(self, *, encodings: list[str] | None = None, status: bool = False) -> dict[str, Any]:
        general = {} if encodings is None else {"general": {"positionEncodings": encodings}}
        options = {"overt": {"status": True}} if status else None
        result = await self.ask(
            "initialize", processId=None, capabilities=general, initializationOptions=options, clientInfo={"name": "t"}
        )
        await self.say(note("initialized"))
        return result["result"]

    async def say(self, *said: dict[str, Any] | bytes) -> None:
        await self.raw(b"".join(frame(each) for each in said))

    async def raw(self, data: bytes) -> None:
        waiting = self.session.receive(data)
        while waiting is not None:
            await waiting
            waiting = self.session.proceed()
        while self._soon:
            self._soon.pop(0)()

    async def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        self._id += 1
        await self.say({"id": self._id, "method": method, **({"params": params} if params else {})})
        return next(each for each in self.heard() if each.get("id") == self._id)

    def heard(self) -> list[dict[str, Any]]:
        """Take what the server said since the last time."""
        data, self._out[:] = bytes(self._out), b""
        return unframe(data)

    async def _open(self, client: Client) -> Door:
        self.clients.append(client)
        return self.door


class ServerProcess:
    """The collector as a process of its own, with the recording door or with the arguments given."""

    def __init__(self, root: Path, record: Path, *, arguments: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            arguments or [sys.executable, str(SERVER), str(root), str(record)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
        self._id = 0

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.wait()

    def send(self, *said: dict[str, Any] | bytes) -> None:
        self.write(b"".join(frame(each) for each in said))

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        self._id += 1
        self.send({"id": self._id, "method": method, **({"params": params} if params else {})})
        while (answer := self.read()).get("id") != self._id:
            pass
        return answer

    def read(self) -> dict[str, Any]:
        out = self.process.stdout
        assert out is not None
        size = 0
        while line := out.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        return msgspec.json.decode(out.read(size))

    def start(self, **options: Any) -> dict[str, Any]:
        answer = self.ask("initialize", processId=os.getpid(), capabilities={}, **options)
        self.send(note("initialized"))
        return answer["result"]

    def end(self) -> int:
        """End as an editor does; gives the exit code."""
        assert self.ask("shutdown")["result"] is None
        self.send({"method": "exit"})
        return self.process.wait(30)


def child_environment() -> dict[str, str]:
    """Give the environment in which a child finds the packages and the tests."""
    repository = HERE.parent.parent
    path = str(repository)
    return {**os.environ, "PYTHONPATH": path}
