"""Calls of feature views and training datasets that the shim does not have, and where it differs from the original."""

from __future__ import annotations

from hopyard.compat.absent import Absent

_LOGS = "Hopyard keeps no logs of predictions. Insert them into a feature group with an event time."
_NEIGHBORS = (
    "Hopyard has no vector index. Keep embeddings as an array<double> feature, and search with a library."
)
_MONITORING = (
    "Hopyard does not run monitoring. Compare fg.read() with the training data in a job of your own."
)

ABSENT: dict[str, Absent] = {
    "FeatureView.find_neighbors": Absent(_NEIGHBORS),
    "FeatureView.log": Absent(_LOGS),
    "FeatureView.read_log": Absent(_LOGS),
    "FeatureView.materialize_log": Absent(_LOGS),
    "FeatureView.pause_logging": Absent(_LOGS),
    "FeatureView.resume_logging": Absent(_LOGS),
    "FeatureView.delete_log": Absent(_LOGS),
    "FeatureView.enable_logging": Absent(_LOGS),
    "FeatureView.get_log_timeline": Absent(_LOGS),
    "FeatureView.logging_data": Absent(_LOGS),
    "FeatureView.lookback": Absent(
        "Limit the age of joined rows with ttl= of their feature group, or in Hopyard's own API with "
        "Query.join(max_age=...)."
    ),
    "FeatureView.create_training_data.storage_connector": Absent(
        "There are no storage connectors. Leave it out, or give location= for a folder of your own."
    ),
    "FeatureView.create_scheduled_statistics": Absent(_MONITORING),
    "FeatureView.create_statistics_monitoring": Absent(_MONITORING),
    "FeatureView.create_feature_monitoring": Absent(_MONITORING),
    "FeatureView.get_feature_monitoring_configs": Absent(_MONITORING),
    "FeatureView.get_feature_monitoring_history": Absent(_MONITORING),
    "TrainingDataset.insert": Absent(
        "A training dataset never changes once it is saved. Create the next version and save() it."
    ),
    "TrainingDataset.tf_data": Absent(
        "Read the rows with td.read(split) and give them to tf.data.Dataset.from_tensor_slices."
    ),
    "TrainingDatasetSplit.TIME_SERIES_SPLIT": Absent(
        "Make a feature view of the query, and split by time with view.create_train_test_split(train_end=..., "
        "test_start=...)."
    ),
    "TrainingDataset.storage_connector": Absent(
        "There are no storage connectors. Leave it out, or give location= for a folder of your own."
    ),
}
"""By the call's name, as `CompatError` tells it."""

VIEW_DIFFERENCES: dict[str, str] = {
    "Transformations are beside the view": (
        "A view that a program creates through this API is stored in Hopyard without transformations; they are kept in "
        "the project's notes and applied by this API, with the original's names and order of columns. "
        "Hopyard's own API "
        "shows the view's features as they are stored, and `hopyard verify` proves training data before transformation."
    ),
    "Statistics are exact": (
        "Built-in transformations are Hopyard's: fitted to all rows of train, exactly. Where all values of "
        "train are equal, "
        "min_max_scaler and standard_scaler give 0, and robust_scaler gives 0 where the quartiles are equal. "
        "rank_normalizer counts 101 percentiles from p0 to p100."
    ),
    "In-memory training data can be read again as it was": (
        "A version of in-memory training data is read again from the groups as they were committed when it "
        "was made, with "
        "the statistics of then. The original reads today's rows and fits anew."
    ),
    "Random splits are by hash": (
        "A row's split depends on a hash of its key and the seed, not on its position; without a seed two "
        "calls give the "
        "same rows."
    ),
    "Missing rows stay in batches of vectors": (
        "get_feature_vectors gives one item per entry, always: None, or a row of nulls in a dataframe, where "
        "nothing was "
        "found. The original leaves such entries out."
    ),
    "Training data has each row once": (
        "Two rows of a joined group at the same event time never double a row of training data."
    ),
    "Filters of a view and batches": (
        "A filter on the joined rows of the view's query selects what to train on, and not what to score; "
        "filters of the "
        "left-most group, and extra_filter, apply to batches."
    ),
    "Formats of training data": (
        "Files are kept as parquet, CSV or Arrow; other formats are kept as parquet, with a warning. They are "
        "read by the same calls."
    ),
    "Functions are trusted by who wrote them": (
        "A function that a program stores is noted in its user's trust file, so that the user's other programs run it. "
        "Functions in a store that came from somebody else have to be trusted: see the how-to on transformations."
    ),
    "Keys of training data": (
        "primary_key=True gives the key of the left-most group, and event_time=True its event time."
    ),
}
"""A short title -> a sentence or two."""
