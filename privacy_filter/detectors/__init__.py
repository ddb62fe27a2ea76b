"""What finds secrets and personal data in a text; nothing here knows of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy_filter.detectors.base import PII, SECRET, Detector, Hit

if TYPE_CHECKING:
    from privacy_filter.detectors.layered import default_detector

__all__ = ["PII", "SECRET", "Detector", "Hit", "default_detector"]


def __getattr__(name: str) -> object:
    # Rules, RE2 and the automata are loaded when a detector is wanted, so that a collector starts fast.
    if name == "default_detector":
        from privacy_filter.detectors.layered import default_detector as found  # noqa: PLC0415 - see above

        return found
    raise AttributeError(name)
