"""The door that collectors use: offers go in, and only what may be kept comes out on the other side."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from capture_gate.channel import Channel
from capture_gate.decision import (
    Refusal,
    ceiling_of,
    consent_refusal,
    refusal,
    scope_refusal,
    text_of,
    unfit,
)
from capture_gate.locate import locate
from capture_gate.people import NAME_KEY_BYTES, repository_people, this_person
from capture_gate.permissions import Permissions
from capture_gate.roster import read_roster
from capture_gate.sessions import Sessions
from capture_gate.status import ClientInfo, GateStatus, OpenVerdict, StudyStatus
from capture_gate.watch import Watch
from consent_ledger.grants import Grant
from consent_ledger.ledger import Ledger
from consent_ledger.scope import Location, Place, Site
from event_model.clock import Clock, SteadyClock, SystemClock
from event_model.events import (
    Body,
    CaptureGap,
    CapturePause,
    CaptureResume,
    DocumentClose,
    DocumentOpen,
    GapReason,
)
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import PageClose
from local_store.store import Store
from privacy_filter.detectors import Detector, default_detector
from privacy_filter.detectors.names import NameBook, NamingDetector

_CLOSES = frozenset({DocumentClose, PageClose})

SHORT_CHARS = 256
"""A text that is no longer, and without a NUL, needs no closer look: it is neither too large nor a line too long."""

MAX_ALARM_S = 6 * 3600.0
"""A longer wait is cut up: a machine that slept in between has lost track of it."""

ALARM_SLACK_S = 0.1
"""Past the moment itself, so that the look finds the change."""


class Door:
    """One collector's door. All methods belong to the event loop that opened it.

    Nothing is offered to a study whose consent is not live at this moment; nothing is kept in memory for a document
    that no study admits; and where consent, scope, level, key or filter can't be decided, the answer is no.
    """

    def __init__(self, permissions: Permissions, ledger: Ledger, clock: Clock) -> None:
        """Use ``Door.open``."""
        self._book: NameBook
        self._naming: NamingDetector
        self._known_roots: set[Path | None] = set()
        self._permissions = permissions
        self._ledger = ledger
        self._clock = clock
        self._sessions: Sessions
        self._watch: Watch
        self._alarm: asyncio.TimerHandle | None = None
        self._places: dict[DocumentId, Place | None] = {}
        self._ceilings: dict[DocumentId, Level] = {}
        self._last_document = 0
        self._looked = False
        """Whether what is allowed was looked at in this very turn of the event loop."""
        self._offered = 0
        """Events of this turn that the writer was not told of."""
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    async def open(
        cls,
        home: Path,
        *,
        source: str,
        client: ClientInfo,
        version: str = "",
        clock: Clock | None = None,
        random: Callable[[int], bytes] = os.urandom,
        detector: Detector | None = None,
    ) -> Self:
        """Open the door. Without a live consent nothing is created on disk.

        ``source`` names the collector (``lsp``), ``version`` is the collector's own.
        """
        clock = SteadyClock(clock or SystemClock())
        ledger = Ledger(home)
        permissions = Permissions(ledger, clock)
        permissions.changed(now=True)
        door = cls(permissions, ledger, clock)
        door._book = NameBook(random(NAME_KEY_BYTES))
        door._naming = NamingDetector(detector or default_detector(), door._book)
        door._sessions = Sessions(
            home,
            source=source,
            client=client,
            version=version,
            clock=clock,
            random=random,
            detector=door._naming,
            permissions=permissions,
            notify=door._notify,
            opened=door._store_opened,
            named=lambda installation: door._naming.take_roster(read_roster(home, installation)),
        )
        await door._sessions.activate()
        door._watch = Watch(home / "consent", door._stirred)
        door._watch.start()
        door._set_alarm()
        return door

    async def _store_opened(self, store: Store) -> None:
        """Read what a door of another kind must know before anything is offered."""

    # --- what collectors offer

    @property
    def live(self) -> bool:
        """Whether anything could be captured at this moment, if only into memory until the disk has room again."""
        self._refresh()
        return bool(self._sessions.channels) and not self._permissions.paused and not self._sessions.shut

    def captures(self, document: DocumentId) -> bool:
        """Whether a document is still captured; when not, the collector lets go of its text."""
        channels = self._sessions.channels.values()
        return not self._sessions.shut and any(document in channel.documents for channel in channels)

    def open_document(
        self, *, path: Path | None, language: str, text: str, continues: DocumentId | None = None
    ) -> OpenVerdict:
        """Ask whether a document may be captured, and begin with it where it may.

        ``path`` is ``None`` for what is not a file on this machine. ``continues`` names a document whose text this
        one takes over (a rename); ``text`` is then what it holds now, and is not kept a second time.
        """
        self._refresh()
        if self._permissions.paused:
            return OpenVerdict(None, (refusal("paused"),))
        if self._sessions.shut and self._sessions.trouble is not None:
            return OpenVerdict(None, (self._sessions.trouble,))
        if (code := unfit(text)) is not None:
            return OpenVerdict(None, (refusal(code),))
        location = None if path is None else locate(path)
        ceiling, reason = ceiling_of(text)

        def body_for(channel: Channel, document: DocumentId) -> Body:
            known = continues if continues is not None and continues in channel.documents else None
            return DocumentOpen(
                document=document,
                path=_label(location),
                workspace=self._sessions.workspace_tag(channel.study, location),
                language=language,
                text="" if known is not None else text,
                continues=known,
            )

        return self._open_at(location, body_for, ceiling, [] if reason is None else [refusal(reason)])

    def look_again(self, document: DocumentId) -> bool:
        """Judge anew where a document lies: a link may have come in the file's place since. Says if it is captured.

        Asked before a whole text is taken, which the editor may have read from, or written to, another file.
        """
        place = self._places.get(document)
        if isinstance(place, Location):
            self._places[document] = locate(Path(place.path))
            for channel in list(self._sessions.channels.values()):
                if document in channel.documents:
                    self._narrow(channel, channel.grant)
        return self.captures(document)

    def offer(self, body: Body) -> None:
        """Offer an event. Never waits; an event that no study admits leaves no trace."""
        if not self._looked:
            self._refresh()
        if self._permissions.paused or self._sessions.shut:
            return
        document: DocumentId | None = getattr(body, "document", None)
        text = text_of(body)
        if document is not None and (len(text) > SHORT_CHARS or "\x00" in text):
            if (code := unfit(text)) is not None:
                self.gap(1, GapReason(code), document)
                return
            if (ceiling := ceiling_of(text)[0]) is not Level.CONTENT:
                self._ceilings[document] = min(self._ceilings.get(document, Level.CONTENT), ceiling)
        ceiling = Level.CONTENT if document is None else self._ceilings.get(document, Level.CONTENT)
        for channel in list(self._sessions.channels.values()):
            # What belongs to no document rides only with a document that is captured.
            if (document in channel.documents) if document is not None else bool(channel.documents):
                self._offer_to(channel, body, ceiling)
        if document is not None and type(body) in _CLOSES:
            self._let_go(document)
        if self._looked:
            self._offered += 1
        else:
            self._sessions.wake()

    def gap(self, count: int, reason: GapReason, document: DocumentId | None = None) -> None:
        """Say that ``count`` events could not be taken; with a document, it is no longer captured from here on."""
        self._refresh()
        if self._permissions.paused:
            return
        if document is None:
            self._sessions.announce(CaptureGap(count, reason))
            return
        for channel in list(self._sessions.channels.values()):
            if document in channel.documents:
                self._sessions.admit(channel, CaptureGap(count, reason, document))
        self._let_go(document)
        self._sessions.wake()
        self._notify()

    def begin(self) -> None:
        """Say that what is offered up to ``done``, without an await between, comes all at once: it needs one look."""
        self._refresh()
        self._looked = True

    def done(self, *, write: bool = False) -> None:
        """Say that this was all: what comes next is looked at anew, and happens as it is offered.

        With ``write`` everything that was offered is written here and now, where that can be, and not when it is due.
        """
        self._looked = False
        self._sessions.at_ms = None
        offered, self._offered = self._offered, 0
        if write:
            self._sessions.write()
        elif offered:
            self._sessions.wake(offered)

    def date(self, at_ms: int | None) -> None:
        """Say when what is offered from here on happened (Unix ms); ``None`` when it happens as it is offered."""
        self._sessions.at_ms = at_ms

    async def ready(self) -> None:
        """Wait while too much is buffered: call it between reads, so that a fast sender can't fill the memory."""
        await self._sessions.ready()

    async def flush(self) -> GateStatus:
        """Bring everything offered so far to disk; the status says how much is durable."""
        self._refresh()
        await self._sessions.commit()
        return self.status()

    async def close(self) -> None:
        """Write, seal and end every session, and close the store."""
        if self._alarm is not None:
            self._alarm.cancel()
        await self._watch.stop()
        await self._sessions.close()

    # --- what the person asks

    def explain(self, path: Path | None) -> tuple[Refusal, ...]:
        """Say why a file is not captured; nothing when it is, or would be when opened."""
        return self._explain(lambda: None if path is None else locate(path))

    def status(self) -> GateStatus:
        """Say what is captured now, and why not."""
        self._refresh(now=True)
        permissions = self._permissions
        studies = tuple(self._study_status(grant) for grant in permissions.grants.values())
        reasons = [] if self._sessions.trouble is None else [self._sessions.trouble]
        if permissions.paused:
            reasons.append(refusal("paused"))
        reasons.extend(each.refusal for each in studies if each.refusal is not None)
        if not permissions.grants:
            reasons.append(refusal("no-consent"))
        state = "paused" if permissions.paused else "capturing" if self.live else "off"
        return GateStatus(state, tuple(reasons), studies, permissions.paused_until_ms)

    def pause(self, until_ms: int | None = None) -> None:
        """Pause all capture on this machine, until a time or until resumed."""
        self._ledger.pause(until_ms, self._clock.wall_ms())
        self._refresh(now=True)

    def resume(self) -> None:
        """End the pause. Documents come back when they are opened again."""
        self._ledger.resume()
        self._refresh(now=True)

    async def forget(self, since_ms: int) -> int:
        """Forget every event since a time and begin new sessions; gives how many events went."""
        forgotten = await self._sessions.forget(since_ms)
        self._notify()
        return forgotten

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever the status, or what is captured, may have changed."""
        self._listeners.append(listener)

    # --- consent, as it changes

    def _refresh(self, *, now: bool = False) -> None:
        if self._looked and not now:
            return
        was_paused = self._permissions.paused
        if not self._permissions.changed(now=now):
            return
        if self._permissions.paused and not was_paused:
            self._suspend()
        elif was_paused and not self._permissions.paused:
            self._sessions.announce(CaptureResume())
        for channel in list(self._sessions.channels.values()):
            grant = self._permissions.grants.get(channel.study)
            if grant is None or grant.refusal is not None or grant.record.record_id != channel.grant.record.record_id:
                self._sessions.end(channel)
            else:
                self._narrow(channel, grant)
        self._sessions.activate_soon()
        self._watch.start()
        self._set_alarm()
        self._notify()

    def _stirred(self) -> None:
        """Look at everything that another process may have changed."""
        self._refresh(now=True)
        self._sessions.look_for_forgetting()

    def _set_alarm(self) -> None:
        """Wake up when time alone ends a consent or a pause, so that the sign changes then."""
        if self._alarm is not None:
            self._alarm.cancel()
        at_ms = self._permissions.changes_ms
        if at_ms is not None:
            delay = min(MAX_ALARM_S, max(0, at_ms - self._clock.wall_ms()) / 1000 + ALARM_SLACK_S)
            self._alarm = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._refresh(now=True)
        self._set_alarm()

    def _suspend(self) -> None:
        for channel in list(self._sessions.channels.values()):
            for document in sorted(channel.documents):
                self._sessions.admit(channel, self._close_of(document))
            channel.documents.clear()
        self._sessions.announce(CapturePause())

    def _narrow(self, channel: Channel, grant: Grant) -> None:
        """Take over a changed grant, and let go of the documents that it does not cover any more."""
        channel.grant = grant
        for document in list(channel.documents):
            if scope_refusal(grant, self._places.get(document)) is not None:
                self._sessions.admit(channel, self._close_of(document))
                channel.documents.discard(document)

    # --- small things

    def _learn_people(self, root: Path | None) -> None:
        """Let the filter know whose names it should look for, once for each working copy that is in scope."""
        if not self._known_roots:
            self._known_roots.add(None)
            self._book.learn(this_person())
        if root not in self._known_roots:
            self._known_roots.add(root)
            self._book.learn(repository_people(root) if root is not None else ())

    def _open_at(
        self,
        place: Place | None,
        body_for: Callable[[Channel, DocumentId], Body],
        ceiling: Level = Level.CONTENT,
        reasons: Sequence[Refusal] = (),
    ) -> OpenVerdict:
        """Begin with a document or page in every study that admits its place and its kind."""
        refusals = [] if self._permissions.grants else [refusal("no-consent")]
        document = DocumentId(self._last_document + 1)
        verdicts = self._permissions.judged(place)
        refusals.extend(refused for _, refused in verdicts if refused is not None)
        refusals.extend(reasons)
        if any(refused is None for _, refused in verdicts):
            self._learn_people(Path(place.root) if isinstance(place, Location) and place.root is not None else None)
        for grant, refused in verdicts:
            channel = self._sessions.channels.get(grant.study)
            if refused is not None or channel is None:
                continue
            if not self._offer_to(channel, body_for(channel, document), ceiling):
                refusals.append(refusal("kind-not-in-study", study=channel.study))
            elif channel.study in self._sessions.channels:
                channel.documents.add(document)
        if not self.captures(document):
            if self._sessions.trouble is not None:
                refusals.insert(0, self._sessions.trouble)
            return OpenVerdict(None, tuple(refusals) or (refusal("no-consent"),))
        self._last_document = document
        self._places[document] = place
        self._ceilings[document] = ceiling
        self._sessions.wake()
        return OpenVerdict(document, tuple(refusals))

    def _explain(self, place_of: Callable[[], Place | None]) -> tuple[Refusal, ...]:
        """Say why a place is not captured; while paused it is not even looked at."""
        self._refresh(now=True)
        if self._permissions.paused:
            return (refusal("paused"),)
        place = place_of()
        if any(True for _ in self._permissions.admitting(place)):
            return () if self._sessions.trouble is None else (self._sessions.trouble,)
        return tuple(self._permissions.refusals(place)) or (refusal("no-consent"),)

    def _close_of(self, document: DocumentId) -> Body:
        return PageClose(document) if isinstance(self._places.get(document), Site) else DocumentClose(document)

    def _offer_to(self, channel: Channel, body: Body, ceiling: Level) -> bool:
        level = channel.level_of(body)
        if level is None:
            return False
        self._sessions.admit(channel, body, level if ceiling is Level.CONTENT else min(level, ceiling), ceiling)
        return True

    def _let_go(self, document: DocumentId) -> None:
        for channel in self._sessions.channels.values():
            channel.documents.discard(document)
        self._places.pop(document, None)
        self._ceilings.pop(document, None)

    def _study_status(self, grant: Grant) -> StudyStatus:
        channel = self._sessions.channels.get(grant.study)
        title = grant.manifest.title if grant.signed_manifest else grant.study
        status = StudyStatus(study=grant.study, title=title, live=False, refusal=consent_refusal(grant))
        if channel is None:
            return status
        return StudyStatus(
            study=status.study,
            title=status.title,
            live=not self._permissions.paused,
            offered=channel.next_index,
            durable=channel.durable,
            sealed=channel.sealed,
            masked=self._sessions.found(channel),
            documents=len(channel.documents),
            refusal=status.refusal,
        )

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()


def _label(location: Location | None) -> str:
    """Name a file as the study may know it: below its working copy, or by its last part alone."""
    if location is None:
        return ""
    if location.root is not None and location.path.is_relative_to(location.root):
        return location.path.relative_to(location.root).as_posix()
    return location.path.name
