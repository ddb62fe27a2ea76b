"""One object: each thing that can be wrong with it, by its code."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from dataset_builder.opening import MAX_DELTA_MS, MAX_WALL_MS, Facts, inspect, open_segment, place_of
from event_model.events import Event, Finding, Mask
from event_model.ids import StudyId
from event_model.keys import encode_key
from tests.dataset_builder.dataset_world import (
    OTHER_RECIPIENT,
    RECIPIENT,
    Contributor,
    edit,
    events_of,
    opened,
    start,
)

_FOUND = Finding(1, "secret", "password", b"x")


def _events() -> list[Event]:
    return events_of([start(), opened("abc"), edit(0, 0, "secret")])


def _key(person: Contributor) -> str:
    return person.key_of(person.number).relative_to(person.root).as_posix()


def _look(person: Contributor, data: bytes, key: str | None = None) -> Facts:
    return inspect(key or _key(person), data, study=StudyId("pilot"), secret=RECIPIENT)[0]


def test_an_intact_object_tells_its_place_and_extent(alice: Contributor) -> None:
    content = alice.content(alice.new_session(), _events(), [Mask(2, "inserted", 0, 6, 1)], [_FOUND])
    facts = _look(alice, alice.envelope(content))
    assert (facts.code, facts.count, facts.first_index, facts.masks) == ("", 3, 0, 1)
    assert (facts.pseudonym, facts.epoch, facts.number) == (alice.pseudonym, 0, 0)
    assert facts.last_ms - facts.first_ms == 300
    opened = open_segment(_key(alice), alice.envelope(content), study=StudyId("pilot"), secret=RECIPIENT)
    assert (opened.header, opened.events.events()) == (content.header, content.events)
    assert (opened.masks, opened.findings) == (content.masks, content.findings)


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _flip(at: int) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[at] ^= 1
        return bytes(changed)

    return damage


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_cut, "envelope-malformed"),
        (lambda data: b"", "envelope-malformed"),
        (lambda data: b"PK" + data, "envelope-malformed"),
        (_flip(4), "envelope-version"),
        (_flip(-1), "signature-invalid"),
        (_flip(-100), "signature-invalid"),
    ],
)
def test_damaged_bytes_are_named(alice: Contributor, damage: Callable[[bytes], bytes], code: str) -> None:
    data = alice.envelope(alice.content(alice.new_session(), _events()))
    facts = _look(alice, damage(data))
    assert (facts.code, facts.pseudonym, facts.number) == (code, alice.pseudonym, 0)
    assert facts.detail


def test_an_unsigned_object_is_refused_even_if_it_opens(alice: Contributor) -> None:
    """Anybody can seal to the study's public key; only the signature says whose it is."""
    data = alice.envelope(alice.content(alice.new_session(), _events()))
    assert _look(alice, data[:-64] + bytes(64)).code == "signature-invalid"


def test_an_object_sealed_to_another_key_is_foreign(alice: Contributor) -> None:
    data = alice.envelope(alice.content(alice.new_session(), _events()), recipient=OTHER_RECIPIENT)
    assert _look(alice, data).code == "foreign-recipient"


def test_an_object_of_another_study_is_foreign(alice: Contributor) -> None:
    content = alice.content(alice.new_session(), _events(), study=StudyId("other"))
    assert _look(alice, alice.envelope(content)).code == "foreign-study"


def test_an_object_under_another_name_is_misplaced(alice: Contributor, receiver: object) -> None:
    data = alice.envelope(alice.content(alice.new_session(), _events()))
    other = Contributor(alice.root, 2)
    assert _look(alice, data, _key(other)).code == "misplaced"
    assert _look(alice, data, "segments/pilot/notes.txt").code == "not-a-segment"


@pytest.mark.parametrize(
    ("field", "value"), [("first_seq", 5), ("study_version", 2), ("consent_record", "1" * 32), ("count", 4)]
)
def test_what_is_written_on_a_segment_must_be_what_is_inside(alice: Contributor, field: str, value: object) -> None:
    content = alice.content(alice.new_session(), _events())
    assert _look(alice, alice.envelope(content, **{field: value})).code == "header-mismatch"


def test_an_empty_segment_is_refused(alice: Contributor) -> None:
    content = msgspec.structs.replace(alice.content(alice.new_session(), _events()), events=())
    assert _look(alice, alice.envelope(content)).code == "header-mismatch"


def test_a_segment_of_something_else_is_refused(alice: Contributor) -> None:
    content = alice.content(alice.new_session(), _events())
    header = alice.envelope(content)
    from event_model.envelope import EnvelopeHeader, parse_envelope, seal_envelope

    fields = msgspec.structs.asdict(parse_envelope(header).header)
    data = seal_envelope(EnvelopeHeader(**fields), b"not a segment", RECIPIENT.public, alice.key)
    assert _look(alice, data).code == "segment-malformed"
    assert fields["verify_key"] == encode_key(alice.key.verify_key.raw)


@pytest.mark.parametrize(
    ("masks", "findings"),
    [
        ([Mask(2, "inserted", 3, 4, 1)], [_FOUND]),
        ([Mask(2, "text", 0, 1, 1)], [_FOUND]),
        ([Mask(2, "origin", 0, 1, 1)], [_FOUND]),
        ([Mask(0, "text", 0, 0, 1)], [_FOUND]),
        ([Mask(3, "inserted", 0, 1, 1)], [_FOUND]),
        ([Mask(2, "inserted", 0, 1, 2)], [_FOUND]),
    ],
    ids=["outside", "other-field", "no-text", "no-text-kind", "no-event", "no-finding"],
)
def test_masks_must_fit_their_events(alice: Contributor, masks: list[Mask], findings: list[Finding]) -> None:
    content = alice.content(alice.new_session(), _events(), masks, findings)
    assert _look(alice, alice.envelope(content)).code == "mask-invalid"


@pytest.mark.parametrize(
    "key",
    [
        "segments/pilot/x/00000000/0000000000.overt",
        "segments/pilot/" + "a" * 32 + "/0/0.overt",
        "segments/../" + "a" * 32 + "/00000000/0000000000.overt",
        "segments/pilot/" + "a" * 32 + "/00000000/0000000000.overt#1",
    ],
)
def test_only_names_of_segments_are_places(key: str) -> None:
    assert place_of(key) is None


@pytest.mark.parametrize(("wall_ms", "delta_ms"), [(2**53 - 1, 0), (MAX_WALL_MS + 1, 0), (0, MAX_DELTA_MS + 1)])
def test_times_that_no_calendar_has_set_the_segment_aside(alice: Contributor, wall_ms: int, delta_ms: int) -> None:
    late = msgspec.structs.replace(_events()[2], wall_ms=wall_ms, delta_ms=delta_ms)
    content = alice.content(alice.new_session(), [*_events()[:2], late])
    assert _look(alice, alice.envelope(content)).code == "time-invalid"


def test_the_last_moment_of_the_calendar_is_kept(alice: Contributor) -> None:
    late = msgspec.structs.replace(_events()[2], wall_ms=MAX_WALL_MS, delta_ms=MAX_DELTA_MS)
    content = alice.content(alice.new_session(), [*_events()[:2], late])
    assert _look(alice, alice.envelope(content)).code == ""
