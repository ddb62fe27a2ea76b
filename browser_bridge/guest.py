"""One connected profile: its pages, and what its messages do at the door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from browser_bridge.messages import EventItem, Events, Pages
from capture_gate.decision import Refusal, refusal
from capture_gate.page_door import PageDoor, Sent
from event_model.body import MAX_COUNT
from event_model.events import CaptureGap, GapReason
from event_model.ids import DocumentId
from event_model.page_events import PageBody, PageClose, PageOpen

Send = Callable[[dict[str, Any]], None]
UNKNOWN = refusal("page-unknown", detail="The page was not announced. It is captured again when it is loaded.")


ANNOUNCED = MAX_COUNT
"""The number of what has none: an announced page is never one that was taken before."""

TURN_S = 0.005
"""So long one guest's batch is taken before the others have their turn."""


class _Page(msgspec.Struct):
    """A page of the extension's; ``document`` is its number at the door, ``None`` when it is not captured.

    ``opening`` is its origin and how it opens, once an event of it comes that was not taken before.
    """

    document: DocumentId | None = None
    stopped: bool = False
    opening: tuple[str, dict[str, Any]] | None = None


class Guest:
    """A profile after its handshake. ``send`` takes messages; nothing here waits but for the disk."""

    def __init__(self, profile: str, door: PageDoor, send: Send) -> None:
        self.profile = profile
        self._door = door
        self._send = send
        self._pages: dict[str, _Page] = {}
        self._owed: int | None = None
        """The number up to which events were taken and not acknowledged."""

    def announce(self, message: Pages) -> None:
        """Note what is open in the browser. Frames come after their pages."""
        for item in message.pages:
            if item.page not in self._pages:
                self._pages[item.page] = _Page(opening=(item.url, {**item.open, "kind": "page.open"}))

    async def take(self, message: Events) -> None:
        """Take a batch, bring it to disk, and acknowledge it; no answer yet where that failed."""
        time = asyncio.get_running_loop().time
        ends = time() + TURN_S
        for seq, item in enumerate(message.events, message.first):
            self._take(item, Sent(self.profile, seq, item.wall_ms))
            if time() > ends:
                # What is written meanwhile says how far it goes.
                self._door.note(Sent(self.profile, seq))
                await asyncio.sleep(0)
                ends = time() + TURN_S
        self._owed = message.first + len(message.events) - 1
        await self.acknowledge()
        self.look()

    async def acknowledge(self) -> None:
        """Acknowledge what was taken, if it is durable by now: the disk may have had no room when it came."""
        owed = self._owed
        if owed is not None and await self._door.mark(Sent(self.profile, owed)):
            self._send({"type": "ack", "seq": owed})
            self._owed = None

    def look(self) -> None:
        """Tell the extension of pages that are no longer captured."""
        for name, page in self._pages.items():
            if page.document is not None and not page.stopped and not self._door.captures(page.document):
                self._stop(name, page, refusal("not-captured", detail="This page is no longer captured."))

    def leave(self) -> None:
        """Close every page: the browser, or its connection, is gone."""
        for page in self._pages.values():
            if page.document is not None and self._door.captures(page.document):
                self._door.offer(PageClose(page.document))
        self._pages.clear()

    def _pass_over(self, item: EventItem) -> None:
        """Of what was taken before, keep how a page opened: what comes after that may be new."""
        if item.body.get("kind") == "page.open" and item.page not in self._pages:
            self._pages[item.page] = _Page(opening=(item.url, item.body))

    def _known(self, name: str) -> _Page | None:
        """Give a page; one that waited for its first event opens now."""
        page = self._pages.get(name)
        if page is None or page.opening is None:
            return page
        (origin, fields), page.opening = page.opening, None
        body = self._convert(fields)
        if isinstance(body, PageOpen):
            return self._open(name, origin, body, Sent(self.profile, ANNOUNCED))
        self._door.gap(1, GapReason.MESSAGE_MALFORMED)
        del self._pages[name]
        return None

    def _take(self, item: EventItem, sent: Sent) -> None:
        if self._door.took(sent):
            self._pass_over(item)
            return
        body = self._convert(item.body)
        page = self._known(item.page)
        if body is None:
            self._door.gap(1, GapReason.MESSAGE_MALFORMED)
        elif isinstance(body, PageOpen):
            if page is None:
                self._open(item.page, item.url, body, sent)
        elif page is None:
            self._pages[item.page] = page = _Page()
            self._stop(item.page, page, UNKNOWN)
        elif page.document is not None:
            if isinstance(body, CaptureGap):
                body = CaptureGap(body.count, body.reason)
            else:
                body = msgspec.structs.replace(body, document=page.document)
            self._door.offer_page(body, sent)
            if isinstance(body, PageClose):
                del self._pages[item.page]

    def _open(self, name: str, origin: str, body: PageOpen, sent: Sent) -> _Page:
        verdict = self._door.open_page(origin, body, sent)
        page = self._pages[name] = _Page(verdict.document)
        if verdict.document is None:
            self._stop(name, page, verdict.refusals[0])
        return page

    def _stop(self, name: str, page: _Page, why: Refusal) -> None:
        page.stopped = True
        self._send({"type": "stop", "page": name, "code": why.code, "detail": why.detail})

    def _convert(self, fields: dict[str, Any]) -> PageBody | CaptureGap | None:
        """Read a body as the wire writes it: no number of its page, a parent by name. None: if it is malformed."""
        if fields.get("kind") != "capture.gap":
            fields = {**fields, "document": 0}
        if fields.get("parent") is not None:
            parent = self._known(str(fields["parent"]))
            fields["parent"] = None if parent is None else parent.document
        try:
            body: PageBody | CaptureGap = msgspec.convert(fields, type=PageBody | CaptureGap)
        except (msgspec.ValidationError, ValueError):
            return None
        return body
