"""What the popup and the toolbar say of a site, in every state that there is; and that each says why."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import Collector, collector, study
from benchmarks.browsers import CHROMIUM_ID, Chromium, chromium
from benchmarks.canary_page import serve_page
from benchmarks.firefox import Firefox, FirefoxHands
from tests.extension.desk import TICKETS
from tests.extension.stub_tabs import chromium_tab, firefox_tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WAIT_S = 20.0
ENDED_MS = 1
HIDE = "document.documentElement.style.display = 'none'"
SHOW = "document.documentElement.style.display = ''"

IN_FRONT = "(id) => { chrome.tabs.query = async () => [{id}]; }"
"""The popup of a test is a tab: it is told which one it would lie over."""


class Seat(ABC):
    """A captured site's tab with the popup over it, and the bridge behind."""

    pattern: str
    """By which the browser knows the site."""

    def __init__(self, bridge: Collector, origin: str) -> None:
        self.bridge = bridge
        self.origin = origin

    @abstractmethod
    async def says(self) -> tuple[str, str]:
        """Give what the popup says of recording, and of this site."""

    @abstractmethod
    async def badge(self) -> str:
        """Give what stands on the toolbar's button in the site's tab."""

    @abstractmethod
    async def in_site(self, script: str) -> None:
        """Run a script in the site's page."""

    @abstractmethod
    async def in_own(self, script: str) -> Any:
        """Run a script in a window of the extension."""

    @abstractmethod
    def hosts(self) -> Path:
        """Give the folder in which the browser looks for the bridge."""

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

    async def find_tab(self) -> int:
        """Give the browser's number of the site's tab."""
        return int(await self.in_own(f"chrome.tabs.query({{url: {self.pattern!r}}}).then(([tab]) => tab.id)"))


class ChromiumSeat(Seat):
    """In Chromium, where the popup of a test is a tab: it is told which one it would lie over."""

    def __init__(self, browser: Chromium, bridge: Collector, tab: Page, origin: str) -> None:
        super().__init__(bridge, origin)
        self.pattern = f"{origin}/*"
        self.browser = browser
        self.tab = tab
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
        page = await self.popup()
        try:
            return await page.locator("#status").inner_text(), await page.locator("#site").inner_text()
        finally:
            await page.close()

    async def badge(self) -> str:
        return str(await self.in_own(f"chrome.action.getBadgeText({badge_of(self.tab_id)})"))

    async def in_site(self, script: str) -> None:
        await self.tab.evaluate(script)

    async def in_own(self, script: str) -> Any:
        page = await self.browser.window("options")
        try:
            return await page.evaluate(script)
        finally:
            await page.close()

    def hosts(self) -> Path:
        return self.browser.profile / "NativeMessagingHosts"


class FirefoxSeat(Seat):
    """In Firefox, where the popup of a test is a tab in the background, so that the site's stays in front."""

    def __init__(self, browser: Firefox, bridge: Collector, tab: FirefoxHands, origin: str, home: Path) -> None:
        super().__init__(bridge, origin)
        # The browser's patterns have no ports.
        self.pattern = f"{origin.rpartition(':')[0]}/*"
        self.browser = browser
        self.tab = tab
        self.tab_id = 0
        self.home = home

    async def says(self) -> tuple[str, str]:
        hands = await self._behind("popup")
        try:
            script = "['status', 'site'].map((id) => document.getElementById(id).innerText)"
            while "" in (found := await hands.evaluate(script)):
                await asyncio.sleep(0.05)
            return found[0], found[1]
        finally:
            await hands.close()

    async def badge(self) -> str:
        return str(await self.in_own(f"chrome.action.getBadgeText({badge_of(self.tab_id)})"))

    async def in_site(self, script: str) -> None:
        await self.tab.evaluate(f"void ({script})")

    async def in_own(self, script: str) -> Any:
        hands = await self._behind("options")
        try:
            return await hands.evaluate(script)
        finally:
            await hands.close()

    def hosts(self) -> Path:
        return self.home / ".mozilla" / "native-messaging-hosts"

    async def _behind(self, name: str) -> FirefoxHands:
        return await self.browser.open(f"{self.browser.base}/{name}.html", behind=True)


def badge_of(tab_id: int) -> str:
    return json.dumps({"tabId": tab_id} if tab_id else {})


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
    await at.in_site(HIDE)


async def permission_taken(at: Seat) -> None:
    await at.in_own(f"chrome.permissions.remove({{origins: [{at.pattern!r}]}})")


async def bridge_gone(at: Seat) -> None:
    (at.hosts() / "org.overt.bridge.json").unlink()
    await at.bridge.stop()


async def away_for_a_moment(at: Seat, said: tuple[str, str]) -> None:
    """Let the bridge be gone: what is said of the site is what is done, which is to record for a minute more."""
    manifest = at.hosts() / "org.overt.bridge.json"
    aside = manifest.rename(manifest.with_suffix(".aside"))
    await at.bridge.stop()
    while await at.in_own(CONNECTED):
        await asyncio.sleep(0.1)
    assert await at.says() == said
    aside.rename(manifest)
    await at.bridge.start()


CONNECTED = "chrome.runtime.sendMessage({ask: 'overview', tab: null}).then(({value}) => value.connected)"
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


@contextlib.asynccontextmanager
async def in_chromium(home: Path, bridge: Collector, origin: str) -> AsyncIterator[Seat]:
    async with chromium_tab(home, bridge, origin, "/tickets") as (browser, tab):
        await tab.locator("html > div[popover=manual]").wait_for(state="attached")
        at = ChromiumSeat(browser, bridge, tab, origin)
        at.tab_id = await at.find_tab()
        yield at


@contextlib.asynccontextmanager
async def in_firefox(home: Path, bridge: Collector, origin: str) -> AsyncIterator[Seat]:
    async with firefox_tab(home, bridge, origin, "/tickets") as (browser, tab):
        at = FirefoxSeat(browser, bridge, tab, origin, home)
        at.tab_id = await at.find_tab()
        yield at


@pytest.mark.parametrize("seat", [in_chromium, in_firefox])
async def test_popup_and_badge_say_how_the_site_stands_and_why(
    tmp_path: Path, seat: Callable[[Path, Collector, str], contextlib.AbstractAsyncContextManager[Seat]]
) -> None:
    with serve_page(TICKETS.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with seat(tmp_path, bridge, origin) as at:
                on = ("Recording", "What you do on this page is recorded.", "REC")
                await at.until(*on)
                await away_for_a_moment(at, on[:2])
                await at.until(*on)
                for change, *said in STATES:
                    await change(at)
                    await at.until(*said)
                    if change is permission_taken:
                        break
                    await at.in_site(SHOW)
                    await at.push(capture="capturing", studies=[study([origin], "content")])
                    await at.until(*on)


async def test_a_bridge_that_is_gone_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with collector(tmp_path) as bridge:
        bridge.state["studies"] = [study(["http://127.0.0.1:9"], "content")]
        bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
        async with chromium(tmp_path, ["http://127.0.0.1:9"]) as browser:
            await browser.consent(["http://127.0.0.1:9"])
            at = ChromiumSeat(browser, bridge, await browser.context.new_page(), "")
            await bridge_gone(at)
            await at.until(NOTHING, "overt can't see which site this is, and records nothing here.", "!")
            page = await at.popup()
            await page.get_by_text("run overt setup chrome in a terminal").wait_for()
            assert not await page.locator("#today-part").is_visible()
