"""The tables, and how a connection to them is set up. docs/STORE.md says what each column reveals."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from event_model.errors import KeyUnavailable, StoreDamaged
from local_store.files import PRIVATE_FILE

APPLICATION_ID = 0x4F565254
"""``OVRT``: how ``file`` and we ourselves know the database."""

SCHEMA_VERSION = 3

PAGE_BYTES = 1024
"""Small, because a store holds little: an empty one is some 24 kB, a commit of a few events writes two pages."""

VACUUM_PAGES = 512
"""Pages moved in one transaction: some ten milliseconds, for which other processes wait."""

BUSY_TIMEOUT_S = 20.0
"""How long a transaction waits for other processes; theirs take milliseconds, a full check of one segment a few."""

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE studies (
        no INTEGER PRIMARY KEY,
        study TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        forgotten_below INTEGER NOT NULL,
        next_number INTEGER NOT NULL,
        next_seq INTEGER NOT NULL
    )""",
    """CREATE TABLE sessions (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        session TEXT NOT NULL UNIQUE,
        study INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        source TEXT NOT NULL,
        consent_record TEXT NOT NULL,
        begun_ms INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        sealed INTEGER NOT NULL,
        revision INTEGER NOT NULL
    )""",
    # session NULL: the key of an epoch; else the pending key of a session.
    """CREATE TABLE keys (
        no INTEGER PRIMARY KEY AUTOINCREMENT,
        study INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        session INTEGER,
        wrapped BLOB NOT NULL
    )""",
    # place = session << 32 | first index: rows lie in the order in which they are read, and need no second index.
    """CREATE TABLE journal (
        place INTEGER PRIMARY KEY,
        count INTEGER NOT NULL,
        key INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    # The large columns come last, so that a scan of the others does not walk through them.
    """CREATE TABLE segments (
        no INTEGER PRIMARY KEY,
        study INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        number INTEGER NOT NULL,
        session INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        count INTEGER NOT NULL,
        first_index INTEGER NOT NULL,
        sealed_ms INTEGER NOT NULL,
        first_wall_ms INTEGER NOT NULL,
        last_wall_ms INTEGER NOT NULL,
        state TEXT NOT NULL,
        revision INTEGER NOT NULL,
        size INTEGER NOT NULL,
        digest TEXT NOT NULL,
        receipt BLOB,
        key INTEGER,
        wrapped BLOB,
        body BLOB,
        envelope BLOB
    )""",
    "CREATE UNIQUE INDEX segments_by_place ON segments (study, epoch, number)",
    "CREATE INDEX segments_by_session ON segments (session, first_index)",
)

INDEXES = (
    "CREATE INDEX segments_by_time ON segments (last_wall_ms, first_wall_ms, session)",
    "CREATE INDEX segments_enveloped ON segments (study, epoch, number) WHERE state = 'enveloped'",
    "CREATE INDEX sessions_open ON sessions (no) WHERE ended = 0",
)
"""What keeps opening and forgetting from walking through all that is stored; version 1 had none of them."""

COPIES = (
    "CREATE INDEX studies_again ON studies (study, epoch, forgotten_below, next_number, next_seq)",
    """CREATE INDEX sessions_again ON sessions (
        session, study, epoch, source, consent_record, begun_ms, ended, sealed, revision
    )""",
    "CREATE INDEX keys_again ON keys (study, epoch, session, wrapped)",
)
"""A second copy of each row that others hang on, on pages of its own, which goes when the row goes; since version 3."""

DEFINITIONS = (*TABLES, *INDEXES, *COPIES)

_UPGRADES = {1: (*INDEXES, *COPIES), 2: COPIES}
"""What a store of that version lacks."""

_CONSTANT = (
    (0, b"SQLite format 3\0" + PAGE_BYTES.to_bytes(2) + b"\1\1\0\x40\x20\x20"),
    (44, (4).to_bytes(4)),  # of the schema's format
    (56, (1).to_bytes(4)),  # UTF-8
    (60, SCHEMA_VERSION.to_bytes(4)),
    (64, (1).to_bytes(4)),  # incremental vacuum
    (68, APPLICATION_ID.to_bytes(4)),
)
"""Bytes of the file's header that no transaction changes: where they lie, and what they are."""

_MAP_ENTRY_BYTES = 5
_ROOT = 1
"""What the second page, which says of the ones after it what they are, says of a table's first page."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, and make it with its tables at the first run. sqlite3.Error: as it comes."""
    # SQLite gives its journal the mode of the database, so making the file first makes both private.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
        _check_first_pages(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    # A rollback journal, not WAL: SQLite before 3.44.6 can corrupt a WAL that two connections reset, and a WAL
    # keeps copies of what was deleted.
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    if _version(connection) == 0:
        _create(connection)
    definitions = _definitions(connection)
    ours = {each.encode() for each in DEFINITIONS}
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,) and not definitions & ours:
        raise StoreDamaged("store/overt.sqlite3 is some other program's database", code="store-foreign")
    version = _version(connection)
    if version in _UPGRADES and definitions == ours - {each.encode() for each in _UPGRADES[version]}:
        _upgrade(connection)
        version, definitions = _version(connection), _definitions(connection)
    if version > SCHEMA_VERSION and definitions != ours:
        raise StoreDamaged(f"the store is of version {version}", code="store-version", hint="Update overt.")
    # SQLite reads a definition that rotted as best it can, and then gives rows that hold something else.
    if version != SCHEMA_VERSION or definitions != ours:
        raise StoreDamaged("the database is damaged: its tables are not those of a store")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # on a database that has tables this would be a write
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # not made by another process in the meantime
        for statement in DEFINITIONS:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _UPGRADES.get(_version(connection), ()):  # another process may have done it
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _definitions(connection: sqlite3.Connection) -> set[bytes]:
    """Give the statements that made tables and indexes; SQLite's own have none, or names of its own."""
    rows = connection.execute(
        "SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {bytes(sql) for (sql,) in rows}


def _check_first_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Look at what SQLite would believe. StoreDamaged: if it is not as it must be."""
    roots = [root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE rootpage IS NOT NULL")]
    with path.open("rb") as file:
        head, kinds = file.read(PAGE_BYTES), file.read(PAGE_BYTES)
    if (
        any(head[at : at + len(constant)] != constant for at, constant in _CONSTANT)
        or len(set(roots)) != len(roots)
        or any(kinds[(root - 3) * _MAP_ENTRY_BYTES :][:1] != bytes([_ROOT]) for root in roots)
    ):
        raise StoreDamaged("the database is damaged: its first pages are not those of a store")


def check_root(connection: sqlite3.Connection, expected: bytes, opens: Callable[[bytes], bool]) -> None:
    """Note the root key's check value in a new store, compare it in an old one. KeyUnavailable: if it is another.

    ``opens`` tries a wrapped key: where one opens, it was the check value that rotted.
    """
    if known_root(connection) not in {None, expected} and not any(
        opens(wrapped) for (wrapped,) in connection.execute("SELECT wrapped FROM keys")
    ):
        raise another_root()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('root-check', ?)", (expected,))


def another_root() -> KeyUnavailable:
    """Say that the store is under another root key than the one at hand."""
    return KeyUnavailable(
        "the store was encrypted under another root key",
        code="key-wrong",
        hint="`overt keys restore FILE` puts the right one back from a backup; nothing was overwritten.",
    )


def known_root(connection: sqlite3.Connection) -> bytes | None:
    """Give the check value of the root key that the store was made with."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'root-check'").fetchone()
    return None if row is None else bytes(row[0])


def free_pages(connection: sqlite3.Connection) -> int:
    """Count the pages that hold nothing."""
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages)


def vacuum(connection: sqlite3.Connection, spare_pages: int) -> None:
    """Make the file shorter by some of its free pages, if it has more than to spare."""
    pages = min(free_pages(connection) - spare_pages, VACUUM_PAGES)
    for _ in range(pages):
        # One at a time: the module takes a single step of a statement that gives no columns.
        connection.execute("PRAGMA incremental_vacuum(1)")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
