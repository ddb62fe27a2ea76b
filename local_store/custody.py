"""Where the root key is kept: the OS keyring, else under a passphrase, else a file that only the person can read.

``keys/custody.json`` says which, and holds the installation secret wrapped by the root key. A custody is made
once and never made over: a key that can't be had is an error, because everything at rest depends on it.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from filelock import FileLock, Timeout

from event_model.errors import KeyUnavailable, OvertError, StoreUnwritable
from event_model.keys import SEED_BYTES, Secret
from local_store import vault
from local_store.files import (
    PRIVATE_FILE,
    create_once,
    make_private_folder,
    overwrite,
    read_bounded,
    sync_folder,
    unwritable,
)
from local_store.mending import destroy_set_aside
from local_store.ownership import count_opened, noted_check

BACKEND_VARIABLE = "OVERT_KEYRING"
"""Environment: ``keyring``, ``passphrase`` or ``file`` chooses for a custody that is yet to be made."""

KEYRING_SERVICE = "overt"
_NAME = "custody.json"
_ROOT_NAME = "root.key"
NEXT = ".next"
"""What a rotation adds to the names of files that are not in use yet."""

CUSTODY_VERSION = 1
MAX_CUSTODY_BYTES = 64 * 1024
"""A custody file is under 1 kB; a larger one is not ours."""

LOCK_TIMEOUT_S = 30.0
"""Two first runs at once: one makes the custody, which takes a second with Argon2id, the other waits for it."""

ARGON2_ITERATIONS = 3
ARGON2_LANES = 4
ARGON2_MEMORY_KIB = 64 * 1024
"""The second recommended option of RFC 9106, section 4."""

MAX_ARGON2_MEMORY_KIB = 1024 * 1024
"""What a custody file may ask for at most, so that a tampered one can't eat the memory."""

FILE_WARNING = (
    "The root key lies in a file that only your account can read, because no keyring was found. "
    "Whoever reads your files can read the store."
)

_INSTALLATION_PURPOSE = "overt custody installation secret 1"

Backend = Literal["keyring", "passphrase", "file"]


class DeviceKeys(msgspec.Struct, frozen=True, eq=False):
    """The two secrets of an installation, where the root is kept, and what the person should know about that."""

    root: Secret
    installation: Secret
    kept_in: str
    warning: str | None = None


class Argon2Settings(msgspec.Struct, frozen=True):
    """How a passphrase becomes a key; ``salt`` in base64."""

    salt: str
    iterations: int
    lanes: int
    memory_kib: int


class _Custody(msgspec.Struct, frozen=True):
    """What ``custody.json`` holds: no secret in the clear."""

    version: int
    backend: Backend
    entry: str
    installation: str
    root: str | None = None
    argon2: Argon2Settings | None = None
    check: str | None = None
    """Of the root key; the store holds the same value. It tells whether a rotation was committed."""


class _Keyring(Protocol):
    def get_password(self, service: str, username: str, /) -> str | None: ...

    def set_password(self, service: str, username: str, password: str, /) -> None: ...

    def delete_password(self, service: str, username: str, /) -> None: ...


def open_custody(
    home: Path,
    *,
    backend: str = "auto",
    passphrase: Callable[[], str] | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> DeviceKeys:
    """Give this installation's keys, and make them at the first run.

    An existing custody is opened from where it is kept, whatever ``backend`` says. KeyUnavailable: if the root key
    is missing, locked or another one, if the passphrase is wrong, or if there is a store whose custody is gone.
    StoreUnwritable: if the keys can't be written.
    """
    folder = home / "keys"
    path = folder / _NAME
    if read_bounded(folder / (_NAME + NEXT), MAX_CUSTODY_BYTES) is not None:
        with locked(folder):  # a rotation is under way, or was cut off
            settle_rotation(home, passphrase)
    if (data := read_bounded(path, MAX_CUSTODY_BYTES)) is not None:
        return _open(folder, _parse(data, path), passphrase)
    try:
        make_private_folder(home)
        make_private_folder(folder)
    except OSError as error:
        raise unwritable("the key folder", error) from error
    with locked(folder):
        if (data := read_bounded(path, MAX_CUSTODY_BYTES)) is not None:
            return _open(folder, _parse(data, path), passphrase)
        _refuse_orphaned_store(home)
        return _make(folder, chosen_backend(backend), passphrase, random)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the key folder. KeyUnavailable: if another process does for too long. StoreUnwritable: for an OSError."""
    try:
        with FileLock(folder / "custody.lock", timeout=LOCK_TIMEOUT_S, mode=PRIVATE_FILE):
            yield
    except Timeout as error:
        raise KeyUnavailable("another process holds the key folder", code="key-busy", hint="Try again.") from error
    except OSError as error:
        raise unwritable("the key folder", error) from error


def settle_rotation(home: Path, passphrase: Callable[[], str] | None = None) -> None:
    """End a rotation that the store has committed to, or take it back; the folder is held.

    ``passphrase`` is asked only where the store is damaged so that it does not say which. KeyUnavailable: if that can't
    be told; both keys then stay. OSError: as it comes.
    """
    folder = home / "keys"
    path = folder / (_NAME + NEXT)
    data = read_bounded(path, MAX_CUSTODY_BYTES)
    if data is None:
        (folder / (_ROOT_NAME + NEXT)).unlink(missing_ok=True)
        return
    following = _parse(data, path)
    current_data = read_bounded(folder / _NAME, MAX_CUSTODY_BYTES)
    current = None if current_data is None else _parse(current_data, folder / _NAME)
    database = home / "store" / "overt.sqlite3"
    if not database.exists() or _is_committed(folder, database, current, following, passphrase):
        if (folder / (_ROOT_NAME + NEXT)).exists():
            overwrite(folder / _ROOT_NAME)
            (folder / (_ROOT_NAME + NEXT)).replace(folder / _ROOT_NAME)
        path.replace(folder / _NAME)
        gone = current
        # What was set aside lies under the old key. Where it can't be destroyed now, it goes with a forgetting.
        with contextlib.suppress(StoreUnwritable):
            destroy_set_aside(database)
    else:
        path.unlink()  # first: a new key that is missing beside it says that the old one's place was taken
        (folder / (_ROOT_NAME + NEXT)).unlink(missing_ok=True)
        gone = following
    sync_folder(folder)
    if gone is not None and gone.backend == "keyring":
        with contextlib.suppress(Exception):  # any backend's; it then keeps an entry that opens nothing
            _keyring().delete_password(KEYRING_SERVICE, gone.entry)


def _is_committed(
    folder: Path, database: Path, current: _Custody | None, following: _Custody, passphrase: Callable[[], str] | None
) -> bool:
    """Say whether the store is under the key that follows. KeyUnavailable: if neither this nor the current one fits."""
    check = noted_check(database)
    noted = None if check is None else to_text(check)
    if noted == following.check:
        return True
    if current is not None and noted == current.check:
        return False
    # What the store notes has rotted: to believe it could throw away the only key that opens anything.
    name = _ROOT_NAME + NEXT
    if following.backend == "file" and not (folder / name).exists():
        return True  # it was being ended
    if count_opened(database, _root_of(folder, following, passphrase, name)):
        return True
    if current is not None and count_opened(database, _root_of(folder, current, passphrase)):
        return False
    raise KeyUnavailable(
        "the keys were being rotated, and the store is too damaged to tell how far",
        code="key-unsettled",
        hint="Nothing was changed, and both keys are kept.",
    )


def chosen_backend(backend: str) -> str:
    """Give the backend to be used. KeyUnavailable: if the environment or ``backend`` names one that does not exist."""
    chosen = os.environ.get(BACKEND_VARIABLE) or backend
    if chosen not in {"auto", "keyring", "passphrase", "file"}:
        raise KeyUnavailable(
            f"there is no key backend {chosen!r}",
            code="key-backend-unknown",
            hint=f"Set {BACKEND_VARIABLE} to keyring, passphrase or file, or leave it out.",
        )
    return chosen


def _refuse_orphaned_store(home: Path) -> None:
    if (home / "store" / "overt.sqlite3").exists() or any((home / "consent").glob("*/record.json")):
        raise KeyUnavailable(
            "this installation has been in use, but keys/custody.json, which leads to its keys, is gone",
            code="custody-missing",
            hint="`overt keys restore FILE` brings it back from a backup; or move the overt folder away to begin anew.",
        )


def _make(
    folder: Path, backend: str, passphrase: Callable[[], str] | None, random: Callable[[int], bytes]
) -> DeviceKeys:
    root = _left_behind(folder) or Secret(random(SEED_BYTES))
    return keep(folder, root, Secret(random(SEED_BYTES)), backend, passphrase=passphrase, random=random)


def keep(
    folder: Path,
    root: Secret,
    installation: Secret,
    backend: str,
    *,
    passphrase: Callable[[], str] | None,
    random: Callable[[int], bytes],
    suffix: str = "",
) -> DeviceKeys:
    """Put two secrets where ``backend`` says, and write the custody, which must not exist; the lock is held.

    ``suffix`` is for files that are not in use yet.
    KeyUnavailable: if the keyring or the passphrase is required and can't be had. OSError: as it comes.
    """
    entry = random(16).hex()
    wrapped = to_text(aes_key_wrap(root.derive(_INSTALLATION_PURPOSE).reveal(), installation.reveal()))
    check = to_text(vault.key_check(root))
    custody: _Custody | None = None
    if backend in {"auto", "keyring"} and _put_in_keyring(entry, root, required=backend == "keyring"):
        custody = _Custody(CUSTODY_VERSION, "keyring", entry, wrapped, check=check)
    elif backend == "passphrase" or (backend == "auto" and passphrase is not None):
        argon2 = new_argon2(random)
        kek = stretch(_ask(passphrase), argon2)
        custody = _Custody(
            CUSTODY_VERSION, "passphrase", entry, wrapped, to_text(aes_key_wrap(kek, root.reveal())), argon2, check
        )
    else:
        if not (folder / (_ROOT_NAME + suffix)).exists():
            create_once(folder / (_ROOT_NAME + suffix), to_text(root.reveal()).encode() + b"\n")
        custody = _Custody(CUSTODY_VERSION, "file", entry, wrapped, check=check)
    create_once(folder / (_NAME + suffix), msgspec.json.format(msgspec.json.encode(custody), indent=2) + b"\n")
    return _keys(root, installation, custody.backend)


def _left_behind(folder: Path) -> Secret | None:
    """Give the root key of a first run that was killed before it wrote its custody: it encrypts nothing yet."""
    data = read_bounded(folder / _ROOT_NAME, MAX_CUSTODY_BYTES)
    return None if data is None else _decode_root(data.decode("ascii", "replace"))


def _open(folder: Path, custody: _Custody, passphrase: Callable[[], str] | None) -> DeviceKeys:
    root = _root_of(folder, custody, passphrase)
    try:
        wrapped = from_text(custody.installation)
        installation = aes_key_unwrap(root.derive(_INSTALLATION_PURPOSE).reveal(), wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise KeyUnavailable(
            f"the root key in the {custody.backend} is not this installation's",
            code="key-wrong",
            hint="`overt keys restore FILE` puts the right one back from a backup; nothing was overwritten.",
        ) from error
    return _keys(root, Secret(installation), custody.backend)


def _keys(root: Secret, installation: Secret, backend: Backend) -> DeviceKeys:
    return DeviceKeys(root, installation, backend, FILE_WARNING if backend == "file" else None)


def _root_of(folder: Path, custody: _Custody, passphrase: Callable[[], str] | None, name: str = _ROOT_NAME) -> Secret:
    if custody.backend == "keyring":
        return _get_from_keyring(custody.entry)
    if custody.backend == "file":
        data = read_bounded(folder / name, MAX_CUSTODY_BYTES)
        if data is None:
            raise _missing(f"keys/{name} is gone")
        return _decode_root(data.decode("ascii", "replace"))
    if custody.root is None or custody.argon2 is None:
        raise _malformed(folder / _NAME)
    try:
        return Secret(aes_key_unwrap(stretch(_ask(passphrase), custody.argon2), from_text(custody.root)))
    except (InvalidUnwrap, ValueError) as error:
        raise KeyUnavailable(
            "the passphrase is not the one this installation was made with",
            code="passphrase-wrong",
            hint="Try again; nothing was overwritten.",
        ) from error


def _ask(passphrase: Callable[[], str] | None) -> str:
    if passphrase is None:
        raise KeyUnavailable(
            "the root key is under a passphrase, and there is no one to ask for it",
            code="passphrase-needed",
            hint="Run the command in a terminal, or set OVERT_PASSPHRASE for it.",
        )
    return passphrase()


def new_argon2(random: Callable[[int], bytes]) -> Argon2Settings:
    """Give today's settings with a new salt."""
    return Argon2Settings(to_text(random(16)), ARGON2_ITERATIONS, ARGON2_LANES, ARGON2_MEMORY_KIB)


def stretch(passphrase: str, argon2: Argon2Settings) -> bytes:
    """Make a key of 32 bytes from a passphrase. KeyUnavailable: if the settings are impossible or absurd."""
    if not 0 < argon2.memory_kib <= MAX_ARGON2_MEMORY_KIB:
        raise KeyUnavailable("the custody file asks for an absurd amount of memory", code="custody-malformed")
    try:
        kdf = Argon2id(
            salt=from_text(argon2.salt),
            length=SEED_BYTES,
            iterations=argon2.iterations,
            lanes=argon2.lanes,
            memory_cost=argon2.memory_kib,
        )
        return kdf.derive(passphrase.encode("utf-8", "surrogatepass"))
    except (ValueError, OverflowError) as error:
        raise KeyUnavailable("the custody file names impossible Argon2 settings", code="custody-malformed") from error
    except UnsupportedAlgorithm as error:
        raise KeyUnavailable("this machine's OpenSSL has no Argon2id", code="key-backend-unknown") from error


def _keyring() -> _Keyring:
    import keyring  # noqa: PLC0415 - takes a quarter of a second, and only one backend needs it

    return keyring.get_keyring()


def _put_in_keyring(entry: str, root: Secret, *, required: bool) -> bool:
    """Store the root key and read it back: the null backend takes everything and keeps nothing."""
    value = to_text(root.reveal())
    try:
        ring = _keyring()
        ring.set_password(KEYRING_SERVICE, entry, value)
        kept = ring.get_password(KEYRING_SERVICE, entry) == value
    except Exception as error:
        if required:
            raise _locked(error) from error
        return False
    if not kept and required:
        raise KeyUnavailable(
            "the keyring took the key and did not keep it",
            code="keyring-unusable",
            hint=f"Set up a keyring, or set {BACKEND_VARIABLE} to passphrase or file.",
        )
    return kept


def _get_from_keyring(entry: str) -> Secret:
    try:
        value = _keyring().get_password(KEYRING_SERVICE, entry)
    except OvertError:
        raise
    except Exception as error:
        raise _locked(error) from error
    if value is None:
        raise _missing("the keyring has no entry for this installation")
    return _decode_root(value)


def _locked(error: Exception) -> KeyUnavailable:
    return KeyUnavailable(
        f"the keyring can't be used ({type(error).__name__})",
        code="keyring-locked",
        hint="Unlock your keyring and try again; nothing was overwritten.",
    )


def _missing(what: str) -> KeyUnavailable:
    return KeyUnavailable(
        what,
        code="key-missing",
        hint="`overt keys restore FILE` brings it back from a backup; or move the overt folder away to begin anew.",
    )


def _decode_root(text: str) -> Secret:
    try:
        raw = from_text(text.strip())
    except ValueError as error:
        raise _malformed_root() from error
    if len(raw) != SEED_BYTES:
        raise _malformed_root()
    return Secret(raw)


def _malformed_root() -> KeyUnavailable:
    return KeyUnavailable(
        "the root key is malformed",
        code="key-malformed",
        hint="`overt keys restore FILE` brings it back from a backup; nothing was overwritten.",
    )


def _parse(data: bytes, path: Path) -> _Custody:
    try:
        custody = msgspec.json.decode(data, type=_Custody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(path) from error
    if custody.version != CUSTODY_VERSION:
        raise KeyUnavailable(
            f"{path} is of version {custody.version}, which this version of overt does not know",
            code="custody-version",
            hint="Update overt.",
        )
    return custody


def _malformed(path: Path) -> KeyUnavailable:
    return KeyUnavailable(
        f"{path} can't be read as a custody file",
        code="custody-malformed",
        hint="`overt keys restore FILE` brings it back from a backup; nothing was overwritten.",
    )


def to_text(raw: bytes) -> str:
    """Write bytes in base64."""
    return base64.b64encode(raw).decode("ascii")


def from_text(text: str) -> bytes:
    """Read base64. ValueError: if it is none."""
    return base64.b64decode(text, validate=True)
