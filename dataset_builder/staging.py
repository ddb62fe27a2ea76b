"""Folders written beside their target, to take its place whole: one writer at a time, and nothing is left behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from event_model.errors import DatasetError


@contextlib.contextmanager
def staging_for(target: Path) -> Iterator[Path]:
    """Give an empty folder beside a target; it is gone afterwards, and so is what a killed process left of one.

    An empty file ``.NAME.lock`` stays beside the target. DatasetError: if someone else is writing the same target (code
    ``build-running``). OSError: if nothing can be written there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.parent / f".{target.name}.lock"
    busy = DatasetError(f"something else is writing {target}", code="build-running", hint="Wait until it is done.")
    with held(lock, busy):
        prefix = f".{target.name}.new-"
        for left in target.parent.iterdir():
            if left.name.startswith(prefix):
                shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def held(lock: Path, busy: DatasetError) -> contextlib.AbstractContextManager[object]:
    """Hold a lock while something is made. DatasetError: ``busy``, if someone else holds it. OSError: as it comes."""
    try:
        return filelock.FileLock(lock, timeout=0, mode=0o600).acquire()
    except filelock.Timeout as error:
        raise busy from error
