"""Rows of the tables from what the replay gives, in the order of ``tables``. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from dataset_builder.names import Placeholders, Pseudonyms
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Life
from dataset_builder.second_pass import Chunk
from dataset_builder.slots import Slots
from event_model.events import Mask

Row = tuple[object, ...]


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
            life.first_index,
            life.last_index,
            life.first_ms,
            life.last_ms,
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
        if not chunk.masks and not chunk.more_masks:
            return
        events = chunk.events
        first = events.first_index
        documents = {place: getattr(body, "document", None) for place, body in events.others}
        documents.update(zip(events.at.tolist(), events.document.tolist(), strict=True))
        found = [(mask, "device") for mask in chunk.masks] + [(mask, "builder") for mask in chunk.more_masks]
        found.sort(key=lambda each: (each[0].index, each[0].field, each[0].offset, each[1]))
        for mask, by in found:
            place = mask.index - first
            yield self._mask(mask, by, chunk.first_seq + place, documents[place])

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
