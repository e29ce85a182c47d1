"""The user's feature view: the features and labels of one model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hopyard.described import Described
from hopyard.errors import ServingError
from hopyard.feature_group import FeatureGroup
from hopyard.model.specs import FeatureViewSpec, TransformationSpec
from hopyard.model.statistics import Statistics
from hopyard.observe.vector_parity import check_vectors
from hopyard.observe.vector_report import VectorParity
from hopyard.online.reader import VectorReader
from hopyard.online.vectors import Entry
from hopyard.queries import Query
from hopyard.retrieve.dataset import get_manifest, list_manifests
from hopyard.retrieve.frames import batch_frame, stored_splits
from hopyard.retrieve.leakage.check import check_view
from hopyard.retrieve.leakage.report import LeakageReport
from hopyard.retrieve.lineage import parents
from hopyard.retrieve.serving import export_plan, open_reader
from hopyard.retrieve.usage import delete_view
from hopyard.retrieve.view import (
    batch_plan,
    change_view,
    feature_outputs,
    view_as_of,
)
from hopyard.session import Session
from hopyard.time import Instant, optional_micros
from hopyard.training_data import TrainingDataMethods
from hopyard.training_dataset import TrainingDataset


class FeatureView(TrainingDataMethods, Described[FeatureViewSpec]):
    """A query with labels and transformations, under a name and a version. Made by `FeatureStore`."""

    def __init__(self, session: Session, spec: FeatureViewSpec) -> None:
        self._session = session
        self._spec = spec
        self._reader: VectorReader | None = None

    @property
    def name(self) -> str:
        """The view's name."""
        return self._spec.name

    @property
    def version(self) -> int:
        """The view's version."""
        return self._spec.version

    @property
    def labels(self) -> list[str]:
        """The columns to predict."""
        return list(self._spec.labels)

    @property
    def features(self) -> list[str]:
        """The names of what a model sees, in the order of feature vectors."""
        return [out.name for out in feature_outputs(self._spec)]

    @property
    def transformations(self) -> list[TransformationSpec]:
        """The transformations, each bound to its feature."""
        return list(self._spec.transformations)

    @property
    def query(self) -> Query:
        """The query, with labels and helper columns."""
        return Query(self._session, self._spec.plan)

    @property
    def spec(self) -> FeatureViewSpec:
        """The view as frozen data."""
        return self._spec

    def get_training_dataset(self, version: int | None = None) -> TrainingDataset:
        """Return a training dataset; None: the latest. Raises NotFoundError."""
        return TrainingDataset(self._session, get_manifest(self._session, self._spec, version))

    def get_training_datasets(self) -> list[TrainingDataset]:
        """Return all training datasets of this view, oldest first."""
        return [
            TrainingDataset(self._session, manifest)
            for manifest in list_manifests(self._session, self._spec.label)
        ]

    def get_training_dataset_statistics(
        self, version: int | None = None, *, split: str | None = None, before_transformation: bool = False
    ) -> Statistics:
        """Return the statistics of a split of a training dataset; see `TrainingDataset.get_statistics`.

        Args:
            version: None: the latest.
        """
        return self.get_training_dataset(version).get_statistics(
            split, before_transformation=before_transformation
        )

    def get_training_data(
        self, version: int | None = None, *, dataframe_type: str = "default"
    ) -> tuple[Any, ...]:
        """Return X and y of a stored training dataset; with splits X_train, X_test, ..., y_train, y_test, ..."""
        return stored_splits(self._session, self._spec, version, dataframe_type)

    def get_batch_data(
        self,
        *,
        spine: object = None,
        start_time: Instant | None = None,
        end_time: Instant | None = None,
        training_dataset_version: int | None = None,
        transformed: bool = True,
        primary_key: bool = False,
        event_time: bool = False,
        dataframe_type: str = "default",
        as_of: Instant | None = None,
    ) -> Any:
        """Return the features of the root's rows, each as they were at its event time, for batch scoring.

        With a spine: its columns without labels, then the view's other features, for its rows in its order; filters
        as in `training_data`.

        Args:
            spine: a dataframe in the place of the root group, see `training_data`; helper columns are not needed.
            start_time: only rows with this event time or a later one (UTC).
            end_time: only rows with an earlier event time than this (UTC).
            training_dataset_version: whose fitted statistics transform the features; None: the latest. Unused by
                views without transformations.
            transformed: False: the features as stored.
            primary_key: add the root's primary key after the features, unless it is among them.
            event_time: add the root's event time, likewise.
            dataframe_type: see `Query.read`.
            as_of: read the groups as committed at this instant; None: their last commits.
        Raises:
            NotFoundError: the view has transformations and no training dataset.
            SchemaMismatchError, AmbiguousFeatureError: a spine that does not fit, see `training_data`.
        """
        return batch_frame(
            self._session,
            view_as_of(self._spec, as_of),
            spine=spine,
            start_us=optional_micros(start_time),
            end_us=optional_micros(end_time),
            training_dataset_version=training_dataset_version,
            transformed=transformed,
            primary_key=primary_key,
            event_time=event_time,
            dataframe_type=dataframe_type,
        )

    def get_batch_query(self, *, start_time: Instant | None = None, end_time: Instant | None = None) -> Query:
        """Return the query of `get_batch_data`: the features as stored, for the root's rows in a range of event time.

        Args:
            start_time: only rows with this event time or a later one (UTC).
            end_time: only rows with an earlier event time than this (UTC).
        """
        plan = batch_plan(self._spec, optional_micros(start_time), optional_micros(end_time))
        return Query(self._session, plan)

    def init_serving(self, training_dataset_version: int | None = None) -> None:
        """Prepare `get_feature_vector`: keys, order, decoding and transformations are decided once.

        Args:
            training_dataset_version: whose fitted statistics transform the features; None: the latest.
        Raises:
            ServingError: the view cannot be served as it was trained, with every reason.
            NotFoundError: the view has transformations and no training dataset.
        """
        self._reader = open_reader(self._session, self._spec, training_dataset_version)

    @property
    def serving_keys(self) -> list[str]:
        """The keys that an entry needs. Raises ServingError before `init_serving`."""
        return list(self._serving().serving_keys)

    def get_feature_vector(
        self,
        entry: Entry,
        *,
        passed_features: Entry | None = None,
        request_parameters: Entry | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return the view's features for one entity, as they are now.

        Args:
            entry: the serving keys; features of the root that are known at request time may be given here, too.
            passed_features: features that the caller knows better, by name; they win over the online store.
            request_parameters: what on-demand features are computed from, by name; they win over both.
            allow_missing: null for features without an online row (or past their ttl) instead of an error.
            return_type: list (in the order of `features`), dict, numpy, pandas, polars or arrow; the last three have
                one row.
            transform: False: the features as stored.
        Returns:
            One value per feature. Timestamps are aware datetimes in UTC.
        Raises:
            FeatureVectorError: unknown or missing keys, a wrong type, or a missing feature.
            ServingError: before `init_serving`.
            UserFunctionError: a user's function fails, or gives something else than it declares.
            StoreError: the online store does not answer.
        """
        return self._serving().get_feature_vector(
            entry,
            passed_features=passed_features,
            request_parameters=request_parameters,
            allow_missing=allow_missing,
            return_type=return_type,
            transform=transform,
        )

    def get_feature_vectors(
        self,
        entries: Sequence[Entry],
        *,
        passed_features: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector per entry, in their order, always; see `get_feature_vector`.

        Args:
            request_parameters: the same for all entries, or a list with one for each.
        """
        return self._serving().get_feature_vectors(
            entries,
            passed_features=passed_features,
            request_parameters=request_parameters,
            allow_missing=allow_missing,
            return_type=return_type,
            transform=transform,
        )

    async def aget_feature_vector(
        self,
        entry: Entry,
        *,
        passed_features: Entry | None = None,
        request_parameters: Entry | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return the view's features for one entity without blocking the event loop; see `get_feature_vector`.

        Network stores are awaited; the embedded one answers at once, in microseconds.
        """
        return await self._serving().aget_feature_vector(
            entry,
            passed_features=passed_features,
            request_parameters=request_parameters,
            allow_missing=allow_missing,
            return_type=return_type,
            transform=transform,
        )

    async def aget_feature_vectors(
        self,
        entries: Sequence[Entry],
        *,
        passed_features: Sequence[Entry] | None = None,
        request_parameters: Entry | Sequence[Entry] | None = None,
        allow_missing: bool = False,
        return_type: str = "list",
        transform: bool = True,
    ) -> Any:
        """Return one vector per entry without blocking the event loop; see `get_feature_vectors`."""
        return await self._serving().aget_feature_vectors(
            entries,
            passed_features=passed_features,
            request_parameters=request_parameters,
            allow_missing=allow_missing,
            return_type=return_type,
            transform=transform,
        )

    def export_serving_plan(
        self, path: str | os.PathLike[str], *, training_dataset_version: int | None = None
    ) -> None:
        """Write all that a service needs to answer this view's vectors into a file, in JSON.

        `hopyard.online.VectorReader.open(path)` reads it, without this store's registry and offline tables, and without
        pandas, DuckDB or Delta Lake. Write it again when the view's groups get new features or it is trained anew.

        Args:
            path: a file, replaced if it is there. It names the online store, without a password.
            training_dataset_version: whose fitted statistics transform the features; None: the latest.
        Raises:
            ServingError, NotFoundError: as `init_serving`.
            ConfigError: the file cannot be written.
        """
        export_plan(self._session, self._spec, Path(path), training_dataset_version)

    def check_leakage(
        self,
        *,
        training_dataset_version: int | None = None,
        test_size: float | None = None,
        train_start: Instant | None = None,
        train_end: Instant | None = None,
        test_start: Instant | None = None,
        test_end: Instant | None = None,
        seed: int | None = None,
        exact: bool | None = None,
    ) -> LeakageReport:
        """Return in which ways the features may know the labels: by the times of rows, by values, and by the split.

        The rows are those of training data, before transformation; helper columns are not checked. See
        `Query.check_leakage` for what is looked for. With a split also: entities that are in train and in another one.

        Args:
            training_dataset_version: check the rows and the splits of this training dataset, as its groups were then.
            test_size, train_start, train_end, test_start, test_end, seed, exact: check this split of today's rows; see
                `train_test_split`. None of them: all rows, without a split.
        Raises:
            TrainingDatasetError: the view has no labels, a split that cannot be, or both a version and a split.
            NotFoundError: no such training dataset.
            TimeTravelError: the state of the training dataset cannot be read any more.
        """
        return check_view(
            self._session,
            self._spec,
            training_dataset_version=training_dataset_version,
            test_size=test_size,
            times={"train": (train_start, train_end), "test": (test_start, test_end)},
            seed=seed,
            exact=exact,
        )

    def check_parity(
        self,
        sample: int = 1_000,
        *,
        at: Instant | None = None,
        entries: Sequence[Entry] | None = None,
        training_dataset_version: int | None = None,
    ) -> VectorParity:
        """Return whether the feature vectors equal, bit for bit, the point-in-time rows of their keys; if not, why not.

        The vectors are those that are served now. The rows are those that the view's query has for the same keys at one
        instant, over the commits that are online and were made by then. So now both must be equal; at an earlier
        instant the differences show what has changed since, each with its cause. Commits that are not online yet are
        no difference: what they will change is told apart, as `lagging`.

        Vectors are compared as stored and, if the view has transformations, transformed. Nothing is changed, and
        writers may go on. `init_serving` is not needed.

        Args:
            sample: at most so many keys, always the same ones of the same data: those of the left-most group's rows and
                of the groups that are joined to it.
            at: the instant; None: now.
            entries: compare these serving keys instead.
            training_dataset_version: whose fitted statistics transform the features; None: the latest.
        Raises:
            UntrustedCodeError, ServingError, NotFoundError: as `init_serving`.
            FeatureVectorError: entries that are no serving keys of the view.
            TimeTravelError: `at` is later than now, or the state of then can no longer be read.
        """
        return check_vectors(
            self._session,
            self._spec,
            sample=sample,
            at=at,
            entries=entries,
            training_dataset_version=training_dataset_version,
        )

    def get_parent_feature_groups(self) -> list[FeatureGroup]:
        """Return the feature groups that the view reads, the left-most first, each once; deleted ones are left out."""
        return [
            FeatureGroup(self._session, spec, is_stored=True) for spec in parents(self._session, self._spec)
        ]

    def delete(self, *, force: bool = False) -> list[str]:
        """Remove the view, and return what was removed.

        Args:
            force: remove its training datasets, too.
        Raises:
            TrainingDatasetError: it has training datasets; the message names them.
        """
        return delete_view(self._session, self._spec, force=force)

    def __repr__(self) -> str:
        n_features = len(self.features)
        return (
            f"FeatureView({self.name!r}, version={self.version}, {n_features} features, labels={self.labels})"
        )

    @property
    def _about(self) -> FeatureViewSpec:
        return self._spec

    def _redescribe(self, change: Callable[[FeatureViewSpec], FeatureViewSpec]) -> None:
        self._spec = change_view(self._session, self._spec, change)

    def _serving(self) -> VectorReader:
        if self._reader is None:
            raise ServingError(
                f"Feature view {self._spec.label!r} is not ready to serve: "
                f"call init_serving() once, then ask for vectors."
            )
        return self._reader
