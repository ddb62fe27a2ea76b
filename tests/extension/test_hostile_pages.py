"""Pages that want to talk to the bridge, in a real browser: over http and https, by every address of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.browsers import CHROMIUM
from benchmarks.canary_page import serve_page
from benchmarks.firefox import firefox
from tests.browser_bridge.bridge_world import FOCUS, PAGE, World, world
from tests.ingest_server.test_receiver_tls import make_certificate

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

Found = list[str]

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
  const framed = (url) => {
    document.body.append(Object.assign(document.createElement("iframe"), {src: url}));
    return Promise.resolve(null);
  };
  const tries = hosts.flatMap((host) => [
    socket(`ws://${host}:${port}/overt`), socket(`wss://${host}:${port}/overt`),
    socket(`ws://${host}:${port}/overt`, ["overt"]),
    read(`http://${host}:${port}/overt`), read(`http://${host}:${port}/`, {method: "POST", body: "{}"}),
    read(`http://${host}:${port}/overt?blind`, {mode: "no-cors", method: "POST", body: '{"type":"hello"}'}),
    events(`http://${host}:${port}/overt`), framed(`http://${host}:${port}/overt?framed`),
  ]);
  navigator.sendBeacon(`http://127.0.0.1:${port}/overt?beacon`, '{"type":"hello"}');
  const found = await Promise.all(tries.map(inTime));
  return found.filter((each) => each !== null);
}"""


FORMS = """(port) => {
  const forms = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "rebound.test"].map((host) => {
    const frame = Object.assign(document.createElement("iframe"), {name: `f${Math.random()}`});
    const form = Object.assign(document.createElement("form"), {
      method: "post", action: `http://${host}:${port}/overt?form`, target: frame.name, enctype: "text/plain",
    });
    form.append(Object.assign(document.createElement("input"), {name: '{"type":"hello","a":"', value: '"}'}));
    document.body.append(frame, form);
    return form;
  });
  setTimeout(() => forms.forEach((form) => form.submit()), 500);
  return null;
}"""
"""Apart, because Firefox no longer runs a page's timers once it has sent such a form."""


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


@contextlib.asynccontextmanager
async def open_ear() -> AsyncIterator[tuple[int, set[str]]]:
    """Run a server that writes down what reaches it: a page can't read the answer to a form, but it can send one."""
    heard: set[str] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode("latin-1")
        heard.add(line.rpartition(" ")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1]), heard


async def attack_in_chromium(page: str, ports: list[int], _: Path, until: Callable[[], Awaitable[None]]) -> list[Found]:
    """Open the page in Chromium, and give what it got from each port."""
    found: list[Found] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"],
        )
        for port in ports:
            tab = await chromium.new_page()
            await tab.goto(page)
            found.append(await tab.evaluate(ATTACK, port))
            await tab.evaluate(FORMS, port)
        await until()
        await chromium.close()
    return found


async def attack_in_firefox(
    page: str, ports: list[int], home: Path, until: Callable[[], Awaitable[None]]
) -> list[Found]:
    """Open the page in Firefox, and give what it got from each port."""
    found: list[Found] = []
    rebound = {"network.dns.localDomains": REBOUND}
    async with firefox(home, preferences=rebound, any_certificate=True) as running:
        for port in ports:
            hands = await running.open(page)
            found.append(list(await hands.evaluate(f"({ATTACK})({port})")))
            await hands.evaluate(f"({FORMS})({port})")
        await until()
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("attack", [attack_in_chromium, attack_in_firefox])
async def test_a_hostile_page_gets_nothing_from_the_bridge(
    world: World,
    tmp_path: Path,
    scheme: str,
    attack: Callable[[str, list[int], Path, Callable[[], Awaitable[None]]], Awaitable[list[Found]]],
) -> None:
    tls = certificate(tmp_path) if scheme == "https" else None
    page = b"<!doctype html><title>Free holidays</title><body></body>"
    async with open_door() as door, open_ear() as (ear, heard), world.client() as good:

        async def until() -> None:
            """Wait for the form at the ear: it is sent after all others."""
            async with asyncio.timeout(20):
                while "POST /overt?form" not in heard:
                    await asyncio.sleep(0.1)

        await good.events(PAGE)
        with serve_page(page, {}, tls) as origin:
            at_door, at_bridge, _ = await attack(f"{origin}/", [door, world.server.port, ear], tmp_path, until)
        await good.events(FOCUS)
    assert f"open ws://127.0.0.1:{door}/overt" in at_door
    assert f"open ws://{REBOUND}:{door}/overt" in at_door or scheme == "https"
    assert {"GET /overt?framed", "POST /overt?form", "POST /overt?blind", "POST /overt?beacon"} <= heard
    assert at_bridge == []
    kept = [type(body).__name__ for body in await world.kept()]
    assert [name for name in kept if name != "CaptureCursor"] == ["CaptureStart", "PageOpen", "PageFocus"]


__all__ = ["world"]
