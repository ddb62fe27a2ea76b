"""The study key in shares, with the real processes: opened by two custodians, seen by the person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consent_ledger.ledger import Ledger
from dataset_builder.release import check_release
from event_model.errors import OvertError
from event_model.ids import StudyId
from overt.audit import openings
from overt.demo.editor import did_change
from overt.demo.house import House
from sync_client.audit import AuditFolder

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("system")]

PURPOSE = "Train the completion model, first round"


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    made = House(tmp_path)
    await made.found_study()
    await made.overt("study", "keys", "split", str(made.study_folder), "--destroy")
    yield made
    await made.close()


def build(house: House, *shares: int, purpose: str = PURPOSE) -> tuple[str, ...]:
    files = [part for number in shares for part in ("--share", str(house.study_folder / f"custodian-{number}.share"))]
    command = ("dataset", "build", str(house.received), "--study", str(house.manifest), "--out", str(house.dataset))
    return (*command, *files, "--purpose", purpose, "--json")


async def test_two_custodians_open_with_a_purpose_that_the_person_reads(house: House) -> None:
    assert not (house.study_folder / "study.key").exists()
    await house.join()
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.py", "python", "")
    await editor.send([did_change(uri, 1, [{"range": _at(0), "text": "x = 1\n"}])])
    assert await editor.stop() == 0
    await house.start_receiver()
    await house.sync()
    for shares, purpose in (((1,), PURPOSE), ((1, 2), "x")):
        with pytest.raises(OvertError, match=r"shares-missing|purpose-missing"):
            await house.overt(*build(house, *shares, purpose=purpose))
    report = await house.overt(*build(house, 1, 3))
    assert report["counts"]["segments_set_aside"] == 0
    assert (house.dataset / "dataset.json").exists()
    told = await house.overt("audit", "--json")
    assert told["verified"] is True
    assert [(each["text"], each["mine"]) for each in told["entries"]] == [
        ("you joined the study", True),
        (f"custodian-1 and custodian-3 opened the study's data: “{PURPOSE}”", False),
        ("custodian-1 built a dataset from 1 segment", False),
    ]
    known = openings(AuditFolder(house.person), Ledger(house.person), StudyId("demo-study"))
    assert known is not None
    assert [(each.by, each.purpose) for each in known] == [(("custodian-1", "custodian-3"), PURPOSE)]
    assert "you joined the study" in await house.overt("audit")


async def test_a_release_takes_owner_and_custodian_and_stands_in_the_log(house: House, tmp_path: Path) -> None:
    await house.join()
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.py", "python", "")
    await editor.send([did_change(uri, 1, [{"range": _at(0), "text": "x = 1\n"}])])
    assert await editor.stop() == 0
    await house.start_receiver()
    await house.sync()
    await house.overt(*build(house, 1, 3))
    for name in ("LICENCE", "STATEMENT"):
        (tmp_path / name).write_text(f"The {name.lower()} of this release.")

    def release(owner: str = "owner.key") -> tuple[str, ...]:
        folder = house.study_folder
        return (
            "dataset", "release", str(house.dataset), "--study", str(house.manifest), "--owner-key",
            str(folder / owner), "--share", str(folder / "custodian-1.share"), "--licence",
            str(tmp_path / "LICENCE"), "--statement", str(tmp_path / "STATEMENT"), "--budget",
            str(tmp_path / "budget.json"), "--purpose", "A benchmark", "--out", str(tmp_path / "release"), "--json",
        )  # fmt: skip

    with pytest.raises(OvertError, match="statement-refused"):
        await house.overt(*release("receiver.key"))
    assert not (tmp_path / "release").exists()
    card = await house.overt(*release())
    assert card["licence"] == "The licence of this release."
    found, signers = check_release(tmp_path / "release")
    assert (found.epsilon, len(signers)) == ("0.5", 2)
    told = await house.overt("audit", "--json")
    assert told["verified"] is True
    assert told["entries"][-1]["text"].startswith("owner released a dataset")
    with pytest.raises(OvertError, match="target-taken"):
        await house.overt(*release())


async def test_without_the_receiver_nothing_is_opened(house: House) -> None:
    house.received.mkdir()
    with pytest.raises(OvertError, match="log-unreachable"):
        await house.overt(*build(house, 1, 2))
    assert not house.dataset.exists()


async def test_a_key_is_split_once_and_auditors_are_named(house: House) -> None:
    with pytest.raises(OvertError):
        await house.overt("study", "keys", "split", str(house.study_folder))
    key = "A" * 43
    folder = str(house.study_folder)
    await house.overt("study", "keys", "member", folder, "--name", "council", "--role", "auditor", "--key", key)
    with pytest.raises(OvertError, match="roles-invalid"):
        await house.overt(
            "study", "keys", "member", folder, "--name", "owner", "--role", "auditor", "--key", key[1:] + "E"
        )
    await house.start_receiver()


def _at(character: int) -> dict[str, Any]:
    place = {"line": 0, "character": character}
    return {"start": place, "end": place}
