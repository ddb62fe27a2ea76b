"""Pages that want to talk to the bridge, in a real browser: over http and https, by every address of this machine."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.browsers import CHROMIUM
from benchmarks.canary_page import serve_page
from tests.browser_bridge.bridge_world import FOCUS, PAGE, World, world
from tests.ingest_server.test_receiver_tls import make_certificate

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

REBOUND = "rebound.test"
"""A name of the attacker's that suddenly leads to this machine."""

ATTACK = """async (port) => {
  const hosts = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "rebound.test"];
  const inTime = (work) => Promise.race([work, new Promise((done) => setTimeout(() => done(null), 4000))]);
  const socket = (url, protocols) => new Promise((done) => {
    try {
      const made = new WebSocket(url, protocols);
      made.onopen = () => { made.send('{"type":"hello"}'); done(`open ${url}`); };
      made.onclose = made.onerror = () => done(null);
    } catch { done(null); }
  });
  const read = async (url, options) => {
    try {
      const answer = await fetch(url, options);
      return answer.type === "opaque" ? null : `read ${url}`;
    } catch { return null; }
  };
  const events = (url) => new Promise((done) => {
    try {
      const made = new EventSource(url);
      made.onopen = () => done(`events ${url}`);
      made.onerror = () => { made.close(); done(null); };
    } catch { done(null); }
  });
  const framed = (url, post) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = `f${Math.random()}`;
    frame.onload = () => {
      try { done(frame.contentDocument.URL.startsWith("http") ? `framed ${url}` : null); } catch { done(null); }
    };
    document.body.append(frame);
    if (!post) { frame.src = url; return; }
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: url, target: frame.name, enctype: "text/plain"});
    form.append(Object.assign(document.createElement("input"), {name: '{"type":"hello","a":"', value: '"}'}));
    document.body.append(form);
    form.submit();
  });
  const tries = hosts.flatMap((host) => [
    socket(`ws://${host}:${port}/overt`), socket(`wss://${host}:${port}/overt`),
    socket(`ws://${host}:${port}/overt`, ["overt"]),
    read(`http://${host}:${port}/overt`), read(`http://${host}:${port}/`, {method: "POST", body: "{}"}),
    read(`http://${host}:${port}/overt`, {mode: "no-cors", method: "POST", body: '{"type":"hello"}'}),
    events(`http://${host}:${port}/overt`), framed(`http://${host}:${port}/overt`, false),
    framed(`http://${host}:${port}/overt`, true),
  ]);
  navigator.sendBeacon(`http://127.0.0.1:${port}/overt`, '{"type":"hello"}');
  const found = await Promise.all(tries.map(inTime));
  return found.filter((each) => each !== null);
}"""


def certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate that nobody vouches for."""
    chain, key = make_certificate(folder, "hostile.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@contextlib.asynccontextmanager
async def open_door() -> AsyncIterator[int]:
    """Run a server that lets everybody in: it shows that the attack would find a door that is open."""

    async def welcome(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(welcome, "127.0.0.1", 0) as server:
        yield int(next(iter(server.sockets)).getsockname()[1])


async def attack(page: str, ports: list[int]) -> list[list[str]]:
    """Open the page in a browser, and give what it got from each port."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"],
        )
        tab = await chromium.new_page()
        await tab.goto(page)
        found: list[list[str]] = [await tab.evaluate(ATTACK, port) for port in ports]
        await chromium.close()
        return found


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_hostile_page_gets_nothing_from_the_bridge(world: World, tmp_path: Path, scheme: str) -> None:
    tls = certificate(tmp_path) if scheme == "https" else None
    page = b"<!doctype html><title>Free holidays</title><body></body>"
    async with open_door() as control, world.client() as good:
        await good.events(PAGE)
        with serve_page(page, {}, tls) as origin:
            at_control, at_bridge = await attack(f"{origin}/", [control, world.server.port])
        await good.events(FOCUS)
    assert f"open ws://127.0.0.1:{control}/overt" in at_control
    assert f"open ws://{REBOUND}:{control}/overt" in at_control or scheme == "https"
    assert at_bridge == []
    kept = [type(body).__name__ for body in await world.kept()]
    assert [name for name in kept if name != "CaptureCursor"] == ["CaptureStart", "PageOpen", "PageFocus"]


__all__ = ["world"]
