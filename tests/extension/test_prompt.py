"""The browser's own question: without it nothing is granted, and what it grants is one site."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.bridge_stub import collector, study
from benchmarks.browser_hands import ChromiumHands
from benchmarks.browsers import CHROMIUM_ID, chromium
from benchmarks.canary_page import serve_page
from benchmarks.screen import screen
from tests.extension.desk import TICKETS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ANSWER_S = 30.0
PROMPT_S = 1.5
"""Until the browser takes keys in its question: it waits so long, against a click that was meant for something else."""


async def test_yes_is_asked_by_the_browser_too_and_grants_that_site_alone(tmp_path: Path) -> None:
    with serve_page(TICKETS.encode(), {}) as origin:
        async with collector(tmp_path) as bridge, screen() as display:
            bridge.state["studies"] = [study([origin], "content")]
            bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
            async with chromium(tmp_path, [], grant=False, headless=False, environment=display.environment) as browser:
                page = await browser.window("welcome")
                await page.bring_to_front()
                yes = page.locator("fieldset.question").get_by_role("button").nth(1)
                granted = "chrome.permissions.getAll().then(all => all.origins)"

                # Refused in the browser's question: the answer is no.
                await yes.click()
                await asyncio.sleep(PROMPT_S)
                assert await page.evaluate(granted) == []
                await display.press("Escape")
                no = page.locator("fieldset.question button[aria-pressed=true]")
                await no.wait_for(timeout=ANSWER_S * 1000)
                assert await page.evaluate(granted) == []

                # Agreed to: the site is granted, and its page is captured.
                await yes.click()
                await asyncio.sleep(PROMPT_S)
                await display.press("Tab", "space")
                await page.locator("fieldset.question button:nth-child(2)[aria-pressed=true]").wait_for(
                    timeout=ANSWER_S * 1000
                )
                assert await page.evaluate(granted) == [f"{origin}/*"]
                tab = await browser.context.new_page()
                await tab.goto(f"{origin}/tickets")
                await tab.locator("html > div[popover=manual]").wait_for(state="attached", timeout=ANSWER_S * 1000)
                await ChromiumHands(tab).click("#b1")
                await bridge.wait(lambda events: any(each["body"]["kind"] == "pointer.click" for each in events))
