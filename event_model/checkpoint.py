"""Signed checkpoints of a log: C2SP tlog-checkpoint, in a C2SP signed-note. Pure.

A checkpoint says how many entries a log has and what its root is. Who keeps one can later have it proved that nothing
before it was changed or taken out.
"""

from __future__ import annotations

import base64
import hashlib

import msgspec

from event_model.errors import AuditError, SignatureError
from event_model.ids import StudyId
from event_model.keys import SigningKey, VerifyKey

MAX_CHECKPOINT_BYTES = 8 << 10
"""Three lines and a signature have some 250 bytes; witnesses may add lines."""

ROOT_BYTES = 32
_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_MAX_SIZE_DIGITS = 18


class Checkpoint(msgspec.Struct, frozen=True):
    """A log's name, the number of its entries, and their root."""

    origin: str
    size: int
    root: bytes


def origin_of(study: StudyId) -> str:
    """Name a study's log."""
    return f"overt/{study}"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """Write and sign a checkpoint; the signer's name is the log's."""
    text = _text(checkpoint)
    name = checkpoint.origin
    signature = base64.b64encode(_key_id(name, key.verify_key) + key.sign(text)).decode()
    return text + f"\n\N{EM DASH} {name} {signature}\n".encode()


def open_checkpoint(data: bytes, *, origin: str, key: VerifyKey) -> Checkpoint:
    """Read a checkpoint. AuditError: if it is malformed, another log's, or not signed by this key."""
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise _malformed()
    text, separator, signatures = data.rpartition(b"\n\n")
    if not separator:
        raise _malformed()
    text += b"\n"
    checkpoint = _parse(text)
    if checkpoint.origin != origin:
        raise AuditError(f"this is a checkpoint of {checkpoint.origin}, not of {origin}", code="log-foreign")
    wanted = f"\N{EM DASH} {origin} ".encode()
    for line in signatures.splitlines():
        if line.startswith(wanted) and _is_signed(line[len(wanted) :], text, origin, key):
            return checkpoint
    raise AuditError("the checkpoint is not signed by the log's key", code="log-signature")


def _text(checkpoint: Checkpoint) -> bytes:
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n".encode()


def _parse(text: bytes) -> Checkpoint:
    try:
        origin, size, root, *_extensions = text.decode().split("\n")[:-1]
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except ValueError as error:
        raise _malformed() from error
    if len(size) > _MAX_SIZE_DIGITS or str(checkpoint.size) != size or checkpoint.size < 0:
        raise _malformed()
    if len(checkpoint.root) != ROOT_BYTES or not origin:
        raise _malformed()
    return checkpoint


def _is_signed(encoded: bytes, text: bytes, name: str, key: VerifyKey) -> bool:
    try:
        value = base64.b64decode(encoded, validate=True)
        if value[:_KEY_ID_BYTES] != _key_id(name, key):
            return False
        key.verify(value[_KEY_ID_BYTES:], text)
    except (ValueError, SignatureError):
        return False
    return True


def _key_id(name: str, key: VerifyKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:_KEY_ID_BYTES]


def _malformed() -> AuditError:
    return AuditError("this is no checkpoint of a log", code="log-malformed")
