"""kill -9 at random moments under full load from two producers."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from event_model.ids import SessionId
from tests.faults.fault_effort import effort
from tests.faults.fault_kit import Worker, bring_home, indexes, reopen, worker

KILLS = 50
"""In each part."""

PARTS = effort(1, 20)
HOME_KILLS = 5
"""Kills before a fresh folder is taken, so that looking through all events stays quick."""

REOPEN_S = 1.0
"""Of CPU time: a busy machine makes anything wait."""


@pytest.mark.system
@pytest.mark.parametrize("part", range(PARTS))
async def test_no_kill_loses_doubles_or_skips_what_was_acknowledged(tmp_path: Path, part: int) -> None:
    chance = random.Random(5 + part)
    slowest = 0.0
    with worker() as forks:
        for number in range(KILLS):
            home = tmp_path / str(number // HOME_KILLS)
            durable = load_and_kill(forks, home, chance)
            began = time.process_time()
            async with await reopen(home) as store:
                slowest = max(slowest, time.process_time() - began)
                await bring_home(store)
                report = await store.verify()
                assert (report.damaged, report.gaps, report.pending) == ((), (), 0)
                seen = await indexes(store)
                for session, count in durable.items():
                    assert len(seen[session]) >= count
                assert all(each == list(range(len(each))) for each in seen.values())
    assert slowest < REOPEN_S


def load_and_kill(forks: Worker, home: Path, chance: random.Random) -> dict[SessionId, int]:
    """Let two producers write, kill both at one moment, and give what they were told is durable."""
    durable: dict[SessionId, int] = {}
    children: list[int] = []
    forks.begin("load", home)
    left, gone = chance.randint(2, 120), 0
    while gone < 2:
        words = forks.line()
        assert words[0] in {"child", "durable", "gone"}, words
        if words[0] == "child":
            children.append(int(words[1]))
        elif words[0] == "durable":
            durable[SessionId(words[1])] = int(words[2])
            left -= 1
            if left == 0:
                for child in children:
                    os.kill(child, signal.SIGKILL)
        else:
            assert os.WTERMSIG(int(words[1])) == signal.SIGKILL
            gone += 1
    return durable
