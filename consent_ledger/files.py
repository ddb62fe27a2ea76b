"""Small files that survive a power cut: read whole, replaced whole, private to the user."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from event_model.errors import StoreUnwritable
from event_model.signed import MAX_DOCUMENT_BYTES

_TEMPORARY = ".new-"


def make_private_folder(path: Path) -> None:
    """Make a folder and its missing parents, durably, readable by the user alone. StoreUnwritable: if that fails."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def read_small(path: Path) -> bytes:
    """Read a file of at most ``MAX_DOCUMENT_BYTES``, and one byte more, so that a longer one is seen as such.

    OSError: as ``open`` raises it.
    """
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT_BYTES + 1)


def write_files(files: Sequence[tuple[Path, bytes]]) -> None:
    """Replace files: all are written and synced aside first, then renamed in the order given.

    A full disk leaves everything as it was. StoreUnwritable: if anything could not be written or renamed.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, data in files:
            temporary = path.with_name(f"{_TEMPORARY}{os.urandom(8).hex()}")
            staged.append((temporary, path))
            _write_new(temporary, data)
        for temporary, path in staged:
            temporary.replace(path)
        for folder in {path.parent for path, _ in files}:
            sync_folder(folder)
    except OSError as error:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise unwritable(files[0][0], error) from error


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(descriptor, "wb", closefd=True) as file:  # noqa: PTH123 - opens a descriptor, not a path
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make renames in a folder durable; Windows has no such call and needs none. OSError: if it fails."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> StoreUnwritable:
    """Say that a file could not be written, with a code for the common cause."""
    code = "disk-full" if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else None
    return StoreUnwritable(f"{path.name} could not be written: {error.strerror or error}", code=code)
