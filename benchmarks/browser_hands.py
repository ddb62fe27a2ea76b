"""Hands on a page: what a person does with mouse and keyboard, by the browser's own trusted input."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from playwright.async_api import Page

KEY_S = 0.02
"""Between two keys: fast, but not at once."""


class Hands(Protocol):
    """A person in front of a page. ``frame`` selects the iframe that a selector is looked up in."""

    async def click(self, selector: str, frame: str | None = None, count: int = 1) -> None:
        """Click an element; ``count`` 2 and 3 are double and triple clicks."""

    async def press(self, key: str) -> None:
        """Press one key."""

    async def type(self, text: str) -> None:
        """Type into what has the focus, key by key."""

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page, as the page's own would."""

    async def select(self, selector: str, value: str, frame: str | None = None) -> None:
        """Choose an option of a list."""

    async def move(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Move the pointer from one point to another."""

    async def focused_path(self) -> str:
        """Give the structural path of what has the focus in the page's own document."""
        ...

    async def is_captured(self) -> bool:
        """Say whether the page bears the sign."""
        ...


FOCUSED_PATH = """(() => {
  let at = document.activeElement;
  const steps = [];
  for (; at && at !== document.body; at = at.parentElement) {
    let place = 1;
    for (let other = at.previousElementSibling; other; other = other.previousElementSibling) {
      if (other.localName === at.localName) place += 1;
    }
    steps.push(`${at.localName}:${place}`);
  }
  return steps.reverse().join("/");
})()"""
"""The structural path of what has the focus, found anew by counting."""

SIGN = "document.querySelector('html > div[popover=manual]') !== null"
"""The sign's host, as a page can see it."""


class ChromiumHands:
    """Hands by Playwright."""

    def __init__(self, page: Page) -> None:
        """Put hands on a page."""
        self.page = page

    async def click(self, selector: str, frame: str | None = None, count: int = 1) -> None:
        """Click."""
        place = self.page.frame_locator(frame) if frame else self.page
        await place.locator(selector).first.click(click_count=count, timeout=10_000)

    async def press(self, key: str) -> None:
        """Press."""
        await self.page.keyboard.press(key)

    async def type(self, text: str) -> None:
        """Type."""
        for sign in text:
            await self.page.keyboard.press(sign if sign != " " else "Space")
            await asyncio.sleep(KEY_S)

    async def evaluate(self, script: str) -> Any:
        """Run a script."""
        return await self.page.evaluate(script)

    async def select(self, selector: str, value: str, frame: str | None = None) -> None:
        """Choose by keys: the list's own window is no part of the page."""
        place = self.page.frame_locator(frame) if frame else self.page
        field = place.locator(selector).first
        await field.focus()
        wanted, now = await field.evaluate(
            "(list, value) => [[...list.options].findIndex(each => each.value === value), list.selectedIndex]", value
        )
        for _ in range(abs(wanted - now)):
            await self.page.keyboard.press("ArrowDown" if wanted > now else "ArrowUp")

    async def move(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Move."""
        await self.page.mouse.move(x1, y1)
        await self.page.mouse.move(x2, y2, steps=25)

    async def focused_path(self) -> str:
        """Give the path."""
        return str(await self.page.evaluate(FOCUSED_PATH))

    async def is_captured(self) -> bool:
        """Look for the sign."""
        return bool(await self.page.evaluate(SIGN))
