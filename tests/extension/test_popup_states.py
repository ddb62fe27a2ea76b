"""What the popup and the toolbar say of a site, in every state that there is; and that each says why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import Collector, collector, study
from benchmarks.browsers import CHROMIUM_ID, Chromium, chromium
from benchmarks.canary_page import serve_page
from tests.extension.desk import TICKETS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WAIT_S = 20.0
ENDED_MS = 1
HIDE = "document.documentElement.style.display = 'none'"
SHOW = "document.documentElement.style.display = ''"

IN_FRONT = "(id) => { chrome.tabs.query = async () => [{id}]; }"
"""The popup of a test is a tab: it is told which one it would lie over."""


class Seat:
    """A captured site's tab with the popup over it, and the bridge behind."""

    def __init__(self, browser: Chromium, bridge: Collector, tab: Page, origin: str) -> None:
        self.browser = browser
        self.bridge = bridge
        self.tab = tab
        self.origin = origin
        self.tab_id = 0

    async def popup(self) -> Page:
        """Open the popup over the site."""
        page = await self.browser.context.new_page()
        await page.set_viewport_size({"width": 348, "height": 600})
        await page.add_init_script(f"({IN_FRONT})({self.tab_id})")
        await page.goto(f"{self.browser.base}/popup.html")
        await page.locator("#status:not(:empty)").wait_for()
        return page

    async def says(self) -> tuple[str, str]:
        """Give what the popup says of recording, and of this site."""
        page = await self.popup()
        try:
            return await page.locator("#status").inner_text(), await page.locator("#site").inner_text()
        finally:
            await page.close()

    async def badge(self) -> str:
        """Give what stands on the toolbar's button in the site's tab."""
        page = await self.browser.window("options")
        try:
            tab = {"tabId": self.tab_id} if self.tab_id else {}
            return str(await page.evaluate("tab => chrome.action.getBadgeText(tab)", tab))
        finally:
            await page.close()

    async def until(self, status: str, site: str, badge: str) -> None:
        """Wait until popup and badge say so. AssertionError: if they don't in time."""
        end = asyncio.get_running_loop().time() + WAIT_S
        while (found := (*await self.says(), await self.badge())) != (status, site, badge):
            assert asyncio.get_running_loop().time() < end, f"{found} is not {(status, site, badge)}"
            await asyncio.sleep(0.3)

    async def push(self, **changes: Any) -> None:
        await self.bridge.push(**changes)

    async def studies(self, **changes: Any) -> None:
        await self.push(studies=[study([self.origin], "content", **changes)])


async def paused(at: Seat) -> None:
    await at.push(capture="paused")


async def off(at: Seat) -> None:
    await at.push(capture="off")


async def study_over(at: Seat) -> None:
    await at.studies(end_ms=ENDED_MS)


async def study_refused(at: Seat) -> None:
    await at.studies(live=False, refusal={"code": "manifest-changed", "detail": "The study changed."})


async def study_of_another_version(at: Seat) -> None:
    await at.studies(version=2)


async def study_of_another_site(at: Seat) -> None:
    await at.push(studies=[study(["https://elsewhere.example.org"], "content")])


async def sign_hidden(at: Seat) -> None:
    await at.tab.evaluate(HIDE)


async def permission_taken(at: Seat) -> None:
    page = await at.browser.window("options")
    await page.evaluate("origin => chrome.permissions.remove({origins: [origin]})", f"{at.origin}/*")
    await page.close()


async def bridge_gone(at: Seat) -> None:
    (at.browser.profile / "NativeMessagingHosts" / "org.overt.bridge.json").unlink()
    await at.bridge.stop()


NOTHING = "Nothing is recorded"
STATES: list[tuple[Callable[[Seat], Awaitable[None]], str, str, str]] = [
    (paused, "Paused", "Not recorded. You paused recording.", "II"),
    (off, NOTHING, "Not recorded. No study records just now.", ""),
    (study_over, NOTHING, "Not recorded. No study that you joined names this site.", ""),
    (study_refused, NOTHING, "Not recorded. No study that you joined names this site.", ""),
    (study_of_another_version, NOTHING, "Not recorded. You have not said yes to recording here.", "?"),
    (study_of_another_site, NOTHING, "Not recorded. No study that you joined names this site.", "?"),
    (
        sign_hidden,
        NOTHING,
        "Not recorded. The sign can’t be shown on this page, so nothing is recorded.",
        "",
    ),
    (permission_taken, NOTHING, "Not recorded. The browser keeps overt out of this site.", ""),
]


async def test_popup_and_badge_say_how_the_site_stands_and_why(tmp_path: Path) -> None:
    with serve_page(TICKETS.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
            async with chromium(tmp_path, [origin]) as browser:
                await browser.consent([origin])
                tab = await browser.context.new_page()
                at = Seat(browser, bridge, tab, origin)
                await tab.goto(f"{origin}/tickets")
                await tab.locator("html > div[popover=manual]").wait_for(state="attached")
                window = await browser.window("options")
                at.tab_id = await window.evaluate(
                    "origin => chrome.tabs.query({url: `${origin}/*`}).then(([tab]) => tab.id)", origin
                )
                await window.close()
                on = ("Recording", "What you do on this page is recorded.", "REC")
                await at.until(*on)
                for change, *said in STATES:
                    await change(at)
                    await at.until(*said)
                    if change is permission_taken:
                        break
                    await tab.evaluate(SHOW)
                    await at.push(capture="capturing", studies=[study([origin], "content")])
                    await at.until(*on)


async def test_a_bridge_that_is_gone_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with collector(tmp_path) as bridge:
        bridge.state["studies"] = [study(["http://127.0.0.1:9"], "content")]
        bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
        async with chromium(tmp_path, ["http://127.0.0.1:9"]) as browser:
            await browser.consent(["http://127.0.0.1:9"])
            at = Seat(browser, bridge, await browser.context.new_page(), "")
            await bridge_gone(at)
            await at.until(NOTHING, "overt can't see which site this is, and records nothing here.", "!")
            page = await at.popup()
            await page.get_by_text("run overt setup chrome in a terminal").wait_for()
            assert not await page.locator("#today-part").is_visible()
