"""Pages that write themselves anew, come back, have very many parts, or show a secret in another place."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import collector, study
from benchmarks.browser_hands import ChromiumHands
from benchmarks.browsers import CHROMIUM_ID, STORAGE, chromium
from benchmarks.canary_page import serve_page
from benchmarks.web_house import WebHouse
from tests.extension.desk import desk
from tests.extension.plain_chromium import Tab, plain_chromium
from tests.extension.stub_tabs import chromium_tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

BUTTON = "<button id=b style='width:9em;height:3em'>{0}</button>"
PAGE = f"<!doctype html><html lang=en><title>{{0}}</title><body>{BUTTON}"
AFTER = PAGE.format("after") + "<input type=password id=pw aria-label=Word>"
REWRITTEN = PAGE.format("before") + (
    "<script>b.onclick = () => setTimeout(() => {"
    f" document.open(); document.write(`{AFTER}`); document.close(); }}, 100);</script>"
)
SETTLED_S = 3.0


async def test_page_that_writes_itself_anew_is_seen_as_long_as_the_sign_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path, page=REWRITTEN) as at:
        await at.hands.click("#b")
        await at.tab.get_by_text("after").wait_for()
        await at.until_captured()
        await at.hands.click("#b")
        await at.until_clicked(["before", "after"])
        await at.hands.click("#pw")
        await at.hands.type("hunter2x")
        await at.tab.goto("about:blank")

        async def closed() -> bool:
            return len(await at.events("page.close")) == 1

        await at.until(closed, "no close")
        assert not await at.events("key.rhythm")
        assert await at.clicked() == ["before", "after"]


SHOWN = """<!doctype html><html lang=en><title>Shown</title><body><form onsubmit="event.preventDefault()">
<label>Password <input id=pw type=password></label></form>
<textarea id=notes aria-label=Notes></textarea> <textarea id=other aria-label=Other></textarea>
<div id=rich contenteditable aria-label=Rich style="min-height:2em"></div></body></html>"""


async def test_password_that_was_pasted_into_a_text_is_not_kept(tmp_path: Path) -> None:
    async with desk(tmp_path, page=SHOWN) as at:
        await at.hands.click("#pw")
        await at.hands.type("hunter2x")
        for field in ("#notes", "#rich"):
            await at.hands.click(field)
            await at.tab.keyboard.insert_text("hunter2x")
        await at.hands.click("#other")
        await at.hands.type("Ulm")
        await at.hands.press("Tab")

        async def kept() -> bool:
            return bool(await at.events("field.change"))

        await at.until(kept, "no change")
        assert [event["body"]["value"] for event in await at.events("field.change")] == ["Ulm"]


SLOTTED = """<!doctype html><html lang=en><title>Slotted</title><body><x-card>{0}</x-card>
<button id=open style="width:9em;height:3em">open</button><script>
document.querySelector("x-card").attachShadow({{mode: "closed"}}).innerHTML =
  "<div data-overt-private><slot></slot></div>";
</script></body></html>"""
FORM = f"<form id=f onsubmit='event.preventDefault()'>{BUTTON.format('Patient Jones')}</form>"


@pytest.mark.parametrize("name", ["assignedSlot", "parentNode", "parentElement", "getRootNode", "closest"])
async def test_fields_named_as_what_is_asked_open_no_private_region(tmp_path: Path, name: str) -> None:
    page = SLOTTED.format(FORM) + f"<input form=f name={name}>"
    async with desk(tmp_path, page=page) as at:
        await at.hands.click("#b")
        await at.hands.click("#open")
        await at.until_clicked(["open"])


NAMES = [
    *("getAttribute", "hasAttribute", "hasAttributes", "matches", "localName"),
    *("getRootNode", "querySelector", "children", "id", "title"),
]
NAMED = """<form onsubmit="return false" aria-label="Form {0}"><button type=button id=b{0}>{0}</button>
<input id=i{0} aria-label="In {0}"><input id=p{0} type=password><input type=hidden name={0}></form>"""
CELLS = "<p>Code</p><p>" + "<textarea class=cell rows=1 style='width:2em'>digit</textarea>" * 6 + "</p>"
STUMBLING = f"""<!doctype html><html lang=en><title>Named</title>{"".join(map(NAMED.format, NAMES))}{CELLS}
<script>for (const each of document.querySelectorAll(".cell")) each.value = "";</script></html>"""


async def test_fields_named_as_what_is_asked_cost_no_event_and_open_no_secret(tmp_path: Path) -> None:
    with serve_page(STUMBLING.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with chromium_tab(tmp_path, bridge, origin, "/") as (_, tab):
                hands = ChromiumHands(tab)
                await tab.locator("html > div[popover=manual]").wait_for(state="attached")
                await bridge.wait(lambda events: len(events) > 0)
                for name in NAMES:
                    await click_on(tab, f"b{name}")
                    for field, text in ((f"i{name}", "Ulm"), (f"p{name}", "hunter2x")):
                        await click_on(tab, field)
                        await hands.type(text)
                for digit in range(6):
                    await tab.locator(".cell").nth(digit).click()
                    await hands.type(str(digit))
                await click_on(tab, f"b{NAMES[0]}")
                await bridge.wait(lambda _: len(bridge.bodies("pointer.click")) > 2 * len(NAMES))
            changes = bridge.bodies("field.change")
    wanted = [each for name in NAMES for each in (name, f"In {name}")]
    assert [body["element"]["name"] for body in bridge.bodies("pointer.click")] == [*wanted, NAMES[0]]
    assert [(body["element"]["context"], body["value"]) for body in changes] == [
        (f"Form {each}", "Ulm") for each in NAMES
    ]


async def click_on(tab: Page, name: str) -> None:
    """Click on an element by its place: what Playwright asks of a form itself may be answered by a field."""
    x, y = await tab.evaluate(MIDDLE, name)
    await tab.mouse.click(x, y)


MIDDLE = """(id) => { const each = document.getElementById(id); each.scrollIntoView({block: "center"});
  const box = each.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }"""

FRAMES = 150
MANY = PAGE.format("many") + (
    "<script>addEventListener('load', () => { for (let at = 0; at < %d; at += 1)"
    " document.body.append(Object.assign(document.createElement('iframe'), {srcdoc: '<title>in</title>'})); });"
    "</script>"
)
COUNT = """() => { const ask = chrome.permissions.contains.bind(chrome.permissions); globalThis.asked = 0;
  chrome.permissions.contains = async (what) => {
    globalThis.asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return ask(what);
  }; }"""
"""Counts how often the browser is asked, which takes its time to answer: it has much to do."""


async def test_very_many_frames_are_not_judged_by_each_other(tmp_path: Path) -> None:
    async with desk(tmp_path, files={"/many": MANY % FRAMES}) as at:
        worker = await at.browser.worker()
        await worker.evaluate(COUNT)
        await at.tab.goto(f"{at.origin}/many")

        async def opened() -> bool:
            return len(await at.events("page.open")) >= FRAMES + 2

        await at.until(opened, "not all frames")
        assert await worker.evaluate("asked") < FRAMES / 2


async def test_taken_back_while_very_many_frames_come_no_more_of_them_are_seen(tmp_path: Path) -> None:
    async with desk(tmp_path, files={"/many": MANY % FRAMES}) as at:
        window = await at.browser.window("options")
        await at.tab.bring_to_front()
        coming = asyncio.create_task(at.tab.goto(f"{at.origin}/many"))

        async def waiting() -> list[Any]:
            told = json.loads(await window.evaluate(f"{STORAGE}.then(JSON.stringify)"))
            return [note for note in told[2][1] if note["open"]["body"]["title"] == "in"]

        async def some() -> bool:
            return len(await waiting()) > 0

        await at.until(some, "no frame")
        await window.evaluate("origin => chrome.permissions.remove({origins: [origin]})", f"{at.origin}/*")
        await coming
        await at.until_captured(captured=False)
        seen = len(await waiting())
        assert seen < FRAMES
        await asyncio.sleep(SETTLED_S)
        assert len(await waiting()) == seen


LABELS = 3000


async def test_of_very_many_labels_the_first_few_are_read(tmp_path: Path) -> None:
    labels = "".join(f"<label for=b>L{at}</label>" for at in range(LABELS))
    page = f"<!doctype html><html lang=en><title>Labels</title><input id=b><p style='height:9em'></p>{labels}"
    async with desk(tmp_path, page=page) as at:
        await at.hands.click("#b")
        await at.until_clicked([" ".join(f"L{at}" for at in range(8))])


HERE = f"{PAGE.format('here')}<script>window.kept = Math.random();</script>"
POINT = (60, 20)


def kinds_of(events: Sequence[dict[str, Any]]) -> list[str]:
    wanted = {"page.open", "pointer.click"}
    return [event["body"]["kind"] for event in events if event["body"]["kind"] in wanted]


async def come_back(tab: Tab, away: str) -> None:
    """Come back from another page to the one before, as the browser kept it."""
    before = await tab.evaluate("window.kept")
    await tab.goto(away)
    await tab.until_captured()
    await tab.back()
    await tab.until(f"window.kept === {before}")


async def test_page_that_was_kept_to_come_back_to_is_captured_once_and_obeys(tmp_path: Path) -> None:
    house = WebHouse(tmp_path)
    with serve_page(HERE.encode(), {"/there": PAGE.format("there")}) as origin:
        await house.found_web_study([origin], "content")
        await house.join()
        house.introduce("chromium")
        try:
            async with chromium(house.user, [origin], environment=house.browser_environment) as browser:
                await browser.consent([origin])
            async with plain_chromium(house.user, house.browser_environment) as tab:
                await tab.goto(f"{origin}/here")
                await tab.until_captured()
                await come_back(tab, f"{origin}/there")
                await click_captured(tab)
                await tab.goto(f"{origin}/there")
                await tab.until_captured()
                await tab.end_worker()
                await tab.back()
                await click_captured(tab)
                window = await tab.beside()
                await window.goto(f"chrome-extension://{CHROMIUM_ID}/options.html")
                await tab.goto(f"{origin}/there")
                await tab.until_captured()
                await ask(window, "pause", "{minutes: 15}")
                await tab.back()
                await asyncio.sleep(SETTLED_S)
                await tab.click(*POINT)
                assert not await tab.evaluate(SIGNS)
                await ask(window, "resume", "{}")
                await tab.until(f"{SIGNS} === 1")
                await asyncio.sleep(SETTLED_S)
            events = [line["event"] for line in await house.kept()]
        finally:
            await house.stop_bridge()
            await house.close()
    opened, clicked = ["page.open"], ["page.open", "pointer.click"]
    assert kinds_of(events) == [*opened, *opened, *clicked, *opened, *clicked, *opened, *opened]


SIGNS = "document.querySelectorAll('html > div[popover=manual]').length"


async def click_captured(tab: Tab) -> None:
    await tab.until(f"{SIGNS} === 1")
    await asyncio.sleep(2)
    await tab.click(*POINT)


async def ask(window: Tab, method: str, params: str) -> None:
    await window.evaluate(f"chrome.runtime.sendMessage({{ask: 'request', method: '{method}', params: {params}}})")


ECHOED = """<!doctype html><html lang=en><title>Sign in</title><main><h1 id=head>Welcome</h1>
<form aria-label="Sign in" onsubmit="event.preventDefault(); echo(pw.value)">
<label>Password <input id=pw type=password></label></form><p role=status id=said>nothing</p>
<label for=town id=label>Town</label> <input id=town> <button id=b style="width:9em;height:3em">button</button></main>
<script>
function echo(word) {
  pw.value = "";
  for (const each of [head, said, label, b]) each.textContent = `it is ${word}`;
  document.title = `Home of ${word}`;
  history.pushState(null, "", `/users/${word}/home?${word}=1`);
}
</script></html>"""


@pytest.mark.parametrize("level", ["content", "shape"])
async def test_password_that_a_page_shows_again_is_not_kept(tmp_path: Path, level: str) -> None:
    with serve_page(ECHOED.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], level)]
            async with chromium_tab(tmp_path, bridge, origin, "/login") as (_, tab):
                hands = ChromiumHands(tab)
                await tab.locator("html > div[popover=manual]").wait_for(state="attached")
                await hands.click("#pw")
                await hands.type("tulipgarden")
                await hands.press("Enter")
                await bridge.wait(lambda _: bridge.bodies("page.navigate"))
                for field in ("#b", "#town"):
                    await hands.click(field)
                await hands.type("in tulipgarden Ulm")
                await tab.goto("about:blank")
                await bridge.wait(lambda _: bridge.bodies("page.close"))
    [navigated] = bridge.bodies("page.navigate")
    assert navigated["route"] == f"{origin}/{'users/:id/home' if level == 'content' else 'aaaaa/:id/aaaa'}"
    assert len(bridge.bodies("pointer.click")) == 2
    assert [body["value"] for body in bridge.bodies("field.change")] == [""]
    assert bridge.bodies("page.outline")
    assert not {"tulipgarden", "aaaaaaaaaaa"} & set(re.findall(r"\w+", json.dumps(bridge.events)))


MOVED = """<!doctype html><html lang=en><title>Moved</title><body><x-field id=own style="display:block"></x-field>
<div id=rich contenteditable aria-label=Rich style="width:9em;height:3em"></div><button id=b>open</button><script>
own.attachShadow({mode: "closed"}).innerHTML = "<input aria-label=Own style='width:9em;height:3em'>";
b.onclick = () => {
  const beside = open("", "", "width=500,height=300");
  beside.setInterval(() => beside.document.querySelectorAll("div[popover]").forEach((each) => each.remove()), 20);
  beside.document.body.append(own, rich);
};
</script></html>"""


async def test_what_was_moved_into_a_window_without_the_sign_is_not_kept(tmp_path: Path) -> None:
    with serve_page(MOVED.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with chromium_tab(tmp_path, bridge, origin, "/moved") as (_, tab):
                await tab.locator("html > div[popover=manual]").wait_for(state="attached")
                await tab.locator("#own").click(position={"x": 20, "y": 20})
                await ChromiumHands(tab).type("before")
                await tab.locator("#rich").click()
                async with tab.expect_popup() as opened:
                    await tab.locator("#b").click()
                beside = await opened.value
                for part in ("#own", "#rich", "#own"):
                    await beside.locator(part).click(position={"x": 20, "y": 20})
                    await ChromiumHands(beside).type("behind")
                await beside.close()
                await tab.goto("about:blank")
                await bridge.wait(lambda _: bridge.bodies("page.close"))
    assert [body["value"] for body in bridge.bodies("field.change")] == ["before"]


async def leave(tab: Tab, way: str, origin: str) -> None:
    """Leave a page in one of the ways that there are, without waiting for the next."""
    if way == "reload":
        await tab.call("Page.reload")
    elif way == "back":
        await tab.back()
    else:
        await tab.call("Page.navigate", url=f"{origin}/{way}")


async def test_pause_at_the_moment_of_leaving_gives_no_page_a_second_opening_or_close(tmp_path: Path) -> None:
    with serve_page(HERE.encode(), {"/there": PAGE.format("there")}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with chromium_tab(tmp_path, bridge, origin, "/here"):
                pass
            async with plain_chromium(tmp_path, {}) as tab:
                await tab.goto(f"{origin}/here")
                for way in ("there", "back", "reload"):
                    for early_s, late_s in ((0.0, 0.0), (0.0, 0.03), (0.01, 0.1), (-0.01, 0.0), (-0.05, 0.05)):
                        await tab.until_captured()
                        await tab.click(*POINT)
                        if early_s >= 0:
                            await leave(tab, way, origin)
                        await asyncio.sleep(abs(early_s))
                        await bridge.push(capture="paused")
                        if early_s < 0:
                            await leave(tab, way, origin)
                        await asyncio.sleep(late_s)
                        await bridge.push(capture="capturing")
                        if way == "back":
                            await tab.goto(f"{origin}/there")
                await bridge.wait(lambda events: events[-1]["body"]["kind"] != "page.close")
                await tab.goto("about:blank")
                await bridge.wait(lambda events: events[-1]["body"]["kind"] == "page.close")
    pages: dict[str, list[str]] = {}
    for event in bridge.events:
        pages.setdefault(event["page"], []).append(event["body"]["kind"])
    assert len(pages) > 8
    for kinds in pages.values():
        assert kinds[0] == "page.open"
        assert kinds.count("page.open") == 1
        assert "page.close" not in kinds[:-1]
