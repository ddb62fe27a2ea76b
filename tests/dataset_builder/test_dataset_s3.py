"""A build from S3 gives the bytes of a build from a directory, and sees what changes there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from dataset_builder.engine import Engine
from event_model.errors import DatasetError
from tests.dataset_builder.dataset_world import Contributor, closed, events_of, opened, start, typed
from tests.ingest_server import servers

BUCKET = "received"
PREFIX = "overt/eu"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.s3(tmp_path_factory.mktemp("s3")) as server:
        servers.make_bucket(server, BUCKET)
        yield server


@pytest.fixture
def store(server: servers.S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The bucket, and the environment of whoever builds from it."""
    settings = {
        "AWS_ACCESS_KEY_ID": servers.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": servers.SECRET_KEY,
        "AWS_REGION": servers.REGION,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return S3Store(BUCKET, prefix=PREFIX)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _upload(receiver: Path, store: S3Store) -> list[str]:
    names = [path.relative_to(receiver).as_posix() for path in receiver.rglob("*.overt")]
    for name in names:
        obstore.put(store, name, (receiver / name).read_bytes())
    return names


def test_a_build_from_s3_is_that_from_a_directory(
    alice: Contributor, receiver: Path, run: Any, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("abc", "defg"):
        alice.seal(events_of([start(), opened("fn main() {}\n"), *typed(text, at=11), closed()]), per_segment=4)
    names = _upload(receiver, store)
    run(out=tmp_path / "local")
    work = tmp_path / "work"
    monkeypatch.setattr("dataset_builder.build.SMALL_BYTES", 0)
    source = f"s3://{BUCKET}/{PREFIX}"
    built = run(source=source, out=tmp_path / "remote", work=work, engine=Engine(workers=2))
    assert built.counts.objects == len(names) > 2
    assert _files(tmp_path / "remote") == _files(tmp_path / "local")
    again = run(source=source, out=tmp_path / "remote", work=work)
    assert again.reused.objects == len(names)
    obstore.put(store, names[0], b"not a segment")
    damaged = run(source=source, out=tmp_path / "remote", work=work)
    assert damaged.reused.objects == len(names) - 1
    assert [(problem.code, problem.object) for problem in damaged.problems if problem.set_aside] == [
        ("envelope-malformed", names[0])
    ]


@pytest.mark.usefixtures("store")
def test_a_bucket_that_is_not_there_is_an_error(run: Any) -> None:
    with pytest.raises(DatasetError) as caught:
        run(source="s3://no-such-bucket/x")
    assert caught.value.code in {"source-unreadable", "source-empty"}
