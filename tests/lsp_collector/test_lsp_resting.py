"""The loop that rests: what comes in a row is one call, and nothing else that the loop does is late for it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest

from lsp_collector import resting
from lsp_collector.resting import RestingLoop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loop is for Linux")


@pytest.fixture
def loop() -> Iterator[RestingLoop]:
    loop = RestingLoop()
    loop.set_debug(True)
    yield loop
    loop.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


class Row:
    """Reads what has come, and rests until there was enough."""

    def __init__(self, loop: RestingLoop, fd: int, *, enough: int, window_s: float = 0.05) -> None:
        self.loop, self.fd, self.enough, self.window_s = loop, fd, enough, window_s
        self.reads: list[bytes] = []
        self.done = asyncio.Event()

    def rest(self, *, begun: bool = False) -> None:
        self.loop.rest(self.fd, self.come, self.quiet, window_s=self.window_s, begun=begun)

    def come(self) -> None:
        self.reads.append(os.read(self.fd, 100))
        if sum(map(len, self.reads)) >= self.enough or not self.reads[-1]:
            self.done.set()
        else:
            self.rest()

    def quiet(self) -> None:
        self.reads.append(b"quiet")
        self.done.set()


def test_what_comes_in_a_row_is_one_call(loop: RestingLoop, pipe: tuple[int, int]) -> None:
    async def run() -> list[bytes]:
        row = Row(loop, pipe[0], enough=6)
        row.rest()
        for letters in ("ab", "cd"):
            for letter in letters:
                os.write(pipe[1], letter.encode())
            while b"".join(row.reads)[-1:] != letters[-1].encode():
                await asyncio.sleep(0)
        os.write(pipe[1], b"ef")
        async with asyncio.timeout(30):
            await row.done.wait()
        return row.reads

    assert loop.run_until_complete(run()) == [b"ab", b"cd", b"ef"]


def test_without_a_window_each_write_is_a_call(loop: RestingLoop, pipe: tuple[int, int]) -> None:
    async def run() -> list[bytes]:
        row = Row(loop, pipe[0], enough=4, window_s=0.0)
        row.rest()
        for letters in (b"ab", b"cd"):
            os.write(pipe[1], letters)
            while b"".join(row.reads)[-2:] != letters:
                await asyncio.sleep(0.001)
        return row.reads

    assert loop.run_until_complete(run()) == [b"ab", b"cd"]


def test_the_loop_goes_on_while_it_rests(loop: RestingLoop, pipe: tuple[int, int]) -> None:
    """Timers, threads and other files end a wait, before the first key and in the row."""

    async def run(*, begun: bool) -> list[bytes]:
        row = Row(loop, pipe[0], enough=1)
        row.rest(begun=begun)
        await asyncio.sleep(0.001)
        await asyncio.to_thread(os.getpid)
        ends = os.pipe()
        heard = asyncio.Event()
        loop.add_reader(ends[0], heard.set)
        os.write(ends[1], b"x")
        async with asyncio.timeout(30):
            await heard.wait()
        loop.remove_reader(ends[0])
        for end in ends:
            os.close(end)
        os.write(pipe[1], b"k")
        async with asyncio.timeout(30):
            await row.done.wait()
        return row.reads

    assert loop.run_until_complete(run(begun=False)) == [b"k"]
    assert loop.run_until_complete(run(begun=True)) == [b"k"]


def test_what_a_call_gives_the_loop_is_done_at_once(
    loop: RestingLoop, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        done = asyncio.Event()

        def come() -> None:
            os.read(pipe[0], 100)
            loop.call_soon(done.set)
            loop.rest(pipe[0], come, come, window_s=0.05)  # for long: no other key will end the wait

        loop.rest(pipe[0], come, come, window_s=0.05)
        os.write(pipe[1], b"x")
        async with asyncio.timeout(30):
            await done.wait()

    monkeypatch.setattr(resting, "QUIET_S", 600.0)
    loop.run_until_complete(run())


def test_an_end_is_not_waited_on(loop: RestingLoop, pipe: tuple[int, int]) -> None:
    async def run() -> list[bytes]:
        row = Row(loop, pipe[0], enough=1, window_s=600.0)
        row.rest()
        os.close(pipe[1])
        async with asyncio.timeout(30):
            await row.done.wait()
        return row.reads

    assert loop.run_until_complete(run()) == [b""]


def test_when_nothing_comes_that_is_said(
    loop: RestingLoop, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[bytes]:
        row = Row(loop, pipe[0], enough=1)
        row.rest()
        async with asyncio.timeout(30):
            await row.done.wait()
        return row.reads

    monkeypatch.setattr(resting, "QUIET_S", 0.01)
    assert loop.run_until_complete(run()) == [b"quiet"]


def test_a_call_that_fails_is_reported_and_the_loop_goes_on(loop: RestingLoop, pipe: tuple[int, int]) -> None:
    async def run() -> list[str]:
        said: list[str] = []
        heard = asyncio.Event()

        def say(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            said.append(repr(context["exception"]))
            loop.call_soon(heard.set)

        def fail() -> None:
            raise RuntimeError("a fault")

        loop.set_exception_handler(say)
        loop.rest(pipe[0], fail, fail, window_s=0.05)
        os.write(pipe[1], b"x")
        async with asyncio.timeout(30):
            await heard.wait()
        return said

    assert loop.run_until_complete(run()) == ["RuntimeError('a fault')"]
