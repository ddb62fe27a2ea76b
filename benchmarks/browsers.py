"""Real browsers with the real extension: Chromium through Playwright, Firefox through WebDriver BiDi.

The extension has no host permission when it is installed, and no program can press the browser's own prompt. So
Chromium starts with a copy that has the host permissions of the test, and gets the real manifest back before anything
is done: a grant stays with the extension's id. Consent is given by clicks in the extension's own window.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Worker, async_playwright

EXTENSION = Path(__file__).parents[1] / "extensions" / "browser"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ID = "fmhepkjmpkclcdnaaiehckedkjmeibll"
FIREFOX_ID = "browser@overt.invalid"
STORAGE = """(async () => {
  const opened = indexedDB.open("overt");
  const database = await new Promise((resolve) => (opened.onsuccess = () => resolve(opened.result)));
  const names = [...database.objectStoreNames];
  const rows = await Promise.all(names.map((name) => new Promise((resolve) => {
    const all = database.transaction(name).objectStore(name).getAll();
    all.onsuccess = () => resolve(all.result);
  })));
  return [await chrome.storage.local.get(), await chrome.storage.session.get(), rows];
})()"""


def built(browser: str) -> Path:
    """Give the folder of a built extension. FileNotFoundError: if it was not built."""
    folder = EXTENSION / "dist" / browser
    if not (folder / "manifest.json").exists():
        raise FileNotFoundError(f"{folder} is not built: run `make extensions`")
    return folder


def pattern_of(origin: str) -> str:
    """Give the match pattern of an origin."""
    return f"{origin}/*"


class Chromium:
    """A running Chromium with the extension, in a home of its own."""

    def __init__(self, context: BrowserContext, home: Path) -> None:
        """Use ``chromium``."""
        self.context = context
        self.home = home
        self.base = f"chrome-extension://{CHROMIUM_ID}"

    @property
    def profile(self) -> Path:
        """The browser's profile folder."""
        return self.home / ".config" / "chromium"

    async def worker(self) -> Worker:
        """Give the extension's worker, once there is one that runs."""
        while True:
            for worker in self.context.service_workers:
                if worker.url.startswith(self.base):
                    return worker
            await self.context.wait_for_event("serviceworker")

    async def window(self, name: str) -> Page:
        """Open one of the extension's own pages."""
        page = await self.context.new_page()
        await page.goto(f"{self.base}/{name}.html")
        return page

    async def consent(self, origins: Sequence[str]) -> None:
        """Say yes to origins, by clicks in the extension's window."""
        page = await self.window("welcome")
        for origin in origins:
            question = page.locator("fieldset.question", has_text=origin)
            await question.get_by_role("button").nth(1).click()
            await (
                page.locator("fieldset.question", has_text=origin)
                .locator("button[aria-pressed=true]")
                .nth(0)
                .wait_for()
            )
        await page.close()

    async def storage(self) -> str:
        """Give everything that the extension keeps, as JSON."""
        page = await self.window("options")
        try:
            return json.dumps(await page.evaluate(STORAGE))
        finally:
            await page.close()

    async def ask(self, question: dict[str, object]) -> Any:
        """Ask the worker what a window of the extension would ask."""
        page = await self.window("options")
        try:
            return await page.evaluate("question => chrome.runtime.sendMessage(question)", question)
        finally:
            await page.close()


@contextlib.asynccontextmanager
async def chromium(
    home: Path,
    origins: Sequence[str],
    *,
    headless: bool = True,
    args: Sequence[str] = (),
    grant: bool = True,
    environment: Mapping[str, str] = {},
) -> AsyncIterator[Chromium]:
    """Run Chromium with the extension, and the host permission for origins already granted."""
    folder = home / "extension"
    if not folder.exists():
        shutil.copytree(built("chromium"), folder)
        _allow_updates(home)
        if grant:
            await _grant(home, folder, origins, headless=headless)
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            **_launch(home, folder, args, environment), headless=headless
        )
        try:
            yield Chromium(context, home)
        finally:
            await context.close()


@contextlib.asynccontextmanager
async def bare_chromium(home: Path) -> AsyncIterator[BrowserContext]:
    """Run Chromium without any extension."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(**_launch(home, None, (), {}))
        try:
            yield context
        finally:
            await context.close()


def _allow_updates(home: Path) -> None:
    """Let an extension from a folder begin anew: without this the browser shuts it off when it does."""
    preferences = home / ".config" / "chromium" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True, exist_ok=True)
    preferences.write_text(json.dumps({"extensions": {"ui": {"developer_mode": True}}}))


async def _grant(home: Path, folder: Path, origins: Sequence[str], *, headless: bool) -> None:
    """Let the browser note the permission: it stays with the extension's id when the manifest no longer asks."""
    manifest = folder / "manifest.json"
    real = manifest.read_text("utf-8")
    manifest.write_text(json.dumps({**json.loads(real), "host_permissions": [pattern_of(each) for each in origins]}))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            **_launch(home, folder, (), {}), headless=headless
        )
        await Chromium(context, home).worker()
        await context.close()
    manifest.write_text(real)


def _launch(home: Path, folder: Path | None, args: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    extension = (f"--load-extension={folder}", f"--disable-extensions-except={folder}") if folder else ()
    return {
        "user_data_dir": str(home / ".config" / "chromium"),
        "executable_path": CHROMIUM,
        "env": {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANGUAGE": "en", **_display(), **environment},
        "args": ["--no-sandbox", *extension, *args],
    }


def _display() -> dict[str, str]:
    return {name: os.environ[name] for name in ("DISPLAY", "XAUTHORITY") if name in os.environ}
