"""Reads large segments in a process of its own, so that pages are answered at once while one is being read.

It gets a segment's bytes, opened, and gives back its digest; it has no key, opens no file, and ends with the page.
Run as ``python -m overt.review.apart``: frames of four bytes of length (big-endian) and that many bytes, both ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import BinaryIO

import msgspec

from event_model.errors import OvertError
from event_model.segment import decode_segment
from overt.review.digest import Digest, digest

COMMAND = (sys.executable, "-P", "-m", "overt.review.apart")

_LENGTH = 4


class Apart:
    """The process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def digest(self, segment: bytes) -> Digest | None:
        """Give a segment's digest; ``None`` where that can't be done here, and the caller has to."""
        async with self._turn:
            try:
                answer = await self._exchange(segment)
            except (OSError, EOFError, NotImplementedError):  # the last: an event loop that starts no processes
                await self._end()
                return None
        return msgspec.msgpack.decode(answer, type=Digest) if answer else None

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _exchange(self, segment: bytes) -> bytes:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(len(segment).to_bytes(_LENGTH, "big") + segment)
        await stdin.drain()
        length = int.from_bytes(await stdout.readexactly(_LENGTH), "big")
        return await stdout.readexactly(length)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it holds nothing that could be lost
            await process.wait()


def main(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer until nobody asks any more."""
    while len(head := stdin.read(_LENGTH)) == _LENGTH:
        answer = _answer(stdin.read(int.from_bytes(head, "big")))
        stdout.write(len(answer).to_bytes(_LENGTH, "big") + answer)
        stdout.flush()


def _answer(segment: bytes) -> bytes:
    try:
        content = decode_segment(segment)
    except OvertError:
        return b""
    return msgspec.msgpack.encode(digest(content.events, content.masks, content.findings))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the page, which ends this
    main(sys.stdin.buffer, sys.stdout.buffer)
