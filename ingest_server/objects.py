"""Where the sealed bytes lie: a small protocol, and a directory behind it.

A ``put`` or ``erase`` that has returned survives a power cut. ``obstore`` writes and renames without fsync, so the
directory store writes by itself: the file and its fsync, the rename, then the fsync of every directory that changed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from event_model.errors import StoreUnwritable
from event_model.ids import Pseudonym, StudyId

_OBJECTS_UNWRITABLE = "The receiver's object store failed; see that it runs, has space and can be written."


WRITERS = 8
"""Objects written at once by one process: each waits for two fsyncs, which the file system does together."""

PART_SUFFIX = ".part"
"""What is being written has this after its key; it becomes the object by a rename."""


def participant_prefix(study: StudyId, pseudonym: Pseudonym) -> str:
    """Name the folder of one participant's segments, with the closing slash."""
    return f"segments/{study}/{pseudonym}/"


def segment_key(study: StudyId, pseudonym: Pseudonym, epoch: int, number: int) -> str:
    """Name a segment's object: keys sort in the order in which segments were sealed."""
    return f"{participant_prefix(study, pseudonym)}{epoch:08d}/{number:010d}.overt"


class Objects(Protocol):
    """What the receiver asks of an object store. StoreUnwritable: from every method, if the store fails."""

    async def put(self, key: str, data: bytes) -> None:
        """Keep an object, durably, in place of any of the same key."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        ...

    async def erase(self, keys: Sequence[str]) -> None:
        """Erase objects, durably; keys without an object are passed over."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """List the keys under a folder, sorted."""
        ...


class DirectoryObjects:
    """Objects as files under one directory."""

    def __init__(self, root: Path) -> None:
        """Open the directory, and make it if need be, for its owner alone."""
        with object_store_errors():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(root.parent)
            self._store = LocalStore(root, mkdir=True)
        self._root = root
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="objects")
        self._settled: set[Path] = set()
        """Directories whose own entry is known to be on disk: only their content needs an fsync."""

    async def put(self, key: str, data: bytes) -> None:
        """Keep an object, durably, in place of any of the same key."""
        await asyncio.get_running_loop().run_in_executor(self._writers, self._put, key, data)

    async def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        return await asyncio.to_thread(self._get, key)

    async def erase(self, keys: Sequence[str]) -> None:
        """Erase objects, durably; keys without an object are passed over."""
        await asyncio.to_thread(self._erase, keys)

    async def keys(self, prefix: str) -> list[str]:
        """List the keys under a folder, sorted."""
        return await asyncio.to_thread(self._keys, prefix)

    def _put(self, key: str, data: bytes) -> None:
        with object_store_errors():
            path = self._root / key
            if path.parent not in self._settled:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Its name is listed like any other: what a crash leaves half written is found, and erased with the rest.
            part = f"{path}{PART_SUFFIX}"
            _write_file(part, data)
            os.replace(part, path)  # noqa: PTH105 - a path object for each would cost as much as the call
            self._sync_directories(path.parent)

    def _get(self, key: str) -> bytes | None:
        with object_store_errors():
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def _erase(self, keys: Sequence[str]) -> None:
        with object_store_errors():
            for key in keys:
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue
            # Also for those that were already gone: an earlier attempt may have died before its fsync.
            for folder in {(self._root / key).parent for key in keys}:
                if folder.is_dir():
                    _sync_directory(folder)

    def _keys(self, prefix: str) -> list[str]:
        with object_store_errors():
            pages = obstore.list(self._store, prefix.rstrip("/"))
            return sorted(item["path"] for page in pages for item in page)

    def _sync_directories(self, folder: Path) -> None:
        _sync_directory(folder)
        while folder != self._root and folder not in self._settled:
            _sync_directory(folder.parent)
            self._settled.add(folder)
            folder = folder.parent


@contextmanager
def object_store_errors() -> Iterator[None]:
    """Turn whatever an object store raises into StoreUnwritable."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise StoreUnwritable("the object store failed", hint=_OBJECTS_UNWRITABLE) from error


def _write_file(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # Windows can't open a directory for this; NTFS journals the entry itself.
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
