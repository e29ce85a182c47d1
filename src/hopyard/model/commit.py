"""A commit, and the snapshot of a table that it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from hopyard.model.codec import Frozen
from hopyard.time import from_micros, show

COMMIT_FORMAT = 1

Operation = Literal["create", "upsert", "insert", "overwrite", "delete", "append_features"]


class Commit(Frozen, frozen=True, kw_only=True):
    """One atomic, durable change of a feature group's offline table.

    `number` is the table's version; `committed_at_us` was written into the commit by us and is strictly increasing.
    """

    format_version: int = COMMIT_FORMAT
    number: int
    committed_at_us: int
    operation: Operation
    n_rows_in: int = 0
    n_inserted: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_deleted: int = 0
    n_duplicates: int = 0
    commit_id: str | None = None
    actor: str = ""
    size_bytes: int = 0
    is_online: bool = False

    @property
    def committed_at(self) -> datetime:
        """The commit time as an aware datetime in UTC."""
        return from_micros(self.committed_at_us)

    def __str__(self) -> str:
        counts = {
            "inserted": self.n_inserted,
            "updated": self.n_updated,
            "unchanged": self.n_unchanged,
            "deleted": self.n_deleted,
            "duplicates dropped": self.n_duplicates,
        }
        shown = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no rows changed"
        return f"commit {self.number}, {self.operation} at {show(self.committed_at_us)}: {shown}"


class DataFile(Frozen, frozen=True, kw_only=True):
    """One Parquet file of a snapshot. `path` is absolute, or a URL."""

    path: str
    n_rows: int
    size_bytes: int


class Snapshot(Frozen, frozen=True, kw_only=True):
    """The content of one table after one commit: what engines read.

    `files` are sorted by path, so that nothing depends on the order in which the log lists them.
    `table_version` may be later than `commit`, by maintenance that changes no data.
    """

    location: str
    commit: int
    table_version: int
    committed_at_us: int
    files: tuple[DataFile, ...]
    columns: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        return sum(file.n_rows for file in self.files)
