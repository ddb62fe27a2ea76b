"""What only Firefox does: permissions without ports, an extension that is switched off under its pages, far zoom."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bridge_stub import collector, study
from benchmarks.browsers import FIREFOX_ID
from benchmarks.canary_page import serve_page
from tests.extension.desk import TICKETS
from tests.extension.stub_tabs import firefox_tab, until, until_captured

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ADDON = f"""
const {{AddonManager}} = ChromeUtils.importESModule("resource://gre/modules/AddonManager.sys.mjs");
const addon = await AddonManager.getAddonByID("{FIREFOX_ID}");
"""
SIGNS = "[...document.querySelectorAll('html > div[popover]')].map((sign) => sign.checkVisibility())"
PERMISSIONS = f"""
const {{ExtensionPermissions}} = ChromeUtils.importESModule("resource://gre/modules/ExtensionPermissions.sys.mjs");
const {{extension}} = WebExtensionPolicy.getByID("{FIREFOX_ID}");
const change = (how) =>
  ExtensionPermissions[how]("{FIREFOX_ID}", {{permissions: [], origins: ["http://127.0.0.1/*"]}}, extension);
"""
"""As the page about the extension does it."""

FAR = "ZoomManager.zoom = 0.3;"
HEIGHT = "document.querySelector('html > div[popover]').getBoundingClientRect().height * devicePixelRatio"
LEGIBLE = 24


async def test_sign_goes_with_the_extension_and_comes_back_with_it_once(tmp_path: Path) -> None:
    with serve_page(TICKETS.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with firefox_tab(tmp_path, bridge, origin, "/tickets") as (browser, tab):
                await until(tab, f"({SIGNS}).join() === 'true'")
                await browser.in_browser(f"{ADDON} await addon.disable();")
                await until(tab, f"({SIGNS}).join() === 'false'")
                for change in ("enable", "reload"):
                    await browser.in_browser(f"{ADDON} await addon.{change}();")
                    await until(tab, f"({SIGNS}).join() === 'true'")
                await browser.in_browser(FAR)
                await until(tab, f"{HEIGHT} > {LEGIBLE}")
                await tab.click("#b1")
                await bridge.wait(lambda _: bool(bridge.bodies("pointer.click")))


async def test_neither_another_port_nor_what_was_taken_back_is_seen(tmp_path: Path) -> None:
    with serve_page(TICKETS.encode(), {}) as origin, serve_page(TICKETS.encode(), {}) as other:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]

            def clicked() -> set[str]:
                return {body["element"]["name"] for body in bridge.bodies("pointer.click")}

            async with firefox_tab(tmp_path, bridge, origin, "/tickets") as (browser, tab):
                await until_captured(tab)
                stranger = await browser.open(f"{other}/tickets")
                await stranger.click("#b0")
                assert not await stranger.is_captured()
                await stranger.close()
                await tab.click("#subject")
                await tab.type("Ulm")
                await browser.in_browser(f"{PERMISSIONS} await change('remove');")
                await until(tab, f"({SIGNS}).length === 0")
                await tab.press("Tab")
                await tab.click("#b1")
                await browser.in_browser(f"{PERMISSIONS} await change('add');")
                await until_captured(tab)
                await tab.click("#b2")
                await bridge.wait(lambda _: bool(clicked() & {"two"}))
                assert clicked() <= {"Subject", "two"}
                assert not bridge.bodies("field.change")
                assert other not in "".join(bridge.frames)
