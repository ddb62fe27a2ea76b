"""Walking through what is stored, session by session and piece by piece: to show it, and to check all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from functools import partial
from pathlib import Path

from event_model.ids import SessionId, StudyId
from local_store.consistency import hidden_rows, misled_sessions, sequence_ends, sequence_gaps, structure
from local_store.forgetting import Selection
from local_store.inspection import Inspection, Piece
from local_store.mending import names_set_aside, note
from local_store.model import Damage, SegmentPlace, SegmentState, StoredEvent, VerifyReport
from local_store.segments import Segments
from local_store.sessions import all_sessions
from local_store.transactions import Transactions


class Walker:
    """Walks through one store; each piece is read in a transaction of its own."""

    def __init__(self, database: Transactions, path: Path, segments: Segments, inspection: Inspection) -> None:
        self._database = database
        self._path = path
        self._segments = segments
        self._inspection = inspection

    async def pieces(self, session_no: int, selection: Selection | None = None) -> AsyncIterator[Piece]:
        """Give a session's pieces in order; one that can't hold what is selected is not read."""
        index: int | None = 0
        while index is not None:
            piece = await self._database.read(
                partial(self._inspection.piece, session_no=session_no, index=index, selection=selection)
            )
            yield piece
            index = piece.next_index

    async def events(self, study: StudyId | None, selection: Selection) -> AsyncIterator[StoredEvent]:
        """Give every event of a span of time, as ``Store.events``."""
        for row in await self._database.read(all_sessions):
            if study is None or row.study == study:
                async for piece in self.pieces(row.no, selection):
                    for event in piece.events:
                        if selection.overlaps(event.wall_ms, event.wall_ms):
                            yield StoredEvent(row.study, row.session, row.source, piece.state, event)

    async def verify(self) -> VerifyReport:
        """Check everything, as ``Store.verify``."""
        segments = events = pending = 0
        found = await self._database.read(structure)
        damaged = [Damage("database", StudyId(""), SessionId(""), 0, 0, each) for each in found]
        if found:  # mending may bring back what now can't be read: nothing is set aside for good
            await self._database.aside(partial(note, self._path))
        damaged.extend(await self._database.read(misled_sessions))
        damaged.extend(await self._database.read(hidden_rows))
        unseen = {each.place: each.first_index for each in await self._database.read(self._segments.listed)}
        for row in await self._database.read(all_sessions):
            async for piece in self.pieces(row.no):
                damaged.extend(piece.damaged)
                if piece.content is not None:
                    segments, events = segments + 1, events + len(piece.events)
                elif piece.info is None:
                    pending += len(piece.events)
                elif piece.damaged and piece.info.state is SegmentState.HELD and not found:
                    await self._database.write(partial(self._segments.mark_damaged, info=piece.info))
                # Index and table may say different things of a segment; then it is found, or sent, but not both.
                if piece.info is not None and unseen.get(piece.info.place) == piece.info.first_index:
                    del unseen[piece.info.place]
        damaged.extend(await self._set_aside(unseen, for_good=not found))
        gaps = await self._database.read(
            lambda connection: sequence_gaps(self._segments.listed(connection), sequence_ends(connection))
        )
        return VerifyReport(segments, events, pending, tuple(damaged), gaps, names_set_aside(self._path))

    async def _set_aside(self, unseen: Container[SegmentPlace], *, for_good: bool) -> list[Damage]:
        """Set aside what a walk through the sessions did not come to, if it is still there: its row misleads."""
        infos = [each for each in await self._database.read(self._segments.listed) if each.place in unseen]
        for info in infos:
            if info.state is SegmentState.HELD and for_good:
                await self._database.write(partial(self._segments.mark_damaged, info=info))
        return [
            Damage("segment", each.study, each.session, each.first_index, each.count, "its row misleads")
            for each in infos
        ]
