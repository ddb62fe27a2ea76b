"""Rows of the tables from what the replay gives, in the order of ``tables``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from dataset_builder.names import Placeholders, Pseudonyms
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Life, Step
from dataset_builder.second_pass import Chunk
from dataset_builder.slots import Slots
from event_model.events import (
    CaptureGap,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    DocumentEdit,
    EditorFocus,
    Mask,
    SelectionChange,
    ViewportChange,
    kind_of,
)

Row = tuple[object, ...]

_EDIT_COLUMNS = 8
_DETAILS = (
    "anchor",
    "active",
    "cause",
    "first_line",
    "last_line",
    "focused",
    "command",
    "length",
    "count",
    "reason",
    "client",
    "client_version",
    "collector_version",
    "position_encoding",
)
_NO_EDIT: Row = (None,) * _EDIT_COLUMNS
_NO_DETAILS: Row = (None,) * len(_DETAILS)
_EDIT_KIND = kind_of(DocumentEdit)
_DETAILED = (SelectionChange, ViewportChange, EditorFocus, CommandRun, CompletionAccept, CaptureGap, CaptureStart)


class SessionRows:
    """Makes the rows of one session."""

    def __init__(
        self, plan: SessionPlan, source: str, *, slots: Slots, names: Placeholders, pseudonyms: Pseudonyms
    ) -> None:
        self._who = (plan.contributor, plan.session)
        self._pseudonym = plan.pseudonym
        self._source = source
        self._slots = slots
        self._names = names
        self._pseudonyms = pseudonyms

    def events(self, steps: Sequence[Step], first_seq: int) -> Iterator[Row]:
        """Give a row per event; ``first_seq`` belongs to the first one."""
        contributor, session = self._who
        source = self._source
        for seq, step in enumerate(steps, first_seq):
            event, body, life = step.event, step.event.body, step.life
            number = None if life is None else life.number
            start = (contributor, session, seq, event.index, event.wall_ms, event.delta_ms, source, event.level._value_)
            if type(body) is DocumentEdit:
                yield (
                    *start,
                    _EDIT_KIND,
                    body.document,
                    number,
                    body.position,
                    body.deleted,
                    step.shown,
                    step.removed,
                    step.applied,
                    body.origin._value_,
                    body.confidence,
                    body.joined,
                    *_NO_DETAILS,
                )
            else:
                document = getattr(body, "document", None)
                yield (*start, kind_of(body), document, number, *_NO_EDIT, *_details(body))

    def document(self, life: Life) -> Row:
        """Give the row of a life that has ended."""
        text = life.text.text()
        show = self._slots.show
        return (
            *self._who,
            life.document,
            life.number,
            self._source,
            show(life.path),
            self._pseudonyms.workspace(self._pseudonym, life.workspace),
            life.language,
            life.level.value,
            life.continues,
            life.first.index,
            life.last.index,
            life.first.wall_ms,
            life.last.wall_ms,
            life.ended.value,
            show(life.initial),
            show(text),
            self._spans(life.initial),
            self._spans(text),
            life.edits,
            life.applied,
            life.saves,
            life.gaps,
            life.exact,
            life.broken_by,
        )

    def masks(self, chunk: Chunk) -> Iterator[Row]:
        """Give a row per mask, in the order of their events."""
        first = chunk.events[0].index
        found = [(mask, "device") for mask in chunk.masks] + [(mask, "builder") for mask in chunk.more_masks]
        found.sort(key=lambda each: (each[0].index, each[0].field, each[0].offset, each[1]))
        for mask, by in found:
            body = chunk.events[mask.index - first].body
            yield self._mask(mask, by, chunk.first_seq + mask.index - first, getattr(body, "document", None))

    def _mask(self, mask: Mask, found_by: str, seq: int, document: int | None) -> Row:
        finding = self._names.finding(mask.finding)
        return (
            *self._who,
            seq,
            mask.index,
            document,
            mask.field,
            mask.offset,
            mask.length,
            mask.finding,
            finding.category,
            finding.kind,
            self._names[mask.finding],
            found_by,
        )

    def _spans(self, text: str) -> list[dict[str, object]]:
        return [
            {"start": start, "length": length, "placeholder": self._names[finding]}
            for start, length, finding in self._slots.spans(text)
        ]


def _details(body: msgspec.Struct) -> Row:
    """Give the columns that belong to kinds other than edits."""
    if not isinstance(body, _DETAILED):
        return _NO_DETAILS
    values = [getattr(body, name, None) for name in _DETAILS]
    return tuple(getattr(value, "value", value) for value in values)
