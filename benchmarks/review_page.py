"""The review page on a large store, in the real browser: how soon it is there, how it scrolls, whether all can use it.

    python -m benchmarks.review_page --events 10000000

Makes a study and joins it by the real commands, seals synthetic sessions into the real store (four files each, spread
over the last hundred days), starts an editor's sidecar that goes on writing, starts `overt review` and drives Chromium.
``first_paint_ms`` is the slowest first contentful paint: of the very first page after the start, or the median of a
page's visits, where minutes and films are of days that were never opened before. ``scroll_ms_p99`` is the time from a
wheel's step through a full day, also never opened before, to a painted screen on which nothing is still being read.
With ``--forget``, a file is forgotten on a copy of the store. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
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
from overt.demo.editor import did_change
from overt.demo.house import House
from overt.device import Device

SESSION_SEGMENTS = 4
DAYS = 100
DAY_MS = 86_400_000
STEP_MS = 220
"""A keystroke or caret move every so often: some two hours for a session."""

FOLDERS = 20
"""A file is one of some four sessions."""

RUNS = 5
SCROLLS = 200
WHEEL_PX = 400
FORGET_MS = 600_000
DAY_OF = "links => links.map(link => new URL(link.href).searchParams.get('day'))"
CHROMIUM = "/usr/bin/chromium"
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "writes", "it", "down", "again"]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review_page", description="Measure the review page.")
    parser.add_argument("--events", type=int, default=10_000_000, help="events in the store")
    parser.add_argument("--forget", action="store_true", help="forget a file too, and time it")
    parser.add_argument("--folder", type=Path, help="where the store is made, and found again by a second run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-review-") as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "person" / "store").exists():
            asyncio.run(fill(folder, options.events))
        found = measure(folder)
        if options.forget:
            found |= forget(folder)
        print(json.dumps({"events": options.events, **found}))


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
            named = [_in_folder(body, number % FOLDERS) for body in bodies[:count]]
            await _session(
                store, session_name(number), RecordId(joined["record"]), grant.record.pseudonym, named, start
            )
            if number % 20 == 0:
                print(f"{number}/{sessions} sessions, {time.monotonic() - began:.0f} s", file=sys.stderr)
    finally:
        await store.close()


def session_name(number: int) -> str:
    """Name the session of so many days ago."""
    return f"{number:032x}"


def _in_folder(body: Body, folder: int) -> Body:
    if not isinstance(body, DocumentOpen):
        return body
    return msgspec.structs.replace(body, path=f"src/part_{folder}/{body.path}")


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
        yield DocumentOpen(DocumentId(document), f"module_{document}.py", "w", "python", "")
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


def measure(folder: Path) -> dict[str, Any]:
    """Start the page, and look at it with the browser while an editor is at work."""
    with at_work(folder), serving(folder / "person") as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        empty = browser.new_page()
        blank = statistics.median(_paints(empty, ["data:text/html,<p>blank"] * RUNS))
        empty.close()
        tab = browser.new_context(viewport={"width": 1180, "height": 900}).new_page()
        base = enter(tab, address)
        cold = _paint(tab)
        tab.goto(base + "/timeline")
        days = [str(each) for each in tab.locator(".strip li a:has(rect:not([height='0']))").evaluate_all(DAY_OF)]
        scrolls = _scroll(tab, f"{base}/timeline?day={days[len(days) // 2]}")
        busy = days[0]
        pages = {
            "today": "/", "timeline": f"/timeline?day={busy}", "hour": f"/timeline?day={busy}&hour=9",
            "studies": "/studies", "study": "/study?id=demo-study", "uploads": "/uploads", "forget": "/forget",
            "settings": "/settings", "search": "/search?q=fox&span=7", "welcome": "/welcome", "join": "/join",
        }  # fmt: skip
        addresses = {name: [base + path] * RUNS for name, path in pages.items()}
        sessions = [session_name(number) for number in range(RUNS)]
        addresses["film"] = [f"{base}/film?session={name}&thing=file-1&from=5&to=2500" for name in sessions]
        addresses["minute"] = [f"{base}/minute?at={_noon(day)}" for day in days[-RUNS:]]
        paints = {name: round(statistics.median(_paints(tab, each)), 1) for name, each in addresses.items()}
        violations = {name: _violations(tab, each[0]) for name, each in addresses.items()}
        browser.close()
    return {
        "first_paint_ms": max(cold, *paints.values()),
        "axe_violations": sum(violations.values()),
        "scroll_ms_p99": round(sorted(scrolls)[int(len(scrolls) * 0.99)], 1),
        "scroll_ms_p50": round(statistics.median(scrolls), 1),
        "scroll_ms_max": round(max(scrolls), 1),
        "cold_paint_ms": cold,
        "blank_paint_ms": blank,
        "paint_ms": paints,
    }


def forget(folder: Path) -> dict[str, Any]:
    """Forget a file on a copy of the store, by the page; gives the seconds until it says that nothing is left."""
    with tempfile.TemporaryDirectory(prefix="overt-review-") as temporary:
        home = Path(temporary) / "person"
        shutil.copytree(folder / "person", home)
        with serving(home) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            tab = browser.new_page()
            base = enter(tab, address)
            began = time.monotonic()
            tab.goto(f"{base}/forget/sure?what=file&path=src/part_3/module_2.py")
            tab.locator(".weighed strong").wait_for(timeout=FORGET_MS)
            counted, said = time.monotonic() - began, tab.locator(".weighed strong").inner_text()
            began = time.monotonic()
            tab.locator("form[action$='/forget'] button").click()
            tab.locator(".card.good").wait_for(timeout=FORGET_MS)
            done, shown = time.monotonic() - began, tab.locator(".card.good").inner_text()
            browser.close()
    print(said, shown, sep="\n", file=sys.stderr)
    return {"count_file_s": round(counted, 1), "forget_file_s": round(done, 1)}


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Run the page; gives the address that opens it."""
    environment = {**os.environ, "OVERT_HOME": str(home), "OVERT_KEYRING": "file"}
    server = subprocess.Popen(
        [sys.executable, "-m", "overt", "review", "--no-browser", "--json"],
        stdout=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["address"]
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Have an editor's sidecar write a file, and then hold it open."""
    written, over = threading.Event(), threading.Event()

    async def work() -> None:
        house = House(folder)
        editor = await house.start_editor("Benchmark Editor")
        uri = editor.open(house.work / "at_work.py", "python", "")
        place = {"line": 0, "character": 0}
        for version in range(1, 2001):
            change = [{"range": {"start": place, "end": place}, "text": WORDS[version % len(WORDS)] + " "}]
            await editor.send([did_change(uri, version, change)])
        await editor.request("overt/flush")
        written.set()
        await asyncio.to_thread(over.wait)
        await editor.stop()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        if not written.wait(60):
            raise RuntimeError("the sidecar did not write")
        yield
    finally:
        over.set()
        thread.join()


def enter(tab: Page, address: str) -> str:
    """Open the page as the person does; gives the address of its root."""
    tab.goto(address)
    tab.wait_for_url(lambda url: "/open" not in url)
    tab.locator("main").wait_for()
    return "/".join(tab.url.split("/")[:4])


def _noon(day: str) -> int:
    return round(datetime.datetime.fromisoformat(day + "T12:00").astimezone().timestamp() * 1000)


def _paint(tab: Page) -> float:
    found = tab.evaluate(
        """() => new Promise(done => new PerformanceObserver(list => {
            const paint = list.getEntriesByName("first-contentful-paint")[0];
            if (paint) done(paint.startTime);
        }).observe({type: "paint", buffered: true}))"""
    )
    return round(float(found), 1)


def _paints(tab: Page, addresses: Sequence[str]) -> list[float]:
    times = []
    for address in addresses:
        tab.goto(address)
        times.append(_paint(tab))
    return times


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
