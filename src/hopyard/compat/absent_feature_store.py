"""What the original's feature store has and Hopyard has not: calls and arguments, each with what is nearest."""

from __future__ import annotations

from hopyard.compat.absent import Absent

_EXTERNAL = Absent(
    "Rows are not read from where they are: read them with pandas, polars or DuckDB, and insert() them into a feature "
    "group. A dataframe can be the left-most side of a query: fs.get_or_create_spine_group(...)."
)
_CONNECTOR = Absent(
    "There are no storage connectors: read the data with pandas, polars or DuckDB and insert() it into a feature group."
)
_MONITORING = Absent(
    "Nothing runs by itself: read the rows of two windows with group.read(start_time=, end_time=) and compare them."
)
_SHARING = Absent("Who can read a store is up to the permissions of its folder.")
_VECTORS = Absent(
    "There is no vector index: keep the embedding as an array feature and search it with a library."
)
_KAFKA = Absent(
    "There is no Kafka: insert() writes offline and online rows itself, and returns when they are readable."
)
_SINK = Absent("There are no ingestion jobs: read the rows in the program, and insert() them.")

ABSENT: dict[str, Absent] = {
    "EmbeddingIndex": _VECTORS,
    "ExternalFeatureGroup": _EXTERNAL,
    "FeatureGroup.create_feature_monitoring": _MONITORING,
    "FeatureGroup.create_scheduled_statistics": _MONITORING,
    "FeatureGroup.create_statistics_monitoring": _MONITORING,
    "FeatureGroup.execute_odts": Absent(
        "The functions of a group run when rows are inserted, and again in feature vectors: call the function itself, "
        "or feature_view.compute_on_demand_features()."
    ),
    "FeatureGroup.find_neighbors": _VECTORS,
    "FeatureGroup.get_feature_monitoring_configs": _MONITORING,
    "FeatureGroup.get_feature_monitoring_history": _MONITORING,
    "FeatureGroup.insert_stream": Absent(
        "There is no streaming engine: call insert() for each batch of the stream, such as in Spark's foreachBatch."
    ),
    "FeatureGroup.update_notification_topic_name": _KAFKA,
    "FeatureMonitoringConfig": _MONITORING,
    "FeatureStore.create_data_source": _CONNECTOR,
    "FeatureStore.create_expectation": Absent(
        "The rules of 2021 have no service any more: give an expectation_suite= of Great Expectations."
    ),
    "FeatureStore.create_external_feature_group": _EXTERNAL,
    "FeatureStore.create_feature_group(data_source=)": _EXTERNAL,
    "FeatureStore.create_feature_group(embedding_index=)": _VECTORS,
    "FeatureStore.create_feature_group(sink_enabled=)": _SINK,
    "FeatureStore.create_feature_group(sink_job=)": _SINK,
    "FeatureStore.create_on_demand_feature_group": _EXTERNAL,
    "FeatureStore.get_data_source": _CONNECTOR,
    "FeatureStore.get_external_feature_group": _EXTERNAL,
    "FeatureStore.get_on_demand_feature_group": _EXTERNAL,
    "FeatureStore.get_online_storage_connector": Absent(
        "The online store is not reached by JDBC: read vectors with feature_view.get_feature_vector(), or the newest "
        "rows with group.read(online=True)."
    ),
    "FeatureStore.get_or_create_external_feature_group": _EXTERNAL,
    "FeatureStore.get_storage_connector": _CONNECTOR,
    "FeatureStore.share": _SHARING,
    "FeatureStore.unshare": _SHARING,
    "Job.schedule": Absent(
        "Rows are written when insert() returns, so there is nothing to schedule: run the program itself, by cron."
    ),
    "Lookback": Absent(
        "How old a joined row may be is said on the group, with ttl=, or in Hopyard's own query: "
        "join(..., max_age=timedelta(days=7))."
    ),
    "Query.join.join_type": Absent(
        "A join keeps the rows of its left side: use 'left' or 'inner'. Others return rows that have no time; "
        "fs.sql() runs them over whole tables."
    ),
    "StorageConnector": _CONNECTOR,
    "dataframe_type.spark": Absent(
        "There is no Spark: use 'pandas', 'polars', 'numpy' or 'python'. Spark reads the Delta table at group.location."
    ),
    "featurestore.import_featuregroup_redshift": _CONNECTOR,
    "featurestore.import_featuregroup_s3": _CONNECTOR,
    "featurestore.visualize": Absent(
        "Nothing is drawn: plot the rows of featurestore.get_featuregroup(...) with matplotlib."
    ),
    "hdfs": Absent("There is no HDFS: use Python's open() and pathlib, or project.get_dataset_api()."),
}
