"""The store: an encrypted journal of pending events, and sealed segments on their way out.

Every method is one or a few transactions. What returned is durable. Several processes may use one store at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import Clock
from event_model.errors import KeyUnavailable, StoreDamaged, StoreUnwritable
from event_model.events import Event
from event_model.ids import Pseudonym, SessionId, StudyId
from event_model.keys import Secret
from event_model.segment import SegmentContent
from local_store import vault
from local_store.custody import DeviceKeys
from local_store.database import Database
from local_store.erasure import Erasure
from local_store.files import make_private_folder, unwritable
from local_store.forgetter import Forgetter, Progress, untold
from local_store.forgetting import EVERYTHING, Selection
from local_store.inspection import Inspection, size_bytes
from local_store.journal import Journal
from local_store.live import LiveLocks
from local_store.model import (
    Forgotten,
    SegmentInfo,
    SegmentState,
    SessionInfo,
    StoredEvent,
    StoreStats,
    StudyStats,
    VerifyReport,
)
from local_store.rewinding import (
    Witness,
    begin_epoch,
    go_on,
    sealed_so_far,
    times_rewound,
)
from local_store.schema import check_root, known_root
from local_store.sealing import Sealer
from local_store.segments import Segments
from local_store.sessions import (
    Keys,
    SessionRow,
    add_session,
    all_sessions,
    find_session,
)
from local_store.transactions import Transactions
from local_store.volumes import network_kind
from local_store.walking import Walker
from local_store.weighing import Weighed

__all__ = [
    "Forgotten",
    "Progress",
    "SegmentInfo",
    "SegmentState",
    "SessionInfo",
    "Store",
    "StoreStats",
    "StoredEvent",
    "StudyStats",
    "VerifyReport",
]

DATABASE = "overt.sqlite3"

QUICK_SYNC_S = 0.025
"""A disk that took no longer is waited for in place: going to a thread and back takes a fifth of a commit's time."""


class Store:
    """The device's store. Open it with ``Store.open``, close it with ``close`` or as a context manager."""

    def __init__(self, folder: Path, database: Database, keys: Keys, *, clock: Clock, has_root: bool) -> None:
        self._clock = clock
        self._has_root = has_root
        self._live = LiveLocks(folder / "live")
        self._adopted: set[SessionId] = set()
        self._journal = Journal(keys, folder / "pending")
        self._database = Transactions(database, folder / "reserve", self._journal.done, self._journal.undone)
        self._segments = Segments(keys)
        self._witness = Witness(folder.parent / "keys" / "sealed.json")
        self._sealer = Sealer(self._database, self._journal, self._segments, self._witness, clock)
        self._inspection = Inspection(self._journal, self._segments)
        path = folder / DATABASE
        self._walker = Walker(self._database, path, self._segments, self._inspection)
        self._forgetter = Forgetter(
            self._database, path, self._journal, Erasure(self._journal, self._segments), self._inspection
        )

    @classmethod
    async def open(
        cls, home: Path, keys: DeviceKeys | None, *, clock: Clock, random: Callable[[int], bytes] = os.urandom
    ) -> Self:
        """Open the store under ``home``, and make it at the first run.

        Without keys everything that needs none still works: metadata, envelopes, and forgetting a study.
        KeyUnavailable: if the store belongs to another root key. StoreUnwritable, StoreDamaged: if it can't be opened.
        """
        folder = home / "store"
        try:
            for each in (home, folder, folder / "live", folder / "pending"):
                make_private_folder(each)
        except OSError as error:
            raise unwritable("the store's folder", error) from error
        if (kind := network_kind(folder)) is not None and keys is not None:  # forgetting and leaving go on
            raise StoreUnwritable(
                f"the store lies on a network file system ({kind}), where locks and syncs can't be relied on",
                hint="Set OVERT_HOME to a folder on a disk of this machine; `overt leave` still works.",
            )
        root = None if keys is None else keys.root
        store = await cls._connect(folder, root, clock, random)
        try:
            await store._begin(root)
        except StoreDamaged as error:
            if error.code != StoreDamaged.code:
                raise
            # It is noted by now: the next opening mends it, if nobody else has the store open.
            store = await cls._connect(folder, root, clock, random)
            await store._begin(root)
        return store

    @classmethod
    async def _connect(cls, folder: Path, root: Secret | None, clock: Clock, random: Callable[[int], bytes]) -> Self:
        database = await Database.open(folder / DATABASE, root)
        return cls(folder, database, Keys(root, random), clock=clock, has_root=root is not None)

    async def _begin(self, root: Secret | None) -> None:
        """Bring what is there into order; where that can't be, the store is closed."""
        try:
            if root is not None and await self._database.read(known_root) != (check := vault.key_check(root)):
                opens = partial(vault.opens, vault.wrapping_key(root))
                await self._database.write(partial(check_root, expected=check, opens=opens))
            self._database.keep_reserve()
            await self._database.sweep()
            if root is not None:
                await self._notice_older_copy()
            await self._database.read(self._journal.sweep)
        except BaseException:
            await self.close()
            raise

    async def _notice_older_copy(self) -> None:
        witness = self._witness.read()  # first: it is written after the database
        now = await self._database.read(sealed_so_far)
        if witness.generation > now.generation:
            now = await self._database.write_reserved(
                lambda connection: (
                    go_on(connection, self._segments, witness)
                    if witness.generation > sealed_so_far(connection).generation
                    else sealed_so_far(connection)
                )
            )
        await self._database.aside(partial(self._witness.keep, now))

    async def begin_epoch(self, study: StudyId) -> int:
        """Go on in a new epoch of a study with all that was not uploaded; gives how many segments moved.

        For when the receiver holds other bytes under its numbers, because an older copy of the store was put back.
        """
        self._need_root()
        return await self._database.write(partial(begin_epoch, segments=self._segments, study=study))

    async def times_rewound(self) -> int:
        """Say how often it was noticed that an older copy of the store had been put back."""
        return await self._database.read(times_rewound)

    async def close(self) -> None:
        """Let go of the sessions and the database. Sessions that were not ended become orphans."""
        await self._database.aside(self._journal.close)
        self._live.release_all()
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Sessions

    async def begin_session(self, *, study: StudyId, session: SessionId, source: str) -> None:
        """Begin a session and hold it until it is ended. StoreConflict: if it exists or runs elsewhere."""
        self._need_root()
        self._live.need(session)
        try:
            now = self._clock.wall_ms()
            await self._database.write(partial(add_session, study=study, session=session, source=source, now_ms=now))
        except BaseException:
            self._live.release(session, ended=False)
            raise

    async def end_session(self, session: SessionId) -> None:
        """End a session and let go of it. What is still pending of it makes it an orphan instead."""

        def work(connection: sqlite3.Connection) -> bool:
            row = find_session(connection, session)
            if row is None:
                return True
            self._journal.gather(connection, row)
            if self._journal.next_index(connection, row) > row.sealed:
                return False
            self._journal.end(session)
            connection.execute("DELETE FROM keys WHERE session = ?", (row.no,))
            if self._segments.of_session(connection, row.no) is None:
                connection.execute("DELETE FROM sessions WHERE no = ?", (row.no,))
            else:
                connection.execute("UPDATE sessions SET ended = 1 WHERE no = ?", (row.no,))
            return True

        ended = await self._database.write(work)
        self._adopted.discard(session)
        self._sealer.end(session)
        self._live.release(session, ended=ended)
        if ended:
            await self._database.shorten(0)

    async def sessions(self, *, open_only: bool = False) -> list[SessionInfo]:
        """List all sessions in the order in which they began, or those that were not ended; holds none."""

        def work(connection: sqlite3.Connection) -> list[SessionInfo]:
            infos = [
                self._inspection.session(connection, row.session)
                for row in all_sessions(connection, open_only=open_only)
            ]
            return [info for info in infos if info is not None]

        return await self._database.read(work)

    async def was_revised(self, session: SessionId) -> bool:
        """Say whether another process forgot events of a session since this one last appended to it, or all of it."""
        row = await self._database.read(partial(find_session, session=session))
        return row is None or self._journal.was_revised(row)

    async def orphans(self) -> list[SessionInfo]:
        """List sessions that no one runs any more, and hold them: no other process will list them meanwhile."""
        rows = await self._database.read(partial(all_sessions, open_only=True))
        orphans: list[SessionInfo] = []
        for row in rows:
            if row.session not in self._adopted and not self._live.take(row.session):
                continue
            self._adopted.add(row.session)
            info = await self._database.read(partial(self._inspection.session, session=row.session))
            if info is None or info.next_index == 0:
                await self.end_session(row.session)
            else:
                orphans.append(info)
        return orphans

    async def running(self) -> list[SessionInfo]:
        """List the sessions that are being written now, by this process or another; holds none."""
        rows = await self._database.read(partial(all_sessions, open_only=True))
        live = [
            row.session for row in rows if self._live.holds(row.session) or self._live.running_elsewhere(row.session)
        ]
        infos = [await self._database.read(partial(self._inspection.session, session=each)) for each in live]
        return [info for info in infos if info is not None]

    # Pending

    async def append(
        self, batch: PendingBatch | Sequence[PendingBatch], *, permitted: Callable[[], bool] | None = None
    ) -> bool:
        """Write events to the journal, all or none of them, durable on return.

        ``permitted`` is asked on the store's thread, while a forgetting by others has to wait; when it says no,
        nothing is written and the answer is false. StoreConflict: if a batch does not follow its session's last
        event, or if another process forgot some of the session (code ``forgotten-meanwhile``). StoreUnwritable: if the
        disk is full, gives errors, or can't be written.
        """
        self._need_root()
        batches = (batch,) if isinstance(batch, PendingBatch) else tuple(batch)

        def work(connection: sqlite3.Connection) -> bool:
            if permitted is not None and not permitted():
                return False
            for each in batches:
                self._journal.append(connection, each)
            return True

        written = await self._extend(batches[0], permitted) if len(batches) == 1 else None
        return await self._database.write(work) if written is None else written

    async def _extend(self, batch: PendingBatch, permitted: Callable[[], bool] | None) -> bool | None:
        """Add to the session's file: at once where that can be, else on the store's thread."""
        written = self.append_at_once(batch, permitted=permitted)
        if written is not None:
            return written
        return await self._database.aside(partial(self._journal.extend, batch, permitted))

    def append_at_once(self, batch: PendingBatch, *, permitted: Callable[[], bool] | None = None) -> bool | None:
        """Write as ``append`` does, without a thread or a task; ``None``, and nothing is done, where that can't be.

        It can be for a session that goes on, on a disk that was quick last time, while nobody else is in the store.
        """
        self._need_root()
        if self._database.idle and self._journal.sync_s < QUICK_SYNC_S:
            try:
                return self._journal.extend(batch, permitted, wait=False)
            except BlockingIOError:  # another process holds the file
                return None
        return None

    async def pending(self, session: SessionId, upto: int | None = None) -> tuple[Event, ...]:
        """Give a session's pending events below ``upto``, in order; gaps stand for what is damaged."""
        return await self._sealer.pending(session, upto)

    async def session_segments(self, session: SessionId) -> list[SegmentContent]:
        """Give what is sealed of a session and can be read, in order."""
        row = await self._database.read(partial(find_session, session=session))
        if row is None:
            return []
        return [piece.content async for piece in self._walker.pieces(row.no) if piece.content is not None]

    # Sealing

    async def seal(self, batch: MaskedBatch, *, study_version: int, pseudonym: Pseudonym) -> SegmentInfo:
        """Put masked events into a segment and take them out of the journal, in one transaction.

        StoreConflict: if the events are not the session's next to be sealed, are not durable yet, or if some of them
        were forgotten since they were read (code ``forgotten-meanwhile``: read and mask them again).
        SegmentError: if they are too many or too large for one segment.
        """
        self._need_root()
        return await self._sealer.seal(batch, study_version=study_version, pseudonym=pseudonym)

    # Segments

    async def segments(self, study: StudyId | None = None) -> list[SegmentInfo]:
        """List segments by study, epoch and number."""
        return await self._database.read(partial(self._segments.listed, study=study))

    async def read(self, info: SegmentInfo) -> SegmentContent:
        """Open a segment. StoreDamaged: if it does not open; the others are not concerned."""
        return await self._database.read(partial(self._segments.read, info=info))

    async def read_opened(self, info: SegmentInfo) -> bytes:
        """Give a segment's bytes, as ``decode_segment`` takes them. StoreDamaged: if it does not open."""
        return await self._database.read(partial(self._segments.read_opened, info=info))

    async def due(self, study: StudyId, *, sealed_before_ms: int) -> list[SegmentInfo]:
        """List the segments to be sent next, in sequence order: sealed at or before a time, not uploaded.

        What a clock that ran ahead sealed in the future would keep those after it for as long: its hold begins anew.
        """
        now = self._clock.wall_ms()
        if await self._database.read(partial(self._segments.ahead, study=study, now_ms=now)):
            await self._database.write(partial(self._segments.restart_holds, study=study, now_ms=now))
        return await self._database.read(partial(self._segments.due, study=study, sealed_before_ms=sealed_before_ms))

    async def envelope(self, info: SegmentInfo) -> bytes | None:
        """Give the envelope kept for a segment, if there is one."""
        return await self._database.read(partial(self._segments.envelope, info=info))

    async def put_envelope(self, info: SegmentInfo, data: bytes, digest: str) -> SegmentInfo:
        """Keep an envelope until its receipt is in hand.

        StoreConflict: if the segment was rewritten since ``info`` was read, or an earlier one has no envelope.
        """
        return await self._database.write(partial(self._segments.put_envelope, info=info, data=data, digest=digest))

    async def last_digest(self, study: StudyId, epoch: int) -> str:
        """Give the digest of the last envelope in an epoch; empty before the first."""
        return await self._database.read(partial(self._segments.last_digest, study=study, epoch=epoch))

    async def mark_uploaded(self, info: SegmentInfo, receipt: bytes) -> SegmentInfo:
        """Note that the receiver holds a segment's envelope, which is then dropped here.

        StoreConflict: if the segment was forgotten or rewritten since the envelope was made; the receiver was then
        listed for an erasure by ``forget``.
        """
        return await self._database.write(partial(self._segments.mark_uploaded, info=info, receipt=receipt))

    async def mark_damaged(self, info: SegmentInfo) -> None:
        """Set a segment that can't be read aside, so that the ones after it can be sent."""
        await self._database.write(partial(self._segments.mark_damaged, info=info))

    # Looking

    def events(
        self, *, study: StudyId | None = None, since_ms: int | None = None, until_ms: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        """Give every event, session by session, each in order; what is damaged is left out.

        What other processes seal meanwhile is still given once; what they forget, at most once.
        """
        return self._walker.events(study, Selection(since_ms=since_ms, until_ms=until_ms))

    async def verify(self) -> VerifyReport:
        """Open everything that is stored and report what is damaged or missing; sets damaged segments aside."""
        return await self._walker.verify()

    def set_aside(self) -> tuple[str, ...]:
        """Name the damaged databases out of which this one was made."""
        return self._forgetter.set_aside()

    async def stats(self) -> StoreStats:
        """Count what is stored; needs no key."""
        return await self._database.read(self._inspection.stats)

    async def version(self) -> tuple[int, int]:
        """Give a value that changes with every change to the database; what is pending in files is not in it."""

        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            (others,) = connection.execute("PRAGMA data_version").fetchone()
            return int(others), connection.total_changes

        return await self._database.read(work)

    async def size_bytes(self) -> int:
        """Bytes of the database file and the journal's files; the fixed reserve is not counted."""
        return await self._database.read(size_bytes) + self._journal.size_bytes()

    # Forgetting

    async def forget(self, selection: Selection = EVERYTHING, progress: Progress = untold) -> Forgotten:
        """Forget the events that are selected, wherever they stand, and what damaged files were set aside.

        ``progress`` is told after each session. StoreUnwritable: if the disk is full beyond what the reserve can make
        up for; what was done till then stays.
        """
        return await self._forgetter.forget(selection, self._is_live, progress)

    def _is_live(self, row: SessionRow) -> bool:
        held = self._live.holds(row.session) and row.session not in self._adopted
        return held or self._live.running_elsewhere(row.session)

    async def weigh(self, selection: Selection, progress: Progress = untold) -> Weighed:
        """Say what ``forget`` would do with these criteria; changes nothing. ``progress`` as there."""
        return await self._forgetter.weigh(selection, progress)

    async def forget_study(self, study: StudyId) -> None:
        """Destroy a study's keys, and then its rows; works without a key and with a full disk.

        If there is no room to remove the rows, they stay unreadable until the store is opened next.
        """
        await self._forgetter.forget_study(study)

    def _need_root(self) -> None:
        if not self._has_root:
            raise KeyUnavailable("the store was opened without its root key")
