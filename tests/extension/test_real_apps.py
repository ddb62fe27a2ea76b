"""Programs that nobody here wrote, used in a real browser: what is told reads like what was done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.browser_hands import ChromiumHands
from benchmarks.browsers import chromium
from benchmarks.web_house import WebHouse

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START_S = 60.0


@contextlib.asynccontextmanager
async def roundup(folder: Path) -> AsyncIterator[str]:
    """Run the Roundup issue tracker's demonstration; it refuses to run as root, so it is given another name."""
    port = free_port()
    demo = shutil.which("roundup-demo", path=str(Path(sys.executable).parent))
    assert demo is not None, "roundup is not installed: run `make setup`"
    other = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.getuid() == 0 else ()
    process = await asyncio.create_subprocess_exec(
        *other, demo, "-b", "sqlite", "-t", "classic", "-p", str(port), str(folder / "demo"), "nuke",
        cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_S), httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{port}/demo/")).status_code == 200:
                        break
                await asyncio.sleep(0.3)
        yield f"http://localhost:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


async def test_roundup_login_and_a_new_issue_read_like_what_was_done(tmp_path: Path) -> None:
    tracker = tmp_path / "tracker"
    tracker.mkdir()
    house = WebHouse(tmp_path / "house")
    async with roundup(tracker) as origin:
        await house.found_web_study([origin], "content")
        await house.join()
        house.introduce("chromium")
        try:
            async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
                await browser.consent([origin])
                tab = await browser.context.new_page()
                hands = ChromiumHands(tab)
                await tab.goto(f"{origin}/demo/")
                await captured(hands)
                await hands.click("input[name=__login_name]")
                await hands.type("demo")
                await hands.click("input[name=__login_password]")
                await hands.type("demo")
                await hands.press("Enter")
                await tab.wait_for_load_state()
                await tab.get_by_role("link", name="Create New").first.wait_for()
                await captured(hands)
                await tab.get_by_role("link", name="Create New").first.click()
                await tab.locator("input[name=title]").wait_for()
                await captured(hands)
                await hands.click("input[name=title]")
                await hands.type("Printer on fire")
                await hands.select("select[name=priority]", "1")
                await tab.locator("input[name=submit_button]").first.click()
                await tab.wait_for_url("**/issue1*")
                await captured(hands)
                await asyncio.sleep(2.5)
            await house.stop_bridge()
            events = [line["event"] for line in await house.kept()]
        finally:
            await house.stop_bridge()
            await house.close()
    lines = told(events)
    assert lines[:2] == ["open /", "fill words demo"]
    assert lines.count("fill words demo") == 1  # the name; of the password there is nothing
    assert "click Create New" in lines
    assert lines.index("fill words Printer on fire") < len(lines) - 1 - lines[::-1].index("submit")
    assert lines[-1].startswith("open /issue")
    fields = [event["body"]["element"]["path"] for event in events if event["body"]["kind"] == "key.rhythm"]
    assert len(set(fields)) == 3  # name, title, list


async def captured(hands: ChromiumHands) -> None:
    """Wait until the page bears the sign."""
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(Exception):
                if await hands.is_captured():
                    return
            await asyncio.sleep(0.1)
