"""Standard input and output as the event loop's, without a timer, a thread or a wake-up where the system allows it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from collections.abc import Callable

READ_BYTES = 256 << 10
"""Bytes taken in one read: four times a pipe's usual capacity."""

MAX_DRAIN_BYTES = 16 << 20
"""Bytes taken at the end: more than any pipe holds, so that a client that writes on can't keep us."""

MAX_UNSENT_BYTES = 1 << 20
"""Answers that the editor has not read: some 3,000 of them."""

PIECE_BYTES = 512
"""A pipe that has room has room for so many bytes (POSIX's PIPE_BUF): a write of no more never waits."""


class Input:
    """Standard input: bytes go to ``on_data``, the end to ``on_end``; it can be held while something is awaited."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._fd = fd
        self._on_data = on_data
        self._on_end = on_end
        self._transport: asyncio.ReadTransport | None = None

    async def start(self) -> None:
        """Begin to read."""
        loop = asyncio.get_running_loop()
        if os.name != "nt":
            # A plain file can't be polled: it is read by the thread below.
            with contextlib.suppress(ValueError):
                pipe = os.fdopen(self._fd, "rb", 0, closefd=False)
                self._transport, _ = await loop.connect_read_pipe(lambda: _Receiver(self._on_data, self._on_end), pipe)
                return
        self._gate = threading.Event()
        self._gate.set()
        threading.Thread(target=self._read_all, args=(loop,), daemon=True).start()

    def hold(self) -> None:
        """Read no further for now."""
        if self._transport is not None:
            self._transport.pause_reading()
        else:
            self._gate.clear()

    def release(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()
        else:
            self._gate.set()

    def take(self, most: int) -> bytes | None:
        """Read what has arrived while the input is held: ``None`` if that is nothing, no bytes if it has ended."""
        try:
            return os.read(self._fd, most)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    @property
    def pollable(self) -> bool:
        """Whether the event loop reads it, so that it can be held and taken from."""
        return self._transport is not None

    def drain(self) -> bytes:
        """Take what has arrived and was not read, for a process that is about to end."""
        if self._transport is None:
            return b""
        taken = bytearray()
        with contextlib.suppress(OSError):  # BlockingIOError: there is no more now.
            while len(taken) < MAX_DRAIN_BYTES and (data := os.read(self._fd, READ_BYTES)):
                taken += data
        return bytes(taken)

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()

    def _read_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read where a pipe can't be polled: on Windows (untried), and from a plain file."""
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the loop has ended before the input did.
            while data := os.read(self._fd, READ_BYTES):
                self._gate.wait()
                loop.call_soon_threadsafe(self._on_data, data)
            loop.call_soon_threadsafe(self._on_end)


class _Receiver(asyncio.Protocol):
    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived."""
        self._on_data(data)

    def eof_received(self) -> bool:
        """Keep the transport: the session closes it when everything is on disk."""
        self._on_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone without an end, such as a terminal that was closed."""
        if exc is not None:
            self._on_end()


class Output:
    """Standard output for frames. An editor that does not read its answers never makes us wait.

    Whatever else in this process prints to standard output goes to standard error from then on.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = os.dup(1)
        os.dup2(2, 1)
        self._unsent = bytearray()
        self._waiting = False

    def send(self, frame: bytes) -> None:
        """Send a frame, now or when the editor reads on; past 1 MiB that it did not read, frames are dropped."""
        if len(self._unsent) + len(frame) <= MAX_UNSENT_BYTES:
            self._unsent += frame
            if not self._waiting:
                self._write()

    def close(self) -> None:
        """Send no more."""
        if self._waiting:
            self._loop.remove_writer(self._fd)
        self._unsent.clear()
        os.close(self._fd)

    def _write(self) -> None:
        """Write what there is room for; the descriptor stays a blocking one, because it may be shared."""
        while self._unsent:
            if not _has_room(self._fd):
                if not self._waiting:
                    self._loop.add_writer(self._fd, self._write)
                    self._waiting = True
                return
            try:
                written = os.write(self._fd, self._unsent[:PIECE_BYTES])
            except OSError:
                # Gone, most likely; that it is gone is noticed on standard input.
                written = len(self._unsent)
            del self._unsent[:written]
        if self._waiting:
            self._loop.remove_writer(self._fd)
            self._waiting = False


def _has_room(fd: int) -> bool:
    """Whether a piece can be written without waiting. Windows can't say (untried): there a write may wait."""
    if os.name == "nt":
        return True
    _, ready, _ = select.select((), (fd,), (), 0)
    return bool(ready)
