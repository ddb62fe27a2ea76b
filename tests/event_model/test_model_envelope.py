"""Envelopes: whatever is changed in one, it is refused."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model import envelope as module
from event_model.envelope import (
    HPKE_OVERHEAD_BYTES,
    MAX_ENVELOPE_BYTES,
    MAX_PAYLOAD_BYTES,
    SIGNATURE_BYTES,
    EnvelopeHeader,
    open_envelope,
    parse_envelope,
    seal_envelope,
)
from event_model.errors import CryptoError, DecryptError, EnvelopeError, OvertError, SignatureError
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key, pseudonym_of

PAYLOAD = b"a segment would be here"

OTHER_VALUES = {
    "version": 3,
    "study": "next-edit-2",
    "study_version": 3,
    "pseudonym": "a" * 32,
    "verify_key": encode_key(SigningKey(Secret(b"x" * 32)).verify_key.raw),
    "epoch": 2,
    "number": 4,
    "first_seq": 18,
    "count": 6,
    "prev_digest": "",
    "consent_record": "f" * 32,
    "recipient": "0" * 16,
}


@pytest.fixture(scope="session")
def sealed(envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey) -> bytes:
    return seal_envelope(envelope_header, PAYLOAD, recipient.public, signer)


def assemble(header: bytes, ciphertext: bytes, signer: SigningKey) -> bytes:
    """Build an envelope with any header, validly signed."""
    body = b"OVEN\x02" + len(header).to_bytes(4, "big") + header + len(ciphertext).to_bytes(4, "big") + ciphertext
    return body + signer.sign(b"overt envelope signature 2\n" + hashlib.sha256(body).digest())


def pack(header: EnvelopeHeader) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.astuple(header))


def ciphertext_of(sealed: bytes) -> bytes:
    return sealed[-SIGNATURE_BYTES - HPKE_OVERHEAD_BYTES - len(PAYLOAD) : -SIGNATURE_BYTES]


def test_envelope_opens_with_the_recipients_key(
    sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey
) -> None:
    envelope = parse_envelope(sealed)
    assert envelope.header == envelope_header
    assert envelope.digest == hashlib.sha256(sealed).hexdigest()
    assert envelope.size == len(sealed)
    assert envelope.raw == sealed
    envelope.verify()
    assert open_envelope(envelope, recipient) == PAYLOAD
    assert PAYLOAD not in sealed


def test_sealing_twice_gives_other_bytes(
    sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    assert seal_envelope(envelope_header, PAYLOAD, recipient.public, signer) != sealed


def test_every_header_field_is_listed() -> None:
    assert set(OTHER_VALUES) == set(EnvelopeHeader.__struct_fields__)


@pytest.mark.parametrize("field", EnvelopeHeader.__struct_fields__)
def test_tampered_header_field_is_refused(
    field: str, sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey
) -> None:
    """With the old signature kept."""
    header = msgspec.structs.replace(envelope_header, **{field: OTHER_VALUES[field]})
    data = assemble(pack(header), ciphertext_of(sealed), SigningKey(Secret(b"y" * 32)))[:-SIGNATURE_BYTES]
    with pytest.raises((EnvelopeError, SignatureError)):
        parse_envelope(data + sealed[-SIGNATURE_BYTES:]).verify()


@pytest.mark.parametrize("field", EnvelopeHeader.__struct_fields__)
def test_header_field_signed_anew_does_not_open_the_payload(
    field: str, sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    """Even the signer can't put a sealed payload under another header: HPKE's info binds it."""
    header = msgspec.structs.replace(envelope_header, **{field: OTHER_VALUES[field]})
    with pytest.raises((EnvelopeError, CryptoError)):
        open_envelope(parse_envelope(assemble(pack(header), ciphertext_of(sealed), signer)), recipient)


def test_header_binding_is_in_the_encryption_itself(
    sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    header = msgspec.structs.replace(envelope_header, number=4)
    envelope = parse_envelope(assemble(pack(header), ciphertext_of(sealed), signer))
    envelope.verify()
    with pytest.raises(DecryptError):
        open_envelope(envelope, recipient)


def test_envelope_of_another_signer_under_ones_name_is_refused(
    sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey
) -> None:
    """Another's key and valid signature, with the pseudonym kept."""
    thief = SigningKey(Secret(b"z" * 32))
    header = msgspec.structs.replace(envelope_header, verify_key=encode_key(thief.verify_key.raw))
    with pytest.raises(SignatureError):
        parse_envelope(assemble(pack(header), ciphertext_of(sealed), thief)).verify()


@pytest.mark.parametrize("key", ["", "%%%", "AAAA", encode_key(b"\xff" * 32)])
def test_malformed_key_in_the_header_is_a_signature_error(
    key: str, sealed: bytes, envelope_header: EnvelopeHeader, signer: SigningKey
) -> None:
    header = msgspec.structs.replace(envelope_header, verify_key=key)
    with pytest.raises(SignatureError):
        parse_envelope(assemble(pack(header), ciphertext_of(sealed), signer)).verify()


def test_open_checks_the_signature_first(sealed: bytes, recipient: RecipientSecretKey) -> None:
    forged = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    with pytest.raises(SignatureError):
        open_envelope(parse_envelope(forged), recipient)


def test_another_recipient_can_not_open(sealed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    other = RecipientSecretKey(Secret(b"o" * 96))
    with pytest.raises(DecryptError):
        open_envelope(parse_envelope(sealed), other)
    # Also not by taking the other key's name.
    monkeypatch.setattr(type(other.public), "key_id", parse_envelope(sealed).header.recipient)
    with pytest.raises(DecryptError):
        open_envelope(parse_envelope(sealed), other)


@settings(max_examples=120)
@given(data=st.data())
def test_any_flipped_bit_is_refused(data: st.DataObject, sealed: bytes, recipient: RecipientSecretKey) -> None:
    at, bit = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(0, 7))
    bad = bytearray(sealed)
    bad[at] ^= 1 << bit
    with pytest.raises((EnvelopeError, CryptoError)):
        open_envelope(parse_envelope(bytes(bad)), recipient)


def test_every_truncation_and_extension_is_refused(sealed: bytes) -> None:
    for end in range(len(sealed)):
        with pytest.raises(EnvelopeError):
            parse_envelope(sealed[:end])
    with pytest.raises(EnvelopeError):
        parse_envelope(sealed + b"\x00")


@given(st.binary(max_size=200), st.sampled_from([b"", b"OVEN", b"OVEN\x02", b"OVEN\x02\x00\x00\x00\x04"]))
def test_random_bytes_give_envelope_errors_only(tail: bytes, start: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(start + tail)


@given(st.lists(st.integers(-5, 2**64 - 1) | st.text(max_size=5) | st.none() | st.booleans(), max_size=14))
def test_random_headers_give_envelope_errors_only(values: list[object]) -> None:
    signer = SigningKey(Secret(bytes(range(32))))
    data = assemble(msgspec.msgpack.encode(values), bytes(HPKE_OVERHEAD_BYTES), signer)
    with pytest.raises(OvertError) as caught:
        parse_envelope(data).verify()
    assert isinstance(caught.value, EnvelopeError | SignatureError)


def test_header_in_another_encoding_is_refused(
    sealed: bytes, envelope_header: EnvelopeHeader, signer: SigningKey
) -> None:
    """One header has one form: a number written longer than it must be is not it."""
    header = pack(envelope_header)
    assert header[1] == 2
    longer = header[:1] + b"\xcc\x02" + header[2:]
    with pytest.raises(EnvelopeError, match="canonical"):
        parse_envelope(assemble(longer, ciphertext_of(sealed), signer))


def test_limits_hold_before_work_is_done(
    sealed: bytes, envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse_envelope(bytes(MAX_ENVELOPE_BYTES + 1))
    assert caught.value.code == "envelope-too-large"
    with pytest.raises(EnvelopeError) as caught:
        seal_envelope(envelope_header, bytes(MAX_PAYLOAD_BYTES + 1), recipient.public, signer)
    assert caught.value.code == "envelope-too-large"
    wide = pack(msgspec.structs.replace(envelope_header, prev_digest="a" * module.MAX_HEADER_BYTES))
    with pytest.raises(EnvelopeError) as caught:
        parse_envelope(assemble(wide, ciphertext_of(sealed), signer))
    assert caught.value.code == "envelope-too-large"


def test_largest_payload_fits(
    envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    data = seal_envelope(envelope_header, bytes(MAX_PAYLOAD_BYTES), recipient.public, signer)
    assert len(data) <= MAX_ENVELOPE_BYTES
    assert open_envelope(parse_envelope(data), recipient) == bytes(MAX_PAYLOAD_BYTES)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"recipient": "0" * 16},
        {"pseudonym": "a" * 32},
        {"verify_key": "AAAA"},
        {"study": "\ud800"},
        {"epoch": -1},
        {"number": 2**70},
        {"prev_digest": "a" * 5000},
    ],
)
def test_header_that_does_not_fit_is_not_sealed(
    change: dict[str, object], envelope_header: EnvelopeHeader, recipient: RecipientSecretKey, signer: SigningKey
) -> None:
    with pytest.raises(EnvelopeError):
        seal_envelope(msgspec.structs.replace(envelope_header, **change), PAYLOAD, recipient.public, signer)


def test_version_of_the_frame_is_checked(sealed: bytes) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse_envelope(sealed[:4] + b"\x01" + sealed[5:])
    assert caught.value.code == "envelope-version"


def test_pseudonym_is_the_keys(envelope_header: EnvelopeHeader, signer: SigningKey) -> None:
    assert envelope_header.pseudonym == pseudonym_of(signer.verify_key)
