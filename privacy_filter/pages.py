"""Events of web pages: what the filter reads in them, and what each level leaves of them. Pure.

A page's texts come whole, one event at a time: they need no history but that of the form they stand in.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from event_model.events import FILLER, Mask
from event_model.levels import Level
from event_model.page_events import (
    INTERVALS,
    Element,
    FieldChange,
    FieldContent,
    KeyRhythm,
    LengthBucket,
    OutlineNode,
    PageBody,
    PageOutline,
    PageText,
    PointerTrail,
    page_texts,
    with_page_texts,
)
from privacy_filter.shapes import to_shape

_AREA = ("width", "height", "x", "y", "tab", "form")


def mask_page(body: PageBody, masks: Sequence[Mask]) -> PageBody | None:
    """Put filler where masks say. None: if one names a text that the body does not have, or a span outside it."""
    texts = {each.field: each.text for each in page_texts(body)}
    changes: dict[str, str] = {}
    for mask in masks:
        if mask.field == INTERVALS and isinstance(body, KeyRhythm):
            body = collapsed(body)
            continue
        text = changes.get(mask.field, texts.get(mask.field))
        end = mask.offset + mask.length
        if text is None or end > len(text):
            return None
        changes[mask.field] = text[: mask.offset] + FILLER * mask.length + text[end:]
    return with_page_texts(body, changes)


def collapsed(body: KeyRhythm) -> KeyRhythm:
    """Take out of a rhythm what tells about its keys: their number, classes and times."""
    return msgspec.structs.replace(body, keys="", intervals=())


def lower_page(body: PageBody, level: Level) -> PageBody:
    """Reduce a page's event to a level below ``content``; an address keeps its origin at ``shape``."""
    if isinstance(body, FieldChange):
        body = msgspec.structs.replace(body, value="")
    if level is Level.SHAPE:
        return with_page_texts(body, {each.field: _shape(each) for each in page_texts(body)})
    return _to_rhythm(body)


def _shape(text: PageText) -> str:
    if text.field != "route":
        return to_shape(text.text)
    from privacy_filter.routes import route_template  # noqa: PLC0415 - its rules; an editor's collector needs none

    return route_template(text.text, Level.SHAPE)


def _to_rhythm(body: PageBody) -> PageBody:
    """Keep that something happened and when; nothing of where on the page."""
    changes: dict[str, object] = {each.field: "" for each in page_texts(body) if "." not in each.field}
    changes |= {name: 0 for name in _AREA if name in body.__struct_fields__}
    if getattr(body, "element", None) is not None:
        changes["element"] = Element()
    if isinstance(body, FieldChange):
        changes |= {"content": FieldContent.OTHER, "length": LengthBucket.NONE, "checked": None}
    elif isinstance(body, PageOutline):
        changes["nodes"] = tuple[OutlineNode, ...]()
    elif isinstance(body, PointerTrail):
        changes["points"] = ()
    return msgspec.structs.replace(body, **changes)
