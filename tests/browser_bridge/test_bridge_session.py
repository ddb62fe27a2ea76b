"""What a paired extension can do, and that nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from browser_bridge import guest
from event_model.errors import StoreUnwritable
from event_model.events import FILLER, CaptureGap, GapReason
from event_model.keys import Secret
from event_model.page_events import FieldChange, PageClose, PageFocus, PageOpen, PageOutline
from local_store.store import Store
from tests.browser_bridge.bridge_world import FOCUS, ORIGIN, PAGE, PROFILE, SITE, Client, World, paired_secret

MANY = 100
TOKEN = "ghp_Zx81kQmW4vTn7LsYcR2dUb9EaHf3Gj6PoXi5"


async def test_events_are_kept_and_acknowledged(world: World) -> None:
    async with world.client() as client:
        outline = {"kind": "page.outline", "nodes": [{"depth": 0, "role": "heading", "name": "Issue 7"}]}
        await client.events(PAGE, FOCUS, outline)
    await world.stop()
    bodies = [body for body in await world.kept() if not type(body).__name__.startswith("Capture")]
    assert [type(body) for body in bodies] == [PageOpen, PageFocus, PageOutline, PageClose]
    assert bodies[0].route == f"{SITE}/issues/:id?x"
    assert bodies[2].nodes[0].name == "Issue 7"


async def test_state_says_what_was_agreed_to(world: World) -> None:
    async with world.socket() as socket:
        ready = await Client(socket, world.server.port).shake_hands(world.secret)
    (study,) = ready["state"]["studies"]
    assert ready["state"]["capture"] == "capturing"
    assert (study["origins"], study["secret_fields"]) == ([SITE], ["*_pin"])
    assert study["levels"]["field.change"] == "content"
    assert study["purposes"][0]["text"]


async def test_secret_is_masked_before_it_is_sealed(world: World) -> None:
    async with world.client() as client:
        element = {"role": "textbox", "name": "Note", "path": "input:1"}
        change = {"kind": "field.change", "element": element, "content": "text", "length": "17-64", "value": TOKEN}
        await client.events(PAGE, change)
    await world.stop()
    (kept,) = [body for body in await world.kept() if isinstance(body, FieldChange)]
    assert kept.value == FILLER * len(TOKEN)


async def test_page_of_another_site_is_stopped_and_leaves_no_trace(world: World) -> None:
    async with world.client() as client:
        item = {"page": "x", "wall_ms": 1, "url": "https://other.example.org", "body": PAGE}
        await client.send({"type": "events", "first": 1, "events": [item]})
        stop = await client.receive("stop")
        assert (stop["page"], stop["code"]) == ("x", "out-of-scope")
        assert (await client.receive("ack"))["seq"] == 1
        client.seq = 1
        await client.events(FOCUS, page="x")
    await world.stop()
    assert await world.kept() == []


async def test_event_of_an_unknown_page_is_refused_aloud(world: World) -> None:
    async with world.client() as client:
        await client.events(FOCUS, page="never", ack=False)
        assert (await client.receive("stop"))["code"] == "page-unknown"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "page.focus", "focused": 1, "visible": True},
        {"kind": "document.edit", "position": 0, "deleted": 0, "inserted": "x"},
        {"kind": "capture.cursor", "client": "x", "seq": 1},
        {"kind": "page.focus", "focused": True, "visible": True, "html": "<p>"},
        {"kind": "pointer.click", "element": {"path": "div[data-secret=1]"}, "x": 1, "y": 1},
        {"kind": "pointer.click", "element": {"path": "main:1/patient-jones:1"}, "x": 1, "y": 1},
        {"kind": "pointer.click", "element": {"role": "patient-jones"}, "x": 1, "y": 1},
        {"kind": "pointer.click", "element": {"context_role": "patient-jones"}, "x": 1, "y": 1},
        {"kind": "page.outline", "nodes": [{"depth": 0, "role": "patient-jones"}]},
        {"kind": "page.outline", "nodes": [{"depth": 0, "states": ["patient-jones"]}]},
        {"kind": "key.rhythm", "element": {}, "keys": "ccc", "intervals": [1]},
        {},
    ],
)
async def test_malformed_event_is_a_gap_and_the_rest_goes_on(world: World, body: dict[str, Any]) -> None:
    async with world.client() as client:
        await client.events(PAGE, body, FOCUS)
    await world.stop()
    bodies = await world.kept()
    assert [(gap.count, gap.reason) for gap in bodies if isinstance(gap, CaptureGap)] == [
        (1, GapReason.MESSAGE_MALFORMED)
    ]
    assert sum(isinstance(each, PageFocus) for each in bodies) == 1


async def test_resent_after_a_restart_of_the_bridge_is_taken_once(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, FOCUS, FOCUS)
    await world.stop()
    await world.start()
    async with world.client() as client:
        item = {"page": "p1", "url": SITE, "open": {key: PAGE[key] for key in PAGE if key != "kind"}}
        await client.send({"type": "pages", "pages": [item]})
        await client.events(FOCUS, FOCUS, first=3)  # 3 was taken, its acknowledgement was lost
    await world.stop()
    assert sum(isinstance(body, PageFocus) for body in await world.kept()) == 3


CLOSE = {"kind": "page.close"}


def as_visits(bodies: list[Any]) -> list[list[str]]:
    """Give what is kept of each page, as its number at the door tells them apart."""
    visits: dict[int, list[str]] = {}
    for body in bodies:
        if isinstance(body, PageOpen | PageFocus | PageClose):
            visits.setdefault(body.document, []).append(type(body).__name__)
    return list(visits.values())


async def test_page_whose_opening_is_sent_again_is_opened_anew_by_what_is_new_of_it(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, FOCUS)
    async with world.client() as client:  # the line broke before the acknowledgement came
        await client.events(PAGE, FOCUS, first=1)
    async with world.client() as client:
        await client.events(PAGE, FOCUS, FOCUS, CLOSE, first=1)
    async with world.client() as client:
        await client.events(PAGE, FOCUS, FOCUS, CLOSE, first=1)
    await world.stop()
    assert as_visits(await world.kept()) == [["PageOpen", "PageFocus", "PageClose"]] * 2


async def test_frame_of_a_page_that_was_taken_before_still_stands_in_it(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE)
    async with world.client() as client:
        await client.events(PAGE, first=1)
        await client.events({**PAGE, "parent": "p1"}, page="p2")
    await world.stop()
    *_, page, frame = [body for body in await world.kept() if isinstance(body, PageOpen)]
    assert (page.parent, frame.parent) == (None, page.document)


async def test_pause_and_withdrawal_stop_an_open_page_at_once(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, FOCUS)
        assert "result" in await client.ask("pause", minutes=15)
        stop = await client.receive("stop")
        assert stop["page"] == "p1"
        await client.events(FOCUS)
        await client.ask("resume")
        await client.events(PAGE, page="p2")
        world.leave()
        await client.receive("stop")
        await client.events(FOCUS, page="p2")
    await world.stop()
    assert sum(isinstance(body, PageFocus) for body in await world.kept()) <= 1


async def test_queue_that_overflowed_in_the_browser_is_a_gap(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, {"kind": "capture.gap", "count": 40, "reason": "queue-full"})
    await world.stop()
    (gap,) = [body for body in await world.kept() if isinstance(body, CaptureGap)]
    assert (gap.count, gap.reason) == (40, GapReason.QUEUE_FULL)


async def test_popup_learns_what_was_taken_and_forgets_it(world: World) -> None:
    async with world.client() as client:
        await client.events(PAGE, FOCUS)
        today = (await client.ask("today", origin=SITE))["result"]
        assert today == {"events": 2, "masked": 0, "studies": ["A study of a site"]}
        assert (await client.ask("why", origin=SITE))["result"] == {"reasons": []}
        (reason,) = (await client.ask("why", origin="https://x.example"))["result"]["reasons"]
        assert reason["code"] == "out-of-scope"
        assert (await client.ask("forget", minutes=10))["result"]["events"] >= 2
        assert (await client.ask("nonsense"))["error"]["code"] == "method-unknown"
        assert (await client.ask("forget", minutes="all"))["error"]["code"] == "params-invalid"
    await world.stop()
    assert not [body for body in await world.kept() if isinstance(body, PageFocus)]


async def test_pairing_by_a_code_lasts_and_the_code_is_used_up(world: World) -> None:
    code = world.papers.open_pairing(world.server._clock.wall_ms()).replace("-", "")
    async with world.socket() as socket:
        client = Client(socket, world.server.port)
        await client.shake_hands(Secret(code.encode()), pair=True)
        secret = paired_secret(Secret(code.encode()), **client.bound)
    async with world.socket() as socket:
        await Client(socket, world.server.port).shake_hands(secret)
    async with world.socket() as socket:
        again = Client(socket, world.server.port)
        with pytest.raises((AssertionError, ConnectionClosed)):
            await again.shake_hands(Secret(code.encode()), pair=True)
    assert world.papers.unpair() == 1


async def test_what_found_no_room_on_the_disk_is_acknowledged_once_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> bool:
        raise StoreUnwritable("the disk is full")

    async with world.client() as client:
        await client.events(PAGE, FOCUS)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "append", full)
            patch.setattr(Store, "append_at_once", full)
            for _ in range(4):  # the extension sends no more without an answer
                await client.events(FOCUS, ack=False)
            await client.send({"type": "ping"})
            told = []
            while (message := await client.receive())["type"] != "pong":
                told.append(message["type"])
            assert "ack" not in told
        await client.send({"type": "ping"})
        assert (await client.receive("ack"))["seq"] == client.seq
        await client.events(FOCUS)
    await world.stop()
    assert sum(isinstance(body, PageFocus) for body in await world.kept()) == 6


async def test_two_profiles_at_once_are_kept_apart(world: World) -> None:
    async with world.client() as one, world.client("f" * 32) as other:
        await asyncio.gather(one.events(PAGE, FOCUS), other.events(PAGE, FOCUS, FOCUS))
    await world.stop()
    bodies = [body for body in await world.kept() if isinstance(body, PageOpen | PageFocus)]
    assert len({body.document for body in bodies}) == 2
    assert sum(isinstance(body, PageFocus) for body in bodies) == 3
    assert PROFILE not in repr(await world.kept())
    assert ORIGIN not in repr(await world.kept())


class Turns:
    """Counts how often everyone had a turn, and notes at which turn something was called."""

    def __init__(self) -> None:
        self.count = 0
        self.noted: list[int] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)

    def noting(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            self.noted.append(self.count)
            return work(*given)

        return noted

    async def __aenter__(self) -> Turns:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()


async def test_guest_that_says_much_at_once_takes_turns_with_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.client() as client, Turns() as turns:
        await client.events(PAGE)
        monkeypatch.setattr(guest.Guest, "take", turns.noting(guest.Guest.take))
        for _ in range(MANY):
            await client.events(FOCUS, ack=False)
        while (await client.receive("ack"))["seq"] < client.seq:
            pass
        assert len(set(turns.noted)) == MANY


async def test_large_batch_is_taken_in_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "TURN_S", 0)
    async with world.client() as client, Turns() as turns:
        await client.events(PAGE)
        monkeypatch.setattr(guest.Guest, "_take", turns.noting(guest.Guest._take))
        await client.events(*[FOCUS] * MANY)
        assert len(set(turns.noted)) == MANY


async def test_batch_that_was_written_in_its_middle_and_comes_again_is_taken_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = guest.Guest._take

    def break_off(self: guest.Guest, item: Any, sent: Any) -> None:
        if sent.seq == 4:
            raise ConnectionClosedError(None, None)
        take(self, item, sent)

    monkeypatch.setattr(guest, "TURN_S", 0)
    async with world.socket() as socket:
        client = Client(socket, world.server.port)
        await client.shake_hands(world.secret)
        with monkeypatch.context() as patch:
            patch.setattr(guest.Guest, "_take", break_off)
            await client.events(PAGE, FOCUS, FOCUS, FOCUS, FOCUS, ack=False)
            with pytest.raises(ConnectionClosed):
                await client.receive("ack")
    await world.stop()
    await world.start()
    async with world.client() as client:
        await client.events(PAGE, FOCUS, FOCUS, FOCUS, FOCUS, first=1)
    await world.stop()
    assert sum(isinstance(body, PageFocus) for body in await world.kept()) == 4
