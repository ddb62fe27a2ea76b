"""Frames and shadow trees: what was granted is seen at any depth, what was not is not, whatever it stands in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.canary_page import serve_page
from tests.extension.desk import TICKETS, Desk, desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

INNER = "<!doctype html><html lang=en><title>{0}</title><button id=fb style='width:9em;height:3em'>{0}</button></html>"
SHADOWS = """<div id=open></div><div id=closed></div><script>
for (const mode of ["open", "closed"]) document.getElementById(mode).attachShadow({mode}).innerHTML =
  `<section aria-label="tree of ${mode}"><button style="width:9em;height:3em">in ${mode}</button></section>`;
</script>"""


def page_with(granted: str, ungranted: str) -> str:
    frames = (
        f"<iframe id=same srcdoc='{INNER.format('in same').replace(chr(39), '')}'></iframe>"
        f"<iframe id=granted src={granted}/inner></iframe><iframe id=other src={ungranted}/inner></iframe>"
    )
    return TICKETS.replace("<ul>", f"{frames}{SHADOWS}<ul>")


async def opened(at: Desk, count: int) -> list[dict[str, Any]]:
    """Wait until so many pages and frames have introduced themselves."""
    bodies: list[dict[str, Any]] = []

    async def there() -> bool:
        bodies[:] = [event["body"] for event in await at.events("page.open")]
        return len(bodies) >= count

    await at.until(there, f"{count} pages")
    return bodies


async def test_granted_frames_and_shadow_trees_are_seen_and_others_are_not(tmp_path: Path) -> None:
    with (
        serve_page(INNER.format("in granted").encode(), {}) as granted,
        serve_page(INNER.format("in other").encode(), {}) as other,
    ):
        async with desk(tmp_path, page=page_with(granted, other), also=[granted]) as at:
            await opened(at, 3)
            for frame in ("#same", "#granted", "#other"):
                await at.hands.click("#fb", frame=frame)
            for host in ("#open", "#closed"):
                box = await at.tab.locator(host).bounding_box()
                assert box is not None
                await at.tab.mouse.click(box["x"] + 20, box["y"] + 20)
            wanted = ["in same", "in granted", "in open", "in closed"]

            async def all_there() -> bool:
                return len(await at.clicked()) >= len(wanted)

            await at.until(all_there, "clicks")
            events = await at.events()
            everything = json.dumps(events) + await at.browser.storage()
    bodies = [event["body"] for event in events]
    clicks = {body["element"]["name"]: body["element"] for body in bodies if body["kind"] == "pointer.click"}
    assert sorted(clicks) == sorted(wanted)
    assert clicks["in closed"]["context"] == "tree of closed"
    assert "#shadow" in clicks["in open"]["path"]
    assert clicks["in granted"]["path"].startswith("#frame")
    opens = [event for event in events if event["body"]["kind"] == "page.open"]
    top = next(event for event in opens if event["body"]["route"].endswith("/tickets"))
    inner = [event["body"]["parent"] for event in opens if event is not top]
    assert inner == [top["body"]["document"]] * 2
    assert "in other" not in everything
    assert other not in everything
