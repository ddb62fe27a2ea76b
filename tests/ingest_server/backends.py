"""The pairs of stores that every contract test runs on."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects
from ingest_server.postgres_metadata import PostgresMetadata
from ingest_server.s3_objects import S3Objects
from ingest_server.sql_metadata import writing
from ingest_server.sqlite_metadata import SqliteMetadata
from tests.ingest_server.servers import ACCESS_KEY, REGION, SECRET_KEY, S3Server, make_bucket

REMOTE = pytest.param("postgresql+s3", marks=[pytest.mark.system, pytest.mark.xdist_group("receiver-servers")])
"""One worker of the tests starts the servers for all that ask for this."""


class Backend(Protocol):
    """Opens the same stores again and again, as replicas do."""

    def metadata(self) -> Metadata: ...

    def objects(self) -> Objects: ...

    def take_database_down(self) -> None: ...

    def bring_database_up(self) -> None: ...


class LocalBackend:
    """SQLite and a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def metadata(self) -> Metadata:
        return SqliteMetadata(self._folder / "receiver.sqlite3")

    def objects(self) -> Objects:
        return DirectoryObjects(self._folder)

    def take_database_down(self) -> None:
        """Take away the table that rows are written to: the database answers each write with an error."""
        self._alter("segments", "away")

    def bring_database_up(self) -> None:
        self._alter("away", "segments")

    def _alter(self, name: str, to: str) -> None:
        metadata = SqliteMetadata(self._folder / "receiver.sqlite3")
        with writing(metadata._engine) as connection:
            connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO {to}")
        metadata.close()


class RemoteBackend:
    """A new database in a real PostgreSQL, and a new bucket in a real S3 server."""

    def __init__(self, database: str, server: S3Server) -> None:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        self._server_url, self._database = database, name
        make_bucket(server, name)
        self._url = f"{database.rpartition('/')[0]}/{name}"
        self._name, self._server = name, server

    def metadata(self) -> Metadata:
        return PostgresMetadata(self._url)

    def objects(self) -> Objects:
        return S3Objects(
            self._name, endpoint=self._server.endpoint, region=REGION, access_key=ACCESS_KEY, secret_key=SECRET_KEY
        )

    def take_database_down(self) -> None:
        """Let nobody connect, and end every connection there is."""
        self._alter("false")
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(query, (self._database,))

    def bring_database_up(self) -> None:
        self._alter("true")

    def _alter(self, allowed: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {self._database} WITH ALLOW_CONNECTIONS {allowed}")  # type: ignore[call-overload]
