"""Pages with more than can be looked at in time: what can't be judged is not captured, the rest is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.bridge_stub import Collector, collector, study
from benchmarks.browser_hands import Hands
from benchmarks.canary_page import serve_page
from tests.extension.stub_tabs import BROWSERS, Start, until, until_captured

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SECRET = "hunter2x"
PAGE = """<!doctype html><html lang=en><title>Large</title><body><button id=end>end</button>
<input id=town aria-label=Town>{0}</body></html>"""
END = "#end"


@contextlib.asynccontextmanager
async def captured(start: Start, home: Path, inner: str) -> AsyncIterator[tuple[Hands, Collector]]:
    with serve_page(PAGE.format(inner).encode(), {}) as origin:
        async with collector(home) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with start(home, bridge, origin, "/large") as hands:
                await until_captured(hands)
                await bridge.wait(lambda events: len(events) > 0)
                yield hands, bridge


def clicked(bridge: Collector) -> list[str]:
    return [body["element"]["name"] for body in bridge.bodies("pointer.click")]


async def end(hands: Hands, bridge: Collector) -> None:
    """Wait until all that was done is told."""
    await hands.click(END)
    await bridge.wait(lambda _: clicked(bridge)[-1:] == ["end"])


LONG = """<textarea id=vast aria-label=Vast></textarea>
<div id=rich contenteditable aria-label=Rich style="height:3em;overflow:auto"></div><script>
vast.value = "word ".repeat(200_001);
for (let at = 0; at < 3000; at += 1) rich.append(document.createTextNode("word "));
</script>"""


@BROWSERS
async def test_of_a_long_text_the_beginning_is_kept_and_of_a_vast_one_nothing(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path, LONG) as (hands, bridge):
        for field in ("#vast", "#rich", "#town"):
            await hands.click(field)
            await hands.type("Ulm")
            await hands.press("Tab")
        await end(hands, bridge)
        changes = {body["element"]["name"]: body for body in bridge.bodies("field.change")}
        assert changes.keys() == {"Rich", "Town"}
        assert len(changes["Rich"]["value"]) == 4000
        assert changes["Rich"]["value"].count("word") > 700
        assert clicked(bridge) == ["Rich", "Town", "end"]


LIST = """<select id=list multiple size=4 aria-label=List></select><script>
for (let at = 0; at < 1500; at += 1) list.add(new Option(`old ${at}`));
list.addEventListener("change", () => { list.options[0].label = "drawn"; });
</script>"""


@BROWSERS
async def test_what_is_chosen_in_a_very_long_list_is_read_when_it_is_drawn(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path, LIST) as (hands, bridge):
        await hands.evaluate("void list.focus()")
        await hands.press("ArrowDown")
        await hands.press("Home")
        await end(hands, bridge)
        assert bridge.bodies("field.change")[-1]["value"] == "drawn"


NESTED = """<script>
function nested(depth, name, within) {
  for (let at = 0; at < depth; at += 1)
    within = within.appendChild(document.createElement("div")).attachShadow({mode: "closed"});
  within.innerHTML = `<button style="width:9em;height:3em">${name}</button><input type=password>`;
  return within;
}
for (const [depth, name] of [[20, "deep"], [60, "too deep"]]) {
  const place = document.body.appendChild(document.createElement("p"));
  place.id = name.replace(" ", "");
  place.style = "width: 9em; height: 3em";
  window[`in${place.id}`] = nested(depth, name, place);
}
</script>"""


@BROWSERS
async def test_trees_nested_deeper_than_any_page_needs_give_no_event(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path, NESTED) as (hands, bridge):
        for place in ("deep", "toodeep"):
            await hands.click(f"#{place}")
            await hands.evaluate(f"void window.in{place}.querySelector('input').focus()")
            await hands.type(SECRET)
        await end(hands, bridge)
        assert clicked(bridge) == ["deep", "end"]
        assert not bridge.bodies("key.rhythm")


PASSWORDS = """<div id=rows></div><p id=place><input type=password id=word></p>
<button id=eye>eye</button><button id=clear onclick="rows.remove()">clear</button><script>
rows.innerHTML = "<p style='display:inline'><input type=password size=1 name=word></p>".repeat(20_000);
eye.addEventListener("click", () => { place.innerHTML = "<input id=shown>"; });
</script>"""


@BROWSERS
async def test_of_very_many_passwords_none_is_taken_for_another_field(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path, PASSWORDS) as (hands, bridge):
        await hands.click("#eye")
        await until(hands, "window.shown !== undefined")
        await hands.click("#shown")
        await hands.type(SECRET)
        await hands.press("Tab")
        await end(hands, bridge)
        await asyncio.sleep(2.5)
        assert not bridge.bodies("key.rhythm")
        assert not bridge.bodies("field.change")


@BROWSERS
async def test_very_many_passwords_that_are_gone_again_silence_no_other_field(tmp_path: Path, start: Start) -> None:
    async with captured(start, tmp_path, PASSWORDS) as (hands, bridge):
        await hands.click("#clear")
        async with asyncio.timeout(60):
            while not bridge.bodies("field.change"):
                await hands.click("#town")
                await hands.type("Ulm")
                await hands.click(END)
                await asyncio.sleep(3)
        assert {body["element"]["name"] for body in bridge.bodies("field.change")} == {"Town"}
