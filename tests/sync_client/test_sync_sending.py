from __future__ import annotations

import asyncio
from pathlib import Path

from event_model.ids import StudyId
from sync_client.sending import Sending

STUDY, OTHER = StudyId("study-a"), StudyId("study-b")


async def test_who_leaves_waits_until_the_upload_of_that_study_is_over(tmp_path: Path) -> None:
    sender, leaver = Sending(tmp_path), Sending(tmp_path)
    async with sender.held(STUDY):
        assert not leaver.wait_until_silent(STUDY, timeout_s=0.1)
        assert leaver.wait_until_silent(OTHER, timeout_s=0.1)
        waiting = asyncio.create_task(asyncio.to_thread(leaver.wait_until_silent, STUDY))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting


async def test_two_uploads_of_one_study_take_turns(tmp_path: Path) -> None:
    order: list[str] = []

    async def send(name: str) -> None:
        async with Sending(tmp_path).held(STUDY):
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    await asyncio.gather(send("a"), send("b"))
    assert order in (["a begins", "a ends", "b begins", "b ends"], ["b begins", "b ends", "a begins", "a ends"])


def test_leaving_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "sending").write_text("in the way")
    assert Sending(tmp_path).wait_until_silent(STUDY, timeout_s=0.1)
