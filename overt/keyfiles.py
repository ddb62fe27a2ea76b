"""Key files of a study owner: one secret each, readable by the owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from event_model.errors import KeyUnavailable
from event_model.keys import RecipientSecretKey, Secret, SigningKey, decode_key, encode_key

SIGNING = "overt-signing-key-1"
RECIPIENT = "overt-recipient-key-1"

MAX_KEY_FILE_BYTES = 4096


def write_signing_key(path: Path, key: SigningKey) -> None:
    """Write an Ed25519 key. KeyUnavailable: if the file exists, which is never overwritten."""
    _write(path, SIGNING, key.seed)


def write_recipient_key(path: Path, key: RecipientSecretKey) -> None:
    """Write a study's private key. KeyUnavailable: if the file exists, which is never overwritten."""
    _write(path, RECIPIENT, key.raw)


def read_signing_key(path: Path) -> SigningKey:
    """Read an Ed25519 key. KeyUnavailable: if the file is missing, unreadable or of another kind."""
    return SigningKey(_read(path, SIGNING))


def read_recipient_key(path: Path) -> RecipientSecretKey:
    """Read a study's private key. KeyUnavailable: if the file is missing, unreadable or of another kind."""
    return RecipientSecretKey(_read(path, RECIPIENT))


def _write(path: Path, kind: str, secret: Secret) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyUnavailable(
            f"{path} exists", code="key-exists", hint="A key is never overwritten; choose another folder."
        ) from error
    except OSError as error:
        raise KeyUnavailable(f"can't write {path}: {error.strerror}", hint="Check the folder.") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{kind}:{encode_key(secret.reveal())}\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, kind: str) -> Secret:
    try:
        with path.open(encoding="ascii") as file:
            text = file.read(MAX_KEY_FILE_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnavailable(f"can't read the key file {path}", hint="Check the path and its permissions.") from error
    found, _, value = text.partition(":")
    if found != kind:
        raise KeyUnavailable(
            f"{path} is not a key file of the kind {kind}",
            code="key-malformed",
            hint="`overt study new` names each key file by what it is for.",
        )
    return Secret(decode_key(value))
