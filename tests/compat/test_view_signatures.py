"""Feature views, training datasets and functions take the parameters of every era, in their order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from hopyard.compat.absent_view import ABSENT, VIEW_DIFFERENCES
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs import builtin_transformations, hopsworks_udf
from hopyard.compat.hsfs.feature_view import FeatureView
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf
from hopyard.compat.hsfs.training_dataset import TrainingDataset
from hopyard.compat.hsfs.training_dataset_split import TrainingDatasetSplit
from hopyard.compat.hsfs.transformation_function import TransformationFunction
from hopyard.compat.hsfs.transformation_statistics import TransformationStatistics
from hopyard.compat.hsfs.view_absent import AbsentOfView

SHAPE = "primary_key=False, event_time=False, training_helper_columns=False, dataframe_type='default'"
IN_MEMORY = (
    f"description='', extra_filter=None, statistics_config=None, read_options=None, spine=None, {SHAPE}"
)
FILES = (
    "storage_connector=None, location='', description='', extra_filter=None, data_format='parquet', coalesce=False, "
    "seed=None, statistics_config=None, write_options=None, spine=None, transformation_context=None"
)
TWO = "train_start='', train_end='', test_start='', test_end=''"
THREE = "train_start='', train_end='', validation_start='', validation_end='', test_start='', test_end=''"

# The beginning of each signature: what a program of any era gives by position. More may follow.
SIGNATURES: list[tuple[Callable[..., Any], str]] = [
    (FeatureView.get_batch_query, "self, start_time=None, end_time=None, extra_filter=None, lookback=None"),
    (
        FeatureView.get_batch_data,
        "self, start_time=None, end_time=None, read_options=None, spine=None, primary_key=False, event_time=False, "
        "inference_helper_columns=False, dataframe_type='default', transformed=True, transformation_context=None, "
        "logging_data=False, extra_filter=None, lookback=None, n_processes=None",
    ),
    (FeatureView.init_batch_scoring, "self, training_dataset_version=None, n_processes=None"),
    (FeatureView.create_training_data, f"self, start_time='', end_time='', {FILES}"),
    (FeatureView.create_train_test_split, f"self, test_size=None, {TWO}, {FILES}"),
    (
        FeatureView.create_train_validation_test_split,
        f"self, validation_size=None, test_size=None, {THREE}, {FILES}",
    ),
    (FeatureView.training_data, f"self, start_time=None, end_time=None, {IN_MEMORY}"),
    (FeatureView.train_test_split, f"self, test_size=None, {TWO}, {IN_MEMORY}"),
    (
        FeatureView.train_validation_test_split,
        f"self, validation_size=None, test_size=None, {THREE}, {IN_MEMORY}",
    ),
    (FeatureView.get_training_data, f"self, training_dataset_version, read_options=None, {SHAPE}"),
    (FeatureView.get_train_test_split, f"self, training_dataset_version, read_options=None, {SHAPE}"),
    (
        FeatureView.get_train_validation_test_split,
        f"self, training_dataset_version, read_options=None, {SHAPE}",
    ),
    (
        FeatureView.recreate_training_dataset,
        "self, training_dataset_version, statistics_config=None, write_options=None, spine=None",
    ),
    (FeatureView.get_training_datasets, "self"),
    (
        FeatureView.get_training_dataset_statistics,
        "self, training_dataset_version, before_transformation=False, feature_names=None",
    ),
    (FeatureView.purge_training_data, "self, training_dataset_version"),
    (FeatureView.purge_all_training_data, "self"),
    (FeatureView.delete_training_dataset, "self, training_dataset_version"),
    (FeatureView.delete_all_training_datasets, "self"),
    (FeatureView.add_training_dataset_tag, "self, training_dataset_version, name, value"),
    (FeatureView.get_training_dataset_tag, "self, training_dataset_version, name"),
    (FeatureView.get_training_dataset_tags, "self, training_dataset_version"),
    (FeatureView.delete_training_dataset_tag, "self, training_dataset_version, name"),
    (FeatureView.get_last_accessed_training_dataset, "self"),
    (
        FeatureView.init_serving,
        "self, training_dataset_version=None, external=None, options=None, init_sql_client=None, "
        "init_rest_client=False, reset_rest_client=False, config_rest_client=None, default_client=None, "
        "feature_logger=None, n_processes=None",
    ),
    *(
        (
            method,
            "self, entry=None, passed_features=None, external=None, return_type='list', allow_missing=False, "
            "force_rest_client=False, force_sql_client=False, transform=True, on_demand_features=True, "
            "request_parameters=None, transformation_context=None, logging_data=False, n_processes=None",
        )
        for method in (FeatureView.get_feature_vector, FeatureView.get_feature_vectors)
    ),
    (FeatureView.get_inference_helper, "self, entry, external=None, return_type='pandas'"),
    (FeatureView.get_inference_helpers, "self, entry, external=None, return_type='pandas'"),
    (
        FeatureView.find_neighbors,
        "self, embedding, feature=None, k=10, filter=None, external=None, return_type='list'",
    ),
    (FeatureView.transform, "self, feature_vector"),
    (FeatureView.compute_on_demand_features, "self, feature_vector=None, request_parameters=None"),
    (FeatureView.execute_odts, "self"),
    (FeatureView.execute_mdts, "self"),
    (
        FeatureView.log,
        "self, logging_data=None, untransformed_features=None, predictions=None, transformed_features=None, "
        "inference_helper_columns=None, request_parameters=None, event_time=None, serving_keys=None, "
        "extra_logging_features=None, request_id=None, write_options=None, training_dataset_version=None, model=None",
    ),
    (FeatureView.read_log, "self, start_time=None, end_time=None, filter=None, transformed=False"),
    (FeatureView.get_parent_feature_groups, "self"),
    (FeatureView.get_models, "self"),
    (FeatureView.get_newest_model, "self"),
    (FeatureView.get_models_provenance, "self, training_dataset_version=None"),
    (FeatureView.delete, "self, force=False"),
    (FeatureView.add_tag, "self, name, value"),
    (FeatureView.get_tag, "self, name"),
    (FeatureView.get_tags, "self"),
    (FeatureView.delete_tag, "self, name"),
    (TrainingDataset.save, "self, features, write_options=None"),
    (TrainingDataset.insert, "self, features, overwrite, write_options=None"),
    (TrainingDataset.read, "self, split=None, read_options=None"),
    (TrainingDataset.compute_statistics, "self"),
    (TrainingDataset.show, "self, n, split=None"),
    (TrainingDataset.get_query, "self, online=True, with_label=False"),
    (
        TrainingDataset.tf_data,
        "self, target_name, split=None, feature_names=None, var_len_features=None, is_training=True, cycle_length=2",
    ),
    (TrainingDataset.init_prepared_statement, "self, external=None"),
    (TrainingDataset.get_serving_vector, "self, entry, external=None"),
    (TrainingDataset.get_serving_vectors, "self, entry, external=None"),
    (TrainingDatasetSplit, "name, split_type, percentage=None, start_time=None, end_time=None"),
    (hopsworks_udf.udf, "return_type, drop=None, mode='default'"),
    (HopsworksUdf.executor, "self, statistics=None, context=None, online=False"),
    (TransformationFunction, "featurestore_id, hopsworks_udf, version=None"),
    (TransformationFunction.save, "self"),
    (TransformationFunction.delete, "self"),
]
PROPERTIES = [
    "primary_keys",
    "serving_keys",
    "schema",
    "labels",
    "request_parameters",
    "query",
    "name",
    "version",
    "description",
    "transformation_functions",
    "training_helper_columns",
    "inference_helper_columns",
]
BUILT_IN = [
    "min_max_scaler",
    "standard_scaler",
    "robust_scaler",
    "label_encoder",
    "one_hot_encoder",
    "log_transform",
    "equal_width_binner",
    "equal_frequency_binner",
    "quantile_binner",
    "quantile_transformer",
    "rank_normalizer",
    "winsorize",
    "top_k_categorical_binner",
    "impute_mean",
    "impute_median",
    "impute_constant",
    "impute_mode",
    "impute_category",
]


@pytest.mark.parametrize(("call", "expected"), SIGNATURES, ids=lambda item: getattr(item, "__qualname__", ""))
def test_a_call_takes_what_programs_give_by_position(call: Callable[..., Any], expected: str) -> None:
    given: dict[str, Any] = {}
    exec(f"def wanted({expected}): ...", given)
    names = inspect.signature(given["wanted"]).parameters
    taken = list(inspect.signature(call).parameters.values())
    for wanted, parameter in zip(names.values(), taken, strict=False):
        assert parameter.name == wanted.name
        assert parameter.kind is wanted.kind
        if wanted.default is not wanted.empty:
            assert parameter.default == wanted.default
    assert len(taken) >= len(names)


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_view_has_the_property(name: str) -> None:
    assert isinstance(getattr(FeatureView, name), property)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_transformation_is_there_and_is_bound_by_a_call(name: str) -> None:
    bound = getattr(builtin_transformations, name)("amount")
    assert bound.transformation_features == ["amount"]
    assert bound.output_column_names == [f"{name}_amount_"]
    assert bound.dropped_features == ["amount"]


ABSENT_METHODS = [name for name in vars(AbsentOfView) if not name.startswith("_")]


@pytest.mark.parametrize("name", ABSENT_METHODS)
def test_an_absent_call_is_in_the_table_and_says_what_to_do(name: str) -> None:
    method = getattr(AbsentOfView(), name)
    needed = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    with pytest.raises(CompatError) as caught:
        method(*(None for _ in needed))
    assert caught.value.nearest == ABSENT[f"FeatureView.{name}"].nearest


def test_statistics_are_named_by_arguments() -> None:
    assert TransformationStatistics("a", "b").features == ["a", "b"]


def test_differences_are_sentences() -> None:
    assert all(text.endswith(".") and title[0].isupper() for title, text in VIEW_DIFFERENCES.items())
