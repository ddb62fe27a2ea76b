"""The door for web pages: sites, levels, and that what is sent twice is taken once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from capture_gate.page_door import PageDoor, Sent
from capture_gate.status import ClientInfo
from event_model.events import FILLER, CaptureCursor, CaptureGap, GapReason
from event_model.ids import DocumentId
from event_model.page_events import (
    Element,
    FieldChange,
    FieldContent,
    LengthBucket,
    PageClose,
    PageFocus,
    PageNavigate,
    PageOpen,
    PointerClick,
)

SITE = "https://tracker.example.org"
OPEN = PageOpen(DocumentId(0), 1, "https://tracker.example.org/issues/4711?token=abc", "Issue 4711")
KINDS = {
    **dict.fromkeys(("page.open", "page.navigate", "page.close", "pointer.click", "page.focus"), "content"),
    "field.change": "content",
}


def with_site(levels: dict[str, str] = KINDS) -> Callable[[str], str]:
    """Turn the template of a study into one of a site."""
    import re

    lines = "\n".join(f'"{kind}" = "{level}"' for kind, level in levels.items())

    def edit(text: str) -> str:
        text = re.sub(r"\[kinds\]\n.*?\n\n", f"[kinds]\n{lines}\n\n", text, flags=re.DOTALL)
        return re.sub(r"\[scope\]\n", '[scope]\nweb_origins = ["https://tracker.example.org"]\n', text)

    return edit


async def door_of(person: Any) -> PageDoor:
    return await PageDoor.open(person.home, source="browser", client=ClientInfo("chromium"), clock=person.clock)


async def kept(person: Any) -> list[Any]:
    store = await person.store()
    try:
        return [each.event.body async for each in store.events()]
    finally:
        await store.close()


def opened(door: PageDoor, seq: int = 1, client: str = "p") -> DocumentId:
    verdict = door.open_page(SITE, OPEN, Sent(client, seq))
    assert verdict.document is not None, verdict.refusals
    return verdict.document


async def test_page_of_a_granted_site_is_kept_as_a_route(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    page = opened(door)
    door.offer_page(PageFocus(page, True, True), Sent("p", 2))
    door.offer_page(PageNavigate(page, "https://tracker.example.org/login?next=/x#frag", "Login"), Sent("p", 3))
    door.offer_page(PageClose(page), Sent("p", 4))
    assert await door.mark(Sent("p", 4))
    await door.close()
    bodies = [body for body in await kept(person) if not body.__class__.__name__.startswith("Capture")]
    assert [type(body) for body in bodies] == [PageOpen, PageFocus, PageNavigate, PageClose]
    assert bodies[0].route == "https://tracker.example.org/issues/:id?token"
    assert bodies[2].route == "https://tracker.example.org/login?next"


@pytest.mark.parametrize(
    "site", ["https://other.example.org", "http://tracker.example.org", "https://tracker.example.org:8443", "null"]
)
async def test_page_elsewhere_leaves_no_trace(person: Any, site: str) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    verdict = door.open_page(site, OPEN, Sent("p", 1))
    assert verdict.document is None
    assert [each.code for each in verdict.refusals] == ["out-of-scope"]
    door.offer_page(PageFocus(DocumentId(1), True, True), Sent("p", 2))
    assert await door.mark(Sent("p", 2))
    await door.close()
    assert await kept(person) == []


async def test_levels_lower_before_anything_is_pending(person: Any) -> None:
    person.join(edit=with_site(dict.fromkeys(KINDS, "shape")))
    door = await door_of(person)
    page = opened(door)
    field = Element(role="textbox", name="Full name", path="input:1")
    door.offer_page(FieldChange(page, field, FieldContent.WORDS, LengthBucket.LINE, "Jane Doe"), Sent("p", 2))
    assert await door.mark(Sent("p", 2))
    pending = [body for body in await kept(person) if isinstance(body, PageOpen | FieldChange)]
    assert (pending[0].route, pending[0].title) == ("https://tracker.example.org/aaaaaa/:id", "Aaaaa 0000")
    assert (pending[1].value, pending[1].element.name) == ("", "Aaaa aaaa")
    await door.close()


async def test_secret_in_a_field_is_masked_when_sealed(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    page = opened(door)
    token = "ghp_Zx81kQmW4vTn7LsYcR2dUb9EaHf3Gj6PoXi5"
    field = Element(role="textbox", name="Token", path="input:1")
    door.offer_page(FieldChange(page, field, FieldContent.TEXT, LengthBucket.LINE, token), Sent("p", 2))
    await door.close()
    (change,) = [body for body in await kept(person) if isinstance(body, FieldChange)]
    assert change.value == FILLER * len(token)


async def test_what_is_sent_again_after_a_crash_is_taken_once(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    page = opened(door, 1)
    for seq in (2, 3):
        door.offer_page(PageFocus(page, True, seq == 2), Sent("p", seq))
    assert await door.mark(Sent("p", 3))
    gone = door  # nothing is closed: its process is no more

    again = await door_of(person)
    page = opened(again, 4)
    for seq in (2, 3, 5):
        again.offer_page(PageFocus(page, False, seq == 2), Sent("p", seq))
    again.offer_page(PageFocus(page, False, False), Sent("another profile", 2))
    assert await again.mark(Sent("p", 5))
    await again.close()
    # Only so that no thread outlives the test.
    assert gone._sessions._writer is not None
    await gone._sessions._writer.close()
    assert gone._sessions.store is not None
    await gone._sessions.store.close()
    focus = [(body.focused, body.visible) for body in await kept(person) if isinstance(body, PageFocus)]
    assert focus == [(True, True), (True, False), (False, False), (False, False)]


async def test_cursors_of_all_profiles_outlive_many_sessions(person: Any) -> None:
    person.join(edit=with_site())
    for run in range(3):
        door = await door_of(person)
        client = "old" if run == 0 else "new"
        opened(door, 10 + run, client)
        assert await door.mark(Sent(client, 10 + run))
        await door.close()
    door = await door_of(person)
    page = opened(door, 20, "new")
    door.offer_page(PageFocus(page, True, True), Sent("old", 10))
    assert await door.mark(Sent("old", 20))
    await door.close()
    assert not [body for body in await kept(person) if isinstance(body, PageFocus)]


async def test_cursor_names_no_profile_and_differs_by_study(person: Any) -> None:
    person.join("study-one", edit=with_site())
    person.join("study-two", edit=with_site())
    door = await door_of(person)
    opened(door)
    assert await door.mark(Sent("p" * 32, 1))
    await door.close()
    tags = {body.client for body in await kept(person) if isinstance(body, CaptureCursor)}
    assert len(tags) == 2
    assert "p" * 8 not in "".join(tags)


async def test_withdrawal_ends_a_page_at_once(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    page = opened(door)
    assert await door.mark(Sent("p", 1))
    person.ledger.pause(None, person.clock.wall_ms())
    person.clock.advance(30)
    door.offer_page(PointerClick(page, Element(role="button"), 1, 1), Sent("p", 2))
    assert await door.mark(Sent("p", 2))
    assert not door.captures(page)
    await door.close()
    assert not [body for body in await kept(person) if isinstance(body, PointerClick)]
    assert [type(body) for body in await kept(person) if isinstance(body, PageClose)] == [PageClose]


async def test_gap_of_a_page_is_kept_and_ends_nothing_else(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    page = opened(door)
    door.offer_page(CaptureGap(7, GapReason.QUEUE_FULL), Sent("p", 2))
    assert door.captures(page)
    assert await door.mark(Sent("p", 2))
    await door.close()
    gaps = [body for body in await kept(person) if isinstance(body, CaptureGap)]
    assert [(gap.count, gap.reason) for gap in gaps] == [(7, GapReason.QUEUE_FULL)]


async def test_terms_say_what_was_agreed_to(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    (terms,) = door.terms()
    assert terms.origins == ("https://tracker.example.org",)
    assert terms.levels["pointer.click"] == "content"
    assert terms.live
    assert terms.notice
    assert msgspec.json.encode(terms)
    page = opened(door)
    door.offer_page(PageFocus(page, True, True), Sent("p", 2))
    assert (await door.today(SITE, 0))[0] == 2
    assert (await door.today("https://tracker.example", 0))[0] == 0
    await door.close()


async def test_event_that_waited_in_the_browser_keeps_its_time(person: Any) -> None:
    person.join(edit=with_site())
    door = await door_of(person)
    person.clock.advance(60_000)
    now = person.clock.wall_ms()
    verdict = door.open_page(SITE, OPEN, Sent("p", 1, now - 50_000))
    assert verdict.document is not None
    door.offer_page(PageFocus(verdict.document, True, True), Sent("p", 2, now - 20_000))
    door.offer_page(PageFocus(verdict.document, False, True), Sent("p", 3, now + 99_000))
    assert await door.mark(Sent("p", 3))
    await door.close()
    store = await person.store()
    events = [each.event async for each in store.events() if hasattr(each.event.body, "document")]
    await store.close()
    assert [event.wall_ms - now for event in events] == [-50_000, -20_000, 0]
    assert [event.delta_ms for event in events[1:]] == [30_000, 20_000]
