"""Runs the maps of a build on Daft: in this process, in several of this machine, or on a Ray cluster.

Only names and counts cross between tasks: payloads are read where they are needed, and rows are written where they are
made. What a task raises travels as data, so that every runner fails with the same error.
"""

from __future__ import annotations

import enum
import functools
import gc
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

import msgspec

# Set before Daft is loaded: it reports its use to its makers and draws bars of its own unless told not to.
os.environ["DAFT_ANALYTICS_ENABLED"] = "0"
os.environ["DO_NOT_TRACK"] = "true"
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft
from daft.exceptions import DaftCoreException

from event_model.errors import DatasetError

QUIET_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What is said to Ray before it is loaded: it too reports its use unless told not to."""


GC_OBJECTS = 200_000
"""Objects that a worker makes before Python looks for cycles among them; some 20 MB."""


class Runner(enum.Enum):
    """What runs the tasks."""

    NATIVE = "native"
    """Daft's own engine, on this machine."""

    RAY = "ray"
    """A Ray cluster, or one that is started on this machine for the length of the build."""


class Engine(msgspec.Struct, frozen=True):
    """How a build is run: the same bytes come out of each.

    ``workers`` is the number of processes; with one, the native runner stays in this process. ``address`` is a Ray
    cluster's; its machines must see the source and the work folder under the same paths.
    """

    runner: Runner = Runner.NATIVE
    workers: int = 1
    address: str | None = None


class Job(Protocol):
    """What can be mapped: a task by name, from bytes to bytes."""

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


_JOBS: dict[str, Job] = {}


def _done(job: Job, task: str, item: bytes) -> bytes:
    """Do one item; an error that was raised on purpose, or by the system, becomes a result."""
    try:
        return b"\x00" + job.run(task, item)
    except DatasetError as error:
        return b"\x01" + msgspec.msgpack.encode(_Failure(error.code, error.message, error.hint))
    except OSError as error:
        return b"\x02" + msgspec.msgpack.encode(_Failure("", error.strerror or str(error), errno=error.errno or 0))


class _Worker:
    """A process that makes the job once and then does items of it."""

    def __init__(self, recipe: tuple[Callable[..., Job], tuple[Any, ...]]) -> None:
        # What a task makes lives as long as the task: looking for cycles among it takes a seventh of the time.
        gc.set_threshold(GC_OBJECTS, 50, 50)
        make, arguments = recipe
        self._job = make(*arguments)

    @daft.method(return_dtype=daft.DataType.binary())
    def run(self, task: str, item: bytes) -> bytes:
        """Do one item."""
        return _done(self._job, task, item)


def run_item(token: str, task: str, item: bytes) -> bytes:
    """Do one item of a job of this process; Daft pickles what it calls, and a module's function goes by its name."""
    return _done(_JOBS[token], task, item)


@daft.func(return_dtype=daft.DataType.binary(), use_process=False)
def _run_here(token: str, task: str, item: bytes) -> bytes:
    return run_item(token, task, item)


def map_items(recipe: Recipe, task: str, items: Sequence[bytes], engine: Engine) -> Iterator[bytes]:
    """Do a task for every item, and give the results in whatever order they come.

    DatasetError and OSError of the job are raised here. DatasetError: if the engine itself fails (code
    ``engine-failed``) or is missing (``extra-missing``).
    """
    if not items:
        return
    token = secrets.token_hex(16)
    here = engine.runner is Runner.NATIVE and min(engine.workers, len(items)) == 1
    try:
        if here:
            _JOBS[token] = recipe.job()
            run: Callable[..., Any] = functools.partial(_run_here, daft.lit(token))
        else:
            if engine.runner is Runner.RAY:
                _start_ray(engine)
            pool = daft.cls(_Worker, max_concurrency=min(engine.workers, len(items)), use_process=True)
            run = pool((recipe.make, recipe.arguments)).run
        frame = daft.from_pydict({"item": list(items)}).into_batches(1)
        frame = frame.select(run(daft.lit(task), daft.col("item")).alias("result"))
        for row in frame.iter_rows():
            yield _unpack(row["result"])
    except DaftCoreException as error:
        raise DatasetError("the data engine failed", code="engine-failed") from error
    finally:
        _JOBS.pop(token, None)


def _unpack(result: bytes) -> bytes:
    if result[0]:
        _raise(result[0], msgspec.msgpack.decode(result[1:], type=_Failure))
    return result[1:]


def _raise(kind: int, failure: _Failure) -> NoReturn:
    if kind == 1:
        raise DatasetError(failure.message, code=failure.code, hint=failure.hint)
    raise OSError(failure.errno, failure.message)


def _start_ray(engine: Engine) -> None:
    """Start Ray or join the cluster, and tell Daft to use it: for the life of the process."""
    os.environ.update(QUIET_RAY)
    try:
        import ray  # noqa: PLC0415 - an extra of 200 MB, for clusters alone
    except ModuleNotFoundError as error:
        raise DatasetError(
            "Ray is not installed", code="extra-missing", hint="Install it: pip install 'overt[ray]'"
        ) from error
    if not ray.is_initialized():
        options: dict[str, Any] = {"logging_level": "ERROR", "include_dashboard": False, "log_to_driver": False}
        if engine.address is None:
            options["num_cpus"] = engine.workers
        ray.init(address=engine.address, **options)
    daft.set_runner_ray(noop_if_initialized=True)
