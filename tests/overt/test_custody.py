"""The study key in shares, with the real processes: opened by two custodians, seen by the person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consent_ledger.ledger import Ledger
from dataset_builder.release import check_release
from event_model.errors import OvertError
from event_model.ids import StudyId
from event_model.keys import encode_key
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


@pytest.fixture
async def built(house: House, tmp_path: Path) -> House:
    """A dataset of one person, with the receiver up."""
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
    return house


def release(house: House, **changes: str | None) -> tuple[str, ...]:
    """The command; an option that is None is left out."""
    root, folder = house.folder, house.study_folder
    options: dict[str, str | None] = {
        "study": str(house.manifest),
        "owner-key": str(folder / "owner.key"),
        "share": str(folder / "custodian-1.share"),
        "licence": str(root / "LICENCE"),
        "statement": str(root / "STATEMENT"),
        "budget": str(root / "budget.json"),
        "purpose": "A benchmark of models",
        "out": str(root / "release"),
    }
    named = {**options, **{name.replace("_", "-"): value for name, value in changes.items()}}
    given = [part for name, value in named.items() if value is not None for part in (f"--{name}", value)]
    return ("dataset", "release", str(house.dataset), *given, "--json")


async def test_a_release_takes_owner_and_custodian_and_stands_in_the_log(built: House) -> None:
    card = await built.overt(*release(built))
    assert card["licence"] == "The licence of this release."
    found, signers = check_release(built.folder / "release")
    assert (found.epsilon, len(signers)) == ("0.5", 2)
    told = await built.overt("audit", "--json")
    assert told["verified"] is True
    assert told["entries"][-1]["text"] == "custodian-1 and owner released a dataset: “A benchmark of models”"
    assert "demo-study: 4 entries of its audit log hold." in await built.overt("verify")
    with pytest.raises(OvertError, match="target-taken"):
        await built.overt(*release(built))


async def test_what_lacks_something_is_not_released_and_not_logged(built: House) -> None:
    folder = built.folder
    share = json.loads((built.study_folder / "custodian-1.share").read_bytes())
    signers = {
        "mine": (built.study_folder / "owner.key").read_text().strip().partition(":")[2],
        "made-up": encode_key(bytes(range(32))),
    }
    for name, signer in signers.items():
        (folder / name).write_text(json.dumps({**share, "signer": signer}))
    (folder / "blank").write_text(" \n")
    for changes, code in (
        ({"share": None}, "Missing option '--share'"),
        ({"owner_key": None}, "Missing option '--owner-key'"),
        ({"share": str(folder / "mine")}, "approvals-missing"),
        ({"share": str(folder / "made-up")}, "statement-refused"),
        ({"owner_key": str(built.study_folder / "receiver.key")}, "statement-refused"),
        ({"licence": str(folder / "blank")}, "release-incomplete"),
        ({"purpose": "x"}, "purpose-missing"),
        ({"epsilon": "2.5"}, "budget-spent"),
    ):
        with pytest.raises(OvertError, match=code):
            await built.overt(*release(built, **changes))
    await built.close()
    with pytest.raises(OvertError, match="log-unreachable"):
        await built.overt(*release(built))
    assert not (folder / "release").exists()
    assert not (folder / "budget.json").exists()
    assert not [path for path in folder.iterdir() if path.name.startswith(".release.new")]
    await built.start_receiver()
    told = await built.overt("audit", "--json")
    assert not [each for each in told["entries"] if "released" in each["text"]]
    for number in range(4):
        await built.overt(*release(built, out=str(folder / f"release-{number}")))
    with pytest.raises(OvertError, match="budget-spent"):
        await built.overt(*release(built))


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
