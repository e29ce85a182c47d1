"""The flat functions on a feature store that programs used before 2020's objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hops.exceptions import FeaturegroupNotFound
from hopyard.compat.hops.planner import plan_sql
from hopyard.compat.hops.project import connected_project
from hopyard.compat.hsfs.feature_group import FeatureGroup
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.session import open_project

_SUFFIX = "_featurestore"


def project_featurestore() -> str:
    """Return the name of the project's feature store."""
    return _store(None).name


def get_project_featurestores() -> list[str]:
    """Return the names of the feature stores that can be reached: the project's own."""
    return [project_featurestore()]


def get_featuregroup(
    featuregroup: str,
    featurestore: str | None = None,
    featuregroup_version: int = 1,
    dataframe_type: str = "spark",
    jdbc_args: Mapping[str, Any] | None = None,
    online: bool = False,
) -> Any:
    """Return the rows of a group."""
    group = _group(featuregroup, featurestore, featuregroup_version)
    return group.read(online=online, dataframe_type=_form(dataframe_type))


def get_feature(
    feature: str,
    featurestore: str | None = None,
    featuregroup: str | None = None,
    featuregroup_version: int = 1,
    dataframe_type: str = "spark",
    jdbc_args: Mapping[str, Any] | None = None,
    online: bool = False,
) -> Any:
    """Return the values of one feature; its group may be left out if no other has a feature of the name."""
    name = feature if featuregroup is None else f"{featuregroup}_{featuregroup_version}.{feature}"
    return get_features([name], featurestore, dataframe_type=dataframe_type)


def get_features(
    features: Sequence[str],
    featurestore: str | None = None,
    featuregroups_version_dict: Mapping[str, int] | None = None,
    join_key: str | None = None,
    dataframe_type: str = "spark",
    jdbc_args: Mapping[str, Any] | None = None,
    online: bool = False,
) -> Any:
    """Return features by their names, from the groups that have them, joined on a column that all have."""
    store = _store(featurestore)
    text = plan_sql(store.get_feature_groups(), features, featuregroups_version_dict or {}, join_key)
    return store.sql(text, _form(dataframe_type))


def sql(
    query: str,
    featurestore: str | None = None,
    dataframe_type: str = "spark",
    jdbc_args: Mapping[str, Any] | None = None,
    online: bool = False,
) -> Any:
    """Return the rows of a SELECT over groups, each named `name_version`."""
    return _store(featurestore).sql(query, _form(dataframe_type))


def create_featuregroup(
    df: Any,
    featuregroup: str,
    primary_key: Sequence[str] | str = (),
    description: str = "",
    featuregroup_version: Any = 1,
    jobs: Any = (),
    descriptive_statistics: bool = True,
    feature_correlation: bool = True,
    feature_histograms: bool = True,
    cluster_analysis: bool = True,
    stat_columns: Sequence[str] | None = None,
    num_bins: int = 20,
    corr_method: str = "pearson",
    num_clusters: int = 5,
    partition_by: Sequence[str] = (),
    online: bool = False,
    online_types: Mapping[str, str] | None = None,
    offline: bool = True,
    featurestore: str | None = None,
) -> None:
    """Store a new group with the rows of a frame. A feature store in fifth place is told from a version by its kind."""
    if featuregroup_version is None or isinstance(featuregroup_version, str):
        featurestore = featuregroup_version
        featuregroup_version = jobs if isinstance(jobs, int) else 1
    store = _store(featurestore)
    group = store.create_feature_group(
        featuregroup,
        featuregroup_version,
        description,
        online_enabled=online,
        primary_key=_listed(primary_key),
        partition_key=_listed(partition_by),
    )
    group.save(df)


def insert_into_featuregroup(
    df: Any,
    featuregroup: str,
    featurestore: str | None = None,
    featuregroup_version: int = 1,
    mode: str = "append",
    online: bool = False,
    offline: bool = True,
    descriptive_statistics: bool = True,
    feature_correlation: bool = True,
    feature_histograms: bool = True,
    cluster_analysis: bool = True,
    stat_columns: Sequence[str] | None = None,
    num_bins: int = 20,
    corr_method: str = "pearson",
    num_clusters: int = 5,
) -> None:
    """Insert the rows of a frame; mode `overwrite` replaces the content."""
    if mode not in ("append", "overwrite"):
        raise ValueError(f"mode={mode!r} is none: use 'append' or 'overwrite'.")
    _group(featuregroup, featurestore, featuregroup_version).insert(df, overwrite=mode == "overwrite")


def get_featuregroups(featurestore: str | None = None, online: bool = False) -> list[str]:
    """Return the names of all groups, each with its version."""
    groups = _store(featurestore).get_feature_groups()
    return [group.label for group in groups if group.online_enabled or not online]


def get_features_list(featurestore: str | None = None, online: bool = False) -> list[str]:
    """Return the names of all features."""
    groups = _store(featurestore).get_feature_groups()
    return [item.name for group in groups if group.online_enabled or not online for item in group.features]


def get_featuregroup_features_list(
    featuregroup: str, version: int | None = None, featurestore: str | None = None
) -> list[str]:
    """Return the names of a group's features; without a version: of its latest."""
    found = version or get_latest_featuregroup_version(featuregroup, featurestore)
    return [item.name for item in _group(featuregroup, featurestore, found).features]


def get_latest_featuregroup_version(featuregroup: str, featurestore: str | None = None) -> int:
    """Return the latest version of a group; 0 if there is none."""
    groups = _store(featurestore).get_feature_groups(featuregroup)
    return max((group.version or 0 for group in groups), default=0)


def enable_featuregroup_online(
    featuregroup: str,
    featuregroup_version: int = 1,
    featurestore: str | None = None,
    online_types: Mapping[str, str] | None = None,
) -> None:
    """Serve the newest row per key online from now on."""
    _group(featuregroup, featurestore, featuregroup_version).stored.enable_online(allow_future=True)


def disable_featuregroup_online(
    featuregroup: str, featuregroup_version: int = 1, featurestore: str | None = None
) -> None:
    """Remove the group's online rows."""
    _group(featuregroup, featurestore, featuregroup_version).stored.disable_online()


def create_training_dataset(
    df: Any,
    training_dataset: str,
    description: str = "",
    featurestore: str | None = None,
    data_format: str = "tfrecords",
    training_dataset_version: int = 1,
    jobs: Any = (),
    descriptive_statistics: bool = True,
    feature_correlation: bool = True,
    feature_histograms: bool = True,
    cluster_analysis: bool = True,
    stat_columns: Sequence[str] | None = None,
    num_bins: int = 20,
    corr_method: str = "pearson",
    num_clusters: int = 5,
    petastorm_args: Mapping[str, Any] | None = None,
    fixed: bool = True,
    sink: Any = None,
    path: str | None = None,
) -> None:
    """Make a training dataset of a frame's rows."""
    dataset = _store(featurestore).create_training_dataset(
        training_dataset,
        training_dataset_version,
        description,
        data_format=data_format,
        location=path or "",
    )
    dataset.save(df)


def insert_into_training_dataset(
    df: Any,
    training_dataset: str,
    featurestore: str | None = None,
    training_dataset_version: int = 1,
    write_mode: str = "overwrite",
    **_: Any,
) -> None:
    """Make the training dataset anew of a frame's rows."""
    found = _store(featurestore).get_training_dataset(training_dataset, training_dataset_version)
    found.insert(df, overwrite=write_mode == "overwrite")


def get_training_dataset(
    training_dataset: str,
    featurestore: str | None = None,
    training_dataset_version: int = 1,
    dataframe_type: str = "spark",
) -> Any:
    """Return the rows of a training dataset."""
    return _store(featurestore).get_training_dataset(training_dataset, training_dataset_version).read()


def get_training_datasets(featurestore: str | None = None) -> list[str]:
    """Return the names of all training datasets, each with its version."""
    return [f"{found.name}_{found.version}" for found in _store(featurestore).get_training_datasets()]


def get_training_dataset_path(
    training_dataset: str, featurestore: str | None = None, training_dataset_version: int = 1
) -> str:
    """Return the folder of a training dataset's files."""
    found = _store(featurestore).get_training_dataset(training_dataset, training_dataset_version)
    return str(found.location)


def get_latest_training_dataset_version(training_dataset: str, featurestore: str | None = None) -> int:
    """Return the latest version of a training dataset; 0 if there is none."""
    found = _store(featurestore).get_training_datasets(training_dataset)
    return max((item.version for item in found), default=0)


def get_featurestore_metadata(
    featurestore: str | None = None, update_cache: bool = False
) -> dict[str, dict[str, Any]]:
    """Return what there is: groups and their features, training datasets, each by name and version."""
    store = _store(featurestore)
    return {
        "featuregroups": {group.label: group.to_dict() for group in store.get_feature_groups()},
        "training_datasets": {name: {} for name in get_training_datasets(featurestore)},
    }


def add_tag(
    name: str, tag: str, value: Any = None, version: int = 1, featurestore: str | None = None
) -> None:
    """Set a tag of a group."""
    _group(name, featurestore, version).add_tag(tag, value)


def get_tag(name: str, tag: str, version: int = 1, featurestore: str | None = None) -> Any:
    """Return the value of a group's tag; None if there is none."""
    return _group(name, featurestore, version).get_tag(tag)


def get_tags(name: str, version: int = 1, featurestore: str | None = None) -> dict[str, Any]:
    """Return the tags of a group, by name."""
    return _group(name, featurestore, version).get_tags()


def remove_tag(name: str, tag: str, version: int = 1, featurestore: str | None = None) -> None:
    """Remove a tag of a group."""
    _group(name, featurestore, version).delete_tag(tag)


def visualize_featuregroup_distributions(featuregroup_name: str, *_: Any, **__: Any) -> NoReturn:
    """Raise CompatError: nothing is drawn."""
    raise CompatError("featurestore.visualize_featuregroup_distributions", ABSENT["featurestore.visualize"])


def visualize_featuregroup_correlations(featuregroup_name: str, *_: Any, **__: Any) -> NoReturn:
    """Raise CompatError: nothing is drawn."""
    raise CompatError("featurestore.visualize_featuregroup_correlations", ABSENT["featurestore.visualize"])


def visualize_featuregroup_clusters(featuregroup_name: str, *_: Any, **__: Any) -> NoReturn:
    """Raise CompatError: nothing is drawn."""
    raise CompatError("featurestore.visualize_featuregroup_clusters", ABSENT["featurestore.visualize"])


def visualize_featuregroup_descriptive_stats(featuregroup_name: str, *_: Any, **__: Any) -> NoReturn:
    """Raise CompatError: nothing is drawn."""
    raise CompatError(
        "featurestore.visualize_featuregroup_descriptive_stats", ABSENT["featurestore.visualize"]
    )


def import_featuregroup_s3(storage_connector: str, featuregroup: str, *_: Any, **__: Any) -> NoReturn:
    """Raise CompatError: there are no connectors."""
    raise CompatError("featurestore.import_featuregroup_s3", ABSENT["featurestore.import_featuregroup_s3"])


def import_featuregroup_redshift(
    storage_connector: str, query: str, featuregroup: str, *_: Any, **__: Any
) -> NoReturn:
    """Raise CompatError: there are no connectors."""
    raise CompatError(
        "featurestore.import_featuregroup_redshift", ABSENT["featurestore.import_featuregroup_redshift"]
    )


def _store(featurestore: str | None) -> FeatureStore:
    name = featurestore.removesuffix(_SUFFIX) if featurestore else connected_project()
    return FeatureStore(open_project(name))


def _group(name: str, featurestore: str | None, version: int) -> FeatureGroup:
    store = _store(featurestore)
    found = store.find_feature_group(name, version)
    if found is None:
        known = ", ".join(group.label for group in store.get_feature_groups()) or "none"
        raise FeaturegroupNotFound(
            f"There is no feature group {name!r} with version {version}. There are: {known}."
        )
    return found


def _form(dataframe_type: str) -> str:
    """Return the form to read in: without Spark, its frames are pandas'."""
    return "pandas" if dataframe_type == "spark" else dataframe_type


def _listed(value: Sequence[str] | str) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
