"""Pages of a hostile author: they cover the sign, make events up, and name their elements after what overt asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.extension.desk import Desk, desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGE = """<!doctype html><html lang=en><head><title>Worst</title></head><body><h1>Worst</h1>
<button id=b0 style="width:120px;height:40px">zero</button> <button id=b1 style="width:120px;height:40px">one</button>
<label id=labels for=b0>two</label> <input type=checkbox id=box aria-label=Box>
<form id=form aria-label=Form onsubmit="event.preventDefault()">
<input id=town aria-label=Town><button>Send</button></form>
<dialog id=dialog aria-label=Question><button id=yes>yes</button></dialog></body></html>"""

SETTLED_S = 4
"""The browser looks twice a second whether the sign is covered; after five times in a row it stays off."""

HOST = "document.querySelector('div[popover=manual]:not(.cover)')"
COVER = """((root) => { const cover = root.querySelector(".cover") ?? document.createElement("div");
  cover.className = "cover"; cover.popover = "manual"; root.append(cover); cover.hidePopover();
  cover.style = "pointer-events:none;background:white;position:fixed;inset:auto 0 0 auto;width:300px;height:90px";
  cover.showPopover(); })"""
"""Something that is drawn above the sign and lets the pointer through."""

COVERED = {
    "faded": f"{HOST}.style.setProperty('opacity', '0.02', 'important')",
    "filtered": f"{HOST}.style.setProperty('filter', 'opacity(0)', 'important')",
    "clipped": f"{HOST}.style.setProperty('clip-path', 'circle(1px)', 'important')",
    "moved": f"(() => {{ const faded = document.body.appendChild(document.createElement('div'));"
    f" faded.style.opacity = '0.01'; faded.append({HOST}); }})()",
    "covered": f"{COVER}(document.body)",
    "covered from a shadow tree": f"(() => {{ window.made ??= document.body.appendChild(document.createElement('p'))"
    f".attachShadow({{mode: 'closed'}}); {COVER}(window.made); }})()",
    "not to be asked": f"(() => {{ if (!document.forms.elementFromPoint) document.body.append(Object.assign("
    f"document.createElement('form'), {{name: 'elementFromPoint'}})); {COVER}(document.body); }})()",
    "taken from where nobody finds it": "(() => { if (!document.forms.documentElement) document.body.append("
    "Object.assign(document.createElement('form'), {name: 'documentElement'}));"
    " document.querySelectorAll('div[popover]').forEach((each) => each.remove()); })()",
}


async def refusal(at: Desk, asker: Page) -> str | None:
    """Give what keeps the page from being captured, as the extension's window in the background hears it."""
    ask = """async (origin) => {
      const [tab] = await chrome.tabs.query({url: `${origin}/*`});
      const {value} = await chrome.runtime.sendMessage({ask: "overview", tab: tab.id});
      return value.tab?.refused ?? null;
    }"""
    found = await asker.evaluate(ask, at.origin)
    return None if found is None else str(found)


async def test_what_covers_the_sign_again_and_again_is_not_captured(tmp_path: Path) -> None:
    async with desk(tmp_path, page=PAGE) as at:
        asker = await at.browser.window("options")
        await at.tab.bring_to_front()
        for name, attack in COVERED.items():
            await at.tab.goto(f"{at.origin}/tickets")
            await at.until_captured()
            await at.hands.evaluate(f"void setInterval(() => {{ {attack} }}, 40)")

            async def refused() -> bool:
                return await refusal(at, asker) == "sign-hidden"

            await at.until(refused, f"{name}: still captured")
            # A page that goes on with it is given up for good.
            await asyncio.sleep(SETTLED_S)
            assert await refused(), name
            await at.tab.mouse.click(60, 100)
        await at.tab.goto(f"{at.origin}/tickets")
        await at.until_captured()
        await at.hands.click("#b1")
        await at.until_clicked(["one"])


async def test_the_sign_comes_back_above_what_covered_it_once(tmp_path: Path) -> None:
    async with desk(tmp_path, page=PAGE) as at:
        await at.hands.evaluate(f"{COVER}(document.body)")
        await at.hands.evaluate(f"{HOST}.style.setProperty('opacity', '0.02', 'important')")

        async def clear() -> bool:
            return bool(await at.hands.evaluate(f"{HOST}.style.opacity === '1'"))

        await at.until(clear, "the sign is faded")
        await asyncio.sleep(1)
        await at.hands.click("#b1")
        await at.until_clicked(["one"])


async def test_what_is_done_in_a_modal_window_is_captured(tmp_path: Path) -> None:
    async with desk(tmp_path, page=PAGE) as at:
        await at.hands.evaluate("dialog.showModal()")
        await asyncio.sleep(6)
        await at.hands.click("#yes")
        await at.until_clicked(["yes"])


FORGED = """<script>
const forge = async () => {
  for (let at = 0; at < 20; at += 1) {
    box.click(); labels.click(); form.requestSubmit(); town.focus();
    document.execCommand("insertText", false, "made up "); town.select(); document.execCommand("copy"); town.blur();
    navigation.dispatchEvent(new NavigationCurrentEntryChangeEvent("currententrychange",
      {navigationType: "reload", from: navigation.currentEntry}));
    await new Promise((done) => setTimeout(done, 20));
  }
  globalThis.forged = true;
};
const waits = setInterval(() => {
  if (!document.querySelector("div[popover=manual]") || navigator.userActivation.isActive) return;
  clearInterval(waits);
  setTimeout(forge, 500);
}, 100);</script>"""
"""Waits until the tests' own questions, which count as a person's touch, are over."""


async def test_events_that_a_script_brings_about_are_passed_over(tmp_path: Path) -> None:
    async with desk(tmp_path, page=PAGE + FORGED) as at:
        session = await at.browser.context.new_cdp_session(at.tab)

        async def forged() -> bool:
            told = await session.send("Runtime.evaluate", {"expression": "globalThis.forged === true"})
            return told["result"]["value"] is True

        await at.until(forged, "nothing is made up")
        await at.hands.click("#b1")
        await at.until_clicked(["one"])
        assert await at.hands.evaluate("town.value") == "made up "
        kinds = {event["body"]["kind"] for event in await at.events()}
        assert not kinds & {"field.change", "form.submit", "clipboard", "page.navigate"}


async def test_a_page_that_floods_is_cut_off_and_what_was_lost_is_counted(tmp_path: Path) -> None:
    async with desk(tmp_path, page=PAGE) as at:
        await at.hands.click("#b0")
        await at.hands.evaluate("(() => { for (let at = 0; at < 10_000; at += 1) box.click(); })()")
        await at.hands.click("#b1")

        async def clicked() -> bool:
            return (await at.clicked())[-1:] == ["one"] or bool(await at.events("capture.gap"))

        await at.until(clicked, "the end of the flood")
        await asyncio.sleep(3)
        await at.hands.click("#b1")
        await at.until(counted_by(at), "a gap")
        assert len(await at.events("field.change")) <= 400


def counted_by(at: Desk) -> Callable[[], Awaitable[bool]]:
    async def counted() -> bool:
        gaps = await at.events("capture.gap")
        return sum(gap["body"]["count"] for gap in gaps) > 9_000

    return counted


CLOBBERED = "title body activeElement hasFocus visibilityState querySelectorAll getElementById addEventListener forms"


async def test_names_that_stand_in_the_documents_way_change_nothing(tmp_path: Path) -> None:
    forms = "".join(f"<form name={name}></form>" for name in CLOBBERED.split())
    page = PAGE.replace("<h1>", f"{forms}<p id=overtPage></p><h1>").replace(
        "</form>\n<dialog", "<input name=parentElement></form>\n<dialog"
    )
    async with desk(tmp_path, page=page) as at:
        box = await at.tab.evaluate(
            "(() => { const at = town.getBoundingClientRect(); return [at.x + 9, at.y + 9]; })()"
        )
        await at.tab.mouse.click(*box)
        await at.hands.type("Ulm")
        await at.hands.press("Tab")
        await at.hands.press("Enter")

        async def changed() -> bool:
            return [event["body"]["value"] for event in await at.events("field.change")] == ["Ulm"]

        await at.until(changed, "a change")
        assert [event["body"]["title"] for event in await at.events("page.open")] == ["Worst"]
        assert (await at.clicked())[:1] == ["Town"]
