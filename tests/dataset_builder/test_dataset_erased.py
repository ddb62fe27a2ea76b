"""An erasure at the receiver shows in the dataset until the next build, and not after it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dataset_builder.build import build
from dataset_builder.erased import Stale, find_erased
from dataset_builder.names import Pseudonyms
from overt.commands.dataset import dataset
from overt.keyfiles import write_recipient_key
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    RECIPIENT,
    SALT,
    Clock,
    Contributor,
    events_of,
    manifest,
    opened,
    start,
    typed,
)


@pytest.fixture
def bob(receiver: Path, alice: Contributor) -> Contributor:
    """A second contributor; both have three sessions of 22 events, in segments of 10."""
    bob = Contributor(receiver, 2)
    for who in (alice, bob):
        for hour in range(3):
            clock = Clock(NOON_MS + hour * HOUR_MS)
            who.seal(events_of([start(), opened(), *typed("let abc = 1; // here")], clock=clock), per_segment=10)
    return bob


def _files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_person_who_was_erased_is_named_until_the_next_build(
    bob: Contributor, receiver: Path, run: Any, out: Path, tmp_path: Path
) -> None:
    run()
    assert find_erased(out, source=receiver, salt=SALT) == ()
    shutil.rmtree(receiver / f"segments/pilot/{bob.pseudonym}")
    assert find_erased(out, source=receiver, salt=SALT) == (Stale(Pseudonyms(SALT).contributor(bob.pseudonym), 66),)
    run()
    assert find_erased(out, source=receiver, salt=SALT) == ()

    never = tmp_path / "never"
    never.mkdir()
    only = Contributor(never, 1)
    for hour in range(3):
        clock = Clock(NOON_MS + hour * HOUR_MS)
        only.seal(events_of([start(), opened(), *typed("let abc = 1; // here")], clock=clock), per_segment=10)
    build(source=never, manifest=manifest(), secret=RECIPIENT, out=tmp_path / "other", salt=SALT)
    assert _files(out) == _files(tmp_path / "other")


def test_a_segment_that_was_erased_is_counted(bob: Contributor, receiver: Path, run: Any, out: Path) -> None:
    run()
    bob.key_of(1).unlink()
    assert find_erased(out, source=receiver, salt=SALT) == (Stale(Pseudonyms(SALT).contributor(bob.pseudonym), 10),)


def test_the_command_says_what_was_erased(
    bob: Contributor, receiver: Path, run: Any, out: Path, tmp_path: Path
) -> None:
    key = tmp_path / "study.key"
    write_recipient_key(key, RECIPIENT)
    run(salt=RECIPIENT.raw.derive("overt dataset salt 1 pilot").reveal())
    command = ["check", str(out), "--source", str(receiver), "--key", str(key)]
    assert CliRunner().invoke(dataset, command).exit_code == 0
    shutil.rmtree(receiver / f"segments/pilot/{bob.pseudonym}")
    result = CliRunner().invoke(dataset, command)
    assert result.exit_code == 9
    assert "66 events" in result.output
    assert CliRunner().invoke(dataset, command[:-2]).exit_code == 2
