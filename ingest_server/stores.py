"""Which stores a receiver works on, and how they are opened: a value that a worker can be told."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ingest_server.metadata import Metadata
from ingest_server.objects import DirectoryObjects, Objects


class StoreSettings(msgspec.Struct, frozen=True):
    """A directory, unless a database or a bucket is named; S3's keys come from the environment."""

    data: str
    database: str | None = None
    bucket: str | None = None
    s3_endpoint: str | None = None

    def open(self) -> tuple[Objects, Metadata]:
        """Open both. StoreUnwritable: if either can't be."""
        return self._objects(), self._metadata()

    def _objects(self) -> Objects:
        if self.bucket is None:
            return DirectoryObjects(Path(self.data))
        from ingest_server.s3_objects import S3Objects  # noqa: PLC0415 - only who needs it pays for it

        return S3Objects(self.bucket, endpoint=self.s3_endpoint)

    def _metadata(self) -> Metadata:
        if self.database is None:
            from ingest_server.sqlite_metadata import SqliteMetadata  # noqa: PLC0415

            return SqliteMetadata(Path(self.data) / "receiver.sqlite3")
        from ingest_server.postgres_metadata import PostgresMetadata  # noqa: PLC0415

        return PostgresMetadata(self.database)
