"""Builds that go on from the last one, and builds by other runners: the same bytes, whatever was there before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dataset_load import make_load
from dataset_builder import job, work
from dataset_builder.build import BuildProgress
from dataset_builder.check import check
from dataset_builder.engine import Engine, Workshop
from dataset_builder.helpers import Recipe
from dataset_builder.report import Reused
from dataset_builder.staging import staging_for
from event_model.errors import DatasetError
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    Clock,
    Contributor,
    closed,
    events_of,
    opened,
    start,
    typed,
)


def _session(text: str, hour: float = 0) -> list[Any]:
    return events_of([start(), opened("fn main() {}\n"), *typed(text, at=11), closed()],
                     clock=Clock(NOON_MS + int(hour * HOUR_MS)))  # fmt: skip


def _files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dataset.work"


def test_only_what_is_new_is_opened_and_written(alice: Contributor, run: Any, out: Path, folder: Path) -> None:
    for day in range(3):
        alice.seal(_session(f"day {day}", hour=24 * day))
    assert run(work=folder).reused == Reused(0, 0, 0)
    alice.seal(_session("later", hour=72))
    # The splits of four occasions are not those of three: of the old files, only those whose rows stay are taken over.
    report = run(work=folder)
    assert (report.reused.objects, report.reused.sessions) == (3, 3)
    assert 0 < report.reused.files < 15
    incremental = _files(out)
    run()
    assert _files(out) == incremental
    assert run(work=folder).reused == Reused(4, 4, 20)
    assert _files(out) == incremental


def test_what_was_erased_is_gone_from_the_dataset_and_the_work_folder(
    alice: Contributor, receiver: Path, run: Any, out: Path, folder: Path
) -> None:
    bob = Contributor(receiver, 2)
    alice.seal(_session("of alice"))
    bob.seal(_session("of bob", hour=1))
    run(work=folder)
    parts = set((folder / "parts").iterdir())
    for path in receiver.rglob("*.overt"):
        if bob.pseudonym in str(path):
            path.unlink()
    assert run(work=folder).counts.documents == 1
    assert len(set((folder / "parts").iterdir())) == 1 == len(parts) - 1
    assert all(bob.pseudonym.encode() not in data for data in _files(folder).values())
    rebuilt = _files(out)
    run()
    assert _files(out) == rebuilt


def test_a_build_that_was_stopped_goes_on_where_it_was(alice: Contributor, run: Any, out: Path, folder: Path) -> None:
    for hour in range(4):
        alice.seal(_session(f"hour {hour}", hour=hour))

    def stop(step: BuildProgress) -> None:
        if step.stage == "rebuild" and step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(work=folder, progress=stop)
    assert not out.exists()
    report = run(work=folder)
    assert report.reused.objects == 4
    assert report.reused.sessions >= 2
    resumed = _files(out)
    run()
    assert _files(out) == resumed


def test_a_part_that_is_not_whole_is_made_again(alice: Contributor, run: Any, out: Path, folder: Path) -> None:
    alice.seal(_session("abc"))
    run(work=folder)
    whole = _files(out)
    (part,) = (folder / "parts").iterdir()
    (part / job.RESULT).unlink()
    (out / "dataset.json").unlink()
    for path in sorted(out.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert run(work=folder).reused == Reused(1, 0, 0)
    assert _files(out) == whole


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.chmod(0) if os.geteuid() else path.unlink(),
    ],
)
def test_a_file_that_was_damaged_is_written_again(
    alice: Contributor, run: Any, out: Path, folder: Path, damage: Callable[[Path], object]
) -> None:
    alice.seal(_session("abc"))
    run(work=folder)
    whole = _files(out)
    (changed,) = out.glob("events/*/*/train.parquet")
    damage(changed)
    assert run(work=folder).reused.files == 4
    assert _files(out) == whole
    assert check(out).ok


def test_other_code_or_another_salt_takes_nothing_over(
    alice: Contributor, run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.seal(_session("abc"))
    run(work=folder)
    assert run(work=folder, salt=b"another salt of 32 bytes or more").reused == Reused(0, 0, 0)
    run(work=folder)
    monkeypatch.setattr(work, "code_digest", lambda: "of another version")
    assert run(work=folder).reused == Reused(0, 0, 0)


def test_two_builds_do_not_share_a_work_folder(alice: Contributor, run: Any, folder: Path) -> None:
    alice.seal(_session("abc"))
    caught: list[str] = []

    def again(step: BuildProgress) -> None:
        if step.stage == "rebuild" and not caught:
            with pytest.raises(DatasetError) as error:
                run(work=folder)
            caught.append(error.value.code)

    run(work=folder, progress=again)
    assert caught == ["build-running"]


def test_two_builds_do_not_write_one_dataset_and_say_so(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session("abc"))
    run()
    before = _files(out)
    with staging_for(out), pytest.raises(DatasetError) as error:
        run()
    assert error.value.code == "build-running"
    assert _files(out) == before
    run()


def test_what_a_killed_build_left_beside_the_dataset_goes_with_the_next(
    alice: Contributor, run: Any, out: Path
) -> None:
    alice.seal(_session("abc"))
    left = out.with_name(f".{out.name}.new-abcd1234")
    left.mkdir(parents=True)
    (left / "events.arrow").write_text("what somebody wrote")
    other = out.with_name(f".{out.name}.work")
    other.mkdir()
    run()
    assert not left.exists()
    assert other.exists()


def _found(folder: Path, pattern: str) -> int:
    try:
        return len(list(folder.glob(pattern)))
    except FileNotFoundError:  # the build moved a folder that was being walked
        return 0


def _parts(out: Path) -> int:
    return _found(out.with_name(f"{out.name}.work"), "parts/*/result.msgpack")


def _written(out: Path) -> int:
    return _found(out.parent, f".{out.name}.new-*/new/*/*/*/*.parquet")


@pytest.mark.system
@pytest.mark.xdist_group("system")
def test_a_build_that_was_killed_again_and_again_gives_the_same_bytes(tmp_path: Path) -> None:
    make_load(tmp_path, segments=24, events=400)
    study = tmp_path / "study"

    def command(out: Path) -> list[str]:
        return [sys.executable, "-m", "overt", "dataset", "build", str(tmp_path / "received"), "--study",
                str(study / "study.json"), "--key", str(study / "study.key"), "--out", str(out), "--no-second-pass",
                "--workers", "2", "--json"]  # fmt: skip

    whole, out = tmp_path / "whole", tmp_path / "dataset"
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
    facts = out.with_name("dataset.work") / "facts.msgpack"
    points = (facts.exists, lambda: _parts(out) >= 3, lambda: _parts(out) >= 9, lambda: _written(out) >= 2)
    killed = 0
    for reached in points:
        with subprocess.Popen(command(out), stdout=subprocess.DEVNULL, start_new_session=True) as process:
            while not reached() and process.poll() is None:
                time.sleep(0.001)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
    assert killed >= 3
    report = json.loads(subprocess.run(command(out), check=True, stdout=subprocess.PIPE).stdout)
    assert report["reused"]["sessions"] >= 9
    assert _files(out) == _files(whole)
    assert not list(tmp_path.glob(".dataset.new-*"))
    assert check(out).ok


def test_a_folder_of_somebody_else_is_left_alone(alice: Contributor, run: Any, folder: Path) -> None:
    alice.seal(_session("abc"))
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(DatasetError) as caught:
        run(work=folder)
    assert caught.value.code == "target-taken"


def test_several_processes_give_the_same_bytes(
    alice: Contributor, run: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataset_builder.build.SMALL_BYTES", 0)
    for hour in range(6):
        alice.seal(_session(f"hour {hour}", hour=hour), per_segment=5)
    run(engine=Engine(workers=1), second_pass=True)
    alone = _files(out)
    run(engine=Engine(workers=2), second_pass=True)
    assert _files(out) == alone


RAY = """
import sys
from pathlib import Path
import dataset_builder.build as builder
from dataset_builder.engine import Engine, Runner
from tests.dataset_builder.dataset_world import RECIPIENT, SALT, manifest
builder.build(source=Path(sys.argv[1]), manifest=manifest(), secret=RECIPIENT, out=Path(sys.argv[2]), salt=SALT,
              engine=Engine(Runner.RAY, workers=2))
"""


def test_ray_gives_the_same_bytes(alice: Contributor, receiver: Path, run: Any, out: Path, tmp_path: Path) -> None:
    for hour in range(4):
        alice.seal(_session(f"hour {hour}", hour=hour))
    run()
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", RAY, str(receiver), str(tmp_path / "by-ray")],
        check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=300,
    )  # fmt: skip
    assert _files(tmp_path / "by-ray") == _files(out)


class _Dying:
    """In a helper: says through a pipe that it has begun, and dies. In the build's own process: waits for that."""

    def __init__(self, pid: int, pipe: str) -> None:
        self._here = os.getpid() == pid
        self._pipe = pipe

    def run(self, task: str, item: bytes) -> bytes:
        with Path(self._pipe).open("rb" if self._here else "wb") as pipe:
            if not self._here:
                os._exit(1)
            pipe.read()
        return item


def make_dying(pid: int, pipe: str) -> _Dying:
    return _Dying(pid, pipe)


def test_a_helper_that_dies_is_named(tmp_path: Path) -> None:
    pipe = tmp_path / "begun"
    os.mkfifo(pipe)
    with Workshop(Recipe(make_dying, os.getpid(), str(pipe)), Engine(workers=2)) as workshop:
        with pytest.raises(DatasetError) as caught:
            list(workshop.map("x", [b"1", b"2"]))
        assert (caught.value.code, caught.value.hint) == ("engine-failed", "Build again: it goes on from here.")


class _Vanishing:
    """In a helper: dies at once. In the build's own process: does everything."""

    def __init__(self, pid: int) -> None:
        self._here = os.getpid() == pid

    def run(self, _task: str, item: bytes) -> bytes:
        if not self._here:
            os._exit(1)
        return item


def make_vanishing(pid: int) -> _Vanishing:
    return _Vanishing(pid)


def test_a_helper_that_is_gone_and_asked_again_does_not_hide_what_happened() -> None:
    """What could not be written to its pipe any more must not come up again when the pipe is closed."""
    failed = 0
    with Workshop(Recipe(make_vanishing, os.getpid()), Engine(workers=2)) as workshop:
        while failed < 2:  # until the helper is up, everything is done here
            try:
                list(workshop.map("x", [b"1" * 100] * 4))
            except DatasetError as error:
                assert error.code == "engine-failed"  # noqa: PT017 - it comes when the helper does
                failed += 1


class _Failing:
    def run(self, task: str, item: bytes) -> bytes:
        if task == "full":
            raise OSError(28, "No space left on device")
        raise DatasetError("gone", code="source-changed", hint="again")


def make_failing() -> _Failing:
    return _Failing()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_arrives_whole(workers: int) -> None:
    recipe = Recipe(make_failing)
    with Workshop(recipe, Engine(workers=workers)) as workshop:
        with pytest.raises(DatasetError) as caught:
            list(workshop.map("x", [b"1", b"2"]))
        assert (caught.value.code, caught.value.hint) == ("source-changed", "again")
        with pytest.raises(OSError, match="No space") as full:
            list(workshop.map("full", [b"1", b"2"]))
        assert full.value.errno == 28
