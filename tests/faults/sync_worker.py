"""``overt sync`` that kills itself, as by kill -9, at the n-th step of its work.

Run as ``python sync_worker.py HOME STEP``; step 0 is never reached. When it gets through it prints how many
steps it took, and its peak memory in kB.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_store.store import Store
from overt.device import Device
from sync_client.audit import AuditFolder
from sync_client.client import sync
from sync_client.report import SyncIncomplete
from sync_client.sending import Sending
from sync_client.transport import Transport


class Steps:
    """Counts, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        if self.taken == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str) -> None:
        """Step before and after each call of a method."""
        method: Callable[..., Any] = getattr(owner, name)

        async def stepping(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = await method(*arguments, **named)
            self.step()
            return result

        setattr(owner, name, stepping)


async def run(home: Path) -> int:
    device = Device(home)
    async with device.store() as store:
        try:
            await sync(
                store=store,
                ledger=device.ledger,
                installation=device.keys().installation,
                sleep=lambda _seconds: asyncio.sleep(0),
                audit=AuditFolder(home),
                sending=Sending(home),
            )
        except SyncIncomplete:
            return 7
    return 0


def main(home: str, last: str) -> int:
    steps = Steps(int(last))
    for owner, name in ((Transport, "send"), (Store, "put_envelope"), (Store, "mark_uploaded")):
        steps.around(owner, name)
    code = asyncio.run(run(Path(home)))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(steps.taken, peak[1] if peak else 0)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
