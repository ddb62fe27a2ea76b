"""Forgetting is real: killed at any step and asked for again, no byte and no key that is left gives back what went."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from event_model.events import DocumentOpen
from local_store.forgetting import Selection
from local_store.sessions import get_session
from local_store.store import Store
from tests.faults.fault_effort import LONG, effort
from tests.faults.fault_kit import reopen, worker
from tests.faults.fault_worker import CRITERIA
from tests.faults.test_fault_syscalls import run
from tests.local_store.store_kit import (
    OTHER,
    SECOND,
    SESSION,
    START_MS,
    begin,
    every_byte,
    masked,
    opening,
    pending,
    seal,
)

MARKERS = 200
CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "openat")
POINTS = effort(3, 0)
PARTS = effort(1, 4)
"""Each way of forgetting is gone through in so many tests: all of it at once takes long on a busy machine."""

WINDOW = 24
THIRD_STUDY = "e" * 32

FORGETTINGS: dict[str, dict[str, Any]] = {
    "event": {"session": SESSION, "indexes": [17]},
    "file": {"path": "src/17.py"},
    "files": {"path": "src/1*.py"},
    "session": {"session": SECOND},
    "span": {"since_ms": START_MS + 20_000, "until_ms": START_MS + 60_000},
    "study": {"study": OTHER},
    "leave": {"leave": OTHER},
    "all": {},
}


def marker(number: int) -> str:
    return f"marker-{number:03d}-" + "s3cret" * 5


def doomed(name: str, number: int) -> bool:
    """Say whether a marker is to go: 120 are of one session (80 of them sealed), 40 of the second, 40 of the third."""
    index = number - (160 if number >= 160 else 120 if number >= 120 else 0)
    return {
        "event": number == 17,
        "file": number == 17,
        "files": str(number).startswith("1"),
        "session": 120 <= number < 160,
        "span": 20 <= index < 60,
        "study": number >= 160,
        "leave": number >= 160,
        "all": True,
    }[name]


async def plant(home: Path) -> None:
    """Put markers into segments, one of them on its way out, into rows and into files."""
    async with await reopen(home) as store:
        for session, study, first, count, upto in (
            (SESSION, "study-one", 0, 120, 80),
            (SECOND, "study-one", 120, 40, 0),
            (THIRD_STUDY, OTHER, 160, 40, 10),
        ):
            await begin(store, session, study)  # type: ignore[arg-type]
            events = [opening(i, f"src/{first + i}.py", marker(first + i), document=i + 1) for i in range(count)]
            for start in range(0, count, 10):
                await store.append(pending(events[start : start + 10], session, study))  # type: ignore[arg-type]
            for end in range(20, upto + 1, 20):
                await seal(store, masked((await store.pending(session, end)), session, study))  # type: ignore[arg-type]
        info = (await store.segments())[0]
        await store.put_envelope(info, b"envelope", "1" * 64)


async def bodies(store: Store) -> list[tuple[bytes, str]]:
    """Give every ciphertext with what it says."""
    found: list[tuple[bytes, str]] = []
    for info in await store.segments():
        content = await store.read(info)
        row = await store._database.read(
            lambda connection, place=info: connection.execute(  # type: ignore[misc]
                "SELECT body FROM segments WHERE number = ? AND first_seq = ? AND count = ?",
                (place.number, place.first_seq, place.count),
            ).fetchall()
        )
        found += [(bytes(each[0]), str(content.events)) for each in row]
    for session in await store.sessions():

        def chunks(connection: Any, name: Any = session.session) -> list[tuple[bytes, str]]:
            row = get_session(connection, name)
            journal = store._journal
            return [(each.body, str(journal._open(connection, row, each))) for each in journal._chunks(connection, row)]

        found += await store._database.read(chunks)
    return found


if shutil.which("strace"):

    @pytest.mark.system
    @pytest.mark.parametrize("part", range(PARTS))
    @pytest.mark.parametrize("name", FORGETTINGS)
    async def test_what_was_forgotten_is_nowhere_whenever_it_was_killed(tmp_path: Path, name: str, part: int) -> None:
        planted = tmp_path / "planted"
        await plant(planted)
        async with await reopen(planted) as store:
            before = await bodies(store)
        (tmp_path / CRITERIA).write_text(json.dumps(FORGETTINGS[name]))
        with worker() as forks:
            points = count(forks, planted, tmp_path / "counted")
            points = points[part::PARTS] if LONG else random.Random(name).sample(points, POINTS)
            for number, (call, when) in enumerate([*points, ("none", 0)]):
                home = tmp_path / str(number)
                shutil.copytree(planted, home)
                if call != "none":
                    inject = f"inject={call}:signal=KILL:when={when}"
                    run(forks, home, ["-o", os.devnull, "-e", f"trace={call}", "-e", inject], act="forget")
                await forget_again(home, FORGETTINGS[name])
                await check(home, name, before)
                shutil.rmtree(home)

    def count(forks: Any, planted: Path, home: Path) -> list[tuple[str, int]]:
        """List every call of the forgetting that a kill can hit."""
        shutil.copytree(planted, home)
        trace = home.with_name("trace")
        said = run(forks, home, ["-o", str(trace), "-e", f"trace={','.join(CALLS)}"], act="forget")
        assert ["forgotten"] in said, said
        lines = [line.split(None, 1)[1].partition("(")[0] for line in trace.read_text("utf-8", "replace").splitlines()]
        return [(call, 1 + at) for call in CALLS for at in range(lines.count(call))]

    async def forget_again(home: Path, criteria: dict[str, Any]) -> None:
        async with await reopen(home) as store:
            assert (await store.verify()).sound
            if "leave" in criteria:
                await store.forget_study(criteria["leave"])
            else:
                await store.forget(Selection(**criteria))

    async def check(home: Path, name: str, before: list[tuple[bytes, str]]) -> None:
        hits = []
        async with await reopen(home) as store:
            assert (await store.verify()).sound
            seen = {each.event.body.text async for each in store.events() if isinstance(each.event.body, DocumentOpen)}
            for number in range(MARKERS):
                assert (marker(number) in seen) == (not doomed(name, number)), number
        data = every_byte(home)
        assert not [number for number in range(MARKERS) if marker(number).encode() in data]
        for body, said in before:
            if any(doomed(name, number) and marker(number) in said for number in range(MARKERS)):
                hits += [at for at in range(0, len(body) - WINDOW, WINDOW) if body[at : at + WINDOW] in data]
        assert hits == []
