"""The small modules of the ground floor: errors, ids, levels, clocks, registry, schema, admission."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from event_model import errors, registry, schema
from event_model._mint import STAMP, Stamp
from event_model.admission import MaskedBatch, PendingBatch
from event_model.clock import ManualClock, SystemClock
from event_model.errors import OvertError, ReceiverError
from event_model.events import (
    BODY_TYPES,
    CaptureGap,
    DocumentEdit,
    DocumentOpen,
    EditorFocus,
    Event,
    GapReason,
    Origin,
    kind_of,
)
from event_model.ids import DocumentId, RecordId, SessionId, StudyId, is_study_id
from event_model.levels import Level
from event_model.page_events import PAGE_TYPES, Element, OutlineNode

ROOT = Path(__file__).resolve().parent.parent.parent
ERRORS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, OvertError)]
EVENT = Event(4, 5, 6, Level.CONTENT, DocumentEdit(DocumentId(1), 2, 3, "x", Origin.TYPED, 90))


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_code_and_hint(error: type[OvertError]) -> None:
    extra: dict[str, Any] = {"status": 409} if error is ReceiverError else {}
    made = error("what went wrong", **extra)
    assert made.code
    assert made.code == made.code.lower()
    assert made.hint == error.default_hint
    assert str(made) == made.message == "what went wrong"
    other = error("it", code="own-code", hint="Do this.", **extra)
    assert (other.code, other.hint) == ("own-code", "Do this.")


def test_error_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)


def test_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    assert [error.__name__ for error in ERRORS if error.__name__ not in errors.__doc__] == []


@pytest.mark.parametrize("good", ["ab", "a-1", "0x", "a" * 63])
def test_study_id_is_accepted(good: str) -> None:
    assert is_study_id(good)


@pytest.mark.parametrize("bad", ["", "a", "-ab", "Ab", "a b", "a/b", "..", "a" * 64, "ab\n", "ä1"])
def test_study_id_that_could_leave_its_folder_is_refused(bad: str) -> None:
    assert not is_study_id(bad)


def test_levels_are_ordered() -> None:
    assert sorted([Level.CONTENT, Level.RHYTHM, Level.SHAPE]) == [Level.RHYTHM, Level.SHAPE, Level.CONTENT]
    assert Level.SHAPE <= Level.SHAPE
    assert not Level.CONTENT <= Level.SHAPE


def test_clocks_give_milliseconds() -> None:
    clock = SystemClock()
    assert abs(clock.wall_ms() - time.time() * 1000) < 60_000
    assert clock.monotonic_ms() <= clock.monotonic_ms()
    manual = ManualClock(5)
    manual.advance(7)
    assert (manual.wall_ms(), manual.monotonic_ms()) == (12, 7)


@pytest.mark.parametrize("body_type", BODY_TYPES)
def test_registry_has_every_field_of_every_kind(body_type: type) -> None:
    assert list(registry.REGISTRY[kind_of(body_type)].fields) == list(body_type.__struct_fields__)


def test_registry_has_no_other_kind() -> None:
    assert list(registry.REGISTRY) == [kind_of(body_type) for body_type in BODY_TYPES]
    assert [*registry.EVENT_FIELDS, "body"] == list(Event.__struct_fields__)


def test_text_fields_are_those_that_may_hold_secrets() -> None:
    """What holds content is what the filter reads: a new field of text can't be forgotten there."""
    nested = {"element": registry.ELEMENT_FIELDS, "nodes": registry.NODE_FIELDS}
    content = {
        kind: {name for name, field in entry.fields.items() if field.sensitivity is registry.Sensitivity.CONTENT}
        | {
            f"{name}{'.*' if name == 'nodes' else ''}.{inner}"
            for name in entry.fields.keys() & nested.keys()
            for inner, field in nested[name].items()
            if field.sensitivity is registry.Sensitivity.CONTENT
        }
        for kind, entry in registry.REGISTRY.items()
    }
    assert {kind: fields for kind, fields in content.items() if fields} == {
        kind: set(fields) for kind, fields in registry.TEXT_FIELDS.items()
    }


def test_parts_of_pages_are_registered_whole() -> None:
    assert set(registry.ELEMENT_FIELDS) == set(Element.__struct_fields__)
    assert set(registry.NODE_FIELDS) == set(OutlineNode.__struct_fields__)
    for body_type in PAGE_TYPES:
        for name in body_type.__struct_fields__:
            parts = str(body_type.__annotations__[name])
            assert ("Element" in parts) == (name == "element"), body_type
            assert ("OutlineNode" in parts) == (name == "nodes"), body_type


def test_text_of_the_person_is_kept_at_the_highest_level_only() -> None:
    for entry in registry.REGISTRY.values():
        for field in entry.fields.values():
            if field.sensitivity is registry.Sensitivity.CONTENT:
                assert field.lowest is Level.CONTENT


def test_schema_file_is_current() -> None:
    """If this fails: ``python -m event_model.schema``."""
    assert (ROOT / schema.SCHEMA_PATH).read_text(encoding="utf-8") == schema.schema_text()


def test_schema_accepts_events_and_refuses_others() -> None:
    validator = jsonschema.Draft202012Validator(schema.event_schema())
    jsonschema.Draft202012Validator.check_schema(schema.event_schema())
    for body in (
        EVENT.body,
        DocumentOpen(DocumentId(1), "a", "b", "c", "d"),
        CaptureGap(3, GapReason.CRASHED),
        EditorFocus(True),
    ):
        event = json.loads(msgspec.json.encode(msgspec.structs.replace(EVENT, body=body)))
        assert validator.is_valid(event)
        assert not validator.is_valid({**event, "more": 1})
        assert not validator.is_valid({**event, "index": -1})
        assert not validator.is_valid({**event, "body": {**event["body"], "kind": "document.print"}})


def test_every_field_in_the_schema_is_annotated() -> None:
    definitions = schema.event_schema()["$defs"]
    for body_type in BODY_TYPES:
        for name in body_type.__struct_fields__:
            assert definitions[body_type.__name__]["properties"][name]["x-overt-purpose"].startswith("dpv:")


@pytest.mark.parametrize("text", [b'{"index": -1}', b"[]", b'{"kind": "x"}'])
def test_malformed_event_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Event)


def batch(stamp: Stamp, events: tuple[Event, ...], kind: type[PendingBatch] | type[MaskedBatch]) -> object:
    extra = {"masks": (), "findings": ()} if kind is MaskedBatch else {}
    return kind(
        stamp,
        study=StudyId("ab"),
        session=SessionId("0" * 32),
        source="lsp",
        consent_record=RecordId("1" * 32),
        events=events,
        **extra,
    )


@pytest.mark.parametrize("kind", [PendingBatch, MaskedBatch])
def test_batch_is_made_with_the_gates_stamp_only(kind: type[PendingBatch] | type[MaskedBatch]) -> None:
    made = batch(STAMP, (EVENT,), kind)
    assert isinstance(made, kind)
    assert (made.first_index, made.next_index) == (4, 5)
    with pytest.raises(TypeError, match="only the gate"):
        batch(Stamp(), (EVENT,), kind)
    with pytest.raises(ValueError, match="empty"):
        batch(STAMP, (), kind)
