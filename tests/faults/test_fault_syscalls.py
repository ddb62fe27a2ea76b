"""A fault at every file system call of one whole cycle: the process is killed there, or the call fails."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from event_model.errors import OvertError
from local_store.schema import PAGE_BYTES
from tests.faults.fault_effort import LONG, effort
from tests.faults.fault_kit import Worker, bring_home, indexes, reopen, worker
from tests.faults.fault_worker import MARKER, REFUSED
from tests.local_store.store_kit import SESSION, begin, every_byte, masked, opening, pending, seal, typing

CALLS = (
    "openat", "read", "pread64", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "link", "rename",
    "mkdir", "fchmod", "chmod", "close", "fstat", "newfstatat", "fcntl", "flock", "lseek", "fallocate",
)  # fmt: skip
FAULTS = {"KILL": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
NO_SPACE = {"openat", "write", "pwrite64", "ftruncate", "link", "mkdir", "fsync", "fdatasync", "rename", "fallocate"}
"""Calls that a full disk can fail."""

SHORT_CASES = 30
SHORT_MENDINGS = 15
PARTS = effort(1, 12)

if shutil.which("strace"):

    @pytest.mark.system
    @pytest.mark.parametrize("part", range(PARTS))
    async def test_every_point_leaves_a_store_that_verifies(tmp_path: Path, part: int) -> None:
        with worker() as forks:
            counts = count_calls(forks, tmp_path)
            assert counts["pwrite64"] > 10
            assert counts.get("fsync", 0) + counts.get("fdatasync", 0) > 10
            cases = cases_of(counts)
            cases = cases[part::PARTS] if LONG else random.Random(7).sample(cases, SHORT_CASES)
            for number, case in enumerate(cases):
                home = tmp_path / str(number)
                said = run_traced(forks, home, case)
                await check(home, said, case)
                shutil.rmtree(home, ignore_errors=True)

    @pytest.mark.system
    async def test_every_point_of_a_mending_keeps_what_is_whole(tmp_path: Path) -> None:
        damaged = tmp_path / "damaged"
        durable = await make_damaged(damaged)
        with worker() as forks:
            shutil.copytree(damaged, tmp_path / "counted")
            counts = count_calls(forks, tmp_path, "mend")
            assert counts["link"] == 1
            cases = cases_of(counts)
            for case in cases if LONG else random.Random(7).sample(cases, SHORT_MENDINGS):
                home = tmp_path / "home"
                shutil.copytree(damaged, home)
                status = int(run_traced(forks, home, case, "mend")[-1][1])
                if case[1] != "KILL":
                    assert os.waitstatus_to_exitcode(status) in {0, REFUSED}, case
                async with await reopen(home) as store:
                    assert (await store.verify()).sound, case
                    assert (await indexes(store))[SESSION] == list(range(durable)), case
                    assert len(store.set_aside()) == 1, case
                    await store.forget()
                assert MARKER.encode() not in every_byte(home / "store"), case
                shutil.rmtree(home)


async def make_damaged(home: Path) -> int:
    """Make a store whose first page is gone; gives how many events it holds."""
    async with await reopen(home) as store:
        await begin(store)
        await store.append(pending((opening(0), *typing(1, 59, MARKER))))
        await seal(store, masked(await store.pending(SESSION, 50)))
    path = home / "store" / "overt.sqlite3"
    path.write_bytes(bytes(PAGE_BYTES) + path.read_bytes()[PAGE_BYTES:])
    return 60


def cases_of(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """List every fault at every call."""
    return [
        (call, fault, when)
        for (call, count), fault in itertools.product(counts.items(), FAULTS)
        for when in range(1, count + 1)
        if fault != "ENOSPC" or call in NO_SPACE
    ]


def count_calls(forks: Worker, folder: Path, act: str = "cycle") -> dict[str, int]:
    """Count the calls of an act without a fault, by thread at most."""
    trace = folder / "trace"
    run(forks, folder / "counted", ["-o", str(trace), "-e", f"trace={','.join(f'?{call}' for call in CALLS)}"], act)
    counts: dict[tuple[str, str], int] = {}
    for line in trace.read_text("utf-8", "replace").splitlines():
        thread, _, rest = line.partition(" ")
        call = rest.strip().partition("(")[0]
        if call in CALLS:
            counts[call, thread] = counts.get((call, thread), 0) + 1
    most: dict[str, int] = {}
    for (call, _), count in counts.items():
        most[call] = max(count, most.get(call, 0))
    return most


def run_traced(forks: Worker, home: Path, case: tuple[str, str, int], act: str = "cycle") -> list[list[str]]:
    """Run an act with one fault in it."""
    call, fault, when = case
    inject = f"inject={call}:{FAULTS[fault]}:when={when}"
    return run(forks, home, ["-o", os.devnull, "-e", f"trace={call}", "-e", inject], act)


def run(forks: Worker, home: Path, options: list[str], act: str = "cycle") -> list[list[str]]:
    """Run an act under strace; gives all that it said."""
    forks.begin(act, home)
    child = int(forks.line()[1])
    with subprocess.Popen(["strace", "-f", "-p", str(child), *options], stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        os.kill(child, signal.SIGUSR1)
        said = []
        while not said or said[-1][0] != "gone":
            said.append(forks.line())
        tracer.communicate()
    return said


async def check(home: Path, said: list[list[str]], case: tuple[str, str, int]) -> None:
    """Check what came of it: a normal end or an error of ours, and a store with all that was acknowledged."""
    status = int(said[-1][1])
    if case[1] == "KILL":
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, (case, said)
    else:
        assert os.WIFEXITED(status), (case, said)
        assert os.WEXITSTATUS(status) in {0, REFUSED}, (case, said)
    durable = max((int(words[2]) for words in said if words[0] == "durable"), default=0)
    async with await reopen(home) as store:
        report = await store.verify()
        assert (report.damaged, report.gaps) == ((), ()), (case, said)
        if ["forgetting"] not in said:
            seen = (await indexes(store)).get(SESSION, [])
            assert seen == list(range(len(seen))), (case, said)
            assert len(seen) >= durable, (case, said)
        with contextlib.suppress(OvertError):
            await bring_home(store)
        await store.forget()
        assert (await store.verify()).sound, (case, said)
    assert MARKER.encode() not in every_byte(home / "store"), case
