"""Pages that lay something over the sign, in both browsers: capture stops at once, and comes back when it has gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import Collector, collector, study
from benchmarks.browser_hands import ChromiumHands, Hands
from benchmarks.canary_page import serve_page
from tests.extension.stub_tabs import chromium_tab, firefox_tab

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

STOPS_S = 5.0
"""From when a page begins to cover the sign until nothing of it is captured."""

RETURNS_S = 15.0
"""What a page went on with is remembered for some seconds."""

STAYS_S = 1.5
LOOKED_S = 2.5
GIVEN_UP_S = 7.0
ORDINARY_S = 2.0

PAGE = """<!doctype html><html lang=en><head><title>Covers</title><style>
.cover { position: fixed; inset: auto 0 0 auto; margin: 0; border: 0; width: 320px; height: 120px; background: white;
  pointer-events: none }
.far.cover { inset: 0 auto auto 0; width: 9px; height: 9px }
.back::backdrop { background: white }
.ghost.cover { width: 0; height: 0; overflow: visible }
.ghost.cover::after { content: ""; position: fixed; inset: auto 0 0 auto; width: 320px; height: 120px;
  background: white; pointer-events: none }
.tip { position: fixed; inset: 90px auto auto 90px; margin: 0; transition: all 1s }
.toasts { position: fixed; inset: 0; margin: 0; border: 0; width: 100vw; height: 100vh; background: transparent;
  pointer-events: none; transition: all 1s }
</style><script>
window.silent = false;
const hush = (event) => { if (window.silent) event.stopImmediatePropagation(); };
for (const type of ["beforetoggle", "toggle"]) window.addEventListener(type, hush, true);
const style = () => document.querySelector("style").cloneNode(true);
function tree(mode, within = document.body) {
  const root = within.appendChild(document.createElement("p")).attachShadow({mode});
  for (const type of ["beforetoggle", "toggle"]) root.addEventListener(type, hush, true);
  root.append(style());
  return root;
}
function made(root, name = "cover", kind = "div") {
  const cover = root.appendChild(document.createElement(kind));
  cover.className = name;
  if (kind !== "dialog") cover.popover = "manual";
  return cover;
}
function open(cover) {
  if (cover.localName === "dialog") { cover.close(); cover.showModal(); }
  else { cover.hidePopover(); cover.showPopover(); }
}
function fight(covers) {
  window.covers = covers;
  const timer = setInterval(() => covers.forEach(open), 40);
  window.give = () => { clearInterval(timer); covers.forEach((each) => each.remove()); };
}
function fightByFrame(cover) {
  let frame = 0;
  const go = () => { open(cover); frame = requestAnimationFrame(go); };
  go();
  window.give = () => { cancelAnimationFrame(frame); cover.remove(); };
}
function fightAnew(root) {
  let cover = null;
  const timer = setInterval(() => { cover?.remove(); cover = made(root); open(cover); }, 40);
  window.give = () => { clearInterval(timer); cover?.remove(); };
}
function transit() {
  const sheet = document.head.appendChild(document.createElement("style"));
  sheet.textContent = `@keyframes still { from, to { top: 0 } }
    ::view-transition { background: white; pointer-events: none; animation: still 100s }
    ::view-transition-group(root) { opacity: 0 }`;
  const transition = document.startViewTransition(() => {});
  window.give = () => { transition.skipTransition(); sheet.remove(); };
}
const filter = (value) => {
  document.documentElement.style.filter = value;
  window.give = () => { document.documentElement.style.filter = ""; };
};
const sign = () => document.querySelector("html > div[popover=manual]");
function takeOut() {
  const timer = setInterval(() => sign()?.hidePopover(), 40);
  window.give = () => clearInterval(timer);
}
function ink() {
  const sheet = document.head.appendChild(document.createElement("style"));
  sheet.textContent = `html > div[popover]::before, html > div[popover]::after {
    content: "" !important; position: fixed !important; inset: 0 !important; background: white !important }`;
}
function tips(root) {
  let tip = null;
  setInterval(() => { tip?.remove(); tip = made(root, "tip"); tip.textContent = "tip"; open(tip); }, 350);
}
function dialogs(root) {
  const dialog = window.on = made(root, "tip", "dialog");
  dialog.innerHTML = "<label>Note <input name=note></label>";
  open(dialog);
  setInterval(() => open(dialog), 1500);
}
function views() {
  setInterval(() => document.startViewTransition(() => document.body.append("view ")), 700);
}
function watch() {
  window.moved = [];
  document.addEventListener("transitionrun", ({propertyName}) => window.moved.push(propertyName));
}
</script></head><body><h1>Covers</h1><button id=b0 style="width:120px;height:40px">zero</button></body></html>"""

FOUGHT = {
    "light tree": "fight([made(document.body)])",
    "light tree, by frame": "fightByFrame(made(document.body))",
    "light tree, a new one each time": "fightAnew(document.body)",
    "light tree, iframe": "fight([made(document.body, 'cover', 'iframe')])",
    "light tree, modal": "fight([made(document.body, 'cover', 'dialog')])",
    "light tree, backdrop": "fight([made(document.body, 'far cover back')])",
    "light tree, silent": "(window.silent = true, fight([made(document.body)]))",
    "light tree, silent, beside its box": "(window.silent = true, fight([made(document.body, 'ghost cover')]))",
    "open tree": "fight([made(tree('open'))])",
    "closed tree": "fight([made(tree('closed'))])",
    "closed tree, by frame": "fightByFrame(made(tree('closed')))",
    "closed tree, a new one each time": "fightAnew(tree('closed'))",
    "closed tree, modal": "fight([made(tree('closed'), 'cover', 'dialog')])",
    "closed tree in a closed tree": "fight([made(tree('closed', tree('closed')))])",
    "closed tree, silent": "(window.silent = true, fight([made(tree('closed'))]))",
    "closed tree, silent, beside its box": "(window.silent = true, fight([made(tree('closed'), 'ghost cover')]))",
    "closed tree, silent, inert": "(silent = true, fight([made(tree('closed'))]), covers[0].inert = true)",
    "closed tree, silent, modal": "(window.silent = true, fight([made(tree('closed'), 'cover', 'dialog')]))",
    "closed tree, silent, a new one each time": "(window.silent = true, fightAnew(tree('closed')))",
    "change of views": "transit()",
}
"""Covers that a page goes on with."""

TOLD = {"light tree", "light tree, silent", "closed tree", "closed tree, silent, modal", "change of views"}
"""Enough of them for Chromium, where the browser itself tells that the sign is covered."""

GIVEN_BACK = {"light tree", "change of views"}
"""After these it is looked whether capture comes back: what was heard to open is remembered longer."""

ONCE = {
    "light tree": "open(window.on = made(document.body))",
    "light tree, silent": "(window.silent = true, open(window.on = made(document.body)))",
    "closed tree": "open(window.on = made(tree('closed')))",
    "closed tree, silent": "(window.silent = true, open(window.on = made(tree('closed'))))",
    "over the whole window": "(window.on = made(tree('closed'), 'toasts'), open(window.on))",
}
"""Covers that are laid over it one time."""

ABOVE = """(() => {
  const box = document.querySelector("html > div[popover=manual]").getBoundingClientRect();
  window.on.style.pointerEvents = "auto";
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  window.on.style.pointerEvents = "";
  return found === document.querySelector("html > div[popover=manual]");
})()"""

REFUSED = """chrome.tabs.query({{url: "{}"}})
  .then(([tab]) => chrome.runtime.sendMessage({{ask: "overview", tab: tab.id}}))
  .then(({{value}}) => value.tab?.refused ?? (value.tab?.capturing ? null : "none"))"""


class Seat:
    """A captured page, and a window of the extension behind it."""

    def __init__(self, hands: Hands, own: Hands, pattern: str, bridge: Collector) -> None:
        self.hands = hands
        self.bridge = bridge
        self._own = own
        self._pattern = pattern

    async def refused(self) -> str | None:
        """Give what keeps the page from being captured."""
        found = await self._own.evaluate(REFUSED.format(self._pattern))
        return None if found is None else str(found)

    async def takes(self, wanted: str | None, limit_s: float) -> float:
        """Wait until that keeps it, and give how long it took. AssertionError: if it does not in time."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (found := await self.refused()) != wanted:
            assert loop.time() - start < limit_s, f"{found} is not {wanted}"
            await asyncio.sleep(0.05)
        return loop.time() - start

    async def reload(self) -> None:
        """Begin anew, and wait until the page is captured."""
        await self.hands.evaluate("void location.reload()")
        await asyncio.sleep(1)
        await self.takes(None, RETURNS_S)

    async def clicked(self) -> None:
        """Click, and wait until that is kept."""
        before = len(self.bridge.bodies("pointer.click"))
        await self.hands.click("#b0")
        await self.bridge.wait(lambda _: len(self.bridge.bodies("pointer.click")) > before)


@contextlib.asynccontextmanager
async def in_chromium(home: Path, bridge: Collector, origin: str) -> AsyncIterator[Seat]:
    async with chromium_tab(home, bridge, origin, "/covers") as (browser, tab):
        own: Page = await browser.window("options")
        await tab.bring_to_front()
        yield Seat(ChromiumHands(tab), ChromiumHands(own), f"{origin}/*", bridge)


@contextlib.asynccontextmanager
async def in_firefox(home: Path, bridge: Collector, origin: str) -> AsyncIterator[Seat]:
    async with firefox_tab(home, bridge, origin, "/covers") as (browser, tab):
        own = await browser.open(f"{browser.base}/options.html", behind=True)
        # The browser's patterns have no ports.
        yield Seat(tab, own, f"{origin.rpartition(':')[0]}/*", bridge)


Start = Callable[[Path, Collector, str], contextlib.AbstractAsyncContextManager[Seat]]


@contextlib.asynccontextmanager
async def captured(start: Start, home: Path) -> AsyncIterator[Seat]:
    with serve_page(PAGE.encode(), {}) as origin:
        async with collector(home) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with start(home, bridge, origin) as at:
                await at.takes(None, 30)
                yield at


BROWSERS = pytest.mark.parametrize("start", [in_chromium, in_firefox])


@BROWSERS
async def test_a_page_that_goes_on_covering_the_sign_is_not_captured_until_it_ends(
    tmp_path: Path, start: Start
) -> None:
    async with captured(start, tmp_path) as at:
        # In Chromium what is done to the colours of a page does not reach what lies in the top layer.
        colours = {"all colours": "filter('opacity(0)')"}
        told = {name: FOUGHT[name] for name in TOLD}
        for name, attack in (told if start is in_chromium else {**FOUGHT, **colours}).items():
            await at.reload()
            await at.hands.evaluate(f"void ({attack})")
            try:
                await at.takes("sign-hidden", STOPS_S)
                await asyncio.sleep(STAYS_S)
                assert await at.refused() == "sign-hidden"
                if name in GIVEN_BACK:
                    await at.hands.evaluate("void window.give()")
                    await at.takes(None, RETURNS_S)
            except AssertionError as error:
                error.add_note(name)
                raise
        await at.reload()
        await at.clicked()


@BROWSERS
async def test_a_page_that_takes_the_sign_out_of_the_top_layer_is_given_up(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path) as at:
        await at.hands.evaluate("void sign().hidePopover()")
        await asyncio.sleep(LOOKED_S)
        assert await at.hands.evaluate("sign().matches(':popover-open')")
        await at.clicked()
        await at.hands.evaluate("void takeOut()")
        await at.takes("sign-hidden", GIVEN_UP_S)
        await asyncio.sleep(STAYS_S)
        assert await at.refused() == "sign-hidden"


@BROWSERS
async def test_the_sign_comes_to_lie_above_what_was_opened_once(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path) as at:
        for name, attack in ONCE.items():
            await at.reload()
            await at.hands.evaluate(f"void ({attack})")
            await asyncio.sleep(LOOKED_S)
            assert await at.hands.evaluate(ABOVE), name
            await asyncio.sleep(LOOKED_S)
            assert await at.refused() is None, name
            await at.clicked()


@BROWSERS
async def test_the_sign_keeps_the_focus_when_it_is_raised(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path) as at:
        await at.hands.click("#b0")
        await at.hands.press("Tab")
        assert await at.hands.evaluate("document.activeElement === sign()")
        await at.hands.evaluate("void open(window.on = made(document.body))")
        await asyncio.sleep(LOOKED_S)
        assert await at.hands.evaluate(ABOVE)
        assert await at.hands.evaluate("document.activeElement === sign()")


@BROWSERS
async def test_nothing_that_a_page_draws_in_the_sign_itself_is_seen(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path) as at:
        await at.hands.evaluate("void ink()")
        for part in ("before", "after"):
            assert await at.hands.evaluate(f"getComputedStyle(sign(), '::{part}').content") == "none"
        await at.clicked()


ORDINARY = {
    "a menu": "open(window.on = made(document.body, 'tip'))",
    "tooltips, one after the other": "tips(document.body)",
    "tooltips in a closed tree": "tips(tree('closed'))",
    "a menu in a closed tree": "open(made(tree('closed'), 'tip'))",
    "messages over all": "open(made(tree('open'), 'toasts'))",
    "colours the other way round": "filter('invert(1) hue-rotate(180deg)')",
    "views that change": "views()",
    "modal windows, one after the other": "dialogs(document.body)",
    "modal windows in a closed tree": "dialogs(tree('closed'))",
}

HIDES_BRIEFLY = "modal windows in a closed tree"
"""Unheard, such a window does lie over the sign until Chromium tells of it: nothing is captured for that moment."""


@BROWSERS
async def test_what_ordinary_pages_open_stops_nothing(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path) as at:
        for name, act in ORDINARY.items():
            if start is in_chromium and name == HIDES_BRIEFLY:
                continue
            await at.reload()
            await at.hands.evaluate("void watch()")
            await at.hands.evaluate(f"void ({act})")
            end = asyncio.get_running_loop().time() + ORDINARY_S
            while asyncio.get_running_loop().time() < end:
                assert await at.refused() is None, name
                await asyncio.sleep(0.05)
            assert await at.hands.evaluate("window.moved") == [], name
        await at.reload()
        await at.hands.evaluate("void dialogs(tree('closed'))")
        await asyncio.sleep(LOOKED_S)
        before = len(at.bridge.bodies("key.rhythm"))
        await at.hands.evaluate("void window.on.querySelector('input').focus()")
        await at.hands.type("words")
        await at.hands.evaluate("void window.on.querySelector('input').blur()")
        await at.bridge.wait(lambda _: len(at.bridge.bodies("key.rhythm")) > before)
