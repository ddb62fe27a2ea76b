"""What a browser's sessions look like on the page: sentences, the pointer's trail, and forgetting a site."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from capture_gate.page_door import PageDoor, Sent
from capture_gate.status import ClientInfo
from event_model.ids import DocumentId
from event_model.page_events import (
    Element,
    FieldChange,
    FieldContent,
    KeyRhythm,
    LengthBucket,
    NameSource,
    OutlineNode,
    PageBody,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
)
from overt.demo.house import House
from tests.review.review_kit import HOSTILE, MAIL, overt, run

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("review")]

SITE = "https://tickets.example.org"
OTHER = "https://wiki.example.org"
KINDS = (
    "page.open", "page.navigate", "page.close", "pointer.trail", "pointer.click", "field.change", "key.rhythm",
    "form.submit", "page.outline",
)  # fmt: skip

Open = Callable[..., tuple[Tab, str]]


async def browse(folder: Path) -> None:
    """Visit two sites through the real gate; one is left open."""
    house = House(folder)
    await house.found_study(hold_s=86_400)
    toml = house.study_folder / "study.toml"
    text = toml.read_text("utf-8").replace("version = 1", "version = 2")
    kinds = "\n".join(f'"{kind}" = "content"' for kind in KINDS)
    text = text.replace("[kinds]\n", f"[kinds]\n{kinds}\n")
    toml.write_text(text.replace("[scope]\n", f'[scope]\nweb_origins = ["{SITE}", "{OTHER}"]\n'), "utf-8")
    await house.overt("study", "sign", str(house.study_folder))
    await house.join()
    os.environ["OVERT_KEYRING"] = "file"
    door = await PageDoor.open(house.person, source="browser", client=ClientInfo("chromium"))
    seq = 0

    def sent() -> Sent:
        nonlocal seq
        seq += 1
        return Sent("profile", seq)

    button = Element("button", "Save", NameSource.AUTHOR, "Ticket 4711", "form", "form:1/button:1", (600, 500, 120, 40))
    field = Element(
        "textbox", "Contact", NameSource.AUTHOR, "Ticket 4711", "form", "form:1/input:1", (100, 300, 400, 32)
    )
    for site, title in ((SITE, f"Ticket {HOSTILE}"), (OTHER, "Wiki")):
        opened = PageOpen(DocumentId(0), 1, f"{site}/tickets/4711", title, 1200, 800)
        page = door.open_page(site, opened, sent()).document
        assert page is not None
        acts: list[PageBody] = [
            PointerTrail(page, ((0, 10, 10), (50, 200, 180), (50, 640, 515))),
            FieldChange(page, field, FieldContent.EMAIL, LengthBucket.LINE, MAIL),
            KeyRhythm(page, field, "ccc", (0, 120, 90)),
            PageOutline(page, (OutlineNode(0, "form", "Ticket 4711"), OutlineNode(1, "textbox", HOSTILE))),
            PointerClick(page, button, 40, 15),
            PageNavigate(page, f"{site}/done", "Saved"),
        ]
        for each in acts:
            door.offer_page(each, sent())
    assert await door.mark(Sent("profile", seq))
    await door.close()
    await house.close()


@pytest.fixture
def web(tmp_path: Path) -> Path:
    run(lambda: browse(tmp_path / "web"))
    return tmp_path / "web" / "person"


def test_a_visit_is_told_shown_and_forgotten(web: Path, open_page: Open) -> None:
    tab, base = open_page(web)
    tab.goto(base + "/timeline")
    tab.locator("html[data-ready=true]").wait_for()
    main = tab.get_by_role("main")
    told = re.compile(
        r"You were on https://tickets\.example\.org/.* for .*, with 1 click, filled in 1 field; 1 personal"
    )
    expect(main).to_contain_text(told)
    lanes = tab.locator(".lanes li .who")
    expect(lanes).to_have_count(3)
    # The tool first, then the sites by how long they were looked at.
    tool, *sites = [text.split(":")[0].strip() for text in lanes.all_inner_texts()]
    assert (tool, sorted(sites)) == ("chromium", ["tickets.example.org", "wiki.example.org"])
    tab.locator("li", has_text="tickets.example.org").get_by_role("link", name=re.compile("^Watch")).first.click()
    drawing = tab.get_by_role("img", name="The page’s outline, and the pointer’s way").first
    expect(drawing.locator("polyline.trail")).to_have_attribute("points", re.compile("10,10 200,180 640,515"))
    expect(drawing.locator("circle.click")).to_have_attribute("cx", "640")
    film = tab.locator(".page-film[data-prepared]").first
    film.get_by_label("Position").fill("0")
    expect(film.locator(".pointer")).to_have_attribute("cx", "10")
    expect(film.locator("g.later")).to_have_count(1)
    film.get_by_label("Speed").select_option("16")
    film.get_by_role("button", name="Play").click()
    expect(film.locator(".pointer")).to_have_attribute("cx", "640")
    expect(film.locator("g.later")).to_have_count(0)
    expect(film.get_by_role("button", name="Play")).to_be_visible()
    expect(main).to_contain_text("clicked button “Save”")
    expect(main).to_contain_text(re.compile("changed textbox “Contact” to masked"))
    tab.get_by_text("The outline around it: 2 lines").click()
    expect(tab.locator(".outline")).to_contain_text(HOSTILE)
    assert tab.locator("main img").count() == 0
    assert MAIL not in tab.content()
    tab.goto(base + "/timeline")
    tab.locator("html[data-ready=true]").wait_for()
    row = tab.locator("li", has_text="tickets.example.org")
    row.get_by_role("link", name=re.compile("^Forget this site")).first.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(f"Forget everything from {SITE}?")
    tab.get_by_role("button", name="Forget it for good").click()
    expect(tab.get_by_role("status")).to_contain_text("nothing of it is left")
    left = [json.loads(line)["event"]["body"] for line in overt(web, "export").splitlines()]
    assert SITE not in json.dumps(left)
    assert sum(each["kind"] == "pointer.click" for each in left) == 1
    assert OTHER in json.dumps(left)


def test_forgetting_a_site_in_the_terminal_leaves_the_others(web: Path) -> None:
    done = overt(web, "forget", "--site", SITE, "--yes", "--json")
    assert done["events"] == 7
    left = overt(web, "export")
    assert SITE not in left
    assert OTHER in left


def test_a_site_can_be_taken_out_on_the_page(web: Path, open_page: Open) -> None:
    tab, base = open_page(web)
    tab.goto(base + "/study?id=demo-study")
    tab.get_by_label("Never capture these sites").fill(OTHER)
    tab.get_by_role("button", name="Give this from now on").click()
    expect(tab.get_by_role("status")).to_contain_text("Your consent was changed")

    async def visit() -> list[bool]:
        os.environ["OVERT_KEYRING"] = "file"
        door = await PageDoor.open(web, source="browser", client=ClientInfo("chromium"))
        pages = [PageOpen(DocumentId(0), 1, f"{site}/", "t") for site in (SITE, OTHER)]
        taken = [
            door.open_page(site, page, Sent("other", number)).document is not None
            for number, (site, page) in enumerate(zip((SITE, OTHER), pages, strict=True), start=1)
        ]
        await door.close()
        return taken

    assert run(visit) == [True, False]
