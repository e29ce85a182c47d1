"""The registry's tables, as the newest migration leaves them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    column,
    table,
)

HEAD = "0002"
"""The newest revision in migrations/versions: a constant, because importing alembic to ask it is slow."""

VERSION_TABLE = "alembic_version"

_MAX_BODY_BYTES = 2**32 - 1
"""Makes MySQL choose LONGBLOB; the other databases have one kind of blob."""

TEXT_COLUMNS = ("name", "keywords", "tags", "description", "context")
"""What is searched. `context` are the features of a thing, and of a feature its group."""

METADATA = MetaData()


def _columns() -> list[Column[Any]]:
    """Return new columns for the fields of `ports.Record`."""
    return [
        Column("id", String(64), nullable=False),
        Column("revision", Integer, nullable=False),
        Column("project", String(63), nullable=False),
        Column("kind", String(32), nullable=False),
        Column("name", String(255), nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", LargeBinary(_MAX_BODY_BYTES), nullable=False),
        Column("created_at_us", BigInteger, nullable=False),
        Column("updated_at_us", BigInteger, nullable=False),
        Column("actor", Text, nullable=False),
    ]


RECORD = Table(
    "record",
    METADATA,
    *_columns(),
    PrimaryKeyConstraint("id", name="pk_record"),
    UniqueConstraint("project", "kind", "name", "version", name="uq_record_name"),
)
"""What is there now."""

HISTORY = Table(
    "record_history",
    METADATA,
    *_columns(),
    Column("is_deleted", Boolean, nullable=False),
    PrimaryKeyConstraint("id", "revision", name="pk_record_history"),
    Index("ix_record_history_name", "project", "kind", "name", "version"),
)
"""Every revision of every record, and one row with `is_deleted` that says when and by whom it was removed."""

SEARCH_ENTRY = Table(
    "search_entry",
    METADATA,
    Column("id", Integer, nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("project", String(63), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("group_name", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    Column("about", LargeBinary(_MAX_BODY_BYTES), nullable=False),
    PrimaryKeyConstraint("id", name="pk_search_entry"),
    Index("ix_search_entry_record", "record_id"),
    Index("ix_search_entry_project", "project"),
)
"""What can be found of each record, made of its body at `revision`; `about` is JSON (search_index.About)."""

SEARCH_TEXT = table("search_text", *(column(name) for name in ("rowid", *TEXT_COLUMNS)))
"""The words of each entry by its `id`, as SQLite's FTS5 keeps them: a table that SQLAlchemy cannot describe."""
