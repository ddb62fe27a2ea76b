"""Processes that help with a build on one machine, of which its own process is one.

A helper imports the tasks alone, no data engine, and is asked for work once it is up: until then, and where there is
little to do, the build's own process does everything.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any, Protocol

import msgspec

from event_model.errors import DatasetError

GC_OBJECTS = 200_000
"""Objects that a worker makes before Python looks for cycles among them; some 20 MB."""

_FRAME_BYTES = 8

Run = Callable[[str, bytes], bytes]
"""Does one item of a task."""


class Job(Protocol):
    """What can be done: a task by name, from bytes to bytes."""

    def run(self, task: str, item: bytes) -> bytes:
        """Do one item of a task."""
        ...


class Recipe:
    """A job, and how another process makes the same: a function of a module, and what it is called with.

    Where several processes work, the arguments are pickled and handed over in memory: the study's key is among them.
    """

    __slots__ = ("arguments", "make")

    def __init__(self, make: Callable[..., Job], *arguments: Any) -> None:
        self.make = make
        self.arguments = arguments

    def job(self) -> Job:
        """Make the job."""
        return self.make(*self.arguments)


class _Failure(msgspec.Struct, frozen=True):
    """What a task raised, as data."""

    code: str
    message: str
    hint: str = ""
    errno: int = 0


def attempt(job: Job, task: str, item: bytes) -> bytes:
    """Do one item; an error that was raised on purpose, or by the system, becomes a result."""
    try:
        return b"\x00" + job.run(task, item)
    except DatasetError as error:
        return _failed(error)
    except OSError as error:
        return b"\x02" + msgspec.msgpack.encode(_Failure("", error.strerror or str(error), errno=error.errno or 0))


def _failed(error: DatasetError) -> bytes:
    return b"\x01" + msgspec.msgpack.encode(_Failure(error.code, error.message, error.hint))


def outcome(result: bytes) -> bytes:
    """Undo ``attempt``: give the result, or raise what was raised (DatasetError, OSError)."""
    if not result[0]:
        return result[1:]
    failure = msgspec.msgpack.decode(result[1:], type=_Failure)
    if result[0] == 1:
        raise DatasetError(failure.message, code=failure.code, hint=failure.hint)
    raise OSError(failure.errno, failure.message)


class Team:
    """The build's own process and its helpers. Use it as a context manager; ``run`` may be called by many threads."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self._recipe = recipe
        self._seats: SimpleQueue[Run] = SimpleQueue()
        self._helpers = [_Helper(recipe, self._seats.put) for _ in range(workers - 1)]

    def __enter__(self) -> Team:
        job = self._recipe.job()
        self._seats.put(lambda task, item: attempt(job, task, item))
        for helper in self._helpers:
            helper.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for helper in self._helpers:
            helper.stop()

    def run(self, task: str, item: bytes) -> bytes:
        """Let whoever is free do an item; that a helper is gone becomes a result too (code ``engine-failed``)."""
        seat = self._seats.get()
        try:
            return seat(task, item)
        finally:
            self._seats.put(seat)


class _Helper:
    """One process, talked to over its pipes."""

    def __init__(self, recipe: Recipe, ready: Callable[[Run], None]) -> None:
        self._recipe = recipe
        self._ready = ready
        self._stopped = False
        self._busy = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = threading.Thread(target=self._wait, daemon=True)

    def start(self) -> None:
        """Start it; it takes part once it says that it can."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dataset_builder.helpers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._waiting.start()

    def stop(self) -> None:
        """End it once it has done what it was asked, and wait until it is gone."""
        self._stopped = True
        if self._process is None:
            return
        if self._waiting.is_alive():
            self._process.kill()  # it has not begun yet: it would first load all it needs
        self._waiting.join()
        with self._busy:
            self._process.kill()  # it waits for work: ending by itself would take it a tenth of a second
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what it was not sent any more
                        pipe.close()
        self._process.wait()

    def _wait(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, pickle.dumps((self._recipe.make, self._recipe.arguments)))
            _receive(process.stdout)
        except (OSError, EOFError):
            return  # it could not start: the others do its work
        if not self._stopped:
            self._ready(self._run)

    def _run(self, task: str, item: bytes) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with self._busy:
                _send(process.stdin, msgspec.msgpack.encode((task, item)))
                return _receive(process.stdout)
        except (OSError, EOFError, ValueError):
            hint = "Build again: it goes on from here."
            return _failed(DatasetError("a helper ended while it worked", code="engine-failed", hint=hint))


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(_FRAME_BYTES, "little") + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """Read a frame. EOFError: if the other end is gone."""
    size = int.from_bytes(head, "little") if len(head := pipe.read(_FRAME_BYTES)) == _FRAME_BYTES else -1
    data = pipe.read(size) if size >= 0 else b""
    if len(data) != size:
        raise EOFError("the other end is gone")
    return data


class _WithoutPandas(MetaPathFinder):
    """Keeps Arrow from loading pandas, to know its series from lists: that takes as long as all that a helper needs."""

    def find_spec(self, fullname: str, *_where: object) -> None:
        """Say of pandas that it is not installed; of others nothing."""
        if fullname == "pandas":
            raise ModuleNotFoundError("a helper does without pandas", name=fullname)


def main() -> None:
    """Be a helper: what is read from standard input is answered on standard output, until it ends."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not print into the answers
    sys.meta_path.insert(0, _WithoutPandas())
    gc.set_threshold(GC_OBJECTS, 50, 50)
    try:
        make, arguments = pickle.loads(_receive(source))  # noqa: S301 - from the process that started this one
        job: Job = make(*arguments)
        _send(sink, b"")
        while True:
            task, item = msgspec.msgpack.decode(_receive(source), type=tuple[str, bytes])
            _send(sink, attempt(job, task, item))
    except EOFError:
        return


if __name__ == "__main__":
    main()
