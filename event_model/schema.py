"""The JSON Schema of events, for readers in other languages: ``python -m event_model.schema`` writes it.

It is made from the structs and annotated from the registry: ``x-overt-purpose``, ``x-overt-category``,
``x-overt-sensitivity`` and ``x-overt-lowest-level`` on every field.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from event_model.events import BODY_TYPES, SCHEMA_VERSION, Event, kind_of
from event_model.registry import ELEMENT_FIELDS, EVENT_FIELDS, NODE_FIELDS, REGISTRY, FieldEntry

SCHEMA_ID = f"https://overt.invalid/schema/event/{SCHEMA_VERSION}"
"""A name, not an address: ``.invalid`` never resolves (RFC 2606)."""

SCHEMA_PATH = Path("docs/schema/event.schema.json")
"""Where the schema lies in the repository."""


def event_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of an event as ``msgspec.json`` writes it."""
    (root,), components = msgspec.json.schema_components([Event], ref_template="#/$defs/{name}")
    for definition in components.values():
        # Docstrings lose their indentation in some versions of Python only.
        definition["description"] = inspect.cleandoc(definition["description"])
    for name, fields in (("Event", EVENT_FIELDS), ("Element", ELEMENT_FIELDS), ("OutlineNode", NODE_FIELDS)):
        _annotate(components[name], fields)
    for body_type in BODY_TYPES:
        entry = REGISTRY[kind_of(body_type)]
        definition = components[body_type.__name__]
        definition["x-overt-sentence"] = entry.sentence
        _annotate(definition, entry.fields)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "overt event",
        "version": SCHEMA_VERSION,
        **root,
        "$defs": components,
    }


def schema_text() -> str:
    """Give the schema as the file holds it."""
    return json.dumps(event_schema(), indent=2, ensure_ascii=False) + "\n"


def _annotate(definition: dict[str, Any], fields: Mapping[str, FieldEntry]) -> None:
    for name, entry in fields.items():
        # Beside a ``$ref``, other keywords are allowed since draft 2019-09.
        definition["properties"][name] |= {
            "x-overt-purpose": entry.purpose,
            "x-overt-category": entry.category.value,
            "x-overt-sensitivity": entry.sensitivity.value,
            "x-overt-lowest-level": entry.lowest.value,
        }


def main() -> None:
    """Write the schema into the repository this file lies in."""
    path = Path(__file__).resolve().parent.parent / SCHEMA_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
