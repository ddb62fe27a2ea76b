"""A second script for ``benchmarks.origins``: other ways to edit, other texts, in an order that a seed decides.

None of the rules was written with it in view. Each step goes to a place of its own first, so that any order will do.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from benchmarks.workbench import Workbench

SETTLE_S = 0.4

START = (
    """import json
import math


class Ledger:
    def __init__(self, owner):
        self.owner = owner
        self.entries = []

    def add(self, amount, note=""):
        self.entries.append((amount, note))

    def total(self):
        return math.fsum(amount for amount, _ in self.entries)


def load(path):
    with open(path) as file:
        return json.load(file)

# ledger notes follow
"""
    + 40 * "# - an entry nobody reads\n"
)

SEED = 20_250

Made = list[tuple[str, "Part"]]


class Part:
    """One act: ``keys``, ``text``, ``command``, ``accept``, ``clip`` (copied elsewhere, then pasted) or ``disk``."""

    def __init__(self, **what: str) -> None:
        ((self.kind, self.what),) = what.items()

    async def __call__(self, bench: Workbench, path: Path) -> None:
        """Do it."""
        if self.kind == "keys":
            await bench.press(*self.what.split())
        elif self.kind == "text":
            await bench.type(self.what)
        elif self.kind == "command":
            await bench.command(self.what)
        elif self.kind == "clip":
            await bench.page.evaluate("text => navigator.clipboard.writeText(text)", self.what)
            await bench.press("Control+v")
        elif self.kind == "accept":
            await bench.page.locator(".suggest-widget .monaco-list-row", has_text=self.what).first.wait_for()
            await asyncio.sleep(SETTLE_S)
            await bench.press("Tab")
        else:
            await bench.save(path)
            await asyncio.to_thread(path.write_text, self.what + path.read_text("utf-8"), "utf-8")
            await asyncio.sleep(2)


def keys(what: str) -> Part:
    """Press keys, with blanks between them."""
    return Part(keys=what)


def text(what: str) -> Part:
    """Type a text."""
    return Part(text=what)


def down(lines: int) -> Part:
    """Go to the end of a line, by keys; nothing is edited."""
    return keys("Escape Control+Home " + "ArrowDown " * lines + "End")


SCENES: tuple[Made, ...] = (
    [("", down(10)), ("typed", keys("Enter")), ("typed", text("if amount < 0: raise ValueError(note)"))],
    [("", down(13)), ("typed", text("  # in cents")), ("typed", keys("Control+Backspace Control+Backspace"))],
    [("", down(4)), ("", keys("Control+Shift+ArrowLeft Control+Shift+ArrowLeft")), ("typed", text("Book:"))],
    [
        ("", down(1)),
        ("", keys("Shift+Home")),
        ("typed", keys("Control+x")),
        ("", down(2)),
        ("pasted", keys("Control+v")),
    ],
    [("", down(6)), ("pasted", Part(clip=" or 'nobody'"))],
    [("", down(16)), ("typed", keys("Enter")), ("pasted", Part(clip="size = path.stat().st_size\n    print(size)"))],
    [
        ("", down(18)),
        ("typed", keys("Enter Enter")),
        ("pasted", Part(clip="def close(self):\n    self.entries.clear()\n")),
    ],
    [
        ("", down(7)),
        ("typed", text("; x = 1")),
        ("undo", keys("Control+z")),
        ("redo", keys("Control+y")),
        ("undo", keys("Control+z")),
    ],
    [
        ("", down(3)),
        ("typed", keys("Enter")),
        ("typed", text("total=0")),
        ("formatter", Part(command="Format Document")),
    ],
    [("", down(2)), ("typed", keys("Enter")), ("typed", text("sug")), ("completion", Part(accept="suggested_by"))],
    [("", down(2)), ("typed", keys("Enter Enter")), ("typed", text("def ghost")), ("completion", keys("Tab"))],
    [("", down(9)), ("typed", keys("Control+Shift+Alt+ArrowDown"))],
    [("", down(11)), ("typed", keys("Control+Shift+a"))],
    [("", down(8)), ("typed", keys("Control+Shift+k"))],
    [("", down(12)), ("typed", keys("Control+["))],
    [("", down(12)), ("typed", Part(command="Join Lines"))],
    [("", down(5)), ("", Part(command="Add Cursor Below")), ("typed", text("  #")), ("", keys("Escape"))],
    [("", down(14)), ("agent", Part(command="Helper: Agent Renames a Name"))],
    [("", down(14)), ("agent", Part(command="Helper: Agent Rewrites the Last Lines"))],
    [("", down(6)), ("agent", Part(command="Helper: Agent Writes Below")), ("undo", keys("Control+z"))],
    [("external", Part(disk="# generated: do not edit\n"))],
)


def script(seed: int = SEED) -> Made:
    """Give the steps in the order of a seed."""
    scenes = list(SCENES)
    random.Random(seed).shuffle(scenes)
    return [step for scene in scenes for step in scene]
