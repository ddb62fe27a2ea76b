"""Who used which invitation."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "enrolments",
        sql.Column("study", sql.String(63), primary_key=True),
        sql.Column("invitation", sql.String(32), primary_key=True),
        sql.Column("pseudonym", sql.String(32), nullable=False),
        sql.Column("revoked", sql.Boolean, nullable=False),
    )
    op.create_index("enrolments_by_pseudonym", "enrolments", ["study", "pseudonym"])
