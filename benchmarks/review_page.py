"""The review page on a large store, in the real browser: how soon it is there, how it scrolls, whether all can use it.

    python -m benchmarks.review_page --events 10000000

Makes a study and joins it by the real commands, seals synthetic sessions into the real store (four files each, spread
over the last hundred days), starts `overt review` and drives Chromium. ``first_paint_ms`` is the slowest page's median
first contentful paint; ``scroll_ms_p99`` the time from a wheel's step through a full day to a painted screen on which
nothing is still being read. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from event_model._mint import STAMP
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import ManualClock, SystemClock
from event_model.events import (
    Body,
    CaptureStart,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Event,
    Origin,
    SelectionChange,
)
from event_model.ids import DocumentId, RecordId, SessionId, StudyId
from event_model.levels import Level
from event_model.segment import MAX_SEGMENT_EVENTS
from local_store.store import Store
from overt.demo.house import House
from overt.device import Device

SESSION_SEGMENTS = 4
DAYS = 100
DAY_MS = 86_400_000
STEP_MS = 220
"""A keystroke or caret move every so often: some two hours for a session."""

RUNS = 5
SCROLLS = 200
WHEEL_PX = 400
CHROMIUM = "/usr/bin/chromium"
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "writes", "it", "down", "again"]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review_page", description="Measure the review page.")
    parser.add_argument("--events", type=int, default=10_000_000, help="events in the store")
    parser.add_argument("--folder", type=Path, help="where the store is made, and found again by a second run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-review-") as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "person" / "store").exists():
            asyncio.run(fill(folder, options.events))
        print(json.dumps({"events": options.events, **measure(folder / "person")}))


async def fill(folder: Path, events: int) -> None:
    """Seal so many events into a new store."""
    house = House(folder)
    await house.found_study(hold_s=DAY_MS // 1000)
    joined = await house.join()
    os.environ.update(house.environment)
    device = Device(house.person)
    grant = device.ledger.grants(SystemClock().wall_ms())[0]
    began = time.monotonic()
    per_session = SESSION_SEGMENTS * MAX_SEGMENT_EVENTS
    sessions = -(-events // per_session)
    clock = ManualClock(SystemClock().wall_ms() - 3_600_000)
    store = await Store.open(house.person, device.keys(), clock=clock)
    bodies = list(_bodies(per_session))
    today = clock.wall_ms() - clock.wall_ms() % DAY_MS
    try:
        for number in range(sessions):
            day = number % min(DAYS, sessions)
            start = today - day * DAY_MS + (8 + 3 * (number // DAYS)) * 3_600_000
            start = start if start < clock.wall_ms() - 3 * 3_600_000 else start - DAY_MS
            count = min(per_session, events - number * per_session)
            await _session(
                store, f"{number:032x}", RecordId(joined["record"]), grant.record.pseudonym, bodies[:count], start
            )
            if number % 20 == 0:
                print(f"{number}/{sessions} sessions, {time.monotonic() - began:.0f} s", file=sys.stderr)
    finally:
        await store.close()


async def _session(
    store: Store, name: str, record: RecordId, pseudonym: Any, bodies: list[Body], start_ms: int
) -> None:
    study, session = StudyId("demo-study"), SessionId(name)
    await store.begin_session(study=study, session=session, source="lsp")
    for first in range(0, len(bodies), MAX_SEGMENT_EVENTS):
        part = bodies[first : first + MAX_SEGMENT_EVENTS]
        events = tuple(
            Event(index, start_ms + index * STEP_MS, STEP_MS if index else 0, Level.CONTENT, body)
            for index, body in enumerate(part, start=first)
        )
        about = {"study": study, "session": session, "source": "lsp", "consent_record": record, "events": events}
        await store.append(PendingBatch(STAMP, **about))  # type: ignore[arg-type]
        batch = MaskedBatch(STAMP, **about, masks=(), findings=())  # type: ignore[arg-type]
        await store.seal(batch, study_version=1, pseudonym=pseudonym)
    await store.end_session(session)


def _bodies(count: int) -> Iterator[Body]:
    """Give a session's bodies: four files, each written for some minutes at a time."""
    yield CaptureStart("Benchmark Editor", "1", "1", "utf-16")
    for document in range(1, 5):
        yield DocumentOpen(DocumentId(document), f"src/module_{document}.py", "w", "python", "")
    lengths = [0] * 5
    given = 5
    while given < count:
        document = 1 + (given // 2500) % 4
        word = WORDS[given % len(WORDS)] + (" " if given % 9 else "\n")
        for letter in word:
            yield DocumentEdit(DocumentId(document), lengths[document], 0, letter, Origin.TYPED, 95)
            lengths[document] += 1
        yield SelectionChange(DocumentId(document), lengths[document], lengths[document])
        given += len(word) + 1
        if given % 400 < len(word) + 1:
            yield DocumentSave(DocumentId(document))
            given += 1


def measure(home: Path) -> dict[str, Any]:
    """Start the page, and look at it with the browser."""
    environment = {**os.environ, "OVERT_HOME": str(home), "OVERT_KEYRING": "file"}
    server = subprocess.Popen(
        [sys.executable, "-m", "overt", "review", "--no-browser", "--json"],
        stdout=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            empty = browser.new_page()
            blank = _paints(empty, "data:text/html,<p>blank")
            empty.close()
            tab = browser.new_context(viewport={"width": 1180, "height": 900}).new_page()
            tab.goto(address)
            tab.wait_for_url(lambda url: "/open" not in url)
            tab.locator("main").wait_for()
            cold = _paint(tab)
            base = "/".join(tab.url.split("/")[:4])
            tab.goto(base + "/timeline")
            busy = str(tab.locator(".strip li a").nth(20).get_attribute("href")).rpartition("=")[2]
            pages = {
                "today": "/", "timeline": f"/timeline?day={busy}", "hour": f"/timeline?day={busy}&hour=9",
                "studies": "/studies", "study": "/study?id=demo-study", "uploads": "/uploads", "forget": "/forget",
                "settings": "/settings", "search": "/search?q=fox&span=7",
            }  # fmt: skip
            paints = {name: _paints(tab, base + path) for name, path in pages.items()}
            violations = {name: _violations(tab, base + path) for name, path in pages.items()}
            scrolls = _scroll(tab, base + pages["timeline"])
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    return {
        "first_paint_ms": max(paints.values()),
        "axe_violations": sum(violations.values()),
        "scroll_ms_p99": round(sorted(scrolls)[int(len(scrolls) * 0.99)], 1),
        "scroll_ms_p50": round(statistics.median(scrolls), 1),
        "cold_paint_ms": cold,
        "blank_paint_ms": blank,
        "paint_ms": paints,
    }


def _paint(tab: Page) -> float:
    found = tab.evaluate(
        """() => new Promise(done => new PerformanceObserver(list => {
            const paint = list.getEntriesByName("first-contentful-paint")[0];
            if (paint) done(paint.startTime);
        }).observe({type: "paint", buffered: true}))"""
    )
    return round(float(found), 1)


def _paints(tab: Page, address: str) -> float:
    times = []
    for _ in range(RUNS):
        tab.goto(address)
        times.append(_paint(tab))
    return statistics.median(times)


def _violations(tab: Page, address: str) -> int:
    tab.goto(address)
    tab.locator("html[data-ready=true]").wait_for(timeout=60_000)
    return int(Axe().run(tab).violations_count)


def _scroll(tab: Page, address: str) -> list[float]:
    """Scroll a day that was never opened in this browser, from its first paint on."""
    tab.goto(address)
    times: list[float] = tab.evaluate(
        """async ([steps, px]) => {
            const frame = () => new Promise(requestAnimationFrame);
            const waiting = () => [...document.querySelectorAll(".wait")].some(each => {
                const box = each.getBoundingClientRect();
                return box.bottom > 0 && box.top < innerHeight;
            });
            const times = [];
            for (let step = 0; step < steps; step++) {
                const down = scrollY + innerHeight < document.documentElement.scrollHeight - 2;
                const before = performance.now();
                if (down) scrollBy(0, px); else scrollTo(0, 0);
                await frame();
                while (waiting()) await frame();
                await frame();
                times.push(performance.now() - before);
            }
            return times;
        }""",
        [SCROLLS, WHEEL_PX],
    )
    return times


if __name__ == "__main__":
    main()
