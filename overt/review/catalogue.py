"""What is in the store, for looking at it quickly: the list of segments, and a brief of each one that was looked at.

The list (times, counts, states) needs no key and no decryption: a page is drawn from it at once. A segment is opened
when someone looks at its hour, and what was read of it is remembered in memory, never on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from consent_ledger.grants import Grant
from event_model.clock import Clock
from event_model.errors import StoreDamaged
from event_model.events import DocumentClose, DocumentOpen
from event_model.ids import DocumentId, SessionId, StudyId
from event_model.keys import Secret
from local_store.store import SegmentInfo, SegmentState, SessionInfo, Store
from overt.review.apart import Apart
from overt.review.digest import Digest, Named, Stretch, Thing, digest, joined
from overt.review.preview import Chapter, Preview, base_of, without_text
from overt.review.sheet import Sheet
from privacy_filter.detectors import Detector, default_detector

CHAPTERS = 6
"""Opened segments that stay in memory: some 10 MB each."""

APART_EVENTS = 4000
"""A segment of fewer is read here before another process has begun to."""

DIGESTS = 20_000
"""Briefs that stay in memory, a few kB each."""

PENDING = "pending"

NAMELESS = Named("")

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """A stretch of work with everything that a sentence about it needs. ``state`` is that of its newest part."""

    study: StudyId
    session: SessionId
    tool: str
    name: str
    language: str
    state: str
    stretch: Stretch
    secrets: int = 0
    personal: int = 0


class _Recent(Generic[T]):
    """The most recently used of what was made."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[object, T] = OrderedDict()

    def get(self, key: object) -> T | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: object, value: T) -> None:
        self._kept[key] = value
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()


class Catalogue:
    """One open store, as the pages ask for it."""

    def __init__(
        self,
        store: Store,
        *,
        glance: Store | None = None,
        installation: Secret,
        grants: Callable[[], dict[StudyId, Grant]],
        clock: Clock,
    ) -> None:
        self.store = store
        self.glance = glance or store
        """The same store, for what takes no time: it need not wait while a segment is being read."""
        self._installation = installation
        self._grants = grants
        self._clock = clock
        self._version: object = None
        self._chapters: _Recent[Chapter] = _Recent(CHAPTERS)
        self._digests: _Recent[Digest] = _Recent(DIGESTS)
        self._reading: dict[object, asyncio.Future[Chapter | None]] = {}
        self._digesting: dict[object, asyncio.Future[Digest]] = {}
        self._apart = Apart()
        self._previews: dict[SessionId, Preview] = {}
        self._bases: dict[SessionId, tuple[object, dict[DocumentId, Sheet]]] = {}
        self._pending_digests: dict[SessionId, tuple[Chapter, Digest]] = {}
        self._detector: Detector | None = None
        self._by_session: dict[SessionId, list[SegmentInfo]] = {}
        self._firsts: list[int] = []
        self._longest = 0
        self.segments: list[SegmentInfo] = []
        """Every segment that still holds something, by its first moment."""

    async def refresh(self) -> None:
        """Read the list anew if anything changed in the database."""
        version = await self.glance.version()
        if version == self._version:
            return
        infos = [info for info in await self.glance.segments() if info.state is not SegmentState.FORGOTTEN]
        infos.sort(key=lambda info: info.first_wall_ms)
        by_session: dict[SessionId, list[SegmentInfo]] = {}
        for info in infos:
            by_session.setdefault(info.session, []).append(info)
        for each in by_session.values():
            each.sort(key=lambda info: info.first_index)
        self.segments, self._by_session = infos, by_session
        self._firsts = [info.first_wall_ms for info in infos]
        self._longest = max((info.last_wall_ms - info.first_wall_ms for info in infos), default=0)
        self._version = version

    async def settle(self) -> None:
        """Wait for what is being read: the store is about to be closed."""
        for digesting in self._digesting.values():
            digesting.cancel()
        await asyncio.gather(*self._reading.values(), *self._digesting.values(), return_exceptions=True)
        await self._apart.close()

    def let_go(self) -> None:
        """Forget what was remembered of pieces that may be gone by now."""
        self._chapters.clear()
        self._digests.clear()
        self._previews.clear()
        self._pending_digests.clear()
        self._bases.clear()

    def within(self, start_ms: int, end_ms: int, study: StudyId | None = None) -> list[SegmentInfo]:
        """List the segments that reach into a time, oldest first."""
        begin = bisect_left(self._firsts, start_ms - self._longest)
        end = bisect_left(self._firsts, end_ms)
        found = (info for info in self.segments[begin:end] if info.last_wall_ms >= start_ms)
        return [info for info in found if study in (None, info.study)]

    def of_session(self, session: SessionId) -> list[SegmentInfo]:
        """List a session's segments, in order."""
        return self._by_session.get(session, [])

    async def knows(self, session: SessionId) -> bool:
        """Say whether anything is kept of a session."""
        return bool(self.of_session(session)) or any(each.session == session for each in await self.open_sessions())

    async def open_sessions(self) -> list[SessionInfo]:
        """List the sessions of which something is pending."""
        sessions = await self.glance.sessions(open_only=True)
        return [info for info in sessions if info.next_index > info.sealed]

    async def chapter(self, info: SegmentInfo) -> Chapter | None:
        """Open a segment; ``None`` if it can't be read."""
        key = (info.place, info.revision)
        found = self._chapters.get(key)
        if found is not None:
            return found
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.ensure_future(self._read(info))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)  # who waits may give up; what is half read is soon asked for again

    async def _read(self, info: SegmentInfo) -> Chapter | None:
        try:
            content = await self.store.read(info)
        except StoreDamaged:
            return None
        found = Chapter(content.events, content.masks, content.findings)
        self._chapters.put((info.place, info.revision), found)
        return found

    async def digest(self, info: SegmentInfo) -> Digest:
        """Give a segment in brief."""
        key = (info.place, info.revision)
        found = self._digests.get(key)
        if found is not None:
            return found
        digesting = self._digesting.get(key)
        if digesting is None:
            digesting = self._digesting[key] = asyncio.ensure_future(self._make_digest(info))
            digesting.add_done_callback(lambda _: self._digesting.pop(key, None))
        return await asyncio.shield(digesting)

    async def _make_digest(self, info: SegmentInfo) -> Digest:
        key = (info.place, info.revision)
        found: Digest | None = None
        if info.count >= APART_EVENTS and self._chapters.get(key) is None:
            with contextlib.suppress(StoreDamaged):
                found = await self._apart.digest(await self.store.read_opened(info))
        if found is None:
            chapter = await self.chapter(info)
            found = Digest((), {}, {}) if chapter is None else await asyncio.to_thread(_digest, chapter)
        self._digests.put(key, found)
        return found

    async def pending(self, session: SessionInfo) -> Chapter:
        """Give what is pending of a session, as it would be sealed now."""
        events = await self.store.pending(session.session)
        preview = self._previews.get(session.session)
        try:
            if preview is None:
                preview = await self._new_preview(session)
            if preview is None:
                return without_text(events)
            now = self._clock.monotonic_ms()
            chapter = await asyncio.to_thread(preview.see, events, now)
            if chapter is None:
                preview = await self._new_preview(session)
                chapter = None if preview is None else await asyncio.to_thread(preview.see, events, now)
        except Exception:  # whatever the filter stumbles over, fail closed: no text is shown that it has not read
            self._previews.pop(session.session, None)
            return without_text(events)
        return chapter or without_text(events)

    async def _new_preview(self, session: SessionInfo) -> Preview | None:
        grant = self._grants().get(session.study)
        if grant is None or grant.signed_manifest is None or grant.signed_record is None:
            return None
        if self._detector is None:
            self._detector = await asyncio.to_thread(default_detector)
        await self.refresh()
        chapters = [chapter for _, chapter in [pair async for pair in self._sealed_of(session.session)]]
        base, findings = await asyncio.to_thread(base_of, chapters)
        preview = Preview(
            installation=self._installation, grant=grant, detector=self._detector, base=base, findings=findings
        )
        self._previews[session.session] = preview
        return preview

    async def pending_digest(self, session: SessionInfo) -> Digest:
        """Give what is pending of a session in brief."""
        chapter = await self.pending(session)
        known = self._pending_digests.get(session.session)
        if known is not None and known[0] is chapter:
            return known[1]
        made = await asyncio.to_thread(_digest, chapter)
        self._pending_digests[session.session] = (chapter, made)
        return made

    async def chapters_of(self, session: SessionId) -> AsyncIterator[tuple[str, Chapter]]:
        """Give a session piece by piece from its beginning, with each piece's state; what is pending comes last."""
        async for sealed in self._sealed_of(session):
            yield sealed
        for each in await self.open_sessions():
            if each.session == session:
                yield PENDING, await self.pending(each)

    async def entries(
        self, start_ms: int, end_ms: int, study: StudyId | None = None, *, clip: bool = True
    ) -> list[Entry]:
        """Give the stretches that begin in a time (with ``clip`` off: that reach into it), oldest first."""
        await self.refresh()
        pieces: dict[SessionId, list[tuple[SegmentInfo | SessionInfo, Digest]]] = {}
        for info in self.within(start_ms, end_ms, study):
            pieces.setdefault(info.session, []).append((info, await self.digest(info)))
        for session in await self.open_sessions():
            if study in (None, session.study):
                pieces.setdefault(session.session, []).append((session, await self.pending_digest(session)))
        entries: list[Entry] = []
        for parts in pieces.values():
            entries += await self._entries_of(parts)
        entries = [
            entry
            for entry in entries
            if (entry.stretch.start_ms if clip else entry.stretch.end_ms) >= start_ms
            and entry.stretch.start_ms < end_ms
        ]
        entries.sort(key=lambda entry: (entry.stretch.start_ms, entry.session, entry.stretch.first_index))
        return entries

    async def _entries_of(self, parts: Sequence[tuple[SegmentInfo | SessionInfo, Digest]]) -> list[Entry]:
        """Join the stretches of one session's pieces, which come in order."""
        last: dict[Thing, int] = {}
        found: list[tuple[Stretch, str]] = []
        categories: dict[int, str] = {}
        for info, brief in parts:
            categories.update(brief.categories)
            state = info.state.value if isinstance(info, SegmentInfo) else PENDING
            for stretch in brief.stretches:
                before = last.get(stretch.thing)
                both = None if before is None else joined(found[before][0], stretch)
                if both is not None and before is not None:
                    found[before] = (both, state)
                else:
                    last[stretch.thing] = len(found)
                    found.append((stretch, state))
        owner = parts[0][0]
        tool = await self._tool(owner.session, [brief for _, brief in parts])
        named = {thing: name for _, brief in parts for thing, name in brief.names.items()}
        entries = []
        for stretch, state in found:
            name, language = await self._name(owner.session, stretch.thing, named)
            kinds = [categories.get(number, "secret") for number in stretch.masked]
            secrets = sum(kind == "secret" for kind in kinds)
            entries.append(
                Entry(
                    owner.study, owner.session, tool or owner.source, name, language, state, stretch, secrets,
                    len(kinds) - secrets,
                )
            )  # fmt: skip
        return entries

    async def _tool(self, session: SessionId, briefs: Iterable[Digest]) -> str:
        for brief in briefs:
            if brief.tool:
                return brief.tool
        return await self.tool(session)

    async def tool(self, session: SessionId) -> str:
        """Name the tool of a session, as it named itself at its beginning; empty if it did not."""
        infos = self.of_session(session)
        if infos:
            return (await self.digest(infos[0])).tool
        pending = self._pending_digests.get(session)
        return "" if pending is None else pending[1].tool

    def known_tool(self, session: SessionId) -> str:
        """Name the tool of a session if it was read before; empty if not."""
        for brief in self._known_briefs(session):
            if brief.tool:
                return brief.tool
        return ""

    def known_name(self, session: SessionId, thing: Thing) -> str:
        """Name a document or page of a session if it was read before; empty if not."""
        for brief in self._known_briefs(session):
            if thing in brief.names:
                return brief.names[thing].name
        return ""

    def _known_briefs(self, session: SessionId) -> Iterable[Digest]:
        pending = self._pending_digests.get(session)
        if pending is not None:
            yield pending[1]
        for info in self.of_session(session):
            brief = self._digests.get((info.place, info.revision))
            if brief is not None:
                yield brief

    async def open_documents(self, session: SessionInfo) -> list[str]:
        """Name the documents that a session follows now."""
        sheets = await self.base(session.session)
        names = {document: sheet.name for document, sheet in sheets.items()}
        chapter = await self.pending(session) if session.next_index > session.sealed else Chapter(())
        for info in self.of_session(session.session)[-1:]:
            sealed = await self.chapter(info)
            for event in () if sealed is None else sealed.events:
                if isinstance(event.body, DocumentClose):
                    names.pop(event.body.document, None)
        for event in chapter.events:
            body = event.body
            if isinstance(body, DocumentOpen):
                names.pop(body.continues or body.document, None)
                names[body.document] = body.path
            elif isinstance(body, DocumentClose):
                names.pop(body.document, None)
        return list(dict.fromkeys(names.values()))

    async def base(self, session: SessionId) -> dict[DocumentId, Sheet]:
        """Give a session's documents as they were sealed; yours to bring forward."""
        newest = [(info.place, info.revision) for info in self.of_session(session)]
        known = self._bases.get(session)
        if known is None or known[0] != newest:
            chapters = [chapter for _, chapter in [pair async for pair in self._sealed_of(session)]]
            sheets, _ = await asyncio.to_thread(base_of, chapters)
            known = self._bases[session] = (newest, sheets)
        return {document: sheet.copy() for document, sheet in known[1].items()}

    async def _sealed_of(self, session: SessionId) -> AsyncIterator[tuple[str, Chapter]]:
        for info in self.of_session(session):
            chapter = await self.chapter(info)
            if chapter is not None:
                yield info.state.value, chapter

    async def pending_spans(self) -> list[tuple[int, int]]:
        """Give the first and last moment of what is pending in each session."""
        spans = []
        for session in await self.open_sessions():
            events = await self.store.pending(session.session)
            if events:
                spans.append((min(event.wall_ms for event in events), max(event.wall_ms for event in events)))
        return spans

    async def name(self, session: SessionId, thing: Thing) -> str:
        """Name a document or page of a session; empty where its name was not kept."""
        pending = self._pending_digests.get(session)
        known = {} if pending is None else dict(pending[1].names)
        return (await self._name(session, thing, known))[0]

    async def _name(self, session: SessionId, thing: Thing, known: dict[Thing, Named]) -> tuple[str, str]:
        """Name a thing, where need be by what was opened earlier in its session."""
        if thing not in known:
            for info in reversed(self.of_session(session)):
                brief = await self.digest(info)
                if thing in brief.names:
                    known[thing] = brief.names[thing]
                    break
        named = known.get(thing, NAMELESS)
        return named.name, named.language


def _digest(chapter: Chapter) -> Digest:
    return digest(chapter.events, chapter.masks, chapter.findings)
