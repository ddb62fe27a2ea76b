from __future__ import annotations

import os
from pathlib import Path

import pytest

from event_model.errors import StoreUnwritable
from event_model.ids import Pseudonym, StudyId
from ingest_server.objects import DirectoryObjects, participant_prefix, segment_key
from tests.ingest_server.backends import Backend

STUDY = StudyId("study-a")
ALICE = Pseudonym("a" * 32)


async def test_put_replaces_and_get_reads(backend: Backend) -> None:
    objects = backend.objects()
    key = segment_key(STUDY, ALICE, 1, 2)
    assert key == f"segments/study-a/{ALICE}/00000001/0000000002.overt"
    assert await objects.get(key) is None
    await objects.put(key, b"one")
    await objects.put(key, b"two")
    assert await objects.get(key) == b"two"
    assert await objects.keys("segments/") == [key]


async def test_erase_takes_only_what_is_named(backend: Backend) -> None:
    objects = backend.objects()
    keys = [segment_key(STUDY, ALICE, 1, number) for number in range(3)]
    other = segment_key(STUDY, Pseudonym("a" * 31 + "b"), 1, 0)
    for key in (*keys, other):
        await objects.put(key, b"x")
    await objects.erase([keys[0], keys[2], segment_key(STUDY, ALICE, 9, 9)])
    assert await objects.keys(participant_prefix(STUDY, ALICE)) == [keys[1]]
    assert await objects.get(other) == b"x"


async def test_put_syncs_file_and_every_new_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = DirectoryObjects(tmp_path / "data")
    synced: list[str] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    key = segment_key(STUDY, ALICE, 1, 1)
    await objects.put(key, b"x")
    path = tmp_path / "data" / key
    assert synced[0] == f"{path}.part"
    assert set(synced[1:]) == {str(parent) for parent in path.parents if parent.is_relative_to(tmp_path / "data")}
    synced.clear()
    again = tmp_path / "data" / segment_key(STUDY, ALICE, 1, 2)
    await objects.put(segment_key(STUDY, ALICE, 1, 2), b"x")
    assert synced == [f"{again}.part", str(again.parent)]
    assert not list(again.parent.glob("*.part"))


async def test_what_a_crash_left_half_written_is_listed_and_erased(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "data")
    key = segment_key(STUDY, ALICE, 1, 1)
    half = tmp_path / "data" / f"{key}.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    await objects.erase(await objects.keys(participant_prefix(STUDY, ALICE)))
    assert not half.exists()


async def test_a_failing_disk_is_store_unwritable(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "data")
    (tmp_path / "data" / "segments").write_text("in the way")
    with pytest.raises(StoreUnwritable):
        await objects.put(segment_key(STUDY, ALICE, 1, 1), b"x")


def test_the_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    DirectoryObjects(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
