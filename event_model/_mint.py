"""The stamp that only the gate holds.

``capture_gate`` is the only room that may import this module; import-linter holds that.
"""

from __future__ import annotations


class Stamp:
    """What makes a batch one that passed the gate."""

    __slots__ = ()


STAMP = Stamp()
