"""Every call of the original's feature store is there with each era's parameters, or in the table of absent ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from hopyard.compat.absent_feature_store import ABSENT

PREFIX = "hopyard.compat."
GROUP_ARGUMENTS = (
    "description online_enabled time_travel_format partition_key primary_key foreign_key embedding_index "
    "hudi_precombine_key features statistics_config event_time stream expectation_suite parents topic_name "
    "notification_topic_name transformation_functions online_config offline_backfill_every_hr storage_connector path "
    "data_source ttl ttl_enabled online_disk sink_enabled sink_job_conf sink_job tags partitioned_by "
    "online_partition_columns zorder_by clustered_by bucket_index sort_order"
)
VIEW_ARGUMENTS = (
    "description labels inference_helper_columns training_helper_columns transformation_functions logging_enabled "
    "extra_log_columns tags"
)
SEARCH_ARGUMENTS = "search_term keyword_filter tag_filter offset limit global_search"
CONNECTION_ARGUMENTS = (
    "host port project engine region_name secrets_store hostname_verification trust_store_path cert_folder "
    "api_key_file api_key_value"
)
FEATURE_ARGUMENTS = (
    "name type description primary foreign partition hudi_precombine_key offline_only online_type default_value "
    "feature_group_id feature_group on_demand"
)
OLD_FEATURESTORE_ARGUMENTS = (
    "df featuregroup primary_key description featuregroup_version jobs descriptive_statistics feature_correlation "
    "feature_histograms cluster_analysis stat_columns num_bins corr_method num_clusters partition_by online "
    "online_types offline"
)

NOW: dict[str, dict[str, str]] = {
    "hsfs": {"connection": CONNECTION_ARGUMENTS},
    "hsfs.connection:Connection": {
        "get_feature_store": "name",
        "connect": "",
        "close": "",
        "setup_databricks": "",
    },
    "hsfs.feature_store:FeatureStore": {
        "get_feature_group": "name version",
        "get_feature_groups": "name",
        "create_feature_group": f"name version {GROUP_ARGUMENTS}",
        "get_or_create_feature_group": f"name version {GROUP_ARGUMENTS}",
        "create_external_feature_group": "name storage_connector query data_format path options version",
        "get_external_feature_group": "name version",
        "get_external_feature_groups": "name",
        "create_on_demand_feature_group": "name query storage_connector version description features",
        "get_or_create_spine_group": "name version description primary_key foreign_key event_time features dataframe",
        "create_training_dataset": (
            "name version description data_format coalesce storage_connector splits location seed statistics_config "
            "label transformation_functions train_split"
        ),
        "get_training_dataset": "name version",
        "get_training_datasets": "name",
        "create_feature_view": f"name query version {VIEW_ARGUMENTS}",
        "get_or_create_feature_view": f"name query version {VIEW_ARGUMENTS}",
        "get_feature_view": "name version",
        "get_feature_views": "name",
        "create_transformation_function": "transformation_function output_type version",
        "get_transformation_function": "name version",
        "get_transformation_functions": "",
        "sql": "query dataframe_type online read_options",
        "get_storage_connector": "name connector_type",
        "get_online_storage_connector": "",
        "get_data_source": "name",
        "create_data_source": "connector",
        "search": SEARCH_ARGUMENTS,
        "search_feature_groups": SEARCH_ARGUMENTS,
        "search_feature_views": SEARCH_ARGUMENTS,
        "search_training_datasets": SEARCH_ARGUMENTS,
        "search_features": SEARCH_ARGUMENTS,
        "get_all_keywords": "",
        "share": "target_project",
        "unshare": "target_project",
    },
    "hsfs.feature_group:FeatureGroup": {
        "save": "features write_options validation_options wait n_processes",
        "insert": (
            "features overwrite operation storage write_options validation_options wait transformation_context "
            "transform n_processes"
        ),
        "multi_part_insert": "features overwrite operation storage write_options validation_options",
        "finalize_multi_part_insert": "",
        "insert_stream": "features query_name output_mode await_termination timeout checkpoint_dir",
        "read": "wallclock_time online dataframe_type read_options start_time end_time",
        "read_changes": "start_wallclock_time end_wallclock_time read_options",
        "show": "n online",
        "select_all": "include_primary_key include_foreign_key include_partition_key include_event_time",
        "select_features": "",
        "select": "features",
        "select_except": "features",
        "filter": "f",
        "as_of": "wallclock_time exclude_until",
        "commit_details": "wallclock_time limit",
        "remove_rows": "delete_df write_options storage",
        "commit_delete_record": "delete_df write_options",
        "delete": "force delete_feature_views",
        "append_features": "features",
        "update_features": "features",
        "update_feature_description": "feature_name description",
        "update_description": "description",
        "update_statistics_config": "",
        "update_deprecated": "deprecate",
        "get_statistics": "computation_time feature_names",
        "get_all_statistics": "",
        "get_statistics_by_commit_window": "from_commit_time to_commit_time feature_names",
        "compute_statistics": "wallclock_time",
        "add_tag": "name value",
        "get_tag": "name",
        "get_tags": "",
        "delete_tag": "name",
        "get_keywords": "",
        "set_keywords": "keywords",
        "add_keywords": "keywords",
        "delete_keyword": "keyword",
        "get_parent_feature_groups": "",
        "get_generated_feature_groups": "",
        "get_generated_feature_views": "",
        "get_storage_connector_provenance": "",
        "get_expectation_suite": "ge_type",
        "save_expectation_suite": "expectation_suite run_validation validation_ingestion_policy overwrite",
        "delete_expectation_suite": "",
        "validate": "dataframe expectation_suite save_report validation_options",
        "get_latest_validation_report": "",
        "get_all_validation_reports": "",
        "get_validation_history": "expectation_id start_validation_time end_validation_time filter_by",
        "create_scheduled_statistics": "name",
        "create_feature_monitoring": "name",
        "create_statistics_monitoring": "name",
        "find_neighbors": "embedding col k filter options",
        "get_latest_online_ingestion": "",
        "execute_odts": "data online transformation_context request_parameters n_processes",
    },
    "hsfs.feature:Feature": {
        "__init__": FEATURE_ARGUMENTS,
        "isin": "other",
        "like": "other",
        "contains": "other",
    },
    "hsfs.constructor.query:Query": {
        "read": "online dataframe_type read_options start_time end_time",
        "show": "n online",
        "join": "sub_query on left_on right_on join_type prefix",
        "filter": "f",
        "limit": "n",
        "as_of": "wallclock_time exclude_until",
        "pull_changes": "wallclock_start_time wallclock_end_time",
        "to_string": "online arrow_flight",
        "append_feature": "feature",
        "get_feature": "feature_name",
    },
    "hsfs.statistics_config:StatisticsConfig": {
        "__init__": "enabled correlations histograms exact_uniqueness columns kll histogram_bins"
    },
    "hsfs.expectation_suite:ExpectationSuite": {
        "__init__": "expectation_suite_name expectations meta id run_validation validation_ingestion_policy",
        "from_ge_type": "ge_expectation_suite run_validation validation_ingestion_policy",
        "to_ge_type": "",
        "add_expectation": "expectation",
        "replace_expectation": "expectation",
        "remove_expectation": "expectation_id",
    },
    "hsfs.embedding:EmbeddingIndex": {
        "__init__": "index_name features col_prefix",
        "add_embedding": "name dimension similarity_function_type model",
    },
    "hsfs.lookback:Lookback": {"__init__": "default feature_group_lookbacks"},
    "hsfs.lookback:FeatureGroupLookback": {"__init__": "key start end"},
    "hops.featurestore": {
        "get_features": (
            "features featurestore featuregroups_version_dict join_key dataframe_type jdbc_args online"
        ),
        "get_feature": "feature featurestore featuregroup featuregroup_version",
        "get_featuregroup": "featuregroup featurestore featuregroup_version",
        "create_featuregroup": OLD_FEATURESTORE_ARGUMENTS,
        "insert_into_featuregroup": "df featuregroup",
        "create_training_dataset": "df training_dataset",
        "get_training_dataset_path": "training_dataset",
        "get_latest_featuregroup_version": "featuregroup",
        "get_featurestore_metadata": "featurestore update_cache",
        "visualize_featuregroup_distributions": "featuregroup_name",
        "visualize_featuregroup_correlations": "featuregroup_name",
        "visualize_featuregroup_clusters": "featuregroup_name",
        "visualize_featuregroup_descriptive_stats": "featuregroup_name",
        "import_featuregroup_s3": "storage_connector featuregroup",
        "import_featuregroup_redshift": "storage_connector query featuregroup",
        "enable_featuregroup_online": "featuregroup",
        "disable_featuregroup_online": "featuregroup",
        "sql": "query",
        "add_tag": "name tag value",
        "get_tags": "name",
        "project_featurestore": "",
    },
    "hops.hdfs": {"project_name": "", "project_path": "project"},
    "hops.project": {"connect": "project host", "project_name": ""},
}
"""By module or class, then by call: the parameters in their positional order."""

NAMED: list[tuple[str, str, str]] = [
    ("hsfs", "connection", "host port project region_name secrets_store hostname_verification trust_store_path"),
    ("hsfs.feature_store:FeatureStore", "create_feature_group", (
        "name version hudi_precombine_key validation_type expectations")),
    ("hsfs.feature_store:FeatureStore", "create_training_dataset", "name splits location seed statistics_config label"),
    ("hsfs.feature_store:FeatureStore", "create_external_feature_group", (
        "name storage_connector query primary_key foreign_key embedding_index features statistics_config event_time "
        "expectation_suite online_enabled data_source ttl ttl_enabled online_disk")),
    ("hsfs.feature_group:FeatureGroup", "get_statistics", "commit_time"),
    ("hsfs.feature_group:FeatureGroup", "commit_details", "limit"),
    ("hsfs.feature_group:FeatureGroup", "select_all", "include_primary_key include_event_time"),
    ("hsfs.feature_group:FeatureGroup", "insert_stream", "features query_name output_mode write_options"),
    ("hsfs.feature_group:FeatureGroup", "create_scheduled_statistics", (
        "name feature_names description start_date_time end_date_time cron_expression")),
    ("hsfs.feature_group:FeatureGroup", "create_feature_monitoring", "name feature_name description cron_expression"),
    ("hops.featurestore", "get_feature", "feature featuregroup featuregroup_version dataframe_type jdbc_args online"),
    ("hops.featurestore", "insert_into_featuregroup", "df featuregroup featuregroup_version mode online offline"),
    ("hops.featurestore", "create_training_dataset", "df training_dataset data_format"),
    ("hops.featurestore", "create_featuregroup", "df featuregroup featurestore"),
]  # fmt: skip
"""Names that other eras used."""

PROPERTIES = {
    "hsfs.feature_group:FeatureGroup": (
        "name version description primary_key foreign_key partition_key event_time online_enabled features statistics "
        "statistics_config expectation_suite materialization_job id location ttl deprecated feature_store"
    ),
    "hsfs.feature_group:SpineGroup": "dataframe",
    "hsfs.feature_store:FeatureStore": "id name project_id project_name shared_with",
    "hsfs.constructor.query:Query": "features featuregroups filters joins",
}

CALLS = [(owner, call, names) for owner, calls in NOW.items() for call, names in calls.items()]


def target(owner: str, call: str) -> Callable[..., Any]:
    """Return a function of a module, or of a class."""
    module, _, class_name = owner.partition(":")
    found = import_module(PREFIX + module)
    found = getattr(found, class_name) if class_name else found
    return getattr(found, call)


def parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names that a call can fill by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    return found[1:] if found[:1] == ["self"] else found


@pytest.mark.parametrize(("owner", "call", "names"), CALLS, ids=[f"{o}.{c}" for o, c, _ in CALLS])
def test_parameters_of_today_are_there_in_their_order(owner: str, call: str, names: str) -> None:
    function = target(owner, call)
    absent = f"{owner.rpartition(':')[2]}.{call}" in ABSENT
    asked = names.split()
    if absent:
        inspect.signature(function).bind(
            *([None] if "self" in inspect.signature(function).parameters else []), *asked
        )
    else:
        assert parameters(function)[: len(asked)] == asked


@pytest.mark.parametrize(("owner", "call", "names"), NAMED)
def test_names_of_other_eras_can_be_given(owner: str, call: str, names: str) -> None:
    function = target(owner, call)
    signature = inspect.signature(function)
    own = {"self": None} if "self" in signature.parameters else {}
    assert signature.bind(**own, **dict.fromkeys(names.split())) is not None


@pytest.mark.parametrize("owner", PROPERTIES)
def test_properties_are_there(owner: str) -> None:
    module, _, class_name = owner.partition(":")
    found = getattr(import_module(PREFIX + module), class_name)
    assert [name for name in PROPERTIES[owner].split() if not hasattr(found, name)] == []


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_absent_calls_say_what_is_nearest(name: str) -> None:
    assert ABSENT[name].nearest.strip().endswith(".")


def test_calls_in_the_table_exist_and_refuse_by_their_name() -> None:
    """A name in the table that the shim does not have would be an AttributeError, without advice."""
    owners = {"FeatureGroup": "hsfs.feature_group", "FeatureStore": "hsfs.feature_store"}
    for name in ABSENT:
        owner, _, call = name.partition(".")
        if owner in owners and "(" not in call:
            assert callable(target(f"{owners[owner]}:{owner}", call)), name


MODULES = """
    hsfs.client.exceptions hsfs.constructor.filter hsfs.constructor.join hsfs.constructor.query hsfs.core.job
    hsfs.embedding hsfs.expectation_suite hsfs.feature hsfs.feature_group hsfs.feature_store hsfs.ge_expectation
    hsfs.statistics_config hsfs.storage_connector hsfs.util hsfs.version hops.featurestore hops.hdfs hops.project
"""


@pytest.mark.parametrize("name", MODULES.split())
def test_modules_that_programs_import(name: str) -> None:
    assert import_module(PREFIX + name).__name__ == PREFIX + name
