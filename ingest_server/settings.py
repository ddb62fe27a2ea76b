"""What a receiver is started with, and its limits."""

from __future__ import annotations

from pathlib import Path

import msgspec

from consent_ledger.manifest import StudyManifest
from event_model.ids import StudyId
from event_model.keys import SigningKey
from event_model.sign_on import SignOnSettings
from event_model.signed import Signed

BODY_DEADLINE_S = 300.0
"""How long one request's body may take: 4 MiB at 15 kB/s. A slower sender gives up its connection."""

DRAIN_BYTES = 16 << 20
"""So much of a body that is too large is read and thrown away, so that its sender gets the answer."""

DRAIN_S = 20.0
"""And for no longer than this."""

RATE_PER_MINUTE = 3000
"""Fifty a second: what one device can send when it comes back after a month off-line."""

RATE_BURST = 500
"""Requests at once, before the rate holds."""

READY_S = 5.0
"""How long a store may take to answer before the receiver counts as not ready."""


class ReceiverSettings(msgspec.Struct, frozen=True):
    """Where a receiver keeps what it takes, for which studies, and the key that signs its receipts.

    ``studies`` may hold several versions of one study: records given to an older version stay valid until their holder
    withdraws, or the version is taken out of this list.
    """

    data: Path
    studies: tuple[Signed[StudyManifest], ...]
    key: SigningKey
    roles: tuple[bytes, ...] = ()
    """Signed lists of members, at most one for each study; see ``event_model.roles``."""
    rate_per_minute: int = RATE_PER_MINUTE
    """Requests of one installation, taken by one process; more are answered with 429."""
    invited_only: bool = False
    """Whether a first consent record needs an invitation by the study's owner."""
    sign_on: SignOnSettings | None = None
    """The provider of ID tokens, where a first consent record needs one of those, or an invitation."""
    sweep_every_s: float | None = None
    """How often the janitor sweeps; None: never, by this process."""

    @property
    def retention_days(self) -> dict[StudyId, dict[int, int]]:
        """How long segments are kept, by study and version."""
        found: dict[StudyId, dict[int, int]] = {}
        for signed in self.studies:
            found.setdefault(signed.payload.id, {})[signed.payload.version] = signed.payload.retention_days
        return found
