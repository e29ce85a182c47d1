"""What can be found by its words: a table of entries, and beside it SQLite's full-text index.

Both stay empty here: the first search fills them from the records (registry/search_index.py).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both; without the index where the database has no FTS5."""
    op.create_table(
        "search_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("group_name", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("about", sa.LargeBinary(2**32 - 1), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_entry"),
        if_not_exists=True,
    )
    op.create_index("ix_search_entry_record", "search_entry", ["record_id"], if_not_exists=True)
    op.create_index("ix_search_entry_project", "search_entry", ["project"], if_not_exists=True)
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    modules = "SELECT name FROM pragma_module_list"
    if is_sqlite and "fts5" in connection.exec_driver_sql(modules).scalars().all():
        op.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS search_text USING fts5("
            "name, keywords, tags, description, context, tokenize = 'unicode61 remove_diacritics 2')"
        )


def downgrade() -> None:
    """Remove both."""
    op.execute("DROP TABLE IF EXISTS search_text")
    op.drop_table("search_entry", if_exists=True)
