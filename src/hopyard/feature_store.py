"""The user's feature store: the feature groups and feature views of one project."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hopyard.compute.convert import to_dataframe
from hopyard.compute.transform.udf import Udf, spec_of
from hopyard.feature_group import FeatureGroup
from hopyard.feature_view import FeatureView
from hopyard.ingest.draft import draft_group
from hopyard.ingest.expect import check_same_expectations, with_expectations
from hopyard.ingest.find import get_group, get_or_draft_group, list_groups
from hopyard.model.expectations import Policy
from hopyard.model.specs import EventTimeUnit, TransformationSpec
from hopyard.model.statistics import StatisticsConfig
from hopyard.queries import Query, plan_of, query_over
from hopyard.query.feature import Feature
from hopyard.query.namespace import find_feature, plan_features
from hopyard.query.sql import sql
from hopyard.retrieve.dataset import find_dataset, list_manifests
from hopyard.retrieve.functions import get_function, list_functions, store_function
from hopyard.retrieve.search import SearchResult, search
from hopyard.retrieve.view import create_view, draft_view, get_or_create_view, get_view, list_views
from hopyard.session import Session
from hopyard.time import Instant
from hopyard.training_dataset import TrainingDataset, draft_dataset


class FeatureStore:
    """The feature groups and feature views of one project. Made by `Project.get_feature_store`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def name(self) -> str:
        """The project's name."""
        return self._session.project

    def create_feature_group(
        self,
        name: str,
        version: int | None = None,
        *,
        description: str = "",
        primary_key: Sequence[str] | str = (),
        event_time: str | None = None,
        event_time_unit: EventTimeUnit | None = None,
        foreign_key: Sequence[str] | Mapping[str, str] | str = (),
        partition_key: Sequence[str] | str = (),
        ttl: timedelta | None = None,
        online_enabled: bool = False,
        features: Mapping[str, str] | None = None,
        transformation_functions: Sequence[TransformationSpec] | TransformationSpec = (),
        statistics_config: StatisticsConfig | Mapping[str, object] | bool = True,
        expectations: object = (),
        expectation_policy: Policy | None = None,
        tags: Mapping[str, object] | None = None,
        keywords: Sequence[str] | str = (),
    ) -> FeatureGroup:
        """Return a new feature group; nothing is stored until its first `insert` or `save`.

        Args:
            name: lower-case letters, digits and underscores.
            version: None: the next one, decided when the group is stored.
            description: what the group is about.
            primary_key: the columns that name an entity. Without one the group is append-only and offline only.
            event_time: the column that says when a row held in the world: a timestamp, a date (00:00 UTC), or a
                bigint since 1970.
            event_time_unit: what a bigint event time counts: s, ms or us.
            foreign_key: columns that hold keys of other groups, for inferred joins; as a dict where the names differ:
                `{"dest": "faa"}`.
            partition_key: columns (string, int, bigint, boolean, date) by whose values the files are divided into
                folders; worth it where each value has many rows. It is no part of a row's identity.
            ttl: the age past which a row no longer matches.
            online_enabled: serve the newest row per primary key online.
            features: feature types by name; default: inferred from the first frame.
            transformation_functions: your own functions (`hopyard.udf`), bound to columns: their results are features,
                computed at each insert and again in feature vectors. A column that they take and that is no feature is
                a request parameter: it is used and not stored. Without `features`, these are the dropped ones.
            statistics_config: which statistics are computed, and when: a `StatisticsConfig`, a dict of its options, or
                False for none.
            expectations: what its rows must be like, see `FeatureGroup.expect`. Without `features`, their columns are
                checked with the first frame, before anything is written.
            expectation_policy: `strict` or `always`, see `FeatureGroup.expect`.
            tags: values by name; `keywords`: words by which `search` finds the group.
        Raises:
            InvalidNameError: the name; the message shows the nearest valid one.
            AlreadyExistsError: this version is stored.
            ConfigError, NotFoundError, SchemaMismatchError, QueryError: expectations that can never be checked.
        """
        spec = draft_group(
            self._session,
            name,
            version,
            description=description,
            primary_key=primary_key,
            event_time=event_time,
            event_time_unit=event_time_unit,
            foreign_key=foreign_key,
            partition_key=partition_key,
            ttl=ttl,
            online_enabled=online_enabled,
            features=features,
            transformation_functions=transformation_functions,
            statistics_config=statistics_config,
            tags=tags,
            keywords=keywords,
        )
        spec = with_expectations(self._session, spec, expectations, expectation_policy, keep=False)
        return FeatureGroup(self._session, spec, is_stored=False)

    def get_feature_group(self, name: str, version: int | None = None) -> FeatureGroup:
        """Return a stored feature group; None: its latest version. Raises NotFoundError."""
        return FeatureGroup(self._session, get_group(self._session, name, version), is_stored=True)

    def get_or_create_feature_group(
        self,
        name: str,
        version: int | None = None,
        *,
        description: str | None = None,
        primary_key: Sequence[str] | str | None = None,
        event_time: str | None = None,
        event_time_unit: EventTimeUnit | None = None,
        foreign_key: Sequence[str] | Mapping[str, str] | str | None = None,
        partition_key: Sequence[str] | str | None = None,
        ttl: timedelta | None = None,
        online_enabled: bool | None = None,
        features: Mapping[str, str] | None = None,
        transformation_functions: Sequence[TransformationSpec] | TransformationSpec | None = None,
        statistics_config: StatisticsConfig | Mapping[str, object] | bool | None = None,
        expectations: object | None = None,
        expectation_policy: Policy | None = None,
        tags: Mapping[str, object] | None = None,
        keywords: Sequence[str] | str | None = None,
    ) -> FeatureGroup:
        """Return the stored feature group, or a new one as `create_feature_group` does.

        Args:
            version: None: the latest, or the first.
        Raises:
            AlreadyExistsError: an argument contradicts what is stored; the message lists each difference.
        """
        asked = {
            "description": description,
            "primary_key": primary_key,
            "event_time": event_time,
            "event_time_unit": event_time_unit,
            "foreign_key": foreign_key,
            "partition_key": partition_key,
            "ttl": ttl,
            "online_enabled": online_enabled,
            "features": features,
            "transformation_functions": transformation_functions,
            "statistics_config": statistics_config,
            "tags": tags,
            "keywords": keywords,
        }
        given = {argument: value for argument, value in asked.items() if value is not None}
        spec, is_stored = get_or_draft_group(self._session, name, version, given)
        if is_stored:
            check_same_expectations(self._session, spec, expectations, expectation_policy)
        else:
            spec = with_expectations(self._session, spec, expectations or (), expectation_policy, keep=False)
        return FeatureGroup(self._session, spec, is_stored=is_stored)

    def list_feature_groups(self, name: str | None = None) -> list[FeatureGroup]:
        """Return the stored feature groups, all versions, ordered by name and version."""
        return [
            FeatureGroup(self._session, spec, is_stored=True) for spec in list_groups(self._session, name)
        ]

    def create_feature_view(
        self,
        name: str,
        query: Query,
        version: int | None = None,
        *,
        description: str = "",
        labels: Sequence[str] | str = (),
        training_helper_columns: Sequence[str] | str = (),
        inference_helper_columns: Sequence[str] | str = (),
        transformation_functions: Sequence[TransformationSpec] | TransformationSpec = (),
        tags: Mapping[str, object] | None = None,
        keywords: Sequence[str] | str = (),
    ) -> FeatureView:
        """Store a new feature view and return it.

        Args:
            name: lower-case letters, digits and underscores.
            query: the features, labels and helper columns; its left-most group gives the rows and their event times.
            version: None: the next one.
            labels: the columns to predict, never part of a feature vector.
            training_helper_columns: columns that help while training and are no features.
            inference_helper_columns: columns that help while serving and are no features.
            transformation_functions: such as `hopyard.min_max_scaler("temp")`, applied in this order; a result has
                the place of its feature.
            tags: values by name; `keywords`: words by which `search` finds the view.
        Raises:
            AlreadyExistsError, InvalidNameError: the name or version.
            NotFoundError: a label, helper column or transformed feature that the query does not have.
            TrainingDatasetError: a column with two roles, or a transformation that does not fit its type.
        """
        spec = draft_view(
            self._session,
            name,
            plan_of(query),
            version,
            description=description,
            labels=labels,
            training_helper_columns=training_helper_columns,
            inference_helper_columns=inference_helper_columns,
            transformation_functions=transformation_functions,
            tags=tags,
            keywords=keywords,
        )
        return FeatureView(self._session, create_view(self._session, spec))

    def get_or_create_feature_view(
        self,
        name: str,
        query: Query,
        version: int | None = None,
        *,
        description: str = "",
        labels: Sequence[str] | str = (),
        training_helper_columns: Sequence[str] | str = (),
        inference_helper_columns: Sequence[str] | str = (),
        transformation_functions: Sequence[TransformationSpec] | TransformationSpec = (),
        tags: Mapping[str, object] | None = None,
        keywords: Sequence[str] | str = (),
    ) -> FeatureView:
        """Return the stored feature view, or create it.

        Args:
            version: None: the latest, or the first. The other arguments are those of `create_feature_view`;
                description, tags and keywords are those of a new view.
        Raises:
            AlreadyExistsError: the query, labels, helpers or transformations differ from the stored ones.
        """
        spec = draft_view(
            self._session,
            name,
            plan_of(query),
            version,
            description=description,
            labels=labels,
            training_helper_columns=training_helper_columns,
            inference_helper_columns=inference_helper_columns,
            transformation_functions=transformation_functions,
            tags=tags,
            keywords=keywords,
        )
        return FeatureView(self._session, get_or_create_view(self._session, spec))

    def get_feature_view(self, name: str, version: int | None = None) -> FeatureView:
        """Return a stored feature view; None: its latest version. Raises NotFoundError."""
        return FeatureView(self._session, get_view(self._session, name, version))

    def list_feature_views(self, name: str | None = None) -> list[FeatureView]:
        """Return the stored feature views, all versions, ordered by name and version."""
        return [FeatureView(self._session, spec) for spec in list_views(self._session, name)]

    def create_training_dataset(
        self,
        name: str,
        version: int | None = None,
        *,
        description: str = "",
        data_format: str = "parquet",
        splits: Mapping[str, float] | None = None,
        seed: int | None = None,
        label: Sequence[str] | str = (),
        location: str | os.PathLike[str] = "",
    ) -> TrainingDataset:
        """Return a new training dataset; its `save(query)` or `save(dataframe)` makes it, without a feature view.

        Args:
            name: lower-case letters, digits and underscores; not that of a view's datasets, such as `delays_1`.
            version: None: the next one.
            description: what it is for.
            data_format: parquet, csv or arrow (IPC files).
            splits: shares that sum to 1, such as `{"train": 0.8, "test": 0.2}`; rows are placed by a seeded hash of
                their identity, see `FeatureView.train_test_split`. None: no splits.
            seed: of the split; the default is fixed.
            label: the column or columns to predict.
            location: a folder for the files, new or empty; default: in the store.
        Raises:
            InvalidNameError, ConfigError: the name or version.
            AlreadyExistsError: the version exists, or the name belongs to a feature view.
            TrainingDatasetError: splits, a format or a location that cannot be.
        """
        draft = draft_dataset(
            self._session,
            name,
            version,
            description=description,
            data_format=data_format,
            splits=splits or {},
            seed=seed,
            label=label,
            location=location,
        )
        return TrainingDataset(self._session, draft=draft)

    def get_training_dataset(self, name: str, version: int | None = None) -> TrainingDataset:
        """Return a stored training dataset by its name (`delays_1` for one of view `delays` version 1).

        The name of a view stands for its latest version that has training datasets.

        Args:
            version: None: the latest.
        Raises:
            NotFoundError: there is none; close matches are listed.
        """
        return TrainingDataset(self._session, find_dataset(self._session, name, version))

    def list_training_datasets(self, name: str | None = None) -> list[TrainingDataset]:
        """Return the stored training datasets, those of feature views too, ordered by name and version."""
        return [TrainingDataset(self._session, manifest) for manifest in list_manifests(self._session, name)]

    def create_transformation_function(self, function: Udf, version: int | None = None) -> Udf:
        """Store a function of your own in the project, under its name, and return it with its version.

        Args:
            function: what `hopyard.udf` made.
            version: None: the one that has this very code, else the next one.
        Raises:
            AlreadyExistsError: this version has other code.
        """
        stored = store_function(self._session, spec_of(function), version)
        return Udf(stored.function, stored.version)

    def get_transformation_function(self, name: str, version: int | None = None) -> Udf:
        """Return a stored function, to be bound to features; None: its latest version. Raises NotFoundError.

        It runs only if this process defines it, too, or you trust it (`hopyard trust NAME --kind function`).
        """
        stored = get_function(self._session, name, version)
        return Udf(stored.function, stored.version)

    def get_transformation_functions(self) -> list[Udf]:
        """Return the stored functions, all versions, ordered by name and version."""
        return [Udf(stored.function, stored.version) for stored in list_functions(self._session)]

    def spine(
        self,
        df: object,
        *,
        event_time: str | None = None,
        event_time_unit: EventTimeUnit | None = None,
        primary_key: Sequence[str] | str = (),
        foreign_key: Sequence[str] | Mapping[str, str] | str = (),
    ) -> Query:
        """Return a query with a dataframe in the place of the left-most group, to join feature groups to its rows.

        The result has one row per row of the dataframe, in its order: its columns, then the features that are joined.

        Args:
            df: any dataframe that `FeatureGroup.insert` takes, read by the same rules: a naive timestamp is UTC, an
                index without a name is no column. It is never changed, and later changes to it have no effect.
            event_time: the column that says when a row held in the world: a timestamp, a date (00:00 UTC), or a
                bigint since 1970. Without one, the newest rows are joined, whatever their time.
            event_time_unit: what a bigint event time counts: s, ms or us.
            primary_key: columns from which joins are inferred, as from the primary key of a group. They may repeat and
                have nulls, which match nothing.
            foreign_key: columns that hold keys of feature groups, likewise; as a dict where the names differ.
        Raises:
            SchemaMismatchError: no dataframe, a column that is missing or has no feature type, a null event time; names
                the column, the count and the first rows.
            InvalidNameError: columns whose names cannot name features.
            ConfigError: an event_time_unit that is missing or contradicts the type.
        """
        return query_over(
            self._session,
            df,
            event_time=event_time,
            event_time_unit=event_time_unit,
            primary_key=primary_key,
            foreign_key=foreign_key,
        )

    def get_features(self, names: Sequence[str] | str) -> Query:
        """Return a query of features by their names alone, joined as their groups' keys allow.

        The left-most group is the one among theirs whose keys reach all others; of several, the one with the largest
        primary key, then the one that is named first. The others are joined to it by inferred keys, or to one of them
        where only its keys reach (a snowflake). Point-in-time joins follow the left-most group's event time.

        Args:
            names: `feature`, looked up in the latest version of every group; `group.feature` of a group's latest
                version; or `group@2.feature`. The result has them in this order, by their own names.
        Raises:
            NotFoundError: no such feature, group or version; with close matches.
            AmbiguousFeatureError: several groups have the feature, or two of the result would have one name.
            JoinKeyError: no group among them reaches all others; the message shows their keys.
            QueryError: no names, or one twice.
        """
        return Query(self._session, plan_features(list_groups(self._session, None), names))

    def get_feature(self, name: str) -> Feature:
        """Return a feature by its name alone, looked up as `get_features` does, with the same errors."""
        return find_feature(list_groups(self._session, None), name)

    def search(
        self,
        text: str = "",
        *,
        tags: Mapping[str, Any] | None = None,
        keywords: Sequence[str] | str = (),
        kinds: Sequence[str] | str | None = None,
        limit: int = 100,
    ) -> SearchResult:
        """Return what has these words, the best first: feature groups, features, feature views, training datasets.

        Args:
            text: words, each of which must begin a word of the name, the keywords, the tags, the description, or the
                names of the features; small and capital letters are alike, and so are letters with and without accents.
                `_` separates words: `delay` finds `dep_delay`. Everything else in it is text, too. Empty: everything.
            tags: only what has these tags, by name; the value None stands for any.
            keywords: only what has all of these keywords.
            kinds: only these: `feature_group`, `feature_view`, `training_dataset`, `feature`; None: all.
            limit: at most so many.
        Returns:
            Hits with `kind`, `name`, `version`, `group` (a feature's), `matched_in`, `score`; `print` shows a table.
        Raises:
            NotFoundError: no such kind; ConfigError: tags, keywords or a limit that cannot be.
        """
        return search(self._session, text, tags=tags, keywords=keywords, kinds=kinds, limit=limit)

    def sql(self, query: str, *, as_of: Instant | None = None, dataframe_type: str = "default") -> Any:
        """Return the rows of a SELECT over feature groups as a dataframe.

        Args:
            query: one SELECT in DuckDB's dialect. A group is named `name_version`, or `name` for its latest version;
                files, settings and everything else are out of reach.
            as_of: read every group as committed at this instant; None: its last commit.
            dataframe_type: see `Query.read`.
        Raises:
            QueryError: no SELECT, something that is not allowed, or a statement that fails.
            NotFoundError: no such group.
        """
        return to_dataframe(sql(self._session, query, as_of=as_of), dataframe_type)

    def __repr__(self) -> str:
        return f"FeatureStore({self.name!r} at {str(self._session.root)!r})"
