"""Every action of the page, in the real browser, on a store that the real sidecar filled."""

from __future__ import annotations

import asyncio
import datetime
import json
import queue
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, expect
from playwright.sync_api import Page as Tab

from overt.demo.editor import did_change
from overt.demo.house import House
from tests.review.review_kit import BILLING, HOSTILE_TEXT, MAIL, SECRET, overt, receiver, run, write

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("review")]

Open = Callable[..., tuple[Tab, str]]


def settled(tab: Tab) -> None:
    tab.locator("html[data-ready=true]").wait_for()


def exported(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in overt(home, "export").splitlines()]


def kinds(home: Path, kind: str) -> int:
    return sum(each["event"]["body"]["kind"] == kind for each in exported(home))


def film_of(tab: Tab, base: str, words: str) -> None:
    tab.goto(base + "/timeline")
    settled(tab)
    tab.locator("li", has_text=words).get_by_role("link", name=re.compile("^Watch")).first.click()
    tab.locator("#film[data-ready=true]").wait_for()


# Today


def test_today_says_that_nothing_is_captured_while_no_editor_runs(house: Path, open_page: Open) -> None:
    tab, _ = open_page(house / "person")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Nothing is being captured right now.")
    expect(tab.get_by_role("link", name="Demonstration: how code is edited")).to_be_visible()


def test_pausing_and_resuming_from_the_page_is_real(house: Path, open_page: Open) -> None:
    tab, _ = open_page(house / "person")
    tab.get_by_role("button", name="Pause for 15 minutes").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Capture is paused until")
    paused = overt(house / "person", "status", "--json")
    assert paused["state"] == "paused"
    assert paused["paused_until_ms"] is not None
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_role("status")).to_have_text("Capture goes on.")
    assert overt(house / "person", "status", "--json")["state"] == "ready"
    tab.get_by_role("button", name="Pause until I resume").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Capture is paused until you resume it.")
    assert overt(house / "person", "status", "--json")["paused_until_ms"] is None


def test_what_is_typed_shows_within_a_second_masked(filled: Path, house: Path, open_page: Open) -> None:
    tab, _ = open_page(house / "person")
    expect(tab.locator("#live")).to_contain_text("Waiting for something to be typed.")
    lines: queue.Queue[str | None] = queue.Queue()
    durable: queue.Queue[str] = queue.Queue()

    async def edit() -> None:
        home = House(house)
        home.work = filled / "work"  # the folder that the study asks for
        editor = await home.start_editor("Live Editor")
        uri = editor.open(home.work / "live.py", "python", "")
        text, version = "", 0
        while (line := await asyncio.to_thread(lines.get)) is not None:
            for letter in line:
                at = (text.count("\n"), len(text.rpartition("\n")[2]))
                place = {"line": at[0], "character": at[1]}
                version += 1
                await editor.send(
                    [did_change(uri, version, [{"range": {"start": place, "end": place}, "text": letter}])]
                )
                text += letter
            await editor.request("overt/flush")
            durable.put(line)
        await editor.stop()

    def shown_after(line: str, words: str) -> float:
        lines.put(line)
        durable.get(timeout=60)
        before = tab.evaluate("performance.now()")
        sheet.get_by_text(words).first.wait_for()
        return float(tab.evaluate("performance.now()")) - before

    worker = threading.Thread(target=lambda: run(edit))
    worker.start()
    sheet = tab.locator("#live article", has_text="live.py")
    try:
        shown_after(f'token = "{SECRET}"\n', "SECRET:aws-access-key")
        shown_after(f'write_to = "{MAIL}"\n', "EMAIL")
        times = [shown_after(f"marker_{number} = {number}\n", f"marker_{number}") for number in range(5)]
        assert sorted(times)[2] < 1000, times
        expect(sheet).to_contain_text("1 secret was masked")
        expect(sheet).to_contain_text("1 personal detail was masked")
        expect(sheet.locator(".chip.level-content")).to_have_text("text")
        assert SECRET not in tab.content()
        assert MAIL not in tab.content()
        expect(tab.get_by_role("heading", level=1)).to_have_text("Something is being captured right now.")
        expect(tab.locator("#state")).to_contain_text("Live Editor")
    finally:
        lines.put(None)
        worker.join()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Nothing is being captured right now.")


# Timeline


def test_the_day_is_told_in_plain_sentences(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/timeline")
    settled(tab)
    main = tab.get_by_role("main")
    expect(main).to_contain_text(
        re.compile(r"You edited billing\.py for .*, and saved it; 1 secret was masked; 1 personal")
    )
    expect(main).to_contain_text(re.compile(r"You edited notes\.md for .*, and saved it\."))
    expect(main).to_contain_text("on hold here")
    lanes = tab.locator(".lanes li")
    expect(lanes.filter(has_text="Neovim")).to_have_count(1)
    expect(lanes.filter(has_text="billing.py").locator("rect.masked")).to_have_count(1)
    expect(lanes.filter(has_text="notes.md").locator("rect.masked")).to_have_count(0)


def test_one_can_zoom_to_the_minute_and_see_every_event(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/timeline")
    settled(tab)
    tab.locator(".hour h3 a").first.click()
    expect(tab.get_by_role("heading", level=2, name="Minute by minute")).to_be_visible()
    settled(tab)
    total = 0
    for link in [each.get_attribute("href") for each in tab.locator(".entries .at").all()]:
        tab.goto(base.rpartition("/")[0] + str(link))
        total += int(re.sub(r"\D", "", tab.locator(".lede").inner_text()))
        assert SECRET not in tab.content()
    wanted = list(exported(house / "person"))
    assert total <= len(wanted)
    assert total >= sum(each["event"]["body"]["kind"] == "document.edit" for each in wanted) / 2


def test_the_film_replays_the_document_to_the_character(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    film_of(tab, base, "billing.py")
    shown = BILLING.replace(SECRET, "SECRET:aws-access-key:1").replace(MAIL, "EMAIL:2")
    slider = tab.locator("#film-at")
    last = int(str(slider.get_attribute("max")))
    slider.fill(str(last))
    assert tab.locator("#film-screen").inner_text() == shown
    slider.fill("12")
    assert tab.locator("#film-screen").inner_text() == BILLING[:11]
    slider.fill(str(last // 2))
    slider.fill(str(last))
    assert tab.locator("#film-screen").inner_text() == shown
    tab.locator("#film-speed").select_option("64")
    slider.fill("0")
    tab.get_by_role("button", name="Play").click()
    expect(tab.locator("#film-screen")).to_have_text(shown, timeout=20_000)
    expect(tab.get_by_role("button", name="Play")).to_be_visible()
    assert SECRET not in tab.content()


def test_search_finds_what_was_typed_and_never_what_was_masked(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/timeline")
    tab.get_by_role("searchbox").fill("def total")
    tab.get_by_role("searchbox").press("Enter")
    settled(tab)
    expect(tab.locator("#found")).to_contain_text("billing.py")
    expect(tab.locator("#found b")).to_have_text("def total")
    tab.get_by_role("searchbox").fill(SECRET[:10])
    tab.get_by_role("button", name="Search").click()
    settled(tab)
    expect(tab.locator("#found")).to_have_text(re.compile("That is all that was found."))
    assert tab.locator("#found li").count() == 0


# Forget


def test_a_file_is_forgotten_for_good(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/forget")
    tab.get_by_label("Its path").fill("billing.py")
    tab.get_by_role("button", name="Look what that is").first.click()
    settled(tab)
    said = int(re.sub(r"\D", "", tab.locator(".weighed strong").inner_text()))
    events = exported(home)
    tools = {each["session"]: each["event"]["body"]["client"] for each in events if each["event"]["index"] == 0}
    ours = [each for each in events if tools[each["session"]] == "Neovim"]
    assert said == sum(each["event"]["body"].get("document") == 1 for each in ours)
    tab.get_by_role("link", name="Keep it").click()
    assert kinds(home, "capture.gap") == 0
    tab.goto(base + "/forget/sure?what=file&path=billing.py")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name="It is gone")).to_be_visible()
    expect(tab.get_by_role("status")).to_contain_text("nothing of it is left")
    assert kinds(home, "capture.gap") == said
    assert "def total" not in json.dumps(exported(home))
    tab.goto(base + "/timeline")
    settled(tab)
    expect(tab.get_by_role("main")).not_to_contain_text("billing.py")
    expect(tab.get_by_role("main")).to_contain_text("notes.md")


@pytest.mark.parametrize("what", ["what=file&path=no-such.py", "what=everything"])
def test_a_damaged_database_that_goes_along_is_named(house: Path, open_page: Open, what: str) -> None:
    home = house / "person"
    aside = home / "store" / "overt.sqlite3.damaged-1"
    shutil.copyfile(home / "store" / "overt.sqlite3", aside)
    tab, base = open_page(home)
    tab.goto(f"{base}/forget/sure?{what}")
    settled(tab)
    expect(tab.get_by_role("main")).to_contain_text(aside.name)
    assert aside.exists()
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name=re.compile("It is gone|Nothing of it was there"))).to_be_visible()
    assert not aside.exists()


def test_an_event_and_a_minute_are_forgotten(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/timeline")
    settled(tab)
    tab.locator(".hour h3 a").first.click()
    tab.get_by_role("link", name=re.compile("^Every event")).first.click()
    before = len(exported(home))
    tab.locator(".events li", has_text="saved").first.get_by_role("link", name=re.compile("^Forget")).click()
    settled(tab)
    expect(tab.locator(".weighed")).to_contain_text("1 event will be erased")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name="It is gone")).to_be_visible()
    assert kinds(home, "capture.gap") == 1
    assert len(exported(home)) == before
    tab.goto(base + "/timeline")
    settled(tab)
    tab.locator(".hour h3 a").first.click()
    tab.locator(".entries").get_by_role("link", name=re.compile("^Forget")).first.click()
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name="It is gone")).to_be_visible()
    assert kinds(home, "capture.gap") > 1


@pytest.mark.parametrize("what", ["what=study&study=demo-study", "what=everything", "what=last&minutes=1440"])
def test_a_study_and_everything_are_forgotten(house: Path, open_page: Open, what: str) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(f"{base}/forget/sure?{what}")
    settled(tab)
    expect(tab.locator(".weighed")).to_contain_text("will be erased")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name="It is gone")).to_be_visible()
    assert {each["event"]["body"]["kind"] for each in exported(home)} == {"capture.gap"}


# Studies


def test_lowering_and_narrowing_are_signed_at_once(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    before = overt(home, "studies", "--json")[0]
    tab.goto(base + "/study?id=demo-study")
    tab.locator('[name="level:document.edit"]').select_option("rhythm")
    tab.locator('[name="level:selection.change"]').select_option("none")
    tab.get_by_label("Never capture these files").fill("private/**\n*.secret")
    tab.get_by_role("button", name="Give this from now on").click()
    expect(tab.get_by_role("status")).to_contain_text("Your consent was changed")
    after = overt(home, "studies", "--json")[0]
    assert after["levels"]["document.edit"] == "rhythm"
    assert "selection.change" not in after["levels"]
    assert after["record"] != before["record"]
    expect(tab.locator('[name="level:document.edit"]')).to_have_value("rhythm")
    expect(tab.locator("#deny")).to_have_value("private/**\n*.secret")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Save the consent record").click()
    record = json.loads(Path(download.value.path()).read_text())
    assert record["payload"]["record_id"] == after["record"]
    assert record["payload"]["levels"]["document.edit"] == "rhythm"


def test_the_notice_stands_there_in_full(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/study?id=demo-study")
    notice = json.loads((house / "demo-study" / "study.json").read_text())["payload"]["notice"]
    assert " ".join(tab.locator("blockquote").inner_text().split()) == " ".join(notice.split())


def test_leaving_ends_capture_and_erases(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/study?id=demo-study")
    tab.get_by_role("link", name="Leave this study").click()
    tab.get_by_role("link", name="Stay").click()
    assert overt(home, "status", "--json")["state"] == "ready"
    tab.get_by_role("link", name="Leave this study").click()
    tab.get_by_role("button", name="Leave").click()
    expect(tab.get_by_role("status")).to_contain_text("You have left")
    assert overt(home, "status", "--json")["state"] == "off"
    assert exported(home) == []
    tab.goto(base + "/timeline")
    expect(tab.get_by_role("main")).to_contain_text("Nothing was kept on this day.")


def newer(house: Path) -> Path:
    toml = house / "demo-study" / "study.toml"
    text = toml.read_text("utf-8")
    text = text.replace("version = 1", "version = 2").replace("Saying no has no consequence.", "A second purpose.")
    toml.write_text(text, "utf-8")
    overt(house / "person", "study", "sign", str(house / "demo-study"))
    return house / "demo-study" / "study.json"


def test_a_newer_version_is_offered_and_asked_again(house: Path, open_page: Open) -> None:
    home = house / "person"
    manifest = newer(house)
    tab, base = open_page(home)
    tab.goto(base + "/join")
    tab.get_by_label("Or its path").fill(str(manifest))
    tab.get_by_role("button", name="Read it").click()
    expect(tab.get_by_role("main")).to_contain_text("This is version 2")
    assert overt(home, "status", "--json")["studies"][0]["refusal"] == "notice-changed"
    tab.get_by_role("button", name="No, thank you").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Nothing is captured.")
    assert overt(home, "status", "--json")["state"] == "off"
    tab.goto(base + "/study?id=demo-study")
    expect(tab.get_by_role("main")).to_contain_text("You said no to it.")
    tab.get_by_role("link", name="Read the new version").click()
    expect(tab.get_by_role("main")).to_contain_text("A second purpose.")
    tab.get_by_role("button", name="Yes, I take part").click()
    expect(tab.get_by_role("status")).to_contain_text("You have joined")
    assert overt(home, "studies", "--json")[0]["version"] == 2
    assert overt(home, "status", "--json")["state"] == "ready"


def test_a_newer_version_is_found_at_the_receiver_and_agreed_to_by_nobody(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    with receiver(house):
        tab.goto(base + "/studies")
        tab.get_by_role("button", name="Look for newer versions").click()
        expect(tab.get_by_role("status")).to_have_text("No receiver has a newer version.")
    newer(house)
    with receiver(house):
        told = overt(home, "sync", "--json")
        assert (told["newer"], told["uploaded"]) == (["demo-study"], 0)
        assert overt(home, "studies", "--ask", "--json")[0]["offered_version"] == 2
        tab.get_by_role("button", name="Look for newer versions").click()
        expect(tab.get_by_role("status")).to_contain_text("Nothing was agreed to for you.")
    found = overt(home, "studies", "--json")[0]
    assert (found["version"], found["offered_version"], found["live"]) == (1, 2, False)
    tab.get_by_role("link", name="A newer version waits for your answer").click()
    expect(tab.get_by_role("heading", name="Version 2 of this study waits for your answer")).to_be_visible()
    tab.get_by_role("link", name="Read the new version").click()
    tab.get_by_role("button", name="Yes, I take part").click()
    assert overt(home, "studies", "--json")[0]["version"] == 2


# Uploads, settings, first run


def test_uploads_say_what_goes_next_and_show_verified_receipts(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/uploads")
    expect(tab.locator("section", has_text="What goes next").locator("tbody tr")).to_have_count(2)
    expect(tab.get_by_role("main")).to_contain_text("not before")
    expect(tab.get_by_role("main")).to_contain_text("Nothing was sent yet.")


def test_sent_segments_have_receipts_and_are_asked_back(tmp_path: Path, open_page: Open) -> None:
    async def send() -> None:
        house = House(tmp_path / "house")
        await house.found_study(hold_s=0)
        await house.overt("study", "keys", "split", str(house.study_folder), "--destroy")
        await house.join()
        editor = await house.start_editor()
        await write(editor, house.work / "a.py", "x = 1\n")
        await editor.stop()
        await house.start_receiver()
        await house.sync()
        shares = [
            part for number in (1, 3) for part in ("--share", str(house.study_folder / f"custodian-{number}.share"))
        ]
        await house.overt(
            "dataset", "build", str(house.received), "--study", str(house.manifest), "--out", str(house.dataset),
            *shares, "--purpose", "Train the first model <b>", "--json",
        )  # fmt: skip
        await house.overt("audit")
        await house.close()

    run(send)
    tab, base = open_page(tmp_path / "house" / "person")
    tab.goto(base + "/uploads")
    expect(tab.locator("tbody tr", has_text="verified")).to_have_count(1)
    opened = tab.locator("section", has=tab.get_by_role("heading", name="Who opened the data"))
    expect(opened.locator("li")).to_contain_text("custodian-1, custodian-3: “Train the first model <b>”")
    expect(opened.locator("li .chip")).to_have_text("verified")
    with tab.expect_download() as download:
        tab.get_by_role("link", name=re.compile("^Save")).click()
    assert json.loads(Path(download.value.path()).read_text())["type"] == "segment-receipt"
    tab.goto(base + "/forget/sure?what=file&path=a.py")
    settled(tab)
    expect(tab.locator(".weighed")).to_contain_text("1 segment with it was sent already")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("status")).to_contain_text("The receiver is asked to erase 1 segment")
    tab.goto(base + "/uploads")
    expect(tab.get_by_role("main")).to_contain_text("What is asked back")
    assert overt(tmp_path / "house" / "person", "status", "--json")["requests_waiting"] == 1
    tab.get_by_role("button", name="Read the log from the receiver").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("That did not work")


def test_language_and_theme_are_kept(house: Path, open_page: Open, context: BrowserContext) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/settings")
    tab.get_by_label("Language").select_option("de")
    tab.get_by_label("Colours").select_option("dark")
    tab.get_by_role("button", name="Save", exact=True).first.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Einstellungen")
    expect(tab.locator("html")).to_have_attribute("lang", "de")
    expect(tab.locator("body")).to_have_css("background-color", "rgb(20, 22, 20)")
    tab.goto(base + "/timeline")
    settled(tab)
    expect(tab.get_by_role("main")).to_contain_text("Sie haben billing.py bearbeitet")


def test_the_page_speaks_the_browsers_language(house: Path, browser: Any, serve: Any) -> None:
    page = serve(house / "person")
    context = browser.new_context(locale="de-DE")
    tab = context.new_page()
    tab.goto(page.address)
    expect(tab.get_by_role("link", name="Verlauf", exact=True)).to_be_visible()
    context.close()


def test_the_sync_timer_is_set_and_taken_away(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    unit = house / ".config" / "systemd" / "user" / "overt-sync.timer"
    tab.goto(base + "/settings")
    card = tab.locator("section", has=tab.get_by_role("heading", name="Sending"))
    expect(card.get_by_label("Run it by itself")).to_have_value("")
    card.get_by_label("Run it by itself").select_option("14400")
    card.get_by_role("button", name="Save", exact=True).click()
    expect(card.get_by_label("Run it by itself")).to_have_value("14400")
    assert "OnUnitInactiveSec=14400s" in unit.read_text("utf-8")
    unit.write_text(unit.read_text("utf-8").replace("14400", "777"), "utf-8")
    tab.goto(base + "/settings")
    expect(card).to_contain_text("set up in another way")
    card.get_by_label("Run it by itself").select_option("")
    card.get_by_role("button", name="Save", exact=True).click()
    expect(card.get_by_label("Run it by itself")).to_have_value("")
    assert not unit.exists()


def test_the_hold_can_be_lengthened_and_never_shortened(house: Path, open_page: Open) -> None:
    home = house / "person"
    before = overt(home, "sync", "--explain", "--json")
    tab, base = open_page(home)
    tab.goto(base + "/settings")
    hold = tab.get_by_label("How long Demonstration")
    assert hold.locator("option").all_inner_texts() == ["24 hours, as the study asks", "2 days", "7 days", "30 days"]
    hold.select_option(label="7 days")
    tab.get_by_role("button", name="Save Demonstration").click()
    expect(tab.get_by_role("status")).to_have_text("Saved.")
    expect(hold).to_have_value(str(7 * 86_400))
    after = overt(home, "sync", "--explain", "--json")
    assert [row["due_ms"] for row in after] == [row["due_ms"] + 6 * 86_400_000 for row in before]
    hold.select_option("0")
    tab.get_by_role("button", name="Save Demonstration").click()
    assert overt(home, "sync", "--explain", "--json") == before


def test_capture_can_be_paused_until_a_moment(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/settings")
    until = (datetime.datetime.now().astimezone() + datetime.timedelta(days=3)).replace(second=0, microsecond=0)
    tab.get_by_label("Capture nothing until").fill(until.strftime("%Y-%m-%dT%H:%M"))
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text(f"{until.day} ")
    assert overt(home, "status", "--json")["paused_until_ms"] == round(until.timestamp() * 1000)
    tab.goto(base + "/settings")
    tab.locator("#until").evaluate("field => { field.removeAttribute('min'); field.value = '2001-01-01T00:00' }")
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.get_by_role("alert").first).to_have_text("Choose a moment in the coming year.")
    tab.get_by_role("button", name="Resume").click()
    assert overt(home, "status", "--json")["state"] == "ready"


def test_how_long_the_page_stays_open_is_kept(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/settings")
    card = tab.locator("section", has=tab.get_by_role("heading", name="This page"))
    card.get_by_label("Close it when").select_option(label="5 minutes")
    card.get_by_role("button", name="Save", exact=True).click()
    expect(tab.get_by_role("status")).to_have_text("Saved.")
    assert json.loads((house / "person" / "review.json").read_text())["idle_s"] == 300


def test_the_report_speaks_the_persons_language_and_asks_nobody(
    house: Path, open_page: Open, context: BrowserContext, tmp_path: Path
) -> None:
    home = house / "person"
    tab, base = open_page(home)
    tab.goto(base + "/settings")
    tab.get_by_label("Language").select_option("de")
    tab.get_by_role("button", name="Save", exact=True).first.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Einstellungen")
    for arguments, language, title in (
        ((), "de", "Was overt von Ihnen aufbewahrt"),
        (("--language", "en"), "en", "What overt keeps of you"),
    ):
        page = tmp_path / f"{language}.html"
        overt(home, "export", "--format", "html", "-o", str(page), *arguments)
        asked: list[str] = []
        report = context.new_page()
        report.on("request", lambda request, asked=asked: asked.append(request.url))
        report.goto(page.as_uri())
        expect(report.locator("html")).to_have_attribute("lang", language)
        expect(report.get_by_role("heading", level=1)).to_have_text(title)
        expect(report.get_by_role("main")).to_contain_text("billing.py")
        assert Axe().run(report).violations_count == 0
        assert SECRET not in report.content()
        assert asked == [page.as_uri()]


def test_the_keys_are_backed_up_under_a_passphrase(house: Path, open_page: Open, tmp_path: Path) -> None:
    tab, base = open_page(house / "person")
    tab.goto(base + "/settings")
    tab.get_by_label("A passphrase").fill("correct horse battery")
    tab.get_by_label("The same again").fill("something else")
    tab.get_by_role("button", name="Save the backup").click()
    expect(tab.get_by_role("alert").first).to_have_text("The two passphrases differ.")
    tab.get_by_label("A passphrase").fill("correct horse battery")
    tab.get_by_label("The same again").fill("correct horse battery")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save the backup").click()
    backup = tmp_path / "keys.json"
    backup.write_bytes(Path(download.value.path()).read_bytes())
    (house / "person" / "keys" / "root.key").unlink()
    overt(house / "person", "keys", "restore", str(backup), "--passphrase", "correct horse battery")
    assert exported(house / "person")


def test_the_first_run_takes_three_steps_and_no_is_as_easy_as_yes(house: Path, open_page: Open, tmp_path: Path) -> None:
    home = tmp_path / "new"
    tab, base = open_page(home)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Nothing is captured yet")
    expect(tab.locator(".steps")).to_have_text("Step 1 of 3")
    no, look = tab.get_by_role("button", name="No, thank you"), tab.get_by_role("link", name="Look at a study")
    tab.wait_for_load_state()  # with its styles
    one, two = no.bounding_box(), look.bounding_box()
    assert one is not None
    assert two is not None
    assert abs(one["height"] - two["height"]) < 2
    assert one["width"] >= two["width"] * 0.9
    look.click()
    expect(tab.locator(".steps")).to_have_text("Step 2 of 3")
    tab.get_by_label("Choose the file").set_input_files(house / "demo-study" / "study.json")
    tab.get_by_role("button", name="Read it").click()
    expect(tab.locator(".steps")).to_have_text("Step 3 of 3")
    no, yes = tab.get_by_role("button", name="No, thank you"), tab.get_by_role("button", name="Yes, I take part")
    tab.wait_for_load_state()
    one, two = no.bounding_box(), yes.bounding_box()
    assert one is not None
    assert two is not None
    assert (one["height"], round(one["width"])) == (two["height"], round(two["width"]))
    assert tab.evaluate("document.activeElement.tagName") == "BODY"
    styles = "e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color, s.fontWeight, s.borderColor] }"
    assert no.evaluate(styles) == yes.evaluate(styles)
    tab.locator("#expires").press("Enter")  # what Enter does in a form is its first button's act: no
    expect(tab.get_by_role("status")).to_have_text("Noted. Nothing is captured for this study.")
    assert overt(home, "status", "--json")["state"] == "off"
    assert not (home / "store").exists()
    tab.goto(base + "/join")
    tab.get_by_label("Or its path").fill(str(house / "demo-study" / "study.json"))
    tab.get_by_role("button", name="Read it").click()
    expect(tab.get_by_role("main")).to_contain_text("You said no to this version before.")
    tab.locator('[name="level:document.edit"]').select_option("shape")
    tab.get_by_role("button", name="Yes, I take part").click()
    expect(tab.get_by_role("status")).to_contain_text("You have joined")
    assert overt(home, "studies", "--json")[0]["levels"]["document.edit"] == "shape"


def test_what_is_no_manifest_is_refused_in_words(open_page: Open, tmp_path: Path) -> None:
    tab, base = open_page(tmp_path / "new")
    tab.goto(base + "/join")
    tab.get_by_label("Or its path").fill(str(tmp_path / "nothing.json"))
    tab.get_by_role("button", name="Read it").click()
    expect(tab.get_by_role("alert").first).to_contain_text("The study’s file can’t be read.")


# For everyone


PAGES = [
    "/", "/timeline", "/timeline?hour=HOUR", "/minute?at=AT", "/film", "/search?q=total&span=all", "/forget",
    "/forget/sure?what=file&path=billing.py", "/studies", "/study?id=demo-study", "/study/leave?id=demo-study",
    "/join", "/join/offer", "/uploads", "/settings", "/welcome", "/nowhere",
]  # fmt: skip


def addresses(house: Path, tab: Tab, base: str) -> list[str]:
    """Every page of the list above, with what it needs to be full."""
    events = exported(house / "person")
    wall = next(each["event"]["wall_ms"] for each in events if each["event"]["body"]["kind"] == "document.edit")
    film_of(tab, base, "billing.py")
    film = tab.url.removeprefix(base)
    tab.goto(base + "/join")
    tab.get_by_label("Or its path").fill(str(house / "demo-study" / "study.json"))
    tab.get_by_role("button", name="Read it").click()
    tab.wait_for_url("**/join/offer**")
    offer = tab.url.removeprefix(base)
    tab.goto(base + "/timeline")
    hour = str(tab.locator(".hour h3 a").first.get_attribute("href")).rpartition("=")[2]
    known = {"/film": film, "/join/offer": offer}
    return [known.get(page, page.replace("HOUR", hour).replace("AT", str(wall))) for page in PAGES]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 360])
def test_no_page_has_an_accessibility_violation(house: Path, open_page: Open, scheme: str, width: int) -> None:
    tab, base = open_page(house / "person")
    pages = addresses(house, tab, base)
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    tab.set_viewport_size({"width": width, "height": 800})
    axe = Axe()
    found: dict[str, list[str]] = {}
    for page in pages:
        tab.goto(base + page)
        settled(tab)
        results = axe.run(tab)
        if results.violations_count:
            found[page] = [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in results.response["violations"]]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
    assert found == {}


def test_everything_can_be_done_with_the_keyboard(house: Path, open_page: Open) -> None:
    home = house / "person"
    tab, _ = open_page(home)
    tab.keyboard.press("Tab")
    expect(tab.locator(":focus")).to_have_text("Skip to the content")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    expect(tab.locator(":focus")).to_have_text("Pause for 15 minutes")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Capture is paused")
    assert overt(home, "status", "--json")["state"] == "paused"


def test_the_page_reads_without_its_script(house: Path, browser: Any, serve: Any) -> None:
    page = serve(house / "person")
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    tab = context.new_page()
    tab.goto(page.address)
    tab.wait_for_url(lambda url: "/open" not in url)
    tab.get_by_role("link", name="Timeline", exact=True).click()
    tab.get_by_role("link", name="Show").nth(1).click()
    expect(tab.locator("body")).to_contain_text("You edited billing.py")
    context.close()


def test_the_page_closes_when_nobody_looks(house: Path, serve: Any) -> None:
    page = serve(house / "person", "--idle", "1s")
    assert page.process.wait(30) == 0


def test_hostile_text_is_shown_as_text(house: Path, open_page: Open) -> None:
    tab, base = open_page(house / "person")
    film_of(tab, base, "onerror")
    slider = tab.locator("#film-at")
    slider.fill(str(slider.get_attribute("max")))
    assert tab.locator("#film-screen").inner_text() == HOSTILE_TEXT
    assert tab.evaluate("window.hacked") is None
