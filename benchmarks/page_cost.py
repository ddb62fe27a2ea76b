"""What recording costs a page: our extension beside @rrweb/record, on pages of 900, 9,000 and 90,000 nodes.

    python -m benchmarks.page_cost

Real Chromium, real input: the same clicks, keys, pointer moves and scrolling on the same page of a work tool, whose
rows change when they are acted on. Ours is the built extension with its worker, at level ``content`` with every kind of
event, sending to a bridge that only remembers; rrweb runs in the page with its defaults. Script time is processor
time from the browser's trace: every call into the recorder's own script, with what it forces (style, layout). The
longest task is the most that the recorder's script used in one task of the page's main thread. rrweb's events are
turned to JSON after the measurement, ours before. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page

from benchmarks.bridge_stub import collector, study
from benchmarks.browser_hands import ChromiumHands
from benchmarks.browsers import CHROMIUM_ID, EXTENSION, bare_chromium, chromium
from benchmarks.canary_page import serve_page

NODES = (900, 9_000, 90_000)
RATED = 9_000
"""The page whose ratios are the result."""

TURNS = 3
"""The rated page is measured so often, in turns, and the median counts: the machine has other work too."""

RRWEB = EXTENSION / "node_modules" / "@rrweb" / "record" / "umd" / "record.min.js"
ACTIONS = 8
"""Rounds of work: three clicks, eight keys, a way of the pointer each."""

NODES_A_ROW = 9
CATEGORIES = "devtools.timeline,disabled-by-default-devtools.timeline,toplevel"

PAGE = """<!doctype html><html lang=en><head><meta charset=utf-8><title>Tickets</title>
<style>body{{font:14px sans-serif}}td{{padding:2px 8px}}tr.done{{color:gray}}</style>{head}</head><body>
<header><h1>Tickets</h1><form id=search onsubmit="event.preventDefault()"><label>Search <input id=q name=q></label>
<label>Owner <select id=owner><option>anyone</option><option>me</option></select></label><button>Go</button></form>
</header>
<main><table aria-label="Open tickets"><tbody id=rows></tbody></table></main><script>
const made = [];
for (let at = 0; at < {rows}; at += 1) made.push(
  `<tr><td>${{at}}</td><td><a href="#t${{at}}">Ticket number ${{at}}</a></td>`
  + `<td><span>open</span></td><td><label><input type=checkbox> done</label></td></tr>`);
rows.innerHTML = made.join("");
rows.addEventListener("change", (event) => {{
  const row = event.target.closest("tr");
  row.classList.toggle("done");
  row.querySelector("span").textContent = event.target.checked ? "closed" : "open";
}});
rows.addEventListener("click", (event) => {{
  if (event.target.tagName !== "A") return;
  const row = event.target.closest("tr").cloneNode(true);
  row.querySelector("a").textContent += " (copy)";
  event.target.closest("tr").after(row);
}});
</script></body></html>"""
START = """
window.taken = [];
addEventListener("load", () => rrwebRecord.record({emit: (event) => taken.push(event)}));
"""
"""As rrweb's guide says; it stands in the same file as rrweb, so that the trace counts it."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_cost", description="What recording costs a page.")
    parser.add_argument("--nodes", type=int, nargs="*", default=NODES, help="sizes of the pages")
    parser.add_argument("--actions", type=int, default=ACTIONS, help="rounds of actions on each page")
    options = parser.parse_args()
    asyncio.run(run(options.nodes, options.actions))


async def run(sizes: list[int], actions: int) -> None:
    """Measure every size with both recorders; print progress on standard error and the result on standard output."""
    pages: dict[str, dict[str, Any]] = {}
    for nodes in sizes:
        turns = [
            {"overt": await measure_overt(nodes, actions), "rrweb": await measure_rrweb(nodes, actions)}
            for _ in range(TURNS if nodes == RATED else 1)
        ]
        pages[str(nodes)] = {name: middle([turn[name] for turn in turns]) for name in ("overt", "rrweb")}
        print(nodes, json.dumps(pages[str(nodes)]), file=sys.stderr)
    rated = pages.get(str(RATED), next(iter(pages.values())))
    ratios = {
        f"{name}_ratio": round(rated["overt"][key] / rated["rrweb"][key], 3)
        for name, key in (("script", "script_ms"), ("bytes", "bytes"))
    }
    print(json.dumps({"pages": pages, **ratios, "actions": actions}))


def middle(costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the median of each figure; of the longest task the longest."""
    medians = {key: statistics.median_low(cost[key] for cost in costs) for key in costs[0]}
    return {**medians, "longest_task_ms": max(cost["longest_task_ms"] for cost in costs)}


async def measure_overt(nodes: int, actions: int) -> dict[str, Any]:
    """Record a page with the extension."""
    with tempfile.TemporaryDirectory(prefix="overt-cost-") as folder, serve_page(page_of(nodes, ""), {}) as origin:
        home = Path(folder)
        async with collector(home) as bridge:
            bridge.state["studies"] = [study([origin], "content")]
            bridge.install(home / ".config" / "chromium", CHROMIUM_ID)
            async with chromium(home, [origin]) as browser:
                await browser.consent([origin])
                page = await browser.context.new_page()
                async with traced(browser.context, page, f"chrome-extension://{CHROMIUM_ID}/page.js") as cost:
                    await use(page, f"{origin}/tickets", actions)
                count = await page.evaluate("document.querySelectorAll('*').length")
                await page.close()
                await bridge.wait(lambda events: any(each["body"]["kind"] == "page.close" for each in events))
        size = sum(len(frame.encode()) for frame in bridge.frames)
        return {**cost, "bytes": size, "events": len(bridge.events), "nodes": count}


async def measure_rrweb(nodes: int, actions: int) -> dict[str, Any]:
    """Record a page with rrweb, as its guide says: ``record({emit})`` when the page has loaded."""
    head = "<script src=/rrweb.js></script>"
    files = {"/rrweb.js": RRWEB.read_text("utf-8") + START}
    with tempfile.TemporaryDirectory(prefix="overt-cost-") as folder, serve_page(page_of(nodes, head), files) as origin:
        # Without our extension: at install it opens a window before the page, and the browser draws what lies
        # behind it once a second.
        async with bare_chromium(Path(folder)) as context:
            page = await context.new_page()
            async with traced(context, page, f"{origin}/rrweb.js") as cost:
                await use(page, f"{origin}/tickets", actions)
            count = await page.evaluate("document.querySelectorAll('*').length")
            size = await page.evaluate("new TextEncoder().encode(JSON.stringify(taken)).length")
            events = await page.evaluate("taken.length")
        return {**cost, "bytes": size, "events": events, "nodes": count}


def page_of(nodes: int, head: str) -> bytes:
    """Write a page of a work tool with about so many elements."""
    return PAGE.format(rows=math.ceil((nodes - 20) / NODES_A_ROW), head=head).encode()


async def use(page: Page, url: str, actions: int) -> None:
    """Work with the page as a person does, only faster."""
    await page.goto(url)
    await page.wait_for_timeout(1500)
    hands = ChromiumHands(page)
    for at in range(actions):
        row = f"#rows tr:nth-child({at % 12 + 1})"
        await hands.click(f"{row} a")
        await hands.click(f"{row} input")
        await hands.click("#q")
        await hands.type("printer ")
        await hands.move(200 + at, 200, 700, 150 + at * 5)
        if at % 6 == 0:
            await page.mouse.wheel(0, 300 if at % 12 == 0 else -300)
            await page.wait_for_timeout(300)
    await page.wait_for_timeout(1500)
    if await page.evaluate("document.visibilityState") != "visible":
        raise RuntimeError("something lay before the page: its input came late, and is no measure")


@contextlib.asynccontextmanager
async def traced(context: BrowserContext, page: Page, script: str) -> AsyncIterator[dict[str, Any]]:
    """Trace the browser; at the end the mapping has the cost of one script."""
    session = await context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    done = asyncio.Event()
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.set())
    await session.send("Tracing.start", {"categories": CATEGORIES, "transferMode": "ReportEvents"})
    cost: dict[str, Any] = {}
    yield cost
    await session.send("Tracing.end")
    await done.wait()
    cost.update(cost_of(events, script))


def cost_of(events: list[dict[str, Any]], script: str) -> dict[str, Any]:
    """Add up what a script's calls took, and find the longest within one task."""
    spans: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    tasks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        thread = (event["pid"], event["tid"])
        data = event.get("args", {}).get("data", {})
        span = (event.get("ts", 0.0), event.get("ts", 0.0) + event.get("dur", 0.0))
        if event["name"] in {"FunctionCall", "EvaluateScript"} and data.get("url") == script:
            spans.setdefault(thread, []).append((*span, event.get("tdur", event.get("dur", 0.0))))
        elif event["name"] in {"RunTask", "ThreadControllerImpl::RunTask"}:
            tasks.setdefault(thread, []).append(span)
    total, longest, calls = 0.0, 0.0, 0
    for thread, found in spans.items():
        outer = outermost(found)
        calls += len(outer)
        total += sum(used for _, _, used in outer)
        for start, end in tasks.get(thread, []):
            longest = max(longest, sum(used for s, e, used in outer if s >= start and e <= end))
    return {
        "script_ms": round(total / 1000, 1),
        "longest_task_ms": round(longest / 1000, 1),
        "calls": calls,
        "ms_per_call": round(total / 1000 / max(calls, 1), 3),
    }


def outermost(spans: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Leave out spans (start, end, processor time) that lie in others."""
    kept: list[tuple[float, float, float]] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


if __name__ == "__main__":
    main()
