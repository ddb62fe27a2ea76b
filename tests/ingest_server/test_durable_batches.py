"""The order in which a batch becomes durable: written, synced, renamed, synced, committed, and only then receipted."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sql

from consent_ledger.manifest import StudyManifest
from event_model.clock import ManualClock
from event_model.errors import StoreUnwritable
from event_model.signed import Signed
from ingest_server import durable_files, segments
from ingest_server.answers import Answer, Outcome
from ingest_server.durable_files import PART_SUFFIX, WHOLE_FROM
from ingest_server.objects import DirectoryObjects
from ingest_server.rows import ConsentRow, Participant
from ingest_server.segments import SegmentStore
from ingest_server.service import recipients_of
from ingest_server.sqlite_metadata import SqliteMetadata
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="syncfs is Linux's")

Step = tuple[str, str]
"""What was done, and to which path below the root; of ``syncfs``, commits and receipts the path is empty."""


class Recorder:
    """The steps that lead to the disk, as they happen; the real functions stand behind it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[Step] = []
        self.fail_sync: int | None = None
        """Which ``syncfs`` from here on the medium fails, the first being 0."""
        self._root = root
        self._real = durable_files._LIBC
        write, fsync, replace = os.write, os.fsync, os.replace

        def recorded_write(descriptor: int, data: bytes) -> int:
            self._note("write", descriptor)
            return write(descriptor, data)

        def recorded_fsync(descriptor: int) -> None:
            self._note("fsync", descriptor)
            fsync(descriptor)

        def recorded_replace(source: str, target: str) -> None:
            assert source == f"{target}{PART_SUFFIX}"
            replace(source, target)
            self.steps.append(("rename", str(Path(target).relative_to(root))))

        monkeypatch.setattr(os, "write", recorded_write)
        monkeypatch.setattr(os, "fsync", recorded_fsync)
        monkeypatch.setattr(os, "replace", recorded_replace)
        monkeypatch.setattr(durable_files, "_LIBC", self)

    def _note(self, what: str, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_relative_to(self._root):
            self.steps.append((what, str(path.relative_to(self._root))))

    def syncfs(self, descriptor: int) -> int:
        assert Path(f"/proc/self/fd/{descriptor}").readlink() == self._root
        assert self._real is not None
        if self.fail_sync is not None:
            if self.fail_sync == 0:
                ctypes.set_errno(errno.EIO)
                return -1
            self.fail_sync -= 1
        status: int = self._real.syncfs(descriptor)
        self.steps.append(("syncfs", ""))
        return status

    def at(self, what: str, path: str = "") -> list[int]:
        return [at for at, step in enumerate(self.steps) if step == (what, path)]


class Rig:
    """A segment store on real files and a real database, whose steps are recorded."""

    def __init__(self, root: Path, manifest: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch) -> None:
        root.mkdir()
        self.people = [Person(manifest, seed) for seed in range(1, WHOLE_FROM + 2)]
        self.metadata = SqliteMetadata(root / "receiver.sqlite3")
        self.objects = DirectoryObjects(root)
        self.store = SegmentStore(
            recipients_of([manifest]), key=RECEIVER_KEY, objects=self.objects, metadata=self.metadata,
            clock=ManualClock(NOW),
        )  # fmt: skip
        self.root = root
        self.recorder = Recorder(root, monkeypatch)
        sign = segments.sign_segment_receipt

        def signing(*arguments: object) -> bytes:
            self.recorder.steps.append(("receipt", ""))
            return sign(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(segments, "sign_segment_receipt", signing)

        @sql.event.listens_for(self.metadata._engine, "commit")
        def committing(_connection: sql.Connection) -> None:
            self.recorder.steps.append(("commit", ""))

    async def join(self) -> None:
        for person in self.people:
            record = person.record
            row = ConsentRow(record.record_id, record.state, record.study_version, record.expires_ms, b"{}")
            await self.metadata.save_consent(Participant(person.study, person.pseudonym), row)
        self.recorder.steps.clear()

    def take(self, count: int) -> list[Answer | Exception]:
        """Store the first segment of so many people at once."""
        return self.store.take([person.upload(0, person.envelope(0)) for person in self.people[:count]])

    def names(self, count: int) -> list[str]:
        return [f"segments/{each.study}/{each.pseudonym}/00000001/0000000000.overt" for each in self.people[:count]]

    def rows(self) -> int:
        with self.metadata._engine.connect() as connection:
            found: int = connection.exec_driver_sql("SELECT count(*) FROM segments").scalar_one()
        return found


@pytest.fixture
def make_rig(tmp_path: Path, manifest: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch):
    made: list[Rig] = []

    def make(*, whole: bool) -> Rig:
        monkeypatch.setattr(durable_files, "syncs_whole", lambda _root: whole)
        made.append(Rig(tmp_path.resolve() / "data", manifest, monkeypatch))
        return made[0]

    yield make
    for rig in made:
        rig.metadata.close()


def outcomes_of(answers: Sequence[Answer | Exception]) -> list[object]:
    return [answer.outcome if isinstance(answer, Answer) else type(answer) for answer in answers]


@pytest.mark.parametrize("count", [WHOLE_FROM, WHOLE_FROM + 1])
async def test_a_batch_is_synced_before_and_after_its_names_and_receipted_last(
    make_rig: Callable[..., Rig], count: int
) -> None:
    rig = make_rig(whole=True)
    await rig.join()
    assert outcomes_of(rig.take(count)) == [Outcome.CREATED] * count
    recorder = rig.recorder
    before, after = recorder.at("syncfs")
    (commit,) = recorder.at("commit")
    for name in rig.names(count):
        writes, (renamed,) = recorder.at("write", name + PART_SUFFIX), recorder.at("rename", name)
        assert max(writes) < before < renamed < after < commit
    assert len(recorder.at("receipt")) == count
    assert min(recorder.at("receipt")) > commit


@pytest.mark.parametrize(("count", "whole"), [(WHOLE_FROM - 1, True), (WHOLE_FROM + 1, False)])
async def test_few_files_and_other_file_systems_are_synced_one_by_one(
    make_rig: Callable[..., Rig], count: int, whole: bool
) -> None:
    rig = make_rig(whole=whole)
    await rig.join()
    assert outcomes_of(rig.take(count)) == [Outcome.CREATED] * count
    recorder = rig.recorder
    assert recorder.at("syncfs") == []
    (commit,) = recorder.at("commit")
    for name in rig.names(count):
        (written,), (synced,) = recorder.at("write", name + PART_SUFFIX), recorder.at("fsync", name + PART_SUFFIX)
        (renamed,) = recorder.at("rename", name)
        assert written < synced < renamed
        # Its own directory, and since all of them are new, each one above.
        for folder in Path(name).parents:
            synced_folder = recorder.at("fsync", str(folder))
            assert synced_folder, folder
            assert (min if folder != Path(name).parent else max)(synced_folder) < commit
        assert max(recorder.at("fsync", str(Path(name).parent))) > renamed
    assert min(recorder.at("receipt")) > commit


@pytest.mark.parametrize("which", [0, 1], ids=["before the names", "after the names"])
async def test_a_medium_that_fails_to_sync_gives_no_receipt_and_no_row(
    make_rig: Callable[..., Rig], which: int
) -> None:
    rig = make_rig(whole=True)
    await rig.join()
    rig.recorder.fail_sync = which
    assert outcomes_of(rig.take(WHOLE_FROM)) == [StoreUnwritable] * WHOLE_FROM
    assert rig.recorder.at("receipt") == rig.recorder.at("commit") == []
    assert rig.rows() == 0
    rig.recorder.fail_sync = None
    rig.recorder.steps.clear()
    assert outcomes_of(rig.take(WHOLE_FROM)) == [Outcome.CREATED] * WHOLE_FROM
    # What a failed sync leaves in memory counts as written to the system: the bytes have to be written once more.
    assert all(rig.recorder.at("write", name + PART_SUFFIX) for name in rig.names(WHOLE_FROM))
    assert len(rig.recorder.at("syncfs")) == 2
    assert rig.rows() == WHOLE_FROM


async def test_a_single_file_that_fails_to_sync_is_refused_alone(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(whole=False)
    await rig.join()
    real, doomed = os.fsync, rig.names(2)[1] + PART_SUFFIX

    def failing(descriptor: int) -> None:
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()).endswith(doomed):
            raise OSError(errno.EIO, "the medium failed")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    assert outcomes_of(rig.take(3)) == [Outcome.CREATED, StoreUnwritable, Outcome.CREATED]
    assert len(rig.recorder.at("receipt")) == rig.rows() == 2


async def test_an_upload_that_breaks_the_reader_takes_no_other_with_it(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(whole=True)
    await rig.join()
    real = segments.parse_envelope

    def breaking(data: bytes) -> object:
        envelope = real(data)
        if envelope.header.pseudonym == rig.people[1].pseudonym:
            raise RecursionError
        return envelope

    monkeypatch.setattr(segments, "parse_envelope", breaking)
    assert outcomes_of(rig.take(3)) == [Outcome.CREATED, RecursionError, Outcome.CREATED]
