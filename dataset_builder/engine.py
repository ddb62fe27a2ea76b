"""Runs the two maps of a build on Daft: objects to facts, sessions to parts.

Only names and counts cross between tasks: payloads are read where they are needed, and rows are written where they are
made. A job is kept in this process and named by a token, so that no key is ever pickled.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from typing import Protocol

# Set before Daft is loaded: it reports its use to its makers and draws bars of its own unless told not to.
os.environ["DAFT_ANALYTICS_ENABLED"] = "0"
os.environ["DO_NOT_TRACK"] = "true"
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft
from daft.exceptions import DaftCoreException

from event_model.errors import DatasetError


class Job(Protocol):
    """What can be mapped: a task by name, from bytes to bytes."""

    def run(self, task: str, item: bytes) -> bytes:
        """Do one item of a task."""
        ...


_JOBS: dict[str, Job] = {}
_FAILURES: dict[str, BaseException] = {}


def run_item(token: str, task: str, item: bytes) -> bytes:
    """Do one item of a job of this process; what goes wrong is kept for ``map_items``."""
    try:
        return _JOBS[token].run(task, item)
    except BaseException as error:
        _FAILURES.setdefault(token, error)
        raise


@daft.func(return_dtype=daft.DataType.binary(), use_process=False)
def _run(token: str, task: str, item: bytes) -> bytes:
    return run_item(token, task, item)


def map_items(job: Job, task: str, items: Sequence[bytes]) -> Iterator[bytes]:
    """Do a task for every item, and give the results in whatever order they come.

    Whatever the job raises is raised here. DatasetError: if the engine itself fails (code ``engine-failed``).
    """
    if not items:
        return
    token = secrets.token_hex(16)
    _JOBS[token] = job
    try:
        frame = daft.from_pydict({"item": list(items)}).into_batches(1)
        frame = frame.select(_run(daft.lit(token), daft.lit(task), daft.col("item")).alias("result"))
        for row in frame.iter_rows():
            yield row["result"]
    except Exception as error:
        failure = _FAILURES.get(token)
        if failure is not None:
            raise failure from None
        if isinstance(error, DaftCoreException):
            raise DatasetError("the data engine failed", code="engine-failed") from error
        raise
    finally:
        del _JOBS[token]
        _FAILURES.pop(token, None)
