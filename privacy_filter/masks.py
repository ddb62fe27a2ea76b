"""What masks and levels do to events: filler of the same length, and characters replaced by their class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from event_model.errors import FormatError
from event_model.events import CommandRun, DocumentEdit, DocumentOpen, Event, Finding, Mask
from event_model.levels import Level
from event_model.page_events import PageBody
from privacy_filter.pages import lower_page, mask_page
from privacy_filter.shapes import to_filler, to_shape

MASKED_FIELDS = frozenset({"text", "inserted", "path"})
"""The fields of a document's event that a mask may name; those of pages are named by ``page_texts``."""


def apply_masks(events: Iterable[Event], masks: Iterable[Mask]) -> tuple[Event, ...]:
    """Put filler where the masks say: one per code point, line ends kept, so that every position stays exact.

    Masks of other events are passed over. FormatError: if a mask names a field that the event does not have, or a
    span outside it.
    """
    by_index: defaultdict[int, list[Mask]] = defaultdict(list)
    for mask in masks:
        by_index[mask.index].append(mask)
    return tuple(_masked(event, by_index[event.index]) if event.index in by_index else event for event in events)


def lower_level(event: Event, level: Level) -> Event:
    """Reduce an event to a level: at ``shape`` characters become their class, at ``rhythm`` filler.

    Lengths, line ends and positions stay. An event that is at that level or below stays as it is.
    """
    if event.level <= level:
        return event
    change = to_shape if level is Level.SHAPE else to_filler
    body = event.body
    if isinstance(body, DocumentEdit):
        body = msgspec.structs.replace(body, inserted=change(body.inserted))
    elif isinstance(body, DocumentOpen):
        rhythm = level is Level.RHYTHM
        body = msgspec.structs.replace(
            body,
            text=change(body.text),
            path="" if rhythm else to_shape(body.path),
            workspace="" if rhythm else body.workspace,
            language="" if rhythm else body.language,
        )
    elif isinstance(body, CommandRun) and level is Level.RHYTHM:
        body = msgspec.structs.replace(body, command="")
    elif isinstance(body, PageBody):
        body = lower_page(body, level)
    return msgspec.structs.replace(event, level=level, body=body)


def placeholder(finding: Finding, number: int | None = None) -> str:
    """Name what was taken out, such as ``<SECRET:aws-access-key:1>`` or ``<EMAIL:2>``.

    ``number`` replaces the finding's own where placeholders are counted by kind.
    """
    counted = finding.number if number is None else number
    if finding.category == "secret":
        return f"<SECRET:{finding.kind}:{counted}>"
    return f"<{finding.kind.upper()}:{counted}>"


def _masked(event: Event, masks: list[Mask]) -> Event:
    if isinstance(event.body, PageBody):
        body = mask_page(event.body, masks)
        if body is None:
            raise FormatError(f"a mask of event {event.index} lies outside its texts", code="mask-invalid")
        return msgspec.structs.replace(event, body=body)
    changes: dict[str, str] = {}
    for mask in masks:
        text = changes.get(mask.field, getattr(event.body, mask.field, None)) if mask.field in MASKED_FIELDS else None
        end = mask.offset + mask.length
        if text is None or end > len(text):
            raise FormatError(f"a mask of event {event.index} lies outside its {mask.field!r}", code="mask-invalid")
        changes[mask.field] = text[: mask.offset] + to_filler(text[mask.offset : end]) + text[end:]
    return msgspec.structs.replace(event, body=msgspec.structs.replace(event.body, **changes))
