"""What is taken back or erased is soon in none of the database's files, its write-ahead log included."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from consent_ledger.manifest import StudyManifest
from consent_ledger.record import ConsentState
from event_model.clock import ManualClock
from event_model.ids import Pseudonym, RecordId, StudyId
from event_model.signed import Signed
from ingest_server import write_ahead_log
from ingest_server.app import create_app
from ingest_server.janitor import DAY_MS, Janitor
from ingest_server.objects import DirectoryObjects
from ingest_server.rows import ConsentRow, LogRow, Participant, Place, SegmentRow, SegmentSave
from ingest_server.settings import ReceiverSettings
from ingest_server.sqlite_driver import DRIVER
from ingest_server.sqlite_metadata import SqliteMetadata, uses_wal
from tests.ingest_server.kit import Person, client_of

ALICE = Participant(StudyId("study-a"), Pseudonym("a" * 32))
BOB = Participant(StudyId("study-a"), Pseudonym("b" * 32))
RECORD = RecordId("0" * 32)
MARKER = "e" * 64
"""The digest of a segment, or the document of a consent, that must go."""

PATIENCE_S = 60.0

needs_wal = pytest.mark.skipif(not uses_wal(), reason="this SQLite writes no log ahead")


@pytest.fixture
async def notes(tmp_path: Path) -> AsyncIterator[SqliteMetadata]:
    opened = SqliteMetadata(tmp_path / "receiver.sqlite3")
    yield opened
    opened.close()


def store(notes: SqliteMetadata, participant: Participant, digest: str, *, number: int = 1) -> None:
    row = SegmentRow(1, number, 10, 10, digest, 100, RECORD, 1)
    assert notes.save_segments([SegmentSave(participant, row)]) == [None]


def given(document: bytes = b"{}") -> ConsentRow:
    return ConsentRow(RECORD, ConsentState.GIVEN, 1, 10**15, document)


async def erase_all(notes: SqliteMetadata) -> None:
    await notes.bury_all(ALICE, "d1", None)
    await notes.complete_deletion(ALICE.study, "d1", 5, LogRow(b"{}", "o1"))


def holding(folder: Path, text: str) -> list[str]:
    """Name the database's files that hold a text."""
    files = [path for path in folder.glob("receiver.sqlite3*") if path.is_file()]
    return sorted(path.name for path in files if text.encode() in path.read_bytes())


def log_bytes(folder: Path) -> int:
    path = folder / "receiver.sqlite3-wal"
    return path.stat().st_size if path.exists() else 0


async def test_rows_that_are_deleted_stay_in_no_file(tmp_path: Path, notes: SqliteMetadata) -> None:
    store(notes, ALICE, MARKER)
    store(notes, BOB, "b" * 64)
    assert holding(tmp_path, MARKER)
    await erase_all(notes)
    assert holding(tmp_path, MARKER) == []
    assert holding(tmp_path, "b" * 64) == ["receiver.sqlite3"]


async def test_a_consent_that_is_taken_back_stays_in_no_file(tmp_path: Path, notes: SqliteMetadata) -> None:
    await notes.save_consent(ALICE, given(MARKER.encode()))
    assert holding(tmp_path, MARKER)
    withdrawn = ConsentRow(RECORD, ConsentState.WITHDRAWN, 1, 10**15, b"taken back")
    await notes.save_consent(ALICE, withdrawn)
    assert holding(tmp_path, MARKER) == []
    assert await notes.consent(ALICE, RECORD) == withdrawn


@needs_wal
async def test_a_revocation_leaves_nothing_in_the_log(tmp_path: Path, notes: SqliteMetadata) -> None:
    await notes.save_consent(ALICE, given())
    assert await notes.enrol(ALICE, "invitation")
    assert ALICE.pseudonym.encode() in (tmp_path / "receiver.sqlite3-wal").read_bytes()
    await notes.revoke(ALICE.study, ["invitation"], lambda _place, _pseudonym: LogRow(b"{}", "o1"))
    assert log_bytes(tmp_path) == 0


@needs_wal
async def test_a_sweep_leaves_nothing_in_the_log(
    settings: ReceiverSettings, clock: ManualClock, person: Person, manifest: Signed[StudyManifest]
) -> None:
    objects, notes = DirectoryObjects(settings.data), SqliteMetadata(settings.data / "receiver.sqlite3")
    app = create_app(settings, clock, objects=objects, metadata=notes)
    async with app.router.lifespan_context(app), client_of(app, clock.wall_ms) as client:
        await client.put(f"{person.path}/consent", content=person.consent())
        assert (await client.put(person.segment_path(0), content=person.envelope(0))).status_code == 201
        clock.advance((manifest.payload.retention_days + 1) * DAY_MS)
        assert person.pseudonym.encode() in (settings.data / "receiver.sqlite3-wal").read_bytes()
        swept = await Janitor(settings.retention_days, objects=objects, metadata=notes, clock=clock).sweep()
        assert swept.retired == 1
        assert log_bytes(settings.data) == 0


@needs_wal
async def test_a_reader_in_the_way_is_told_and_it_is_tried_again(
    settings: ReceiverSettings,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(write_ahead_log, "WAIT_MS", 10)
    monkeypatch.setattr(write_ahead_log, "AGAIN_S", 0.01)
    folder = settings.data
    notes = SqliteMetadata(folder / "receiver.sqlite3")
    app = create_app(settings, clock, metadata=notes)
    async with app.router.lifespan_context(app), client_of(app, clock.wall_ms) as client:
        store(notes, ALICE, MARKER)
        with contextlib.closing(DRIVER.connect(folder / "receiver.sqlite3", isolation_level=None)) as reader:
            reader.execute("BEGIN").close()
            assert reader.execute("SELECT count(*) FROM segments").fetchone() == (1,)
            await erase_all(notes)
            assert holding(folder, MARKER)
            assert await waiting(client) == 1
            assert events(capfd) == ["erasure-waits"]
            # Meanwhile uploads go on.
            store(notes, BOB, "b" * 64)
            assert notes.standings([Place(BOB, RECORD, 1, 1)])[0].newest == 1
            reader.execute("COMMIT").close()
            async with asyncio.timeout(PATIENCE_S):
                while notes.erasing:
                    await asyncio.sleep(0.01)
        assert await waiting(client) == 0
        await told(capfd, "erasure-done")
        assert holding(folder, MARKER) == []
        assert holding(folder, "b" * 64)


@needs_wal
async def test_what_a_killed_process_left_in_the_log_goes_when_the_next_starts(tmp_path: Path) -> None:
    """Two connections stand for two processes: as long as one is open, nothing is emptied by closing the other."""
    left = SqliteMetadata(tmp_path / "receiver.sqlite3")
    store(left, ALICE, MARKER)
    await left.bury_all(ALICE, "d1", None)
    assert holding(tmp_path, MARKER)
    opened = SqliteMetadata(tmp_path / "receiver.sqlite3")
    assert holding(tmp_path, MARKER) == []
    assert not opened.erasing
    opened.close()
    left.close()


def events(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]


@needs_wal
async def test_what_could_not_go_at_the_start_goes_as_soon_as_it_can(
    settings: ReceiverSettings,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(write_ahead_log, "WAIT_MS", 10)
    monkeypatch.setattr(write_ahead_log, "AGAIN_S", 0.01)
    left = SqliteMetadata(settings.data / "receiver.sqlite3")
    store(left, ALICE, MARKER)
    with contextlib.closing(DRIVER.connect(settings.data / "receiver.sqlite3", isolation_level=None)) as reader:
        reader.execute("BEGIN").close()
        reader.execute("SELECT count(*) FROM segments").fetchone()
        await left.bury_all(ALICE, "d1", None)
        notes = SqliteMetadata(settings.data / "receiver.sqlite3")
        app = create_app(settings, clock, metadata=notes)
        async with app.router.lifespan_context(app):
            assert notes.erasing
            assert events(capfd) == ["erasure-waits"]
            reader.execute("COMMIT").close()
            async with asyncio.timeout(PATIENCE_S):
                while notes.erasing:
                    await asyncio.sleep(0.01)
            assert holding(settings.data, MARKER) == []
    left.close()


async def told(capfd: pytest.CaptureFixture[str], event: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while event not in events(capfd):
            await asyncio.sleep(0.01)


async def waiting(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("overt_erasures_waiting ")]
    return float(line.split()[1])
