"""How much the fault tests try: a short form always, all of it with ``make faults``."""

from __future__ import annotations

import os

LONG = os.environ.get("OVERT_FAULTS") == "long"


def effort(short: int, long: int) -> int:
    """Choose how often a fault is tried."""
    return long if LONG else short
