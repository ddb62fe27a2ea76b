"""Rows of the table ``pages``: what was done on web pages, masked, with the page's route at that moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from dataset_builder.event_arrays import LEVEL_NAMES, EventArrays
from dataset_builder.plan import SessionPlan
from dataset_builder.rows import Row
from event_model.errors import SegmentError
from event_model.events import Mask, kind_of
from event_model.page_events import (
    PAGE_KINDS,
    Element,
    KeyRhythm,
    OutlineNode,
    PageBody,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerTrail,
)
from privacy_filter.pages import mask_page

_PLAIN = (
    "tab", "title", "width", "height", "parent", "cause", "focused", "visible", "x", "y", "button", "count",
    "modifiers", "content", "length", "value", "checked", "form", "action",
)  # fmt: skip
"""Columns that are fields of a body under the same name, in the table's order."""


class PageRows:
    """Makes the rows of one session, in order; knows the route of every page."""

    def __init__(self, plan: SessionPlan) -> None:
        self._who = (plan.contributor, plan.session)
        self._routes: dict[int, str] = {}

    def rows(self, events: EventArrays, masks: Mapping[int, list[Mask]], first_seq: int) -> Iterator[Row]:
        """Give a row per event of a page; ``first_seq`` belongs to the first event, ``masks`` are by index."""
        for place, body in events.others:
            if type(body) in PAGE_KINDS:
                masked = _masked(cast("PageBody", body), masks.get(events.first_index + place, ()))
                yield self._row(events, place, masked, first_seq + place)

    def _row(self, events: EventArrays, place: int, body: PageBody, seq: int) -> Row:
        if isinstance(body, PageOpen | PageNavigate):
            self._routes[body.document] = body.route
        values = [getattr(body, name, None) for name in _PLAIN]
        element: Element | None = getattr(body, "element", None)
        return (
            *self._who,
            seq,
            events.first_index + place,
            int(events.walls[place]),
            int(events.deltas[place]),
            LEVEL_NAMES[events.levels[place]],
            kind_of(body),
            body.document,
            self._routes.get(body.document, ""),
            *_of_element(element),
            body.keys if isinstance(body, KeyRhythm) else None,
            list(body.intervals) if isinstance(body, KeyRhythm) else None,
            [number for point in body.points for number in point] if isinstance(body, PointerTrail) else None,
            [_node(node) for node in body.nodes] if isinstance(body, PageOutline) else None,
            *(getattr(value, "value", value) for value in values),
        )


def _masked(body: PageBody, masks: Iterable[Mask]) -> PageBody:
    masks = tuple(masks)
    if not masks:
        return body
    masked = mask_page(body, masks)
    if masked is None:
        raise SegmentError("a mask lies outside its text", code="mask-invalid")
    return masked


def _of_element(element: Element | None) -> Row:
    if element is None:
        return (None,) * 7
    return (
        element.role,
        element.name,
        element.name_from.value,
        element.context,
        element.context_role,
        element.path,
        list(element.box),
    )


def _node(node: OutlineNode) -> dict[str, object]:
    return {
        "depth": node.depth,
        "role": node.role,
        "name": node.name,
        "name_from": node.name_from.value,
        "states": list(node.states),
    }
