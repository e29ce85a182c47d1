"""What a feature view does to make training data, in memory and as datasets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hopyard.model.specs import FeatureViewSpec
from hopyard.retrieve.dataset import Target, create_dataset
from hopyard.retrieve.dataset_files import full_path
from hopyard.retrieve.frames import in_memory
from hopyard.retrieve.layout import recipe_of_view
from hopyard.retrieve.spine import view_spine
from hopyard.retrieve.split_request import SplitRequest, split_request
from hopyard.retrieve.view import training_outputs, view_as_of
from hopyard.session import Session
from hopyard.time import Instant, optional_micros
from hopyard.training_dataset import TrainingDataset


class TrainingDataMethods:
    """The methods of `FeatureView` that make training data."""

    _session: Session
    _spec: FeatureViewSpec

    def training_data(
        self,
        *,
        spine: object = None,
        start_time: Instant | None = None,
        end_time: Instant | None = None,
        training_helper_columns: bool = False,
        dataframe_type: str = "default",
        as_of: Instant | None = None,
    ) -> tuple[Any, Any]:
        """Return features X and labels y of all rows, in memory; no training dataset version is made.

        Each row has its features as they were at its event time; rows are ordered by the root's row identity.

        With a spine, X has its columns in their order (without labels), then the view's other features, and y the
        labels that it brings; rows keep its order. Neither the filter on the root nor `query.filter` after the joins
        applies to it: they choose rows of the group. An inner join still drops the rows without a match.

        Args:
            spine: a dataframe in the place of the root group, such as `insert` takes. It has the root's event time, the
                columns by which other groups are joined to the root, and the root's own features and training helper
                columns; labels of the root may be missing, then y is None. Further columns are kept. A column that is
                called as a feature of the root has its type.
            start_time: only rows with this event time or a later one (UTC).
            end_time: only rows with an earlier event time than this (UTC).
            training_helper_columns: keep them in X.
            dataframe_type: see `Query.read`. One label is a Series or a vector, several are a frame, none is None.
            as_of: read the groups as committed at this instant; None: their last commits.
        Raises:
            SchemaMismatchError: the spine lacks columns (the message lists all), or has values that do not fit.
            AmbiguousFeatureError: a column of the spine is called as a feature of another group.
        """
        return in_memory(
            self._session,
            view_as_of(self._spec, as_of),
            None,
            spine=spine,
            start_us=optional_micros(start_time),
            end_us=optional_micros(end_time),
            keep_helpers=training_helper_columns,
            dataframe_type=dataframe_type,
        )

    def train_test_split(
        self,
        test_size: float | None = None,
        *,
        spine: object = None,
        train_start: Instant | None = None,
        train_end: Instant | None = None,
        test_start: Instant | None = None,
        test_end: Instant | None = None,
        seed: int | None = None,
        exact: bool | None = None,
        group_by: Sequence[str] | str = (),
        stratify_by: Sequence[str] | str = (),
        split_column: str | None = None,
        training_helper_columns: bool = False,
        dataframe_type: str = "default",
        as_of: Instant | None = None,
    ) -> tuple[Any, ...]:
        """Return X_train, X_test, y_train, y_test in memory; transformations are fitted on train.

        Args:
            test_size: the share of test rows, chosen by a seeded hash of each row's identity; or, by event time,
                train_start <= train < train_end and test_start <= test < test_end (UTC; missing ends are open, and of
                two neighbouring bounds one is enough).
            spine: a dataframe in the place of the root group, see `training_data`. Its rows are placed by the hash of
                the root's primary key if it has that, else of the columns by which other groups are joined, and the
                event time; without any of them, of all its columns. The order of its rows has no influence.
            seed: of the random split; the default is fixed.
            exact: exactly the rounded share (default where a split is small), or a threshold on the hash, by which a
                row never changes its split when data grows.
            group_by: columns whose equal rows are in one split, such as the customer; then shares count the groups.
            stratify_by: columns whose every value is cut in the same shares, such as the label; always exact.
            split_column: a column that names each row's split (`train`, `test`), in the place of all these; null: in
                none. These columns belong to the query or to its left-most group, and the last one is no feature.
            training_helper_columns: keep them in X.
            dataframe_type: see `Query.read`.
            as_of: read the groups as committed at this instant; None: their last commits.
        Raises:
            TrainingDatasetError: sizes or times that cannot be.
        """
        request = split_request(
            {"test": test_size},
            {"train": (train_start, train_end), "test": (test_start, test_end)},
            seed=seed,
            exact=exact,
            group_by=group_by,
            stratify_by=stratify_by,
            split_column=split_column,
        )
        return in_memory(
            self._session,
            view_as_of(self._spec, as_of),
            request,
            spine=spine,
            keep_helpers=training_helper_columns,
            dataframe_type=dataframe_type,
        )

    def train_validation_test_split(
        self,
        validation_size: float | None = None,
        test_size: float | None = None,
        *,
        spine: object = None,
        train_start: Instant | None = None,
        train_end: Instant | None = None,
        validation_start: Instant | None = None,
        validation_end: Instant | None = None,
        test_start: Instant | None = None,
        test_end: Instant | None = None,
        seed: int | None = None,
        exact: bool | None = None,
        group_by: Sequence[str] | str = (),
        stratify_by: Sequence[str] | str = (),
        split_column: str | None = None,
        training_helper_columns: bool = False,
        dataframe_type: str = "default",
        as_of: Instant | None = None,
    ) -> tuple[Any, ...]:
        """Return X_train, X_validation, X_test, y_train, y_validation, y_test; see `train_test_split`."""
        request = split_request(
            {"validation": validation_size, "test": test_size},
            {
                "train": (train_start, train_end),
                "validation": (validation_start, validation_end),
                "test": (test_start, test_end),
            },
            seed=seed,
            exact=exact,
            group_by=group_by,
            stratify_by=stratify_by,
            split_column=split_column,
        )
        return in_memory(
            self._session,
            view_as_of(self._spec, as_of),
            request,
            spine=spine,
            keep_helpers=training_helper_columns,
            dataframe_type=dataframe_type,
        )

    def create_training_data(
        self,
        *,
        spine: object = None,
        start_time: Instant | None = None,
        end_time: Instant | None = None,
        data_format: str = "parquet",
        description: str = "",
        location: str | os.PathLike[str] = "",
        store_spine: bool = True,
        as_of: Instant | None = None,
    ) -> TrainingDataset:
        """Materialise all rows as the next training dataset version, and return it.

        Rows are streamed within the memory limit, and nothing of the dataset is visible before all of it is on disk.

        Args:
            spine: a dataframe in the place of the root group, see `training_data`. Its rows are stored with the
                dataset, so that it can be rebuilt.
            start_time: only rows with this event time or a later one (UTC).
            end_time: only rows with an earlier event time than this (UTC).
            data_format: parquet, csv or arrow (IPC files).
            location: a folder for the files, new or empty, such as one on another disk; default: in the store.
            store_spine: False: the dataframe is not kept; then `verify()` cannot tell, and `rebuild()` is refused.
            as_of: read the groups as committed at this instant; None: their last commits.
        Raises:
            TrainingDatasetError: an unknown format, or one that cannot keep a column exactly; a folder that is not
                empty; a full disk. Nothing was kept.
        """
        target = Target(
            view=self._spec,
            data_format=data_format,
            description=description,
            location=full_path(location),
            keep_spine=store_spine,
        )
        return self._create(target, None, spine, as_of, start_time, end_time)

    def create_train_test_split(
        self,
        test_size: float | None = None,
        *,
        spine: object = None,
        train_start: Instant | None = None,
        train_end: Instant | None = None,
        test_start: Instant | None = None,
        test_end: Instant | None = None,
        seed: int | None = None,
        exact: bool | None = None,
        group_by: Sequence[str] | str = (),
        stratify_by: Sequence[str] | str = (),
        split_column: str | None = None,
        data_format: str = "parquet",
        description: str = "",
        location: str | os.PathLike[str] = "",
        store_spine: bool = True,
        as_of: Instant | None = None,
    ) -> TrainingDataset:
        """Materialise train and test as the next training dataset version, and return it.

        The arguments are those of `train_test_split` and `create_training_data`.
        """
        request = split_request(
            {"test": test_size},
            {"train": (train_start, train_end), "test": (test_start, test_end)},
            seed=seed,
            exact=exact,
            group_by=group_by,
            stratify_by=stratify_by,
            split_column=split_column,
        )
        target = Target(
            view=self._spec,
            data_format=data_format,
            description=description,
            location=full_path(location),
            keep_spine=store_spine,
        )
        return self._create(target, request, spine, as_of)

    def create_train_validation_test_split(
        self,
        validation_size: float | None = None,
        test_size: float | None = None,
        *,
        spine: object = None,
        train_start: Instant | None = None,
        train_end: Instant | None = None,
        validation_start: Instant | None = None,
        validation_end: Instant | None = None,
        test_start: Instant | None = None,
        test_end: Instant | None = None,
        seed: int | None = None,
        exact: bool | None = None,
        group_by: Sequence[str] | str = (),
        stratify_by: Sequence[str] | str = (),
        split_column: str | None = None,
        data_format: str = "parquet",
        description: str = "",
        location: str | os.PathLike[str] = "",
        store_spine: bool = True,
        as_of: Instant | None = None,
    ) -> TrainingDataset:
        """Materialise train, validation and test as the next training dataset version; see the two-way method."""
        request = split_request(
            {"validation": validation_size, "test": test_size},
            {
                "train": (train_start, train_end),
                "validation": (validation_start, validation_end),
                "test": (test_start, test_end),
            },
            seed=seed,
            exact=exact,
            group_by=group_by,
            stratify_by=stratify_by,
            split_column=split_column,
        )
        target = Target(
            view=self._spec,
            data_format=data_format,
            description=description,
            location=full_path(location),
            keep_spine=store_spine,
        )
        return self._create(target, request, spine, as_of)

    def _create(
        self,
        target: Target,
        request: SplitRequest | None,
        spine: object,
        as_of: Instant | None,
        start_time: Instant | None = None,
        end_time: Instant | None = None,
    ) -> TrainingDataset:
        view = view_as_of(self._spec, as_of)
        rows = None if spine is None else view_spine(self._session, view, spine, training_outputs(view))
        manifest = create_dataset(
            self._session,
            target,
            recipe_of_view(view, rows),
            request,
            start_us=optional_micros(start_time),
            end_us=optional_micros(end_time),
        )
        return TrainingDataset(self._session, manifest)
