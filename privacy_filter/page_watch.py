"""What the filter finds in the events of web pages, and which earlier events a finding reaches back to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from event_model.events import Mask
from event_model.ids import DocumentId
from event_model.page_events import INTERVALS, FieldChange, KeyRhythm, PageBody, PageClose, PageText, page_texts
from privacy_filter.detectors.base import SECRET, Detector, Hit
from privacy_filter.echoes import Echoes
from privacy_filter.fields import Field, FieldSpan, find_in_fields
from privacy_filter.findings import Findings

MAX_RHYTHMS = 4096
"""Rhythms that a finding may reach back to; those before are sealed by then."""

MAX_FORMS = 64
"""Forms whose values are remembered, so that neighbours can be read joined; a person fills in one or two at a time."""

MAX_FORM_FIELDS = 40
"""Fields of a form that are remembered; those that were filled in first are let go of."""

_Field = tuple[DocumentId, str]
"""A field: its page, and its structural path in it."""

_STEP = re.compile(r"([^/:]*):?(\d*)")


class _Filled(msgspec.Struct):
    """A field's last value, the event that brought it, and what of it was masked so far."""

    index: int
    field: Field
    masks: list[Mask]


class PageWatch:
    """Reads one session's events of pages, in order, and gives masks: of the event shown, or of earlier ones."""

    def __init__(self, detector: Detector, findings: Findings, echoes: Echoes) -> None:
        self._detector = detector
        self._findings = findings
        self._echoes = echoes
        self._rhythms: dict[int, _Field] = {}
        self._forms: dict[tuple[DocumentId, int], dict[str, _Filled]] = {}

    def feed(self, index: int, body: PageBody) -> list[Mask]:
        """Look at an event. Masks name the event's texts, or the keys of a rhythm that typed what was found."""
        if isinstance(body, KeyRhythm):
            self._rhythms[index] = (body.document, body.element.path)
            if len(self._rhythms) > MAX_RHYTHMS:
                del self._rhythms[next(iter(self._rhythms))]
        elif isinstance(body, PageClose):
            self._rhythms = {at: field for at, field in self._rhythms.items() if field[0] != body.document}
            self._forms = {form: fields for form, fields in self._forms.items() if form[0] != body.document}
        texts = [each for each in page_texts(body) if each.field != "value"]
        masks = list(self._find(index, texts))
        if isinstance(body, FieldChange):
            for at, path, mask in self._in_form(index, body):
                masks.append(mask)
                masks += self._typed(at, (body.document, path), mask.finding)
        return masks

    def _in_form(self, index: int, body: FieldChange) -> Iterator[tuple[int, str, Mask]]:
        """Read a value beside its name and joined with its neighbours in the form; gives event, path and mask."""
        form = self._forms.setdefault((body.document, body.form), {}) if body.form else {}
        path = body.element.path
        form.pop(path, None)
        form[path] = _Filled(index, Field(body.element.name, body.value), [])
        if len(form) > MAX_FORM_FIELDS:
            del form[next(iter(form))]
        if len(self._forms) > MAX_FORMS:
            del self._forms[next(iter(self._forms))]
        ordered = sorted(form.items(), key=lambda each: _order(each[0]))
        spans = find_in_fields([filled.field for _, filled in ordered], self._detector)
        found = [(*ordered[each.field], each.start, each.end, self._value_number(each, ordered)) for each in spans]
        found += [(path, form[path], start, end, number) for start, end, number in self._echoed(body.value)]
        for at_path, filled, start, end, number in found:
            mask = Mask(filled.index, "value", start, end - start, number)
            if not any(_overlap(mask, other) for other in filled.masks):
                filled.masks.append(mask)
                yield filled.index, at_path, mask

    def _find(self, index: int, texts: list[PageText]) -> Iterator[Mask]:
        """Scan an event's texts as one, a line each: what stands beside a text says what it is."""
        whole = "\n".join(each.text for each in texts)
        hits = self._detector.find(whole, whole_file=False) if whole else []
        spans = [(hit.start, hit.end, self._number(hit, whole)) for hit in hits]
        spans += [
            span
            for span in self._echoed(whole)
            if not any(span[0] < end and start < span[1] for start, end, _ in spans)
        ]
        base = 0
        for each in texts:
            for start, end, number in spans:
                first, last = max(start - base, 0), min(end - base, len(each.text))
                if first < last:
                    yield Mask(index, each.field, first, last - first, number)
            base += len(each.text) + 1

    def _echoed(self, text: str) -> Iterator[tuple[int, int, int]]:
        for start, end in self._echoes.find(text) if self._echoes and text else ():
            value = text[start:end]
            yield start, end, self._findings.number(SECRET, "repeated-secret", value, guessable=True, grown_from=None)

    def _number(self, hit: Hit, text: str) -> int:
        start, end = hit.core or (hit.start, hit.end)
        value = text[start:end]
        if hit.category == SECRET:
            self._echoes.learn(value)
        return self._findings.number(hit.category, hit.kind, value, guessable=hit.guessable, grown_from=None)

    def _value_number(self, span: FieldSpan, ordered: list[tuple[str, _Filled]]) -> int:
        hit = Hit(span.start, span.end, span.category, span.kind, span.guessable)
        return self._number(hit, ordered[span.field][1].field.value)

    def _typed(self, index: int, field: _Field, finding: int) -> list[Mask]:
        """Mask the rhythms in which a field's value was typed."""
        typed = [at for at, other in self._rhythms.items() if other == field and at < index]
        for at in typed:
            del self._rhythms[at]
        return [Mask(at, INTERVALS, 0, 0, finding) for at in typed]


def _overlap(one: Mask, other: Mask) -> bool:
    return one.offset < other.offset + other.length and other.offset < one.offset + one.length


def _order(path: str) -> list[tuple[str, int]]:
    """Order paths as their elements stand on the page, as far as a path tells."""
    return [(name, int(number or 0)) for name, number in (match.groups() for match in _STEP.finditer(path))]
