from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.local_store.store_kit import SESSION, open_store

ENDS_WITHIN_S = 60
"""It takes a second; without the protection it never ends."""

PROGRAM = """
import asyncio, pathlib, sys
from tests.local_store.store_kit import begin, open_store, opening, pending, typing

async def fail():
    store = await open_store(pathlib.Path(sys.argv[1]))
    await begin(store)
    assert await store.append(pending((opening(0), *typing(1, 3))))
    raise RuntimeError("a fault in the collector")

asyncio.run(fail())
"""


def test_process_that_fails_with_the_store_open_ends_and_loses_nothing(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ended = subprocess.run(failing, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)
    assert ended.returncode == 1
    assert "a fault in the collector" in ended.stderr

    async def left() -> int:
        async with await open_store(tmp_path) as store:
            return len(await store.pending(SESSION))

    assert asyncio.run(left()) == 4
