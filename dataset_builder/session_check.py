"""Checks one session of a dataset: its documents replay from its events, and what is masked holds only filler. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from dataset_builder.read import DocumentLife, MaskedSpan
from dataset_builder.text import BlockText
from event_model.errors import PositionError
from event_model.events import FILLER, DocumentEdit, kind_of
from event_model.page_events import INTERVALS

_EDIT_KIND = kind_of(DocumentEdit)
_SHOWN = frozenset(FILLER + "\n\r")
"""What may stand in a masked span: filler, and the line ends that were there."""


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``events`` that the check needs."""

    contributor: str
    session: str
    seq: int
    index: int
    kind: str
    document: int | None
    life: int | None
    position: int
    deleted: int
    inserted: str
    removed: str | None
    applied: bool | None

    @property
    def who(self) -> tuple[str, str]:
        """The session it belongs to."""
        return self.contributor, self.session


class MaskRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``masks`` that the check needs."""

    contributor: str
    session: str
    index: int
    field: str
    offset: int
    length: int

    @property
    def who(self) -> tuple[str, str]:
        """The session it belongs to."""
        return self.contributor, self.session


class PageRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of ``pages`` that the check needs."""

    contributor: str
    session: str
    index: int
    route: str
    title: str | None
    value: str | None
    name: str | None
    context: str | None
    keys: str | None
    nodes: list[dict[str, object]] | None

    @property
    def who(self) -> tuple[str, str]:
        """The session it belongs to."""
        return self.contributor, self.session

    def text(self, field: str) -> str:
        """Give the text that a mask names."""
        if field.startswith("nodes."):
            number = int(field.split(".")[1])
            return str(self.nodes[number]["name"]) if self.nodes and number < len(self.nodes) else ""
        return str(getattr(self, field.removeprefix("element."), None) or "")


class SessionFindings(msgspec.Struct):
    """What was found in one session."""

    documents: int = 0
    replayed: int = 0
    exact: int = 0
    spans: int = 0
    problems: list[tuple[str, str]] = []

    def add(self, code: str, detail: str) -> None:
        """Name a problem."""
        self.problems.append((code, detail))


def check_session(
    events: Iterable[EventRow], lives: Sequence[DocumentLife], masks: Sequence[MaskRow], pages: Sequence[PageRow] = ()
) -> SessionFindings:
    """Check one session's rows against each other; the events in the order of their index."""
    found = SessionFindings(documents=len(lives), exact=sum(life.exact for life in lives))
    texts = {(life.document, life.life): BlockText(life.initial_text) for life in lives}
    inserted = {mask.index: "" for mask in masks if mask.field == "inserted"}
    applied: Counter[tuple[int, int]] = Counter()
    edits: Counter[tuple[int, int]] = Counter()
    before = -1
    for row in events:
        if row.index <= before:
            found.add("order", f"event {row.index} stands after event {before}")
        before = row.index
        if row.kind != _EDIT_KIND or row.document is None or row.life is None:
            continue
        if row.index in inserted:
            inserted[row.index] = row.inserted
        key = row.document, row.life
        edits[key] += 1
        if row.applied:
            applied[key] += 1
            _apply(texts.get(key), row, found)
    for life in lives:
        key = life.document, life.life
        _check_life(life, texts[key].text(), edits[key], applied[key], found)
    on_pages = {page.index: page for page in pages}
    _check_masks([mask for mask in masks if mask.index not in on_pages], lives, inserted, found)
    for mask in masks:
        if (page := on_pages.get(mask.index)) is not None:
            _check_page_mask(page, mask, found)
    return found


def _apply(text: BlockText | None, row: EventRow, found: SessionFindings) -> None:
    if text is None:
        found.add("life-missing", f"event {row.index} edits a document without a row")
        return
    try:
        removed = text.replace(row.position, row.deleted, row.inserted)
    except PositionError:
        found.add("replay-failed", f"event {row.index} lies outside its document")
        return
    if removed != row.removed:
        found.add("replay-failed", f"event {row.index} takes out something else than it says")


def _check_life(life: DocumentLife, replayed: str, edits: int, applied: int, found: SessionFindings) -> None:
    name = f"document {life.document}, life {life.life}"
    if replayed == life.final_text:
        found.replayed += 1
    else:
        found.add("replay-failed", f"{name}: its edits do not give its final text")
    if (edits, applied) != (life.edits, life.edits_applied):
        found.add("counts-differ", f"{name}: its row does not count its edits")
    if life.exact != (life.broken_by is None) or (life.exact and edits != applied):
        found.add("exact-false", f"{name}: it is called exact and is not, or the other way round")
    found.spans += len(life.final_masks)
    _check_spans(life.initial_text, life.initial_masks, name, found)
    _check_spans(life.final_text, life.final_masks, name, found)


def _check_spans(text: str, spans: Sequence[MaskedSpan], name: str, found: SessionFindings) -> None:
    end = 0
    for span in spans:
        shown = text[span.start : span.start + span.length]
        if span.start < end or len(shown) != span.length or not span.length or not _SHOWN.issuperset(shown):
            found.add("mask-open", f"{name}: the masked span at {span.start} shows text")
        end = span.start + span.length


def _check_masks(
    masks: Sequence[MaskRow], lives: Sequence[DocumentLife], inserted: dict[int, str], found: SessionFindings
) -> None:
    opened = {life.first_index: life for life in lives}
    for mask in masks:
        life = opened.get(mask.index)
        if mask.field == "inserted":
            text = inserted[mask.index]
        elif life is None:
            text = ""
        else:
            text = life.initial_text if mask.field == "text" else life.path
        shown = text[mask.offset : mask.offset + mask.length]
        if len(shown) != mask.length or not _SHOWN.issuperset(shown):
            found.add("mask-open", f"the mask of event {mask.index} shows text")


def _check_page_mask(page: PageRow, mask: MaskRow, found: SessionFindings) -> None:
    if mask.field == INTERVALS:
        if page.keys:
            found.add("mask-open", f"the masked rhythm of event {mask.index} shows keys")
        return
    shown = page.text(mask.field)[mask.offset : mask.offset + mask.length]
    if len(shown) != mask.length or not _SHOWN.issuperset(shown):
        found.add("mask-open", f"the mask of event {mask.index} shows text")
