"""Secrets that come to light late: taken out of their field, or told of only when what was entered is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bridge_stub import collector, study
from benchmarks.canary_page import serve_page
from tests.extension.stub_tabs import BROWSERS, Start, until_captured

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SECRET = "hunter2x"
PAGE = """<!doctype html><html lang=en><title>Late</title><body>
<input id=word type=password aria-label=Word> <button id=eye onclick="word.type = 'text'">eye</button>
<textarea id=notes aria-label=Notes></textarea>
<input id=masked aria-label=Number onblur="masked.type = 'password'">
<div id=place><input id=made aria-label=Street name=made></div>
<div id=region><input id=inner aria-label=Name onblur="region.className = 'ph-no-capture'"></div>
<input id=town aria-label=Town><script>
made.onchange = () => { place.innerHTML = "<input type=password name=made>"; };
</script></body></html>"""


@BROWSERS
async def test_secret_that_was_moved_or_comes_to_light_late_is_not_kept(tmp_path: Path, start: Start) -> None:
    with serve_page(PAGE.encode(), {}) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            async with start(tmp_path, bridge, origin, "/late") as hands:
                await until_captured(hands)
                await hands.click("#word")
                await hands.type(SECRET)
                await hands.click("#eye")
                await hands.evaluate("void (word.select(), document.execCommand('cut'))")
                assert await hands.evaluate("word.value") == ""
                await hands.click("#notes")
                await hands.evaluate(f"void document.execCommand('insertText', false, '{SECRET}')")
                assert await hands.evaluate("notes.value") == SECRET
                for field in ("#masked", "#made", "#inner"):
                    await hands.click(field)
                    await hands.type(SECRET)
                    await hands.press("Tab")
                await hands.click("#town")
                await hands.type("Ulm")
                await hands.press("Tab")
                await bridge.wait(lambda _: bool(bridge.bodies("field.change")))
                assert [body["value"] for body in bridge.bodies("field.change")] == ["Ulm"]
                assert [body["element"]["name"] for body in bridge.bodies("key.rhythm")] == ["Town"]
