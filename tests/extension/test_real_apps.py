"""Programs that nobody here wrote, used in a real browser: what is told reads like what was done."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser_hands import ChromiumHands, Hands
from benchmarks.browsers import chromium
from benchmarks.canary_page import serve_page
from benchmarks.firefox import firefox
from benchmarks.web_house import WebHouse
from tests.extension.apps import TOKEN, jupyterlab, roundup
from tests.extension.desk import TICKETS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ARRIVE_S = 60.0
SENT_S = 4.0
"""After the last action: batches leave every two seconds, the store commits four times in one."""


@contextlib.asynccontextmanager
async def person(folder: Path, browser: str, origins: Sequence[str]) -> AsyncIterator[WebHouse]:
    """Give somebody who takes part in a study of these sites."""
    house = WebHouse(folder)
    await house.found_web_study(origins, "content")
    await house.join()
    house.introduce(browser)
    try:
        yield house
    finally:
        await house.stop_bridge()
        await house.close()


async def kept(house: WebHouse) -> list[dict[str, Any]]:
    """Give all that the device holds, once it has arrived."""
    await asyncio.sleep(SENT_S)
    await house.stop_bridge()
    return [line["event"] for line in await house.kept()]


def told(events: list[dict[str, Any]]) -> list[str]:
    """Write a trajectory as a reader would: what was opened, clicked, filled in and sent."""
    lines = []
    for event in events:
        body = event["body"]
        if body["kind"] == "page.open":
            lines.append(f"open {body['route'].partition('/demo')[2].partition('?')[0]}")
        elif body["kind"] == "field.change":
            lines.append(f"fill {body['content']} {body['value']}".strip())
        elif body["kind"] == "pointer.click" and body["element"]["role"] in {"button", "link"}:
            lines.append(f"click {body['element']['name']}")
        elif body["kind"] == "form.submit":
            lines.append("submit")
    return lines


async def arrived(hands: Hands, selector: str) -> None:
    """Wait until a page has what was selected, and bears the sign."""
    there = f"document.querySelector({json.dumps(selector)}) !== null"
    async with asyncio.timeout(ARRIVE_S):
        while True:
            # A page that is just leaving can't be asked.
            with contextlib.suppress(Exception):
                if await hands.evaluate(there) and await hands.is_captured():
                    return
            await asyncio.sleep(0.1)


async def file_an_issue(hands: Hands) -> None:
    """Log in to Roundup, and file an issue."""
    create = "a[href*='issue?@template=item']"
    await arrived(hands, "input[name=__login_name]")
    await hands.click("input[name=__login_name]")
    await hands.type("demo")
    await hands.click("input[name=__login_password]")
    await hands.type("demo")
    await hands.press("Enter")
    await arrived(hands, create)
    await hands.click(create)
    await arrived(hands, "input[name=title]")
    await hands.click("input[name=title]")
    await hands.type("Printer on fire")
    await hands.select("select[name=priority]", "1")
    await hands.click("input[name=submit_button]")
    await arrived(hands, "a[href*='@template=history'], table.messages, input[name=title][value='Printer on fire']")


def reads_like_an_issue_was_filed(events: list[dict[str, Any]]) -> None:
    """Hold a trajectory against what was done."""
    lines = told(events)
    assert lines[0] == "open /"
    # The demonstration's password is its user's name: what holds it is the password too, once that is typed.
    assert lines.count("fill words demo") <= 1
    assert "click Create New" in lines
    assert lines.index("fill words Printer on fire") < len(lines) - 1 - lines[::-1].index("submit")
    assert lines[-1].startswith("open /issue")
    fields = [event["body"]["element"]["path"] for event in events if event["body"]["kind"] == "key.rhythm"]
    assert len(set(fields)) in {2, 3}  # the name perhaps, title, list


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_roundup_login_and_a_new_issue_read_like_what_was_done(tmp_path: Path, browser: str) -> None:
    tracker = tmp_path / "tracker"
    tracker.mkdir()
    async with roundup(tracker) as origin, person(tmp_path / "house", browser, [origin]) as house:
        if browser == "chromium":
            async with chromium(house.user, [origin], environment=house.browser_environment) as running:
                await running.consent([origin])
                tab = await running.context.new_page()
                await tab.goto(f"{origin}/demo/")
                await file_an_issue(ChromiumHands(tab))
                events = await kept(house)
        else:
            async with firefox(house.user, environment=house.browser_environment) as started:
                await started.consent([origin])
                await file_an_issue(await started.open(f"{origin}/demo/"))
                events = await kept(house)
    reads_like_an_issue_was_filed(events)


def reads_like_a_notebook_was_run(events: list[dict[str, Any]]) -> None:
    """Hold a trajectory against what was done: a notebook made, a cell written and run, the notebook saved."""
    bodies = [event["body"] for event in events]
    opened, *others = [body["route"] for body in bodies if body["kind"] == "page.open"]
    assert opened.endswith("/lab")
    assert others == []
    (moved,) = [body for body in bodies if body["kind"] == "page.navigate"]
    assert (moved["route"].rpartition("/lab")[2], moved["cause"]) == ("/tree/:id", "push")
    card, cell, save = [body["element"] for body in bodies if body["kind"] == "pointer.click"]
    assert (card["role"], card["name"].startswith("Python 3")) == ("button", True)
    assert cell["role"] == "textbox"
    assert (save["role"], save["name"].startswith("Save")) == ("button", True)
    (changed,) = [body for body in bodies if body["kind"] == "field.change"]
    assert changed["value"] == "print(6*7)"
    (rhythm,) = [body for body in bodies if body["kind"] == "key.rhythm"]
    assert rhythm["keys"] == "c" * 10 + "e"
    # Each action has its outline, with what was acted on in it, drawn before the page changed.
    for at, body in enumerate(bodies):
        if body["kind"] == "pointer.click" and body["element"]["role"] == "button":
            before = next(each for each in reversed(bodies[:at]) if each["kind"] != "pointer.trail")
            assert before["kind"] == "page.outline"
            assert body["element"]["name"] in [node["name"] for node in before["nodes"]]


async def test_jupyterlab_is_told_and_a_second_app_that_was_not_granted_leaves_no_trace(tmp_path: Path) -> None:
    salaries = TICKETS.replace("Tickets", "Salaries").replace("zero", "Salary of Ada").encode()
    server = tmp_path / "server"
    server.mkdir()
    async with jupyterlab(server) as origin, person(tmp_path / "house", "chromium", [origin]) as house:
        with serve_page(salaries, {}) as ungranted:
            async with chromium(house.user, [origin], environment=house.browser_environment) as running:
                await running.consent([origin])
                tab, other = await running.context.new_page(), await running.context.new_page()
                await other.goto(f"{ungranted}/salaries")
                await tab.bring_to_front()
                await tab.goto(f"{origin}/lab?token={TOKEN}")
                hands, others = ChromiumHands(tab), ChromiumHands(other)
                await arrived(hands, ".jp-LauncherCard")
                await hands.click(".jp-LauncherCard[data-category=Notebook]")
                await arrived(hands, ".jp-Notebook .cm-content")
                await others.click("#subject")
                await others.type("ungranted words")
                await others.click("#b0")
                await hands.click(".jp-Notebook .cm-content")
                await hands.type("print(6*7)")
                await tab.keyboard.press("Shift+Enter")
                await arrived(hands, ".jp-OutputArea-output")
                # Nobody types a line, runs it and saves within a second; who did would share one outline.
                await asyncio.sleep(1)
                await hands.click("[data-command='docmanager:save'], [data-jp-item-name=save] jp-button")
                events = await kept(house)
                everything = json.dumps(events) + await running.storage()
    reads_like_a_notebook_was_run(events)
    assert "alar" not in everything
    assert "ungranted" not in everything
    assert TOKEN not in everything
