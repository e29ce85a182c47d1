"""What the stores and engines must do, and the facts that callers may ask about them.

Implementations are chosen by URL in `session.py`; nobody above names one. Each Protocol has at most 8 methods and one
conformance suite that every implementation passes (tests/conformance).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from hopyard.model.codec import Frozen
from hopyard.model.commit import ChangeFile, Commit, DiskUsage, Freed, Snapshot
from hopyard.model.plan import Value
from hopyard.model.position import Position
from hopyard.model.schema import Schema
from hopyard.model.search import Hit, SearchRequest
from hopyard.model.specs import FeatureGroupSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

RecordKind = Literal[
    "project", "feature_group", "feature_view", "training_dataset", "transformation_function"
]


class Record(Frozen, frozen=True, kw_only=True):
    """A row of the registry: a name, a version and a document in JSON.

    `revision` counts the changes of this record, from 1. Instants are UTC microseconds.
    """

    project: str
    kind: RecordKind
    name: str
    version: int
    id: str
    body: bytes
    revision: int = 0
    created_at_us: int = 0
    updated_at_us: int = 0
    actor: str = ""


class Registry(Protocol):
    """Names, versions and documents. Not on the data path."""

    def get(self, project: str, kind: RecordKind, name: str, version: int) -> Record:
        """Return the record. Raises NotFoundError (with close names of the same project and kind)."""

    def find(self, project: str, kind: RecordKind, name: str, version: int | None = None) -> Record | None:
        """Return the record, or None. Version None: the latest."""

    def list(self, project: str, kind: RecordKind, name: str | None = None) -> list[Record]:
        """Return the records of a kind, ordered by name and version."""

    def put(self, record: Record, *, expected_revision: int) -> Record:
        """Store a record and return it with its new revision (and instants).

        Args:
            expected_revision: what the caller saw; 0 creates.
        Raises:
            ConflictError: the record exists, is gone, or has another revision.
        """

    def delete(self, record: Record) -> None:
        """Remove a record; its history stays. Raises ConflictError if its revision is not the stored one."""

    def history(self, id: str) -> builtins.list[Record]:
        """Return every revision of a record, oldest first; also of a deleted one."""

    def search(self, request: SearchRequest) -> builtins.list[Hit]:
        """Return what matches a request, the best first. Raises StoreError: the registry cannot search."""

    def close(self) -> None:
        """Release connections. The registry can be used again afterwards."""


class Locks(Protocol):
    """Mutual exclusion between the processes and threads that use one store."""

    def hold(self, name: str, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock `name` for the length of a with block. It is released when the process dies.

        Raises:
            LockTimeoutError: somebody else held it for longer than `timeout_seconds`; says who where that is known.
        """


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a table, its rows checked, deduplicated and typed as stored.

    append: adds rows whose identities are known to be new. merge: replaces the rows with the same `on` columns, adds
    the others. delete: removes the rows that equal `rows` in `on`. overwrite: replaces everything.
    """

    kind: Literal["append", "merge", "delete", "overwrite"]
    rows: pa.Table
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfflineCapabilities:
    """Facts about an offline store."""

    has_change_feed: bool = False


class OfflineStore(Protocol):
    """Versioned tables of rows. A `location` is relative to the store's root."""

    capabilities: OfflineCapabilities

    def create(self, spec: FeatureGroupSpec, commit: Commit) -> Commit:
        """Create an empty table for a group at `spec.location`, the spec in its metadata; return its commit."""

    def spec(self, location: str) -> FeatureGroupSpec:
        """Return the spec in the table's metadata."""

    def snapshot(self, location: str, commit: int | None = None) -> Snapshot:
        """Return the files of the table after a commit; None: the last one. Raises TimeTravelError."""

    def commits(self, location: str) -> Sequence[Commit]:
        """Return all commits, oldest first."""

    def changes(self, location: str, after: int, upto: int) -> tuple[ChangeFile, ...]:
        """Return the files with what the commits in (after, upto] changed, oldest first; all of it or an error.

        Args:
            after: the number of a commit; -1: from the first commit on.
        Raises:
            TimeTravelError: a file or a part of the log is gone; names the first commit since which all is there.
        """

    def write(self, location: str, base: Snapshot, change: Change, commit: Commit) -> Commit:
        """Apply a change to the table, all of it or nothing, durable on return.

        Args:
            base: what the caller saw.
            commit: a draft; its number, time (strictly increasing) and size are filled in.
        Returns:
            The commit as stored.
        Raises:
            ConflictError: the table is no longer at `base`. Read it again and decide anew.
        """

    def alter(self, location: str, spec: FeatureGroupSpec, commit: Commit | None) -> Commit | None:
        """Add the features that `spec` has and the table lacks (older rows read null); store `spec`.

        Args:
            commit: a draft, returned as stored; None: no commit of its own, because the one that fills the features
                follows.
        """

    def drop(self, location: str) -> None:
        """Remove the table and its history. Does nothing if it is not there."""


class OfflineUpkeep(Protocol):
    """What keeps the tables of an offline store quick and their history within bounds. Nothing here changes rows."""

    def compact(
        self,
        location: str,
        order: Sequence[str],
        *,
        at_least: int,
        now_us: int,
        hold: Callable[[], AbstractContextManager[None]],
        is_stopping: Callable[[], bool],
    ) -> int:
        """Merge small files of the latest state into larger ones; return how many were merged.

        It is no commit: commits, their changes and their snapshots stay what they are. Writers may go on; files that
        one of them replaces meanwhile are left alone.

        Args:
            order: the columns by which the rows of a file are sorted, the event time first; none: as they come.
            at_least: do nothing with fewer small files than this.
            hold: gives the group's lock; it is held only while a merged file takes the place of the others.
            is_stopping: asked between files; True: end early.
        Raises:
            LockTimeoutError, ConflictError: nothing was changed by what raised it.
        """

    def checkpoint(self, location: str) -> bool:
        """Write a checkpoint, with which the table opens faster, if many versions have passed since the last."""

    def end_history(self, location: str, *, before: int, now_us: int) -> None:
        """Make the commits before this one unreadable, durable on return. The caller holds the group's lock."""

    def sweep(self, location: str) -> Freed:
        """Remove the files that no readable commit needs. The caller holds the group's lock."""

    def usage(self, location: str) -> DiskUsage:
        """Return what the table takes on disk."""


@dataclass(frozen=True, slots=True)
class OnlineTable:
    """What an online store must know of a group: how its keys and rows are laid out (online/codec.py).

    `values` are the features of a row in order: all but the primary key and the event time. `event_time_type` is
    timestamp, date or bigint; a bigint counts `event_time_unit` ("s", "ms", "us") since 1970.
    """

    id: str
    name: str
    key: Schema
    values: Schema
    event_time: str | None = None
    defaults: tuple[Value | None, ...] = ()
    event_time_type: str = "timestamp"
    event_time_unit: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Encoded keys and rows, pairwise, each key once. A null row removes the key.

    `is_final` rows are the truth for their key whatever is stored; others lose against a newer stored event time.
    """

    keys: pa.BinaryArray
    rows: pa.BinaryArray
    is_final: bool = False


Lookup: TypeAlias = tuple[str, bytes]
"""One row to read: a table's id and an encoded key."""


@dataclass(frozen=True, slots=True)
class OnlineCapabilities:
    """Facts about an online store. `has_atomic_commits`: rows and mark become visible together."""

    has_atomic_commits: bool
    is_embedded: bool = False


class OnlineStore(Protocol):
    """The newest row per key. Rows are opaque bytes; only their event-time slot is compared."""

    capabilities: OnlineCapabilities
    url: str
    """Where it is, without a password."""

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows and set the table's position, durable on return. Raises StoreError; then nothing is visible
        (with atomic commits) or the position is unchanged (without)."""

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part."""

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, from one consistent state, in one round trip; None: no such key.

        Raises:
            NotFoundError: no such table.
        """

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and row, in key order, from one consistent state."""

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""

    def drop(self, table_id: str) -> None:
        """Remove a table. Does nothing if it is not there."""

    def close(self) -> None:
        """Release files and connections. The store can be used again afterwards."""


@runtime_checkable
class AsyncOnlineStore(Protocol):
    """An online store that can be awaited: those behind a network."""

    async def aread(self, lookups: Sequence[Lookup]) -> builtins.list[bytes | None]:
        """As `OnlineStore.read`, without blocking the event loop."""

    async def aclose(self) -> None:
        """Release the connections of the running event loop."""


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """Facts about an engine: its SQL dialect (sqlglot's name) and what that dialect can say.

    `has_file_lists`: it reads lists of files and knows each row's place in them; otherwise it reads Delta tables by
    itself.
    """

    dialect: str
    has_asof_join: bool
    has_file_lists: bool = True


@dataclass(frozen=True, slots=True)
class Statement:
    """A query for an engine: a SQL tree, the frames that it names, and the exact schema of its result."""

    tree: exp.Expr
    schema: pa.Schema
    frames: Mapping[str, pa.Table] = field(default_factory=dict)


class QueryEngine(Protocol):
    """Runs SQL trees over the files of snapshots and over frames."""

    capabilities: EngineCapabilities

    def run(self, statement: Statement) -> pa.RecordBatchReader:
        """Return the result as a stream of batches with exactly the statement's schema. Raises QueryError."""

    def collect(self, statement: Statement) -> pa.Table:
        """Return the same as one table, which an engine may make with all its threads. Raises QueryError."""

    def close(self) -> None:
        """Release the engine's memory and threads. It can be used again afterwards."""
