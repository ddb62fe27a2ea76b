"""The audit log."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make its tables."""
    op.create_table(
        "log_heads",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("size", sql.BigInteger, nullable=False),
    )
    op.create_table(
        "log_entries",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("index", sql.BigInteger, primary_key=True, autoincrement=False),
        sql.Column("data", sql.LargeBinary, nullable=False),
        sql.Column("occasion", sql.String(64), nullable=False),
        sql.UniqueConstraint("study", "occasion"),
    )
    op.create_table(
        "log_nodes",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("level", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("index", sql.BigInteger, primary_key=True, autoincrement=False),
        sql.Column("hash", sql.LargeBinary, nullable=False),
    )
