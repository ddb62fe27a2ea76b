"""The browser ends, the extension is updated, the bridge is away: what was seen before comes once, and it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Error

from benchmarks.browsers import CHROMIUM_ID, Chromium, chromium
from benchmarks.canary_page import serve_page
from benchmarks.web_house import WebHouse
from tests.extension.desk import TICKETS, Desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START_S = 30.0


async def clicks_waiting(browser: Chromium) -> int:
    """Give how many clicks lie in the extension until a bridge takes them."""
    return (await browser.storage()).count('"kind": "pointer.click"')


@contextlib.asynccontextmanager
async def joined(folder: Path) -> AsyncIterator[tuple[WebHouse, str]]:
    """Join a study of a site and introduce Chromium; gives the house and the site's origin."""
    house = WebHouse(folder)
    with serve_page(TICKETS.encode(), {}) as origin:
        await house.found_web_study([origin], "content")
        await house.join()
        house.introduce("chromium")
        try:
            yield house, origin
        finally:
            await house.stop_bridge()
            await house.close()


async def captured_tab(house: WebHouse, browser: Chromium, origin: str) -> Desk:
    tab = await browser.context.new_page()
    await tab.goto(f"{origin}/tickets")
    made = Desk(house, browser, tab, origin)
    await made.until_captured()
    return made


async def clicked_once(house: WebHouse, browser: Chromium, origin: str) -> Desk:
    """Say yes, and click on a page until that is kept."""
    await browser.consent([origin])
    at = await captured_tab(house, browser, origin)
    await at.hands.click("#b0")
    await at.until_clicked(["zero"])
    return at


def introduced(house: WebHouse) -> Path:
    """Give the file by which Chromium finds the bridge."""
    return house.user / ".config" / "chromium" / "NativeMessagingHosts" / "org.overt.bridge.json"


async def end_bridge(house: WebHouse) -> None:
    """Leave no bridge, and nobody who could start one."""
    introduced(house).rename(introduced(house).with_suffix(".away"))
    await house.stop_bridge()


def allow_bridge(house: WebHouse) -> None:
    """Let the browser start one again."""
    introduced(house).with_suffix(".away").rename(introduced(house))


async def test_what_waits_for_the_bridge_outlives_the_browser_and_comes_once(tmp_path: Path) -> None:
    async with joined(tmp_path) as (house, origin):
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            at = await clicked_once(house, browser, origin)
            await end_bridge(house)
            await at.hands.click("#b1")
            await at.hands.click("#b2")

            async def both_wait() -> bool:
                return await clicks_waiting(browser) == 2

            await at.until(both_wait, "two clicks that wait")
        allow_bridge(house)
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            at = await captured_tab(house, browser, origin)
            await at.hands.click("#b0")
            await at.until_clicked(["zero", "one", "two", "zero"])


async def test_a_database_that_the_browser_threw_away_costs_no_event_that_comes_after(tmp_path: Path) -> None:
    async with joined(tmp_path) as (house, origin):
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            await browser.consent([origin])
            at = await captured_tab(house, browser, origin)
            for _ in range(5):
                await at.hands.click("#b0")
            await at.until_clicked(["zero"] * 5)
            kept = browser.profile / "Default" / "IndexedDB"
        folders = list(kept.glob("chrome-extension_*"))
        assert folders
        for folder in folders:
            shutil.rmtree(folder)
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            at = await captured_tab(house, browser, origin)
            await at.hands.click("#b1")  # numbered from 1 again: nobody may take it for the first click
            await at.until_clicked([*["zero"] * 5, "one"])


async def test_an_update_of_the_extension_goes_on_in_open_tabs_without_loss_or_double(tmp_path: Path) -> None:
    async with (
        joined(tmp_path) as (house, origin),
        chromium(house.user, [origin], environment=house.browser_environment) as browser,
    ):
        await browser.consent([origin])
        at = await captured_tab(house, browser, origin)
        names = []
        for version in ("0.1.1", "0.1.2"):
            await at.hands.click("#b0")
            await update(browser, version)
            await at.until_captured()
            await at.hands.click("#b1")
            names += ["zero", "one"]
        await at.until_clicked(names)


async def test_switched_off_and_on_it_goes_on_in_open_tabs(tmp_path: Path) -> None:
    async with (
        joined(tmp_path) as (house, origin),
        chromium(house.user, [origin], environment=house.browser_environment) as browser,
    ):
        at = await clicked_once(house, browser, origin)
        switch = await browser.context.new_page()
        await switch.goto("chrome://extensions")
        await switch.evaluate("id => chrome.management.setEnabled(id, false)", CHROMIUM_ID)
        await at.until_captured(False)
        await at.hands.click("#b1")
        await switch.evaluate("id => chrome.management.setEnabled(id, true)", CHROMIUM_ID)
        await at.until_captured()
        await at.hands.click("#b2")
        await at.until_clicked(["zero", "two"])


async def test_after_a_person_cleared_its_data_the_extension_writes_down_what_comes(tmp_path: Path) -> None:
    async with joined(tmp_path) as (house, origin):
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            at = await clicked_once(house, browser, origin)
            await end_bridge(house)
            debugger = await browser.context.new_cdp_session(at.tab)
            await debugger.send("Storage.clearDataForOrigin", {"origin": browser.base, "storageTypes": "indexeddb"})
            await at.hands.click("#b1")

            async def written() -> bool:
                return await has_database(browser) and await clicks_waiting(browser) == 1

            await at.until(written, "the click was not written down")
        allow_bridge(house)
        async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
            at = await captured_tab(house, browser, origin)
            await at.hands.click("#b2")
            await at.until_clicked(["zero", "one", "two"])


async def has_database(browser: Chromium) -> bool:
    """Say whether the extension has one: to look into one that is not there would make it."""
    window = await browser.window("options")
    try:
        return bool(await window.evaluate("indexedDB.databases().then(({length}) => length)"))
    finally:
        await window.close()


async def update(browser: Chromium, version: str) -> None:
    """Put a newer version in the extension's place and say what the browser then says; it takes over by itself."""
    manifest = browser.home / "extension" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text("utf-8")), "version": version}))
    worker = await browser.worker()
    await worker.evaluate("version => chrome.runtime.onUpdateAvailable.dispatch({version})", version)
    end = asyncio.get_running_loop().time() + START_S
    while await running_version(browser) != version:
        assert asyncio.get_running_loop().time() < end, f"{version} does not run"
        await asyncio.sleep(0.3)


async def running_version(browser: Chromium) -> str:
    """Give the version that runs; none while one takes over from the other."""
    page = await browser.context.new_page()
    try:
        await page.goto(f"{browser.base}/options.html")
        return str(await page.evaluate("chrome.runtime.getManifest().version"))
    except Error:
        return ""
    finally:
        await page.close()
