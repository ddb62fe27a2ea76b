"""What a full check asks of the rows themselves: that they fit each other, so that nothing is passed over unseen.

A ciphertext that changed does not open. A number in the clear that changed could hide a row, or all of a study: each
such number is stored twice in some way, and both are compared here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from event_model.ids import SessionId, StudyId
from local_store.journal import MAX_PENDING
from local_store.model import Damage, SegmentInfo, SegmentState, SequenceGap

MAX_FINDINGS = 20
"""Lines of SQLite's own check that a report shows: the first few say it all."""

# The sessions that looking, sealing and forgetting walk through.
_SHOWN = "(SELECT s.no FROM sessions s JOIN studies t ON t.no = s.study WHERE s.epoch >= t.forgotten_below)"
_HIDDEN_CHUNKS = f"""
    SELECT j.place & 4294967295, j.count FROM journal j JOIN keys k ON k.no = j.key
    WHERE j.place >> 32 NOT IN {_SHOWN}"""  # noqa: S608 - a constant
_INCREDIBLE_CHUNKS = f"""
    SELECT 0, 0 FROM journal j JOIN sessions s ON s.no = j.place >> 32
    WHERE j.count NOT BETWEEN 1 AND {MAX_PENDING} OR (j.place & 4294967295) - s.sealed > {MAX_PENDING}"""  # noqa: S608
_HIDDEN_SEGMENTS = f"""
    SELECT g.first_index, g.count FROM segments g JOIN keys k ON k.no = g.key
    WHERE g.session NOT IN {_SHOWN}"""  # noqa: S608 - a constant


def structure(connection: sqlite3.Connection) -> list[str]:
    """Let SQLite check its own pages, and its indexes against its tables; gives what it finds."""
    rows = connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})").fetchall()
    states = ", ".join(f"'{each.value}'" for each in SegmentState)
    (strange,) = connection.execute(
        f"SELECT count(*) FROM segments WHERE state NOT IN ({states})"  # noqa: S608 - constants
    ).fetchone()
    unknown = [f"{strange} segments are in no state that there is"] if strange else []
    return [str(row[0]) for row in rows if row[0] != "ok"] + unknown


def misled_sessions(connection: sqlite3.Connection) -> list[Damage]:
    """Find sessions whose row does not fit what is stored of them, so that events of theirs are passed over."""
    rows = connection.execute(
        "SELECT t.study, s.session, s.sealed,"
        " (SELECT max(g.first_index + g.count) FROM segments g WHERE g.session = s.no),"
        " s.ended AND EXISTS (SELECT 1 FROM journal WHERE place BETWEEN s.no << 32 AND (s.no << 32) + 4294967295)"
        " FROM sessions s JOIN studies t ON t.no = s.study WHERE s.epoch >= t.forgotten_below"
    ).fetchall()
    return [
        Damage("session", StudyId(study), SessionId(session), sealed, 0, "its row does not fit what is stored of it")
        for study, session, sealed, end, forsaken in rows
        if sealed != (end or 0) or forsaken
    ]


def hidden_rows(connection: sqlite3.Connection) -> list[Damage]:
    """Find what no walk through the sessions comes to although its key is there: it was not forgotten."""
    chunks = connection.execute(f"{_HIDDEN_CHUNKS} UNION ALL {_INCREDIBLE_CHUNKS}").fetchall()
    segments = connection.execute(_HIDDEN_SEGMENTS).fetchall()
    return [
        Damage(what, StudyId(""), SessionId(""), first, count, "no row of a session leads to it")
        for what, rows in (("journal", chunks), ("segment", segments))
        for first, count in rows
    ]


def still_readable(connection: sqlite3.Connection) -> bool:
    """Say whether a key is left of what the rows call forgotten: then they are wrong, for keys go first."""
    return (
        connection.execute(
            "SELECT 1 FROM keys k JOIN studies t ON t.no = k.study WHERE k.epoch < t.forgotten_below LIMIT 1"
        ).fetchone()
        is not None
    )


def sequence_ends(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """Say of each study's epoch that is written to which sequence number comes next."""
    rows = connection.execute("SELECT study, epoch, next_seq FROM studies").fetchall()
    return {(study, epoch): end for study, epoch, end in rows}


def sequence_gaps(segments: Sequence[SegmentInfo], ends: Mapping[tuple[str, int], int]) -> tuple[SequenceGap, ...]:
    """Find sequence numbers that no segment holds; ``segments`` are sorted by study, epoch and number."""
    gaps: list[SequenceGap] = []
    expected = dict.fromkeys(ends, 0)
    for info in segments:
        place = info.study, info.epoch
        before = expected.get(place, 0)
        if info.first_seq != before:
            gaps.append(SequenceGap(info.study, info.epoch, before, info.first_seq))
        expected[place] = info.first_seq + info.count
    gaps.extend(
        SequenceGap(StudyId(study), epoch, expected[study, epoch], end)
        for (study, epoch), end in ends.items()
        if end != expected[study, epoch]
    )
    return tuple(gaps)
