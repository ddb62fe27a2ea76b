"""The work folder: what one build leaves to the next, so that only what is new is opened, and only changes are written.

It holds facts about objects and the parts of sessions, by digests of all that they were made from. What an erasure took
is gone from it with the next build. Its content is as sensitive as the dataset's.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import filelock
import msgspec

import dataset_builder
import event_model
import privacy_filter
from dataset_builder.opening import Facts
from dataset_builder.parts import WrittenFile
from dataset_builder.plan import SessionPlan
from dataset_builder.source import Listed
from event_model.errors import DatasetError

_FACTS = "facts.msgpack"
_FILES = "files.msgpack"
_MARK = "overt-dataset-work"
_DIGEST_BYTES = 20

Known = TypeVar("Known", bound=msgspec.Struct)

_ROOMS = (dataset_builder, event_model, privacy_filter)
"""The code that decides what a part holds: with any change of it, everything is built anew."""


class KnownFact(msgspec.Struct, frozen=True):
    """Facts about an object as it was listed then."""

    listed: Listed
    facts: Facts


class KnownFile(msgspec.Struct, frozen=True):
    """A file of the last build, and the digest of what it was made from."""

    made_from: str
    file: WrittenFile


class WorkFolder:
    """One dataset's work folder; one build at a time uses it. Use it as a context manager."""

    def __init__(self, root: Path, *, salt: bytes, study: str, second_pass: str) -> None:
        """DatasetError: if the folder holds something else (``target-taken``)."""
        self.parts = root / "parts"
        self._root = root
        self._key = hmac.digest(salt, f"{study}\n{second_pass}\n{code_digest()}".encode(), hashlib.sha256)
        if root.exists() and any(root.iterdir()) and not (root / _MARK).exists():
            raise DatasetError(
                f"{root} is not a work folder of ours",
                code="target-taken",
                hint="Choose a folder that does not exist yet.",
            )
        self.parts.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        (root / _MARK).touch()
        self._lock = filelock.FileLock(root / "lock", timeout=0)

    def __enter__(self) -> WorkFolder:
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise DatasetError(
                "another build of this dataset is running", code="build-running", hint="Wait until it is done."
            ) from error
        return self

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    # Facts

    def known_facts(self, listed: Iterable[Listed]) -> dict[str, Facts]:
        """Give what is known of the objects that are as they were."""
        known = self._read(_FACTS, KnownFact)
        return {
            item.key: known[item.key].facts for item in listed if item.key in known and known[item.key].listed == item
        }

    def keep_facts(self, listed: Iterable[Listed], facts: Iterable[Facts]) -> None:
        """Keep what is known of the objects that there are; of others nothing is kept."""
        by_key = {fact.key: fact for fact in facts}
        self._write(_FACTS, {item.key: KnownFact(item, by_key[item.key]) for item in listed if by_key[item.key].digest})

    # Parts

    def part_name(self, plan: SessionPlan) -> str:
        """Name a session's part by all that it is made from; its split is not among that."""
        made_from = msgspec.msgpack.encode((plan.contributor, plan.session, plan.pseudonym, plan.keys, plan.digests))
        return self._digest(made_from)

    def sweep(self, parts: Iterable[str]) -> None:
        """Remove every part but these."""
        kept = set(parts)
        for path in self.parts.iterdir():
            if path.name not in kept:
                shutil.rmtree(path)

    # Files

    def file_digest(self, name: str, parts: Iterable[str]) -> str:
        """Name a file by the parts that it is made from."""
        return self._digest(msgspec.msgpack.encode((name, tuple(parts))))

    def known_files(self) -> dict[str, KnownFile]:
        """Give the files of the last build."""
        return self._read(_FILES, KnownFile)

    def keep_files(self, files: dict[str, KnownFile]) -> None:
        """Keep what the files of this build were made from."""
        self._write(_FILES, files)

    def _digest(self, data: bytes) -> str:
        return hmac.digest(self._key, data, hashlib.sha256)[:_DIGEST_BYTES].hex()

    def _read(self, name: str, kind: type[Known]) -> dict[str, Known]:
        try:
            key, values = msgspec.msgpack.decode((self._root / name).read_bytes(), type=tuple[bytes, msgspec.Raw])
            if not hmac.compare_digest(key, self._key):
                return {}
            return msgspec.msgpack.decode(values, type=dict[str, kind])  # type: ignore[valid-type]
        except (OSError, msgspec.DecodeError):
            return {}

    def _write(self, name: str, values: Mapping[str, msgspec.Struct]) -> None:
        unfinished = self._root / f"{name}.new"
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.msgpack.encode((self._key, values)))
        unfinished.replace(self._root / name)


def code_digest() -> str:
    """Name this version's code by its content, with the rules of the filter."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        folder = Path(room.__path__[0])
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".toml"}:
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
