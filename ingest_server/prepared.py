"""Statements that are compiled once: at a thousand a second, SQLAlchemy's own look-ups would cost most of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
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
        if hasattr(driver, "pipeline"):
            return self._piped(driver, each)
        with closing(driver.cursor()) as cursor:
            # SQLite has no pipeline, since a statement is a function call there; in a transaction it locks the file
            # once. Rows are fetched before it is executed again: a statement that is still in use is compiled anew.
            cursor.execute("BEGIN")
            found = [cursor.execute(self._text, self._arguments(values)).fetchall() for values in each]
            cursor.execute("COMMIT")
        return found

    def _piped(self, driver: Any, each: Sequence[Mapping[str, Any]]) -> list[Rows]:
        with driver.pipeline():
            cursors = [driver.execute(self._text, self._arguments(values)) for values in each]
        found = [cursor.fetchall() for cursor in cursors]
        for cursor in cursors:
            cursor.close()
        return found

    def _arguments(self, values: Mapping[str, Any]) -> Any:
        if self._order is None:
            return {**self._fixed, **values}
        return tuple(values[name] if name in values else self._fixed[name] for name in self._order)
