"""Records and their history.

Says `if_not_exists`: a database without transactions around schema changes may keep half of a creation.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "record",
        *_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_record"),
        sa.UniqueConstraint("project", "kind", "name", "version", name="uq_record_name"),
        if_not_exists=True,
    )
    op.create_table(
        "record_history",
        *_columns(),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", "revision", name="pk_record_history"),
        sa.Index("ix_record_history_name", "project", "kind", "name", "version"),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove both tables."""
    op.drop_table("record_history", if_exists=True)
    op.drop_table("record", if_exists=True)


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(2**32 - 1), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
    ]
