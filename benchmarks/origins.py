"""How well the maker of an edit is told, on a scripted session in the real Visual Studio Code, beside peers' guesses.

    python -m benchmarks.origins [--rounds 3] [--held-out [--seed N]]

Each step is done as a person, a formatter, an assistant or another program would; what the dataset says of its edits is
held against what was done. Beside it, on the same edits: WakaTime's guess (over 50 characters twice within 500 ms: an
assistant) and crowd-code's (an edit outside the lines in view: an assistant). ``--held-out`` plays another script, for
which none of the rules was written, each round in another order. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset

from benchmarks import origins_held_out
from benchmarks.workbench import ROOT, Workbench
from overt.demo.house import House

HELPER = ROOT / "tests" / "editors" / "vscode_helper"
SETTLE_S = 0.5
WAKATIME_CHARS = 50
WAKATIME_MS = 500

START = "import os\n\n\ndef first(value):\n    return value\n\n\n" + "# filler\n" * 60
BLOCK = "def pasted_function(argument):\n    return argument * 2 + argument\n"

Step = tuple[str, Callable[[Workbench, Path], Awaitable[None]]]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.origins", description="Who made an edit: how often right?"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often the script is played")
    parser.add_argument("--held-out", action="store_true", help="play the script that the rules were not written for")
    parser.add_argument("--seed", type=int, default=origins_held_out.SEED, help="the order of the held-out script")
    options = parser.parse_args()
    start, scripts = START, [STEPS] * options.rounds
    if options.held_out:
        start = origins_held_out.START
        scripts = [tuple(origins_held_out.script(options.seed + turn)) for turn in range(options.rounds)]
    with tempfile.TemporaryDirectory(prefix="overt-origins-") as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), start, scripts))))


async def measure(folder: Path, start: str, scripts: Sequence[Sequence[Step]]) -> dict[str, Any]:
    """Play the scripts one after the other, build the dataset, and compare."""
    house = House(folder)
    await house.found_study(kinds=("viewport.change", "completion.accept"))
    await house.join()
    path = house.work / "script.py"
    path.write_text(start, "utf-8")
    done: list[tuple[str, float, float]] = []
    async with await Workbench.start(
        folder / "code",
        house.work,
        environment=house.environment,
        settings={"overt.enabled": True, "editor.formatOnSave": False},
        extensions=[HELPER],
    ) as bench:
        await bench.open_file(path.name)
        await bench.sign_says("capturing")
        for turn, steps in enumerate(scripts, 1):
            for truth, step in steps:
                await asyncio.sleep(SETTLE_S)
                began = time.time()
                await step(bench, path)
                await asyncio.sleep(SETTLE_S)
                done.append((truth or "nobody", began * 1000, time.time() * 1000))
            print(f"round {turn} of {len(scripts)}", file=sys.stderr, flush=True)
    try:
        await house.start_receiver()
        await house.sync()
        await house.build()
    finally:
        await house.close()
    return compare(read_edits(house.dataset), done)


# --- the script


def keys(*names: str) -> Callable[[Workbench, Path], Awaitable[None]]:
    """Press keys."""

    async def step(bench: Workbench, path: Path) -> None:
        del path
        await bench.press(*names)

    return step


def typed(text: str, *before: str) -> Callable[[Workbench, Path], Awaitable[None]]:
    """Press keys, then type a text."""

    async def step(bench: Workbench, path: Path) -> None:
        del path
        await bench.press(*before)
        await bench.type(text)

    return step


def command(name: str) -> Callable[[Workbench, Path], Awaitable[None]]:
    """Run a command."""

    async def step(bench: Workbench, path: Path) -> None:
        del path
        await bench.command(name)

    return step


async def paste(bench: Workbench, path: Path) -> None:
    """Paste a text that was copied elsewhere."""
    del path
    await bench.page.evaluate("text => navigator.clipboard.writeText(text)", BLOCK)
    await bench.press("Control+v")


async def suggestion(bench: Workbench, path: Path) -> None:
    """Accept the suggestion that is shown."""
    del path
    await bench.page.locator(".suggest-widget .monaco-list-row", has_text="suggested_by").first.wait_for()
    await asyncio.sleep(SETTLE_S)
    await bench.press("Enter")


async def save(bench: Workbench, path: Path) -> None:
    """Save; nothing is formatted."""
    await bench.save(path)


async def on_disk(bench: Workbench, path: Path) -> None:
    """Let another program write the file."""
    del bench
    await asyncio.to_thread(path.write_text, path.read_text("utf-8") + "# from another branch\n", "utf-8")
    await asyncio.sleep(2)


STEPS: tuple[Step, ...] = (
    ("typed", typed("counter = 0", "Control+Home", "End", "Enter")),
    ("typed", keys("Enter", "Enter")),
    ("typed", keys("Backspace", "Control+Backspace")),
    ("typed", typed("if counter:")),
    ("typed", keys("Enter")),
    ("typed", typed("call(counter, [1, 2], 'text')")),
    ("typed", keys("Home", "Delete", "Delete")),
    ("typed", typed("x", "Shift+End")),
    ("undo", keys("Control+z")),
    ("redo", keys("Control+y")),
    ("typed", typed("w=1  ", "End", "Enter")),
    ("formatter", command("Format Document")),
    ("pasted", paste),
    ("undo", keys("Control+z")),
    ("redo", keys("Control+y")),
    ("typed", typed("sugg", "Control+Home", "Enter", "ArrowUp")),
    ("completion", suggestion),
    ("typed", typed("def ghost", "Enter")),
    ("completion", keys("Tab")),
    ("typed", keys("Control+/")),
    ("typed", keys("Alt+ArrowDown")),
    ("typed", keys("Control+]")),
    ("typed", keys("Control+Shift+k")),
    ("agent", command("Helper: Agent Writes Above")),
    ("agent", command("Helper: Agent Writes Below")),
    ("undo", keys("Control+z")),
    ("pasted", paste),
    ("typed", save),
    ("external", on_disk),
    ("agent", command("Helper: Agent Writes Above")),
    ("typed", typed("end", "Control+Home", "Enter", "ArrowUp")),
    ("typed", save),
)


# --- verdicts


def read_edits(dataset: Path) -> list[dict[str, Any]]:
    """Read every edit with its line and the lines that were in view."""
    documents = pyarrow.dataset.dataset(dataset / "documents").to_table().to_pylist()
    texts = {(row["session"], row["document"], row["life"]): row["initial_text"] for row in documents}
    events = pyarrow.dataset.dataset(dataset / "events").to_table().to_pylist()
    edits = []
    view = (0, 10**9)
    for row in sorted(events, key=lambda row: (row["session"], row["index"])):
        if row["kind"] == "viewport.change":
            view = (row["first_line"], row["last_line"])
        elif row["kind"] == "document.edit":
            key = (row["session"], row["document"], row["life"])
            text, at = texts[key], row["position"]
            line = text.count("\n", 0, at)
            texts[key] = text[:at] + row["inserted"] + text[at + row["deleted"] :]
            edits.append({**row, "ms": row["time"].timestamp() * 1000, "seen": view[0] <= line <= view[1]})
    return edits


def wakatime(edits: list[dict[str, Any]]) -> list[str]:
    """More than 50 characters twice within 500 ms is an assistant, else a person."""
    last = -1e18
    verdicts = []
    for edit in edits:
        large = len(edit["inserted"]) > WAKATIME_CHARS
        verdicts.append("agent" if large and edit["ms"] - last <= WAKATIME_MS else "typed")
        if large:
            last = edit["ms"]
    return verdicts


def crowd_code(edits: list[dict[str, Any]]) -> list[str]:
    """An edit outside the lines in view is an assistant's, else a person's."""
    return ["typed" if edit["seen"] else "agent" for edit in edits]


def compare(edits: list[dict[str, Any]], done: list[tuple[str, float, float]]) -> dict[str, Any]:
    """Hold each way's verdicts against what was done at that time."""
    truths = [next((truth for truth, began, ended in done if began <= edit["ms"] <= ended), None) for edit in edits]
    ways = {
        "overt": [edit["origin"] for edit in edits],
        "wakatime": wakatime(edits),
        "crowd_code": crowd_code(edits),
    }
    result: dict[str, Any] = {"edits": sum(truth is not None for truth in truths), "unplaced": truths.count(None)}
    for way, verdicts in ways.items():
        pairs = [(truth, verdict) for truth, verdict in zip(truths, verdicts, strict=True) if truth is not None]
        result[way] = score(pairs)
    wrong = [
        {"truth": truth, "said": edit["origin"], "inserted": edit["inserted"][:40], "deleted": edit["deleted"]}
        for truth, edit in zip(truths, edits, strict=True)
        if truth is not None and truth != edit["origin"]
    ]
    return {**result, "wrong": wrong[:20]}


def score(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Count truth against verdict: how many are right, by class, and how well an assistant is told from the rest."""
    matrix: dict[str, dict[str, int]] = {}
    for (truth, verdict), count in sorted(Counter(pairs).items()):
        matrix.setdefault(truth, {})[verdict] = count
    recalls = [row.get(truth, 0) / sum(row.values()) for truth, row in matrix.items()]
    return {
        "accuracy": round(sum(truth == verdict for truth, verdict in pairs) / len(pairs), 4),
        "balanced_accuracy": round(sum(recalls) / len(recalls), 4),
        "matrix": matrix,
    }


if __name__ == "__main__":
    main()
