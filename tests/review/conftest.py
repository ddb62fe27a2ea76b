"""Fixtures for the page: filled once with the real sidecar, copied for each test that changes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Page as Tab

from tests.review.review_kit import CHROMIUM, Page, fill, run


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "house"
    run(lambda: fill(folder))
    return folder


@pytest.fixture
def house(filled: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "house"
    shutil.copytree(filled, copy)
    return copy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Page]]:
    running: list[Page] = []

    def start(home: Path, *arguments: str) -> Page:
        running.append(Page(home, *arguments))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1180, "height": 900}, locale="en-US", accept_downloads=True)
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def open_page(context: BrowserContext, serve: Callable[..., Page]) -> Callable[..., tuple[Tab, str]]:
    """Start the page for a home and open it as the person does; gives the tab and the address of its root."""

    def start(home: Path, *arguments: str) -> tuple[Tab, str]:
        page = serve(home, *arguments)
        tab = context.new_page()
        tab.goto(page.address)
        tab.wait_for_url(lambda url: "/open" not in url)
        tab.locator("main").wait_for()
        return tab, page.origin + "/" + tab.url.removeprefix(page.origin + "/").split("/")[0]

    return start
