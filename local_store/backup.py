"""A backup of an installation's two secrets in one file under a passphrase, and the way back.

The file is of use only with the passphrase (Argon2id, then AES-KW); it holds nothing that was captured. Restoring
never replaces keys that still open: it is for a keyring entry, a key file or a custody that is gone or damaged.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from event_model.errors import KeyUnavailable
from event_model.keys import SEED_BYTES, Secret
from local_store import custody as kept
from local_store import vault
from local_store.custody import DeviceKeys
from local_store.files import create_once, make_private_folder, read_bounded, unwritable
from local_store.ownership import count_opened, noted_check

BACKUP_VERSION = 1
MAX_BACKUP_BYTES = 64 * 1024
"""A backup is under 1 kB; a larger file is none."""


class _Backup(msgspec.Struct, frozen=True, tag_field="type", tag="overt-key-backup"):
    """Both secrets, root first, wrapped together."""

    version: int
    argon2: kept.Argon2Settings
    wrapped: str


def write_backup(path: Path, keys: DeviceKeys, passphrase: str, *, random: Callable[[int], bytes] = os.urandom) -> None:
    """Write both secrets to a new private file, durably. StoreUnwritable: if that fails, or the file exists."""
    argon2 = kept.new_argon2(random)
    both = keys.root.reveal() + keys.installation.reveal()
    wrapped = kept.to_text(aes_key_wrap(kept.stretch(passphrase, argon2), both))
    data = msgspec.json.format(msgspec.json.encode(_Backup(BACKUP_VERSION, argon2, wrapped)), indent=2)
    try:
        create_once(path, data + b"\n")
    except OSError as error:
        raise unwritable(str(path), error) from error


def restore_backup(
    home: Path,
    path: Path,
    passphrase: str,
    *,
    backend: str = "auto",
    random: Callable[[int], bytes] = os.urandom,
) -> DeviceKeys:
    """Put the secrets of a backup in the place of a custody that does not open any more; gives them as then kept.

    What stood there is moved aside in the same folder, not removed. KeyUnavailable: if the file or the passphrase is
    not right, or if keys are there that open (code ``keys-there``). StoreUnwritable: if it can't be written.
    """
    root, installation = _read(path, passphrase)
    folder = home / "keys"
    try:
        make_private_folder(home)
        make_private_folder(folder)
        with kept.locked(folder):
            kept.settle_rotation(home)
            _refuse_working(home)
            _refuse_outdated(home, root)
            for name in ("custody.json", "root.key"):
                if (folder / name).exists():
                    (folder / name).rename(folder / f"{name}.before-{secrets.token_hex(4)}")
            chosen = kept.chosen_backend(backend)
            ask = (lambda: passphrase) if chosen == "passphrase" else None
            return kept.keep(folder, root, installation, chosen, passphrase=ask, random=random)
    except OSError as error:
        raise unwritable("the key folder", error) from error


def _refuse_working(home: Path) -> None:
    """Refuse where keys open; under a passphrase nobody can tell whether they would, so they count as working."""
    if not (home / "keys" / "custody.json").exists():
        return
    try:
        kept.open_custody(home)
    except KeyUnavailable as error:
        if error.code in {"key-missing", "key-wrong", "key-malformed", "custody-malformed"}:
            return
        if error.code != "passphrase-needed":
            raise
    raise KeyUnavailable(
        "this installation has keys, and they were left as they are",
        code="keys-there",
        hint="Move the keys folder away first if you really mean to put the backup in its place.",
    )


def _refuse_outdated(home: Path, root: Secret) -> None:
    """Refuse a backup that is older than the last rotation: the store would not open with it."""
    database = home / "store" / "overt.sqlite3"
    if not database.exists() or noted_check(database) in {b"", vault.key_check(root)}:
        return
    if not count_opened(database, root):
        raise KeyUnavailable(
            "the keys in this backup are not those of this store: they were rotated since, or are another's",
            code="backup-outdated",
            hint="Use a backup that was made after the last `overt keys rotate`; nothing was changed.",
        )


def _read(path: Path, passphrase: str) -> tuple[Secret, Secret]:
    data = read_bounded(path, MAX_BACKUP_BYTES)
    if data is None:
        raise KeyUnavailable(f"there is no file {path}", code="backup-missing")
    try:
        backup = msgspec.json.decode(data, type=_Backup)
        wrapped = kept.from_text(backup.wrapped)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise KeyUnavailable(f"{path} is no backup of overt's keys", code="backup-malformed") from error
    if backup.version != BACKUP_VERSION:
        raise KeyUnavailable(f"{path} is of version {backup.version}", code="backup-version", hint="Update overt.")
    try:
        both = aes_key_unwrap(kept.stretch(passphrase, backup.argon2), wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise KeyUnavailable(
            "the backup does not open with this passphrase, or is damaged", code="passphrase-wrong", hint="Try again."
        ) from error
    if len(both) != 2 * SEED_BYTES:
        raise KeyUnavailable(f"{path} is no backup of overt's keys", code="backup-malformed")
    return Secret(both[:SEED_BYTES]), Secret(both[SEED_BYTES:])
