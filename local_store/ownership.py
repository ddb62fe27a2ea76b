"""Under which root key a store is: by the check value that it notes, and where that is damaged by the keys in it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from event_model.errors import KeyUnavailable
from event_model.keys import Secret
from local_store import vault
from local_store.mending import pages_of
from local_store.salvage import scan
from local_store.schema import known_root
from local_store.sqlite_errors import FAILURES, is_damage

TIMEOUT_S = 30.0
"""How long others are waited for who hold the store."""

_WRAPPED = 4
_WRAPPED_IN_COPY = 3
"""Where a row of keys, and the entry of an index that repeats it, have the wrapped key."""


def noted_check(database: Path) -> bytes | None:
    """Read the check value that a store notes, empty if it notes none; ``None`` where damage keeps it from being read.

    KeyUnavailable: if the store can't be read now.
    """
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=TIMEOUT_S)) as connection:
            return known_root(connection) or b""
    except FAILURES as error:
        if is_damage(error):
            return None
        raise KeyUnavailable(
            f"the store can't be read to see which root key it is under: {error}",
            code="key-unsettled",
            hint="Try again; `overt verify` checks the store.",
        ) from error


def count_opened(database: Path, root: Secret) -> int:
    """Count the keys in a store that a root key opens, read without SQLite. OSError: if the file can't be read."""
    with pages_of(database) as (pages, count):
        wrapped = {
            each.values[_WRAPPED_IN_COPY if each.repeats else _WRAPPED]
            for each in scan(pages, count)
            if each.table == "keys" and each.whole
        }
    outer = vault.wrapping_key(root)
    return sum(vault.opens(outer, each) for each in wrapped)
