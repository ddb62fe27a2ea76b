"""How often one installation may ask: a bucket of requests each, filled at an even pace. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

from event_model.errors import ReceiverError

MAX_BUCKETS = 100_000
"""Installations remembered at once, some 20 MB; the one that asked longest ago is forgotten, and starts full."""


class TooOften(ReceiverError):
    """This installation asks too often; ``seconds`` says when there will be room."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many requests of this installation", status=429, code="rate-limited")
        self.seconds = seconds


class RateLimit:
    """Buckets by name; time is handed in, in milliseconds."""

    def __init__(self, *, per_minute: int, burst: int) -> None:
        """``burst`` requests at once, and ``per_minute`` after that."""
        self._per_ms = per_minute / 60_000
        self._burst = float(burst)
        self._buckets: OrderedDict[object, tuple[float, int]] = OrderedDict()

    def wait_ms(self, name: object, now_ms: int) -> int:
        """Take a request out of a bucket: 0; or say in how many milliseconds there will be one."""
        level, at = self._buckets.pop(name, (self._burst, now_ms))
        level = min(self._burst, level + max(0, now_ms - at) * self._per_ms)
        allowed = level >= 1
        self._buckets[name] = (level - 1 if allowed else level, now_ms)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0 if allowed else math.ceil((1 - level) / self._per_ms)
