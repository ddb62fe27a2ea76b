"""The tables, and how a connection to them is set up. docs/STORE.md says what each column reveals."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from event_model.errors import KeyUnavailable, StoreDamaged
from local_store.files import PRIVATE_FILE

APPLICATION_ID = 0x4F565254
"""``OVRT``: how ``file`` and we ourselves know the database."""

SCHEMA_VERSION = 2

PAGE_BYTES = 1024
"""Small, because a store holds little: an empty one is some 15 kB, a commit of a few events writes two pages."""

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


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, and make it with its tables at the first run. sqlite3.Error: as it comes."""
    # SQLite gives its journal the mode of the database, so making the file first makes both private.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
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
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise StoreDamaged("store/overt.sqlite3 is some other program's database", code="store-foreign")
    if _version(connection) == 1:
        _upgrade(connection)
    if _version(connection) != SCHEMA_VERSION:
        raise StoreDamaged(
            f"the store is of version {_version(connection)}", code="store-version", hint="Update overt."
        )
    # SQLite reads a definition that rotted as best it can, and then gives rows that hold something else.
    if _definitions(connection) != {each.encode() for each in (*TABLES, *INDEXES)}:
        raise StoreDamaged("the database is damaged: its tables are not those of a store")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # on a database that has tables this would be a write
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # not made by another process in the meantime
        for statement in (*TABLES, *INDEXES):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _upgrade(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 1:
        for statement in INDEXES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _definitions(connection: sqlite3.Connection) -> set[bytes]:
    """Give the statements that made tables and indexes; SQLite's own have none, or names of its own."""
    rows = connection.execute(
        "SELECT CAST(sql AS BLOB) FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {bytes(sql) for (sql,) in rows}


def check_root(connection: sqlite3.Connection, expected: bytes) -> None:
    """Note the root key's check value in a new store, compare it in an old one. KeyUnavailable: if it is another."""
    if known_root(connection) is None:
        connection.execute("INSERT INTO meta VALUES ('root-check', ?)", (expected,))
    elif known_root(connection) != expected:
        raise another_root()


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
