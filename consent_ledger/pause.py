"""The pause: one small file that stops all capture while it stands, and needs no space to be made."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from consent_ledger.files import make_private_folder, read_small, sync_folder, unwritable, write_files
from event_model.body import Count
from event_model.errors import StoreUnwritable

UNTIL_RESUMED: Final = 2**53 - 1
"""What stands for a pause without an end, in ms."""


class _Pause(msgspec.Struct, frozen=True):
    until_ms: Count


class PauseFile:
    """The file ``pause.json``; whatever can't be read there is a pause without an end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spare = path.with_name("pause.spare")

    def keep_spare(self) -> None:
        """Lay by an empty file that a pause can rename when the disk has no room for a new one."""
        try:
            os.close(os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        except OSError as error:
            raise unwritable(self._spare, error) from error

    def until_ms(self) -> int | None:
        """When the pause ends, Unix ms; ``UNTIL_RESUMED`` if it has no end or can't be read; None without a pause."""
        try:
            return msgspec.json.decode(read_small(self._path), type=_Pause).until_ms
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return UNTIL_RESUMED

    def start(self, until_ms: int | None) -> None:
        """Pause at once. StoreUnwritable: if not even an empty file can be made.

        The empty file comes first: it is a pause without an end, and stays one when there is no space to say when
        the pause ends.
        """
        make_private_folder(self._path.parent)
        self._make_empty()
        with contextlib.suppress(OSError):
            sync_folder(self._path.parent)
        if until_ms is None:
            return
        try:
            write_files([(self._path, msgspec.json.encode(_Pause(until_ms=max(0, min(until_ms, UNTIL_RESUMED)))))])
        except StoreUnwritable as error:
            error.hint = "Capture is paused until you resume it: there was no space to note when the pause ends."
            raise

    def end(self) -> None:
        """Resume. StoreUnwritable: if the file can't be taken away; capture then stays paused."""
        try:
            # Emptied first: a spare that named a past moment would be a pause that does not hold.
            self._make_empty(create=False)
            self._path.replace(self._spare)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _make_empty(self, *, create: bool = True) -> None:
        flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if create else 0)
        try:
            os.close(os.open(self._path, flags, 0o600))
        except OSError as error:
            if not create:
                raise
            try:
                self._spare.rename(self._path)
            except OSError:
                raise unwritable(self._path, error) from error
