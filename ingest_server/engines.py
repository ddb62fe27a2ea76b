"""The end of a pool of database connections."""

from __future__ import annotations

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry


def dispose(engine: sql.Engine) -> None:
    """Close all connections; those in use, by a request that was given up, as soon as they are given back."""

    @event.listens_for(engine, "checkin")
    def close(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.invalidate()

    engine.dispose()
