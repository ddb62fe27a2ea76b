"""A person at a real browser: a house with a study of a site, the built extension, and a page that is captured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from benchmarks.browser_hands import ChromiumHands
from benchmarks.browsers import Chromium, chromium
from benchmarks.canary_page import serve_page
from benchmarks.web_house import WebHouse

LAST_S = 20.0
"""For events to be kept: batches leave every two seconds, the store commits four times."""

TICKETS = """<!doctype html><html lang=en><head><title>Tickets</title></head><body>
<header><h1>Tickets</h1></header>
<main><form id=f onsubmit="event.preventDefault()" aria-label="New ticket">
<label>Subject <input id=subject name=subject></label> <label>Password <input id=pw type=password name=pw></label>
<button id=save>Save</button></form>
<ul><li><button id=b0>zero</button></li><li><button id=b1>one</button></li><li><button id=b2>two</button></li></ul>
<div id=hidden data-overt-private><button id=secretbutton>Patient Jones</button></div>
<p style="height:1500px"></p></main></body></html>"""


class Desk:
    """What a test has in hand."""

    def __init__(self, house: WebHouse, browser: Chromium, tab: Page, origin: str) -> None:
        self.house = house
        self.browser = browser
        self.tab = tab
        self.origin = origin
        self.hands = ChromiumHands(tab)

    async def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Give the events that the device holds, of one kind or all."""
        kept = [line["event"] for line in await self.house.kept()]
        return [event for event in kept if kind is None or event["body"]["kind"] == kind]

    async def clicked(self) -> list[str]:
        """Give the names of what was clicked, in order."""
        return [event["body"]["element"]["name"] for event in await self.events("pointer.click")]

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something holds. AssertionError: if it does not in time."""
        end = asyncio.get_running_loop().time() + LAST_S
        while not await holds():
            assert asyncio.get_running_loop().time() < end, what
            await asyncio.sleep(0.2)

    async def until_clicked(self, names: Sequence[str]) -> None:
        """Wait until just these clicks are kept, each once."""
        seen: list[str] = []

        async def there() -> bool:
            seen[:] = await self.clicked()
            return len(seen) >= len(names)

        with contextlib.suppress(AssertionError):
            await self.until(there, "clicks")
        assert seen == list(names), f"{seen} is not {list(names)}"

    async def until_captured(self, captured: bool = True, tab: Page | None = None) -> None:
        """Wait until a page bears the sign, or no longer does."""
        hands = ChromiumHands(tab or self.tab)

        async def so() -> bool:
            return await hands.is_captured() is captured

        await self.until(so, f"captured is not {captured}")

    async def answer(self, *, yes: bool) -> None:
        """Change the answer for the site in the extension's own window."""
        page = await self.browser.window("welcome")
        question = page.locator("fieldset.question", has_text=self.origin)
        button = question.get_by_role("button").nth(1 if yes else 0)
        await button.click()
        await page.locator(f"fieldset.question button:nth-child({2 if yes else 1})[aria-pressed=true]").wait_for()
        await page.close()


@contextlib.asynccontextmanager
async def desk(
    folder: Path,
    *,
    page: str = TICKETS,
    level: str = "content",
    files: Mapping[str, str] = {},
    path: str = "/tickets",
    also: Sequence[str] = (),
) -> AsyncIterator[Desk]:
    """Set everything up, with a tab that is captured; ``also`` are other sites that were granted."""
    house = WebHouse(folder)
    with serve_page(page.encode(), files) as origin:
        await house.found_web_study([origin, *also], level)
        await house.join()
        house.introduce("chromium")
        try:
            async with chromium(house.user, [origin, *also], environment=house.browser_environment) as browser:
                await browser.consent([origin, *also])
                tab = await browser.context.new_page()
                await tab.goto(origin + path)
                made = Desk(house, browser, tab, origin)
                await made.until_captured()
                yield made
        finally:
            await house.stop_bridge()
            await house.close()
