"""Statements that are compiled once: at a thousand a second, SQLAlchemy's own look-ups would cost most of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
import sqlalchemy as sql

from ingest_server.sqlite_driver import DRIVER

Rows = list[tuple[Any, ...]]

DRIVER_ERRORS: tuple[type[Exception], type[Exception]] = (DRIVER.Error, psycopg.Error)
"""What the drivers raise where SQLAlchemy does not stand between."""


class Prepared:
    """A statement with named ``bindparam``s, as text for one database."""

    def __init__(self, statement: sql.ClauseElement, dialect: sql.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._fixed: dict[str, Any] = dict(compiled.params or {})
        """What stands in the statement itself; the place of what must be given is held by None."""
        self._order: list[str] | None = getattr(compiled, "positiontup", None)

    def run_each(self, connection: sql.Connection, each: Sequence[Mapping[str, Any]]) -> None:
        """Execute with each of these values."""
        if each:
            connection.exec_driver_sql(self._text, [self._arguments(values) for values in each])

    def rows_of_each(self, connection: sql.PoolProxiedConnection, each: Sequence[Mapping[str, Any]]) -> list[Rows]:
        """Give the rows for each of these values, in one trip where the database can; it raises the driver's errors."""
        driver: Any = connection.driver_connection
        # SQLite has no pipeline, since a statement is a function call there; in a transaction it locks the file once.
        pipeline = getattr(driver, "pipeline", None)
        if pipeline is None:
            driver.execute("BEGIN").close()
        with nullcontext() if pipeline is None else pipeline():
            cursors = [driver.cursor() for _ in each]
            for cursor, values in zip(cursors, each, strict=True):
                cursor.execute(self._text, self._arguments(values))
        found = [cursor.fetchall() for cursor in cursors]
        for cursor in cursors:
            cursor.close()
        if pipeline is None:
            driver.execute("COMMIT").close()
        return found

    def _arguments(self, values: Mapping[str, Any]) -> Any:
        if self._order is None:
            return {**self._fixed, **values}
        return tuple(values[name] if name in values else self._fixed[name] for name in self._order)
