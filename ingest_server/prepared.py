"""Statements that are compiled once: at a thousand a second, SQLAlchemy's own look-ups would cost most of the time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql


class Prepared:
    """A statement with named ``bindparam``s, as text for one database."""

    def __init__(self, statement: sql.ClauseElement, dialect: sql.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._fixed: dict[str, Any] = dict(compiled.params or {})
        """What stands in the statement itself; the place of what must be given is held by None."""
        self._order: list[str] | None = getattr(compiled, "positiontup", None)

    def run(self, connection: sql.Connection, **values: Any) -> sql.CursorResult[Any]:
        """Execute with these values."""
        values = {**self._fixed, **values}
        if self._order is None:
            return connection.exec_driver_sql(self._text, values)
        return connection.exec_driver_sql(self._text, tuple(values[name] for name in self._order))
