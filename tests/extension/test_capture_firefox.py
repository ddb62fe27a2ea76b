"""The real extension in real Firefox, with the real bridge, gate and store behind it."""

from __future__ import annotations

import pytest

from benchmarks.canaries import HERE, run
from benchmarks.canary_page import read_canaries

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


async def test_firefox_keeps_no_planted_string_and_no_event_of_a_secret_field() -> None:
    result = await run("firefox", (HERE / "page.html").read_bytes(), read_canaries(HERE / "canaries.json"), ["shape"])
    assert result["leaked"] == []
    assert result["of"] == 44
    assert result["secret_field_events"] == 0
    assert result["events"]["shape"] > 40


async def test_firefox_takes_no_event_of_a_secret_field_that_the_page_disguises() -> None:
    canaries = read_canaries(HERE / "lobby.json")
    result = await run("firefox", (HERE / "lobby.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    assert {"typed_visitor", "typed_host", "typed_order"} <= set(result["at_content"])
