"""Studies, sessions and wrapped keys: the rows that everything else hangs on. Each function runs in a transaction."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import msgspec

from event_model.errors import DecryptError, KeyUnavailable, StoreConflict, StoreDamaged
from event_model.ids import RecordId, SessionId, StudyId
from event_model.keys import Secret
from local_store import vault
from local_store.schema import known_root

NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
"""A session's name."""


class SessionRow(msgspec.Struct, frozen=True):
    """A session as stored. ``sealed`` is one past the last index in a segment; ``revision`` rises with forgetting."""

    no: int
    session: SessionId
    study_no: int
    study: StudyId
    epoch: int
    source: str
    consent_record: RecordId
    begun_ms: int
    ended: bool
    sealed: int
    revision: int


class StudyRow(msgspec.Struct, frozen=True):
    """A study as stored: the epoch that is written to, and what comes next in it."""

    no: int
    study: StudyId
    epoch: int
    next_number: int
    next_seq: int


_SESSION = """
    SELECT s.no, s.session, s.study, t.study, s.epoch, s.source, s.consent_record, s.begun_ms, s.ended, s.sealed,
        s.revision
    FROM sessions s JOIN studies t ON t.no = s.study
    WHERE s.epoch >= t.forgotten_below"""


_WITHIN = """
    AND s.no IN (
        SELECT no FROM sessions WHERE ended = 0
        UNION SELECT session FROM segments WHERE last_wall_ms >= ? AND first_wall_ms < ?)
    AND t.study = ifnull(?, t.study) AND s.session = ifnull(?, s.session)
    ORDER BY s.no"""


def find_session(connection: sqlite3.Connection, session: SessionId) -> SessionRow | None:
    """Look a session up; ``None`` too when its study was forgotten."""
    return _session(connection.execute(f"{_SESSION} AND s.session = ?", (session,)).fetchone())


def find_session_no(connection: sqlite3.Connection, number: int) -> SessionRow | None:
    """Look a session up by its row number."""
    return _session(connection.execute(f"{_SESSION} AND s.no = ?", (number,)).fetchone())


def get_session(connection: sqlite3.Connection, session: SessionId) -> SessionRow:
    """Look a session up. StoreConflict: if there is none, as after its study was forgotten."""
    row = find_session(connection, session)
    if row is None:
        raise StoreConflict("there is no such session; its study may have been left", code="session-unknown")
    return row


def all_sessions(connection: sqlite3.Connection, *, open_only: bool = False) -> list[SessionRow]:
    """List sessions in the order in which they began."""
    where = " AND s.ended = 0" if open_only else ""
    rows = connection.execute(f"{_SESSION}{where} ORDER BY s.no").fetchall()
    return [row for row in map(_session, rows) if row is not None]


def sessions_within(
    connection: sqlite3.Connection, *, study: StudyId | None, session: SessionId | None, since_ms: int, until_ms: int
) -> list[SessionRow]:
    """List, in order, the sessions that can have something of a span of time: open ones, and by what is sealed.

    ``None`` stands for every study or session; ``since_ms`` is inclusive, ``until_ms`` exclusive.
    """
    rows = connection.execute(f"{_SESSION} {_WITHIN}", (since_ms, until_ms, study, session)).fetchall()
    return [row for row in map(_session, rows) if row is not None]


def add_session(
    connection: sqlite3.Connection, *, study: StudyId, session: SessionId, source: str, now_ms: int
) -> SessionRow:
    """Begin a session. StoreConflict: if it exists."""
    if find_session(connection, session) is not None:
        raise StoreConflict("a session of this name exists", code="session-exists")
    owner = add_study(connection, study)
    connection.execute(
        "INSERT INTO sessions (session, study, epoch, source, consent_record, begun_ms, ended, sealed, revision)"
        " VALUES (?, ?, ?, ?, '', ?, 0, 0, 0)",
        (session, owner.no, owner.epoch, source, now_ms),
    )
    return get_session(connection, session)


def find_study(connection: sqlite3.Connection, study: StudyId) -> StudyRow | None:
    """Look a study up."""
    row = connection.execute(
        "SELECT no, study, epoch, next_number, next_seq FROM studies WHERE study = ?", (study,)
    ).fetchone()
    if row is None:
        return None
    if not all(isinstance(each, int) for each in (row[0], *row[2:])):
        raise rotten("a study's row")
    return StudyRow(*row)


def get_study(connection: sqlite3.Connection, study: StudyId) -> StudyRow:
    """Look a study up. StoreConflict: if there is none."""
    row = find_study(connection, study)
    if row is None:
        raise StoreConflict("there is no such study; it may have been left", code="session-unknown")
    return row


def add_study(connection: sqlite3.Connection, study: StudyId) -> StudyRow:
    """Look a study up, and add it at its first session."""
    connection.execute(
        "INSERT OR IGNORE INTO studies (study, epoch, forgotten_below, next_number, next_seq)"
        " VALUES (?, ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'first-epoch'), 0), 0, 0, 0)",
        (study,),
    )
    row = find_study(connection, study)
    if row is None:
        raise StoreDamaged("a study's row is missing")
    return row


_KEY_AGAIN = "SELECT wrapped FROM keys INDEXED BY keys_again WHERE no = ?"


class Keys:
    """The wrapped keys in the database; without a root key nothing opens, and forgetting still works."""

    def __init__(self, root: Secret | None, random: Callable[[int], bytes]) -> None:
        self._outer = None if root is None else vault.wrapping_key(root)
        self._check = None if root is None else vault.key_check(root)
        self.random = random

    def add_pending(self, connection: sqlite3.Connection, row: SessionRow) -> tuple[int, Secret]:
        """Make a key for a session's next journal chunks; gives its row number and the key."""
        return self._add(connection, row.study_no, row.epoch, row.no)

    def epoch(self, connection: sqlite3.Connection, study_no: int, epoch: int) -> tuple[int, Secret]:
        """Give the key of a study's epoch, and make it at the first segment; one that rotted is never replaced."""
        found = connection.execute(
            "SELECT no FROM keys WHERE study = ? AND epoch = ? AND session IS NULL", (study_no, epoch)
        ).fetchone()
        if found is None:
            return self._add(connection, study_no, epoch, None)
        try:
            return found[0], self.get(connection, found[0])
        except DecryptError as error:
            raise rotten("an epoch's key") from error

    def pending(self, connection: sqlite3.Connection, row: SessionRow) -> list[int]:
        """Give the row numbers of a session's keys, in the order in which they were made."""
        rows = connection.execute("SELECT no FROM keys WHERE session = ? ORDER BY no", (row.no,))
        return [int(number) for (number,) in rows]

    def get(self, connection: sqlite3.Connection, number: int) -> Secret:
        """Give a key by its row. DecryptError: if it is gone or damaged. KeyUnavailable: without a root key."""
        found = connection.execute("SELECT wrapped FROM keys WHERE no = ?", (number,)).fetchone()
        if found is None:
            raise DecryptError("the key of these bytes is gone")
        try:
            return self._unwrap(connection, found[0])
        except DecryptError:  # the row rotted; the copy that the index keeps may be whole
            again = connection.execute(_KEY_AGAIN, (number,)).fetchone()
            if again is None:
                raise
            return self._unwrap(connection, again[0])

    def _add(
        self, connection: sqlite3.Connection, study_no: int, epoch: int, session_no: int | None
    ) -> tuple[int, Secret]:
        key = vault.new_key(self.random)
        cursor = connection.execute(
            "INSERT INTO keys (study, epoch, session, wrapped) VALUES (?, ?, ?, ?)",
            (study_no, epoch, session_no, vault.wrap(self._need(connection), key)),
        )
        return int(cursor.lastrowid or 0), key

    def _unwrap(self, connection: sqlite3.Connection, wrapped: bytes) -> Secret:
        return vault.unwrap(self._need(connection), wrapped)

    def _need(self, connection: sqlite3.Connection) -> Secret:
        if self._outer is None:
            raise KeyUnavailable("the store was opened without its root key")
        # Another process may have put the store under another root key: what this one holds then opens nothing,
        # which is no damage, and must wrap nothing.
        if known_root(connection) != self._check:
            raise KeyUnavailable(
                "the keys were rotated while this program ran", code="key-rotated", hint="Start it anew."
            )
        return self._outer


def rotten(what: str) -> StoreDamaged:
    """Name a row whose columns are not of the kinds that they were written as."""
    return StoreDamaged(f"the database is damaged: {what} is not what it was")


def _session(row: tuple[int, str, int, str, int, str, str, int, int, int, int] | None) -> SessionRow | None:
    if row is None:
        return None
    no, session, study_no, study, epoch, source, record, begun_ms, ended, sealed, revision = row
    texts, numbers = (session, study, source, record), (no, study_no, epoch, begun_ms, ended, sealed, revision)
    if not (all(isinstance(each, str) for each in texts) and all(isinstance(each, int) for each in numbers)):
        raise rotten("a session's row")
    if not NAME.fullmatch(session):  # files are named after it
        raise rotten("a session's name")
    return SessionRow(
        no, SessionId(session), study_no, StudyId(study), epoch, source, RecordId(record), begun_ms, bool(ended),
        sealed, revision,
    )  # fmt: skip
