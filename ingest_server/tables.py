"""The tables of the receiver's notes, in SQLAlchemy Core: the same on every database."""

from __future__ import annotations

import sqlalchemy as sql

METADATA = sql.MetaData()


def _participant() -> list[sql.Column[str]]:
    return [
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("pseudonym", sql.String(32), primary_key=True),
    ]


CONSENTS = sql.Table(
    "consents",
    METADATA,
    *_participant(),
    sql.Column("record", sql.String(32), primary_key=True),
    sql.Column("state", sql.String(16), nullable=False),
    sql.Column("study_version", sql.BigInteger, nullable=False),
    sql.Column("expires_ms", sql.BigInteger, nullable=False),
    sql.Column("document", sql.LargeBinary, nullable=False),
)

SEGMENTS = sql.Table(
    "segments",
    METADATA,
    *_participant(),
    sql.Column("epoch", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("number", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("first_seq", sql.BigInteger, nullable=False),
    sql.Column("count", sql.BigInteger, nullable=False),
    sql.Column("digest", sql.String(64), nullable=False),
    sql.Column("size", sql.BigInteger, nullable=False),
    sql.Column("record", sql.String(32)),
    sql.Column("received_ms", sql.BigInteger, nullable=False),
    sql.Column("erased", sql.Boolean, nullable=False),
)

DELETIONS = sql.Table(
    "deletions",
    METADATA,
    sql.Column("digest", sql.String(64), primary_key=True),
    sql.Column("study", sql.String(63), nullable=False),
    sql.Column("pseudonym", sql.String(32), nullable=False),
    sql.Column("segments_erased", sql.BigInteger, nullable=False),
    sql.Column("completed_ms", sql.BigInteger),
)

LOG_HEADS = sql.Table(
    "log_heads",
    METADATA,
    sql.Column("study", sql.String(63), primary_key=True),
    sql.Column("size", sql.BigInteger, nullable=False),
)

LOG_ENTRIES = sql.Table(
    "log_entries",
    METADATA,
    sql.Column("study", sql.String(63), primary_key=True),
    sql.Column("index", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("data", sql.LargeBinary, nullable=False),
    sql.Column("occasion", sql.String(64), nullable=False),
    sql.UniqueConstraint("study", "occasion"),
)

LOG_NODES = sql.Table(
    "log_nodes",
    METADATA,
    sql.Column("study", sql.String(63), primary_key=True),
    sql.Column("level", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("index", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("hash", sql.LargeBinary, nullable=False),
)

ENROLMENTS = sql.Table(
    "enrolments",
    METADATA,
    sql.Column("study", sql.String(63), primary_key=True),
    sql.Column("invitation", sql.String(32), primary_key=True),
    # Empty: revoked before anyone used it.
    sql.Column("pseudonym", sql.String(32), nullable=False),
    sql.Column("revoked", sql.Boolean, nullable=False),
    sql.Index("enrolments_by_pseudonym", "study", "pseudonym"),
)
