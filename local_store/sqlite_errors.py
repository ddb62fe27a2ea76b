"""What an error that SQLite gives means: that the database is damaged, can't be written, or refuses."""

from __future__ import annotations

import sqlite3

from event_model.errors import OvertError, StoreDamaged, StoreError, StoreUnwritable

_PRIMARY = 0xFF
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
}
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened",
    sqlite3.SQLITE_PERM: "its permissions forbid it",
    sqlite3.SQLITE_BUSY: "another process holds it for too long",
    sqlite3.SQLITE_LOCKED: "another process holds it for too long",
    sqlite3.SQLITE_PROTOCOL: "its file system has no working locks",
    sqlite3.SQLITE_IOERR: "the disk gives errors",
    sqlite3.SQLITE_NOLFS: "its file system can't hold a file of this size",
}

FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What the module raises; the second where it quotes from a damaged page what is no text."""


def explain(error: sqlite3.Error | UnicodeDecodeError) -> OvertError:
    """Turn an error of SQLite into ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(code, int):
        # The module's own, of a column or a message that holds no UTF-8.
        if isinstance(error, UnicodeDecodeError | sqlite3.OperationalError):
            return StoreDamaged("the database is damaged: it names what is no text")
        return StoreError(f"the database refuses: {error}")
    if code in _UNREADABLE or code & _PRIMARY in _DAMAGE:
        return StoreDamaged(f"the database is damaged: {error}")
    if (reason := _REASONS.get(code & _PRIMARY)) is not None:
        return StoreUnwritable(f"the store can't be written: {reason}")
    return StoreError(f"the database refuses: {error}")


def is_damage(error: sqlite3.Error | UnicodeDecodeError | StoreDamaged) -> bool:
    """Say whether what was met while opening a database comes from damage; no other statement is wrong there."""
    if isinstance(error, StoreDamaged):
        return error.code == StoreDamaged.code
    code = getattr(error, "sqlite_errorcode", None)
    refused = isinstance(code, int) and code & _PRIMARY == sqlite3.SQLITE_ERROR  # a table or column is not there
    return refused or isinstance(explain(error), StoreDamaged)
