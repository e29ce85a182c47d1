"""A query as programs build it: each call changes it and returns it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.constructor.filter import Filter, Logic
from hopyard.compat.hsfs.constructor.join import Join
from hopyard.compat.hsfs.feature import Feature, condition_of
from hopyard.compat.hsfs.frames import returned
from hopyard.compat.hsfs.times import instant
from hopyard.compat.hsfs.util import autofix_feature_name, names_of
from hopyard.queries import Query as CoreQuery

if TYPE_CHECKING:
    from hopyard import Project
    from hopyard.compat.hsfs.group_state import GroupState
    from hopyard.query.feature import Feature as CoreFeature


class Query:
    """Features of a group, and of the groups joined to it. Made by `select` and `select_all` of a group."""

    def __init__(self, group: GroupState, names: list[str] | None = None) -> None:
        """Args: names: the features of the left-most group; None: all, which leaves out keys on the right of a join."""
        self._group = group
        self._names = names
        self._joins: list[Join] = []
        self._early: Filter | Logic | None = None
        self._late: Filter | Logic | None = None
        self._as_of: tuple[datetime | None, datetime | None] = (None, None)
        self._limit: int | None = None

    @property
    def _project(self) -> Project:
        return self._group._project

    @property
    def core(self) -> CoreQuery:
        """The query in Hopyard's words, built now."""
        return self._build(self._group.source())

    def _build(self, base: CoreQuery) -> CoreQuery:
        if self._early is not None:
            base = base.filter(self._early.core(lambda feature: base[feature.name]))
        until, after = self._as_of
        if until is not None or after is not None:
            base = base.as_of(until, after)
        base = self._selected(base)
        for join in self._joins:
            base = join.attach(base, self._project)
        if self._late is not None:
            base = base.filter(self._late.core(lambda feature: self._resolve(base, feature)))
        return base

    def _selected(self, base: CoreQuery) -> CoreQuery:
        """Return the query with the chosen columns: chosen after filters, which may need others."""
        if self._names is None:
            return base
        by_name = {out.name: out for out in base.plan.outputs}
        outputs = tuple(
            msgspec.structs.replace(by_name[name], is_named=True) for name in self._names if name in by_name
        )
        plan = msgspec.structs.replace(base.plan, outputs=outputs)
        return CoreQuery(self._project.session, plan, base.frame)

    def _resolve(self, base: CoreQuery, feature: Feature) -> CoreFeature:
        owner = feature.feature_group
        if owner is not None and owner.has_feature(feature.name) and owner.core is not None:
            found: CoreFeature = owner.core[feature.name]
            return found
        if feature.name in base.features:
            return base[feature.name]
        owners = [group for group in self.featuregroups if group.has_feature(feature.name)]
        if len(owners) == 1 and owners[0].core is not None:
            only: CoreFeature = owners[0].core[feature.name]
            return only
        return base[feature.name]

    def join(
        self,
        sub_query: Query,
        on: list[str] | None = None,
        left_on: list[str] | None = None,
        right_on: list[str] | None = None,
        join_type: str | None = "left",
        prefix: str | None = None,
    ) -> Query:
        """Join another query to the left-most group of this one, and return this one.

        Without keys, the primary key's columns that both sides have are the keys: all of them, or a part.
        """
        if not isinstance(sub_query, Query):
            raise FeatureStoreException(
                f"join() takes a query such as group.select_all(), and was given {sub_query!r}."
            )
        self._joins.append(Join(sub_query, on, left_on, right_on, join_type, prefix))
        return self

    def filter(self, f: Filter | Logic) -> Query:
        """Keep the rows that match, and return the query. Before a join: rows of its left side."""
        condition = condition_of(f)
        if not isinstance(condition, Filter | Logic):
            raise TypeError(f"filter() takes a comparison such as group.x > 1, and was given {f!r}.")
        if self._joins:
            self._late = condition if self._late is None else self._late & condition
        else:
            self._early = condition if self._early is None else self._early & condition
        return self

    def limit(self, n: int) -> Query:
        """Return at most `n` rows on reading."""
        self._limit = n
        return self

    def as_of(self, wallclock_time: Any = None, exclude_until: Any = None) -> Query:
        """Read every group as it was committed at a point in time; None: the latest."""
        self._as_of = (instant(wallclock_time), instant(exclude_until))
        for join in self._joins:
            join.query.as_of(wallclock_time, exclude_until)
        return self

    def pull_changes(self, wallclock_start_time: Any, wallclock_end_time: Any) -> Query:
        """Read only rows that were changed after a point in time, up to another one."""
        return self.as_of(wallclock_end_time, wallclock_start_time)

    def read(
        self,
        online: bool = False,
        dataframe_type: str = "default",
        read_options: dict[str, Any] | None = None,
        start_time: Any = None,
        end_time: Any = None,
    ) -> Any:
        """Return the rows. A start and an end are of the event time: from the start on, before the end."""
        query = self._for_reading(online)
        query = self._group.between(query, start_time, end_time)
        return returned(query, dataframe_type, self._limit)

    def show(self, n: int, online: bool = False) -> Any:
        """Return the first `n` rows, in no promised order."""
        limit = n if self._limit is None else min(n, self._limit)
        return returned(self._for_reading(online), "default", limit)

    def to_string(self, online: bool = False, arrow_flight: bool = False) -> str:
        """Return the SQL that Hopyard runs."""
        return self._for_reading(online).to_string()

    def _for_reading(self, online: bool) -> CoreQuery:
        return self._build(self._group.online_source()) if online else self.core

    @property
    def features(self) -> list[Feature]:
        """The columns of the result, in order, under their names there."""
        if any(group.is_lazy for group in self.featuregroups):
            mine = [f for f in self._group.features if self._names is None or f.name in self._names]
            return mine + [feature for join in self._joins for feature in join.query.features]
        core = self.core
        groups = self._groups_by_label()
        found = []
        for out in core.plan.outputs:
            source = core.plan.nodes[out.node].source
            group = groups.get(source.label)
            kept = group.get_feature(out.feature) if group and group.has_feature(out.feature) else None
            type_ = next(field.type for field in source.fields if field.name == out.feature)
            found.append(
                Feature(
                    out.name,
                    type_,
                    kept.description if kept else None,
                    primary=bool(kept and kept.primary),
                    foreign=bool(kept and kept.foreign),
                    partition=bool(kept and kept.partition),
                    feature_group=group,
                )
            )
        return found

    @property
    def featuregroups(self) -> list[Any]:
        """The groups, the left-most first, each once."""
        found: list[Any] = [self._group]
        for join in self._joins:
            found += [group for group in join.query.featuregroups if group not in found]
        return found

    @property
    def filters(self) -> Filter | Logic | None:
        """The filters of this query itself."""
        if self._early is not None and self._late is not None:
            return self._early & self._late
        return self._late if self._early is None else self._early

    @property
    def joins(self) -> list[Join]:
        """What is joined to the left-most group."""
        return list(self._joins)

    @property
    def left_feature_group_start_time(self) -> Any:
        """The point in time after which rows must have been changed."""
        return self._as_of[1]

    @property
    def left_feature_group_end_time(self) -> Any:
        """The point in time as of which the group is read."""
        return self._as_of[0]

    def is_time_travel(self) -> bool:
        """Whether a group is read as of a point in time."""
        return any(self._as_of) or any(join.query.is_time_travel() for join in self._joins)

    def append_feature(self, feature: Feature | str) -> Query:
        """Add a feature of the left-most group, and return the query."""
        name = names_of(feature)[0]
        self._group.get_feature(name)
        if self._names is not None and name not in self._names:
            self._names.append(name)
        return self

    def get_feature(self, feature_name: str) -> Feature:
        """Return a feature by its name in the result, or in its group."""
        name = autofix_feature_name(feature_name)
        named = [feature for feature in self.features if feature.name == name]
        if named:
            return named[0]
        owners = [group for group in self.featuregroups if group.has_feature(name)]
        if len(owners) > 1:
            raise FeatureStoreException(
                f"Feature name '{feature_name}' is ambiguous and exists in more than one feature groups. "
                f"Consider applying a prefix to the join."
            )
        if not owners:
            raise FeatureStoreException(
                f"Feature name '{feature_name}' could not found be found in query. "
                f"It has: {', '.join(feature.name for feature in self.features)}."
            )
        found: Feature = owners[0].get_feature(name)
        return found

    def _groups_by_label(self) -> dict[str, Any]:
        return {group.label: group for group in self.featuregroups}

    def __getitem__(self, name: str) -> Feature:
        return self.get_feature(name)

    def __getattr__(self, name: str) -> Feature:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.get_feature(name)
        except FeatureStoreException as error:
            raise AttributeError(f"'Query' object has no attribute '{name}'. {error}") from None

    def __repr__(self) -> str:
        return f"Query({' + '.join(group.label for group in self.featuregroups)})"

    def __str__(self) -> str:
        return self.to_string()
