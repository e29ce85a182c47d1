"""Run by Alembic: applies the revisions in the transaction of the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context

from hopyard.registry.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
