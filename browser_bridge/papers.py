"""The bridge's files: its key, the port where it listens, pairings. All are the person's alone (0600), or refused.

The key only lets a local program speak to the bridge; whoever can read it can read the store's key as well.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from browser_bridge.proofs import profile_secret, to_text
from event_model.errors import FormatError, OvertError
from event_model.keys import Secret

KEY_BYTES = 32
PAIR_S = 300
"""How long a pairing code is good for: long enough to be typed, too short to be guessed at."""

MAX_PAIRED = 32
MAX_FILE_BYTES = 1 << 16
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_AS_IT_IS: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""To open a file itself: not what a link names, and without waiting for who writes into a pipe."""

T = TypeVar("T")
_GROUPS, _GROUP_CHARS = 4, 5
"""A code of 20 characters of base32: 100 bits."""


class Address(msgspec.Struct, frozen=True):
    """Where a bridge listens, and which process it is."""

    port: int
    pid: int


class _Pairing(msgspec.Struct, frozen=True):
    code: str
    until_ms: int


class Papers:
    """The folder ``bridge`` below the installation's home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "bridge"
        self.lock = self.folder / "lock"

    def make(self) -> None:
        """Make the folder. OSError: if that can't be done. OvertError: if somebody else could put files into it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _own(self.folder, self.folder.lstat(), stat.S_IFDIR)
        if sys.platform != "win32":
            self.folder.chmod(0o700)

    def check(self) -> None:
        """Look at everything that is there. OvertError: if it is not the person's alone, or the key is damaged."""
        _own(self.folder, self.folder.lstat(), stat.S_IFDIR)
        for name in ("address.json", "pairing.json", "paired.json"):
            _bytes(self.folder / name)
        if os.path.lexists(self.folder / "key"):
            self.key()

    def key(self) -> Secret:
        """Give the bridge's key; makes it at the first time. FormatError: if the file is damaged."""
        self.make()
        path = self.folder / "key"
        if not path.exists():
            _write(path, secrets.token_bytes(KEY_BYTES), once=True)
        data = _bytes(path)
        if data is None or len(data) != KEY_BYTES:
            raise FormatError(f"{path} is damaged", code="bridge-key-damaged", hint="Delete it; it is made anew.")
        return Secret(data)

    def address(self) -> Address | None:
        """Give where the bridge listens, or did last."""
        return _read(self.folder / "address.json", Address)

    def put_address(self, address: Address) -> None:
        """Say where the bridge listens."""
        _write(self.folder / "address.json", msgspec.json.encode(address))

    def open_pairing(self, now_ms: int, token: Callable[[int], bytes] = secrets.token_bytes) -> str:
        """Make a pairing code, in place of any before; gives it as ``XXXXX-XXXXX-XXXXX-XXXXX``."""
        self.make()
        code = base64.b32encode(token(16)).decode()[: _GROUPS * _GROUP_CHARS]
        pairing = _Pairing(code, now_ms + PAIR_S * 1000)
        _write(self.folder / "pairing.json", msgspec.json.encode(pairing))
        return "-".join(code[at : at + _GROUP_CHARS] for at in range(0, len(code), _GROUP_CHARS))

    def pairing(self, now_ms: int) -> Secret | None:
        """Give the code that is open now."""
        pairing = _read(self.folder / "pairing.json", _Pairing)
        # A clock that was set back does not make it good for longer.
        if pairing is None or not 0 < pairing.until_ms - now_ms <= PAIR_S * 1000:
            return None
        return Secret(pairing.code.encode())

    def close_pairing(self) -> None:
        """Use the code up."""
        (self.folder / "pairing.json").unlink(missing_ok=True)

    def keep_paired(self, profile: str, origin: str, secret: Secret) -> None:
        """Remember a pairing; the oldest goes when there are too many."""
        paired = self._paired()
        paired.pop(f"{profile} {origin}", None)
        paired[f"{profile} {origin}"] = to_text(secret.reveal())
        while len(paired) > MAX_PAIRED:
            del paired[next(iter(paired))]
        _write(self.folder / "paired.json", msgspec.json.encode(paired))

    def unpair(self) -> int:
        """Forget every pairing; gives how many there were."""
        known = len(self._paired())
        (self.folder / "paired.json").unlink(missing_ok=True)
        self.close_pairing()
        return known

    @property
    def has_paired(self) -> bool:
        """Whether a browser was paired by a code: it can't start the bridge itself."""
        return bool(self._paired())

    def paired(self, profile: str, origin: str) -> Secret | None:
        """Give the secret of a pairing."""
        text = self._paired().get(f"{profile} {origin}")
        return None if text is None else Secret(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def secret(self, profile: str, origin: str) -> Secret:
        """Give the secret that the host hands to a profile."""
        return profile_secret(self.key(), profile, origin)

    def _paired(self) -> dict[str, str]:
        return _read(self.folder / "paired.json", dict[str, str]) or {}


def _read(path: Path, kind: type[T]) -> T | None:
    """Read a small JSON file; what is missing or damaged counts as not there. OvertError: if it may be another's."""
    try:
        return msgspec.json.decode(_bytes(path) or b"", type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def _bytes(path: Path) -> bytes | None:
    """Read a small file; ``None`` if there is none. OvertError: if somebody else could have put it there."""
    try:
        handle = os.open(path, os.O_RDONLY | _AS_IT_IS)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise _foreign(path) from error
        raise
    try:
        _own(path, os.fstat(handle), stat.S_IFREG)
        return os.read(handle, MAX_FILE_BYTES)
    finally:
        os.close(handle)


def is_own(info: os.stat_result, kind: int = stat.S_IFREG) -> bool:
    """Say whether something is of a kind, the person's, and nobody else's to write; Windows has no such modes."""
    if sys.platform == "win32":
        return True
    return stat.S_IFMT(info.st_mode) == kind and info.st_uid == os.geteuid() and not info.st_mode & _BY_OTHERS


def _own(path: Path, info: os.stat_result, kind: int) -> None:
    if not is_own(info, kind):
        raise _foreign(path)


def _foreign(path: Path) -> OvertError:
    return OvertError(
        f"{path} is a link, or not yours alone to write: somebody else may have put it there",
        code="bridge-foreign",
        hint=f"Delete {path} and run `overt setup` for your browser again: it is made anew.",
    )


def _write(path: Path, data: bytes, *, once: bool = False) -> None:
    """Put a file in its place whole; with ``once``, an existing one stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if once and sys.platform != "win32":
            try:
                os.link(name, path)
            except FileExistsError:
                return
        else:
            Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
