"""Real Firefox with the real extension, driven by WebDriver BiDi (a W3C draft) over its own WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.browser_hands import FOCUSED_PATH, KEY_S, SIGN
from benchmarks.browsers import FIREFOX_ID, STORAGE, built

FIREFOX = "firefox-esr"
START_S = 60.0
FIND_S = 10.0
PREFERENCES = {
    "extensions.webextOptionalPermissionPrompts": False,
    "extensions.autoDisableScopes": 0,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "intl.accept_languages": "en",
}
KEYS = {
    "End": "\ue010",
    "Home": "\ue011",
    "Tab": "\ue004",
    "Control": "\ue009",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "ArrowDown": "\ue015",
    "ArrowUp": "\ue013",
}


FIND = """(() => {
  const [host, ...inner] = SELECTOR.split(" ");
  const root = document.querySelector(host)?.shadowRoot;
  const within = inner.length > 0 && root ? root.querySelector(inner.join(" ")) : null;
  const found = document.querySelector(SELECTOR) ?? within;
  if (!found) return null;
  found.scrollIntoView({block: "center"});
  const box = found.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""
"""Finds an element, in an open shadow tree too, and gives its middle."""


class BidiError(RuntimeError):
    """Firefox said no."""


class Bidi:
    """One session of the protocol: commands out, answers in."""

    def __init__(self, socket: ClientConnection) -> None:
        """Speak over a connection."""
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and give its result. BidiError: if Firefox refuses."""
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        result = await asyncio.wait_for(answer, START_S)
        if result.get("type") == "error":
            raise BidiError(f"{method}: {result['error']}: {result['message']}")
        return dict(result["result"])

    async def close(self) -> None:
        """Stop reading."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame)
            waiting = self._waiting.pop(message.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)


class FirefoxHands:
    """Hands on one tab."""

    def __init__(self, bidi: Bidi, context: str) -> None:
        """Put hands on a tab."""
        self.bidi = bidi
        self.context = context

    async def click(self, selector: str, frame: str | None = None, count: int = 1) -> None:
        """Click."""
        x, y = await self._middle(selector, frame)
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        await self._pointer([{"type": "pointerMove", "x": x, "y": y}, *press * count])

    async def press(self, key: str) -> None:
        """Press one key, or one with others held, such as ``Control+c``."""
        *held, last = (KEYS.get(each, each) for each in key.split("+"))
        await self._keys([last], held)

    async def type(self, text: str) -> None:
        """Type."""
        for sign in text:
            await self._keys([sign])
            await asyncio.sleep(KEY_S)

    async def evaluate(self, script: str) -> Any:
        """Run a script."""
        return await self._run(script, self.context)

    async def select(self, selector: str, value: str, frame: str | None = None) -> None:
        """Choose by keys."""
        context = await self._frame(frame)
        steps = await self._run(
            f"(() => {{ const list = document.querySelector({json.dumps(selector)}); list.focus();"
            f" const at = [...list.options].findIndex(each => each.value === {json.dumps(value)});"
            " return at - list.selectedIndex; })()",
            context,
        )
        for _ in range(abs(int(steps))):
            await self.press("ArrowDown" if steps > 0 else "ArrowUp")

    async def move(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """Move."""
        steps = 25
        ways = [(x1 + (x2 - x1) * at / steps, y1 + (y2 - y1) * at / steps) for at in range(steps + 1)]
        await self._pointer([{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 10} for x, y in ways])

    async def focused_path(self) -> str:
        """Give the path."""
        return str(await self.evaluate(FOCUSED_PATH))

    async def is_captured(self) -> bool:
        """Look for the sign."""
        return bool(await self.evaluate(SIGN))

    async def close(self) -> None:
        """Close the tab."""
        await self.bidi.call("browsingContext.close", context=self.context)

    async def _middle(self, selector: str, frame: str | None) -> tuple[int, int]:
        """Scroll an element into view, and find its middle in the tab's viewport; waits until it is there."""
        context = await self._frame(frame)
        script = FIND.replace("SELECTOR", json.dumps(selector))
        end = asyncio.get_running_loop().time() + FIND_S
        while True:
            point = await self._run(script, context)
            if point is not None:
                break
            if asyncio.get_running_loop().time() > end:
                raise BidiError(f"{selector} is not there")
            await asyncio.sleep(0.1)
        x, y = point
        if frame:
            left, top = await self._run(
                f"(() => {{ const box = document.querySelector({json.dumps(frame)});"
                " box.scrollIntoView({block: 'center'});"
                " const at = box.getBoundingClientRect(); return [at.x + box.clientLeft, at.y + box.clientTop]; })()",
                self.context,
            )
            x, y = x + left, y + top
        return round(x), round(y)

    async def _frame(self, frame: str | None) -> str:
        """Give the context of an iframe, by its place among the page's frames."""
        if frame is None:
            return self.context
        place = await self._run(
            f"[...document.querySelectorAll('iframe')].indexOf(document.querySelector({json.dumps(frame)}))",
            self.context,
        )
        tree = await self.bidi.call("browsingContext.getTree", root=self.context)
        return str(tree["contexts"][0]["children"][int(place)]["context"])

    async def _run(self, script: str, context: str) -> Any:
        wrapped = f"Promise.resolve({script}).then((value) => JSON.stringify(value === undefined ? null : value))"
        answer = await self.bidi.call(
            "script.evaluate", expression=wrapped, target={"context": context}, awaitPromise=True, userActivation=False
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def _pointer(self, actions: Sequence[Mapping[str, Any]]) -> None:
        source = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": list(actions)}
        await self.bidi.call("input.performActions", context=self.context, actions=[source])

    async def _keys(self, keys: Sequence[str], held: Sequence[str] = ()) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        down = [{"type": "keyDown", "value": key} for key in held]
        up = [{"type": "keyUp", "value": key} for key in held]
        source = {"type": "key", "id": "keyboard", "actions": [*down, *actions, *up]}
        await self.bidi.call("input.performActions", context=self.context, actions=[source])


class Firefox:
    """A running Firefox with the extension."""

    def __init__(self, bidi: Bidi, base: str) -> None:
        """Use ``firefox``."""
        self.bidi = bidi
        self.base = base

    async def open(self, url: str, *, behind: bool = False) -> FirefoxHands:
        """Open an address in a new tab, in front of the others or ``behind`` them."""
        made = await self.bidi.call("browsingContext.create", type="tab", background=behind)
        await self.bidi.call("browsingContext.navigate", context=made["context"], url=url, wait="complete")
        return FirefoxHands(self.bidi, str(made["context"]))

    async def consent(self, origins: Sequence[str]) -> None:
        """Say yes to origins, by clicks in the extension's window."""
        hands = await self.open(f"{self.base}/welcome.html")
        for at, _ in enumerate(origins, start=1):
            yes = f"fieldset.question:nth-of-type({at}) button:nth-child(2)"
            await hands.click(yes)
            end = asyncio.get_running_loop().time() + FIND_S
            while not await hands.evaluate(
                f"document.querySelector({json.dumps(yes + '[aria-pressed=true]')}) !== null"
            ):
                if asyncio.get_running_loop().time() > end:
                    raise BidiError("the answer was not taken")
                await asyncio.sleep(0.1)
        await hands.close()

    async def in_browser(self, script: str) -> None:
        """Run a script in the browser's own window, as the browser itself."""
        tree = await self.bidi.call("browsingContext.getTree", **{"moz:scope": "chrome"})
        window = {"context": tree["contexts"][0]["context"]}
        wrapped = f"(async () => {{ {script} }})()"
        answer = await self.bidi.call("script.evaluate", expression=wrapped, target=window, awaitPromise=True)
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])

    async def storage(self) -> str:
        """Give everything that the extension keeps, as JSON."""
        hands = await self.open(f"{self.base}/options.html")
        try:
            return json.dumps(await hands.evaluate(STORAGE))
        finally:
            await hands.close()


@contextlib.asynccontextmanager
async def firefox(
    home: Path,
    *,
    environment: Mapping[str, str] = {},
    preferences: Mapping[str, Any] = {},
    any_certificate: bool = False,
) -> AsyncIterator[Firefox]:
    """Run Firefox with the extension. No site is granted yet: that is asked in the extension's window."""
    profile = home / ".mozilla" / "firefox" / "overt"
    profile.mkdir(parents=True, exist_ok=True)
    name = str(uuid.uuid4())
    chosen = {**PREFERENCES, **preferences, "extensions.webextensions.uuids": json.dumps({FIREFOX_ID: name})}
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in chosen.items()]
    (profile / "user.js").write_text("\n".join(lines))
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", str(port),
        "--remote-allow-system-access", "about:blank",
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with await _connected(port) as socket:
            bidi = Bidi(socket)
            await bidi.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": any_certificate}})
            await bidi.call("webExtension.install", extensionData={"type": "path", "path": str(built("firefox"))})
            yield Firefox(bidi, f"moz-extension://{name}")
            await bidi.close()
    finally:
        process.terminate()
        await process.wait()


async def _connected(port: int) -> ClientConnection:
    end = asyncio.get_running_loop().time() + START_S
    while True:
        try:
            return await connect(f"ws://127.0.0.1:{port}/session", max_size=None, compression=None)
        except OSError:
            if asyncio.get_running_loop().time() > end:
                raise
            await asyncio.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
