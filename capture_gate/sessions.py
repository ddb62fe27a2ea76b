"""The running sessions of one collector: one channel for each live study, with keys, store and writer under them."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

from capture_gate.channel import Channel
from capture_gate.decision import Refusal, refusal
from capture_gate.permissions import Permissions
from capture_gate.status import ClientInfo
from capture_gate.writer import Writer
from consent_ledger.grants import Grant
from consent_ledger.scope import Location
from event_model.clock import SteadyClock
from event_model.errors import KeyUnavailable, OvertError, StoreError
from event_model.events import Body, CaptureGap, CaptureStart, GapReason
from event_model.ids import SessionId, StudyId
from event_model.keys import Secret
from event_model.levels import Level
from local_store.custody import DeviceKeys, open_custody
from local_store.forgetting import Selection
from local_store.store import Store
from privacy_filter.detectors import Detector
from privacy_filter.redactor import Redactor

SESSION_BYTES = 16
TAG_BYTES = 8
FILTER_FAILED = "filter-failed"


def new_redactor(installation: Secret, grant: Grant, detector: Detector, *, first_finding: int = 1) -> Redactor:
    """Make the redactor for one session of a study; its tags are keyed per installation and study."""
    return Redactor(
        detector=detector,
        tag_key=installation.derive(f"overt redaction tag 1 {grant.study}"),
        settle_ms=grant.manifest.settle_s * 1000,
        first_finding=first_finding,
    )


class Sessions:
    """Channels by study. Nothing is created on disk before a channel is needed.

    ``trouble`` says why nothing can be kept although consent is live: key, store or filter failed.
    """

    def __init__(
        self,
        home: Path,
        *,
        source: str,
        client: ClientInfo,
        version: str,
        clock: SteadyClock,
        random: Callable[[int], bytes],
        detector: Detector,
        permissions: Permissions,
        notify: Callable[[], None],
        opened: Callable[[Store], Awaitable[None]],
        named: Callable[[Secret], None],
    ) -> None:
        self._home = home
        self._source = source
        self._client = client
        self._version = version
        self._clock = clock
        self._random = random
        self._detector = detector
        self._permissions = permissions
        self._notify = notify
        self._opened = opened
        self._named = named
        self._keys: DeviceKeys | None = None
        self._writer: Writer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._activating = asyncio.Lock()
        self.store: Store | None = None
        self.channels: dict[StudyId, Channel] = {}
        self.trouble: Refusal | None = None
        self.moment: tuple[int, int] | None = None
        """When what is being offered happened (Unix ms, monotonic ms), if that is not now."""
        self.at_ms: int | None = None
        """The same by the wall clock alone (Unix ms); nothing is put before what was offered already."""
        self._latest_ms = 0

    async def activate(self) -> None:
        """Make a channel for every live grant that has none; opens keys and store when the first is needed."""
        async with self._activating:  # one store, however often consent changes meanwhile
            missing = [grant for grant in self._permissions.live() if grant.study not in self.channels]
            if not missing or self._closed or self.shut:
                return
            try:
                await self._open_store()
            except OvertError as error:
                self._set_trouble(error)
                return
            for grant in missing:
                self.channels[grant.study] = self._new_channel(grant)
        self._notify()

    @property
    def shut(self) -> bool:
        """Whether the filter failed: then nothing is taken any more, for no study, until the collector starts anew."""
        return self.trouble is not None and self.trouble.code == FILTER_FAILED

    def activate_soon(self) -> None:
        """Do ``activate`` in the background."""
        self._spawn(self.activate())

    def admit(self, channel: Channel, body: Body, level: Level = Level.CONTENT, ceiling: Level = Level.CONTENT) -> None:
        """Admit an event to a channel; where the filter fails, the channel is closed and nothing passes unread."""
        if channel.next_index == 0 and not isinstance(body, CaptureStart):
            self.admit(channel, self._start())
        if self.at_ms is not None:
            then_ms = self._clock.monotonic_of(self.at_ms)
            monotonic_ms = max(then_ms, self._latest_ms)
            wall_ms = self.at_ms + monotonic_ms - then_ms
        else:
            wall_ms, monotonic_ms = self.moment or (self._clock.wall_ms(), self._clock.monotonic_ms())
        self._latest_ms = monotonic_ms
        try:
            channel.admit(body, level, ceiling=ceiling, wall_ms=wall_ms, monotonic_ms=monotonic_ms)
        except Exception as error:  # what can't be lowered to its level is as bad as what the filter stumbles over
            self._filter_failed(channel, error)

    def found(self, channel: Channel) -> dict[str, int]:
        """Count what the filter found in a session so far, by kind."""
        return channel.found(self._clock.monotonic_ms())

    def _filter_failed(self, channel: Channel, error: Exception) -> None:
        self.channels.pop(channel.study, None)
        self._set_trouble(OvertError(f"The privacy filter failed ({type(error).__name__}).", code=FILTER_FAILED))

    def look_for_forgetting(self) -> None:
        """Begin new sessions in the place of those of which another process forgot something; in the background."""
        self._spawn(self._renew_revised())

    async def _renew_revised(self) -> None:
        for channel in list(self.channels.values()):
            if self.store is not None and channel.begun:
                with contextlib.suppress(StoreError):  # the next write says so, too
                    if await self.store.was_revised(channel.session):
                        self._renew(channel, GapReason.FORGOTTEN)

    def announce(self, body: Body) -> None:
        """Admit an event of the collector's own to every session that has begun."""
        for channel in list(self.channels.values()):
            if channel.next_index:
                self.admit(channel, body)
        self.wake()

    def end(self, channel: Channel) -> None:
        """Finish a channel's session in the background; what its consent no longer covers is not written."""
        self.channels.pop(channel.study, None)
        channel.documents.clear()
        if self._writer is not None:
            self._spawn(self._writer.finish(channel))

    def wake(self, count: int = 1) -> None:
        """Say that something was admitted, and how much."""
        if self._writer is not None:
            self._writer.wake(count)

    def write(self) -> None:
        """Write what is buffered here and now, where that can be."""
        if self._writer is not None:
            self._writer.write()

    async def ready(self) -> None:
        """Wait while too much is buffered."""
        if self._writer is not None:
            await self._writer.ready()

    async def commit(self) -> bool:
        """Bring what is buffered to disk; false when it is not durable on return."""
        return self._writer is None or await self._writer.commit()

    async def forget(self, since_ms: int) -> int:
        """Forget every event since a time, in all sessions, and begin new ones; gives how many events went."""
        if self.store is None:
            return 0
        await self._end_all()
        forgotten = await self.store.forget(Selection(since_ms=since_ms))
        await self.activate()
        return forgotten.events

    async def close(self) -> None:
        """Write, seal and end every session, and close the store.

        What can't be sealed any more stays pending, and is sealed by the next recovery.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await self._end_all()
        except StoreError as error:
            self._set_trouble(error)
        finally:
            if self._writer is not None:
                await self._writer.close()
            if self.store is not None:
                await self.store.close()

    def workspace_tag(self, study: StudyId, location: Location | None) -> str:
        """Name a working copy for one study: a keyed tag, equal for equal roots, that tells no one the path."""
        if location is None or location.root is None:
            return ""
        return self._tag(f"overt workspace tag 1 {study}", str(location.root))

    def client_tag(self, study: StudyId, client: str) -> str:
        """Name a browser profile for one study, likewise."""
        return self._tag(f"overt client tag 1 {study}", client)

    def _tag(self, purpose: str, text: str) -> str:
        key = self._installation().derive(purpose).reveal()
        return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")[:TAG_BYTES].hex()

    async def _end_all(self) -> None:
        await self.commit()
        for channel in list(self.channels.values()):
            self.end(channel)
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _open_store(self) -> None:
        if self.store is not None:
            return
        self._keys = await asyncio.to_thread(open_custody, self._home)
        self._named(self._keys.installation)  # before anything can be offered
        self.store = await Store.open(self._home, self._keys, clock=self._clock)
        await self._opened(self.store)
        self._writer = Writer(
            store=self.store,
            clock=self._clock,
            channels=self.channels.values,
            permitted=lambda channel: self._permissions.permits(channel.study, channel.grant.record.record_id),
            trouble=self._set_trouble,
            renew=self._renew,
        )
        self.trouble = None  # what kept keys or store from opening is over

    def _new_channel(self, grant: Grant) -> Channel:
        return Channel(
            grant=grant,
            session=SessionId(self._random(SESSION_BYTES).hex()),
            source=self._source,
            redactor=new_redactor(self._installation(), grant, self._detector),
            failed=self._filter_failed,
        )

    def _start(self) -> CaptureStart:
        return CaptureStart(
            client=self._client.name,
            client_version=self._client.version,
            collector_version=self._version,
            position_encoding=self._client.position_encoding,
        )

    def _renew(self, channel: Channel, reason: GapReason) -> None:
        """Go on with a new session, without what could not be written; it says how much is missing.

        Documents come back when the collector opens them again.
        """
        if self.channels.get(channel.study) is not channel:
            return
        self._spawn(self._leave_behind(channel))
        lost = channel.buffered
        fresh = self.channels[channel.study] = self._new_channel(channel.grant)
        if lost:
            self.admit(fresh, CaptureGap(lost, reason))
        self._notify()

    async def _leave_behind(self, channel: Channel) -> None:
        """Let go of a session that can't go on; what it has pending is sealed by a recovery."""
        if self.store is not None and channel.begun:
            with contextlib.suppress(StoreError):
                await self.store.end_session(channel.session)

    def _set_trouble(self, error: OvertError | None) -> None:
        if self.shut:
            return
        self.trouble = None if error is None else refusal(error.code, detail=f"{error.message} {error.hint}".strip())
        self._notify()

    def _installation(self) -> Secret:
        if self._keys is None:
            raise KeyUnavailable("the installation's key is not open")
        return self._keys.installation

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
