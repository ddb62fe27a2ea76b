"""Where sealed segments are read from: the receiver's object store, a directory or S3. Read only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from event_model.envelope import MAX_ENVELOPE_BYTES
from event_model.errors import DatasetError
from event_model.ids import StudyId

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_S3 = "s3://"
_CHANGED = "The receiver's data changed during the build (a deletion, perhaps); build again."


class Listed(msgspec.Struct, frozen=True):
    """An object's name, size in bytes, and the store's mark of its version."""

    key: str
    size: int
    mark: str


def _mark(item: ObjectMeta) -> str:
    return f"{item['e_tag'] or ''} {item['last_modified'].isoformat()}"


PART_SUFFIX = ".part"
"""The receiver is still writing what has this after its name, or died while it was; nothing was receipted then."""


class SegmentSource:
    """The objects of one receiver."""

    def __init__(self, root: Path | str) -> None:
        """Open a directory, or ``s3://bucket/prefix`` with the settings of the environment (``AWS_...``).

        DatasetError: if the directory does not exist, or the address is none.
        """
        if str(root).startswith(_S3):
            try:
                self._store: ObjectStore = from_url(str(root))
            except (ValueError, BaseError) as error:
                raise DatasetError(f"{root} can't be opened", code="source-missing") from error
            return
        if not Path(root).is_dir():
            raise DatasetError(
                f"{root} is not a directory", code="source-missing", hint="Give the receiver's data directory."
            )
        self._store = LocalStore(Path(root))

    def list(self, study: StudyId) -> list[Listed]:
        """List everything that lies under a study's segments, sorted by name. DatasetError: if it can't be listed."""
        try:
            pages = obstore.list(self._store, f"segments/{study}")
            items = (item for page in pages for item in page if not item["path"].endswith(PART_SUFFIX))
            found = [Listed(item["path"], item["size"], _mark(item)) for item in items]
        except (OSError, BaseError) as error:
            raise DatasetError("the segments can't be listed", code="source-unreadable") from error
        return sorted(found, key=lambda item: item.key)

    def read(self, key: str) -> bytes:
        """Read an object. DatasetError: if it is gone, can't be read, or is larger than any envelope."""
        try:
            result = obstore.get(self._store, key)
            if result.meta["size"] > MAX_ENVELOPE_BYTES:
                raise DatasetError("the object is larger than any segment", code="object-too-large")
            return bytes(result.bytes())
        except FileNotFoundError as error:
            raise DatasetError(f"{key} is gone", code="source-changed", hint=_CHANGED) from error
        except (OSError, BaseError) as error:
            raise DatasetError(f"{key} can't be read", code="object-unreadable") from error
