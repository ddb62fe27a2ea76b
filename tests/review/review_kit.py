"""What the page's tests share: a store filled by the real sidecar, the real server, the real browser."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from overt.demo.editor import ScriptedEditor, did_change
from overt.demo.house import House
from overt.demo.trace import Trace, Transaction, content_changes

T = TypeVar("T")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SECRET = "AKIA" + "Q3EGRTZV7XWLN5KM"
MAIL = "jane.doe@acme-corp.com"
BILLING = f'# billing\napi_key = "{SECRET}"\nowner = "{MAIL}"\n\ndef total(items):\n    return sum(items)\n'
HOSTILE = '"><img src=x onerror=alert(1)>'
HOSTILE_TEXT = "</code><script>window.hacked = 1</script><img src=//evil.example/x onerror=window.hacked=1>\n"
NOTES = "plain notes\nsecond line\n"


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a thread of its own: the browser's driver keeps this one's loop."""
    found: list[T] = []
    failed: list[BaseException] = []

    def go() -> None:
        try:
            found.append(asyncio.run(work()))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def typed(text: str) -> Trace:
    return Trace("", text, tuple(Transaction(((at, 0, letter),)) for at, letter in enumerate(text)))


def keys(uri: str, trace: Trace) -> list[bytes]:
    changes = content_changes(trace.startContent, trace.txns)
    return [did_change(uri, version, change) for version, change in enumerate(changes, start=1)]


async def write(editor: ScriptedEditor, path: Path, text: str, language: str = "python") -> str:
    uri = editor.open(path, language, "")
    await editor.send(keys(uri, typed(text)))
    editor.save(uri)
    return uri


async def fill(folder: Path) -> None:
    """Make a house: a study with a day's hold, joined, and two editors' sessions with secrets and hostile names."""
    house = House(folder)
    await house.found_study(hold_s=86_400)
    await house.join()
    editor = await house.start_editor("Neovim")
    await write(editor, house.work / "billing.py", BILLING)
    await write(editor, house.work / "notes.md", NOTES, "markdown")
    await editor.stop()
    editor = await house.start_editor("<b>Editor</b>")
    await write(editor, house.work / HOSTILE, HOSTILE_TEXT, "html")
    await editor.stop()
    await house.close()


class Page:
    """A running `overt review`."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        environment = {**os.environ, "OVERT_HOME": str(home), "OVERT_KEYRING": "file", "LANG": "en_US.UTF-8"}
        environment["HOME"] = str(home.parent)  # a timer that is set here is not this machine's
        self.process = subprocess.Popen(
            [sys.executable, "-m", "overt", "review", "--no-browser", "--json", *arguments],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = str(json.loads(self.process.stdout.readline())["address"])
        self.origin = self.address.split("/open")[0]
        self.port = int(self.origin.rpartition(":")[2])

    def close(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def receiver(house: Path) -> Iterator[None]:
    """Run the study's receiver at the address that its manifest names."""
    study = house / "demo-study"
    url = json.loads((study / "study.json").read_text("utf-8"))["payload"]["receiver"]["url"]
    with subprocess.Popen(
        [sys.executable, "-m", "overt", "serve", "--study", str(study / "study.json"),
         "--key", str(study / "receiver.key"), "--data", str(house / "received"),
         "--port", url.rpartition(":")[2], "--json"],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield
        finally:
            process.terminate()


def overt(home: Path, *arguments: str) -> Any:
    """Run a command of the same installation; gives its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "overt", *arguments],
        env={**os.environ, "OVERT_HOME": str(home), "OVERT_KEYRING": "file"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout) if "--json" in arguments else done.stdout
