"""The byte formats against the vectors in tests/vectors, and against a second reading of docs/FORMAT.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from event_model.envelope import EnvelopeHeader, open_envelope, parse_envelope
from event_model.errors import OvertError
from event_model.events import Event
from event_model.keys import RecipientSecretKey, Secret
from event_model.receipts import SegmentReceipt
from event_model.segment import SegmentContent, decode_events, decode_segment, encode_events
from event_model.signed import open_document

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
FILES: dict[str, Any] = {
    name: json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("events", "segment", "envelope", "signed")
}


def open_sealed(data: bytes) -> EnvelopeHeader:
    envelope = parse_envelope(data)
    open_envelope(envelope, RecipientSecretKey(Secret(bytes.fromhex(FILES["envelope"]["recipient_secret"]))))
    return envelope.header


READERS: dict[str, tuple[Callable[[bytes], Any], Any]] = {
    "events": (decode_events, tuple[Event, ...]),
    "segment": (decode_segment, SegmentContent),
    "envelope": (open_sealed, EnvelopeHeader),
    "signed": (lambda data: open_document(FILES["signed"]["type"], data, SegmentReceipt).payload, SegmentReceipt),
}


def cases(which: str) -> list[Any]:
    return [
        pytest.param(name, vector, id=f"{name}: {vector['name']}") for name in FILES for vector in FILES[name][which]
    ]


@pytest.mark.parametrize(("name", "vector"), cases("good"))
def test_good_vector_is_read(name: str, vector: dict[str, Any]) -> None:
    read, value_type = READERS[name]
    assert read(bytes.fromhex(vector["hex"])) == msgspec.convert(vector["value"], type=value_type)


@pytest.mark.parametrize(("name", "vector"), cases("bad"))
def test_bad_vector_is_refused_with_its_code(name: str, vector: dict[str, Any]) -> None:
    read, _ = READERS[name]
    with pytest.raises(OvertError) as caught:
        read(bytes.fromhex(vector["hex"]))
    assert caught.value.code == vector["error"]


def test_envelope_vector_holds_its_payload() -> None:
    vector = FILES["envelope"]["good"][0]
    key = RecipientSecretKey(Secret(bytes.fromhex(FILES["envelope"]["recipient_secret"])))
    payload = open_envelope(parse_envelope(bytes.fromhex(vector["hex"])), key)
    assert payload == bytes.fromhex(vector["payload"])
    assert decode_segment(payload).header.pseudonym == vector["value"]["pseudonym"]


def test_uncompressed_bytes_are_written_as_they_stand() -> None:
    """Compression may differ between versions of zstd; what is not compressed may not."""
    for vector in FILES["events"]["good"][:2]:
        events = msgspec.convert(vector["value"], type=tuple[Event, ...])
        assert encode_events(events).hex() == vector["hex"]


def test_the_example_of_the_format_document_is_the_vector() -> None:
    """docs/FORMAT.md takes the vector ``one edit`` apart, byte by byte."""
    text = (VECTORS.parent.parent / "docs" / "FORMAT.md").read_text(encoding="utf-8")
    block = text.split("<!-- one edit -->")[1].split("```")[1].splitlines()
    taken = bytes.fromhex("".join(line.split("#")[0] for line in block[1:]))
    assert taken.hex() == next(vector["hex"] for vector in FILES["events"]["good"] if vector["name"] == "one edit")
