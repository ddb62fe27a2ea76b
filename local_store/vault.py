"""The store's cryptography, without I/O: a key hierarchy of wrapped keys, and bodies sealed under them.

root key -> wrapping key -> epoch key (one per study and epoch) -> data key (one per segment and rewriting)
                         -> pending key (one per session, until everything under it is sealed)

Bodies are AES-256-GCM (NIST SP 800-38D) with what they belong to as associated data; keys are wrapped with AES-KW
(RFC 3394). To forget is to destroy the key, then the bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from event_model.errors import DecryptError
from event_model.keys import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
CHECK_BYTES = 16

_WRAP_PURPOSE = "overt store key wrap 1"
_CHECK_PURPOSE = "overt store key check 1"
_ONLY_NONCE = bytes(NONCE_BYTES)
"""A data key seals one body in its life, so its nonce need not vary."""


def wrapping_key(root: Secret) -> Secret:
    """Derive the key under which epoch and pending keys lie in the database."""
    return root.derive(_WRAP_PURPOSE)


def key_check(root: Secret) -> bytes:
    """Derive 16 public bytes by which a store knows its root key again."""
    return root.derive(_CHECK_PURPOSE, length=CHECK_BYTES).reveal()


def new_key(random: Callable[[int], bytes]) -> Secret:
    """Make a key of 256 bits."""
    return Secret(random(KEY_BYTES))


def wrap(outer: Secret, inner: Secret) -> bytes:
    """Wrap a key: 40 bytes."""
    return aes_key_wrap(outer.reveal(), inner.reveal())


def unwrap(outer: Secret, wrapped: bytes) -> Secret:
    """Unwrap a key. DecryptError: if it was wrapped under another key, or changed."""
    try:
        return Secret(aes_key_unwrap(outer.reveal(), wrapped))
    except (InvalidUnwrap, ValueError, TypeError) as error:  # a column that rotted is of any type
        raise DecryptError("a wrapped key does not open: it is damaged, or the wrapping key is another one") from error


def opens(outer: Secret, wrapped: bytes) -> bool:
    """Say whether a key was wrapped under another."""
    try:
        unwrap(outer, wrapped)
    except DecryptError:
        return False
    return True


def chunk_cipher(key: Secret) -> AESGCM:
    """Make what seals under a pending key; to make it costs as much as to use it, so who seals often keeps it."""
    return AESGCM(key.reveal())


def seal_chunk(cipher: AESGCM, plain: bytes, about: bytes, random: Callable[[int], bytes]) -> bytes:
    """Seal a journal chunk: a random nonce (a pending key seals many), ciphertext, tag."""
    nonce = random(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, about)


def open_chunk(key: Secret, sealed: bytes, about: bytes) -> bytes:
    """Open a journal chunk. DecryptError: if key, bytes or ``about`` are not those it was sealed with."""
    return _decrypt(key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)


def seal_body(epoch_key: Secret, plain: bytes, about: bytes, random: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """Seal a segment under a data key of its own; gives the wrapped data key and the ciphertext."""
    data_key = new_key(random)
    return wrap(epoch_key, data_key), AESGCM(data_key.reveal()).encrypt(_ONLY_NONCE, plain, about)


def about_segment(study: str, epoch: int, number: int, session: str, first_seq: int, count: int) -> bytes:
    """Name what a segment's body belongs to."""
    return f"overt segment 1|{study}|{epoch}|{number}|{session}|{first_seq}|{count}".encode()


def open_body(epoch_key: Secret, wrapped: bytes, sealed: bytes, about: bytes) -> bytes:
    """Open a segment. DecryptError: if key, bytes or ``about`` are not those it was sealed with."""
    return _decrypt(unwrap(epoch_key, wrapped), _ONLY_NONCE, sealed, about)


def _decrypt(key: Secret, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
    try:
        return AESGCM(key.reveal()).decrypt(nonce, sealed, about)
    except (InvalidTag, ValueError, TypeError) as error:
        raise DecryptError("a ciphertext does not open: it is damaged, or belongs elsewhere") from error
