"""The page on the stores of simulated people, filled through consent, gate, sync and receiver."""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from event_model.errors import StoreUnwritable
from event_model.receipts import DELETION_REQUEST, DeletionRequest
from event_model.signed import open_document
from local_store.forgetter import Forgetter
from local_store.forgetting import Selection
from local_store.model import SegmentState
from local_store.store import Forgotten
from overt.device import Device
from overt.forgetting import forget as forget_selected
from tests.review.review_kit import overt, run

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("review")]

Open = Callable[..., tuple[Tab, str]]
Event = dict[str, Any]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "fleet"
    arguments = ("--people", "3", "--days", "2", "--edits", "60", "--through-gate", "--json")
    overt(folder.parent, "simulate", str(folder), *arguments)
    return folder


def exported(home: Path) -> list[Event]:
    return [json.loads(line)["event"] for line in overt(home, "export").splitlines()]


def someone(fleet: Path, folder: Path, kind: str) -> tuple[Path, list[Event]]:
    """Copy the home of the first person who has events of a kind; gives it with their events."""
    for home in sorted((fleet / "people").iterdir()):
        events = exported(home)
        if any(each["body"]["kind"] == kind for each in events):
            shutil.copytree(home, folder / "home")
            return folder / "home", events
    raise AssertionError(kind)


def settled(tab: Tab) -> None:
    tab.locator("html[data-ready=true]").wait_for()


def day_of(event: Event) -> datetime.date:
    return datetime.datetime.fromtimestamp(event["wall_ms"] / 1000).astimezone().date()


def forget(tab: Tab) -> None:
    settled(tab)
    expect(tab.locator(".weighed")).to_contain_text("will be erased")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("heading", name="It is gone")).to_be_visible()
    expect(tab.locator(".card.good")).to_contain_text("nothing of it is left")


def test_a_developers_days_are_told_searched_watched_and_forgotten(
    fleet: Path, tmp_path: Path, open_page: Open
) -> None:
    home, events = someone(fleet, tmp_path, "document.edit")
    edits = [each for each in events if each["body"]["kind"] == "document.edit"]
    path = str(next(each["body"]["path"] for each in events if each["body"]["kind"] == "document.open"))
    tab, base = open_page(home)
    for day in sorted({day_of(each) for each in edits}):
        tab.goto(f"{base}/timeline?day={day}")
        settled(tab)
        expect(tab.get_by_role("main")).to_contain_text("You edited")
        expect(tab.locator(".entries .state-uploaded").first).to_have_text("sent")
        assert tab.locator(".lanes li").count() >= 2
    tab.goto(base + "/uploads")
    sent = tab.locator("section", has=tab.get_by_role("heading", name="What was sent")).locator("tbody tr")
    assert sent.count() >= 1
    expect(sent.filter(has_text="verified")).to_have_count(sent.count())

    tab.goto(f"{base}/search?q={path}&span=all")
    settled(tab)
    tab.locator("#found li", has_text=path).get_by_role("link", name=re.compile("^Watch")).first.click()
    tab.locator("#film[data-ready=true]").wait_for()
    assert int(str(tab.locator("#film-at").get_attribute("max"))) > 20
    settled(tab)
    assert tab.locator(".paper li").count() > 5

    at = edits[len(edits) // 2]["wall_ms"] // 60_000 * 60_000
    tab.goto(f"{base}/minute?at={at}")
    settled(tab)
    assert tab.locator(".events > li").count() == sum(at <= each["wall_ms"] < at + 60_000 for each in events)
    tab.locator(".events > li").first.get_by_role("link", name=re.compile("^Forget")).click()
    forget(tab)
    tab.goto(f"{base}/forget/sure?what=file&path={path}")
    forget(tab)
    assert path not in json.dumps(exported(home))
    assert overt(home, "status", "--json")["requests_waiting"] >= 1
    tab.goto(base + "/forget")
    tab.get_by_role("link", name="A simulated fleet").click()
    forget(tab)
    assert {each["body"]["kind"] for each in exported(home)} <= {"capture.gap"}


def test_a_supporters_pages_are_told_watched_and_forgotten(fleet: Path, tmp_path: Path, open_page: Open) -> None:
    home, events = someone(fleet, tmp_path, "page.open")
    tab, base = open_page(home)
    tab.goto(f"{base}/timeline?day={day_of(events[-1])}")
    settled(tab)
    expect(tab.get_by_role("main")).to_contain_text("You were on")
    tab.get_by_role("link", name=re.compile("^Watch")).first.click()
    film = tab.locator(".page-film[data-prepared]").first
    film.get_by_label("Position").fill("0")
    drawn = film.locator(".pointer").get_attribute("cx")
    film.get_by_label("Position").press("End")
    assert film.locator(".pointer").get_attribute("cx") != drawn
    route = str(next(each["body"]["route"] for each in events if each["body"]["kind"] == "page.open"))
    site = "/".join(route.split("/")[:3])
    tab.goto(f"{base}/forget/sure?what=site&site={site}")
    forget(tab)
    assert site not in json.dumps(exported(home))


def test_a_forgetting_that_is_cut_off_asks_back_what_it_erased(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = someone(fleet, tmp_path, "document.edit")
    monkeypatch.setenv("OVERT_KEYRING", "file")
    whole = Forgetter._forget_session
    sessions = 0

    async def failing(self: Forgetter, *arguments: Any, **named: Any) -> Forgotten:
        nonlocal sessions
        sessions += 1
        if sessions == 3:
            raise StoreUnwritable("no room")
        return await whole(self, *arguments, **named)

    monkeypatch.setattr(Forgetter, "_forget_session", failing)
    device = Device(home)

    async def go() -> set[tuple[int, int]]:
        async with device.store() as store:
            with pytest.raises(StoreUnwritable):
                await forget_selected(device, store, Selection(), lambda *_: None)
            gone = [info for info in await store.segments() if info.state is SegmentState.FORGOTTEN]
            return {(info.epoch, info.number) for info in gone}

    gone = run(go)
    assert len(gone) == 2
    ((_, request),) = device.ledger.outbox()
    assert set(open_document(DELETION_REQUEST, request, DeletionRequest).payload.segments or ()) == gone


def test_an_ended_study_says_so_and_can_be_left(fleet: Path, tmp_path: Path, open_page: Open) -> None:
    home, _ = someone(fleet, tmp_path, "document.edit")
    tab, base = open_page(home)
    expect(tab.get_by_role("main")).to_contain_text("The study has ended.")
    tab.goto(base + "/studies")
    tab.get_by_role("link", name="A simulated fleet").click()
    tab.get_by_role("link", name="Leave this study").click()
    tab.get_by_role("button", name="Leave").click()
    expect(tab.get_by_role("status")).to_contain_text("You have left")
    assert exported(home) == []
