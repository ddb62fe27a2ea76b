"""Chromium as people have it, driven over its own protocol: it keeps pages to come back to and loads pages ahead.

Playwright switches both off.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.browser_hands import SIGN
from benchmarks.browsers import CHROMIUM, CHROMIUM_ID

START_S = 30.0
LOOK_S = 0.1


class Tab:
    """One tab, by a session of its own on the browser's line."""

    def __init__(self, line: ClientConnection, session: str) -> None:
        self._line = line
        self._session = session
        self._ids = itertools.count(1)

    async def call(self, method: str, *, browser: bool = False, **params: Any) -> dict[str, Any]:
        """Send a command to the tab, or to the browser, and give its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        await self._line.send(json.dumps(message if browser else {**message, "sessionId": self._session}))
        async with asyncio.timeout(START_S):
            while True:
                told = json.loads(await self._line.recv())
                if told.get("id") == number:
                    assert "error" not in told, told
                    return dict(told["result"])

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page; without a person's touch."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def goto(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    async def back(self) -> None:
        """Go back to the page before."""
        told = await self.call("Page.getNavigationHistory")
        await self.call("Page.navigateToHistoryEntry", entryId=told["entries"][told["currentIndex"] - 1]["id"])

    async def click(self, x: float, y: float) -> None:
        """Click at a point."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def until(self, holds: str) -> None:
        """Wait until something holds in the page. TimeoutError: if it does not in time."""
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(AssertionError):  # a page that goes
                    if await self.evaluate(holds):
                        return
                await asyncio.sleep(LOOK_S)

    async def until_captured(self) -> None:
        """Wait until the page bears the sign."""
        await self.until(SIGN)

    async def until_welcomed(self) -> None:
        """Wait until the extension has opened its window, as it does when it is installed: it comes to the front."""
        async with asyncio.timeout(START_S):
            while not any(each["url"].endswith("/welcome.html") for each in await self._targets()):
                await asyncio.sleep(LOOK_S)

    async def _targets(self) -> list[dict[str, Any]]:
        return list((await self.call("Target.getTargets", browser=True))["targetInfos"])

    async def end_worker(self) -> None:
        """End the extension's worker, as the browser does when it is idle."""
        for each in await self._targets():
            if each["type"] == "service_worker" and CHROMIUM_ID in each["url"]:
                await self.call("Target.closeTarget", browser=True, targetId=each["targetId"])

    async def beside(self) -> Tab:
        """Open another tab behind this one."""
        made = await self.call("Target.createTarget", browser=True, url="about:blank", background=True)
        return await _tab(self._line, made["targetId"])


async def _tab(line: ClientConnection, target: str) -> Tab:
    told = await Tab(line, "").call("Target.attachToTarget", browser=True, targetId=target, flatten=True)
    return Tab(line, told["sessionId"])


async def _first(line: ClientConnection) -> Tab:
    """Give the tab that is in front."""
    told = await Tab(line, "").call("Target.getTargets", browser=True)
    tab = await _tab(line, next(each["targetId"] for each in told["targetInfos"] if each["url"] == "about:blank"))
    await tab.call("Page.bringToFront")
    return tab


@contextlib.asynccontextmanager
async def plain_chromium(home: Path, environment: Mapping[str, str]) -> AsyncIterator[Tab]:
    """Run a Chromium in a home where the extension was granted what it needs; gives a tab."""
    profile, folder = home / ".config" / "chromium", home / "extension"
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0",
        f"--user-data-dir={profile}", f"--load-extension={folder}", f"--disable-extensions-except={folder}",
        "about:blank",
        env={"PATH": "/usr/bin:/bin", "LANGUAGE": "en", **environment, "HOME": str(home)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_S):
            while not told.exists() or len(told.read_text().splitlines()) < 2:
                await asyncio.sleep(LOOK_S)
        port, path = told.read_text().splitlines()[:2]
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None) as line:
            yield await _first(line)
            await Tab(line, "").call("Browser.close", browser=True)
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), START_S)
        if process.returncode is None:
            process.kill()
            await process.wait()
