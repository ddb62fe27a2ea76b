"""The audit log in the receiver's database: entries, and the hash of every complete subtree over them.

Entries and nodes are only ever added, in the transaction of what they tell about.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql

from event_model.ids import StudyId
from event_model.merkle import Node, leaf_hash, new_nodes
from ingest_server import tables
from ingest_server.rows import LogRow


def append(connection: sql.Connection, study: StudyId, row: LogRow) -> int:
    """Add an entry, in a transaction that no other appends in; give its index, also if it was there already."""
    entries, heads = tables.LOG_ENTRIES, tables.LOG_HEADS
    known = sql.select(entries.c.index).where(entries.c.study == study, entries.c.occasion == row.occasion)
    index: int | None = connection.execute(known).scalar_one_or_none()
    if index is not None:
        return index
    size = size_of(connection, study)
    if size == 0:
        connection.execute(sql.insert(heads).values(study=study, size=1))
    else:
        connection.execute(sql.update(heads).where(heads.c.study == study).values(size=size + 1))
    values = {"study": study, "index": size, "data": row.data, "occasion": row.occasion}
    connection.execute(sql.insert(entries).values(**values))
    made = new_nodes(size, leaf_hash(row.data), node_reader(connection, study))
    columns: tuple[str, ...] = ("study", "level", "index", "hash")
    nodes: list[dict[str, Any]] = [dict(zip(columns, (study, *node), strict=True)) for node in made]
    connection.execute(sql.insert(tables.LOG_NODES), nodes)
    return size


def size_of(connection: sql.Connection, study: StudyId) -> int:
    """Count a log's entries."""
    heads = tables.LOG_HEADS
    size: int | None = connection.execute(sql.select(heads.c.size).where(heads.c.study == study)).scalar_one_or_none()
    return size or 0


def entries_of(connection: sql.Connection, study: StudyId, start: int, end: int) -> list[bytes]:
    """Read entries from ``start`` up to ``end``, in order."""
    table = tables.LOG_ENTRIES
    wanted = (table.c.study == study) & (table.c.index >= start) & (table.c.index < end)
    found = connection.execute(sql.select(table.c.data).where(wanted).order_by(table.c.index))
    return [bytes(data) for data in found.scalars()]


def node_reader(connection: sql.Connection, study: StudyId) -> Node:
    """Read nodes one by one."""
    table = tables.LOG_NODES

    def node(level: int, index: int) -> bytes:
        same = (table.c.study == study) & (table.c.level == level) & (table.c.index == index)
        return bytes(connection.execute(sql.select(table.c.hash).where(same)).scalar_one())

    return node
