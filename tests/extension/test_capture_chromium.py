"""The real extension in real Chromium, with the real bridge, gate and store behind it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from benchmarks.browser_hands import ChromiumHands
from benchmarks.canaries import HERE, NEVER, run
from benchmarks.canary_page import read_canaries, serve_page
from tests.extension.desk import TICKETS, desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


async def test_no_planted_string_is_kept_below_content_and_no_secret_field_gives_an_event() -> None:
    result = await run("chromium", (HERE / "page.html").read_bytes(), read_canaries(HERE / "canaries.json"), ["shape"])
    assert result["leaked"] == []
    assert result["of"] == 44
    assert result["secret_field_events"] == 0
    assert result["events"]["shape"] > 40


async def test_content_holds_what_was_typed_but_no_secret_of_any_kind() -> None:
    result = await run(
        "chromium", (HERE / "page.html").read_bytes(), read_canaries(HERE / "canaries.json"), ["content"]
    )
    assert {"text_input", "shadow_closed_input", "iframe_srcdoc_input"} <= set(result["at_content"])
    assert result["at_content_never"] == []
    assert not set(NEVER.split()) & set(result["at_content"])
    assert result["secret_field_events"] == 0


async def test_each_kind_of_secret_field_gives_no_event_on_a_page_of_another_make() -> None:
    canaries = read_canaries(HERE / "office.json")
    result = await run("chromium", (HERE / "office.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    assert {"typed_name", "typed_mail", "typed_number", "typed_rich", "typed_frame", "zqheading", "zqdialog"} <= set(
        result["at_content"]
    )


async def test_a_secret_field_is_known_by_what_stands_around_it() -> None:
    canaries = read_canaries(HERE / "portal.json")
    result = await run("chromium", (HERE / "portal.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    assert {"typed_name", "typed_remarks", "typed_slotted", "typed_closed", "typed_town"} <= set(result["at_content"])


async def test_a_secret_field_that_the_page_disguises_gives_no_event() -> None:
    canaries = read_canaries(HERE / "lobby.json")
    result = await run("chromium", (HERE / "lobby.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    assert {"typed_visitor", "typed_host", "typed_order"} <= set(result["at_content"])


async def test_a_secret_field_is_known_in_many_languages_and_makes() -> None:
    canaries = read_canaries(HERE / "counter.json")
    result = await run("chromium", (HERE / "counter.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    assert {"typed_country", "typed_barcode", "typed_zip", "typed_passenger"} <= set(result["at_content"])


async def test_a_secret_field_is_known_where_pages_are_built_of_kits_and_ordinary_ones_are_told() -> None:
    canaries = read_canaries(HERE / "clinic.json")
    result = await run("chromium", (HERE / "clinic.html").read_bytes(), canaries, ["content"])
    assert result["secret_field_events"] == 0
    assert result["at_content_never"] == []
    # Cut to two characters, holding what was typed as a secret, or with a password in it.
    untold = {"o_dd", "o_mm", "o_yyyy", "o_notes", "d_dsn"}
    ordinary = {each.name for each in canaries.typed if not each.secret_field} - untold
    assert ordinary - set(result["at_content"]) == set()


DIGITS = """<!doctype html><html lang=en><title>Digits</title><style>button{width:30px;height:24px}</style>
<div id=pad></div><div id=table><table><tr id=row></tr></table></div><div id=score></div><div id=month></div><script>
const keys = (from, to) => Array.from({length: to - from + 1}, (_, at) => `<button>${from + at}</button>`).join("");
pad.innerHTML = `<p>Your code</p>${keys(1, 9)}<div><button><span>0</span></button></div>`;
row.innerHTML = Array.from({length: 10}, (_, at) => `<td>${at}</td>`).join("");
score.innerHTML = keys(0, 10); month.innerHTML = keys(1, 31);
</script></html>"""


async def test_the_keys_of_a_keypad_give_no_event_and_other_digits_do(tmp_path: Path) -> None:
    async with desk(tmp_path, page=DIGITS) as at:
        for key in ("7", "4", "1"):
            await at.hands.click(f"#pad button:text-is('{key}')")
        await at.hands.click("#pad div span")
        for place in ("#row td:text-is('5')", "#score button:text-is('6')", "#month button:text-is('8')"):
            await at.hands.click(place)
        await at.until_clicked(["5", "6", "8"])


LARGE = """<!doctype html><html lang=en><title>Large</title><body><div id=mass hidden></div><div id=late></div>
<form><button id=more type=button>More</button> <button id=show type=button>Show</button>
<span id=naming>Street</span> <label id=second>Lane</label> <input id=street></form><script>
mass.innerHTML = "<i></i>".repeat(400000);
more.addEventListener("click", () => {
  late.innerHTML = "<p>Say it <input id=word type=password name=sesame></p><label for=town>Town</label><input id=town>";
  second.htmlFor = "street";
});
show.addEventListener("click", () => { word.outerHTML = "<input id=shown name=sesame>"; });
</script></body></html>"""


async def test_a_large_page_is_followed_and_what_comes_later_is_known(tmp_path: Path) -> None:
    async with desk(tmp_path, page=LARGE) as at:
        await at.hands.click("#street")
        await at.hands.click("#more")
        await asyncio.sleep(5.2)  # so seldom is a page searched, and a field described anew
        await at.hands.click("#show")
        await at.hands.click("#shown")
        await at.hands.type("hunter22")
        await at.hands.click("#town")
        await at.hands.click("#street")
        await at.until_clicked(["", "More", "Show", "Town", "Lane"])
        assert await at.events("key.rhythm") == []
        assert await at.events("field.change") == []


async def test_what_is_done_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.move(100, 100, 400, 300)
        await at.hands.click("#subject")
        await at.hands.type("Printer is broken")
        await at.hands.click("#pw")
        await at.hands.type("hunter22")
        await at.hands.click("#save")
        await at.hands.click("#secretbutton")
        await at.tab.mouse.wheel(0, 600)
        await asyncio.sleep(1)
        await at.hands.evaluate("history.pushState({}, '', '/tickets/new')")
        await at.until_clicked(["Subject", "Save"])
        await at.tab.close()

        async def closed() -> bool:
            return bool(await at.events("page.close"))

        await at.until(closed, "page.close")
        events = await at.events()
        bodies = [event["body"] for event in events]
        assert [body["route"] for body in bodies if body["kind"] == "page.open"] == [f"{at.origin}/tickets"]
        (changed,) = [body for body in bodies if body["kind"] == "field.change"]
        assert (changed["value"], changed["content"], changed["form"]) == ("Printer is broken", "words", 1)
        (rhythm,) = [body for body in bodies if body["kind"] == "key.rhythm"]
        assert rhythm["keys"] == "c" * 17
        assert all(10 <= gap < 2000 for gap in rhythm["intervals"][1:])
        (sent,) = [body for body in bodies if body["kind"] == "form.submit"]
        assert sent["element"]["context"] == "New ticket"
        assert [body["cause"] for body in bodies if body["kind"] == "page.navigate"] == ["push"]
        assert [body["y"] for body in bodies if body["kind"] == "scroll"] == [600]
        assert any(body["kind"] == "pointer.trail" and len(body["points"]) > 1 for body in bodies)
        names = [node["name"] for body in bodies if body["kind"] == "page.outline" for node in body["nodes"]]
        assert "Save" in names
        assert not {"Password", "Patient Jones"} & set(names)


async def test_a_site_that_was_not_granted_leaves_no_trace(tmp_path: Path) -> None:
    other = TICKETS.replace("Tickets", "Salaries").replace("zero", "Salary of Ada")
    async with desk(tmp_path) as at:
        with serve_page(other.encode(), {}) as ungranted:
            tab = await at.browser.context.new_page()
            await tab.goto(f"{ungranted}/salaries")
            hands = ChromiumHands(tab)
            await hands.click("#subject")
            await hands.type("ungranted words")
            await hands.click("#b0")
            assert not await hands.is_captured()
            await tab.close()
            await at.hands.click("#b1")
            await at.until_clicked(["one"])
            everything = str(await at.events()) + await at.browser.storage()
        assert "alar" not in everything
        assert "ungranted" not in everything
        assert ungranted not in everything


async def test_withdrawn_while_the_page_is_open_not_one_more_event_is_stored(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.click("#b0")
        await at.until_clicked(["zero"])
        await at.answer(yes=False)
        await at.until_captured(captured=False)
        for name in ("#b1", "#b2", "#save"):
            await at.hands.click(name)
        await asyncio.sleep(3)
        assert await at.clicked() == ["zero"]
        overview = await at.browser.ask({"ask": "overview", "tab": None})
        assert overview["value"]["waiting"] == 0
        assert overview["value"]["connected"]


async def test_left_by_the_command_line_the_open_page_stops(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.click("#b0")
        await at.until_clicked(["zero"])
        await at.house.overt("leave", "demo-study")
        await at.until_captured(captured=False)
        await at.hands.click("#b1")
        await at.hands.click("#b2")
        await asyncio.sleep(3)
        assert await at.events() == []


async def test_the_browsers_own_permission_taken_away_stops_open_pages(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.click("#b0")
        await at.until_clicked(["zero"])
        page = await at.browser.window("options")
        pattern = f"{at.origin}/*"
        assert await page.evaluate("origin => chrome.permissions.remove({origins: [origin]})", pattern)
        await page.close()
        await at.until_captured(captured=False)
        await at.hands.click("#b1")
        await asyncio.sleep(3)
        await at.until_clicked(["zero"])


async def test_paused_pages_stop_and_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.house.overt("pause")
        await at.until_captured(captured=False)
        await at.hands.click("#b0")
        await at.house.overt("resume")
        await at.until_captured()
        await at.hands.click("#b1")
        await at.until_clicked(["one"])


async def test_the_workers_death_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        names = []
        session = await at.browser.context.new_cdp_session(at.tab)
        await session.send("ServiceWorker.enable")
        for kill_at in (0, 1, 2, 0):
            for number, name in enumerate(("zero", "one", "two")):
                await at.hands.click(f"#b{number}")
                names.append(name)
                if number == kill_at:
                    await session.send("ServiceWorker.stopAllWorkers")
        await at.until_clicked(names)


async def test_the_bridge_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        names = []
        for _ in range(3):
            for number, name in enumerate(("zero", "one", "two")):
                await at.hands.click(f"#b{number}")
                names.append(name)
                if number == 1:
                    await at.house.stop_bridge(signal.SIGKILL)
        await at.until_clicked(names)


async def test_a_page_that_hides_the_sign_is_not_captured(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.click("#b0")
        await at.until_clicked(["zero"])
        await at.hands.evaluate("document.documentElement.style.display = 'none'")
        await asyncio.sleep(3)
        await at.tab.mouse.click(50, 50)
        await at.hands.evaluate("document.documentElement.style.display = ''")
        await at.hands.evaluate(
            "setInterval(() => document.querySelectorAll('html > div').forEach(each => each.remove()), 10)"
        )
        await asyncio.sleep(3)
        await at.hands.click("#b1")
        await asyncio.sleep(3)
        await at.until_clicked(["zero"])


async def test_events_that_a_page_makes_up_are_passed_over(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hands.evaluate("(() => { for (let at = 0; at < 50; at += 1) b2.click(); })()")
        await at.hands.evaluate(
            "(() => { subject.value = 'made up'; for (const type of ['input', 'change', 'keydown'])"
            " subject.dispatchEvent(new Event(type, {bubbles: true, composed: true})); })()"
        )
        await at.hands.evaluate("(() => { pw.type = 'text'; pw.name = 'harmless'; pw.id = 'plain'; })()")
        await at.hands.click("#plain")
        await at.hands.type("hunter22")
        await at.hands.click("#b0")
        await at.until_clicked(["zero"])
        assert "made up" not in str(await at.events())
        assert await at.events("key.rhythm") == []
