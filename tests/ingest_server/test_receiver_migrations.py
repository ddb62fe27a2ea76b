"""Where the steps lead, from nothing and from the first release, on either database."""

from __future__ import annotations

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from event_model.errors import StoreUnwritable
from ingest_server import tables
from ingest_server.sql_metadata import SqlMetadata
from tests.ingest_server.backends import Backend

FIRST = ("consents", "segments", "deletions")


def differences(metadata: SqlMetadata) -> list[object]:
    with metadata._engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), tables.METADATA)
    metadata.close()
    return list(found)


def test_the_steps_lead_to_the_tables_that_the_code_uses(backend: Backend) -> None:
    assert differences(backend.metadata()) == []  # type: ignore[arg-type]
    assert differences(backend.metadata()) == []  # type: ignore[arg-type]


def test_a_database_of_the_first_release_is_brought_up_with_what_it_holds(backend: Backend) -> None:
    opened = backend.metadata()
    with opened._engine.begin() as connection:  # type: ignore[attr-defined]
        for table in (*tables.METADATA.sorted_tables, sql.table("alembic_version")):
            if table.name not in FIRST:
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
        connection.exec_driver_sql("INSERT INTO deletions VALUES ('d', 'study-a', 'p', 3, 5)")
    opened.close()
    again = backend.metadata()
    with again._engine.connect() as connection:  # type: ignore[attr-defined]
        assert connection.exec_driver_sql("SELECT segments_erased FROM deletions").scalar_one() == 3
    assert differences(again) == []  # type: ignore[arg-type]


def test_a_newer_database_is_left_alone(backend: Backend) -> None:
    opened = backend.metadata()
    with opened._engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    opened.close()
    with pytest.raises(StoreUnwritable) as caught:
        backend.metadata()
    assert caught.value.code == "schema-newer"
