"""Form fields that belong together, read as one: a secret or a number that a form takes apart is in no single field.

Never keeps a value longer than the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from privacy_filter.detectors.base import Detector, Hit

MAX_PARTS = 8
"""Fields that are read joined at most: one-time codes and serial numbers, the longest of these, have eight."""

MAX_PART_CHARS = 64
"""A field with more is not a part of something that a form takes apart."""

MAX_NUMBER_CHARS = 8
"""Parts of numbers, which are written with dashes or blanks between them, are this long at most."""


class Field(msgspec.Struct, frozen=True):
    """A field of a form: what the page calls it (its name or label; may be empty), and what stands in it."""

    name: str
    value: str


class FieldSpan(msgspec.Struct, frozen=True):
    """A part of a field's value that must not be kept; ``start`` and ``end`` count its code points."""

    field: int
    start: int
    end: int
    category: str
    kind: str
    guessable: bool


def find_in_fields(fields: Sequence[Field], detector: Detector) -> tuple[FieldSpan, ...]:
    """Give what must be masked in the fields of one form, by field and offset, not overlapping.

    ``fields`` in the order of the page. Each value is read beside its name, as an assignment is, and neighbours are
    read joined: without anything between them, with dashes, with blanks.
    """
    found: dict[int, list[FieldSpan]] = {}
    for pieces, text in sorted(_readings(fields), key=lambda reading: len(reading[0])):
        for hit in detector.find(text, whole_file=False):
            spans = list(_in_fields(hit, pieces))
            # A part that only lengthens what looks random is no part of it: fewer fields have shown that already.
            if hit.opaque and any(span.field in found for span in spans):
                continue
            for span in spans:
                found.setdefault(span.field, []).append(span)
    return tuple(span for field in sorted(found) for span in _apart(found[field]))


_Piece = tuple[int, int, int]
"""A field's number, and where its value begins and ends in a text."""


def _readings(fields: Sequence[Field]) -> Iterator[tuple[list[_Piece], str]]:
    for number, field in enumerate(fields):
        if field.value:
            before = f"{field.name}: " if field.name else ""
            yield [(number, len(before), len(before) + len(field.value))], before + field.value
    for group in _groups(fields):
        values = [fields[number].value for number in group]
        if not any(sign.isdigit() for value in values for sign in value):
            continue
        yield _join(fields, group, "")
        if max(map(len, values)) <= MAX_NUMBER_CHARS:
            yield _join(fields, group, "-")
            yield _join(fields, group, " ")


def _groups(fields: Sequence[Field]) -> Iterator[range]:
    """Give every run of neighbours that may be the parts of one value."""
    for first in range(len(fields)):
        for last in range(first, min(first + MAX_PARTS, len(fields))):
            value = fields[last].value
            if not 0 < len(value) <= MAX_PART_CHARS or any(map(str.isspace, value)):
                break
            if last > first:
                yield range(first, last + 1)


def _join(fields: Sequence[Field], group: range, joiner: str) -> tuple[list[_Piece], str]:
    # The first part's name says what the whole is.
    name = fields[group[0]].name
    text = f"{name}: " if name else ""
    pieces: list[_Piece] = []
    for number in group:
        if pieces:
            text += joiner
        pieces.append((number, len(text), len(text) + len(fields[number].value)))
        text += fields[number].value
    return pieces, text


def _in_fields(hit: Hit, pieces: list[_Piece]) -> Iterator[FieldSpan]:
    for number, first, last in pieces:
        start, end = max(hit.start, first), min(hit.end, last)
        if start < end:
            yield FieldSpan(number, start - first, end - first, hit.category, hit.kind, hit.guessable)


def _apart(spans: list[FieldSpan]) -> list[FieldSpan]:
    """Join spans of one field that overlap; the earlier one names the kind."""
    apart: list[FieldSpan] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if apart and span.start < apart[-1].end:
            last = apart[-1]
            apart[-1] = msgspec.structs.replace(last, end=max(last.end, span.end))
        else:
            apart.append(span)
    return apart
