"""How long the person keeps a study's data here beyond the time that the study asks for, in a file of its own.

It can only lengthen the study's own hold. A file that can't be read counts as the longest hold there is.
"""

from __future__ import annotations

import msgspec

from consent_ledger.folder import StudyFolder

MAX_HOLD_S = 90 * 86_400
"""A quarter of a year; who wants to keep more than that here leaves, or exports it."""


class _Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold_s: int


def read_hold(folder: StudyFolder) -> int:
    """Give the person's own hold, in seconds; 0 if there is none."""
    try:
        data = folder.read(folder.hold)
        return 0 if data is None else min(max(msgspec.json.decode(data, type=_Hold).hold_s, 0), MAX_HOLD_S)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return MAX_HOLD_S


def write_hold(hold_s: int) -> bytes:
    """Write the file. ValueError: if the hold is out of bounds."""
    if not 0 <= hold_s <= MAX_HOLD_S:
        raise ValueError(f"a hold of {hold_s} s")
    return msgspec.json.encode(_Hold(hold_s))
