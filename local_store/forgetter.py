"""The acts of forgetting on a whole store, and the weighing of one: session by session, each in small transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from event_model.errors import StoreUnwritable
from event_model.ids import StudyId
from local_store.erasure import Erasure, destroy_study
from local_store.forgetting import Eraser, Selection
from local_store.inspection import Inspection
from local_store.journal import Journal
from local_store.mending import destroy_set_aside, names_set_aside
from local_store.model import Forgotten, SegmentPlace
from local_store.sessions import SessionRow, sessions_within
from local_store.transactions import Transactions
from local_store.weighing import Weighed, Weigher

Progress = Callable[[int, int], None]
"""Told how many sessions were gone through, and of how many."""

IsLive = Callable[[SessionRow], bool]
"""Says whether somebody goes on writing a session."""

END_OF_TIME_MS = 1 << 60
"""Later than any event."""


def untold(_done: int, _total: int) -> None:
    """Tell nobody."""


class Forgetter:
    """Forgets in one store."""

    def __init__(
        self, database: Transactions, path: Path, journal: Journal, erasure: Erasure, inspection: Inspection
    ) -> None:
        self._database = database
        self._path = path
        self._journal = journal
        self._erasure = erasure
        self._inspection = inspection

    async def forget(self, selection: Selection, is_live: IsLive, progress: Progress) -> Forgotten:
        """Forget what is selected, wherever it stands. StoreUnwritable: as ``Store.forget``."""
        await self._destroy_set_aside()
        events = segments = 0
        uploaded: dict[SegmentPlace, None] = {}
        rows = await self._database.read(partial(_concerned, selection=selection))
        for done_before, row in enumerate(rows):
            progress(done_before, len(rows))
            done = await self._forget_session(row.no, selection, live=is_live(row))
            self._journal.accept_revision(row.session)
            events, segments = events + done.events, segments + done.segments
            uploaded |= dict.fromkeys(done.uploaded_segments)
        await self._database.shorten(0)
        self._database.keep_reserve()
        return Forgotten(events, segments, tuple(uploaded))

    async def weigh(self, selection: Selection, progress: Progress) -> Weighed:
        """Say what ``forget`` would do; changes nothing."""
        total = Weighed(set_aside=self.set_aside())
        rows = await self._database.read(partial(_concerned, selection=selection))
        for done_before, row in enumerate(rows):
            progress(done_before, len(rows))
            weigher = Weigher(self._inspection, Eraser(selection))
            index: int | None = 0
            while index is not None:
                index = await self._database.read(partial(weigher.piece, session_no=row.no, index=index))
            total = Weighed(
                total.events + weigher.events,
                total.segments + weigher.segments,
                total.sent + weigher.sent,
                total.paths | weigher.paths,
                total.set_aside,
            )
        return total

    def set_aside(self) -> tuple[str, ...]:
        """Name the damaged databases that were set aside."""
        return names_set_aside(self._path)

    async def forget_study(self, study: StudyId) -> None:
        """Destroy a study's keys, and then its rows. StoreUnwritable: as ``Store.forget_study``."""

        def work(connection: sqlite3.Connection) -> bool:
            self._journal.abandon(connection, study)
            return destroy_study(connection, study)

        if await self._database.write_reserved(work):
            with contextlib.suppress(StoreUnwritable):
                await self._database.sweep()
        await self._destroy_set_aside()
        self._database.keep_reserve()

    async def _destroy_set_aside(self) -> None:
        """A damaged file that was set aside may hold what is to be forgotten, and nobody can tell: it goes."""
        await self._database.aside(partial(destroy_set_aside, self._path))

    async def _forget_session(self, session_no: int, selection: Selection, *, live: bool) -> Forgotten:
        eraser = Eraser(selection)
        index: int | None = 0
        events = segments = pending = 0
        uploaded: list[SegmentPlace] = []
        while index is not None:
            piece = await self._database.write_reserved(
                partial(self._erasure.piece, session_no=session_no, first_index=index, eraser=eraser)
            )
            index, eraser = piece.next_index, piece.eraser or eraser
            events, segments, pending = events + piece.events, segments + piece.segments, pending + piece.pending
            uploaded.extend(piece.uploaded)
        if pending:
            with contextlib.suppress(StoreUnwritable):  # the bytes are overwritten; the key goes when this is sealed
                await self._database.write_reserved(partial(self._erasure.rekey, session_no=session_no, live=live))
        return Forgotten(events, segments, tuple(uploaded))


def _concerned(connection: sqlite3.Connection, selection: Selection) -> list[SessionRow]:
    """List the sessions that can hold something that is selected."""
    return sessions_within(
        connection,
        study=selection.study,
        session=selection.session,
        since_ms=selection.since_ms or 0,
        until_ms=END_OF_TIME_MS if selection.until_ms is None else selection.until_ms,
    )
