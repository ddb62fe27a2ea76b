"""What the person allows at this moment, re-read whenever it may have changed."""

from __future__ import annotations

from collections.abc import Iterator

from capture_gate.decision import Refusal, consent_refusal, refusal, scope_refusal
from consent_ledger.grants import Grant
from consent_ledger.ledger import Ledger
from consent_ledger.pause import UNTIL_RESUMED
from consent_ledger.scope import Place
from event_model.clock import Clock
from event_model.ids import RecordId, StudyId

LOOK_MS = 1000
"""How long a look at all consent files is good for while events stream in: it costs 11 us, and what a ledger changes,
as a pause, shows in the time of their folder, at which each event looks (1.5 us). A write always looks anew."""


class Permissions:
    """The ledger as the gate sees it: grants by study, and whether capture is paused."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._fingerprint: object = None
        self._looked_ms = -LOOK_MS
        self._read_wall_ms = 0
        self.grants: dict[StudyId, Grant] = {}
        self.paused = False

    @property
    def paused_until_ms(self) -> int | None:
        """When the pause ends by itself, if it does."""
        until = self._ledger.paused_until if self.paused else None
        return None if until == UNTIL_RESUMED else until

    @property
    def changes_ms(self) -> int | None:
        """When time alone next changes what is allowed, if it does: a pause or a consent ends."""
        moments = [grant.changes_ms for grant in self.grants.values()] + [self.paused_until_ms]
        return min((moment for moment in moments if moment is not None), default=None)

    def changed(self, *, now: bool = False) -> bool:
        """Look whether anything changed: at the time of the folder, and each LOOK_MS, or ``now``, at all files."""
        monotonic = self._clock.monotonic_ms()
        if not now and monotonic - self._looked_ms < LOOK_MS and not self._ledger.stirred():
            return False
        self._looked_ms = monotonic
        fingerprint = self._ledger.fingerprint()
        wall = self._clock.wall_ms()
        ends_ms = self.changes_ms
        stands = self._read_wall_ms <= wall and (ends_ms is None or wall < ends_ms)  # else time alone changed something
        if fingerprint == self._fingerprint and stands:
            return False
        grants = {grant.study: grant for grant in self._ledger.grants(wall)}
        paused = self._ledger.paused(wall)
        self._fingerprint, self._read_wall_ms = fingerprint, wall
        changed = paused != self.paused or _essence(grants) != _essence(self.grants)
        self.grants, self.paused = grants, paused
        return changed

    def permits(self, study: StudyId, record: RecordId) -> bool:
        """Say whether this consent is live right now, by a fresh look: asked inside the store's transaction."""
        wall = self._clock.wall_ms()
        grant = self.grants.get(study)
        ended = grant is not None and grant.changes_ms is not None and wall >= grant.changes_ms
        same = self._ledger.fingerprint() == self._fingerprint
        if same:  # a look at all files, as good as one of ``changed``
            self._looked_ms = self._clock.monotonic_ms()
        if ended or not same:
            found = (each for each in self._ledger.grants(wall) if each.study == study)
            grant = next(found, None)
        return grant is not None and grant.refusal is None and grant.record.record_id == record

    def live(self) -> Iterator[Grant]:
        """Every grant whose consent is live."""
        return (grant for grant in self.grants.values() if grant.refusal is None)

    def admitting(self, place: Place | None) -> Iterator[Grant]:
        """Every live grant whose scope holds a place."""
        return (grant for grant in self.live() if scope_refusal(grant, place) is None)

    def refusals(self, place: Place | None) -> list[Refusal]:
        """Why each of the other studies does not take a place."""
        if not self.grants:
            return [refusal("no-consent")]
        return [refused for _, refused in self.judged(place) if refused is not None]

    def judged(self, place: Place | None) -> list[tuple[Grant, Refusal | None]]:
        """Every grant with why it does not take a place, or ``None`` where it does: each scope is asked once."""
        return [(grant, consent_refusal(grant) or scope_refusal(grant, place)) for grant in self.grants.values()]


def _essence(grants: dict[StudyId, Grant]) -> dict[StudyId, tuple[object, ...]]:
    return {
        study: (
            grant.refusal,
            grant.signed_record and grant.signed_record.digest,
            grant.signed_manifest and grant.signed_manifest.digest,
        )
        for study, grant in grants.items()
    }
