"""Small file acts: private folders, files that are created once and durably, the reserve."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path

from event_model.errors import KeyUnavailable, StoreUnwritable

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600

RESERVE_BYTES = 256 * 1024
"""Space kept back for the journal of a transaction that forgets while the disk is full."""


def make_private_folder(path: Path) -> None:
    """Make a folder and its missing parents, durably, that only their owner may enter; an existing one is narrowed."""
    for folder in reversed([each for each in (path, *path.parents) if not each.exists()]):
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        sync_folder(folder.parent)
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(PRIVATE_FOLDER)


def read_bounded(path: Path, limit: int) -> bytes | None:
    """Read a small key file; ``None`` if there is none. KeyUnavailable: if it is unreadable or over ``limit`` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnavailable(f"{path} can't be read: {error.strerror}", code="key-unreadable") from error
    if len(data) > limit:
        raise KeyUnavailable(f"{path} is far too large", code="custody-malformed")
    return data


def create_once(path: Path, data: bytes) -> None:
    """Write a file durably that must not exist yet. FileExistsError: if it does; it is then untouched."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if sys.platform == "win32":
            Path(name).rename(path)  # refuses an existing target there
        else:
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def overwrite(path: Path) -> None:
    """Put zeros in the place of a small file's bytes before it goes; as good as the file system allows."""
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; Windows has no such act and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_reserve(path: Path) -> bool:
    """Make the reserve file if it is missing; false when there is no room for it."""
    try:
        if path.exists() and path.stat().st_size == RESERVE_BYTES:
            return True
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(RESERVE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        release_reserve(path)
        return False
    return True


def release_reserve(path: Path) -> bool:
    """Give the reserve's space back to the disk; false when there was none."""
    with contextlib.suppress(OSError):
        path.unlink()
        return True
    return False


def unwritable(what: str, error: OSError) -> StoreUnwritable:
    """Say in one sentence why a file could not be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StoreUnwritable(f"{what} can't be written: the disk is full")
    return StoreUnwritable(f"{what} can't be written: {error.strerror or type(error).__name__}")
