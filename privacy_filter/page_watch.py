"""What the filter finds in the events of web pages, and which earlier events a finding reaches back to."""

from __future__ import annotations

from collections.abc import Iterator

from event_model.events import Mask
from event_model.ids import DocumentId
from event_model.page_events import INTERVALS, FieldChange, KeyRhythm, PageBody, PageClose, PageText, page_texts
from privacy_filter.detectors.base import SECRET, Detector, Hit
from privacy_filter.echoes import Echoes
from privacy_filter.findings import Findings

MAX_RHYTHMS = 4096
"""Rhythms that a finding may reach back to; those before are sealed by then."""

_Field = tuple[DocumentId, str]
"""A field: its page, and its structural path in it."""


class PageWatch:
    """Reads one session's events of pages, in order, and gives masks: of the event shown, or of earlier ones."""

    def __init__(self, detector: Detector, findings: Findings, echoes: Echoes) -> None:
        self._detector = detector
        self._findings = findings
        self._echoes = echoes
        self._rhythms: dict[int, _Field] = {}

    def feed(self, index: int, body: PageBody) -> list[Mask]:
        """Look at an event. Masks name the event's texts, or the keys of a rhythm that typed what was found."""
        if isinstance(body, KeyRhythm):
            self._rhythms[index] = (body.document, body.element.path)
            if len(self._rhythms) > MAX_RHYTHMS:
                del self._rhythms[next(iter(self._rhythms))]
        elif isinstance(body, PageClose):
            self._rhythms = {at: field for at, field in self._rhythms.items() if field[0] != body.document}
        masks = list(self._find(index, page_texts(body)))
        if isinstance(body, FieldChange):
            found = next((mask.finding for mask in masks if mask.field == "value"), None)
            if found is not None:
                masks += self._typed(index, (body.document, body.element.path), found)
        return masks

    def _find(self, index: int, texts: list[PageText]) -> Iterator[Mask]:
        """Scan an event's texts as one, a line each: what stands beside a value says what it is."""
        whole = "\n".join(each.text for each in texts)
        hits = self._detector.find(whole, whole_file=False) if whole else []
        spans = [(hit.start, hit.end, self._number(hit, whole)) for hit in hits]
        if self._echoes and whole:
            for start, end in self._echoes.find(whole):
                number = self._findings.number(
                    SECRET, "repeated-secret", whole[start:end], guessable=True, grown_from=None
                )
                spans.append((start, end, number))
        base = 0
        for each in texts:
            for start, end, number in spans:
                first, last = max(start - base, 0), min(end - base, len(each.text))
                if first < last:
                    yield Mask(index, each.field, first, last - first, number)
            base += len(each.text) + 1

    def _number(self, hit: Hit, text: str) -> int:
        start, end = hit.core or (hit.start, hit.end)
        value = text[start:end]
        if hit.category == SECRET:
            self._echoes.learn(value)
        return self._findings.number(hit.category, hit.kind, value, guessable=hit.guessable, grown_from=None)

    def _typed(self, index: int, field: _Field, finding: int) -> list[Mask]:
        """Mask the rhythms in which a field's value was typed."""
        typed = [at for at, other in self._rhythms.items() if other == field and at < index]
        for at in typed:
            del self._rhythms[at]
        return [Mask(at, INTERVALS, 0, 0, finding) for at in typed]
