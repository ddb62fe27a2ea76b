"""The extension's own windows: what they say, in both languages, and that everybody can use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from benchmarks.bridge_stub import Collector, collector, study
from benchmarks.browsers import CHROMIUM_ID, EXTENSION, Chromium, chromium

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SITE = "http://127.0.0.1:9"
AXE = EXTENSION / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(params=["en", "de"])
async def windows(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Chromium, Collector, str]]:
    async with collector(tmp_path) as bridge:
        bridge.state["studies"] = [study([SITE, "https://tracker.example.org"], "shape")]
        bridge.install(tmp_path / ".config" / "chromium", CHROMIUM_ID)
        language = {"LANGUAGE": str(request.param)}
        async with chromium(tmp_path, [SITE], environment=language, args=[f"--lang={request.param}"]) as browser:
            yield browser, bridge, str(request.param)


async def problems(page: Page) -> list[str]:
    """Give what axe finds, as rule and element."""
    # The windows' own policy lets no script in: axe is handed in by the debugger.
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
    found: dict[str, Any] = await session.send(
        "Runtime.evaluate", {"expression": "axe.run()", "awaitPromise": True, "returnByValue": True}
    )
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["result"]["value"]["violations"]]


async def test_windows_speak_the_persons_language_and_pass_axe_in_light_and_dark(
    windows: tuple[Chromium, Collector, str],
) -> None:
    browser, _, language = windows
    titles = {
        "welcome": ("Which sites may overt record?", "Auf welchen Seiten darf overt aufzeichnen?"),
        "popup": ("Pause for 15 minutes", "15 Minuten Pause"),
        "options": ("Settings of overt", "Einstellungen von overt"),
    }
    for name, texts in titles.items():
        page = await browser.window(name)
        await page.get_by_text(texts[language == "de"]).first.wait_for()
        assert await page.evaluate("document.documentElement.lang") == language
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await problems(page) == [], f"{name} {scheme}"
        await page.close()


async def test_yes_is_never_the_default_and_both_answers_are_equal(windows: tuple[Chromium, Collector, str]) -> None:
    browser, _, _ = windows
    page = await browser.window("welcome")
    question = page.locator("fieldset.question").first
    await question.wait_for()
    no, yes = question.get_by_role("button").nth(0), question.get_by_role("button").nth(1)
    assert await page.evaluate("document.activeElement === document.body")
    assert await no.get_attribute("aria-pressed") == await yes.get_attribute("aria-pressed") == "false"
    looks = "each => [getComputedStyle(each)].map(style => [style.backgroundColor, style.color, style.fontWeight])[0]"
    assert await no.evaluate(looks) == await yes.evaluate(looks)
    boxes = [await each.bounding_box() for each in (no, yes)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[0]["width"], boxes[0]["height"]) == (boxes[1]["width"], boxes[1]["height"])
    await no.click()
    await question.locator("button[aria-pressed=true]").wait_for()
    assert await page.evaluate("chrome.scripting.getRegisteredContentScripts()") == []


async def test_the_popup_pauses_forgets_and_opens_the_review(windows: tuple[Chromium, Collector, str]) -> None:
    browser, bridge, _ = windows
    page = await browser.window("popup")
    await page.locator("#pause").click()
    await page.locator("#forget").click()
    assert [name for name, _ in bridge.requests if name == "forget"] == []
    assert await page.evaluate("document.activeElement.id") == "forget-no"
    await page.locator("#forget-yes").click()
    await page.locator("#review").click()
    await page.locator("#said:not(:empty)").wait_for()
    asked = [each for each in bridge.requests if each[0] in {"pause", "forget", "review"}]
    assert asked == [("pause", {"minutes": 15}), ("forget", {"minutes": 10}), ("review", {})]
