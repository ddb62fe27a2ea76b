"""Opening the database, and mending it where it is damaged: what is whole in it goes into a new one, row by row.

The damaged file is set aside, beside the new one, until the person forgets something: it may hold that, too. What is
damaged while a program works is noted, and mended when the store is opened next with nobody else in it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from event_model.errors import DecryptError, StoreDamaged
from event_model.keys import Secret
from local_store import schema, vault
from local_store.consistency import structure
from local_store.files import PRIVATE_FILE, overwrite, sync_folder, unwritable
from local_store.handles import FLAGS, close, lock, read_at, unlock
from local_store.piecing import Pieces
from local_store.salvage import Found, Pages, read, scan
from local_store.sqlite_errors import is_damage

WAIT_S = 5.0
"""How long a program that finds damage waits for others to close the store, or to have mended it."""

_TRY_S = 0.05
_ASIDE = ".damaged-"
_NEW_SUFFIX = ".new"
_JOURNAL_SUFFIX = "-journal"
_CACHED_PAGES = 256
_READ_TRIES = 3
"""A disk that fails once may give the page the next time."""

_COLUMNS = {"studies": 6, "sessions": 10, "keys": 5, "journal": 4, "segments": 20}


class Presence:
    """That somebody has the store open: a lock shared by all who do, which who mends has to have alone.

    Windows has no shared locks, but lets nobody replace a file that is open.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "open.lock"
        self._handle = -1

    def enter(self) -> None:
        """Be one of those who have the store open; waits for who mends. OSError: if the file system has no locks.

        Where there can be no such file, as on a read-only file system, nobody can mend either.
        """
        if self._handle < 0:
            with contextlib.suppress(OSError):
                self._handle = os.open(self._path, FLAGS | os.O_CREAT, PRIVATE_FILE)
        if self._handle >= 0 and sys.platform != "win32":
            lock(self._handle, wait=True, share=True)

    def alone(self) -> bool:
        """Become the only one, if nobody else is there."""
        if self._handle < 0:
            return False
        return sys.platform == "win32" or lock(self._handle, wait=False, share=False)

    def leave(self) -> None:
        """Let go."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                unlock(self._handle)
            close(self._handle)
            self._handle = -1


def open_database(path: Path, presence: Presence, root: Secret | None) -> sqlite3.Connection:
    """Open the database, and make it at the first run; one that is damaged is mended first.

    Without the root key rows are taken as they are found. OSError, sqlite3.Error: as they come. StoreDamaged: if it
    is damaged and others have it open. KeyUnavailable: if it is damaged, and under another root key.
    """
    until = time.monotonic() + WAIT_S
    while True:
        presence.enter()
        try:
            connection = _open_or_mend(path, presence, root)
        except BaseException:
            presence.leave()
            raise
        if connection is not None:
            return connection
        presence.leave()
        if time.monotonic() > until:
            raise StoreDamaged(
                "the database is damaged, and can't be mended while another program has it open",
                hint="Close your editors and browsers, then run `overt verify`: what is whole is brought over.",
            )
        time.sleep(_TRY_S)


def _open_or_mend(path: Path, presence: Presence, root: Secret | None) -> sqlite3.Connection | None:
    """Open it; ``None`` if it has to be mended and that can't be now."""
    try:
        connection = schema.connect(path)
    except (sqlite3.Error, UnicodeDecodeError, StoreDamaged) as error:
        if not is_damage(error):
            raise
        note(path)
    else:
        if not is_noted(path) or not presence.alone():
            return connection
        connection.close()
    if not presence.alone():
        return None
    if not _is_whole(path):
        mend(path, root)
    with contextlib.suppress(OSError):
        _note_path(path).unlink()
    presence.enter()
    return schema.connect(path)


def note(path: Path) -> None:
    """Note that the database is damaged."""
    with contextlib.suppress(OSError):  # then whoever meets the damage next does
        os.close(os.open(_note_path(path), os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))


def is_noted(path: Path) -> bool:
    """Say whether somebody noted that the database is damaged."""
    return _note_path(path).exists()


def _note_path(path: Path) -> Path:
    return path.with_name("damaged")


def set_aside(path: Path) -> list[Path]:
    """List the damaged files that were set aside."""
    return sorted(path.parent.glob(path.name + _ASIDE + "*"))


def names_set_aside(path: Path) -> tuple[str, ...]:
    """Name them."""
    return tuple(map(str, set_aside(path)))


def destroy_set_aside(path: Path) -> None:
    """Overwrite and remove the damaged files that were set aside, and what a mending that was cut off began.

    The store is open, so that nobody mends it now. StoreUnwritable: if one can't be removed.
    """
    new = path.with_name(path.name + _NEW_SUFFIX)
    for each in (*set_aside(path), new, new.with_name(new.name + _JOURNAL_SUFFIX)):
        overwrite(each)
        try:
            each.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable("a damaged file that was set aside", error) from error


def _is_whole(path: Path) -> bool:
    """Check everything: SQLite what leads to the rows, and by their shapes the rows themselves."""
    try:
        with contextlib.closing(schema.connect(path)) as connection, pages_of(path) as (pages, count):
            if structure(connection):
                return False
            found = [each.table for each in scan(pages, count) if not each.repeats and each.whole]
            return all(
                found.count(table) == connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in _COLUMNS
            )
    except (sqlite3.Error, UnicodeDecodeError, StoreDamaged) as error:
        if not is_damage(error):
            raise
        return False


def mend(path: Path, root: Secret | None) -> None:
    """Put a new database in the place of a damaged one, with all that is whole in it; nobody may have it open.

    OSError, sqlite3.Error: as they come; the damaged one then stands as it was. KeyUnavailable: if it is under
    another root key. StoreDamaged: if nothing of a store is found in it.
    """
    new = path.with_name(path.name + _NEW_SUFFIX)
    try:
        for each in (new, path.with_name(new.name + _JOURNAL_SUFFIX)):
            each.unlink(missing_ok=True)
        with pages_of(path) as (pages, count):
            _bring_over(pages, count, new, root)
        path.with_name(new.name + _JOURNAL_SUFFIX).unlink(missing_ok=True)
        aside = path.with_name(f"{path.name}{_ASIDE}{time.time_ns() // 1_000_000}")
        if not any(each.samefile(path) for each in set_aside(path)):  # one that was cut off here has done it
            try:
                os.link(path, aside)
            except OSError:  # a file system without hard links
                shutil.copyfile(path, aside)
        # What SQLite could not roll back belongs to the damaged one.
        path.with_name(path.name + _JOURNAL_SUFFIX).unlink(missing_ok=True)
        new.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _bring_over(pages: Pages, count: int, new: Path, root: Secret | None) -> None:
    opening = _Opening(pages, count, root)
    pieces = Pieces(scan(pages, count), opening.unwraps, None if root is None else opening.opens)
    if root is not None and not opening.fits(pieces):
        raise schema.another_root()
    if not (pieces.meta or pieces.studies or pieces.sessions or pieces.keys or pieces.segments or pieces.journal):
        raise StoreDamaged(
            "the database is damaged, and nothing of a store can be found in it",
            hint=f"Move {new.name.removesuffix(_NEW_SUFFIX)} out of the store's folder to begin anew.",
        )
    if opening.check is not None:
        pieces.meta["root-check"] = opening.check
    with contextlib.closing(schema.connect(new)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", pieces.meta.items())
        for table in ("studies", "sessions", "keys"):
            rows = getattr(pieces, table)
            _insert(connection, table, ((no, *row) for no, row in sorted(rows.items())))
        _insert(connection, "journal", ((no, *each.values[1:]) for no, each in sorted(pieces.journal.items())))
        _insert(connection, "segments", (_whole_row(pages, count, *each) for each in pieces.segments))
        for table, no in pieces.sequence.items():
            connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (no, table))
            connection.execute(
                "INSERT INTO sqlite_sequence SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                (table, no),
            )
        connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[tuple[object, ...]]) -> None:
    marks = ", ".join("?" * _COLUMNS[table])
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - a constant


def _whole_row(pages: Pages, count: int, found: Found, head: tuple[object, ...]) -> tuple[object, ...]:
    """Give a segment's row with its body and envelope; without, where they are not whole."""
    again = read(pages, count, found.place) if found.whole else None
    return (*head, *((None, None) if again is None else again.values[-2:]))


class _Opening:
    """Tells with the root key what is true of what was found; without one nothing is known to be."""

    def __init__(self, pages: Pages, count: int, root: Secret | None) -> None:
        self._pages = pages
        self._count = count
        self._outer = None if root is None else vault.wrapping_key(root)
        self.check = None if root is None else vault.key_check(root)

    def fits(self, pieces: Pieces) -> bool:
        """Say whether the root key is the one that the database was under."""
        known = pieces.meta.get("root-check", self.check)
        return known == self.check or any(self.unwraps(row[3]) for row in pieces.keys.values())

    def unwraps(self, wrapped: bytes) -> bool:
        """Say whether a key opens."""
        return self._outer is not None and vault.opens(self._outer, wrapped)

    def opens(self, found: Found, study: str, session: str, wrapped: bytes) -> bool:
        """Say whether a segment's body opens, and so is what its row says."""
        again = read(self._pages, self._count, found.place)
        if again is None or self._outer is None:
            return False
        row = again.values
        about = vault.about_segment(study, row[2], row[3], session, row[5], row[6])
        try:
            vault.open_body(vault.unwrap(self._outer, wrapped), row[17], row[18], about)
        except DecryptError:
            return False
        return True


@contextlib.contextmanager
def pages_of(path: Path) -> Iterator[tuple[Callable[[int], bytes], int]]:
    """Give a file's pages, the last one filled up with zeros, and their number; one that the disk refuses is empty."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    @functools.lru_cache(_CACHED_PAGES)
    def page(number: int) -> bytes:
        for _ in range(_READ_TRIES):
            with contextlib.suppress(OSError):
                data = read_at(handle, schema.PAGE_BYTES, (number - 1) * schema.PAGE_BYTES)
                return data.ljust(schema.PAGE_BYTES, b"\0")
        return b""

    try:
        yield page, -(-os.fstat(handle).st_size // schema.PAGE_BYTES)
    finally:
        close(handle)
