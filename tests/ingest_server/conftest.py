from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_ledger.manifest import StudyManifest
from event_model.clock import ManualClock
from event_model.signed import Signed
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server import servers
from tests.ingest_server.backends import REMOTE, Backend, LocalBackend, RemoteBackend
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person, client_of, make_manifest


@pytest.fixture(scope="session")
def manifest() -> Signed[StudyManifest]:
    return make_manifest()


@pytest.fixture
def person(manifest: Signed[StudyManifest]) -> Person:
    return Person(manifest)


@pytest.fixture
def stranger(manifest: Signed[StudyManifest]) -> Person:
    return Person(manifest, seed=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def settings(tmp_path: Path, manifest: Signed[StudyManifest]) -> ReceiverSettings:
    return ReceiverSettings(data=tmp_path / "data", studies=(manifest,), key=RECEIVER_KEY)


@pytest.fixture
async def receiver(settings: ReceiverSettings, clock: ManualClock):
    """A client of the receiver's application, without a socket between."""
    app = create_app(settings, clock)
    async with (
        app.router.lifespan_context(app),
        client_of(app, clock.wall_ms) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def remote_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, servers.S3Server]]:
    folder = tmp_path_factory.mktemp("servers")
    with servers.postgres() as database, servers.s3(folder / "s3") as server:
        yield database, server


@pytest.fixture(
    params=[
        "sqlite+directory",
        REMOTE,
    ]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param == "sqlite+directory":
        return LocalBackend(tmp_path / "data")
    return RemoteBackend(*request.getfixturevalue("remote_servers"))
