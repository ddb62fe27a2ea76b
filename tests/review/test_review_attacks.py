"""What others can do to the page: another user of the machine, a hostile page, a rebound name, hostile content."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page as Tab

from overt.review.guard import COOKIE, REFUSAL
from tests.review.review_kit import HOSTILE, Page, overt

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("review")]

Open = Callable[..., tuple[Tab, str]]


class Answer:
    def __init__(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}


def ask(page: Page, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    named = {"host": f"127.0.0.1:{page.port}"} | {key.replace("_", "-"): value for key, value in headers.items()}
    for name, value in named.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = Answer(answer.status, answer.read(), answer.getheaders())
    connection.close()
    return found


class Session:
    """The person's own browser, as bytes: to change one thing at a time."""

    def __init__(self, page: Page) -> None:
        self.page = page
        answer = ask(page, page.address.removeprefix(page.origin))
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        found = re.search(rb"url=(/[^/]+)/", answer.body)
        assert found is not None
        self.base = found[1].decode()
        csrf = re.search(rb'name="csrf" value="([^"]+)"', self.get("/").body)
        assert csrf is not None
        self.csrf = csrf[1].decode()

    def get(self, path: str, **headers: str) -> Answer:
        return ask(self.page, self.base + path, **{"cookie": self.cookie} | headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        body = urlencode(fields).encode()
        named = {"cookie": self.cookie, "origin": self.page.origin, "content_type": "application/x-www-form-urlencoded"}
        return ask(self.page, self.base + path, "POST", body, **named | headers)


@pytest.fixture
def session(house: Path, serve: Callable[..., Page]) -> Session:
    return Session(serve(house / "person"))


def test_without_the_cookie_everything_is_the_same_refusal(session: Session) -> None:
    base, page = session.base, session.page
    answers = [
        ask(page, path)
        for path in (
            "/",
            base,
            base + "/",
            base + "/timeline",
            base + "/static/review.js",
            "/open",
            "/open?token=x",
            "/%00",
        )
    ]
    answers += [
        ask(page, base + "/", cookie=f"{COOKIE}=guess"),
        ask(page, base + "/", cookie=session.cookie, host="evil.example"),
        ask(page, base + "/", cookie=session.cookie, host=f"localhost:{page.port}"),
        ask(page, base + "/", cookie=session.cookie, origin="http://evil.example"),
        ask(page, base + "/", cookie=session.cookie, sec_fetch_site="cross-site"),
        ask(page, base + "/", "PUT", b"", cookie=session.cookie),
        ask(page, page.address.removeprefix(page.origin)),
    ]
    assert session.get("/").status == 200
    assert {(each.status, each.body) for each in answers} == {(403, REFUSAL)}
    assert len({tuple(sorted(each.headers.items())) for each in answers}) == 1


def test_a_rebound_name_gets_nothing(session: Session) -> None:
    for host in (
        "evil.example",
        f"evil.example:{session.page.port}",
        "127.0.0.1",
        f"127.0.0.1.nip.example:{session.page.port}",
    ):
        assert session.get("/timeline", host=host).body == REFUSAL


def test_a_forged_form_does_nothing(session: Session) -> None:
    home = session.page.home
    right = {"csrf": session.csrf}
    forged = [
        session.post("/pause", {}),
        session.post("/pause", {"csrf": "guess"}),
        session.post("/pause", right, origin="http://evil.example"),
        session.post("/pause", right, origin="null"),
        session.post("/pause", right, content_type="text/plain"),
        session.post("/pause", right, sec_fetch_site="same-site"),
        ask(session.page, session.base + "/pause", "POST", urlencode(right).encode(), cookie=session.cookie,
            content_type="application/x-www-form-urlencoded"),
        session.post("/pause", {"csrf": session.csrf, "more": "x" * (3 << 20)}),
    ]  # fmt: skip
    assert {(each.status, each.body) for each in forged} == {(403, REFUSAL)}
    assert overt(home, "status", "--json")["state"] == "ready"
    assert session.post("/pause", right).status == 303
    assert overt(home, "status", "--json")["state"] == "paused"


def test_what_changes_something_is_never_a_get(session: Session) -> None:
    for path in (
        "/pause",
        "/resume",
        "/study/change",
        "/join/agree",
        "/join/decline",
        "/settings/backup",
        "/welcome/done",
    ):
        assert session.get(path).status in {404, 405}, path
    assert overt(session.page.home, "status", "--json")["state"] == "ready"


def test_every_answer_forbids_everything_but_itself(session: Session) -> None:
    for answer in (session.get("/"), session.get("/static/review.js"), session.get("/nowhere"), ask(session.page, "/")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_only_our_own_files_are_served(session: Session) -> None:
    assert session.get("/static/review.js").status == 200
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "review.js/../../app.py"):
        assert session.get("/static/" + name).status in {403, 404}, name


def test_the_server_listens_on_loopback_alone(session: Session) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    ours = [each for each in listening if each.endswith(f":{session.page.port:04X}")]
    assert ours == [f"0100007F:{session.page.port:04X}"]


def test_the_token_is_on_no_command_line(house: Path, serve: Callable[..., Page]) -> None:
    page = serve(house / "person")
    token = page.address.partition("token=")[2]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token.encode() not in process.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


@pytest.fixture
def hostile() -> Iterator[tuple[str, list[str]]]:
    """A web server of someone else's on the same machine, and what its visitors' browsers told it."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers.get('cookie', '')}")
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>hostile</title><p>hello")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hostile_page_can_neither_read_nor_act(
    house: Path, open_page: Open, context: BrowserContext, hostile: tuple[str, list[str]]
) -> None:
    tab, base = open_page(house / "person")
    csrf = str(tab.locator('input[name="csrf"]').first.get_attribute("value"))
    origin, heard = hostile
    evil = context.new_page()
    evil.goto(origin + "/")
    assert COOKIE not in "".join(heard)  # a cookie is not bound to a port, but ours is to a secret path
    found = evil.evaluate(
        """async ([base, csrf]) => {
            const seen = [];
            for (const path of ["/", "/timeline", "/static/review.js"]) {
                try { const a = await fetch(base + path, {credentials: "include"}); seen.push(await a.text()) }
                catch (error) { seen.push("blocked") }
            }
            try {
                await fetch(base + "/pause", {method: "POST", mode: "no-cors", credentials: "include",
                    headers: {"content-type": "application/x-www-form-urlencoded"}, body: "csrf=" + csrf});
            } catch (error) { seen.push("blocked") }
            const frame = document.createElement("iframe");
            frame.src = base + "/";
            const loaded = new Promise(done => { frame.onload = done; setTimeout(done, 3000) });
            document.body.append(frame);
            await loaded;
            try { seen.push(frame.contentDocument ? frame.contentDocument.body.innerText : "blocked") }
            catch (error) { seen.push("blocked") }
            return seen;
        }""",
        [base, csrf],
    )
    assert all(each == "blocked" for each in found), found
    evil.evaluate(
        """([base, csrf]) => {
            const form = document.createElement("form");
            form.method = "post"; form.action = base + "/pause";
            const field = document.createElement("input");
            field.name = "csrf"; field.value = csrf;
            form.append(field); document.body.append(form); form.submit();
        }""",
        [base, csrf],
    )
    evil.wait_for_url(base + "/pause")
    assert REFUSAL.decode().strip() in evil.content().replace("&nbsp;", " ")
    assert overt(house / "person", "status", "--json")["state"] == "ready"


def test_nothing_is_asked_of_anywhere_else_and_hostile_names_stay_text(
    house: Path, open_page: Open, context: BrowserContext
) -> None:
    asked: list[str] = []
    alerts: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    tab, base = open_page(house / "person")
    tab.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.goto(base + "/timeline")
    tab.locator("html[data-ready=true]").wait_for()
    assert "onerror=alert(1)" in tab.get_by_role("main").inner_text()
    links = [str(each.get_attribute("href")) for each in tab.locator("main a").all()]
    for link in dict.fromkeys(links):
        tab.goto(base.rpartition("/")[0] + link)
        tab.locator("html[data-ready=true]").wait_for()
    for path in ("/search?" + urlencode({"q": HOSTILE}), "/search?q=onerror&span=all", "/forget/sure?" + urlencode(
        {"what": "file", "path": HOSTILE})):  # fmt: skip
        tab.goto(base + path)
        tab.locator("html[data-ready=true]").wait_for()
        assert tab.locator("main img").count() == 0
    assert tab.evaluate("window.hacked") is None
    assert alerts == []
    assert {url.split("/")[2] for url in asked} == {base.split("/")[2]}
    assert [each for each in trouble if "403" not in each] == []


def test_inline_script_would_not_run(house: Path, open_page: Open) -> None:
    tab, _ = open_page(house / "person")
    tab.evaluate(
        """() => {
            const made = document.createElement("script");
            try { made.textContent = "window.hacked = 1" } catch (error) { window.refused = String(error) }
            document.body.append(made);
            const image = document.createElement("img");
            try { image.setAttribute("onerror", "window.hacked = 2") } catch (error) { window.refused = String(error) }
            image.src = "//127.0.0.1:9/x"; document.body.append(image);
        }"""
    )
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.hacked") is None


def test_no_style_but_the_pages_own_is_taken(house: Path, open_page: Open) -> None:
    tab, _ = open_page(house / "person")
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(250, 249, 246)"  # its own is
    taken = tab.evaluate(
        """() => {
            const made = document.createElement("style");
            made.textContent = "body { background: red !important } main { display: none }";
            document.head.append(made);
            document.querySelector("main").setAttribute("style", "color: red");
            const styles = getComputedStyle(document.querySelector("main"));
            return [getComputedStyle(document.body).backgroundColor, styles.display, styles.color];
        }"""
    )
    assert taken == [background, "block", "rgb(32, 33, 31)"]


def test_the_receipts_name_can_not_break_out(session: Session) -> None:
    answer = session.get("/study/receipt?" + urlencode({"id": 'x"\r\nset-cookie: a=b', "record": "0" * 32}))
    assert answer.status == 404
    answer = session.get("/uploads/receipt?" + urlencode({"study": "../..", "epoch": "0", "number": "0"}))
    assert answer.status == 404
    assert "set-cookie" not in json.dumps(list(answer.headers))
