"""What overt adds to a key in real editors, what its sidecar costs, and what peers' ways cost for the same session.

    python -m benchmarks.keystroke [--keys 2000]

Two windows of the same editor stand side by side, one with overt's plugin capturing and one without it; each key goes
to one and then, once the first shows it, to the other, in turns. For Visual Studio Code (code-server in Chromium) the
time is from the browser's key event until the text is applied, that is, until its handlers of the input have run;
``painted`` has the time to the changed line in the page, which waits for the screen's next frame and so differs by a
frame from key to key. For Neovim it is from the key's request to the redraw that shows it.

What is added is the difference of the windows' quantiles. ``interval_ms`` says within what it lies (95 %, by drawing
blocks of a hundred keys anew): where that holds zero, nothing can be told from it. ``noise_ms`` is the same figure for
the window without overt against itself, its odd keys against its even ones.
``wakeup_floor_us`` is what a process that does nothing pays for a key, in the same run: on a busy machine caches are
cold, and everything takes several times as long. The sidecar's cost is that of the dearer editor, over keys that follow
each other at a typist's pace, after those that were timed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import http.server
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pynvim

from benchmarks.workbench import Workbench
from overt.demo.house import OVERT, House

LINE = "value = compute(first, second)  # in turns "
PACE_S = 0.12
"""From one key to the next: a fast typist's."""

COST_KEYS = 200
"""Keys at that pace for the sidecar's cost."""

QUICK_PACE_S = 0.02
"""Between two keys in the same window where only their time to the screen is asked."""

BLOCK_KEYS = 100
"""Keys of one window that are drawn together for an interval: a burst of somebody else's work hits them together."""

PARTS = {"p50": 0.5, "p99": 0.99}

DRAWS = 1000
"""How often blocks are drawn anew for an interval."""

PEER_HEARTBEATS = 50
STARTS = 5
IDLE_S = 5.0
REDRAW_S = 5.0

WATCH_KEYS = """
() => {
  const keys = (window.keyTimes = { applied: [], painted: [] });
  const pressed = [];
  let last = 0;
  window.addEventListener("keydown", (event) => { pressed.push((last = event.timeStamp)); }, true);
  // At the window, behind the editor's own listeners: the text is in its model by then.
  window.addEventListener("input", (event) => {
    if (event.target.closest(".monaco-editor")) keys.applied.push(performance.now() - last);
  });
  new MutationObserver(() => {
    const now = performance.now();
    for (const at of pressed.splice(0)) keys.painted.push(now - at);
  }).observe(document.querySelector(".editor-instance .view-lines"), {
    subtree: true, childList: true, characterData: true,
  });
}
"""

PAINTED = "(number) => window.keyTimes.painted.length > number"
POLL_MS = 5

Pair = tuple[list[float], list[float]]
"""Milliseconds of each key in the window with overt, and in the one without."""

PLUGIN = Path(__file__).parents[1] / "extensions" / "neovim"

ENABLE = """
vim.g.overt_command = ...
vim.cmd("runtime plugin/overt.lua | Overt enable")
return vim.wait(20000, function() return require("overt.buffer").captured(vim.api.nvim_get_current_buf()) end, 10)
"""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keystroke", description="Time keys in real editors.")
    parser.add_argument("--keys", type=int, default=2000, help="keys that are timed in each window")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overt-keystroke-") as folder:
        result = asyncio.run(measure(Path(folder), options.keys))
    print(json.dumps(result))


async def measure(folder: Path, keys: int) -> dict[str, Any]:
    """Measure everything in one run."""
    house = House(folder)
    await house.found_study(kinds=("viewport.change", "completion.accept"))
    await house.join()
    sidecar = await measure_sidecar(house)
    say(json.dumps(sidecar))
    cost: dict[str, float] = {}
    times: dict[str, Pair] = {}
    times["neovim"], cost["neovim"] = await asyncio.to_thread(time_neovim, house, keys)
    say(json.dumps({**summary(times["neovim"]), "cpu": cost["neovim"]}))
    times["vscode"], painted, cost["vscode"], rss = await time_vscode(house, keys)
    say(json.dumps({**summary(times["vscode"]), "cpu": cost["vscode"]}))
    return {
        "added_ms_p50": {editor: added(*pair, 0.5) for editor, pair in times.items()},
        "added_ms_p99": {editor: added(*pair, 0.99) for editor, pair in times.items()},
        "interval_ms": {
            editor: {name: interval(*pair, part) for name, part in PARTS.items()} for editor, pair in times.items()
        },
        "noise_ms": {
            editor: {name: noise(plain, part) for name, part in PARTS.items()} for editor, (_, plain) in times.items()
        },
        "painted": {"vscode": {**summary(painted), "noise_ms": noise(painted[1], 0.99)}},
        "added_ms_median_of_pairs": {
            editor: round(statistics.median(a - b for a, b in zip(*pair, strict=True)), 3)
            for editor, pair in times.items()
        },
        "editors": {editor: summary(pair) for editor, pair in times.items()},
        "sidecar_cpu_us_per_keystroke": max(cost.values()),
        "sidecar_cpu_us": cost,
        "sidecar_rss_mb": rss,
        "wakeup_floor_us": round(await asyncio.to_thread(wakeup_floor_us), 1),
        **sidecar,
        "peers": measure_peers(),
    }


# --- the sidecar alone


async def measure_sidecar(house: House) -> dict[str, Any]:
    """Start it a few times; then leave one alone and see what it takes."""
    starts: list[float] = []
    rss, idle = 0, 0.0
    for _ in range(STARTS):
        began = time.perf_counter()
        editor = await house.start_editor("keystroke")
        starts.append((time.perf_counter() - began) * 1000)
        await editor.request("overt/flush")
        process = psutil.Process(editor.pid)
        rss = process.memory_info().rss
        if len(starts) == STARTS:
            await asyncio.sleep(1)
            before = running_us(process)
            await asyncio.sleep(IDLE_S)
            idle = (running_us(process) - before) / IDLE_S
        await editor.stop()
    return {
        "start_ms": round(statistics.median(starts)),
        "rss_mb_idle": round(rss / 1e6, 1),
        "idle_cpu_us_per_s": round(idle, 1),
    }


def running_us(process: psutil.Process) -> float:
    """Microseconds on a processor so far, all threads: finer than the ticks of ``cpu_times``."""
    total = 0
    for thread in (Path("/proc") / str(process.pid) / "task").iterdir():
        with contextlib.suppress(OSError):
            total += int((thread / "schedstat").read_text("ascii").split()[0])
    return total / 1000


FLOOR = """
import asyncio, os
async def main():
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(0, lambda: os.read(0, 4096) or done.set())
    await done.wait()
asyncio.run(main())
"""


def wakeup_floor_us(wakeups: int = 100) -> float:
    """What it costs a Python process on this machine, now, to be woken by a key and do nothing with it."""
    with subprocess.Popen([sys.executable, "-c", FLOOR], stdin=subprocess.PIPE) as idle:
        if idle.stdin is None:
            raise SystemExit("the process has no input")
        process = psutil.Process(idle.pid)
        time.sleep(1)
        before = running_us(process)
        for _ in range(wakeups):
            os.write(idle.stdin.fileno(), b"key")
            time.sleep(PACE_S)
        return (running_us(process) - before) / wakeups


# --- Visual Studio Code


async def time_vscode(house: House, keys: int) -> tuple[Pair, Pair, float, float]:
    """Type into two workbenches in turns; gives times to applied and to painted, CPU us a key, and memory in MB."""
    plain = house.folder / "plain"
    plain.mkdir()
    for place in (house.work, plain):
        (place / "typed.txt").write_text("\n", "utf-8")
    settings = {"overt.enabled": True, "editor.quickSuggestions": "off", "editor.wordBasedSuggestions": "off"}
    async with (
        await Workbench.start(
            house.folder / "with", house.work, environment=house.environment, settings=settings
        ) as with_overt,
        await Workbench.start(
            house.folder / "without", plain, environment={}, settings=settings, overt=False
        ) as without,
    ):
        for bench in (with_overt, without):
            await bench.open_file("typed.txt")
        await with_overt.sign_says("capturing")
        for bench in (with_overt, without):
            await bench.press("Control+End")
            await bench.type("warming up ")
            await bench.page.evaluate(WATCH_KEYS)
        for number in range(keys):
            for bench in (with_overt, without) if number % 2 else (without, with_overt):
                await bench.page.keyboard.press(key_of(number))
                await bench.page.wait_for_function(PAINTED, arg=number, polling=POLL_MS)
                await asyncio.sleep(QUICK_PACE_S / 2)
        found = [await bench.page.evaluate("() => window.keyTimes") for bench in (with_overt, without)]
        [sidecar] = with_overt.sidecars()
        before, began = running_us(sidecar), time.perf_counter()
        for number in range(COST_KEYS):
            await with_overt.page.keyboard.press(key_of(number))
            await asyncio.sleep(max(0.0, began + (number + 1) * PACE_S - time.perf_counter()))
        await asyncio.sleep(1)
        cost = round((running_us(sidecar) - before) / COST_KEYS, 1)
        rss = round(sidecar.memory_info().rss / 1e6, 1)
    seen = {len(times) for window in found for times in window.values()}
    if seen != {keys}:
        raise SystemExit(f"of {keys} keys, {sorted(seen)} were seen")
    applied, painted = ((found[0][name], found[1][name]) for name in ("applied", "painted"))
    return applied, painted, cost, rss


def key_of(number: int) -> str:
    """Give the key to press: a line of code, again and again."""
    at = number % (len(LINE) + 1)
    return "Enter" if at == len(LINE) else LINE[at]


# --- Neovim


def time_neovim(house: House, keys: int) -> tuple[Pair, float]:
    """Type into two Neovims in turns; then, for the sidecar's cost, at a typist's pace into the one that it watches."""
    os.environ.update({**house.environment, "XDG_DATA_HOME": str(house.folder / "nvim-data")})
    windows = [open_neovim(house.work / f"nvim-{name}.txt") for name in ("with", "without")]
    times: Pair = ([], [])
    for window in windows:
        window.ui_attach(80, 24, rgb=True, ext_linegrid=True)
    if not windows[0].exec_lua(ENABLE, list(OVERT)):
        raise SystemExit("the sidecar does not capture in Neovim")
    for window in windows:
        window.input("i")
    for number in range(keys + 10):
        for which in (0, 1) if number % 2 else (1, 0):
            taken = time_redraw(windows[which], vim_key(number))
            if number >= 10:
                times[which].append(taken)
            time.sleep(QUICK_PACE_S / 2)
    time.sleep(1)
    sidecar = psutil.Process(windows[0].exec_lua("return require('overt.sidecar').pid()"))
    before, began = running_us(sidecar), time.perf_counter()
    for number in range(COST_KEYS):
        windows[0].input(vim_key(number))
        time.sleep(max(0.0, began + (number + 1) * PACE_S - time.perf_counter()))
    time.sleep(1)
    cost = round((running_us(sidecar) - before) / COST_KEYS, 1)
    for window in windows:
        with contextlib.suppress(OSError, EOFError):
            window.command("qall!")
        window.close()
    return times, cost


def vim_key(number: int) -> str:
    """Give the key to press, in Vim's notation."""
    return {"Enter": "<CR>", " ": "<Space>"}.get(key_of(number), key_of(number))


def open_neovim(path: Path) -> Any:
    """Start a Neovim on a file, without any configuration; the plugin is there, and starts nothing by itself."""
    found = shutil.which("nvim")
    if found is None:
        raise SystemExit("Neovim is missing. Install it: apt-get install --no-install-recommends neovim")
    argv = [found, "--embed", "--clean", "-n", "-i", "NONE", "--headless", "--cmd", f"set runtimepath^={PLUGIN}"]
    nvim = pynvim.attach("child", argv=argv)
    nvim.command(f"cd {path.parent} | edit {path.name}")
    return nvim


def time_redraw(nvim: Any, key: str) -> float:
    """Press a key and wait for the redraw that shows it; gives milliseconds."""
    began = time.perf_counter()
    nvim.input(key)
    while time.perf_counter() - began < REDRAW_S:
        message = nvim.next_message()
        names = [update[0] for update in message[2]] if message[1] == "redraw" else []
        if "grid_line" in names or "grid_scroll" in names:
            return (time.perf_counter() - began) * 1000
    raise SystemExit(f"Neovim did not show {key!r}")


# --- peers


def measure_peers() -> dict[str, Any]:
    """What one heartbeat costs in the two usual ways, whoever answers it; overt's figure is for every key."""
    return {
        "wakatime": {
            "way": "a process per heartbeat (here one that does nothing, the least that it can be)",
            "cpu_us_per_heartbeat": round(cost_of(lambda: subprocess.run(["true"], check=True)), 1),
            "sees": "one heartbeat per file and two minutes, and each save: no edits",
        },
        "activitywatch": {
            "way": "an HTTP request per heartbeat to a server on this machine (both sides counted)",
            "cpu_us_per_heartbeat": round(cost_of_requests(), 1),
            "sees": "one heartbeat per second: file, project and language, no edits",
        },
    }


def cost_of(act: Callable[[], object]) -> float:
    """CPU microseconds of doing something, children included."""

    def used() -> float:
        found = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in found)

    act()
    before = used()
    for _ in range(PEER_HEARTBEATS):
        act()
        time.sleep(0.02)
    return (used() - before) / PEER_HEARTBEATS * 1e6


def cost_of_requests() -> float:
    """CPU microseconds of a heartbeat sent to an HTTP server in this process."""

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    body = json.dumps(
        {"timestamp": "2026-01-01T00:00:00Z", "duration": 0, "data": {"file": "a.py", "language": "python"}}
    )

    def beat() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
        connection.request(
            "POST", "/api/0/buckets/b/heartbeat?pulsetime=20", body, {"Content-Type": "application/json"}
        )
        connection.getresponse().read()
        connection.close()

    try:
        return cost_of(beat)
    finally:
        server.shutdown()


# --- figures


def quantile(values: list[float], part: float) -> float:
    """Give a quantile by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def added(first: list[float], second: list[float], part: float) -> float:
    """How much later a quantile of the keys is in the first window, in ms."""
    return round(quantile(first, part) - quantile(second, part), 3)


def interval(first: list[float], second: list[float], part: float) -> tuple[float, float]:
    """Within what that lies with 95 %, by the bootstrap over blocks (Efron 1979); it draws the same each time."""
    blocks, draw = range(0, len(first), BLOCK_KEYS), random.Random(1)
    found: list[float] = []
    for _ in range(DRAWS):
        starts = draw.choices(blocks, k=len(blocks))
        one, other = ([key for at in starts for key in each[at : at + BLOCK_KEYS]] for each in (first, second))
        found.append(added(one, other, part))
    return quantile(found, 0.025), quantile(found, 0.975)


def noise(times: list[float], part: float) -> float:
    """The same of one window against itself: its odd keys against its even ones."""
    return added(times[1::2], times[0::2], part)


def summary(pair: Pair) -> dict[str, float]:
    """The quantiles of both windows, in ms."""
    return {
        f"{name}_p{round(part * 100)}": round(quantile(times, part), 3)
        for name, times in zip(("with", "without"), pair, strict=True)
        for part in (0.5, 0.9, 0.99)
    } | {"keys": len(pair[0])}


def say(words: str) -> None:
    """Show progress."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
