"""Another root key in the place of the one in use: who has the old one then opens nothing of this store any more.

The new key lies beside the old one (``*.next``) until every key in the database is wrapped under it, which is one
transaction. That transaction decides: whoever opens the custody after an interruption ends what was committed, or takes
back what was not. Nothing is captured anew or lost; the installation secret, and so every pseudonym, stays.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from event_model.errors import DecryptError, KeyUnavailable
from event_model.keys import SEED_BYTES, Secret
from local_store import custody as kept
from local_store import schema, vault
from local_store.custody import DeviceKeys
from local_store.files import unwritable
from local_store.mending import Presence, open_database
from local_store.sqlite_errors import FAILURES, explain


def rotate(
    home: Path,
    keys: DeviceKeys,
    *,
    passphrase: Callable[[], str] | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> DeviceKeys:
    """Make a new root key where the old one was kept, and put the store under it; gives the keys as then kept.

    No session may be running. KeyUnavailable: if the key can't be kept or the store is another's; StoreUnwritable,
    StoreDamaged: if the store can't be put under it. In every case the old key then still stands.
    """
    folder = home / "keys"
    with kept.locked(folder):
        kept.settle_rotation(home, passphrase)
        root = Secret(random(SEED_BYTES))
        try:
            rotated = kept.keep(
                folder, root, keys.installation, keys.kept_in, passphrase=passphrase, random=random, suffix=kept.NEXT
            )
            _rewrap(home / "store" / "overt.sqlite3", keys.root, root)
        except BaseException as error:
            with contextlib.suppress(OSError, KeyUnavailable):  # the next to open the custody takes it back
                kept.settle_rotation(home, passphrase)
            if isinstance(error, OSError):
                raise unwritable("the key folder", error) from error
            raise
        kept.settle_rotation(home, passphrase)
    return rotated


def _rewrap(path: Path, old: Secret, new: Secret) -> None:
    """Wrap every key in the database anew, in one transaction; one that is damaged stays as it is."""
    if not path.exists():
        return
    before, after = vault.wrapping_key(old), vault.wrapping_key(new)
    try:
        with (
            _present(path.parent) as presence,
            contextlib.closing(open_database(path, presence, old)) as connection,
            _transaction(connection),
        ):
            if schema.known_root(connection) not in {None, vault.key_check(old)}:
                raise schema.another_root()
            for number, wrapped in connection.execute("SELECT no, wrapped FROM keys").fetchall():
                with contextlib.suppress(DecryptError):
                    wrapped_anew = vault.wrap(after, vault.unwrap(before, wrapped))
                    connection.execute("UPDATE keys SET wrapped = ? WHERE no = ?", (wrapped_anew, number))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('root-check', ?)", (vault.key_check(new),))
    except FAILURES as error:
        raise explain(error) from error


@contextlib.contextmanager
def _present(folder: Path) -> Iterator[Presence]:
    presence = Presence(folder)
    try:
        yield presence
    finally:
        presence.leave()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
