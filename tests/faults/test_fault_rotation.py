"""A rotation of the keys that is killed anywhere, and damage before anyone finishes it: nothing lost, one key works."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import pytest

from event_model.errors import StoreDamaged
from local_store.custody import open_custody
from local_store.ownership import count_opened
from local_store.rotation import rotate
from local_store.schema import PAGE_BYTES
from tests.faults.fault_effort import LONG
from tests.faults.fault_kit import Worker, indexes, reopen, worker
from tests.faults.test_fault_syscalls import count_calls, run_traced
from tests.local_store.store_kit import SESSION, begin, masked, opening, pending, seal, typing

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "link", "rename", "unlink")
POINTS = 6
LEADING_PAGES = (1, 2)
"""Without the first SQLite opens nothing, without the second it does not know what the pages are."""

if shutil.which("strace"):

    @pytest.mark.system
    async def test_a_rotation_that_was_killed_is_finished_on_a_damaged_store(tmp_path: Path) -> None:
        planted = tmp_path / "planted"
        await plant(planted)
        with worker() as forks:
            points = list_points(forks, tmp_path, planted)
            for call, when in points if LONG else random.Random(6).sample(points, POINTS):
                for page in LEADING_PAGES:
                    home = tmp_path / "home"
                    shutil.copytree(planted, home)
                    run_traced(forks, home, (call, "KILL", when), "rotate")
                    await check(home, page)
                    shutil.rmtree(home)

    def list_points(forks: Worker, folder: Path, planted: Path) -> list[tuple[str, int]]:
        shutil.copytree(planted, folder / "counted")
        counts = count_calls(forks, folder, "rotate")
        assert counts["pwrite64"] > 3
        return [(call, when) for call in CALLS for when in range(1, counts.get(call, 0) + 1)]

    async def plant(home: Path) -> None:
        async with await reopen(home) as store:
            await begin(store)
            await store.append(pending((opening(0), *typing(1, 59))))
            await seal(store, masked(await store.pending(SESSION, 50)))

    async def check(home: Path, page: int) -> None:
        with (home / "store" / "overt.sqlite3").open("r+b") as file:
            file.seek((page - 1) * PAGE_BYTES)
            file.write(bytes(PAGE_BYTES))
        with contextlib.suppress(StoreDamaged):  # what is met at work is mended at the next opening
            await whole(home)
        assert await whole(home)
        before = open_custody(home, backend="file")
        after = rotate(home, before)
        assert await whole(home)
        for path in (each for each in (home / "store").iterdir() if each.is_file()):
            assert not count_opened(path, before.root)
        assert count_opened(home / "store" / "overt.sqlite3", after.root) == 2
        assert not list((home / "keys").glob("*.next"))

    async def whole(home: Path) -> bool:
        async with await reopen(home) as store:
            report = await store.verify()
            return report.sound and (await indexes(store))[SESSION] == list(range(60))
