"""Feature views, training datasets and transformation functions of a feature store of the shim."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import hopyard


class ViewStore:
    """What is made of feature groups."""

    _project: hopyard.Project
    _store: hopyard.FeatureStore

    @property
    def _whole(self) -> Any:
        return self

    def create_feature_view(
        self,
        name: str,
        query: Any,
        version: int | None = None,
        description: str | None = "",
        labels: list[str] | None = None,
        inference_helper_columns: Any = None,
        training_helper_columns: list[str] | None = None,
        transformation_functions: Any = None,
        logging_enabled: bool | None = False,
        extra_log_columns: Any = None,
        tags: Any = None,
    ) -> Any:
        """Store a new feature view and return it.

        3.0 had the transformation functions in sixth place, as a dictionary; that is told from helper columns.
        """
        if isinstance(inference_helper_columns, dict):
            transformation_functions, inference_helper_columns = inference_helper_columns, None
        return _part("feature_view").create_feature_view(
            self._whole,
            name=name,
            query=query,
            version=version,
            description=description,
            labels=labels,
            inference_helper_columns=inference_helper_columns,
            training_helper_columns=training_helper_columns,
            transformation_functions=transformation_functions,
            tags=tags,
        )

    def get_or_create_feature_view(
        self,
        name: str,
        query: Any,
        version: int | None = None,
        description: str | None = "",
        labels: list[str] | None = None,
        inference_helper_columns: Any = None,
        training_helper_columns: list[str] | None = None,
        transformation_functions: Any = None,
        logging_enabled: bool | None = False,
        extra_log_columns: Any = None,
        tags: Any = None,
    ) -> Any:
        """Return the stored feature view as it is, or a new one as `create_feature_view` does."""
        found = _part("feature_view").find_feature_view(self._whole, name, 1 if version is None else version)
        if found is not None:
            return found
        return self.create_feature_view(
            name,
            query,
            version,
            description,
            labels,
            inference_helper_columns,
            training_helper_columns,
            transformation_functions,
            tags=tags,
        )

    def get_feature_view(self, name: str, version: int | None = None) -> Any:
        """Return a stored feature view, None if there is none. Without a version: version 1, with a warning."""
        return _part("feature_view").find_feature_view(self._whole, name, version)

    def get_feature_views(self, name: str | None = None) -> list[Any]:
        """Return all versions of a feature view; without a name, all views."""
        return list(_part("feature_view").list_feature_views(self._whole, name))

    def create_training_dataset(
        self,
        name: str,
        version: int | None = None,
        description: str | None = "",
        data_format: str | None = "tfrecords",
        coalesce: Any = False,
        storage_connector: Any = None,
        splits: Any = None,
        location: Any = "",
        seed: Any = None,
        statistics_config: Any = None,
        label: Any = None,
        transformation_functions: Any = None,
        train_split: str | None = None,
        time_split_size: int | None = None,
        **_: Any,
    ) -> Any:
        """Return a new training dataset, which `save` makes. 2020's order has no `coalesce`, told by its kind."""
        given = [coalesce, storage_connector, splits, location, seed, statistics_config, label]
        if not isinstance(coalesce, bool | None) or isinstance(storage_connector, dict):
            # 2020: storage_connector, splits, location, seed, statistics_config, label
            storage_connector, splits, location, seed, statistics_config, label = given[:6]
            label = given[6] if given[6] is not None else label
            coalesce = False
        return _part("training_dataset").create_training_dataset(
            self._whole,
            name=name,
            version=version,
            description=description,
            data_format=data_format,
            coalesce=coalesce,
            storage_connector=storage_connector,
            splits=splits,
            location=location,
            seed=seed,
            statistics_config=statistics_config,
            label=label,
            transformation_functions=transformation_functions,
            train_split=train_split,
        )

    def get_training_dataset(self, name: str, version: int | None = None) -> Any:
        """Return a stored training dataset. Without a version: version 1, with a warning."""
        return _part("training_dataset").find_training_dataset(self._whole, name, version)

    def get_training_datasets(self, name: str | None = None) -> list[Any]:
        """Return all versions of a training dataset; without a name, all."""
        return list(_part("training_dataset").list_training_datasets(self._whole, name))

    def create_transformation_function(
        self, transformation_function: Any, output_type: Any = None, version: int | None = None
    ) -> Any:
        """Return a transformation function, which `save` stores.

        3.x had the output type in second place, today's order has the version there: a whole number is one.
        """
        if isinstance(output_type, int) and not isinstance(output_type, bool) and version is None:
            output_type, version = None, output_type
        return _part("transformation_function").create_transformation_function(
            self._whole, transformation_function, output_type, version
        )

    def get_transformation_function(self, name: str, version: int | None = None) -> Any:
        """Return a stored or built-in transformation function."""
        return _part("transformation_function").find_transformation_function(self._whole, name, version)

    def get_transformation_functions(self) -> list[Any]:
        """Return the stored and built-in transformation functions."""
        return list(_part("transformation_function").list_transformation_functions(self._whole))


def _part(name: str) -> Any:
    """Return a module of the shim when it is needed: those of views need this one."""
    return import_module(f"hopyard.compat.hsfs.{name}")
