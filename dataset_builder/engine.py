"""Runs the maps of a build on Daft: in this process, in several of this machine, or on a Ray cluster.

Only names and counts cross between tasks: payloads are read where they are needed, and rows are written where they are
made. What a task raises travels as data, so that every runner fails with the same error.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import gc
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

# Set before Daft is loaded: it reports its use to its makers and draws bars of its own unless told not to.
os.environ["DAFT_ANALYTICS_ENABLED"] = "0"
os.environ["DO_NOT_TRACK"] = "true"
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft
from daft.exceptions import DaftCoreException

from dataset_builder.helpers import GC_OBJECTS, Job, Recipe, Team, outcome
from event_model.errors import DatasetError

QUIET_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What is said to Ray before it is loaded: it too reports its use unless told not to."""


class Runner(enum.Enum):
    """What runs the tasks."""

    NATIVE = "native"
    """Daft's own engine, on this machine."""

    RAY = "ray"
    """A Ray cluster, or one that is started on this machine for the length of the build."""


class Engine(msgspec.Struct, frozen=True):
    """How a build is run: the same bytes come out of each.

    ``workers`` is the number of processes on each machine, at most its processors; with one, the native runner stays in
    this process. ``address`` is a Ray
    cluster's; its machines must see the source and the work folder under the same paths.
    """

    runner: Runner = Runner.NATIVE
    workers: int = 1
    address: str | None = None


_TEAMS: dict[str, Team] = {}
_OF_RAY: dict[str, Team] = {}
_LOCK = threading.Lock()


class _OnRay:
    """What Ray's process of a machine hands items to: a team there, the same for all tasks of a build."""

    def __init__(self, token: str, recipe: tuple[Callable[..., Job], tuple[Any, ...]], workers: int) -> None:
        with _LOCK:  # one of these is made for each task and thread
            if token not in _OF_RAY:
                while _OF_RAY:  # that of an earlier build, with its key
                    _OF_RAY.popitem()[1].__exit__(None, None, None)
                # What a task makes lives as long as the task: looking for cycles among it takes a seventh of the time.
                gc.set_threshold(GC_OBJECTS, 50, 50)
                make, arguments = recipe
                _OF_RAY[token] = Team(Recipe(make, *arguments), workers).__enter__()
        self._team = _OF_RAY[token]

    @daft.method(return_dtype=daft.DataType.binary())
    def run(self, task: str, item: bytes) -> bytes:
        """Do one item."""
        return self._team.run(task, item)


def run_item(token: str, task: str, item: bytes) -> bytes:
    """Do one item with a team of this process; Daft pickles what it calls, and a module's function goes by its name."""
    return _TEAMS[token].run(task, item)


@daft.func(return_dtype=daft.DataType.binary(), use_process=False)
def _run_here(token: str, task: str, item: bytes) -> bytes:
    return run_item(token, task, item)


class Workshop:
    """Where the tasks of one build are done. Use it as a context manager."""

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        self._recipe = recipe
        self._engine = engine
        self._token = secrets.token_hex(16)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Workshop:
        """DatasetError: if the engine is missing (code ``extra-missing``)."""
        if self._engine.runner is Runner.RAY:
            _start_ray(self._engine)
        else:
            self._open.enter_context(_fewer_collections())
            _TEAMS[self._token] = self._open.enter_context(Team(self._recipe, self._engine.workers))
        return self

    def __exit__(self, *_error: object) -> None:
        _TEAMS.pop(self._token, None)
        self._open.close()

    def map(self, task: str, items: Sequence[bytes]) -> Iterator[bytes]:
        """Do a task for every item, and give the results in whatever order they come.

        DatasetError and OSError of the job are raised here. DatasetError: if the engine itself fails (code
        ``engine-failed``).
        """
        if not items:
            return
        if self._engine.runner is Runner.RAY:
            made = daft.cls(_OnRay, use_process=False)
            recipe = (self._recipe.make, self._recipe.arguments)
            run: Callable[..., Any] = made(self._token, recipe, self._engine.workers).run
        else:
            run = functools.partial(_run_here, daft.lit(self._token))
        try:
            frame = daft.from_pydict({"item": list(items)}).into_batches(1)
            frame = frame.select(run(daft.lit(task), daft.col("item")).alias("result"))
            with daft.execution_config_ctx(maintain_order=False):
                for row in frame.iter_rows():
                    yield outcome(row["result"])
        except DaftCoreException as error:
            raise DatasetError("the data engine failed", code="engine-failed") from error


@contextlib.contextmanager
def _fewer_collections() -> Iterator[None]:
    """Let Python look for cycles more rarely: what a task makes lives as long as the task."""
    before = gc.get_threshold()
    gc.set_threshold(GC_OBJECTS, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


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
