"""The user's feature group: a named, versioned, typed table of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from hopyard.described import DescribedWithFeatures
from hopyard.errors import ConfigError, NotFoundError
from hopyard.group_statistics import GroupStatisticsMethods
from hopyard.group_validation import GroupValidation
from hopyard.ingest.create import change_group, delete_group
from hopyard.ingest.draft import append_spec, store_empty
from hopyard.ingest.maintain import disk_usage, maintain
from hopyard.ingest.online import catch_up_online, disable_online, enable_online, freshness, rebuild_online
from hopyard.ingest.write import InsertOptions, append_features, insert, insert_first, remove_rows
from hopyard.model.commit import Commit, DiskUsage, Freed, Maintained
from hopyard.model.freshness import Freshness
from hopyard.model.plan import Column, Plan
from hopyard.model.specs import FeatureGroupSpec
from hopyard.observe.preview import Preview, preview
from hopyard.queries import Query
from hopyard.query.build import as_of, filter_rows, group_source, scan, select, select_except
from hopyard.query.feature import Condition, Feature, predicate_of
from hopyard.retrieve.changes import list_commits, read_changes
from hopyard.retrieve.read import query_frame
from hopyard.retrieve.usage import check_unused, views_of
from hopyard.retrieve.vacuum import vacuum_group
from hopyard.session import Session
from hopyard.time import Instant

if TYPE_CHECKING:
    from hopyard.feature_view import FeatureView


class FeatureGroup(GroupStatisticsMethods, GroupValidation, DescribedWithFeatures):
    """A table of features with a primary key and, usually, an event time. Made by `FeatureStore`.

    Until the first `insert` or `save` nothing is stored, and `version` is None if none was given.
    """

    def __init__(self, session: Session, spec: FeatureGroupSpec, *, is_stored: bool) -> None:
        self._session = session
        self._spec = spec
        self._is_stored = is_stored

    @property
    def name(self) -> str:
        """The group's name."""
        return self._spec.name

    @property
    def version(self) -> int | None:
        """The group's version; None while it is not stored and none was given."""
        return self._spec.version or None

    @property
    def features(self) -> list[Feature]:
        """The features, in order."""
        return [self._feature(feature.name) for feature in self._spec.features]

    @property
    def primary_key(self) -> list[str]:
        """The columns that name an entity."""
        return list(self._spec.primary_key)

    @property
    def event_time(self) -> str | None:
        """The column that says when a row held in the world."""
        return self._spec.event_time

    @property
    def partition_key(self) -> list[str]:
        """The columns by whose values the files are divided into folders."""
        return list(self._spec.partition_key)

    @property
    def online_enabled(self) -> bool:
        """Whether the newest row per key is served online."""
        return self._spec.online_enabled

    @property
    def ttl(self) -> timedelta | None:
        """The age past which a row no longer matches."""
        return None if self._spec.ttl_us is None else timedelta(microseconds=self._spec.ttl_us)

    @property
    def location(self) -> str:
        """The folder of the group's Delta table, which any engine can read."""
        return str(self._session.root / self._spec.location)

    @property
    def spec(self) -> FeatureGroupSpec:
        """The group as frozen data."""
        return self._spec

    def insert(
        self,
        features: object,
        *,
        operation: Literal["upsert", "insert"] = "upsert",
        overwrite: bool = False,
        commit_id: str | None = None,
        allow_future: bool = False,
        duplicates: Literal["last", "error"] = "last",
        committed_at: Instant | None = None,
        online: Literal["now", "later"] = "now",
        quarantine: bool = False,
    ) -> Commit:
        """Insert a dataframe as one commit, and return the commit.

        When it returns, the rows are durable offline and, for an online group, readable online. The first insert
        creates the group, with the types of the frame.

        Args:
            features: n rows: pandas, polars, pyarrow, anything with the Arrow C stream, or a list of dicts. It is not
                changed. Naive timestamps are UTC. Of two rows with one identity the last one wins.
            operation: `upsert` replaces the rows with the same identity (primary key + event time); `insert` promises
                that there are none.
            overwrite: replace the group's whole content; its history stays reachable.
            commit_id: makes the insert idempotent: a known id writes nothing and returns its commit.
            allow_future: accept rows dated later than now in an online group.
            duplicates: `error` refuses two rows with one identity.
            committed_at: when the rows became known, for data that comes from another system; only for the first
                insert into a group. `as_of()` and `as_known()` go by it. A naive time is UTC.
            online: `later` returns after the offline commit; the next write that does not say so, or
                `catch_up_online()`, makes the rows readable online.
            quarantine: keep rows that fail what the group expects apart, for `quarantined()`, and write the others.
        Raises:
            SchemaMismatchError, InvalidNameError: columns or values that do not fit; nothing was written.
            ValidationError: the rows fail what the group expects, and it is strict; nothing was written.
            ExistingRowsError, DuplicateRowsError: a promise that the frame breaks; nothing was written.
            TimeTravelError: committed_at= for a group that has commits already; nothing was written.
            OnlineBehindError: the commit stands offline and will be applied by the next writer.
            LockTimeoutError: another process writes to the group for too long.
        """
        options = InsertOptions(
            operation, overwrite, commit_id, allow_future, duplicates, committed_at, online, quarantine
        )
        if self._is_stored:
            return insert(self._session, self._spec, features, options)
        return insert_first(self._session, self._spec, features, options, self._now_stored)

    def save(self, features: object | None = None) -> FeatureGroup:
        """Store the group, insert the frame if one is given, and return the group.

        Raises:
            SchemaMismatchError: neither a frame nor `features=` on creation says what the columns are.
        """
        if features is not None:
            self.insert(features)
        elif not self._is_stored:
            self._now_stored(store_empty(self._session, self._spec))
        return self

    def remove_rows(self, keys: object, *, online: Literal["now", "later"] = "now") -> Commit:
        """Remove rows as one commit, and return the commit. Online shows the newest row that remains.

        Args:
            keys: a dataframe with the primary key: all rows of those keys; with the event time, too: those rows.
            online: see `insert`.
        Raises:
            SchemaMismatchError: other columns than those.
        """
        return remove_rows(self._session, self._stored(), keys, online)

    def append_features(
        self, features: Mapping[str, str], *, defaults: Mapping[str, object] | None = None
    ) -> FeatureGroup:
        """Add features, and return the group. Older rows read null, or the default.

        Args:
            features: feature types by name, such as `{"gust": "double"}`.
            defaults: values for the rows that exist, by name.
        Raises:
            AlreadyExistsError, InvalidNameError, SchemaMismatchError: a feature that cannot be added.
        """
        added = append_spec(self._stored(), features, defaults or {})
        self._spec, _ = append_features(self._session, self._spec, added)
        return self

    def read(
        self,
        *,
        as_of: Instant | int | None = None,
        dataframe_type: str = "default",
        order_by: Sequence[str] = (),
        limit: int | None = None,
    ) -> Any:
        """Return all rows as a dataframe; see `Query.read`.

        Args:
            as_of: an instant or a commit number: the group as it was then.
        """
        return self.as_of(as_of).read(dataframe_type=dataframe_type, order_by=order_by, limit=limit)

    def show(self, n: int = 10) -> Any:
        """Return the first `n` rows, in no promised order, as a dataframe."""
        return query_frame(self._session, self._plan(), "default", limit=n)

    def head(self, n: int = 10) -> Any:
        """Return the first `n` rows, in no promised order, as a dataframe: the same as `show`."""
        return self.show(n)

    def preview(self, n: int = 10) -> Preview:
        """Return the newest rows of `n` primary keys, offline and online side by side; `print` shows a table.

        Of a group that is not online, only the offline rows; without a primary key, any `n` rows.
        """
        return preview(self._session, self._stored(), n)

    def select(self, features: Sequence[str]) -> Query:
        """Return a query of these features, in this order. Raises NotFoundError."""
        return Query(self._session, select(self._plan(), features))

    def select_all(self) -> Query:
        """Return a query of all features; joined to another query, without its event time and its join keys."""
        return Query(self._session, self._plan())

    def select_except(self, features: Sequence[str]) -> Query:
        """Return a query of all features but these. Raises NotFoundError."""
        return Query(self._session, select_except(self._plan(), features))

    def select_features(self) -> Query:
        """Return a query of all features but the primary key, foreign keys and the event time."""
        spec = self._stored()
        keys = {*spec.primary_key, *(key.column for key in spec.foreign_key), spec.event_time}
        return Query(
            self._session, select_except(self._plan(), [f.name for f in spec.features if f.name in keys])
        )

    def filter(self, condition: Condition) -> Query:
        """Return a query of the rows that match; joined to another query, they are chosen before the join."""
        return Query(self._session, filter_rows(self._plan(), predicate_of(condition)))

    def as_of(self, when: Instant | int | None, exclude_until: Instant | int | None = None) -> Query:
        """Return a query of the group as committed at an instant, or at a commit number; see `Query.as_of`."""
        return Query(self._session, as_of(self._plan(), when, exclude_until))

    def read_changes(
        self,
        start: Instant | int | None = None,
        end: Instant | int | None = None,
        *,
        include_change_type: bool = False,
        dataframe_type: str = "default",
    ) -> Any:
        """Return the net changes after `start`, up to and with `end`: at most one row per row identity.

        Rows that are equal at both, bit for bit, do not show, whatever happened to them in between. Of a group without
        primary key, rows are counted: nothing is an update.

        Args:
            start: an instant, or a commit number; None, or before the first commit: from the beginning.
            end: an instant, or a commit number; None: up to the latest commit.
            include_change_type: add the column `_change_type` (insert, update, delete), and the deleted rows with the
                values that they had at `start`. Without it, only inserted and updated rows are returned.
            dataframe_type: see `Query.read`.
        Returns:
            The features that the group has at `end`, in the order of the row identity. A feature that was appended
            after `start` counts as null before.
        Raises:
            TimeTravelError: `start` is later than `end`, `end` is before the first commit, or a state that is no
                longer there.
        """
        return read_changes(
            self._session,
            self._stored(),
            start,
            end,
            include_change_type=include_change_type,
            dataframe_type=dataframe_type,
        )

    def commit_details(self, limit: int | None = None, *, as_of: Instant | int | None = None) -> list[Commit]:
        """Return the commits, newest first.

        Args:
            limit: at most so many.
            as_of: only those up to an instant or a commit number.
        Raises:
            TimeTravelError: `as_of` is before the first commit, or no commit's number.
        """
        return list_commits(self._session, self._stored(), limit=limit, as_of=as_of)

    def catch_up_online(self) -> int:
        """Apply the commits that the online store lacks, and return how many they were.

        Raises:
            ConfigError: the group is not online.
            OnlineBehindError: the online store cannot be written.
        """
        return catch_up_online(self._session, self._stored())

    def rebuild_online(self) -> Commit:
        """Write all online rows anew from the last commit, whatever is there, and return that commit.

        Readers see the old rows or the new ones. Only damage needs it: `catch_up_online` gives the same bytes.

        Raises:
            ConfigError: the group is not online.
            StoreError: the online store cannot be written; it holds what it held.
        """
        return rebuild_online(self._session, self._stored())

    def enable_online(self, *, allow_future: bool = False) -> FeatureGroup:
        """Serve the newest row per key online from now on, and return the group. Of an online group: catch up.

        When it returns, the rows of the last commit are readable online. Until then the group is offline only, also
        after a crash. Feature views that join the group can then be served, once `init_serving` is called again.

        Args:
            allow_future: also with rows dated later than now, which hide older ones.
        Raises:
            ConfigError: the group has no primary key.
            SchemaMismatchError: it has rows dated later than now.
            StoreError: the online store cannot be written; the group stays offline only.
            LockTimeoutError: another process writes to the group for too long.
        """
        self._spec = enable_online(self._session, self._stored(), allow_future=allow_future)
        return self

    def disable_online(self) -> FeatureGroup:
        """Remove the group's online rows, and return the group, which is offline only from now on.

        Who serves a feature view of it gets errors. Offline nothing changes; `enable_online` brings the rows back.
        """
        self._spec = disable_online(self._session, self._stored())
        return self

    def freshness(self) -> Freshness:
        """Return how long commits, and rows from their event time on, took until they were readable online.

        Every process that writes to the group counts. Also: which commit is readable online now, and for how long the
        ones after it have been waiting.

        Raises:
            ConfigError: the group is not online.
        """
        return freshness(self._session, self._stored())

    def maintain(self) -> Maintained:
        """Merge the group's small files and write a checkpoint where one is due; return what was done.

        It changes no row, no commit and no answer. It happens by itself in the background, unless that is turned off.

        Raises:
            LockTimeoutError: another process writes to the group for too long.
        """
        return maintain(self._session, self._stored())

    def disk_usage(self) -> DiskUsage:
        """Return how many files and bytes the latest state takes, and how many only the history needs."""
        return disk_usage(self._session, self._stored())

    def vacuum(self, *, keep: timedelta | int | None = None, force: bool = False) -> Freed:
        """Remove the files that no commit to keep needs, and return what was freed. There is no way back.

        Reading the group as of an earlier commit, or its changes from before, is an error afterwards. The latest commit
        always stays.

        Args:
            keep: an int: the last so many commits. A timedelta: the commits of that time until now, and the one that
                was the latest when it began. None: all commits; only what killed writers left is removed.
            force: also if training datasets need commits that go; they can then no longer be verified or rebuilt.
        Raises:
            TrainingDatasetError: training datasets need them; the message names these. Nothing was removed.
            ConfigError: `keep` is no number from 1 and no timedelta.
            LockTimeoutError: another process writes to the group for too long.
        """
        return vacuum_group(self._session, self._stored(), keep, force=force)

    def get_generated_feature_views(self) -> list[FeatureView]:
        """Return the feature views that read this group."""
        from hopyard.feature_view import FeatureView  # which has parent feature groups

        return [FeatureView(self._session, spec) for spec in views_of(self._session, self._stored())]

    def delete(self, *, force: bool = False) -> None:
        """Remove the group with all its rows and its history, offline and online.

        Args:
            force: also when feature views read it; they stop working.
        Raises:
            QueryError: feature views read it; the message names them.
        """
        check_unused(self._session, self._stored(), force=force)
        delete_group(self._session, self._spec)

    def __getitem__(self, name: str) -> Feature:
        """Return a feature, to be compared in `filter`. Raises NotFoundError."""
        return self._feature(name)

    def __getattr__(self, name: str) -> Feature:
        spec = self.__dict__.get("_spec")
        if spec is None or name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._feature(name)
        except NotFoundError as error:
            raise AttributeError(
                f"A feature group has no attribute {name!r}. {error} "
                f"select_all() gives a query (to join, to make a view), read() a dataframe."
            ) from None

    def __repr__(self) -> str:
        version = self.version if self.version is not None else "not stored"
        return f"FeatureGroup({self.name!r}, version={version}, {len(self._spec.features)} features)"

    def _feature(self, name: str) -> Feature:
        feature = self._spec.feature(name)
        column = Column(feature=name, group=self._spec.label)
        return Feature(column, type=feature.type, description=feature.description)

    def _plan(self) -> Plan:
        return scan(group_source(self._stored()))

    @property
    def _about(self) -> FeatureGroupSpec:
        return self._spec

    def _redescribe(self, change: Callable[[FeatureGroupSpec], FeatureGroupSpec]) -> None:
        self._spec = change_group(self._session, self._stored(), change)

    def _now_stored(self, spec: FeatureGroupSpec) -> None:
        self._spec, self._is_stored = spec, True

    def _stored(self) -> FeatureGroupSpec:
        if not self._is_stored:
            raise ConfigError(
                f"Feature group {self.name!r} is not stored yet: insert() rows or save() it first."
            )
        return self._spec
