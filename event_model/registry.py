"""What each field of each event is for, and how much of it may be kept.

Every kind and field has a purpose (a term of the W3C Data Privacy Vocabulary), a data category, a sensitivity and the
lowest level at which its value is kept; below that level the filter replaces it. A field that is not here can't be
captured: a test compares this table with the structs.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from event_model.levels import Level


class Sensitivity(enum.Enum):
    """How much harm a value could do if it came into wrong hands."""

    LOW = "low"
    """Says something about the tool, not about the person."""

    BEHAVIOUR = "behaviour"
    """Says how and when the person works."""

    CONTENT = "content"
    """Holds what the person or others wrote; may hold secrets and personal data."""


class Category(enum.Enum):
    """What kind of data a value is."""

    IDENTIFIER = "identifier"
    TIMING = "timing"
    INTERACTION = "interaction"
    STRUCTURE = "structure"
    TEXT = "text"
    NAME = "name"
    TOOL = "tool"


DPV_RESEARCH = "dpv:ResearchAndDevelopment"
"""Training and evaluating models: what edits and navigation are captured for."""

DPV_QUALITY = "dpv:ServiceProvision"
"""Keeping the capture itself whole: to know what is missing, and which tool sent what."""


class FieldEntry(msgspec.Struct, frozen=True):
    """One field: ``lowest`` is the lowest level at which its value is kept as it is."""

    purpose: str
    category: Category
    sensitivity: Sensitivity
    lowest: Level


class KindEntry(msgspec.Struct, frozen=True):
    """One kind of event: a sentence for the person, and its fields."""

    sentence: str
    fields: Mapping[str, FieldEntry]


_ID = FieldEntry(DPV_QUALITY, Category.IDENTIFIER, Sensitivity.LOW, Level.RHYTHM)
_FLAG = FieldEntry(DPV_RESEARCH, Category.INTERACTION, Sensitivity.BEHAVIOUR, Level.RHYTHM)
_PLACE = FieldEntry(DPV_RESEARCH, Category.STRUCTURE, Sensitivity.BEHAVIOUR, Level.RHYTHM)
_TEXT = FieldEntry(DPV_RESEARCH, Category.TEXT, Sensitivity.CONTENT, Level.CONTENT)
_NAME = FieldEntry(DPV_RESEARCH, Category.NAME, Sensitivity.CONTENT, Level.CONTENT)
_COMMAND = FieldEntry(DPV_RESEARCH, Category.INTERACTION, Sensitivity.BEHAVIOUR, Level.RHYTHM)
_TAG = FieldEntry(DPV_RESEARCH, Category.IDENTIFIER, Sensitivity.BEHAVIOUR, Level.SHAPE)
_LANGUAGE = FieldEntry(DPV_RESEARCH, Category.TOOL, Sensitivity.LOW, Level.SHAPE)
_TOOL = FieldEntry(DPV_QUALITY, Category.TOOL, Sensitivity.LOW, Level.RHYTHM)
_GAP = FieldEntry(DPV_QUALITY, Category.STRUCTURE, Sensitivity.LOW, Level.RHYTHM)
_AREA = FieldEntry(DPV_RESEARCH, Category.STRUCTURE, Sensitivity.BEHAVIOUR, Level.SHAPE)
_ELEMENT = FieldEntry(DPV_RESEARCH, Category.STRUCTURE, Sensitivity.BEHAVIOUR, Level.SHAPE)
_ROLE = FieldEntry(DPV_RESEARCH, Category.STRUCTURE, Sensitivity.LOW, Level.SHAPE)


def _kind(sentence: str, **fields: FieldEntry) -> KindEntry:
    return KindEntry(sentence, MappingProxyType(fields))


EVENT_FIELDS: Mapping[str, FieldEntry] = MappingProxyType(
    {
        "index": _ID,
        "wall_ms": FieldEntry(DPV_RESEARCH, Category.TIMING, Sensitivity.BEHAVIOUR, Level.RHYTHM),
        "delta_ms": FieldEntry(DPV_RESEARCH, Category.TIMING, Sensitivity.BEHAVIOUR, Level.RHYTHM),
        "level": _ID,
    }
)
"""The fields that every event has beside its body."""

REGISTRY: Mapping[str, KindEntry] = MappingProxyType(
    {
        "document.open": _kind(
            "A file was opened, and this was its text.",
            document=_ID,
            path=_NAME,
            workspace=_TAG,
            language=_LANGUAGE,
            text=_TEXT,
            continues=_ID,
        ),
        "document.edit": _kind(
            "Text in a file was changed.",
            document=_ID,
            position=_PLACE,
            deleted=_PLACE,
            inserted=_TEXT,
            origin=_FLAG,
            confidence=_FLAG,
            joined=_FLAG,
        ),
        "document.save": _kind("A file was saved.", document=_ID),
        "document.close": _kind("A file was closed.", document=_ID),
        "selection.change": _kind(
            "The caret or selection moved.",
            document=_ID,
            anchor=_PLACE,
            active=_PLACE,
            count=_PLACE,
            cause=_FLAG,
        ),
        "viewport.change": _kind(
            "Other lines of a file came into view.", document=_ID, first_line=_PLACE, last_line=_PLACE
        ),
        "editor.focus": _kind("The editor's window gained or lost the focus.", focused=_FLAG),
        "command.run": _kind("An editor command was run.", command=_COMMAND),
        "completion.accept": _kind("A suggested completion was accepted.", document=_ID, length=_PLACE),
        "capture.start": _kind(
            "Capture began, from this editor.",
            client=_TOOL,
            client_version=_TOOL,
            collector_version=_TOOL,
            position_encoding=_TOOL,
        ),
        "capture.pause": _kind("You paused capture."),
        "capture.resume": _kind("You resumed capture."),
        "capture.gap": _kind("Some events are missing here.", count=_GAP, reason=_GAP, document=_ID),
        "capture.cursor": _kind("Capture noted how far it has read from the browser.", client=_ID, seq=_ID),
        "page.open": _kind(
            "A page was opened; its address is kept as a pattern.",
            document=_ID,
            tab=_ID,
            route=_NAME,
            title=_TEXT,
            width=_AREA,
            height=_AREA,
            parent=_ID,
        ),
        "page.navigate": _kind("A page moved to another address.", document=_ID, route=_NAME, title=_TEXT, cause=_FLAG),
        "page.close": _kind("A page was closed.", document=_ID),
        "tab.activate": _kind("A tab came to the front.", document=_ID),
        "page.focus": _kind("A page gained or lost the focus.", document=_ID, focused=_FLAG, visible=_FLAG),
        "pointer.trail": _kind("The pointer was moved.", document=_ID, points=_AREA),
        "pointer.click": _kind(
            "Something on a page was clicked.",
            document=_ID,
            element=_ELEMENT,
            x=_AREA,
            y=_AREA,
            button=_FLAG,
            count=_FLAG,
            modifiers=_FLAG,
        ),
        "scroll": _kind("A page was scrolled.", document=_ID, x=_AREA, y=_AREA, element=_ELEMENT),
        "field.change": _kind(
            "A form field was changed. Fields for passwords, codes and cards are never looked at.",
            document=_ID,
            element=_ELEMENT,
            content=_AREA,
            length=_AREA,
            value=_TEXT,
            checked=_AREA,
            form=_AREA,
        ),
        "key.rhythm": _kind(
            "Keys were pressed in a field: when, never which.",
            document=_ID,
            element=_ELEMENT,
            keys=_FLAG,
            intervals=_FLAG,
        ),
        "form.submit": _kind("A form was sent.", document=_ID, element=_ELEMENT, form=_AREA),
        "clipboard": _kind(
            "Something was copied, cut or pasted: that, never what.", document=_ID, action=_FLAG, element=_ELEMENT
        ),
        "page.outline": _kind("What stood around the place where something was done.", document=_ID, nodes=_ELEMENT),
    }
)
"""Every kind of event, by its name."""

ELEMENT_FIELDS: Mapping[str, FieldEntry] = MappingProxyType(
    {
        "role": _ROLE,
        "name": _TEXT,
        "name_from": _ROLE,
        "context": _TEXT,
        "context_role": _ROLE,
        "path": _ROLE,
        "box": _AREA,
    }
)
"""The fields of an element of a page."""

NODE_FIELDS: Mapping[str, FieldEntry] = MappingProxyType(
    {"depth": _ROLE, "role": _ROLE, "name": _TEXT, "name_from": _ROLE, "states": _AREA}
)
"""The fields of a line of an outline."""

_ELEMENT_TEXTS = ("element.name", "element.context")

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "document.open": ("text", "path"),
        "document.edit": ("inserted",),
        "page.open": ("route", "title"),
        "page.navigate": ("route", "title"),
        "pointer.click": _ELEMENT_TEXTS,
        "scroll": _ELEMENT_TEXTS,
        "field.change": (*_ELEMENT_TEXTS, "value"),
        "key.rhythm": _ELEMENT_TEXTS,
        "form.submit": _ELEMENT_TEXTS,
        "clipboard": _ELEMENT_TEXTS,
        "page.outline": ("nodes.*.name",),
    }
)
"""The fields that the filter reads and that masks name, by kind; ``*`` stands for a number from 0."""
