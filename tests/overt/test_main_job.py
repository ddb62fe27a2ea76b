"""The main job with the real processes: from a keystroke to a training file."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from event_model.errors import OvertError
from event_model.events import FILLER
from overt.demo.editor import did_change
from overt.demo.house import House
from overt.demo.trace import Trace, Transaction, content_changes, read_trace
from tests.sign_on_provider import CLIENT, provider_running

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("system")]

EXCERPT = Path(__file__).parents[2] / "overt" / "demo" / "rustcode-excerpt.json.gz"
KILLS = 5


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    made = House(tmp_path)
    await made.found_study()
    yield made
    await made.close()


def messages(uri: str, trace: Trace) -> list[bytes]:
    changes = content_changes(trace.startContent, trace.txns)
    return [did_change(uri, version, change) for version, change in enumerate(changes, start=1)]


def documents(house: House) -> dict[str, dict[str, Any]]:
    rows = pyarrow.dataset.dataset(house.dataset / "documents").to_table().to_pylist()
    return {Path(row["path"]).name: row for row in rows}


async def deliver(house: House) -> None:
    await house.start_receiver()
    await house.sync()
    await house.build()


async def test_two_windows_edit_several_files_and_all_replay(house: House) -> None:
    await house.join()
    trace = read_trace(EXCERPT).beginning(600)
    texts: dict[str, str] = {}

    async def window(name: str) -> None:
        editor = await house.start_editor(name)
        uris = []
        for file in ("a.rs", "b.rs"):
            path = house.work / f"{name}-{file}"
            uris.append(editor.open(path, "rust", trace.startContent))
            texts[path.name] = trace.endContent
        for first, second in zip(messages(uris[0], trace), messages(uris[1], trace), strict=True):
            await editor.send([first, second])
        assert await editor.stop() == 0

    await asyncio.gather(window("one"), window("two"))
    await deliver(house)
    found = documents(house)
    assert {name: row["final_text"] for name, row in found.items()} == texts
    assert all(row["exact"] and row["edits"] == trace.edits for row in found.values())


async def test_secrets_out_of_scope_files_and_env_files_are_in_no_place(house: House, tmp_path: Path) -> None:
    await house.join()
    secret = "AKIA" + "Q3EGRTZV7XWLN5KM"
    typed = f'key = "{secret}"\n'
    trace = Trace("", typed, tuple(Transaction(((at, 0, letter),)) for at, letter in enumerate(typed)))
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.py", "python", "")
    await editor.send(messages(uri, trace))
    editor.open(house.work / ".env", "dotenv", "TOKEN=planted-in-env\n")
    editor.open(tmp_path / "elsewhere.py", "python", "planted-elsewhere\n")
    renamed = editor.open(house.work / "b.py", "python", "before\n")
    editor.notify(
        "workspace/didRenameFiles",
        {"files": [{"oldUri": renamed, "newUri": (tmp_path / "moved.py").as_uri()}]},
    )
    change = {
        "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
        "text": "planted-moved",
    }
    await editor.send([did_change((tmp_path / "moved.py").as_uri(), 1, [change]), did_change(renamed, 1, [change])])
    await editor.stop()
    kept = await house.overt("export")
    await deliver(house)

    found = documents(house)
    assert found["a.py"]["final_text"] == f'key = "{FILLER * len(secret)}"\n'
    everything = kept + str(pyarrow.dataset.dataset(house.dataset / "events").to_table().to_pylist()) + str(found)
    for marker in (secret, "planted-in-env", "planted-elsewhere", "planted-moved"):
        assert marker not in everything


async def test_without_consent_nothing_is_made_on_disk(house: House) -> None:
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.py", "python", "planted")
    status = await editor.request("overt/flush")
    why = await editor.request("overt/why", {"uri": uri})
    await editor.stop()
    assert status["state"] == "off"
    assert why["refusals"][0]["code"] == "no-consent"
    assert not house.person.exists() or not any(path.is_file() for path in house.person.rglob("*"))


async def test_what_is_on_hold_stays_and_what_is_left_never_leaves(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.found_study(hold_s=3600)
    await house.join()
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.py", "python", "x = 1\n")
    editor.close(uri)
    await editor.stop()
    try:
        await house.start_receiver()
        report = await house.sync()
        assert (report["uploaded"], report["held"]) == (0, 1)
        left = await house.overt("leave", "demo-study", "--json")
        assert left["left"]
        assert left["erased_here"]
        again = await house.sync()
        assert again["uploaded"] == 0
        assert again["deletions_settled"] == 1
        assert list(house.received.rglob("*.overt")) == []
    finally:
        await house.close()


async def test_what_was_sent_in_a_span_of_time_is_erased_up_to_the_dataset(house: House) -> None:
    """Also what this device no longer has."""
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.stop()
    await deliver(house)
    assert documents(house)
    shutil.rmtree(house.person / "store")
    await house.overt("forget", "--sent", "--study", "demo-study", "--since", "2020-01-01", "--yes", "--json")
    await house.sync()
    assert list(house.received.rglob("*.overt")) == []
    assert len(list((house.person / "audit").glob("demo-study.erased-*.json"))) == 1
    key = str(house.manifest.with_name("study.key"))
    check = "dataset", "check", str(house.dataset), "--source", str(house.received), "--key", key, "--json"
    with pytest.raises(OvertError, match=r"failed \(9\)"):
        await house.overt(*check)
    await house.build()
    assert not (house.dataset / "documents").exists()
    assert (await house.overt(*check))["erased"] == []


async def test_who_signs_on_takes_part_and_who_does_not_sends_nothing(house: House, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys, urllib.request\nurllib.request.urlopen(sys.argv[1]).read()\n")
    browser.chmod(0o700)
    house.environment["BROWSER"] = f"{browser} %s"
    with provider_running() as provider:
        await house.start_receiver("--sign-on-issuer", provider.issuer, "--sign-on-client", CLIENT)
        await house.join()
        editor = await house.start_editor()
        editor.open(house.work / "a.py", "python", "x = 1\n")
        await editor.stop()
        with pytest.raises(OvertError, match="--sign-on"):
            await house.sync()
        assert list(house.received.rglob("*.overt")) == []
        await house.overt("join", "demo-study", "--sign-on", "--agree", "--json")
        assert (await house.sync())["uploaded"] == 1
        assert len(list(house.received.rglob("*.overt"))) == 1
        assert provider.asked["/token"] == 1
        revoked = await house.overt("study", "revoke", str(house.study_folder), "--subject", provider.subject, "--json")
        assert provider.subject not in str(revoked)
        editor = await house.start_editor()
        editor.open(house.work / "b.py", "python", "y = 1\n")
        await editor.stop()
        with pytest.raises(OvertError, match="enrolment-revoked"):
            await house.sync()
        assert len(list(house.received.rglob("*.overt"))) == 1


async def test_leaving_erases_what_was_sent(house: House) -> None:
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.stop()
    await house.start_receiver()
    await house.sync()
    assert len(list(house.received.rglob("*.overt"))) == 1
    await house.overt("leave", "demo-study", "--json")
    await house.sync()
    assert list(house.received.rglob("*.overt")) == []


@pytest.mark.parametrize("seed", range(KILLS))
async def test_a_killed_sidecar_loses_and_doubles_nothing_acknowledged(house: House, seed: int) -> None:
    await house.join()
    source = random.Random(seed)
    trace = read_trace(EXCERPT)
    editor = await house.start_editor()
    uri = editor.open(house.work / "a.rs", "rust", trace.startContent)
    sent = messages(uri, trace)
    acknowledged = position = 0
    for _ in range(source.randrange(1, 6)):
        step = source.randrange(1, 400)
        await editor.send(sent[position : position + step])
        position += step
        acknowledged = (await editor.request("overt/flush"))["studies"][0]["durable"]
    await editor.send(sent[position : position + source.randrange(0, 400)])
    editor.kill()
    await editor.gone()

    again = await house.start_editor()
    again.open(house.work / "b.rs", "rust", "after\n")
    await again.stop()
    await deliver(house)
    row = documents(house)["a.rs"]
    edits = row["edits"]
    assert edits >= acknowledged - 2  # the session's start and the document's open are acknowledged too
    assert row["exact"]
    assert row["final_text"] == prefix_text(trace, edits)
    events = pyarrow.dataset.dataset(house.dataset / "events").to_table().to_pylist()
    indexes = sorted((each["session"], each["index"]) for each in events)
    assert len(set(indexes)) == len(indexes)
    assert documents(house)["b.rs"]["final_text"] == "after\n"


def prefix_text(trace: Trace, edits: int) -> str:
    text = trace.startContent
    patches = (patch for transaction in trace.txns for patch in transaction.patches)
    for _, (position, deleted, inserted) in zip(range(edits), patches, strict=False):
        text = text[:position] + inserted + text[position + deleted :]
    return text


async def test_a_terminated_sidecar_ends_cleanly(house: House) -> None:
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.request("overt/flush")
    editor.kill(signal.SIGTERM)
    assert await editor.gone() in {0, 1, -signal.SIGTERM}
    status = await house.overt("status", "--json")
    assert status["segments"] == {"held": 1}


async def test_a_receiver_that_is_down_loses_nothing(house: House) -> None:
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.stop()
    with pytest.raises(OvertError, match=r"failed \(7\)"):
        await house.sync()
    await house.start_receiver()
    assert (await house.sync())["uploaded"] == 1


async def test_the_wrong_key_opens_nothing(house: House, tmp_path: Path) -> None:
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.stop()
    await house.start_receiver()
    await house.sync()
    await house.overt("study", "new", str(tmp_path / "other"), "--title", "t", "--receiver", "http://127.0.0.1:1")
    with pytest.raises(OvertError, match=r"dataset build failed \(4\)"):
        await house.overt(
            "dataset", "build", str(house.received), "--study", str(house.manifest),
            "--key", str(tmp_path / "other" / "study.key"), "--out", str(house.dataset), "--json",
        )  # fmt: skip


async def test_the_demo_holds(tmp_path: Path) -> None:
    house = House(tmp_path)
    shown = await house.overt("demo", "--keep", str(tmp_path / "demo"))
    assert "All of it held." in shown
    assert "A real Neovim does the same" in shown
    assert shown.count("exact ") == 3


async def test_ones_own_data_come_out_in_three_forms(house: House, tmp_path: Path) -> None:
    await house.join()
    trace = read_trace(EXCERPT).beginning(300)
    secret = "AKIA" + "Q3EGRTZV7XWLN5KM"
    editor = await house.start_editor("Some Editor")
    uri = editor.open(house.work / "a.rs", "rust", trace.startContent)
    await editor.send(messages(uri, trace))
    typed = f'key = "{secret}"\n'
    other = editor.open(house.work / "b.py", "python", "")
    await editor.send(
        messages(other, Trace("", typed, tuple(Transaction(((at, 0, x),)) for at, x in enumerate(typed))))
    )
    await editor.request("overt/flush")
    # While the editor still runs: what is pending is masked here all the same.
    await house.overt("export", "--format", "editing-traces", "-o", str(tmp_path / "traces"))
    await house.overt("export", "--format", "html", "-o", str(tmp_path / "mine.html"))
    brief = await house.overt("show", "--brief")
    await editor.stop()
    first, second = sorted((tmp_path / "traces").iterdir())
    found = read_trace(first)
    assert (found.startContent, found.endContent) == (trace.startContent, trace.endContent)
    assert found.edits == trace.edits
    assert prefix_text(found, found.edits) == found.endContent
    assert read_trace(second).endContent == f'key = "{FILLER * len(secret)}"\n'
    report = (tmp_path / "mine.html").read_text("utf-8")
    assert "You edited <span" in report
    assert "<script" not in report
    assert "You edited b.py" in brief
    assert "1 secret was masked" in brief
    assert secret not in report + brief + first.read_text() + second.read_text()
    assert {path.stat().st_mode & 0o077 for path in (first, second, tmp_path / "mine.html")} == {0}
    with pytest.raises(OvertError, match="not empty"):
        await house.overt("export", "--format", "editing-traces", "-o", str(tmp_path / "traces"))


async def test_forgetting_asks_with_counts_and_names(house: House) -> None:
    await house.join()
    editor = await house.start_editor()
    editor.open(house.work / "a.py", "python", "x = 1\n")
    await editor.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "overt", "forget", "--file", "a.py",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **house.environment},
    )  # fmt: skip
    out, _ = await process.communicate(b"n\n")
    assert process.returncode == 130
    assert b"This erases 2 events from this machine.\nThey are in a.py." in out
    assert "x = 1" in await house.overt("export")
    nothing = await house.overt("forget", "--file", "b.py", "--yes", "--json")
    assert nothing["events"] == 0
