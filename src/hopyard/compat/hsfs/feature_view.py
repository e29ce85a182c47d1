"""Feature views: the features and labels of a model, with its transformations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hopyard.compat.hsfs.callers import expects_error
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.core.explicit_provenance import Links
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.notes import change_notes, forget_notes
from hopyard.compat.hsfs.tags import Noted
from hopyard.compat.hsfs.transformation_chain import Chain
from hopyard.compat.hsfs.transformation_function import (
    TransformationFunction,
    TransformationType,
    bound_functions,
    keep_function,
    trust_for_user,
)
from hopyard.compat.hsfs.util import FeatureViewWarning, VersionWarning, names_of, warn
from hopyard.compat.hsfs.view_absent import AbsentOfView
from hopyard.compat.hsfs.view_datasets import DatasetMethods
from hopyard.compat.hsfs.view_serving import ServingMethods
from hopyard.compat.hsfs.view_training import TrainingMethods
from hopyard.errors import AlreadyExistsError, NotFoundError, ServingError
from hopyard.queries import Query as CoreQuery

if TYPE_CHECKING:
    from hopyard.compat.hsfs.constructor.query import Query
    from hopyard.compat.hsfs.feature_store import FeatureStore


class FeatureView(TrainingMethods, ServingMethods, DatasetMethods, AbsentOfView, Noted):
    """A query with labels and transformations, under a name and a version."""

    @property
    def id(self) -> int:
        """A number that stands for the view."""
        return int(self._core.spec.id, 16)

    @property
    def featurestore_id(self) -> int:
        """The feature store's number."""
        return self._feature_store.id

    @property
    def feature_store_name(self) -> str:
        """The feature store's name."""
        return self._feature_store.name

    @property
    def description(self) -> str:
        """What the view is for."""
        found: str = self._notes.get("description", self._core.description)
        return found

    @description.setter
    def description(self, value: str) -> None:
        change_notes(self._project, self.notes_key, lambda own: own.update(description=value))

    @property
    def labels(self) -> list[str]:
        """The columns to predict."""
        return self._core.labels

    @property
    def inference_helper_columns(self) -> list[str]:
        """Columns that help while serving and are no features."""
        return list(self._core.spec.inference_helper_columns)

    @property
    def training_helper_columns(self) -> list[str]:
        """Columns that help while training and are no features."""
        return list(self._core.spec.training_helper_columns)

    @property
    def schema(self) -> list[Feature]:
        """The columns of the query, with labels and helper columns."""
        return self.query.features

    @property
    def features(self) -> list[Feature]:
        """The columns of the query, with labels and helper columns."""
        return self.schema

    @property
    def transformation_functions(self) -> list[TransformationFunction]:
        """The transformations, each bound to its features."""
        return [
            TransformationFunction(
                self.featurestore_id,
                function,
                1,
                transformation_type=TransformationType.MODEL_DEPENDENT,
                store=self._feature_store,
            )
            for function in self._functions
        ]

    @property
    def model_dependent_transformations(self) -> dict[str, Any]:
        """The plain functions of the transformations, by the name of their first result."""
        return {
            function.output_column_names[0]: function.function
            for function in self._functions
            if function.kind is None
        }

    @property
    def on_demand_transformations(self) -> dict[str, Any]:
        """The plain functions of the on-demand features, by the name of the feature."""
        from hopyard.compute.transform.load import load

        return {
            item.transformation.outputs[0]: load(item.transformation.function)
            for item in self._core.spec.on_demand
            if item.transformation.function is not None
        }

    @property
    def primary_keys(self) -> set[str]:
        """The primary keys of all groups of the query."""
        return {name for node in self._core.spec.plan.nodes for name in node.source.primary_key}

    @property
    def serving_keys(self) -> list[str]:
        """The keys that an entry of a feature vector needs."""
        if self._server is not None:
            return list(self._server.serving_keys)
        core = self._variant()
        try:
            core.init_serving()
        except ServingError:  # such as a group that is not online: then the keys are told as they would be
            joined = {key.right for join in core.spec.plan.joins for key in join.keys}
            return sorted({*core.spec.plan.root.source.primary_key} | (self.primary_keys - joined))
        return core.serving_keys

    @property
    def request_parameters(self) -> list[str]:
        """What on-demand features are computed from, and no group has."""
        return sorted({name for group in self._groups() for name in _request_parameters(group)})

    @property
    def logging_enabled(self) -> bool:
        """No: there is no log of predictions."""
        return False

    def update(self) -> FeatureView:
        """Return the view: its description is kept when it is set."""
        return self

    def get_parent_feature_groups(self) -> Links:
        """Return the groups that the view is made of."""
        return Links(list(self._groups()))

    def get_newest_model(self, training_dataset_version: int | None = None) -> Any:
        """Return the newest model that was trained with the view; None if there is none."""
        found = list(self.get_models(training_dataset_version))
        return max(found, key=lambda model: (model.created or 0, model.version)) if found else None

    def get_models(self, training_dataset_version: int | None = None) -> list[Any]:
        """Return the models that were trained with the view."""
        return list(self.get_models_provenance(training_dataset_version))

    def get_models_provenance(self, training_dataset_version: int | None = None) -> Links:
        """Return the models that were trained with the view, or with one version of its training data."""
        from hopyard.compat.hopsworks.project import Project
        from hopyard.compat.hsml.model_registry import ModelRegistry

        registry = ModelRegistry(Project(self._project))
        return Links(_models_of(registry, self.name, self.version, training_dataset_version))

    def delete(self, force: bool = False) -> None:
        """Remove the view with its training data."""
        self._core.delete(force=True)
        forget_notes(self._project, self.notes_key)

    @staticmethod
    def clean(feature_store_id: int, feature_view_name: str, feature_view_version: int | str) -> None:
        """Remove a view with its training data."""
        from hopyard.compat.hsfs.feature_store import FeatureStore
        from hopyard.compat.session import open_project

        found = find_feature_view(FeatureStore(open_project()), feature_view_name, int(feature_view_version))
        if found is not None:
            found.delete()

    def to_dict(self) -> dict[str, Any]:
        """What names the view, by the original's names."""
        return {
            "featurestoreId": self.featurestore_id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "type": "featureViewDTO",
        }

    def __repr__(self) -> str:
        return f"FeatureView({self.name!r}, version={self.version}, labels={self.labels})"


def create_feature_view(
    store: FeatureStore,
    *,
    name: str,
    query: Query,
    version: int | None = None,
    description: str | None = "",
    labels: Any = None,
    inference_helper_columns: Any = None,
    training_helper_columns: Any = None,
    transformation_functions: Any = None,
    tags: Any = None,
) -> FeatureView:
    """Store a new view and return it; without a version it gets the next one, with a warning.

    Raises:
        RestAPIError: the version exists.
        FeatureStoreException: labels, helper columns or transformations that the query does not have.
    """
    core = _without_time_travel(query)
    roles: dict[str, Any] = {
        "labels": _in_query(labels, core),
        "inference_helper_columns": _in_query(inference_helper_columns, core),
        "training_helper_columns": _in_query(training_helper_columns, core),
    }
    functions = bound_functions(transformation_functions)
    functions = Chain(functions, core.features).functions
    results = [name for function in functions for name in function.output_column_names]
    if len(set(results)) < len(results):
        twice = sorted({name for name in results if results.count(name) > 1})
        raise FeatureStoreException(
            f"Several transformations have results of the same name: {', '.join(twice)}. Name them with alias()."
        )
    try:
        view = store._store.create_feature_view(name, core, version, description=description or "", **roles)
    except AlreadyExistsError as error:
        raise RestAPIError(str(error)) from error
    found = FeatureView(store, view)
    for function in functions:
        if function.kind is None:
            keep_function(store._project, function)
    for item in view.spec.on_demand:
        trust_for_user(store._project, item.transformation)
    noted = {"functions": [function.to_dict() for function in functions]}
    forget_notes(store._project, found.notes_key)
    change_notes(store._project, found.notes_key, lambda own: own.update(noted))
    for tag_name, value in _tags(tags).items():
        found.add_tag(tag_name, value)
    if version is None:
        warn(
            f"No version provided for creating feature view `{name}`, incremented version to `{found.version}`.",
            VersionWarning,
        )
    return found


def find_feature_view(store: FeatureStore, name: str, version: int | None = None) -> FeatureView | None:
    """Return a stored view, None if there is none; without a version the first, with a warning.

    Raises:
        RestAPIError: there is none, and the program creates it in the `except` of this call.
    """
    if version is None:
        warn(f"No version provided for getting feature view `{name}`, defaulting to `1`.", VersionWarning)
    try:
        return FeatureView(store, store._store.get_feature_view(name, int(version or 1)))
    except NotFoundError as error:
        if expects_error("create_feature_view"):
            raise RestAPIError(str(error)) from error
        return None


def list_feature_views(store: FeatureStore, name: str | None = None) -> list[FeatureView]:
    """Return the stored views by name and version."""
    return [FeatureView(store, core) for core in store._store.list_feature_views(name)]


def _in_query(columns: Any, query: CoreQuery) -> list[str]:
    """Return names of columns as the query has them. Raises FeatureStoreException: it does not have one."""
    found = []
    for given in names_of(columns):
        name = given if given in query.features else given.lower()
        if name not in query.features:
            raise FeatureStoreException(
                f"Feature name '{given}' could not found be found in query. It has: {', '.join(query.features)}."
            )
        found.append(name)
    return found


def _without_time_travel(query: Query) -> CoreQuery:
    core = query.core
    times = {"as_of_us": None, "commit": None, "exclude_until_us": None, "exclude_until_commit": None}
    if not any(getattr(node, name) is not None for node in core.plan.nodes for name in times):
        return core
    warn(
        "`as_of` argument in the `Query` will be ignored because feature view does not support time travel query.",
        FeatureViewWarning,
    )
    nodes = tuple(msgspec.structs.replace(node, **times) for node in core.plan.nodes)
    return CoreQuery(core._session, msgspec.structs.replace(core.plan, nodes=nodes), core.frame)


def _request_parameters(group: Any) -> list[str]:
    spec = group.stored.spec
    taken = {name for item in spec.transformations for name in item.features}
    return [name for name in taken if name not in {field.name for field in spec.features}]


def _tags(tags: Any) -> dict[str, Any]:
    if not tags:
        return {}
    if isinstance(tags, dict):
        return {tags["name"]: tags["value"]} if set(tags) == {"name", "value"} else dict(tags)
    items = tags if isinstance(tags, list | tuple) else [tags]
    return dict(
        (item["name"], item["value"]) if isinstance(item, dict) else (item.name, item.value) for item in items
    )


def _models_of(registry: Any, name: str, version: int, dataset_version: int | None) -> list[Any]:
    found = []
    for folder in sorted(registry._root.iterdir()) if registry._root.exists() else []:
        for model in registry.get_models(folder.name):
            link = model.to_dict().get("feature_view") if hasattr(model, "to_dict") else None
            link = link or getattr(model, "_card", {}).get("feature_view")
            if link == {"name": name, "version": version} and dataset_version in (
                None,
                model.training_dataset_version,
            ):
                found.append(model)
    return found
