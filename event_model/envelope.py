"""Envelopes: a segment sealed to a study's key and signed by the installation.

The payload is sealed with HPKE (RFC 9180) in base mode; its ``info`` is a domain prefix and the header's bytes, so that
a payload opens only under the header it was sealed with. The Ed25519 signature (RFC 8032) covers the SHA-256 of all
bytes before it, which a reader gets on its way to the digest of the whole: one pass over the bytes serves both.
docs/FORMAT.md gives the bytes.
"""

from __future__ import annotations

import hashlib

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from event_model.body import Count
from event_model.errors import DecryptError, EnvelopeError, KeyUnavailable, SignatureError
from event_model.ids import Pseudonym, RecordId, StudyId
from event_model.keys import (
    SIGNATURE_BYTES,
    RecipientPublicKey,
    RecipientSecretKey,
    SigningKey,
    encode_key,
    pseudonym_of,
    read_verify_key,
)

ENVELOPE_VERSION = 2

MAGIC = b"OVEN"
_LENGTH_BYTES = 4
HPKE_OVERHEAD_BYTES = 1136
"""What HPKE adds: an ML-KEM-768 ciphertext (1,088), an X25519 share (32) and a GCM tag (16)."""

MAX_HEADER_BYTES = 4096
"""A header is some 300 bytes; a larger one is refused before it is read."""

MAX_PAYLOAD_BYTES = 4 << 20
"""The largest segment: HPKE has no streaming, and a receiver holds an envelope in memory."""

MAX_ENVELOPE_BYTES = MAX_PAYLOAD_BYTES + MAX_HEADER_BYTES + HPKE_OVERHEAD_BYTES + SIGNATURE_BYTES + 64

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = b"overt envelope 2\n"
_SIGNED = b"overt envelope signature 2\n"
"""Stands before the digest that is signed: the key signs other things too."""


class EnvelopeHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the receiver may know of a segment; everything else is sealed.

    ``verify_key`` is the installation's key for this study (base64url); ``prev_digest`` is the digest of the
    envelope before it in the same study and epoch, ``""`` for the first; ``recipient`` is the id of the key it
    is sealed to. ``first_seq`` and ``count`` say which of the installation's events of this study are inside.
    """

    version: Count
    study: StudyId
    study_version: Count
    pseudonym: Pseudonym
    verify_key: str
    epoch: Count
    number: Count
    first_seq: Count
    count: Count
    prev_digest: str
    consent_record: RecordId
    recipient: str


class Envelope:
    """A parsed envelope: well-formed, but its signature is not checked yet."""

    __slots__ = ("_ciphertext", "_header_bytes", "_raw", "_signed", "digest", "header", "sha256")

    def __init__(self, raw: bytes, header: EnvelopeHeader, header_bytes: bytes, ciphertext: memoryview) -> None:
        self._raw = raw
        self._header_bytes = header_bytes
        self._ciphertext = ciphertext
        self.header = header
        hashing = hashlib.sha256(memoryview(raw)[:-SIGNATURE_BYTES])
        self._signed = _SIGNED + hashing.digest()
        hashing.update(raw[-SIGNATURE_BYTES:])
        self.sha256 = hashing.digest()
        """The digest of all bytes."""
        self.digest = self.sha256.hex()

    @property
    def raw(self) -> bytes:
        """All bytes, as they came."""
        return self._raw

    @property
    def size(self) -> int:
        """How many bytes the envelope has."""
        return len(self._raw)

    def verify(self) -> None:
        """Check the signature, and that the pseudonym is that key's. SignatureError: if either does not fit."""
        try:
            key = read_verify_key(self.header.verify_key)
        except KeyUnavailable as error:
            raise SignatureError("the envelope's key is malformed") from error
        if pseudonym_of(key) != self.header.pseudonym:
            raise SignatureError("the envelope's pseudonym is another key's")
        key.verify(self._raw[-SIGNATURE_BYTES:], self._signed)

    def _open(self, secret: RecipientSecretKey) -> bytes:
        try:
            return _SUITE.decrypt(bytes(self._ciphertext), secret.key, _INFO + self._header_bytes)
        except (InvalidTag, ValueError) as error:
            raise DecryptError("this key does not open the envelope") from error


def seal_envelope(header: EnvelopeHeader, payload: bytes, recipient: RecipientPublicKey, key: SigningKey) -> bytes:
    """Seal a payload to a recipient and sign it.

    The result differs with each call, since HPKE draws a fresh key: keep the bytes to send them again.
    EnvelopeError: if the payload is too large, or the header does not name this recipient and this signer.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise EnvelopeError(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes", code="envelope-too-large")
    if header.version != ENVELOPE_VERSION:
        raise EnvelopeError(f"envelopes of version {header.version} can't be made")
    if header.recipient != recipient.key_id:
        raise EnvelopeError("the header names another recipient key")
    if header.verify_key != encode_key(key.verify_key.raw) or header.pseudonym != pseudonym_of(key.verify_key):
        raise EnvelopeError("the header names another signer")
    header_bytes = _write_header(header)
    ciphertext = _SUITE.encrypt(payload, recipient.key, _INFO + header_bytes)
    body = b"".join((MAGIC, bytes((ENVELOPE_VERSION,)), _sized(header_bytes), _sized(ciphertext)))
    return body + key.sign(_SIGNED + hashlib.sha256(body).digest())


def parse_envelope(data: bytes) -> Envelope:
    """Take an envelope apart. EnvelopeError: if it is malformed, too large, or of another version."""
    if len(data) > MAX_ENVELOPE_BYTES:
        raise EnvelopeError(f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes", code="envelope-too-large")
    if not data.startswith(MAGIC):
        raise EnvelopeError("not an envelope")
    version = data[len(MAGIC) : len(MAGIC) + 1]
    if version != bytes((ENVELOPE_VERSION,)):
        raise EnvelopeError("an envelope of another version", code="envelope-version")
    view = memoryview(data)
    header_part, at = _take(view, len(MAGIC) + 1)
    ciphertext, at = _take(view, at)
    if len(ciphertext) < HPKE_OVERHEAD_BYTES:
        raise EnvelopeError("an envelope whose lengths can't be right")
    if len(data) != at + SIGNATURE_BYTES:
        raise EnvelopeError("an envelope that is cut short or runs on")
    header_bytes = bytes(header_part)
    return Envelope(data, _read_header(header_bytes), header_bytes, ciphertext)


def open_envelope(envelope: Envelope, secret: RecipientSecretKey) -> bytes:
    """Check the signature, then open the payload. SignatureError, DecryptError: if either fails."""
    envelope.verify()
    if envelope.header.recipient != secret.public.key_id:
        raise DecryptError("the envelope is sealed to another key")
    return envelope._open(secret)


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


def _take(data: memoryview, at: int) -> tuple[memoryview, int]:
    start = at + _LENGTH_BYTES
    end = start + int.from_bytes(data[at:start], "big")
    if end > len(data):
        raise EnvelopeError("an envelope that is cut short")
    return data[start:end], end


def _write_header(header: EnvelopeHeader) -> bytes:
    try:
        data = msgspec.msgpack.encode(msgspec.structs.astuple(header))
    except (UnicodeEncodeError, OverflowError) as error:
        raise EnvelopeError("an envelope header that the format can't hold") from error
    # What can't be parsed must not be made.
    _read_header(data)
    return data


def _read_header(data: bytes) -> EnvelopeHeader:
    names = EnvelopeHeader.__struct_fields__
    if len(data) > MAX_HEADER_BYTES:
        raise EnvelopeError("an envelope header that is too large", code="envelope-too-large")
    try:
        values = msgspec.msgpack.decode(data, type=list[int | str])
        if len(values) != len(names):
            raise EnvelopeError("an envelope header with too few or too many fields")
        header = msgspec.convert(dict(zip(names, values, strict=True)), type=EnvelopeHeader)
        canonical = msgspec.msgpack.encode(values)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeError("an envelope header that is malformed") from error
    if canonical != data or header.version != ENVELOPE_VERSION:
        raise EnvelopeError("an envelope header that is not in canonical form")
    return header
