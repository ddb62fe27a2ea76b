"""``overt serve`` on PostgreSQL and S3, as a process."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest

from consent_ledger.manifest import StudyManifest
from event_model.clock import SystemClock
from event_model.signed import Signed
from ingest_server.objects import segment_key
from ingest_server.s3_objects import S3Objects
from tests.ingest_server.kit import Person, SignedRequests
from tests.ingest_server.serve_command import address_of, serving
from tests.ingest_server.servers import ACCESS_KEY, REGION, SECRET_KEY, S3Server, make_bucket


@pytest.mark.system
@pytest.mark.xdist_group("receiver-servers")
async def test_serve_works_on_postgresql_and_s3(
    tmp_path: Path, remote_servers: tuple[str, S3Server], manifest: Signed[StudyManifest], person: Person
) -> None:
    database, server = remote_servers
    make_bucket(server, "serve-command")
    objects = S3Objects(
        "serve-command", endpoint=server.endpoint, region=REGION, access_key=ACCESS_KEY, secret_key=SECRET_KEY
    )
    # An object whose row was never written, as a crash leaves it: erasing everything must find it in the bucket.
    await objects.put(segment_key(person.study, person.pseudonym, 1, 0), b"orphan")
    environment = {
        "OVERT_DATABASE": database,
        "OVERT_BUCKET": "serve-command",
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
    }
    with serving(tmp_path, manifest.raw, environment=environment) as process:
        signing = SignedRequests(SystemClock().wall_ms)
        async with httpx.AsyncClient(base_url=address_of(process), trust_env=False, auth=signing) as client:
            answer = await client.post(f"{person.path}/deletions", content=person.deletion())
    assert answer.status_code == 201
    assert await objects.keys("segments/") == []
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT pseudonym FROM deletions").fetchall()
    assert rows == [(person.pseudonym,)]
