"""A process that forks one child per act: ``python fault_worker.py``; acts come in by line, what is done goes out.

In: ``load HOME`` (two producers), ``cycle HOME`` (one whole life of a store), ``mend HOME`` (an opening),
``rotate HOME`` (of its keys) or ``forget HOME`` (what the file beside it says); all but the first wait for SIGUSR1.
Out: ``child PID`` for each child, what it acknowledges, and ``gone STATUS``, with its wait status, when it has ended.
A child costs milliseconds, because everything was imported before.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio imports it when it is first needed
import contextlib
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from event_model.clock import SystemClock
from event_model.errors import OvertError
from event_model.ids import SessionId
from local_store.custody import open_custody
from local_store.forgetting import Selection
from local_store.rotation import rotate
from local_store.store import Store
from tests.local_store.store_kit import SESSION, begin, masked, opening, pending, seal, typing

SEAL_EVERY = 10
"""Batches between two sealings, so that a kill hits a sealing as well as an append."""

REFUSED = 3
"""The exit status after an error of ours; 1 is a traceback."""

MARKER = "marker-of-a-text"

CRITERIA = "criteria.json"


def say(*words: object) -> None:
    """Tell the test, in one piece, by a system call that no fault is put into."""
    os.writev(1, [(" ".join(map(str, words)) + "\n").encode()])


async def open_home(home: Path) -> Store:
    """Open keys and store as the product does."""
    return await Store.open(home, open_custody(home, backend="file"), clock=SystemClock())


async def load(home: Path) -> None:
    """Append and seal at full speed until killed."""
    async with await open_home(home) as store:
        session = SessionId(os.urandom(16).hex())
        await begin(store, session)
        index = batches = 0
        while True:
            count = 1 + (batches * 7) % 23
            batch = typing(index, count)
            await store.append(pending(batch, session))
            index, batches = index + count, batches + 1
            say("durable", session, index)
            if batches % SEAL_EVERY == 0:
                await seal(store, masked(await store.pending(session, index - 5), session))


async def cycle(home: Path) -> None:
    """Open, append, seal, send, forget: one whole life, saying what is done."""
    async with await open_home(home) as store:
        await begin(store)
        await store.append(pending((opening(0), *typing(1, 9, MARKER))))
        say("durable", SESSION, 10)
        await store.append(pending(typing(10, 10, MARKER)))
        say("durable", SESSION, 20)
        info = await seal(store, masked(await store.pending(SESSION, 15)))
        say("sealed", 15)
        info = await store.put_envelope(info, b"envelope", "1" * 64)
        await store.mark_uploaded(info, b"receipt")
        say("uploaded", 15)
        await store.append(pending(typing(20, 5, MARKER)))
        say("durable", SESSION, 25)
        await seal(store, masked(await store.pending(SESSION)))
        say("forgetting")
        await store.forget()
        say("forgotten")
        await store.end_session(SESSION)


async def forget(home: Path) -> None:
    """Forget what the file beside the folder says."""
    criteria = json.loads((home.parent / CRITERIA).read_text())
    async with await open_home(home) as store:
        if "leave" in criteria:
            await store.forget_study(criteria["leave"])
        else:
            await store.forget(Selection(**criteria))
        say("forgotten")


async def mend(home: Path) -> None:
    """Open a store, which mends it if it is damaged."""
    async with await open_home(home):
        say("opened")


async def turn_keys(home: Path) -> None:
    """Put another root key in the place of the one in use."""
    rotate(home, open_custody(home, backend="file"))
    say("rotated")


def run(act: Coroutine[Any, Any, None]) -> int:
    """Run an act in the child: 0, REFUSED after an error of ours, 1 after any other."""
    runner = asyncio.Runner()
    try:
        runner.run(act)
    except OvertError as error:
        say("refused", error.code)
        return REFUSED
    except BaseException:  # the test reports it, whatever it is
        say("traceback", repr(traceback.format_exc()))
        return 1
    finally:
        with contextlib.suppress(OSError):  # the loop's own sockets are no files
            runner.close()
    return 0


def fork(act: Callable[[], Coroutine[Any, Any, None]], *, held: bool) -> int:
    """Run an act in a child of its own, when it is told to begin if it is ``held``."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    child = os.fork()
    if child == 0:
        if held:
            signal.sigwait({signal.SIGUSR1})
        os._exit(run(act()))
    say("child", child)
    return child


def main() -> None:
    """Warm up, then serve."""
    with tempfile.TemporaryDirectory() as folder:  # so that no module is left to be imported
        run(cycle(Path(folder)))
    say("ready")
    acts = {"load": load, "cycle": cycle, "forget": forget, "mend": mend, "rotate": turn_keys}
    for line in sys.stdin:
        name, home = line.rstrip("\n").split(" ", 1)
        held = name != "load"
        children = [fork(lambda n=name, h=home: acts[n](Path(h)), held=held) for _ in range(1 + (not held))]  # type: ignore[misc]
        for child in children:
            say("gone", os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
