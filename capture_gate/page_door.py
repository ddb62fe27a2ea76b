"""The door for web pages: sites in the place of files, and a cursor for each browser profile.

A profile numbers what it sends. The numbers taken stand in the session itself (``capture.cursor``), committed with the
events, so that after any crash of either side what is sent again is taken once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from capture_gate.channel import Channel
from capture_gate.decision import Refusal, consent_refusal, refusal, scope_refusal
from capture_gate.door import Door
from capture_gate.permissions import Permissions
from capture_gate.status import OpenVerdict, StudyTerms
from consent_ledger.grants import Grant
from consent_ledger.ledger import Ledger
from consent_ledger.scope import Site
from event_model.clock import Clock
from event_model.errors import OvertError
from event_model.events import Body, CaptureCursor, CaptureGap, Event, GapReason
from event_model.ids import DocumentId, SessionId, StudyId
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES, Element, PageBody, PageClose, PageNavigate, PageOpen
from event_model.page_words import is_known_path
from local_store.store import Store
from privacy_filter.routes import route_template

MAX_SESSIONS_BACK = 16
"""Sessions in which a cursor is looked for; each new one begins with all that are known."""

SOURCE = "browser"


class Sent(msgspec.Struct, frozen=True):
    """Where an event comes from: the profile, its number there, and when it happened (Unix ms; ``None``: now)."""

    client: str
    seq: int
    wall_ms: int | None = None


class PageDoor(Door):
    """A door that pages come through as well. Nothing of a page is taken that no live study names by its origin."""

    def __init__(self, permissions: Permissions, ledger: Ledger, clock: Clock) -> None:
        """Use ``PageDoor.open``."""
        super().__init__(permissions, ledger, clock)
        self._sent: Sent | None = None
        self._latest = 0
        self._cursors: dict[tuple[StudyId, str], int] = {}
        self._fed: set[StudyId] = set()
        self._marked: set[SessionId] = set()

    def open_page(self, origin: str, page: PageOpen, sent: Sent) -> OpenVerdict:
        """Ask whether a page may be captured, and begin with it where it may. The page's own number is replaced."""
        self._refresh()
        if self._permissions.paused:
            return OpenVerdict(None, (refusal("paused"),))
        if self._sessions.shut and self._sessions.trouble is not None:
            return OpenVerdict(None, (self._sessions.trouble,))
        with self._from(sent):
            return self._open_at(Site(origin), lambda _, number: msgspec.structs.replace(page, document=number))

    def took(self, sent: Sent) -> bool:
        """Say whether every study that is fed has what a profile sent under a number."""
        channels = self._sessions.channels.values()
        return bool(channels) and all(sent.seq <= self._known(channel, sent) for channel in channels)

    def offer_page(self, body: PageBody | CaptureGap, sent: Sent) -> None:
        """Offer a page's event; what was taken before, by its number, is passed over.

        One that has words of the page in the place of tag names is not taken, and counted in a gap.
        """
        element = getattr(body, "element", None)
        if isinstance(element, Element) and not is_known_path(element.path):
            body = CaptureGap(1, GapReason.MESSAGE_MALFORMED)
        with self._from(sent):
            self.offer(body)

    def explain_site(self, origin: str) -> tuple[Refusal, ...]:
        """Say why a site is not captured; nothing when it is, or would be."""
        return self._explain(lambda: Site(origin))

    def terms(self) -> tuple[StudyTerms, ...]:
        """Give what the person agreed to, for every study that can be read."""
        self._refresh(now=True)
        grants = self._permissions.grants.values()
        return tuple(self._terms(grant) for grant in grants if grant.signed_manifest is not None)

    def note(self, sent: Sent) -> None:
        """Note that everything of a profile up to a number was taken; before anything else may be written."""
        for channel in list(self._sessions.channels.values()):
            if channel.study in self._fed:
                self._put_cursors(channel, sent)
        self._fed.clear()

    async def mark(self, sent: Sent) -> bool:
        """Note what was taken, and bring it to disk; false if that failed."""
        self.note(sent)
        return await self._sessions.commit()

    async def today(self, origin: str, since_ms: int) -> tuple[int, int]:
        """Count what is kept of a site since a time: events, and those of them in which something was masked."""
        events = masked = 0
        if self._sessions.store is None:
            return events, masked
        await self._sessions.commit()
        pages: set[tuple[SessionId, DocumentId]] = set()
        async for stored in self._sessions.store.events(since_ms=since_ms):
            body = stored.event.body
            page = (stored.session, getattr(body, "document", DocumentId(0)))
            if isinstance(body, PageOpen) and body.route.startswith(f"{origin}/"):
                pages.add(page)
            if page in pages:
                events += 1
                masked += _is_masked(stored.event)
        return events, masked

    # --- how pages differ

    @contextlib.contextmanager
    def _from(self, sent: Sent) -> Iterator[None]:
        """Offer what a profile sent, as of the time at which it happened: it may have waited in the browser."""
        now, monotonic = self._clock.wall_ms(), self._clock.monotonic_ms()
        age = 0 if sent.wall_ms is None else max(0, now - sent.wall_ms)
        self._latest = max(self._latest, monotonic - age)
        self._sent, self._sessions.moment = sent, (now - age, self._latest)
        try:
            yield
        finally:
            self._sent = self._sessions.moment = None

    def _offer_to(self, channel: Channel, body: Body, ceiling: Level) -> bool:
        if self._sent is not None:
            self._fed.add(channel.study)
            # Where a page opens a second time it is another one here: its opening and its close belong to each other.
            again = not isinstance(body, PageOpen | PageClose)
            if again and self._sent.seq <= self._known(channel, self._sent):
                return True
        if isinstance(body, PageOpen | PageNavigate):
            body = msgspec.structs.replace(body, route=route_template(body.route, Level.CONTENT))
        return super()._offer_to(channel, body, ceiling)

    def _known(self, channel: Channel, sent: Sent) -> int:
        """Give the number up to which a study took what a profile sent."""
        return self._cursors.get((channel.study, self._tag(channel, sent)), 0)

    def _tag(self, channel: Channel, sent: Sent) -> str:
        return self._sessions.client_tag(channel.study, sent.client)

    def _put_cursors(self, channel: Channel, sent: Sent) -> None:
        """Admit the cursor; a session's first brings all the others, so that the newest session knows them all."""
        if channel.next_index == 0:
            return
        tag = self._tag(channel, sent)
        if channel.session not in self._marked:
            self._marked.add(channel.session)
            for (study, other), seq in self._cursors.items():
                if study == channel.study and other != tag:
                    self._sessions.admit(channel, CaptureCursor(other, seq))
        if sent.seq > self._cursors.get((channel.study, tag), 0):
            self._cursors[channel.study, tag] = sent.seq
            self._sessions.admit(channel, CaptureCursor(tag, sent.seq))

    async def _store_opened(self, store: Store) -> None:
        """Find how far each profile was taken: in the newest session of each study that says so."""
        found: set[StudyId] = set()
        sessions = [each for each in reversed(await store.sessions()) if each.source == SOURCE]
        for info in sessions[:MAX_SESSIONS_BACK]:
            if info.study in found:
                continue
            for cursor in await _cursors(store, info.session):
                found.add(info.study)
                key = (info.study, cursor.client)
                self._cursors[key] = max(cursor.seq, self._cursors.get(key, 0))

    def _terms(self, grant: Grant) -> StudyTerms:
        manifest = grant.manifest
        kinds = {kind: level.value for kind, level in grant.levels.items()}
        origins = [origin for origin in manifest.scope.web_origins if scope_refusal(grant, Site(origin)) is None]
        return StudyTerms(
            study=grant.study,
            title=manifest.title,
            version=manifest.version,
            controller=manifest.controller.name,
            contact=manifest.controller.contact,
            notice=manifest.notice,
            purposes=tuple((each.id, each.dpv, each.text) for each in manifest.purposes),
            origins=tuple(manifest.scope.web_origins if grant.refusal else origins),
            levels=kinds,
            secret_fields=manifest.scope.secret_fields,
            hold_s=manifest.hold_s,
            retention_days=manifest.retention_days,
            end_ms=manifest.end_ms,
            live=grant.live,
            refusal=consent_refusal(grant),
        )


async def _cursors(store: Store, session: SessionId) -> list[CaptureCursor]:
    """Read a session's cursors; none of one that can't be read."""
    try:
        sealed = [event for content in await store.session_segments(session) for event in content.events]
        events = (*sealed, *await store.pending(session))
    except OvertError:
        return []
    return [event.body for event in events if isinstance(event.body, CaptureCursor)]


def _is_masked(event: Event) -> bool:
    return isinstance(event.body, PAGE_TYPES) and "\u2588".encode() in msgspec.json.encode(event.body)
