"""What the receiver clears up by itself: segments whose time is over, and objects that no row names.

Each participant is looked at under their own claim, so no upload is ever under way meanwhile: an object without a row
is then one that a crash left. Rows change before bytes go, as in every deletion; no row is left without its object.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from event_model.clock import Clock
from event_model.errors import StoreError
from event_model.ids import Pseudonym, StudyId
from event_model.log_entries import LogEntry, LogKind, subject_of
from ingest_server.log_service import log_row
from ingest_server.metadata import Metadata
from ingest_server.objects import Objects, participant_prefix, segment_key
from ingest_server.rows import Participant, SegmentRow

DAY_MS = 86_400_000

Log = Callable[[Mapping[str, Any]], None]


class Sweep(msgspec.Struct, frozen=True):
    """What one round found and did. ``missing`` counts rows without their object, which must never be."""

    participants: int = 0
    retired: int = 0
    orphans: int = 0
    missing: int = 0

    def __add__(self, other: Sweep) -> Sweep:
        return Sweep(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


class Janitor:
    """Sweeps the stores of some studies."""

    def __init__(
        self, retention_days: Mapping[StudyId, Mapping[int, int]], *, objects: Objects, metadata: Metadata, clock: Clock
    ) -> None:
        """``retention_days`` by study and version: a segment is kept as long as its own version promised."""
        self._retention = retention_days
        self._objects = objects
        self._metadata = metadata
        self._clock = clock

    async def sweep(self) -> Sweep:
        """Look at every participant once. StoreUnwritable: if a store fails; what was done stands."""
        total = Sweep()
        for study in self._retention:
            for pseudonym in await self._metadata.participants(study):
                total += await self._sweep_one(Participant(study, pseudonym))
        return total

    async def keep_sweeping(self, every_s: float, log: Log) -> None:
        """Sweep now and then, until cancelled; a store that fails is tried again the next time."""
        while True:
            try:
                log({"event": "swept", **msgspec.to_builtins(await self.sweep())})
            except StoreError as error:
                log({"event": "sweep-failed", "code": error.code})
            await asyncio.sleep(every_s)

    async def _sweep_one(self, participant: Participant) -> Sweep:
        async with self._metadata.claim(participant):
            found = await self._metadata.live_segments(participant)
            rows = [row for row, _version in found]
            over = [row for row, version in found if self._is_over(participant.study, row, version)]
            if over:
                await self._retire(participant, over)
            kept = {
                segment_key(participant.study, participant.pseudonym, row.epoch, row.number)
                for row in rows
                if row not in over
            }
            there = set(await self._objects.keys(participant_prefix(participant.study, participant.pseudonym)))
            orphans = sorted(there - kept)
            if orphans:
                await self._objects.erase(orphans)
        return Sweep(participants=1, retired=len(over), orphans=len(orphans), missing=len(kept - there))

    async def _retire(self, participant: Participant, rows: list[SegmentRow]) -> None:
        at = [(row.epoch, row.number) for row in rows]
        digest = hashlib.sha256(f"retention {participant.study} {participant.pseudonym} {at}".encode()).hexdigest()
        await self._metadata.bury(participant, digest, at)
        await self._objects.erase([segment_key(participant.study, participant.pseudonym, *each) for each in at])
        now_ms = self._clock.wall_ms()
        entry = LogEntry(
            kind=LogKind.RETENTION,
            study=participant.study,
            at_ms=now_ms,
            subject=subject_of(participant.study, Pseudonym(participant.pseudonym)),
            digest=digest,
            count=len(at),
        )
        await self._metadata.complete_deletion(participant.study, digest, now_ms, log_row(entry, f"deletion {digest}"))

    def _is_over(self, study: StudyId, row: SegmentRow, version: int | None) -> bool:
        versions = self._retention[study]
        # Of a version that is served no more the promise is not known here: the shortest one counts.
        shortest = min(versions.values())
        days = shortest if version is None else versions.get(version, shortest)
        return row.received_ms + days * DAY_MS <= self._clock.wall_ms()
