"""What the tests of this room share: a moment, and keys that are the same in every run."""

from __future__ import annotations

import hashlib

from event_model.keys import Secret

NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a month into the study of the fixtures."""
DAY_MS = 86_400_000


def seed(name: str, length: int = 32) -> Secret:
    """Make a secret from a name."""
    return Secret(hashlib.shake_256(name.encode()).digest(length))
