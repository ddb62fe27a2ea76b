"""A tab of a granted site in a real browser, with a bridge behind it that only remembers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Page

from benchmarks.bridge_stub import Collector
from benchmarks.browsers import CHROMIUM_ID, FIREFOX_ID, Chromium, chromium
from benchmarks.firefox import Firefox, FirefoxHands, firefox


@contextlib.asynccontextmanager
async def chromium_tab(home: Path, bridge: Collector, origin: str, path: str) -> AsyncIterator[tuple[Chromium, Page]]:
    """Start Chromium, grant it the site, and open a page of it."""
    bridge.install(home / ".config" / "chromium", CHROMIUM_ID)
    async with chromium(home, [origin]) as browser:
        await browser.consent([origin])
        tab = await browser.context.new_page()
        await tab.goto(origin + path)
        yield browser, tab


@contextlib.asynccontextmanager
async def firefox_tab(
    home: Path, bridge: Collector, origin: str, path: str
) -> AsyncIterator[tuple[Firefox, FirefoxHands]]:
    """As much in Firefox."""
    bridge.install_firefox(home, FIREFOX_ID)
    async with firefox(home) as browser:
        await browser.consent([origin])
        yield browser, await browser.open(origin + path)
