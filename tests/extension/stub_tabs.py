"""A tab of a granted site in a real browser, with a bridge behind it that only remembers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import Collector
from benchmarks.browser_hands import SIGN, ChromiumHands, Hands
from benchmarks.browsers import CHROMIUM_ID, FIREFOX_ID, Chromium, chromium
from benchmarks.firefox import Firefox, FirefoxHands, firefox

WAIT_S = 20.0


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


@contextlib.asynccontextmanager
async def in_chromium(home: Path, bridge: Collector, origin: str, path: str) -> AsyncIterator[Hands]:
    """As `chromium_tab`, as the hands of a person."""
    async with chromium_tab(home, bridge, origin, path) as (_, tab):
        yield ChromiumHands(tab)


@contextlib.asynccontextmanager
async def in_firefox(home: Path, bridge: Collector, origin: str, path: str) -> AsyncIterator[Hands]:
    """As `firefox_tab`, as the hands of a person."""
    async with firefox_tab(home, bridge, origin, path) as (_, tab):
        yield tab


Start = Callable[[Path, Collector, str, str], contextlib.AbstractAsyncContextManager[Hands]]
BROWSERS = pytest.mark.parametrize("start", [in_chromium, in_firefox])


async def until(tab: Hands, holds: str) -> None:
    """Wait until something holds in a tab. TimeoutError: if it does not in time."""
    async with asyncio.timeout(WAIT_S):
        while not await tab.evaluate(holds):
            await asyncio.sleep(0.1)


async def until_captured(tab: Hands) -> None:
    """Wait until the tab bears the sign. TimeoutError: if it does not in time."""
    await until(tab, SIGN)
