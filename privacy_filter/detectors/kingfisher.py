"""Kingfisher's rules as one more layer, where its package is installed and the person has chosen it.

They run inside the process and only read; of the package nothing is used that could ask a provider whether a key works.
"""

from __future__ import annotations

from typing import Any

from event_model.errors import FilterUnavailable
from privacy_filter.detectors.base import SECRET, Hit
from privacy_filter.detectors.window import Window

PACKAGE = "kingfisher-secret-scanner"
MIN_TAG_BITS = 64.0
"""What has less entropy in all its characters could be found from a keyed tag by trying, so it gets none."""


class KingfisherLayer:
    """All of Kingfisher's rules, its own ways of passing over examples included; base64 is looked into."""

    def __init__(self) -> None:
        """Compile the rules: some seconds the first time, then from its cache. FilterUnavailable: not installed."""
        try:
            from kingfisher_sdk import Rules, Scanner  # noqa: PLC0415 - 36 MB that only those load who chose it
        except ImportError as error:
            raise FilterUnavailable(
                f"the engine Kingfisher was chosen, but {PACKAGE} is not installed",
                hint="Install `overt[kingfisher]`, or take OVERT_ENGINE out of the environment.",
            ) from error
        self._scanner: Any = Scanner(Rules(confidence="medium"))

    def find(self, window: Window, hits: list[Hit]) -> None:
        """Add what its rules find in a window."""
        data = window.text.encode("utf-8", "surrogatepass")
        wide = len(data) != len(window.text)
        for finding in self._scanner.scan(data):
            if not finding.visible:  # a part that only helps to judge another
                continue
            start, end = finding.location["start_offset"], finding.location["end_offset"]
            if wide:
                start, end = _chars(data, start), _chars(data, end)
            if not finding.is_base64_encoded and window.text[start:end] != finding.secret:
                start, end = 0, len(window.text)  # it read other text than there is: mask all of it
            kind = finding.rule_id.rpartition(".")[2]
            guessable = finding.entropy * (end - start) < MIN_TAG_BITS
            hits.append(Hit(start, end, SECRET, kind, guessable=guessable))


def _chars(data: bytes, offset: int) -> int:
    """Count the code points before an offset: every byte that does not continue one."""
    return sum(byte & 0xC0 != 0x80 for byte in data[:offset])
