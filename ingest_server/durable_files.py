"""Files that survive a power cut, written one by one or many at a time.

Each is written under another name, made durable, renamed, and then its directory is made durable: at no time does a
name stand for half a file. Alone that takes an fsync of the file and one of every directory that changed. For many,
where the file system promises it, one ``syncfs`` after the writes and one after the renames do the same: two trips to
the disk for all of them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

PART_SUFFIX = ".part"
"""What is being written has this after its name; a rename takes it off."""

WHOLE_FROM = 4
"""From so many files on, syncing the whole file system is cheaper than each file and directory."""

_WHOLE_SYSTEMS = frozenset({"ext4", "xfs"})
"""File systems whose ``syncfs`` waits until data and names of everything written before are on the medium."""

_REPORTS_ERRORS = (5, 8)
"""From this version on Linux tells of a failed write-back in ``syncfs``; before, it only said so to ``fsync``."""


_LIBC = ctypes.CDLL(None, use_errno=True) if os.name != "nt" else None


class FileSystemSync:
    """Makes everything durable that was written to a directory's file system.

    It is opened before the first write: an error of the medium is told to those that were open when it happened.
    """

    def __init__(self, root: Path) -> None:
        self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    def __call__(self) -> None:
        """Wait until it is. OSError: if anything could not be written."""
        if _LIBC is None or _LIBC.syncfs(self._descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class DurableFiles:
    """Writes files below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._device = root.stat().st_dev
        self._whole = syncs_whole(root)
        self._settled: set[str] = {self._root}
        """Directories whose own entry is known to be on disk: only their content needs to be synced."""

    def write(self, files: Sequence[tuple[str, bytes]]) -> list[OSError | None]:
        """Write files by their path below the root; say of each what kept it from becoming durable, or None."""
        folders = [os.path.dirname(f"{self._root}/{name}") for name, _ in files]  # noqa: PTH120 - thousands a second
        outcomes: list[OSError | None] = [None] * len(files)
        for folder in dict.fromkeys(folders):
            failure = self._make(folder)
            if failure is not None:
                outcomes = [failure if folder == each else told for each, told in zip(folders, outcomes, strict=True)]
        whole = self._whole_of(folders) if len(files) >= WHOLE_FROM else None
        try:
            self._write(files, outcomes, whole)
            if whole is not None:
                whole()
            self._rename(files, outcomes)
            if whole is not None:
                whole()
            self._settle(dict.fromkeys(folders), synced=whole is not None)
        except OSError as error:  # A sync failed: nothing is known of any of them.
            return [error] * len(files)
        finally:
            if whole is not None:
                whole.close()
        return outcomes

    def _make(self, folder: str) -> OSError | None:
        if folder not in self._settled:
            try:
                Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                return error
        return None

    def _whole_of(self, folders: Sequence[str]) -> FileSystemSync | None:
        if not self._whole:
            return None
        for folder in folders:
            # Something else may be mounted below the root.
            if folder not in self._settled and os.path.isdir(folder) and os.stat(folder).st_dev != self._device:  # noqa: PTH112, PTH116
                return None
        return FileSystemSync(Path(self._root))

    def _write(
        self, files: Sequence[tuple[str, bytes]], outcomes: list[OSError | None], whole: FileSystemSync | None
    ) -> None:
        for at, (name, data) in enumerate(files):
            if outcomes[at] is None:
                try:
                    _write_file(f"{self._root}/{name}{PART_SUFFIX}", data, sync=whole is None)
                except OSError as error:
                    outcomes[at] = error

    def _rename(self, files: Sequence[tuple[str, bytes]], outcomes: list[OSError | None]) -> None:
        for at, (name, _) in enumerate(files):
            if outcomes[at] is None:
                path = f"{self._root}/{name}"
                try:
                    os.replace(f"{path}{PART_SUFFIX}", path)  # noqa: PTH105 - a path object for each costs as much
                except OSError as error:
                    outcomes[at] = error

    def _settle(self, folders: Sequence[str] | dict[str, None], *, synced: bool) -> None:
        """Make the directories' entries durable, and those above them that are new."""
        for each in folders:
            if not synced and os.path.isdir(each):  # noqa: PTH112
                sync_directory(each)
            folder = each
            while folder not in self._settled and os.path.isdir(folder):  # noqa: PTH112
                parent = os.path.dirname(folder)  # noqa: PTH120
                if not synced:
                    sync_directory(parent)
                self._settled.add(folder)
                folder = parent


def sync_directory(path: str | Path) -> None:
    """Make a directory's entries durable."""
    if os.name == "nt":  # Windows can't open a directory for this; NTFS journals the entry itself.
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def syncs_whole(root: Path) -> bool:
    """Say whether ``syncfs`` on this directory's file system is a promise."""
    if sys.platform != "linux":
        return False
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if version is None or (int(version[1]), int(version[2])) < _REPORTS_ERRORS or not hasattr(_LIBC, "syncfs"):
        return False
    device = root.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    kinds = {line.partition(" - ")[2].split(" ")[0] for line in mounts if line.split(" ")[2] == name}
    return bool(kinds) and kinds <= _WHOLE_SYSTEMS


def _write_file(path: str, data: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
