"""Pages that Chromium loads ahead: nothing is taken of one before it is opened, and then it is captured once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.bridge_stub import collector, study
from benchmarks.browsers import CHROMIUM_ID, chromium
from benchmarks.canary_page import serve_page
from tests.extension.plain_chromium import plain_chromium

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AHEAD = """<!doctype html><html lang=en><title>{0}</title><body><iframe srcdoc="<title>in</title>"></iframe><script>
if (document.prerendering) localStorage.setItem("{0}", "ahead");
</script></body></html>"""
START = """<!doctype html><html lang=en><title>start</title><body>
<script type=speculationrules>{"prerender": [{"urls": ["/opened", "/never"], "eagerness": "immediate"}]}</script>
<script>
const waits = setInterval(() => {
  if (localStorage.length < 2 || !document.querySelector("html > div[popover=manual]")) return;
  clearInterval(waits);
  setTimeout(() => location.href = "/opened", 3000);  // what is loaded ahead has the time to speak
}, 100);
</script></body></html>"""


async def test_page_that_was_loaded_ahead_is_captured_once_it_is_opened_and_no_other(tmp_path: Path) -> None:
    files = {"/opened": AHEAD.format("opened"), "/never": AHEAD.format("never")}
    with serve_page(START.encode(), files) as origin:
        async with collector(tmp_path) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
            async with chromium(tmp_path, [origin]) as browser:
                await browser.consent([origin])
            async with plain_chromium(tmp_path, {}) as tab:
                await tab.until_welcomed()
                # Nothing is loaded ahead where a debugger looks at the page, or another lies before it.
                made = await tab.call("Target.createTarget", browser=True, url=f"{origin}/start")
                await bridge.wait(lambda _: len(bridge.bodies("page.open")) >= 3)
                await tab.call("Target.closeTarget", browser=True, targetId=made["targetId"])
                await bridge.wait(lambda _: len(bridge.bodies("page.close")) >= 3)
    assert sorted(body["title"] for body in bridge.bodies("page.open")) == ["in", "opened", "start"]
