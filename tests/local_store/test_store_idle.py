"""A store in which nothing happens: no thread of its process wakes up, and no byte is written."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.local_store.store_kit import every_byte
from tests.local_store.test_store_faults import start

IDLE_S = 1.0
SETTLING_S = 30.0

if sys.platform == "linux":

    @pytest.mark.system
    def test_an_idle_store_wakes_nothing_and_does_not_grow(tmp_path: Path) -> None:
        worker = start("idle", tmp_path)
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline().startswith(b"durable")
            wakeups = until_quiet(worker.pid)
            before = every_byte(tmp_path)
            time.sleep(IDLE_S)
            assert sleeps(worker.pid) == wakeups
            assert every_byte(tmp_path) == before
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.communicate()

    def until_quiet(pid: int) -> dict[str, int]:
        """Wait until what the last acknowledgement set going is over: the process has gone to sleep."""
        deadline = time.monotonic() + SETTLING_S
        while True:
            before = sleeps(pid)
            time.sleep(0.2)
            if sleeps(pid) == before:
                return before
            assert time.monotonic() < deadline, "it never goes to sleep"

    def sleeps(pid: int) -> dict[str, int]:
        """Count how often each thread of a process went to sleep, which it does once for each time it wakes up."""
        counts: dict[str, int] = {}
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for line in (thread / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    counts[thread.name] = int(line.split()[1])
        assert len(counts) > 1, "the database's thread is missing"
        return counts
