"""Notices that the editor has died, also when somebody else still holds our standard input open."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def watch_parents(loop: asyncio.AbstractEventLoop, process_id: int | None, on_death: Callable[[], None]) -> None:
    """Call ``on_death`` when our parent, or the client that named itself, ends. Linux; elsewhere input ends with it.

    A process descriptor becomes readable at that moment: no polling. The client's own id is watched only where it is
    one of our ancestors, because an editor in a container or on another host names an id that means nothing here.
    """
    if not hasattr(os, "pidfd_open"):
        return
    ancestors = list(_ancestors())
    watched = set(ancestors[:1])
    if process_id in ancestors:
        watched.add(process_id)
    for pid in watched:
        _watch(loop, pid, on_death)


def _watch(loop: asyncio.AbstractEventLoop, pid: int, on_death: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)

        def died() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            on_death()

        loop.add_reader(descriptor, died)


def _ancestors() -> Iterator[int]:
    """Our parent, its parent and so on; without the first process, which outlives every editor."""
    pid = os.getppid()
    while pid > 1:
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            # The name in brackets may itself hold brackets and blanks (proc(5)).
            pid = int(stat.rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
