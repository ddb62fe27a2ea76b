"""The process around a session: standard input and output, signals, and the death of the editor."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import stat
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import TextIO

from event_model.clock import Clock, SystemClock
from event_model.errors import OvertError
from lsp_collector import VERSION
from lsp_collector.parent import watch_parents
from lsp_collector.ports import Client, Door, OpenDoor
from lsp_collector.resting import WINDOW_S, RestingLoop
from lsp_collector.session import Session
from lsp_collector.shut_door import ShutDoor
from lsp_collector.stdio import Input, Output

_ENDING_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")

RESTFUL_BYTES = 8192
"""After keys that said when they were pressed, the next ones wait in the pipe for a moment, and are taken and written
together: a wake-up costs several times what a key does. More bytes than these at a time are no typing and are read as
they come; a pipe holds eight times as much."""

EXIT_FRAMING_LOST = 2
"""The stream was not LSP."""


class Process:
    """Feeds one session from standard input until the editor ends it, in one way or another."""

    def __init__(self, open_door: OpenDoor, clock: Clock) -> None:
        self._loop = asyncio.get_running_loop()
        self._output = Output()
        self._session = Session(
            open_door=open_door,
            send=self._output.send,
            soon=self._loop.call_soon,
            clock=clock,
            on_initialize=self._watch,
        )
        self._input = Input(0, self._on_data, self._on_end)
        self._ended = asyncio.Event()
        self._busy: asyncio.Task[None] | None = None
        self._error: OvertError | None = None

    async def run(self) -> int:
        """Serve until the end; gives the exit code."""
        for name in _ENDING_SIGNALS:
            self._on_signal(name)
        await self._input.start()
        await self._ended.wait()
        if self._busy is not None:
            await self._busy
        await self._take_rest()
        self._input.close()
        await self._session.end()
        self._output.close()
        if self._error is not None:
            sys.stderr.write(f"overt: {self._error.message}. {self._error.hint}\n")
            return EXIT_FRAMING_LOST
        return self._session.exit_code

    def _on_data(self, data: bytes) -> None:
        in_rows = self._session.in_rows
        if not self._receive(data, write=in_rows and len(data) <= RESTFUL_BYTES):
            return
        if isinstance(self._loop, RestingLoop) and self._input.pollable:
            self._input.hold()
            self._loop.rest(0, self._take_row, self._input.release, window_s=self._window_s, begun=not in_rows)

    @property
    def _window_s(self) -> float:
        """How long the first key of a row waits here: not at all where it has waited in the editor."""
        return 0.0 if self._session.in_rows else WINDOW_S

    def _take_row(self) -> None:
        """Take the keys that have come since the first of a row, and write them; then wait for the next row."""
        if self._ended.is_set():
            return
        data = self._input.take(RESTFUL_BYTES + 1)
        if data == b"":
            self._on_end()
        elif self._receive(data or b"", write=True) and isinstance(self._loop, RestingLoop):
            self._loop.rest(0, self._take_row, self._input.release, window_s=self._window_s)
        elif self._busy is None:
            self._input.release()

    def _receive(self, data: bytes, *, write: bool = False) -> bool:
        """Take what has arrived; true when what comes next may wait a little."""
        try:
            waiting = self._session.receive(data, write=write)
        except OvertError as error:
            self._give_up(error)
            return False
        if waiting is not None:
            self._input.hold()
            self._busy = self._loop.create_task(self._wait(waiting))
            return False
        if self._session.finished:
            self._ended.set()
            return False
        return self._session.patient and len(data) <= RESTFUL_BYTES

    async def _wait(self, waiting: Awaitable[None] | None) -> None:
        """Do what must be awaited, and what has arrived behind it; then read on."""
        try:
            while waiting is not None:
                await waiting
                waiting = self._session.proceed()
        except OvertError as error:
            self._give_up(error)
        self._busy = None
        if self._session.finished:
            self._ended.set()
        else:
            self._input.release()

    async def _take_rest(self) -> None:
        """Take what the editor still wrote before it went."""
        if self._session.finished or self._error is not None:
            return
        rest = self._input.drain()
        try:
            waiting = self._session.receive(rest)
            while waiting is not None:
                await waiting
                waiting = self._session.proceed()
        except OvertError as error:
            self._give_up(error)

    def _on_end(self) -> None:
        self._ended.set()

    def _give_up(self, error: OvertError) -> None:
        self._error = error
        self._ended.set()

    def _watch(self, process_id: int | None) -> None:
        watch_parents(self._loop, process_id, self._on_end)

    def _on_signal(self, name: str) -> None:
        number = getattr(signal, name, None)
        if number is None:
            return
        try:
            self._loop.add_signal_handler(number, self._on_end)
        except NotImplementedError:  # Windows; written to the rule, not tried here.
            signal.signal(number, lambda *_: self._loop.call_soon_threadsafe(self._on_end))


def gate_at(home: Path | None) -> OpenDoor:
    """Give what opens the real gate, which is loaded only then: the editor has its answer by that time.

    Without a home it is ``OVERT_HOME``, else the platform's place.
    """

    async def open_gate(client: Client) -> Door:
        from capture_gate.host import is_remote  # noqa: PLC0415 - loaded late on purpose

        if is_remote(os.environ):
            from capture_gate.decision import SENTENCES  # noqa: PLC0415 - loaded late on purpose

            return ShutDoor("remote-host", SENTENCES["remote-host"])
        from capture_gate.door import Door as Gate  # noqa: PLC0415 - loaded late on purpose
        from capture_gate.home import home_folder  # noqa: PLC0415 - loaded late on purpose
        from capture_gate.status import ClientInfo  # noqa: PLC0415 - loaded late on purpose

        info = ClientInfo(client.name, client.version, client.position_encoding)
        try:
            return await Gate.open(home or home_folder(), source="lsp", client=info, version=VERSION)
        finally:
            # Nothing that was loaded so far is ever garbage (see ``__main__``).
            gc.freeze()
            gc.enable()

    return open_gate


def serve(open_door: OpenDoor, clock: Clock | None = None) -> int:
    """Run the server on standard input and output until the editor is done; gives the exit code."""

    async def run() -> int:
        return await Process(open_door, clock or SystemClock()).run()

    with asyncio.Runner(loop_factory=RestingLoop if sys.platform == "linux" else None) as runner:
        return runner.run(run())


def _speaks(stream: TextIO | None) -> bool:
    """Say whether an editor can be at the other end: a pipe, a socket, or a person at a terminal."""
    try:
        if stream is None or stream.isatty():
            return stream is not None
        mode = os.fstat(stream.fileno()).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.platform == "win32"
    except (OSError, ValueError):
        return False


def main(arguments: list[str] | None = None) -> int:
    """``python -m lsp_collector [--home DIR]``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    home = None
    if arguments:
        import argparse  # noqa: PLC0415 - most editors give no arguments

        parser = argparse.ArgumentParser(
            prog="python -m lsp_collector", description="The language server that an editor starts."
        )
        parser.add_argument("--home", help="data folder (else $OVERT_HOME, else the platform's)")
        parser.add_argument("--stdio", action="store_true", help="accepted for editors that insist; it is the only way")
        home = parser.parse_args(arguments).home
    if not _speaks(sys.stdin):
        sys.stderr.write("overt lsp: standard input is closed, or is a file: an editor starts this over pipes.\n")
        return 1
    if sys.stdin.isatty():
        sys.stderr.write("overt lsp is started by an editor, and speaks LSP on standard input. Ctrl-D ends it.\n")
    return serve(gate_at(Path(home) if home else None))
