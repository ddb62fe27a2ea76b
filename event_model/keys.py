"""Keys: small classes that can't be printed, compared or pickled by accident.

Signatures are Ed25519 (RFC 8032); recipient keys are ML-KEM-768 + X25519 for HPKE (RFC 9180 and its
post-quantum draft, as ``cryptography`` names it ``MLKEM768_X25519``).
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from event_model.errors import KeyUnavailable, SignatureError
from event_model.ids import Pseudonym, StudyId

SEED_BYTES = 32
MLKEM_SEED_BYTES = 64
MLKEM_PUBLIC_BYTES = 1184
X25519_BYTES = 32
RECIPIENT_SECRET_BYTES = MLKEM_SEED_BYTES + X25519_BYTES
RECIPIENT_PUBLIC_BYTES = MLKEM_PUBLIC_BYTES + X25519_BYTES
SIGNATURE_BYTES = 64
PSEUDONYM_DIGEST_BYTES = 20

KEYS_REMEMBERED = 4096
"""Keys that a receiver keeps at hand: half a thousand bytes each."""

try:
    import nacl.bindings
    import nacl.exceptions
except ModuleNotFoundError:
    _SODIUM: Any = None
else:
    # The receiver brings libsodium, since it checks two signatures an upload, and makes one, in half the time. It
    # refuses whatever OpenSSL refuses, and also keys that are of small order or not in canonical form.
    _SODIUM = nacl


class Secret:
    """Bytes that must not be shown: no repr, no equality, no hash, no pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Give the bytes; the name is long so that each use is seen in review."""
        return self._value

    def derive(self, purpose: str, *, length: int = SEED_BYTES) -> Secret:
        """Derive another secret for one purpose (HKDF-SHA256, RFC 5869)."""
        kdf = HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=purpose.encode())
        return Secret(kdf.derive(self._value))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not pickled")


class VerifyKey:
    """An Ed25519 public key, 32 bytes."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        """Load 32 raw bytes. KeyUnavailable: if they are no Ed25519 public key."""
        try:
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError as error:
            raise KeyUnavailable("not an Ed25519 public key (32 bytes)", code="key-malformed") from error
        self.raw = bytes(raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature. SignatureError: if it is not this key's over these bytes."""
        if not (_openssl_verifies if _SODIUM is None else _sodium_verifies)(self, signature, message):
            raise SignatureError("the signature does not belong to these bytes and this key")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"VerifyKey({encode_key(self.raw)})"


def _openssl_verifies(key: VerifyKey, signature: bytes, message: bytes) -> bool:
    try:
        key._key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _sodium_verifies(key: VerifyKey, signature: bytes, message: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        _SODIUM.bindings.crypto_sign_open(signature + message, key.raw)
    except _SODIUM.exceptions.CryptoError:
        return False
    return True


class SigningKey:
    """An Ed25519 private key."""

    __slots__ = ("_key", "_seed", "_verify_key")

    def __init__(self, seed: Secret) -> None:
        """Load a 32-byte seed. KeyUnavailable: if it is of another length."""
        raw = seed.reveal()
        if len(raw) != SEED_BYTES:
            raise KeyUnavailable("an Ed25519 seed has 32 bytes", code="key-malformed")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(raw)
        self._verify_key = VerifyKey(self._key.public_key().public_bytes_raw())

    @property
    def seed(self) -> Secret:
        """The seed, to be written to a key file."""
        return self._seed

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return self._verify_key

    def sign(self, message: bytes) -> bytes:
        """Sign: 64 bytes."""
        if _SODIUM is None:
            return self._key.sign(message)
        signed: bytes = _SODIUM.bindings.crypto_sign(message, self._seed.reveal() + self._verify_key.raw)
        return signed[:SIGNATURE_BYTES]


class RecipientPublicKey:
    """A study's public key, to which envelopes are sealed: ML-KEM-768 (1,184 bytes), then X25519 (32)."""

    __slots__ = ("key", "raw")

    def __init__(self, raw: bytes) -> None:
        """Load 1,216 raw bytes. KeyUnavailable: if they are no such key."""
        if len(raw) != RECIPIENT_PUBLIC_BYTES:
            raise KeyUnavailable(f"a recipient key has {RECIPIENT_PUBLIC_BYTES} bytes", code="key-malformed")
        try:
            self.key = MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES]),
                X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:]),
            )
        except ValueError as error:
            raise KeyUnavailable("not a recipient key", code="key-malformed") from error
        self.raw = bytes(raw)

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the key's SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]


class RecipientSecretKey:
    """A study's private key: the ML-KEM-768 seed (64 bytes), then the X25519 scalar (32)."""

    __slots__ = ("_raw", "key", "public")

    def __init__(self, raw: Secret) -> None:
        """Load 96 raw bytes. KeyUnavailable: if they are of another length."""
        value = raw.reveal()
        if len(value) != RECIPIENT_SECRET_BYTES:
            raise KeyUnavailable(f"a recipient secret has {RECIPIENT_SECRET_BYTES} bytes", code="key-malformed")
        mlkem = MLKEM768PrivateKey.from_seed_bytes(value[:MLKEM_SEED_BYTES])
        x25519 = X25519PrivateKey.from_private_bytes(value[MLKEM_SEED_BYTES:])
        self._raw = raw
        self.key = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = RecipientPublicKey(mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw())

    @property
    def raw(self) -> Secret:
        """The 96 bytes, to be written to a key file."""
        return self._raw


def encode_key(raw: bytes) -> str:
    """Write a public key or digest as unpadded base64url (RFC 4648)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_key(text: str) -> bytes:
    """Read what ``encode_key`` wrote. KeyUnavailable: if it is not base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise KeyUnavailable("a key that is not base64url", code="key-malformed") from error


def study_signing_key(installation: Secret, study: StudyId) -> SigningKey:
    """Derive the key with which an installation signs for one study.

    Each study gets a key of its own, so that two studies can't be joined by their signatures.
    """
    return SigningKey(installation.derive(f"overt study signing key 1 {study}"))


@lru_cache(maxsize=KEYS_REMEMBERED)
def read_verify_key(text: str) -> VerifyKey:
    """Load a public key from base64url. KeyUnavailable: if it is malformed."""
    return VerifyKey(decode_key(text))


@lru_cache(maxsize=KEYS_REMEMBERED)
def pseudonym_of(key: VerifyKey) -> Pseudonym:
    """Name an installation by its key for one study: base32 of 20 bytes of SHA-256, lower case."""
    digest = hashlib.sha256(b"overt pseudonym 1\x00" + key.raw).digest()[:PSEUDONYM_DIGEST_BYTES]
    return Pseudonym(base64.b32encode(digest).decode("ascii").lower())
