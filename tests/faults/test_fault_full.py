"""Disk full, at random sizes: capture waits and says so, forgetting and leaving succeed, and it goes on by itself."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import time
from pathlib import Path

import pytest

from capture_gate import writer
from capture_gate.door import Door
from capture_gate.status import GateStatus
from event_model.clock import ManualClock
from event_model.events import DocumentEdit, Origin
from event_model.ids import DocumentId, StudyId
from event_model.keys import Secret, SigningKey
from local_store.forgetting import Selection
from tests.capture_gate.conftest import NOW_MS, Person
from tests.faults.fault_effort import effort
from tests.local_store.test_store_faults import fill_disk, small_disk

SIZES = effort(3, 25)
OFFER_S = 0.005
"""An editor that waited longer for a keystroke would be slowed; an offer takes some microseconds."""

STUDY = StudyId("test-study")

if os.name == "posix" and os.geteuid() == 0 and shutil.which("mount"):

    @pytest.mark.system
    @pytest.mark.parametrize("seed", range(SIZES))
    async def test_a_full_disk_makes_capture_wait_and_go_on_by_itself(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        monkeypatch.setenv("OVERT_KEYRING", "file")
        monkeypatch.setattr(writer, "RETRY_FIRST_S", 0.05)
        monkeypatch.setattr(writer, "RETRY_MAX_S", 0.1)
        chance = random.Random(seed)
        work = tmp_path / "work"
        work.mkdir()
        with small_disk(tmp_path / "disk", chance.randrange(800_000, 2_000_000)) as disk:
            person = Person(disk / "home", work, ManualClock(NOW_MS), SigningKey(Secret(b"o" * 32)))
            person.join()
            person.join("another-study")
            door = await person.door()
            path = work / "a.py"
            document = door.open_document(path=path, language="python", text="").document
            assert document is not None
            at, _ = await type_until(door, document, 0, chance, full=False)
            fill_disk(disk / "filler")
            # What the store gives back itself may do for a commit or two more.
            at, status = await type_until(door, document, at, chance, full=True)
            assert [each.code for each in status.reasons] == ["store-unwritable"]
            assert any(each.offered > each.durable for each in status.studies)
            # Leaving ends one study while the disk is full, here as in another process.
            person.ledger.leave(StudyId("another-study"), now_ms=NOW_MS, installation=person.keys.installation)
            store = await person.store()
            await store.forget_study(StudyId("another-study"))
            assert [each.study for each in (await store.stats()).studies if each.pending] in ([], [STUDY])
            await store.forget(Selection(session=(await store.sessions())[0].session, indexes=frozenset([1])))
            await store.close()
            (disk / "filler").unlink()
            async with asyncio.timeout(20):
                while door.status().reasons and door.status().reasons[0].code == "store-unwritable":
                    await asyncio.sleep(0.05)
            # What was forgotten in its session the gate notices at a write, which goes along.
            door.offer(DocumentEdit(document, at, 0, "x", Origin.TYPED, 90))
            await door.flush()
            again = door.open_document(path=path, language="python", text="after").document
            assert again is not None
            assert (await door.flush()).state == "capturing"
            await door.close()
            store = await person.store()
            assert (await store.verify()).sound
            assert any("after" in str(each.event.body) for each in [each async for each in store.events()])
            await store.close()

    async def type_until(
        door: Door, document: DocumentId, at: int, chance: random.Random, *, full: bool
    ) -> tuple[int, GateStatus]:
        """Type some, or until the disk has no room; gives how much was typed, and the status. No offer ever waits."""
        status = door.status()
        took: list[float] = []
        for _ in range(2000 if full else 20):
            text = chance.randbytes(60).hex()
            began = time.perf_counter()
            door.offer(DocumentEdit(document, at, 0, text, Origin.TYPED, 90))
            took.append(time.perf_counter() - began)
            at += len(text)
            status = await door.flush()
            if full and status.reasons:
                break
        assert bool(status.reasons) == full
        assert statistics.median(took) < OFFER_S
        return at, status
