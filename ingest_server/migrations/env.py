"""What Alembic runs for each command: the steps, on the connection that ``migrate`` hands over."""

from __future__ import annotations

from alembic import context

from ingest_server.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
