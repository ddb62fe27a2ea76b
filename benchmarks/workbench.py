"""Visual Studio Code's real workbench in a browser, with the packaged extension in it, driven as a person would."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from playwright.async_api import Browser, Page, Playwright, async_playwright

ROOT = Path(__file__).parents[1]
EXTENSION = ROOT / "extensions" / "vscode"
EXTENSION_ID = "overt.overt"
CHROMIUM = "/usr/bin/chromium"

START_S = 90.0
"""The workbench and its extensions are up by then, also on a busy machine with two cores."""

WAIT_S = 30.0
STOP_S = 30.0
KEY_MS = 40
"""Between the keys of a typed text; a person takes 60 to 300."""

SETTINGS: Mapping[str, Any] = {
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "security.workspace.trust.enabled": False,
    "files.autoSave": "off",
    "editor.accessibilitySupport": "off",
    "extensions.ignoreRecommendations": True,
    "extensions.autoCheckUpdates": False,
    # By its path: the extension host takes PATH from a login shell.
    "overt.command": str(Path(sys.executable).parent / "overt"),
    # The server is this machine: see "Remote windows" in the extension's README.
    "remote.extensionKind": {EXTENSION_ID: ["workspace"]},
}


def server_script() -> Path:
    """Install the workbench where it is missing; gives its server."""
    found = subprocess.run(
        ["sh", str(ROOT / "scripts" / "code_server.sh")], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(found.stdout.strip())


def package_extension() -> Path:
    """Build the extension as it is shipped; gives the VSIX. Done anew when a source is newer."""
    vsix = EXTENSION / "dist" / "overt.vsix"
    with _lock(EXTENSION / "package.json"):
        if not (EXTENSION / "node_modules").is_dir():
            _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        sources = [EXTENSION / "package.json", *(EXTENSION / "src").glob("*"), *(EXTENSION / "media").rglob("*.md")]
        if not vsix.exists() or vsix.stat().st_mtime < max(each.stat().st_mtime for each in sources):
            _npm("run", "package", "--loglevel=error")
    return vsix


class Workbench:
    """One server process and one browser window on a folder."""

    def __init__(self, home: Path, folder: Path) -> None:
        """Use ``Workbench.start``."""
        self.home = home
        self.folder = folder
        self._port = _free_port()
        self._server: subprocess.Popen[bytes]
        self._playwright: Playwright
        self._browser: Browser
        self.page: Page

    @classmethod
    async def start(
        cls,
        home: Path,
        folder: Path,
        *,
        environment: Mapping[str, str],
        settings: Mapping[str, Any] | None = None,
        extensions: Sequence[Path] = (),
        overt: bool = True,
    ) -> Workbench:
        """Start server and browser on a folder; ``extensions`` are folders of further extensions."""
        bench = cls(home, folder)
        data, installed = home / "data", home / "extensions"
        for place in ("User", "Machine"):
            (data / place).mkdir(parents=True)
            (data / place / "settings.json").write_text(json.dumps({**SETTINGS, **(settings or {})}), "utf-8")
        installed.mkdir()
        for each in extensions:
            shutil.copytree(each, installed / each.name)
        node = shutil.which("node") or "node"
        command = [node, str(server_script()), "--host", "127.0.0.1", "--port", str(bench._port)]
        command += ["--without-connection-token", "--accept-server-license-terms", "--enable-smoke-test-driver"]
        command += ["--server-data-dir", str(data), "--user-data-dir", str(data), "--extensions-dir", str(installed)]
        variables = {**os.environ, **environment}
        if overt:
            vsix = await asyncio.to_thread(package_extension)
            subprocess.run(
                [*command, "--install-extension", str(vsix)], check=True, capture_output=True, env=variables, timeout=60
            )
        with (home / "server.log").open("wb") as log:
            bench._server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=variables)
        await bench._listening()
        bench._playwright = await async_playwright().start()
        bench._browser = await bench._playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        await bench.open_window()
        return bench

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        if error is not None:
            with contextlib.suppress(Exception):
                await self.shot(self.home / "failed.png")
        await self.close()

    async def open_window(self) -> None:
        """Open a browser window on the folder and wait until the Explorer shows it."""
        context = await self._browser.new_context(
            viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
        )
        self.page = await context.new_page()
        self.page.set_default_timeout(WAIT_S * 1000)
        await self.page.goto(f"http://127.0.0.1:{self._port}/?folder={self.folder}")
        row = ".explorer-folders-view .monaco-list-row"
        await self.page.wait_for_selector(row, timeout=START_S * 1000)

    async def close_window(self) -> None:
        """Close the window, as a person closes the tab."""
        await self.page.context.close()

    async def close(self) -> None:
        """End the browser and the server, and wait for the sidecars: what they were told is then on the disk."""
        sidecars = self.sidecars()
        await self._browser.close()
        await self._playwright.stop()
        self._server.terminate()
        try:
            await asyncio.to_thread(self._server.wait, 20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        _, left = await asyncio.to_thread(psutil.wait_procs, sidecars, STOP_S)
        if left:
            raise AssertionError(f"{len(left)} sidecars outlived their editor by {STOP_S:.0f} s")

    # --- as a person

    async def press(self, *keys: str) -> None:
        """Press keys, each by its name (``Control+s``)."""
        for key in keys:
            await self.page.keyboard.press(key)
            await asyncio.sleep(KEY_MS / 1000)

    async def type(self, text: str, *, delay_ms: float = KEY_MS) -> None:
        """Type a text."""
        await self.page.keyboard.type(text, delay=delay_ms)

    async def command(self, name: str) -> None:
        """Run a command from the palette, by its full title."""
        await self.press("F1")
        box = self.page.locator(".quick-input-widget input[type='text']").first
        await box.wait_for(state="visible")
        await box.fill(f">{name}")
        row = self.page.locator(".quick-input-list .monaco-list-row").first
        await row.locator(".label-name", has_text=name.rsplit(": ", maxsplit=1)[-1]).first.wait_for()
        await self.press("Enter")

    async def open_file(self, name: str) -> None:
        """Open a file of the folder with the Explorer, and put the caret into it."""
        row = self.page.locator(f'.explorer-folders-view .monaco-list-row[aria-label^="{name}"]').first
        await row.dblclick()
        await self.page.locator(f'.tabs-container .tab.active[data-resource-name="{name}"]').wait_for()
        await self.focus()

    async def focus(self) -> None:
        """Put the focus into the editor in front, without moving its caret."""
        await self.command("View: Focus Active Editor Group")
        await asyncio.sleep(0.3)

    async def save(self, path: Path) -> None:
        """Save the file in front, and wait until it has come to the disk."""
        before = _stamp(path)
        await self.press("Control+s")
        await self.until(lambda: _stamp(path) != before, f"{path.name} was not saved")

    async def answer(self, text: str) -> None:
        """Fill in the input box that is asked in, and press Enter."""
        await asyncio.sleep(0.5)  # the palette that led here is on its way out
        box = self.page.locator(".quick-input-widget input[type='text']").first
        await box.wait_for(state="visible")
        await box.fill(text)
        await self.press("Enter")

    async def pick(self, text: str) -> None:
        """Click the row of the open list that has a text."""
        await self.page.locator(".quick-input-list .monaco-list-row", has_text=text).first.click()

    async def shot(self, path: Path) -> None:
        """Take a picture of the window."""
        await self.page.screenshot(path=path)

    async def sign(self) -> str:
        """Read the sign in the status bar; empty when there is none."""
        item = self.page.locator('[id="overt.overt.overt.sign"]')
        return (await item.inner_text()).strip() if await item.count() else ""

    async def sign_says(self, words: str, within_s: float = WAIT_S) -> None:
        """Wait until the sign says something. AssertionError: if it does not."""
        last = ""

        async def says() -> bool:
            nonlocal last
            last = await self.sign()
            return last == f"overt: {words}"

        await self.until(says, lambda: f"the sign says {last!r}, not {words!r}", within_s)

    async def until(
        self,
        holds: Callable[[], bool | Awaitable[bool]],
        otherwise: str | Callable[[], str],
        within_s: float = WAIT_S,
    ) -> None:
        """Wait until something holds. AssertionError: if it does not within the time."""
        end = asyncio.get_running_loop().time() + within_s
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
            await asyncio.sleep(0.05)

    # --- processes

    def sidecars(self) -> list[psutil.Process]:
        """Give the sidecars that run below the server."""
        below = psutil.Process(self._server.pid).children(recursive=True)
        return [each for each in below if _is_sidecar(each)]

    async def _listening(self) -> None:
        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._port)) == 0

        await self.until(listens, lambda: (self.home / "server.log").read_text("utf-8", "replace"), START_S)


def _is_sidecar(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        line = process.cmdline()
        return "lsp" in line[1:] and any("overt" in part for part in line)
    return False


def _npm(*arguments: str) -> None:
    ran = subprocess.run(["npm", *arguments], cwd=EXTENSION, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"npm {arguments[0]} failed: {ran.stdout}{ran.stderr}")


@contextlib.contextmanager
def _lock(path: Path) -> Any:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
