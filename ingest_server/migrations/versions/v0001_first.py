"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "consents",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("pseudonym", sql.String(32), primary_key=True),
        sql.Column("record", sql.String(32), primary_key=True),
        sql.Column("state", sql.String(16), nullable=False),
        sql.Column("study_version", sql.BigInteger, nullable=False),
        sql.Column("expires_ms", sql.BigInteger, nullable=False),
        sql.Column("document", sql.LargeBinary, nullable=False),
    )
    op.create_table(
        "segments",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("pseudonym", sql.String(32), primary_key=True),
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
    op.create_table(
        "deletions",
        sql.Column("digest", sql.String(64), primary_key=True),
        sql.Column("study", sql.String(63), nullable=False),
        sql.Column("pseudonym", sql.String(32), nullable=False),
        sql.Column("segments_erased", sql.BigInteger, nullable=False),
        sql.Column("completed_ms", sql.BigInteger),
    )
