"""Brings what the channels hold to disk: group commit, sealing when settled, and patience when the disk says no."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial

from capture_gate.channel import Channel, masked_batches
from event_model.clock import Clock
from event_model.errors import StoreConflict, StoreError
from event_model.events import GapReason
from event_model.segment import MAX_SEGMENT_EVENTS
from local_store.store import Store

COMMIT_DELAY_S = 0.24
"""How long events wait to be written together; the promise is at most 250 ms."""

COMMIT_EVENTS = 1024
"""So many buffered events are written without waiting."""

MAX_BUFFERED_EVENTS = 50_000
"""While the store can't be written, so many events are held in memory (some 20 MB); then the session is given up."""

RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0
"""The pause between tries doubles from the first to the last while the store can't be written."""

SEAL_IDLE_S = 600.0
"""After so long without an event, what has settled is sealed: the pending key goes, and the hold begins."""


class Writer:
    """The only task of the gate that waits for the disk.

    It sleeps until ``wake`` is called, and sets no timer while nothing is buffered or pending.
    ``permitted`` is asked inside the store's transaction, so that a withdrawal by another process wins. ``renew`` is
    told of a session that can't go on.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        channels: Callable[[], Iterable[Channel]],
        permitted: Callable[[Channel], bool],
        trouble: Callable[[StoreError | None], None],
        renew: Callable[[Channel, GapReason], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels
        self._permitted = permitted
        self._trouble = trouble
        self._renew = renew
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._woken = 0
        self._task: asyncio.Task[None] | None = None
        self._seal_timer: asyncio.TimerHandle | None = None
        self._seal_task: asyncio.Task[None] | None = None
        self._written_s = 0.0
        self._failing = False
        self._retry_s = 0.0
        self._closed = False

    def wake(self, count: int = 1) -> None:
        """Say that something was admitted, and how much."""
        if self._task is not None or self._closed:
            return
        if self._timer is None:
            self._begin_in(COMMIT_DELAY_S)
        elif not self._failing:
            self._woken += count
            if self._woken >= COMMIT_EVENTS:
                self._begin()

    def write(self) -> None:
        """Write what is buffered here and now where that can be, without waiting for its time."""
        if self._task is not None or self._closed or (self._failing and self._timer is not None):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due()

    async def ready(self) -> None:
        """Wait while so much is buffered that a fast sender would fill the memory; returns at once otherwise."""
        if self._buffered() >= COMMIT_EVENTS and not self._failing:
            await self.commit()

    async def commit(self) -> bool:
        """Write everything buffered; true when it is durable on return."""
        async with self._lock:
            try:
                for channel in list(self._channels()):
                    await self._write_or_renew(channel)
            except StoreError as error:
                self._failing = True
                self._trouble(error)
                if self._buffered() > MAX_BUFFERED_EVENTS:
                    for channel in list(self._channels()):
                        self._renew(channel, GapReason.STORE_UNWRITABLE)
                return False
            if self._failing:
                self._failing = False
                self._trouble(None)
        self._arm_seal_timer()
        return True

    async def finish(self, channel: Channel) -> None:
        """Write, settle and seal what is left of a channel, and end its session; what can't be sealed stays pending."""
        async with self._lock:
            try:
                await self._write(channel)
                if channel.begun:
                    await self._seal(channel, channel.flush(self._clock.monotonic_ms()))
            except StoreConflict:
                pass  # its study was left, or events were forgotten: the store knows better than this channel
            except StoreError as error:
                self._trouble(error)
            finally:
                if channel.begun:
                    with contextlib.suppress(StoreError):
                        await self._store.end_session(channel.session)

    async def close(self) -> None:
        """Stop timers and tasks; what is buffered must have been written before."""
        self._closed = True
        for timer in (self._timer, self._seal_timer):
            if timer is not None:
                timer.cancel()
        for task in (self._task, self._seal_task):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _begin_in(self, delay_s: float) -> None:
        self._timer = self._loop.call_later(delay_s, self._due)
        self._woken = 0

    def _due(self) -> None:
        """Write here and now where that can be: a task and its hops cost more than the write itself."""
        self._timer = None
        if self._failing or self._lock.locked() or not all(map(self._write_at_once, list(self._channels()))):
            self._begin()
        else:
            self._arm_seal_timer()

    def _write_at_once(self, channel: Channel) -> bool:
        """Write what a channel has buffered; false where that, or sealing, must be waited for."""
        batch = channel.drain()
        if batch is None:
            return True
        written = None
        try:
            if channel.begun:
                written = self._store.append_at_once(batch, permitted=partial(self._permitted, channel))
        except StoreError:
            pass  # it is tried again by who deals with that
        finally:
            if written is None:
                channel.restore(batch)
        if written:
            channel.durable = batch.next_index
        return written is not None and not self._is_full(channel)

    def _is_full(self, channel: Channel) -> bool:
        """Say whether enough has settled for a segment."""
        if channel.durable - channel.sealed < MAX_SEGMENT_EVENTS:
            return False
        return channel.settled(self._clock.monotonic_ms()) - channel.sealed >= MAX_SEGMENT_EVENTS

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            done = await self.commit()
        finally:
            self._task = None
        self._retry_s = 0.0 if done else min(RETRY_MAX_S, max(RETRY_FIRST_S, self._retry_s * 2))
        if self._buffered() and self._timer is None and not self._closed:
            self._begin_in(COMMIT_DELAY_S if done else self._retry_s)

    async def _write_or_renew(self, channel: Channel) -> None:
        try:
            await self._write(channel)
        except StoreConflict:  # another process forgot events of this session, which its later ones can't follow
            self._renew(channel, GapReason.FORGOTTEN)

    async def _write(self, channel: Channel) -> None:
        batch = channel.drain()
        if batch is not None:
            try:
                if not channel.begun:
                    if not self._permitted(channel):
                        return  # not even that there was a session
                    await self._store.begin_session(study=channel.study, session=channel.session, source=channel.source)
                    channel.begun = True
                written = await self._store.append(batch, permitted=lambda: self._permitted(channel))
            except BaseException:
                channel.restore(batch)
                raise
            if not written:
                return  # consent went away in the meantime: the events are dropped, here and now
            channel.durable = batch.next_index
        if self._is_full(channel):
            await self._seal(channel, channel.sealed + MAX_SEGMENT_EVENTS)

    async def _seal(self, channel: Channel, upto: int) -> None:
        if upto <= channel.sealed:
            return
        events = await self._store.pending(channel.session, upto)
        redactions = channel.take(upto)
        if redactions is None:
            return
        for batch in masked_batches(
            study=channel.study,
            session=channel.session,
            source=channel.source,
            consent_record=channel.grant.record.record_id,
            events=events,
            redactions=redactions,
        ):
            record = channel.grant.record
            await self._store.seal(batch, study_version=record.study_version, pseudonym=record.pseudonym)
            channel.mark_sealed(batch)

    def _arm_seal_timer(self) -> None:
        """See to it that what has settled is sealed in the end; a timer that runs looks itself how long ago it is."""
        self._written_s = self._loop.time()
        if self._seal_timer is None and any(channel.durable > channel.sealed for channel in self._channels()):
            self._seal_timer = self._loop.call_later(SEAL_IDLE_S, self._seal_idle)

    def _seal_idle(self) -> None:
        idle_s = self._loop.time() - self._written_s
        if idle_s < SEAL_IDLE_S:
            self._seal_timer = self._loop.call_later(SEAL_IDLE_S - idle_s, self._seal_idle)
            return
        self._seal_timer = None
        self._seal_task = self._loop.create_task(self._seal_settled())

    async def _seal_settled(self) -> None:
        async with self._lock:
            try:
                for channel in list(self._channels()):
                    now = self._clock.monotonic_ms()
                    channel.tick(now)
                    try:
                        await self._seal(channel, channel.settled(now))
                    except StoreConflict:
                        self._renew(channel, GapReason.FORGOTTEN)
            except StoreError as error:
                self._trouble(error)
        self._arm_seal_timer()  # what had not settled yet waits for the next time

    def _buffered(self) -> int:
        return sum(channel.buffered for channel in self._channels())
