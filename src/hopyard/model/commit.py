"""A commit, and the snapshot of a table that it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from hopyard.model.codec import Frozen
from hopyard.model.plan import Value
from hopyard.time import from_micros, show

COMMIT_FORMAT = 1
SMALL_FILE_BYTES = 8_000_000

Operation = Literal["create", "upsert", "insert", "overwrite", "delete", "append_features"]


class Commit(Frozen, frozen=True, kw_only=True):
    """One atomic, durable change of a feature group's offline table.

    `number` is the table's version; `committed_at_us` was written into the commit by us and is strictly increasing.
    `is_vacuumed`: the group can no longer be read as it was after it.
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
    is_vacuumed: bool = False

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

    def __repr__(self) -> str:
        return f"<{self}>"


class DataFile(Frozen, frozen=True, kw_only=True):
    """One Parquet file of a snapshot. `path` is absolute, or a URL.

    `ranges` has the least and the greatest value of columns that are whole numbers, timestamps (UTC microseconds) or
    dates (days since 1970), never too narrow; a column without known statistics is absent. `partition` has the values
    of partition columns, which stand in no file.
    """

    path: str
    n_rows: int
    size_bytes: int
    ranges: dict[str, tuple[int, int]] = {}
    partition: dict[str, Value | None] = {}

    @property
    def is_small(self) -> bool:
        """Whether it should rather be a part of a larger file."""
        return self.size_bytes < SMALL_FILE_BYTES


class ChangeFile(Frozen, frozen=True, kw_only=True):
    """A file with rows that one commit changed.

    put: the commit inserted all its rows. delete: the commit removed all its rows. mixed: each row says in Delta's
    `_change_type` what became of it.
    """

    path: str
    commit: int
    committed_at_us: int
    kind: Literal["put", "delete", "mixed"]
    n_rows: int = 0
    size_bytes: int = 0
    partition: dict[str, Value | None] = {}


class Snapshot(Frozen, frozen=True, kw_only=True):
    """The content of one table after one commit: what engines read.

    `files` are sorted by path, so that nothing depends on the order in which the log lists them.
    `table_version` may be later than `commit`, by maintenance that changes no data. `uri` is where the table is.
    `changes` is filled where a read needs more than the snapshot: the changes of earlier commits (see `query.resolve`).
    """

    location: str
    commit: int
    table_version: int
    committed_at_us: int
    files: tuple[DataFile, ...]
    columns: tuple[str, ...]
    uri: str = ""
    changes: tuple[ChangeFile, ...] = ()

    @property
    def n_rows(self) -> int:
        return sum(file.n_rows for file in self.files)


class DiskUsage(Frozen, frozen=True, kw_only=True):
    """What a table takes on disk: the files of its latest state, and those that only its history needs."""

    n_live_files: int
    live_bytes: int
    n_history_files: int
    history_bytes: int


class Freed(Frozen, frozen=True, kw_only=True):
    """What a vacuum has removed from the disk, and how many commits can no longer be read since."""

    n_files: int = 0
    size_bytes: int = 0
    n_commits: int = 0


class Maintained(Frozen, frozen=True, kw_only=True):
    """What was done for the upkeep of a group: how many small files were merged, and whether a checkpoint was due."""

    group: str
    n_merged_files: int
    is_checkpointed: bool
