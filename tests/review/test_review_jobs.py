"""Work behind a page: what must end does, the rest is given up."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from event_model.errors import StoreError
from overt.review.jobs import KEPT, Jobs, Work


class Vital(Work):
    MUST_END: ClassVar[bool] = True


async def ended(_: Work) -> None:
    return


async def test_it_tells_how_far_it_is_and_what_went_wrong() -> None:
    jobs = Jobs()
    work = Work({})
    gate = asyncio.Event()

    async def go() -> None:
        work.tell(3, 8)
        await gate.wait()
        raise StoreError("no room", code="store-full")

    name = jobs.start(work, go())
    await asyncio.sleep(0)
    assert (work.percent, work.going_on, jobs.get(name)) == (37, True, work)
    gate.set()
    await work.wait(30)
    assert not work.going_on
    assert work.error is not None
    assert work.error.code == "store-full"


async def test_closing_waits_for_what_must_end_and_for_nothing_else() -> None:
    jobs = Jobs()
    gate, forever = asyncio.Event(), asyncio.Event()
    vital, idle = Vital({}), Work({})
    done: list[str] = []

    async def forget() -> None:
        await gate.wait()
        done.append("forgotten")

    async def count() -> None:
        await forever.wait()

    jobs.start(vital, forget())
    jobs.start(idle, count())
    assert jobs.busy
    asyncio.get_running_loop().call_later(0.01, gate.set)
    await asyncio.wait_for(jobs.close(), 30)
    assert done == ["forgotten"]
    assert not jobs.busy
    assert idle.task is not None
    assert idle.task.cancelled()


async def test_a_new_count_ends_the_one_before_it_and_old_ends_are_let_go() -> None:
    jobs = Jobs()
    first = Work({})
    oldest = jobs.start(first, asyncio.Event().wait())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    for _ in range(KEPT + 2):
        work = Work({})
        jobs.start(work, ended(work))
        await work.wait(30)
    assert first.task is not None
    assert first.task.cancelled()
    assert jobs.get(oldest) is None
