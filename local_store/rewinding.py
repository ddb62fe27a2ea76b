"""An older copy of the store that was put back: noticed, and gone on from in a new epoch.

What was sealed since that copy was made is gone here, and may be at the receiver under the numbers that come next. So
every study begins a new epoch, with what was not uploaded yet in it: no number is used twice. What the receiver has of
that already it then has twice, under the same session and indexes, by which a dataset takes it once.

A small file beside the keys remembers how much was ever sealed: a store that knows of less is older than it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import msgspec

from event_model.body import Count
from event_model.errors import StoreDamaged
from event_model.ids import StudyId
from event_model.segment import encode_segment
from local_store.files import make_private_folder
from local_store.model import SegmentState
from local_store.segments import Segments
from local_store.sessions import find_study, get_session, get_study

MAX_WITNESS_BYTES = 4096


class Sealed(msgspec.Struct, frozen=True, order=True):
    """How much was ever sealed: transactions that did, and the highest epoch."""

    generation: Count = 0
    epoch: Count = 0


class Witness:
    """The file that remembers. It is no secret, and may be lost: then the receiver alone notices an older copy."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Sealed:
        """Give what the file says; nothing if there is none."""
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_WITNESS_BYTES), type=Sealed)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Sealed()

    def keep(self, sealed: Sealed) -> None:
        """Remember, if it is more than the file says; after the transaction is durable."""
        if sealed <= self.read():
            return
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            make_private_folder(self._path.parent)
            new.write_bytes(msgspec.json.encode(sealed))
            new.replace(self._path)


def sealed_so_far(connection: sqlite3.Connection) -> Sealed:
    """Say how much the store knows to have been sealed."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'sealed'").fetchone()
    (epoch,) = connection.execute("SELECT ifnull(max(epoch), 0) FROM studies").fetchone()
    return Sealed(0 if row is None else int(row[0]), int(epoch))


def count_sealing(connection: sqlite3.Connection) -> Sealed:
    """Count a transaction that seals."""
    before = sealed_so_far(connection)
    after = Sealed(before.generation + 1, before.epoch)
    _put(connection, "sealed", after.generation)
    return after


def times_rewound(connection: sqlite3.Connection) -> int:
    """Say how often an older copy was noticed."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'rewound'").fetchone()
    return 0 if row is None else int(row[0])


def go_on(connection: sqlite3.Connection, segments: Segments, witness: Sealed) -> Sealed:
    """Begin a new epoch, above all that the witness knows, in every study, also in those that are joined later."""
    epoch = max(witness.epoch, sealed_so_far(connection).epoch) + 1
    for (study,) in connection.execute("SELECT study FROM studies").fetchall():
        begin_epoch(connection, segments, StudyId(study), epoch)
    _put(connection, "sealed", witness.generation + 1)
    _put(connection, "first-epoch", epoch)
    _put(connection, "rewound", times_rewound(connection) + 1)
    return Sealed(witness.generation + 1, epoch)


def begin_epoch(connection: sqlite3.Connection, segments: Segments, study: StudyId, epoch: int | None = None) -> int:
    """Go on in a new epoch of a study, with what was not uploaded; gives how many segments moved."""
    row = find_study(connection, study)
    if row is None:
        return 0
    connection.execute(
        "UPDATE studies SET epoch = ?, next_number = 0, next_seq = 0 WHERE no = ?",
        (row.epoch + 1 if epoch is None else epoch, row.no),
    )
    moved = 0
    for info in segments.listed(connection, study):
        if info.state not in {SegmentState.HELD, SegmentState.ENVELOPED}:
            continue
        session, now = get_session(connection, info.session), get_study(connection, study)
        try:
            content = segments.read(connection, info)
        except StoreDamaged:
            segments.mark_damaged(connection, info)
            continue
        header = msgspec.structs.replace(
            content.header, epoch=now.epoch, number=now.next_number, first_seq=now.next_seq, sealed_ms=info.sealed_ms
        )
        moved_content = msgspec.structs.replace(content, header=header)
        segments.remove(connection, info)
        segments.add(connection, now, session, moved_content, encode_segment(moved_content))
        moved += 1
    return moved


def _put(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, str(value).encode()))
