from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from consent_ledger.manifest import sign_manifest
from local_store.store import Store
from tests.ingest_server.kit import NOW, OWNER, RECEIVER_KEY
from tests.ingest_server.receiver_process import running
from tests.sync_client.device import Device, manifest_for
from tests.sync_client.front import Front, forward


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Front, Path]]:
    """A front and a real receiver process behind it, shared by a module's tests: each test is another person."""
    front = Front()
    data = tmp_path_factory.mktemp("receiver") / "data"
    manifest = sign_manifest(manifest_for(front.url), OWNER)
    # A day ahead of the devices, so that no consent given in a test lies in its future.
    with running(data, manifest, RECEIVER_KEY, NOW + 86_400_000) as (url, _):
        front.upstream = httpx.URL(url).port or 0
        yield front, data
    front.close()


@pytest.fixture
def front(house: tuple[Front, Path]) -> Front:
    front = house[0]
    front.acts.clear()
    front.requests.clear()
    front.otherwise = forward
    return front


@pytest.fixture
def data(house: tuple[Front, Path]) -> Path:
    return house[1]


@pytest.fixture
def device(front: Front, tmp_path: Path) -> Device:
    device = Device(tmp_path / "home", manifest_for(front.url))
    device.join()
    return device


@pytest.fixture
async def store(device: Device) -> AsyncIterator[Store]:
    opened = await device.open()
    yield opened
    await opened.close()
