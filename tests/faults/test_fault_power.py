"""Power loss: what a disk may hold at any moment is a sound store with everything that was acknowledged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from event_model.errors import OvertError
from tests.faults.fault_effort import effort
from tests.faults.fault_kit import bring_home, indexes, reopen, worker
from tests.faults.power_loss import CALLS, Recording, cut_power
from tests.faults.test_fault_syscalls import run
from tests.local_store.store_kit import SESSION, every_byte

POINTS = effort(80, 100)
"""In each part."""

PARTS = effort(1, 10)

TAIL_POINTS = 20

FORGOTTEN_POINTS = effort(40, 400)
BODY_AT = 28
"""Behind a chunk's head and nonce."""
WINDOW = 24

if shutil.which("strace"):

    @pytest.fixture(scope="module")
    def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
        folder = tmp_path_factory.mktemp("power")
        trace = folder / "trace"
        with worker() as forks:
            said = run(forks, folder / "home", ["-o", str(trace), "-xx", "-s", "4194304", "-e", f"trace={CALLS}"])
        assert ["forgotten"] in said
        return Recording(trace.read_text("utf-8", "replace"), folder / "home")

    @pytest.mark.system
    @pytest.mark.parametrize("part", range(PARTS))
    @pytest.mark.parametrize("journal", [True, False], ids=["journalling", "plain"])
    async def test_every_state_after_a_power_cut_is_sound_and_holds_what_was_acknowledged(
        tmp_path: Path, recording: Recording, journal: bool, part: int
    ) -> None:
        chance = random.Random(3 + part)
        steps = len(recording.steps)
        assert steps > 100
        for number in range(POINTS):
            upto = chance.randint(first_said(recording), steps)
            problem = await look(recording, upto, tmp_path / str(number), chance, journal=journal)
            assert problem is None, (number, upto, problem)
            shutil.rmtree(tmp_path / str(number))

    @pytest.mark.system
    async def test_a_tail_that_was_just_made_is_whole_or_not_there(tmp_path: Path, recording: Recording) -> None:
        chance = random.Random(3)
        made = next(at for at, step in enumerate(recording.steps) if step.other.endswith(".tail"))
        begun = next(at for at, step in enumerate(recording.steps) if at > made and step.path.endswith(".tail"))
        for upto in list(range(made + 1, begun + 1)) * TAIL_POINTS:
            problem = await look(recording, upto, tmp_path / "home", chance)
            assert problem is None, (upto, problem)

    @pytest.mark.system
    async def test_a_store_that_did_not_sync_would_be_noticed(tmp_path: Path, recording: Recording) -> None:
        chance = random.Random(3)
        first = first_said(recording)
        problems = [
            await look(
                recording, chance.randint(first, len(recording.steps)), tmp_path / str(number), chance, honest=False
            )
            for number in range(20)
        ]
        assert sum(problem is not None for problem in problems) > 5

    @pytest.mark.system
    def test_no_power_cut_brings_back_what_was_forgotten(tmp_path: Path, recording: Recording) -> None:
        tails = {step.file for step in recording.steps if step.kind == "make" and "/pending/" in step.path}
        written = [step.data[BODY_AT:][:WINDOW] for step in recording.steps if step.file in tails]
        bodies = {each for each in written if len(each) == WINDOW and any(each)}
        assert bodies
        chance = random.Random(3)
        last = next(at for at, step in enumerate(recording.steps) if step.data.startswith(b"forgotten"))
        for number in range(FORGOTTEN_POINTS):
            cut_power(recording, chance.randint(last + 1, len(recording.steps)), tmp_path / str(number), chance)
            data = every_byte(tmp_path / str(number))
            assert not [each for each in bodies if each in data], number

    async def look(recording: Recording, upto: int, home: Path, chance: random.Random, **disk: bool) -> str | None:
        """Make a state and say what is wrong with it; ``None`` when nothing is."""
        said = cut_power(recording, upto, home, chance, **disk)
        durable = max((int(line.split()[2]) for line in said if line.startswith("durable")), default=0)
        try:
            async with await reopen(home) as store:
                report = await store.verify()
                if report.damaged or report.gaps:
                    return f"{report.damaged} {report.gaps}"
                seen = (await indexes(store)).get(SESSION, [])
                if "forgetting" not in said and (seen != list(range(len(seen))) or len(seen) < durable):
                    return f"{len(seen)} of {durable} events: {seen}"
                await bring_home(store)
                return None if (await store.verify()).sound else "not sound when brought home"
        except (OvertError, OSError) as error:
            return f"{type(error).__name__}: {error}"

    def first_said(recording: Recording) -> int:
        """From where on something was acknowledged."""
        return next(at for at, step in enumerate(recording.steps) if step.data.startswith(b"durable"))
