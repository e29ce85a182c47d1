"""Rows of a feature group of the shim, as they are and as they were, and queries of them."""

from __future__ import annotations

import os
from typing import Any

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.constructor.filter import Filter, Logic
from hopyard.compat.hsfs.constructor.query import Query
from hopyard.compat.hsfs.group_state import GroupState
from hopyard.compat.hsfs.times import commit_milliseconds, commit_text, instant
from hopyard.compat.hsfs.util import autofix_feature_name, names_of

_MOST_COMMITS = 1_000_000
"""A larger number in the place of limit= is a time in milliseconds."""


class ReadGroup(GroupState):
    """Reading, selecting, and travelling in time."""

    def read(
        self,
        wallclock_time: Any = None,
        online: bool = False,
        dataframe_type: str = "default",
        read_options: dict[str, Any] | None = None,
        start_time: Any = None,
        end_time: Any = None,
    ) -> Any:
        """Return the rows: all, those as of a point in time, or those of event times from a start to before an end.

        Without any of these, a group with an event time takes start and end from HOPS_START_TIME and HOPS_END_TIME,
        which a scheduler may set.
        """
        if wallclock_time and (start_time or end_time):
            raise FeatureStoreException(
                "wallclock_time (when rows were committed) cannot be combined with start_time and end_time (their "
                "event time). Use group.as_of(wallclock_time).filter(...)."
            )
        if not (wallclock_time or start_time or end_time) and self.event_time:
            start_time, end_time = os.environ.get("HOPS_START_TIME"), os.environ.get("HOPS_END_TIME")
        query = self.select_all()
        if wallclock_time:
            query.as_of(wallclock_time)
        return query.read(online, dataframe_type, read_options, start_time, end_time)

    def read_changes(
        self, start_wallclock_time: Any, end_wallclock_time: Any, read_options: dict[str, Any] | None = None
    ) -> Any:
        """Return the rows that were inserted or updated after a point in time, up to another one."""
        return self.stored.read_changes(instant(start_wallclock_time), instant(end_wallclock_time))

    def show(self, n: int, online: bool = False) -> Any:
        """Return the first `n` rows, in no promised order."""
        return self.select_all().show(n, online)

    def select_all(
        self,
        include_primary_key: bool = True,
        include_foreign_key: bool = True,
        include_partition_key: bool = True,
        include_event_time: bool = True,
    ) -> Query:
        """Return a query of all features, or of those without some kinds of keys."""
        left_out: set[str | None] = set()
        left_out |= set() if include_primary_key else set(self.primary_key)
        left_out |= set() if include_foreign_key else set(self.foreign_key)
        left_out |= set() if include_partition_key else set(self.partition_key)
        left_out |= set() if include_event_time else {self.event_time}
        return self._without(left_out) if left_out else Query(self)

    def select_features(self) -> Query:
        """Return a query of all features but keys and the event time."""
        return self.select_all(
            include_primary_key=False,
            include_foreign_key=False,
            include_partition_key=False,
            include_event_time=False,
        )

    def select(self, features: Any) -> Query:
        """Return a query of these features, given by name or as features."""
        names = [autofix_feature_name(name) for name in names_of(features)]
        if self.features:
            names = [self.get_feature(name).name for name in names]
        return Query(self, names)

    def select_except(self, features: Any = None) -> Query:
        """Return a query of all features but these."""
        names = {autofix_feature_name(name) for name in names_of(features)}
        return self._without({*names}) if names else Query(self)

    def filter(self, f: Filter | Logic) -> Query:
        """Return a query of the rows that match."""
        return self.select_all().filter(f)

    def as_of(self, wallclock_time: Any = None, exclude_until: Any = None) -> Query:
        """Return a query of the group as it was committed at a point in time."""
        return self.select_all().as_of(wallclock_time, exclude_until)

    def commit_details(
        self, wallclock_time: Any = None, limit: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Return the commits, newest first, by their time in milliseconds.

        2020's only argument was the limit; a small whole number in the first place is one.
        """
        if limit is None and isinstance(wallclock_time, int) and 0 < wallclock_time < _MOST_COMMITS:
            wallclock_time, limit = None, wallclock_time
        until = instant(wallclock_time)
        found: dict[int, dict[str, Any]] = {}
        latest = 0
        for commit in reversed(self.stored.commit_details()):
            if commit.operation in ("create", "append_features") and not commit.n_inserted:
                continue
            if until is not None and commit.committed_at > until:
                break
            latest = max(commit_milliseconds(commit.committed_at_us), latest + 1)
            found[latest] = {
                "committedOn": commit_text(latest),
                "rowsUpdated": commit.n_updated,
                "rowsInserted": commit.n_inserted,
                "rowsDeleted": commit.n_deleted,
            }
        newest_first = sorted(found, reverse=True)[:limit]
        return {key: found[key] for key in newest_first}

    def _without(self, names: set[Any]) -> Query:
        return Query(self, [feature.name for feature in self.features if feature.name not in names])
