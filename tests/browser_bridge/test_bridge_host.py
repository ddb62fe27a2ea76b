"""The native messaging host: a real process that starts a real bridge."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from browser_bridge.gatekeeper import CHROMIUM_ID, FIREFOX_ID
from browser_bridge.host import MAX_REQUEST_BYTES
from browser_bridge.introduction import BROWSERS, introduce, introduction, is_introduced, take_back
from browser_bridge.papers import Papers
from event_model.keys import Secret
from event_model.page_events import PageFocus
from tests.browser_bridge.bridge_world import ORIGIN, PAGE, PROFILE, SITE, Client, World

FIREFOX_ORIGIN = "moz-extension://01234567-89ab-cdef-0123-456789abcdef"


def call(launcher: Path, message: dict[str, Any], *arguments: str) -> dict[str, Any]:
    data = json.dumps(message).encode()
    ran = subprocess.run(
        [str(launcher), *arguments],
        input=struct.pack("=I", len(data)) + data,
        capture_output=True,
        timeout=60,
        check=True,
    )
    (length,) = struct.unpack("=I", ran.stdout[:4])
    assert len(ran.stdout) == 4 + length
    return dict(json.loads(ran.stdout[4:]))


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    plan = introduction(
        "chromium", home=tmp_path / "home", user_home=tmp_path, python=sys.executable, platform=sys.platform
    )
    introduce(plan)
    return plan.launcher_path


def connect_message(origin: str = ORIGIN) -> dict[str, Any]:
    return {"type": "connect", "profile": PROFILE, "origin": origin}


@pytest.mark.system
async def test_host_starts_one_bridge_and_introduces_the_extension(tmp_path: Path, launcher: Path) -> None:
    home = tmp_path / "home"
    first = call(launcher, connect_message(), f"{ORIGIN}/")
    try:
        second = call(launcher, connect_message(), f"{ORIGIN}/")
        assert first == second
        address = Papers(home).address()
        assert address is not None
        import base64

        secret = Secret(base64.urlsafe_b64decode(first["secret"] + "="))
        async with connect(f"ws://127.0.0.1:{first['port']}/overt", origin=ORIGIN, compression=None) as socket:  # type: ignore[arg-type]
            ready = await Client(socket, first["port"]).shake_hands(secret)
        assert ready["state"]["capture"] == "off"
        assert [each["code"] for each in ready["state"]["reasons"]] == ["no-consent"]
    finally:
        stop(home)


def stop(home: Path) -> None:
    address = Papers(home).address()
    if address is not None:
        os.kill(address.pid, signal.SIGTERM)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                os.kill(address.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        raise AssertionError("the bridge did not end")


@pytest.mark.system
async def test_bridge_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    world = World(tmp_path / "home")
    world.join()
    acked, total, rounds = 0, 0, 6
    for turn in range(rounds):
        told = call(launcher, connect_message(), f"{ORIGIN}/")
        secret = Secret(base64.urlsafe_b64decode(told["secret"] + "="))
        async with connect(f"ws://127.0.0.1:{told['port']}/overt", origin=ORIGIN, compression=None) as socket:  # type: ignore[arg-type]
            client = Client(socket, told["port"])
            await client.shake_hands(secret)
            fields = {key: PAGE[key] for key in PAGE if key != "kind"}
            await client.send({"type": "pages", "pages": [{"page": "p1", "url": SITE, "open": fields}]})
            sent = acked
            # What was not acknowledged goes again, then more; the bridge is killed somewhere in between.
            while sent < total + 60:
                focus = [{"kind": "page.focus", "focused": True, "visible": bool(at % 2)} for at in range(10)]
                await client.events(*focus, first=sent + 1, ack=False)
                sent += 10
            total = sent
            with contextlib.suppress(ConnectionClosed):
                for _ in range(turn):
                    acked = (await client.receive("ack"))["seq"]
                if turn == rounds - 1:
                    while acked < total:
                        acked = (await client.receive("ack"))["seq"]
            address = world.papers.address()
            assert address is not None
            os.kill(address.pid, signal.SIGKILL)
        while Path(f"/proc/{address.pid}").exists() and _state(address.pid) != "Z":
            time.sleep(0.01)
    kept = [body for body in await world.kept() if isinstance(body, PageFocus)]
    assert len(kept) == total
    assert [body.visible for body in kept] == [bool(at % 2) for at in range(total)]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize(
    ("origin", "arguments"),
    [
        ("chrome-extension://" + "a" * 32, ("chrome-extension://" + "a" * 32 + "/",)),
        (ORIGIN, ("chrome-extension://" + "a" * 32 + "/",)),
        (ORIGIN, ()),
        (FIREFOX_ORIGIN, ("/x/manifest.json", "other@example.org")),
        ("https://evil.example", (FIREFOX_ID,)),
    ],
)
@pytest.mark.system
def test_host_hands_nothing_to_another_caller(
    tmp_path: Path, launcher: Path, origin: str, arguments: tuple[str, ...]
) -> None:
    told = call(launcher, connect_message(origin), *arguments)
    assert told["type"] == "error"
    assert told["code"] == "caller-unknown"
    assert Papers(tmp_path / "home").address() is None


CUT = struct.pack("=I", 500) + json.dumps(connect_message()).encode()[:40]
LONG = struct.pack("=I", MAX_REQUEST_BYTES + 1) + json.dumps(connect_message()).encode().ljust(MAX_REQUEST_BYTES + 1)
"""A request as it should be but for the white space behind it: only its length is wrong."""


@pytest.mark.parametrize(
    "data", [b"", b"\0", struct.pack("=I", 0), struct.pack("=I", 1 << 30), struct.pack("=I", 2) + b"{]", CUT, LONG]
)
@pytest.mark.system
def test_host_answers_nonsense_with_an_error(launcher: Path, data: bytes) -> None:
    ran = subprocess.run([str(launcher), f"{ORIGIN}/"], input=data, capture_output=True, timeout=60, check=True)
    assert json.loads(ran.stdout[4:])["code"] == "message-malformed"
    assert ran.stderr == b""


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("browser", BROWSERS)
def test_manifest_lets_overts_extension_call_and_no_other(tmp_path: Path, browser: str, platform: str) -> None:
    plan = introduction(
        browser, home=tmp_path / "it's home", user_home=tmp_path, python="/p y/python", platform=platform
    )
    manifest = json.loads(plan.manifest)
    callers = manifest.get("allowed_extensions") or manifest.get("allowed_origins")
    assert callers == ([FIREFOX_ID] if browser == "firefox" else [f"chrome-extension://{CHROMIUM_ID}/"])
    assert (manifest["type"], manifest["path"]) == ("stdio", str(plan.launcher_path))
    assert (plan.registry_key is not None) == (platform == "win32")
    assert "/p y/python" in plan.launcher


def test_introduction_is_taken_back(tmp_path: Path) -> None:
    plan = introduction("firefox", home=tmp_path / "home", user_home=tmp_path, python=sys.executable, platform="linux")
    introduce(plan)
    introduce(plan)
    assert plan.manifest_path.exists()
    assert os.access(plan.launcher_path, os.X_OK)
    take_back(plan)
    take_back(plan)
    assert not plan.manifest_path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no modes")
def test_introduction_goes_into_no_link_and_knows_who_else_could_change_it(tmp_path: Path) -> None:
    plan = introduction("chromium", home=tmp_path / "home", user_home=tmp_path, python="/python", platform="linux")
    assert not is_introduced(plan)
    introduce(plan)
    for path, text in ((plan.manifest_path, plan.manifest), (plan.launcher_path, plan.launcher)):
        assert is_introduced(plan)
        path.chmod(path.stat().st_mode | 0o022)
        assert not is_introduced(plan)
        other = tmp_path / "other"
        other.write_text(text, "utf-8")
        other.chmod(0o700)
        path.unlink()
        path.symlink_to(other)
        assert not is_introduced(plan)
        other.write_text("theirs", "utf-8")
        introduce(plan)
        assert other.read_text("utf-8") == "theirs"
    assert is_introduced(plan)
    plan.launcher_path.chmod(0o600)
    assert not is_introduced(plan)
