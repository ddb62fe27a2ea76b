"""Keys and signed documents."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from event_model import keys
from event_model.errors import FormatError, KeyUnavailable, OvertError, SignatureError
from event_model.ids import StudyId
from event_model.keys import (
    RECIPIENT_PUBLIC_BYTES,
    RecipientPublicKey,
    RecipientSecretKey,
    Secret,
    SigningKey,
    VerifyKey,
    decode_key,
    encode_key,
    pseudonym_of,
    study_signing_key,
)
from event_model.signed import MAX_DOCUMENT_BYTES, canonical_json, document_digest, open_document, sign_document


class Note(msgspec.Struct, frozen=True):
    text: str
    number: int = 0


class NewerNote(msgspec.Struct, frozen=True):
    text: str
    number: int
    added_later: str


class Measure(msgspec.Struct, frozen=True):
    value: float


@pytest.fixture
def note(signer: SigningKey) -> bytes:
    return sign_document("note", Note("grüße"), signer)


def test_secret_shows_nothing_and_stays_put() -> None:
    secret = Secret(b"very secret")
    assert "very" not in repr(secret) + str(secret) + f"{secret!r}"
    with pytest.raises(TypeError):
        _ = secret == Secret(b"very secret")
    with pytest.raises(TypeError):
        hash(secret)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(secret)


@pytest.mark.parametrize("key", [SigningKey(Secret(b"s" * 32)), RecipientSecretKey(Secret(b"s" * 96))])
def test_private_keys_show_nothing_and_are_not_pickled(key: object) -> None:
    assert "sss" not in repr(key)
    assert b"s".hex() * 3 not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_derived_secrets_differ_by_purpose() -> None:
    root = Secret(b"r" * 32)
    assert root.derive("a").reveal() == root.derive("a").reveal()
    assert root.derive("a").reveal() != root.derive("b").reveal()
    assert len(root.derive("a", length=64).reveal()) == 64


ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group's base point (RFC 8032, section 5.1)."""

ENGINES = [keys._openssl_verifies, *([keys._sodium_verifies] if keys._SODIUM is not None else [])]
Engine = Callable[[VerifyKey, bytes, bytes], bool]


@pytest.mark.parametrize("verifies", ENGINES)
@given(message=st.binary(max_size=80), at=st.integers(0, 511))
def test_every_engine_takes_a_signature_and_none_with_a_bit_flipped(verifies: Engine, message: bytes, at: int) -> None:
    signer = SigningKey(Secret(bytes(range(32))))
    signature = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).sign(message)
    assert signer.sign(message) == signature
    assert verifies(signer.verify_key, signature, message)
    flipped = bytearray(signature)
    flipped[at // 8] ^= 1 << at % 8
    assert not verifies(signer.verify_key, bytes(flipped), message)
    assert not verifies(signer.verify_key, signature, message + b"x")


@pytest.mark.parametrize("verifies", ENGINES)
def test_no_engine_takes_another_form_of_a_signature(verifies: Engine, signer: SigningKey) -> None:
    """Ed25519 without its bounds has several signatures for one message: a body's digest would not be its own then."""
    signature = signer.sign(b"message")
    larger = int.from_bytes(signature[32:], "little") + ORDER
    for bad in (signature[:32] + larger.to_bytes(32, "little"), signature[:-1], signature + b"\x00", b"", bytes(64)):
        assert not verifies(signer.verify_key, bad, b"message")
    # Bytes that are signed can't be moved from the message behind the signature.
    assert not verifies(signer.verify_key, signature + b"mess", b"age")


@pytest.mark.skipif(keys._SODIUM is None, reason="libsodium comes with the receiver")
@pytest.mark.parametrize("raw", [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_keys_of_small_order_sign_nothing(raw: bytes) -> None:
    """Under such a key one signature fits many messages."""
    forged = b"\x01" + bytes(63)
    assert not any(keys._sodium_verifies(VerifyKey(raw), forged, bytes([each])) for each in range(32))


def test_signature_belongs_to_key_and_bytes(signer: SigningKey) -> None:
    signature = signer.sign(b"message")
    signer.verify_key.verify(signature, b"message")
    for other, message in ((signature, b"massage"), (signature[:-1] + b"\x00", b"message"), (b"", b"message")):
        with pytest.raises(SignatureError):
            signer.verify_key.verify(other, message)
    with pytest.raises(SignatureError):
        SigningKey(Secret(b"o" * 32)).verify_key.verify(signature, b"message")


def test_verify_keys_compare_by_value(signer: SigningKey) -> None:
    again = VerifyKey(signer.verify_key.raw)
    assert again == signer.verify_key
    assert len({again, signer.verify_key}) == 1
    assert again != VerifyKey(SigningKey(Secret(b"o" * 32)).verify_key.raw)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_the_wrong_length_are_refused(length: int) -> None:
    for make in (VerifyKey, RecipientPublicKey):
        with pytest.raises(KeyUnavailable):
            make(bytes(length))
    for make_secret in (SigningKey, RecipientSecretKey):
        with pytest.raises(KeyUnavailable):
            make_secret(Secret(bytes(length)))


def test_recipient_key_survives_writing_and_reading(recipient: RecipientSecretKey) -> None:
    public = RecipientPublicKey(decode_key(encode_key(recipient.public.raw)))
    assert len(public.raw) == RECIPIENT_PUBLIC_BYTES
    assert public.key_id == recipient.public.key_id == RecipientSecretKey(recipient.raw).public.key_id
    assert len(public.key_id) == 16


def test_malformed_recipient_key_is_refused() -> None:
    with pytest.raises(KeyUnavailable):
        RecipientPublicKey(b"\xff" * RECIPIENT_PUBLIC_BYTES)


@given(st.binary(max_size=70))
def test_key_text_comes_back(raw: bytes) -> None:
    text = encode_key(raw)
    assert "=" not in text
    assert decode_key(text) == raw


@given(st.text(max_size=20))
def test_decode_key_gives_key_errors_only(text: str) -> None:
    try:
        decode_key(text)
    except KeyUnavailable as error:
        assert error.code == "key-malformed"  # noqa: PT017 - other errors must get through


def test_studies_can_not_be_joined_by_their_pseudonyms() -> None:
    installation = Secret(b"i" * 32)
    one, two = (study_signing_key(installation, StudyId(study)) for study in ("study-a", "study-b"))
    assert pseudonym_of(one.verify_key) != pseudonym_of(two.verify_key)
    assert one.seed.reveal() == study_signing_key(installation, StudyId("study-a")).seed.reveal()
    assert len(pseudonym_of(one.verify_key)) == 32


def test_document_opens_with_payload_signer_and_digest(note: bytes, signer: SigningKey) -> None:
    opened = open_document("note", note, Note, key=signer.verify_key)
    assert opened.payload == Note("grüße")
    assert opened.key == signer.verify_key
    assert opened.raw == note
    assert opened.digest == document_digest("note", Note("grüße"))
    assert open_document("note", note, Note).payload == opened.payload


def test_document_of_another_signer_is_refused(note: bytes) -> None:
    with pytest.raises(SignatureError):
        open_document("note", note, Note, key=SigningKey(Secret(b"o" * 32)).verify_key)


def test_signature_for_one_type_is_none_for_another(note: bytes) -> None:
    with pytest.raises(FormatError):
        open_document("order", note, Note)
    renamed = json.loads(note) | {"type": "order"}
    with pytest.raises(SignatureError):
        open_document("order", json.dumps(renamed).encode(), Note)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payload", {"text": "other", "number": 0}),
        ("payload", {"text": "grüße", "number": 0, "more": 1}),
        ("key", encode_key(SigningKey(Secret(b"o" * 32)).verify_key.raw)),
        ("signature", encode_key(bytes(64))),
    ],
)
def test_tampered_document_is_refused(note: bytes, field: str, value: Any) -> None:
    with pytest.raises(SignatureError):
        open_document("note", json.dumps(json.loads(note) | {field: value}).encode(), Note)


@pytest.mark.parametrize(
    ("field", "value"),
    [("payload", {"text": 5}), ("payload", []), ("key", "AA"), ("key", "*"), ("signature", "*"), ("more", 1)],
)
def test_malformed_document_is_a_format_error(note: bytes, field: str, value: Any) -> None:
    with pytest.raises(FormatError):
        open_document("note", json.dumps(json.loads(note) | {field: value}).encode(), Note)


@given(st.binary(max_size=80) | st.just(b"[" * 100_000) | st.just(b'{"type":"note","payload":{"a":' + b"[" * 100_000))
def test_random_bytes_give_format_errors_only(data: bytes) -> None:
    with pytest.raises(FormatError):
        open_document("note", data, Note)


def test_large_document_is_refused() -> None:
    with pytest.raises(FormatError):
        open_document("note", b" " * (MAX_DOCUMENT_BYTES + 1), Note)


def test_document_keeps_fields_that_this_version_does_not_know(signer: SigningKey) -> None:
    newer = sign_document("note", NewerNote("a", 1, "b"), signer)
    assert open_document("note", newer, Note).payload == Note("a", 1)


def test_spelling_of_json_does_not_matter_for_the_signature(note: bytes) -> None:
    spaced = json.dumps(json.loads(note), indent=3).encode()
    assert open_document("note", spaced, Note).digest == open_document("note", note, Note).digest


@pytest.mark.parametrize("payload", [Measure(float("nan")), Measure(float("inf")), Note("a", 2**60), Note("\ud800")])
def test_what_canonical_json_can_not_hold_is_refused(payload: msgspec.Struct) -> None:
    with pytest.raises(OvertError):
        canonical_json(payload)


def test_document_with_a_number_beyond_canonical_json_is_refused(note: bytes) -> None:
    bad = json.loads(note)
    bad["payload"]["number"] = 2**60
    with pytest.raises(FormatError):
        open_document("note", json.dumps(bad).encode(), Note)
