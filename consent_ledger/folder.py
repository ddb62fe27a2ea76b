"""The files of one study's consent, and the one step that ends consent without a key and without space."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

from consent_ledger.files import read_small, sync_folder, unwritable
from event_model.errors import ConsentError
from event_model.ids import StudyId, is_study_id

_MARKER = re.compile(r"withdrawn-(\d{1,16})\.json")


class StudyFolder:
    """Names and reads the files; an unreadable one raises OSError, a missing one gives None."""

    def __init__(self, consent: Path, study: StudyId) -> None:
        # The id names a folder: one that is not an id could name another folder.
        if not is_study_id(study):
            raise ConsentError(f"{study!r} can't be the id of a study", code="no-such-study")
        self.study = study
        self.path = consent / study
        self.manifest = self.path / "manifest.json"
        self.record = self.path / "record.json"
        self.narrowing = self.path / "narrowing.json"
        self.offered = self.path / "offered.json"
        self.declined = self.path / "declined.json"
        self.hold = self.path / "hold.json"
        self.history = self.path / "history"

    @staticmethod
    def read(path: Path) -> bytes | None:
        """Read one of the files, or None if it is not there. OSError: if it can't be read."""
        try:
            return read_small(path)
        except FileNotFoundError:
            return None

    def markers(self) -> list[tuple[int, Path]]:
        """List the records that were taken back and not signed off, oldest first, with the time in ms."""
        try:
            found = [(match, entry) for entry in self.path.iterdir() if (match := _MARKER.fullmatch(entry.name))]
        except OSError:
            return []
        return sorted((int(match[1]), entry) for match, entry in found)

    def was_left(self) -> bool:
        """Say whether a consent was given here once: the manifest that was agreed to stays."""
        return self.manifest.exists() or bool(self.markers())

    def retire(self, now_ms: int) -> bool:
        """Make the record not live by renaming it; False if there is none.

        A rename within a folder needs no space and no key, and the new name keeps the time. StoreUnwritable: if the
        folder can't be changed at all.
        """
        if not self.record.exists():
            return False
        marker_ms = now_ms
        while (marker := self.path / f"withdrawn-{marker_ms}.json").exists():
            marker_ms += 1
        try:
            self.record.rename(marker)
        except OSError as error:
            self._destroy(error)
        with contextlib.suppress(OSError):
            # The rename holds for every process at once; the sync only guards it against a power cut.
            sync_folder(self.path)
        return True

    def _destroy(self, cause: OSError) -> None:
        """End consent when renaming failed: take the file away, or else empty it."""
        with contextlib.suppress(OSError):
            self.record.unlink()
            return
        with contextlib.suppress(OSError):
            os.truncate(self.record, 0)
            return
        raise unwritable(self.record, cause) from cause


def list_folders(consent: Path) -> list[StudyFolder]:
    """List the folders of all studies, by name. OSError: if the folder of all consents can't be read."""
    try:
        entries = sorted(consent.iterdir())
    except FileNotFoundError:
        return []
    return [
        StudyFolder(consent, StudyId(entry.name)) for entry in entries if is_study_id(entry.name) and entry.is_dir()
    ]


class Watch:
    """Notices changes of any process below ``consent/`` with a few stat calls."""

    def __init__(self, consent: Path) -> None:
        self._consent = consent
        self._files: tuple[str, ...] = (str(consent),)
        self._last: tuple[object, ...] | None = None

    def fingerprint(self) -> object:
        """Give a value that differs from the one before if a file appeared, went, or was written."""
        now = tuple(map(_stamp, self._files))
        if now != self._last:
            # What there is to watch may have changed with it.
            with contextlib.suppress(OSError):
                self._files = self._list()
            self._last = now = tuple(map(_stamp, self._files))
        return now

    def stirred(self) -> bool:
        """Say whether something changed since the last fingerprint, by one stat call: all that a ledger did shows."""
        return self._last is None or _stamp(self._files[0]) != self._last[0]

    def touch(self) -> None:
        """Give the folder a time it never had: two changes within one tick of the file system must both show."""
        with contextlib.suppress(OSError):
            before = self._consent.stat()
            os.utime(self._consent, ns=(before.st_atime_ns, max(time.time_ns(), before.st_mtime_ns + 1)))

    def _list(self) -> tuple[str, ...]:
        """List as few files as will do: what comes or goes through a ledger shows in the time of the folder above."""
        files = [self._consent]
        if (pause := self._consent / "pause.json").exists():
            files.append(pause)
        for folder in list_folders(self._consent):
            if folder.record.exists():
                narrowing = folder.narrowing if folder.narrowing.exists() else folder.path  # where it would appear
                files += [folder.record, folder.manifest, narrowing]
            else:
                files.append(folder.path)
        return tuple(map(str, files))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat costs twice as much, and this runs for each event
    except OSError as error:
        return (error.errno or -1,)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
