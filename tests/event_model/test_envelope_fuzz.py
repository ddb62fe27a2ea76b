"""Whatever bytes come, the parser says EnvelopeError or gives an envelope, and nobody's change keeps its signature."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from event_model.envelope import ENVELOPE_VERSION, HPKE_OVERHEAD_BYTES, MAGIC, parse_envelope
from event_model.errors import EnvelopeError, SignatureError
from event_model.keys import SIGNATURE_BYTES
from tests.ingest_server.kit import Person, make_manifest

SEALED = Person(make_manifest()).envelope(0, payload=b"what was typed" * 20)
HEADER_END = 700

changes = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, len(SEALED) - 1), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.integers(0, len(SEALED)), st.integers(1, 400)),
        st.tuples(st.just("insert"), st.integers(0, HEADER_END), st.integers(0, 255)),
        st.tuples(st.just("repeat"), st.integers(0, HEADER_END), st.integers(1, 400)),
    ),
    min_size=1,
    max_size=6,
)


def changed(steps: list[tuple[str, int, int]]) -> bytes:
    data = bytearray(SEALED)
    for what, wanted, value in steps:
        at = min(wanted, len(data))
        if what == "set" and at < len(data):
            data[at] = value
        elif what == "cut":
            del data[at : at + value]
        elif what == "insert":
            data.insert(at, value)
        elif what == "repeat":
            data[at:at] = data[at : at + value]
    return bytes(data)


def is_refused(data: bytes) -> bool:
    try:
        parse_envelope(data).verify()
    except (EnvelopeError, SignatureError):
        return True
    return False


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(changes)
def test_no_changed_envelope_passes_and_none_crashes_the_parser(steps: list[tuple[str, int, int]]) -> None:
    data = changed(steps)
    assert is_refused(data) == (data != SEALED)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=2000))
@example(b"")
@example(MAGIC)
@example(b"\xff" * 4)
@example(b"\x00" * 8 + bytes(64))
@example(b"\x00" * 4 + HPKE_OVERHEAD_BYTES.to_bytes(4, "big") + bytes(HPKE_OVERHEAD_BYTES + SIGNATURE_BYTES))
def test_no_arbitrary_bytes_pass_and_none_crash_the_parser(data: bytes) -> None:
    assert is_refused(data)
    # Past the version, so that lengths and header are read too.
    assert is_refused(MAGIC + bytes((ENVELOPE_VERSION,)) + data)
