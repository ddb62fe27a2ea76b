"""Brings the receiver's tables to this version's form, step by step (Alembic); never takes anything away.

A new step is a file in ``versions/`` that names the one before. A test compares where the steps lead with ``tables``.
"""

from __future__ import annotations

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from event_model.errors import StoreUnwritable

FIRST = "0001"
"""The tables of the first release, which were made without a note of their version."""


def migrate(connection: sql.Connection) -> None:
    """Take every step that is missing, in the connection's transaction.

    StoreUnwritable: if the database is of a later version than this program.
    """
    config = Config()
    config.set_main_option("script_location", "ingest_server:migrations")
    config.attributes["connection"] = connection
    names = set(sql.inspect(connection).get_table_names())
    if "consents" in names and "alembic_version" not in names:
        command.stamp(config, FIRST)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        hint = "Another replica runs a newer version; update this one. Going back needs the backup from before."
        raise StoreUnwritable("the database is of a newer version", code="schema-newer", hint=hint) from error
