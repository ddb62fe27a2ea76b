"""The pairs of stores that every contract test runs on."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Protocol

import psycopg

from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects
from ingest_server.postgres_metadata import PostgresMetadata
from ingest_server.s3_objects import S3Objects
from ingest_server.sqlite_metadata import SqliteMetadata
from tests.ingest_server.servers import ACCESS_KEY, REGION, SECRET_KEY, S3Server, make_bucket


class Backend(Protocol):
    """Opens the same stores again and again, as replicas do."""

    def metadata(self) -> Metadata: ...

    def objects(self) -> Objects: ...


class LocalBackend:
    """SQLite and a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def metadata(self) -> Metadata:
        return SqliteMetadata(self._folder / "receiver.sqlite3")

    def objects(self) -> Objects:
        return DirectoryObjects(self._folder)


class RemoteBackend:
    """A new database in a real PostgreSQL, and a new bucket in a real S3 server."""

    def __init__(self, database: str, server: S3Server) -> None:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        make_bucket(server, name)
        self._url = f"{database.rpartition('/')[0]}/{name}"
        self._name, self._server = name, server

    def metadata(self) -> Metadata:
        return PostgresMetadata(self._url)

    def objects(self) -> Objects:
        return S3Objects(
            self._name, endpoint=self._server.endpoint, region=REGION, access_key=ACCESS_KEY, secret_key=SECRET_KEY
        )
