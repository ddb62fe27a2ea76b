"""The real Visual Studio Code with the packaged extension, driven as a person would, up to the dataset."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from playwright.async_api import TimeoutError as PlaywrightTimeout

from benchmarks.workbench import Workbench
from overt.demo.house import House

pytestmark = [pytest.mark.editor, pytest.mark.system, pytest.mark.xdist_group("workbench")]

HELPER = Path(__file__).parent / "vscode_helper"
SETTLE_S = 0.6
"""After an edit by a program or a pause in typing: the next step is then another edit."""

WATCHED_TIMES, WATCHED_MS = 6, 15_000
"""So often another program writes, and so long the editor has to show it."""

KINDS = ("viewport.change", "editor.focus", "command.run", "completion.accept")


async def found(tmp_path: Path) -> House:
    """Found the demonstration's study, with every kind that a plugin can tell."""
    house = House(tmp_path)
    await house.found_study(kinds=KINDS)
    return house


@asynccontextmanager
async def workbench(house: House, **more: Any) -> AsyncIterator[Workbench]:
    settings = {"overt.enabled": True, **more.pop("settings", {})}
    bench = await Workbench.start(
        house.folder / "code", house.work, environment=house.environment, settings=settings, **more
    )
    async with bench:
        yield bench


async def dataset(house: House) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Upload everything and build; gives the documents and the events."""
    try:
        await house.start_receiver()
        await house.sync()
        await house.build()
    finally:
        await house.close()
    documents = pyarrow.dataset.dataset(house.dataset / "documents").to_table().to_pylist()
    events = pyarrow.dataset.dataset(house.dataset / "events").to_table().to_pylist()
    events.sort(key=lambda row: (row["session"], row["index"]))
    return documents, events


async def test_from_the_walkthrough_to_the_dataset(tmp_path: Path) -> None:
    house = await found(tmp_path)
    path, secret = house.work / "main.py", house.work / ".env"
    path.write_text("import os\n\n", "utf-8")
    secret.write_text("TOKEN=first\n", "utf-8")
    (house.work / "unseen.py").write_text("never_shown = 1\n", "utf-8")
    saved: list[str] = []
    async with workbench(house, settings={"overt.enabled": False}, extensions=[HELPER]) as bench:
        await enable_in_the_walkthrough(bench, house)
        await bench.open_file("main.py")
        await bench.sign_says("capturing")

        async def save() -> None:
            await bench.save(path)
            saved.append(path.read_text("utf-8"))

        await bench.press("Control+End")
        await bench.type("print(os.name)\nvalue=1\n")
        await save()
        await asyncio.sleep(SETTLE_S)
        await bench.press("Control+Home", "Shift+End", "Control+c", "Control+End", "Control+v", "Enter")  # paste
        await asyncio.sleep(SETTLE_S)
        await bench.press("Control+z", "Control+z", "Control+y")  # undo, redo
        await asyncio.sleep(SETTLE_S)
        await bench.press("Control+Home")
        await bench.command("Add Cursor Below")
        await bench.command("Add Cursor Below")
        await bench.type("é")  # at three carets
        await bench.press("Escape", "Escape")
        await save()
        await bench.press("Control+End", "Enter")
        await bench.type("sugg")
        await bench.page.locator(
            ".suggest-widget .monaco-list-row", has_text="suggested_by_the_helper"
        ).first.wait_for()
        await asyncio.sleep(SETTLE_S)
        await bench.press("Enter")
        await asyncio.sleep(SETTLE_S)
        await bench.command("Format Document")
        await asyncio.sleep(SETTLE_S)
        await save()
        await bench.command("Helper: Agent Writes Above")
        await asyncio.sleep(SETTLE_S)
        await save()
        await write_from_outside(bench, path, path.read_text("utf-8") + "# by git\n", shown="by git")
        await asyncio.sleep(SETTLE_S)
        await rename(bench, "main.py", "renamed.py")
        path = house.work / "renamed.py"
        await bench.sign_says("capturing")
        await bench.press("Control+End")
        await bench.type("last = 'word'")
        await save()
        await bench.open_file(".env")
        await bench.sign_says("capturing, not this file")
        await bench.press("Control+End")
        await bench.type("SECOND=hunter2hunter2")
        await bench.save(secret)
        await asyncio.sleep(SETTLE_S)
    documents, events = await dataset(house)
    assert {row["path"] for row in documents} == {"main.py", "renamed.py"}
    assert all(row["exact"] for row in documents)
    assert texts_at_saves(documents, events) == saved
    kept = repr(events) + repr(documents)
    assert "TOKEN" not in kept
    assert "hunter2" not in kept
    assert "never_shown" not in kept
    origins = Counter((row["origin"], row["inserted"]) for row in events if row["kind"] == "document.edit")
    assert origins["pasted", "import os"] == 1, origins
    assert origins["completion", "suggested_by_the_helper"] == 1
    assert origins["agent", "# The helper wrote this paragraph above everything else in here.\n"] == 1, origins
    assert origins["typed", "é"] == 3
    assert {origin for origin, _ in origins} == {
        "typed",
        "pasted",
        "undo",
        "redo",
        "completion",
        "formatter",
        "agent",
        "external",
    }
    assert [row["continues"] for row in documents if row["path"] == "renamed.py"] == [
        row["document"] for row in documents if row["path"] == "main.py"
    ]
    kinds = Counter(row["kind"] for row in events)
    assert {"selection.change", "viewport.change", "completion.accept"} <= set(kinds)
    assert kinds["viewport.change"] < kinds["document.edit"] / 2, "what is in view is told at keys that scroll nothing"


async def enable_in_the_walkthrough(bench: Workbench, house: House) -> None:
    await bench.sign_says("off")
    await bench.command("Overt: Get Started")
    step = bench.page.locator(".getting-started-step")
    await step.filter(has_text="Start the sidecar").click()
    await bench.page.locator(".getting-started-step.expanded .monaco-button", has_text="Enable").click()
    await bench.until(lambda: len(bench.sidecars()) == 1, "the sidecar did not start")
    await step.filter(has_text="Read a study").click()
    await bench.page.locator(".getting-started-step.expanded .monaco-button", has_text="Choose a study").click()
    await bench.answer(str(house.manifest))
    row = bench.page.locator(".quick-input-list .monaco-list-row")
    await row.filter(has_text="I agree").wait_for()
    assert "Not now" in await bench.page.locator(".quick-input-list .monaco-list-row.focused").inner_text()
    assert not (house.person / "consent" / "demo-study" / "record.json").exists()
    await bench.pick("I agree")
    await bench.sign_says("capturing, not this file")


async def write_from_outside(bench: Workbench, path: Path, text: str, *, shown: str) -> None:
    """Write a file as another program does, and again where the editor missed it, as on a busy disk."""
    line = bench.page.locator(".view-lines", has_text=shown)
    for _ in range(WATCHED_TIMES):
        path.write_text(text, "utf-8")
        with suppress(PlaywrightTimeout):
            await line.wait_for(timeout=WATCHED_MS)
            return
    pytest.fail(f"the editor did not show {shown!r}, which another program has written {WATCHED_TIMES} times")


async def rename(bench: Workbench, old: str, new: str) -> None:
    await bench.page.locator(f'.explorer-folders-view .monaco-list-row[aria-label^="{old}"]').click()
    await bench.press("F2")
    box = bench.page.locator(".explorer-folders-view .monaco-inputbox input")
    await box.wait_for()
    await box.fill(new)
    await bench.press("Enter")
    await bench.page.locator(f'.tabs-container .tab[data-resource-name="{new}"]').wait_for()
    await bench.open_file(new)


def texts_at_saves(documents: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[str]:
    """Replay every document from its first text, and give its text at each of its saves, in order."""
    texts = {(row["session"], row["document"], row["life"]): row["initial_text"] for row in documents}
    found = []
    for row in events:
        key = (row["session"], row["document"], row["life"])
        if row["kind"] == "document.edit":
            text, at = texts[key], row["position"]
            texts[key] = text[:at] + row["inserted"] + text[at + row["deleted"] :]
        elif row["kind"] == "document.save":
            found.append(texts[key])
    return found


async def test_the_sign_follows_the_sidecar(tmp_path: Path) -> None:
    house = await found(tmp_path)
    await house.join()
    path = house.work / "signs.py"
    path.write_text("start = 1\n", "utf-8")
    async with workbench(house, extensions=[HELPER]) as bench:
        await bench.open_file("signs.py")
        await bench.sign_says("capturing")

        # What is masked is named by its kind, as soon as the typing rests.
        await bench.press("Control+End")
        await bench.type("# ada.lovelace@mail-of-hers.org\n")
        await bench.command("View: Show overt")
        await bench.page.locator(".monaco-list-row", has_text="masked: 1 email").wait_for()
        await bench.focus()
        await bench.press(*["Control+z"] * 10)

        # Paused by the command, and by another program.
        await bench.press("Control+End")
        await bench.command("Overt: Pause for 15 Minutes")
        await bench.sign_says("paused")
        await bench.focus()
        await bench.type("hidden = 'while paused'\n")
        await asyncio.sleep(SETTLE_S)
        await bench.press(*["Control+z"] * 30)
        await bench.command("Overt: Resume")
        await bench.sign_says("capturing")
        await house.overt("pause")
        await bench.sign_says("paused", within_s=2)
        await house.overt("resume")
        await bench.sign_says("capturing", within_s=2)

        # Killed: off within a second, and on again with a new sidecar.
        [sidecar] = bench.sidecars()
        sidecar.kill()
        killed = time.monotonic()
        await bench.sign_says("off", within_s=1)
        assert time.monotonic() - killed < 1
        await bench.sign_says("capturing")
        assert await notifications(bench) == []
        await bench.focus()
        await bench.press("Control+End")
        await bench.type("after = 2\n")
        await bench.save(path)

        # Forgotten.
        await bench.command("Overt: Forget the Last 10 Minutes")
        await bench.pick("Forget what was captured")
        await bench.until(lambda: said(bench, "events were forgotten"), "nothing was forgotten")
        await bench.sign_says("capturing")
        await bench.focus()
        await bench.press("Control+End")
        await bench.type("kept = 3\n")
        await bench.save(path)

        # Switched off with the editor's telemetry.
        await set_setting(bench, "telemetry.telemetryLevel", "off")
        await bench.sign_says("off")
        await bench.until(lambda: bench.sidecars() == [], "the sidecar runs on")
        await set_setting(bench, "telemetry.telemetryLevel", "all")
        await bench.sign_says("capturing")
    documents, events = await dataset(house)
    assert "hidden" not in repr(events) + repr(documents)
    texts = [row["final_text"] for row in documents]
    assert texts[-1] == path.read_text("utf-8") == "start = 1\nafter = 2\nkept = 3\n"
    assert all(row["exact"] for row in documents)
    assert any(row["kind"] == "capture.gap" and row["reason"] == "forgotten" for row in events) or "after" not in repr(
        [row["inserted"] for row in events]
    )


async def test_capture_goes_on_after_forgetting_in_a_terminal(tmp_path: Path) -> None:
    house = await found(tmp_path)
    await house.join()
    (house.work / "elsewhere.py").write_text("start = 1\n", "utf-8")
    async with workbench(house) as bench:
        await bench.open_file("elsewhere.py")
        await bench.sign_says("capturing")
        await bench.press("Control+End")
        await bench.type("before = 2\n")
        await asyncio.sleep(2 * SETTLE_S)
        await house.overt("forget", "--last", "10m", "--yes")
        await asyncio.sleep(2 * SETTLE_S)
        await bench.type("after = 3\n")
        await asyncio.sleep(2 * SETTLE_S)
    documents, events = await dataset(house)
    assert "".join(row["inserted"] or "" for row in events) == "after = 3\n"
    assert documents[-1]["final_text"] == "start = 1\nbefore = 2\nafter = 3\n"


@pytest.mark.parametrize(
    ("script", "words", "starts"), [("sleep 0.2; exit 3", "several times", 5), (None, "could not be started", 0)]
)
async def test_a_sidecar_that_can_not_run_is_given_up_with_one_calm_message(
    tmp_path: Path, script: str | None, words: str, starts: int
) -> None:
    house = await found(tmp_path)
    await house.join()
    path, command = house.work / "calm.py", tmp_path / "sidecar"
    path.write_text("", "utf-8")
    if script is not None:
        command.write_text(f'#!/bin/sh\necho started >> "$0.starts"\n{script}\n', "utf-8")
        command.chmod(0o755)
    async with workbench(house, settings={"overt.command": str(command)}) as bench:
        messages: list[str] = []

        async def given_up() -> bool:
            messages.extend(each for each in await notifications(bench) if each not in messages)
            return any(words in each for each in messages)

        await bench.until(given_up, "nothing was said")
        await bench.sign_says("off")
        await bench.open_file("calm.py")
        await bench.type("the editor goes on\n")
        await bench.save(path)
        assert path.read_text("utf-8") == "the editor goes on\n"
        await asyncio.sleep(3)
        await given_up()
        assert len(messages) == 1
        await bench.sign_says("off")
    log = tmp_path / "sidecar.starts"
    assert (len(log.read_text("utf-8").split()) if log.exists() else 0) == starts


async def set_setting(bench: Workbench, name: str, value: str) -> None:
    await bench.command("Helper: Change a Setting")
    await bench.answer(json.dumps([name, value]))


async def notifications(bench: Workbench) -> list[str]:
    """Give what overt says in the corner at this moment."""
    found = await bench.page.locator(".notifications-toasts .notification-list-item-message").all_inner_texts()
    return [each for each in found if "overt" in each]


async def said(bench: Workbench, words: str) -> bool:
    return any(words in each for each in await notifications(bench))
