from __future__ import annotations

import asyncio
import gc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from consent_ledger.record import ConsentState
from event_model.errors import StoreUnwritable
from event_model.ids import Pseudonym, RecordId, StudyId
from ingest_server import postgres_metadata, stripe_locks
from ingest_server.metadata import Metadata
from ingest_server.postgres_metadata import PostgresMetadata
from ingest_server.prepared import DRIVER_ERRORS
from ingest_server.rows import ConsentRow, LogRow, Participant, Place, SegmentRow, SegmentSave, Standing
from ingest_server.sql_metadata import SqlMetadata
from ingest_server.sqlite_metadata import SqliteMetadata, uses_wal
from ingest_server.stripe_locks import StripeLocks
from tests.ingest_server.backends import REMOTE, Backend

CROWD_S = 25.0
"""Less than SQLAlchemy waits for a connection of its pool."""

ALICE = Participant(StudyId("study-a"), Pseudonym("a" * 32))
BOB = Participant(StudyId("study-a"), Pseudonym("b" * 32))
RECORD = RecordId("0" * 32)


def segment(number: int, *, digest: str | None = None) -> SegmentRow:
    return SegmentRow(1, number, number * 10, 10, digest or f"{number:064x}", 100, RECORD, 1)


def standing_of(metadata: Metadata, participant: Participant, epoch: int, number: int) -> Standing:
    (found,) = metadata.standings([Place(participant, RECORD, epoch, number)])
    return found


@pytest.fixture
def metadata(backend: Backend):
    opened = backend.metadata()
    yield opened
    opened.close()


async def test_standing_names_the_row_before_and_the_newest(metadata: Metadata) -> None:
    for number in (1, 2, 3):
        assert metadata.save_segments([SegmentSave(ALICE, segment(number))]) == [None]
    assert metadata.save_segments([SegmentSave(BOB, segment(7))]) == [None]
    standing = standing_of(metadata, ALICE, 1, 3)
    assert (standing.segment, standing.before, standing.newest) == (segment(3), segment(2), 3)
    assert standing.consent is None
    assert standing_of(metadata, ALICE, 2, 0).newest is None


async def test_bury_leaves_tombstones_that_keep_the_chain(metadata: Metadata) -> None:
    assert metadata.save_segments([SegmentSave(ALICE, segment(1))]) == [None]
    assert await metadata.bury(ALICE, "d1", [(1, 1), (1, 2)]) == 1
    standing = standing_of(metadata, ALICE, 1, 2)
    assert standing.before is not None
    assert standing.before.erased
    assert standing.before.digest == segment(1).digest
    assert standing.segment is not None
    assert (standing.segment.erased, standing.segment.digest) == (True, "")
    assert standing.newest == 1
    deletion = await metadata.deletion("d1")
    assert deletion is not None
    assert (deletion.segments_erased, deletion.completed_ms) == (1, None)
    await metadata.complete_deletion(ALICE.study, "d1", 5, LogRow(b"{}", "o1"))
    deletion = await metadata.deletion("d1")
    assert deletion is not None
    assert deletion.completed_ms == 5


async def test_bury_all_withdraws_known_and_named_records(metadata: Metadata) -> None:
    await metadata.save_consent(ALICE, ConsentRow(RECORD, ConsentState.GIVEN, 1, 10**15, b"{}"))
    await metadata.save_consent(BOB, ConsentRow(RECORD, ConsentState.GIVEN, 1, 10**15, b"{}"))
    assert metadata.save_segments([SegmentSave(ALICE, segment(1))]) == [None]
    unseen = RecordId("f" * 32)
    assert await metadata.bury_all(ALICE, "d1", unseen) == 1
    for record in (RECORD, unseen):
        consent = await metadata.consent(ALICE, record)
        assert consent is not None
        assert consent.state is ConsentState.WITHDRAWN
    kept = await metadata.consent(BOB, RECORD)
    assert kept is not None
    assert kept.state is ConsentState.GIVEN
    assert standing_of(metadata, ALICE, 1, 2).newest is None


async def test_a_row_is_never_written_twice_and_breaks_no_other_of_its_batch(metadata: Metadata) -> None:
    twice = [SegmentSave(ALICE, segment(1, digest=f"{n:064x}")) for n in range(8)]
    others = [SegmentSave(ALICE, segment(2 + n)) for n in range(8)]
    outcomes = metadata.save_segments([*twice, *others])
    assert [type(outcome) for outcome in outcomes[:8]].count(StoreUnwritable) == 7
    assert outcomes[8:] == [None] * 8
    assert standing_of(metadata, ALICE, 1, 9).segment == segment(9)


async def test_a_claim_excludes_others_also_from_another_process(backend: Backend) -> None:
    here, there = backend.metadata(), backend.metadata()
    order: list[str] = []

    async def second(metadata: Metadata, name: str) -> None:
        async with metadata.claim(ALICE):
            order.append(name)

    async with here.claim(ALICE):
        waiting = [asyncio.create_task(second(here, "here")), asyncio.create_task(second(there, "there"))]
        async with here.claim(BOB):
            order.append("other")
        for _ in range(10):
            await asyncio.sleep(0)
        order.append("first")
    await asyncio.gather(*waiting)
    assert order[:2] == ["other", "first"]
    assert sorted(order[2:]) == ["here", "there"]
    here.close()
    there.close()


async def test_a_batch_of_rows_shares_a_commit(tmp_path: Path) -> None:
    metadata = SqliteMetadata(tmp_path / "r.sqlite3")
    commits = 0

    @sql.event.listens_for(metadata._engine, "commit")
    def count(_connection: sql.Connection) -> None:
        nonlocal commits
        commits += 1

    assert metadata.save_segments([SegmentSave(ALICE, segment(number)) for number in range(50)]) == [None] * 50
    assert commits == 1
    metadata.close()


async def test_a_crowd_that_claims_at_once_keeps_nobody_from_ending(backend: Backend) -> None:
    """More than there are connections to hold claims on, and few threads."""
    metadata = backend.metadata()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))

    async def claim(number: int) -> None:
        async with metadata.claim(Participant(ALICE.study, Pseudonym(f"{number:032d}"))):
            await asyncio.to_thread(len, "what is done under a claim")

    async with asyncio.timeout(CROWD_S):
        await asyncio.gather(*(claim(number) for number in range(4 * postgres_metadata.CLAIM_CONNECTIONS)))
    metadata.close()


async def test_reading_from_a_database_that_is_down_is_store_unwritable(backend: Backend) -> None:
    metadata = backend.metadata()
    backend.take_database_down()
    with pytest.raises(StoreUnwritable):
        standing_of(metadata, ALICE, 1, 1)
    backend.bring_database_up()
    assert standing_of(metadata, ALICE, 1, 1).newest is None
    metadata.close()


def test_a_connection_that_is_in_use_when_the_notes_are_closed_is_closed_when_it_comes_back(backend: Backend) -> None:
    metadata = backend.metadata()
    assert isinstance(metadata, SqlMetadata)
    engines = [metadata._engine, *([metadata._claims] if isinstance(metadata, PostgresMetadata) else [])]
    in_use = [engine.raw_connection() for engine in engines]
    opened: list[Any] = [connection.driver_connection for connection in in_use]
    metadata.close()
    for connection, driver in zip(in_use, opened, strict=True):
        driver.execute("SELECT 1").close()
        connection.close()
        with pytest.raises(DRIVER_ERRORS):
            driver.execute("SELECT 1")


@pytest.mark.parametrize("backend", [REMOTE], indirect=True)
def test_notes_that_can_not_be_opened_leave_no_connection(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_connection: sql.Connection) -> None:
        raise StoreUnwritable("a newer database")

    monkeypatch.setattr(postgres_metadata, "migrate", refuse)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(StoreUnwritable):
            backend.metadata()
        gc.collect()
    assert [warning for warning in caught if issubclass(warning.category, ResourceWarning)] == []


def test_lock_files_stay_open_only_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_locks, "KEPT_OPEN", 4)
    here, there = StripeLocks(tmp_path), StripeLocks(tmp_path)
    for _ in range(2):
        assert all(here.take(stripe) for stripe in range(20))
        assert not any(there.take(stripe) for stripe in range(20))
        for stripe in range(20):
            here.release(stripe)
        assert len(here._open) <= 4
    assert all(there.take(stripe) for stripe in range(20))
    here.close()
    there.close()


def test_what_can_not_be_opened_is_store_unwritable(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnwritable):
        SqliteMetadata(tmp_path / "r.sqlite3")


def test_the_database_syncs_fully_and_overwrites_what_is_deleted(tmp_path: Path) -> None:
    metadata = SqliteMetadata(tmp_path / "r.sqlite3")
    with metadata._engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "secure_delete", "journal_mode")
        ]
    assert settings == [2, 1, "wal" if uses_wal() else "truncate"]
    metadata.close()
