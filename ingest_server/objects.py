"""Where the sealed bytes lie: a small protocol, and a directory behind it.

A ``put`` or ``erase`` that has returned survives a power cut. ``obstore`` writes and renames without fsync, so the
directory store writes by itself (see ``durable_files``).
"""

from __future__ import annotations

import asyncio
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
from ingest_server.durable_files import DurableFiles, sync_directory

_OBJECTS_UNWRITABLE = "The receiver's object store failed; see that it runs, has space and can be written."


WRITERS = 8
"""Single objects written at once by one process."""


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

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreUnwritable | None]:
        """Keep many, each as ``put`` does, in the calling thread; say of each what kept it out, or None."""
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
            sync_directory(root.parent)
            self._store = LocalStore(root, mkdir=True)
            self._files = DurableFiles(root)
        self._root = root
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="objects")

    async def put(self, key: str, data: bytes) -> None:
        """Keep an object, durably, in place of any of the same key."""
        (failure,) = await asyncio.get_running_loop().run_in_executor(self._writers, self.put_all, [(key, data)])
        if failure is not None:
            raise failure

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreUnwritable | None]:
        """Keep many, each as ``put`` does, in the calling thread; say of each what kept it out, or None."""
        if not objects:
            return []
        return [None if error is None else _unwritable(error) for error in self._files.write(objects)]

    async def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        return await asyncio.to_thread(self._get, key)

    async def erase(self, keys: Sequence[str]) -> None:
        """Erase objects, durably; keys without an object are passed over."""
        await asyncio.to_thread(self._erase, keys)

    async def keys(self, prefix: str) -> list[str]:
        """List the keys under a folder, sorted."""
        return await asyncio.to_thread(self._keys, prefix)

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
                    sync_directory(folder)

    def _keys(self, prefix: str) -> list[str]:
        with object_store_errors():
            pages = obstore.list(self._store, prefix.rstrip("/"))
            return sorted(item["path"] for page in pages for item in page)


@contextmanager
def object_store_errors() -> Iterator[None]:
    """Turn whatever an object store raises into StoreUnwritable."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise _unwritable(error) from error


def _unwritable(error: Exception) -> StoreUnwritable:
    failure = StoreUnwritable("the object store failed", hint=_OBJECTS_UNWRITABLE)
    failure.__cause__ = error
    return failure
