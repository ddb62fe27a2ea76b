"""The roster: names that the filter was told to look for on this device, beside those it finds by itself.

A study's owner may hand one out, a text with a name a line. Here it is kept as digests under a key of this
installation, so that neither who reads the file nor who guesses at names learns whom it lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from consent_ledger.files import make_private_folder, write_files
from event_model.errors import FormatError
from event_model.keys import Secret
from privacy_filter.detectors.names import NameBook

FILE_NAME = "names.json"
MAX_FILE_BYTES = 4 << 20
"""More than the digests of as many names as a book holds."""

_PURPOSE = "overt roster of names 1"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: how many names were given, and their digests."""

    names: int
    known: tuple[bytes, ...]
    begins: tuple[bytes, ...]


def roster_size(home: Path) -> int:
    """Say how many names were given. FormatError: if the file is damaged."""
    return _read(home).names


def read_roster(home: Path, installation: Secret) -> NameBook:
    """Give the book of the names that were given; empty if there are none. FormatError: if the file is damaged."""
    kept = _read(home)
    return NameBook(_key(installation), known=kept.known, begins=kept.begins)


def add_to_roster(home: Path, installation: Secret, names: Iterable[str]) -> int:
    """Add names and give how many new ones these were.

    FormatError: if the file is damaged. StoreUnwritable: if it can't be written.
    """
    book, before = read_roster(home, installation), _read(home).names
    added = 0
    for name in names:
        size = len(book)
        book.learn([name])
        added += len(book) > size
    known, begins = book.digests()
    make_private_folder(home)
    data = msgspec.json.encode(_Kept(before + added, known, begins))
    write_files([(home / FILE_NAME, data)])
    return added


def clear_roster(home: Path) -> None:
    """Forget every name that was given. OSError: if the file can't be removed."""
    (home / FILE_NAME).unlink(missing_ok=True)


def _key(installation: Secret) -> bytes:
    return installation.derive(_PURPOSE).reveal()


def _read(home: Path) -> _Kept:
    try:
        with (home / FILE_NAME).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return _Kept(0, (), ())
    except OSError as error:
        raise _damaged(str(error)) from error
    if len(data) > MAX_FILE_BYTES:
        raise _damaged("it is too large")
    try:
        return msgspec.json.decode(data, type=_Kept)
    except msgspec.DecodeError as error:
        raise _damaged(str(error)) from error


def _damaged(detail: str) -> FormatError:
    return FormatError(
        f"the roster of names can't be read: {detail}",
        code="roster-damaged",
        hint="Run `overt names --clear`, then add the names again.",
    )
