"""Run as a process of its own by the fault tests: ``python store_worker.py ACT HOME [ARGUMENT]``.

What it acknowledges it prints, line by line, unbuffered; the test believes nothing else.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from event_model.clock import SystemClock
from event_model.errors import OvertError
from event_model.ids import SessionId
from local_store.store import Store
from tests.local_store.store_kit import (
    STUDY,
    begin,
    device_keys,
    edit,
    masked,
    open_store,
    opening,
    pending,
    seal,
    typing,
)

SEAL_EVERY = 40
"""So often that a kill hits a sealing as well as an append."""


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def write(store: Store, session: SessionId, *, limit: int | None = None) -> None:
    """Append batches of changing size, seal now and then, and print what is durable."""
    await begin(store, session)
    index = seals = batches = 0
    while limit is None or index < limit:
        count = 1 + (batches * 7) % 23
        batch = (opening(0), *typing(1, count)) if index == 0 else typing(index, count)
        await store.append(pending(batch, session))
        index += len(batch)
        batches += 1
        say("durable", session, index)
        if batches % SEAL_EVERY == 0:
            settled = await store.pending(session, index - 5)
            await seal(store, masked(settled, session))
            seals += 1
            say("sealed", session, settled[-1].index + 1)


async def load(home: Path) -> None:
    """Two producers at full speed on two connections, until killed."""
    clock = SystemClock()
    async with await open_store(home, clock=clock) as one, await open_store(home, clock=clock) as two:
        await asyncio.gather(write(one, new_session()), write(two, new_session()))


async def some(home: Path, limit: int) -> None:
    """One producer among several processes, up to a number of events."""
    async with await open_store(home, clock=SystemClock()) as store:
        session = new_session()
        await write(store, session, limit=limit)
        rest = await store.pending(session)
        if rest:
            await seal(store, masked(rest, session))
        await store.end_session(session)


async def limited(home: Path, limit: int) -> None:
    """Append under a file size limit until the store can't be written; then forget the study under that limit."""
    async with await open_store(home, clock=SystemClock()) as store:
        session = new_session()
        await begin(store, session)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        index = 0
        try:
            while True:
                batch = [edit(index + each, os.urandom(100).hex()) for each in range(50)]
                await store.append(pending(batch, session))
                index += 50
                say("durable", session, index)
        except OvertError as error:
            say("refused", error.code)
        say("left", len(await store.pending(session)))
        await store.forget_study(STUDY)
        say("forgotten", (await store.stats()).sessions)


async def destroy(home: Path) -> None:
    """Forget everything, piece by piece, saying when it begins; killed meanwhile."""
    async with await Store.open(home, device_keys(), clock=SystemClock()) as store:
        say("begin")
        await store.forget()
        say("end")


async def idle(home: Path) -> None:
    """Hold a session with something pending, and do nothing, until killed."""
    async with await open_store(home, clock=SystemClock()) as store:
        session = new_session()
        await begin(store, session)
        await store.append(pending(typing(0, 5), session))
        await store.append(pending(typing(5, 5), session))
        say("durable", session, 10)
        await asyncio.Event().wait()


def new_session() -> SessionId:
    return SessionId(os.urandom(16).hex())


def main() -> None:
    act, home = sys.argv[1], Path(sys.argv[2])
    if act in {"some", "limited"}:
        asyncio.run({"some": some, "limited": limited}[act](home, int(sys.argv[3])))
    else:
        asyncio.run({"load": load, "destroy": destroy, "idle": idle}[act](home))


if __name__ == "__main__":
    main()
