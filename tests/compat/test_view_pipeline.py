"""Programs of today and of 2023: feature views, training data, batches and vectors."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hopyard
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.builtin_transformations import (
    label_encoder,
    min_max_scaler,
    one_hot_encoder,
    standard_scaler,
)
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.hopsworks_udf import udf
from hopyard.compat.hsfs.transformation_statistics import TransformationStatistics

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
N = 60
STATS = TransformationStatistics("amount")


@udf(float, drop=["amount"])
def centered(amount, statistics=STATS, context=None):
    return (amount - statistics.amount.mean) * (context or {}).get("factor", 1.0)


@udf([float, int], mode="python")
def halves(amount, age):
    return amount / 2, age // 2


@pytest.fixture
def fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(tmp_path / "trusted"))
    project = hopyard.login(str(tmp_path / "store"))
    return FeatureStore(project)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "tid": np.arange(N),
            "cc_num": np.arange(N) % 6,
            "datetime": pd.date_range("2026-01-01", periods=N, freq="h", tz="UTC"),
            "amount": rng.normal(100, 20, N).round(2),
            "category": np.array(["food", "fuel", "toys"])[np.arange(N) % 3],
            "fraud_label": (np.arange(N) % 5 == 0).astype("int64"),
        }
    )


@pytest.fixture
def groups(fs: FeatureStore):
    trans = fs.get_or_create_feature_group(
        name="transactions",
        version=1,
        primary_key=["tid"],
        event_time="datetime",
        online_enabled=True,
    )
    trans.insert(frame(), write_options={"wait_for_job": True})
    people = fs.get_or_create_feature_group(
        name="people", version=1, primary_key=["cc_num"], online_enabled=True
    )
    people.insert(pd.DataFrame({"cc_num": range(6), "age": [20, 30, 40, 50, 60, 70]}))
    return trans, people


def query_of(groups):
    trans, people = groups
    return trans.select(["fraud_label", "category", "amount"]).join(people.select(["age"]), on=["cc_num"])


def view_of(fs, groups, **more):
    options = {
        "labels": ["fraud_label"],
        "transformation_functions": [min_max_scaler("amount"), label_encoder("category")],
    } | more
    return fs.get_or_create_feature_view(name="fraud", version=1, query=query_of(groups), **options)


def test_results_have_new_names_at_the_end_and_are_fitted_on_train(fs, groups):
    view = view_of(fs, groups)
    x_train, x_test, y_train, y_test = view.train_test_split(test_size=0.2)
    assert list(x_train.columns) == ["age", "label_encoder_category_", "min_max_scaler_amount_"]
    assert (len(x_train), len(x_test)) == (48, 12)
    assert list(y_train.columns) == ["fraud_label"]
    assert x_train["min_max_scaler_amount_"].min() == 0
    assert x_train["min_max_scaler_amount_"].max() == 1
    again = view.get_train_test_split(1)
    for old, new in zip((x_train, x_test, y_train, y_test), again, strict=True):
        pd.testing.assert_frame_equal(old, new)


def test_versions_count_and_the_wrong_getter_says_which(fs, groups):
    view = view_of(fs, groups)
    version, job = view.create_train_test_split(
        test_size=0.2, data_format="csv", write_options={"wait_for_job": True}
    )
    assert version == 1
    assert job.get_state() == "FINISHED"
    view.training_data()
    assert view.get_last_accessed_training_dataset() == 2
    with pytest.raises(
        ValueError, match=r"Incorrect `get` method is used. Use `feature_view.get_train_test_split`"
    ):
        view.get_training_data(1)
    x_train, x_test, _, y_test = view.get_train_test_split(training_dataset_version=1)
    assert len(x_train) == 48
    assert len(y_test) == len(x_test) == 12
    assert [dataset.version for dataset in view.get_training_datasets()] == [1, 2]
    view.delete_training_dataset(1)
    with pytest.raises(FeatureStoreException, match="no training dataset version 1"):
        view.get_train_test_split(1)


def test_in_memory_rows_are_read_again_as_they_were(fs, groups):
    view = view_of(fs, groups)
    x, y = view.training_data()
    more = frame().head(3).assign(tid=[1000, 1001, 1002], amount=9999.0)
    groups[0].insert(more)
    x_again, y_again = view.get_training_data(1)
    pd.testing.assert_frame_equal(x, x_again)
    pd.testing.assert_frame_equal(y, y_again)


def test_vectors_equal_batches(fs, groups):
    view = view_of(fs, groups)
    view.train_test_split(test_size=0.2)
    view.init_serving(training_dataset_version=1)
    view.init_batch_scoring(training_dataset_version=1)
    batch = view.get_batch_data(primary_key=True, event_time=True)
    assert {"tid", "datetime"} <= set(batch.columns)
    batch = batch.sort_values("tid").drop(columns=["tid", "datetime"])
    vectors = view.get_feature_vectors([{"tid": tid, "cc_num": tid % 6} for tid in range(N)])
    assert vectors == batch.to_numpy().tolist()
    single = view.get_feature_vector(entry={"tid": 3, "cc_num": 3}, return_type="pandas")
    assert list(single.columns) == list(batch.columns)
    array = view.get_feature_vector({"tid": 3, "cc_num": 3}, return_type="numpy")
    assert array.tolist() == vectors[3]


def test_missing_rows_and_keys(fs, groups):
    view = view_of(fs, groups, transformation_functions=None)
    view.init_serving()
    assert view.get_feature_vector({"tid": 10_000, "cc_num": 77}) is None
    assert view.get_feature_vectors([{"tid": 1, "cc_num": 1}, {"tid": 10_000, "cc_num": 77}])[1] is None
    with pytest.raises(FeatureStoreException, match="is missing from vector"):
        view.get_feature_vector({"tid": 1, "cc_num": 77})
    found = view.get_feature_vector({"tid": 1, "cc_num": 77}, allow_missing=True)
    assert found[0] == "fuel"
    assert found[2] is None
    with pytest.raises(FeatureStoreException, match="Provided key nonsense is not a serving key"):
        view.get_feature_vector({"nonsense": 1})
    with pytest.raises(FeatureStoreException, match="Incomplete feature vector requests"):
        view.get_feature_vector({"cc_num": 1})
    passed = view.get_feature_vector({"tid": 1, "cc_num": 1}, passed_features={"amount": 5.5})
    assert passed[1] == 5.5


def test_functions_with_statistics_and_context(fs, groups):
    view = view_of(fs, groups, transformation_functions=[centered("amount"), halves("amount", "age")])
    x_train, _, _, _ = view.train_test_split(0.2, transformation_context={"factor": 2.0})
    raw = view.create_train_test_split(0.2)
    assert raw[0] == 2
    assert list(x_train.columns) == [
        "category",
        "age",
        "centered_amount_",
        "halves_amount_age_0",
        "halves_amount_age_1",
    ]
    assert abs(x_train["centered_amount_"].mean()) < 1e-9
    view.init_serving(1)
    vector = view.get_feature_vector({"tid": 4, "cc_num": 4})
    row = view.get_batch_data(primary_key=True).set_index("tid").loc[4]
    assert vector[2] == row["centered_amount_"]
    assert vector[3:] == [frame()["amount"][4] / 2, 30]
    assert view.get_feature_vector({"tid": 4, "cc_num": 4}, transform=False)[1] == frame()["amount"][4]


def test_another_process_of_the_user_runs_the_function(fs, groups, tmp_path):
    import subprocess
    import sys

    view = view_of(fs, groups, transformation_functions=[centered("amount")])
    view.training_data()
    program = (
        "import hopyard\n"
        "from hopyard.compat.hsfs.feature_store import FeatureStore\n"
        f"fs = FeatureStore(hopyard.login({str(tmp_path / 'store')!r}))\n"
        "view = fs.get_feature_view('fraud', 1)\n"
        "view.init_serving(1)\n"
        "print(view.get_feature_vector({'tid': 1, 'cc_num': 1}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "fuel" in done.stdout


def test_dict_of_2023_keeps_names_and_places(fs, groups):
    scaler = fs.get_transformation_function(name="standard_scaler", version=1)
    encoder = fs.get_transformation_function(name="label_encoder")
    view = fs.create_feature_view(
        name="old",
        version=1,
        query=query_of(groups),
        labels=["fraud_label"],
        transformation_functions={"amount": scaler, "category": encoder},
    )
    x, _ = view.training_data()
    assert list(x.columns) == ["category", "amount", "age"]
    assert x["amount"].std() == pytest.approx(1)
    assert set(x["category"]) == {0, 1, 2}


def test_one_hot_columns_are_numbered(fs, groups):
    view = view_of(
        fs, groups, transformation_functions=[one_hot_encoder("category"), standard_scaler("amount")]
    )
    x, _ = view.training_data()
    assert list(x.columns) == [
        "age",
        "one_hot_encoder_category_0",
        "one_hot_encoder_category_1",
        "one_hot_encoder_category_2",
        "standard_scaler_amount_",
    ]


def test_splits_by_time_and_by_three(fs, groups):
    view = view_of(fs, groups)
    parts = view.train_validation_test_split(validation_size=0.2, test_size=0.1)
    assert [len(part) for part in parts] == [42, 12, 6, 42, 12, 6]
    x_train, x_test, _, _ = view.train_test_split(
        train_start="2026-01-01",
        train_end="2026-01-02",
        test_start="2026-01-02",
        test_end="20260103",
        event_time=True,
    )
    assert (len(x_train), len(x_test)) == (24, 24)
    assert x_test["datetime"].min() == pd.Timestamp("2026-01-02", tz="UTC")
    with pytest.raises(ValueError, match="Invalid split input"):
        view.train_test_split()
    with pytest.raises(ValueError, match="Invalid split input"):
        view.train_validation_test_split(validation_size=0.7, test_size=0.7)


def test_helper_columns_and_filters(fs, groups):
    trans, _ = groups
    view = view_of(
        fs,
        groups,
        transformation_functions=None,
        training_helper_columns=["age"],
        inference_helper_columns=["category"],
    )
    x, _ = view.training_data(extra_filter=trans.amount > 100)
    assert list(x.columns) == ["amount"]
    assert x["amount"].min() > 100
    assert list(view.training_data(training_helper_columns=True)[0].columns) == ["amount", "age"]
    assert list(view.get_batch_data(inference_helper_columns=True).columns) == ["category", "amount"]
    assert (view.get_batch_data(extra_filter=trans.amount > 100)["amount"] > 100).all()
    helper = view.get_inference_helper({"tid": 1, "cc_num": 1}, return_type="dict")
    assert helper == {"category": "fuel"}
    assert view.get_inference_helpers([{"tid": 1}, {"tid": 2}])["category"].tolist() == ["fuel", "toys"]


def test_a_view_is_found_listed_described_tagged_and_deleted(fs, groups):
    view = view_of(fs, groups)
    assert fs.get_feature_view("fraud", 1).labels == ["fraud_label"]
    assert fs.get_feature_view("nothing", 1) is None
    assert [item.version for item in fs.get_feature_views("fraud")] == [1]
    view.add_tag("owner", {"team": "risk"})
    assert view.get_tag("owner") == {"team": "risk"}
    assert [feature.name for feature in view.schema] == ["fraud_label", "category", "amount", "age"]
    assert view.primary_keys == {"tid", "cc_num"}
    assert [group.name for group in view.get_parent_feature_groups().accessible] == ["transactions", "people"]
    with pytest.raises(RestAPIError):
        fs.create_feature_view("fraud", query_of(groups), version=1)
    with pytest.raises(FeatureStoreException, match="could not found be found in query"):
        fs.create_feature_view("other", query_of(groups), version=1, labels=["nothing"])
    view.delete()
    assert fs.get_feature_view("fraud", 1) is None


def test_no_version_warns(fs, groups):
    view_of(fs, groups)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert fs.get_feature_view("fraud").version == 1
    assert "defaulting to `1`" in str(caught[0].message)


def test_what_is_absent_says_so(fs, groups):
    view = view_of(fs, groups)
    with pytest.raises(CompatError, match="FeatureView.log"):
        view.log(predictions=[1])
    with pytest.raises(CompatError, match="find_neighbors"):
        view.find_neighbors([1.0, 2.0])


def test_on_demand_features(fs):
    @udf(float, drop=["now"])
    def age_of(birth, now):
        return (now - birth) / 2

    group = fs.create_feature_group(
        "persons",
        version=1,
        primary_key=["id"],
        online_enabled=True,
        transformation_functions=[age_of("birth", "now")],
    )
    group.insert(pd.DataFrame({"id": [1, 2], "birth": [10.0, 20.0], "now": [30.0, 30.0]}))
    view = fs.create_feature_view("persons", group.select(["birth", "age_of"]), version=1)
    x, _ = view.training_data()
    assert sorted(x["age_of"]) == [5.0, 10.0]
    assert view.request_parameters == ["now"]
    view.init_serving(1)
    assert view.get_feature_vector({"id": 1}, request_parameters={"now": 50.0}) == [10.0, 20.0]
    assert view.compute_on_demand_features([10.0, None], {"now": 20.0}) == [10.0, 5.0]
    assert view.get_feature_vector({"id": 1}, on_demand_features=False, request_parameters={"now": 1.0}) == [
        10.0
    ]


def test_labels_can_be_encoded(fs, groups):
    view = fs.create_feature_view(
        "kinds",
        query_of(groups),
        version=1,
        labels=["category"],
        transformation_functions=[label_encoder("category"), min_max_scaler("amount")],
    )
    x, y = view.training_data()
    assert list(y.columns) == ["label_encoder_category_"]
    assert "category" not in x.columns
    view.init_serving(1)
    assert len(view.get_feature_vector({"tid": 1, "cc_num": 1})) == len(x.columns)
    assert list(view.get_batch_data().columns) == list(x.columns)


def test_purged_files_are_made_again(fs, groups):
    view = view_of(fs, groups)
    version, _ = view.create_train_test_split(test_size=0.2)
    before = view.get_train_test_split(version)
    view.purge_training_data(version)
    with pytest.raises(FeatureStoreException, match="purged"):
        view.get_train_test_split(version)
    view.recreate_training_dataset(version)
    for old, new in zip(before, view.get_train_test_split(version), strict=True):
        pd.testing.assert_frame_equal(old, new)
    assert set(view.get_training_dataset_statistics(version)) == {"train", "test"}
    view.add_training_dataset_tag(version, "use", "demo")
    assert view.get_training_dataset_tags(version) == {"use": "demo"}
    assert view.add_training_dataset_keywords(version, ["b", "a"]) == ["a", "b"]


def test_spines_and_forms_of_frames(fs, groups):
    view = view_of(fs, groups)
    spine = frame().head(2).drop(columns=["fraud_label"])
    assert len(view.training_data(spine=spine.assign(fraud_label=1))[0]) == 2
    view.training_data()
    batch = view.get_batch_data(spine=spine)
    assert len(batch) == 2
    assert "label_encoder_category_" in batch
    x, y = view.training_data(dataframe_type="polars", primary_key=True, event_time=True)
    assert {"tid", "datetime"} <= set(x.columns)
    assert y.columns == ["fraud_label"]
    assert view.training_data(dataframe_type="numpy")[0].shape == (N, 3)
    assert len(view.training_data(dataframe_type="python")[0][0]) == 3


def test_a_split_by_size_between_two_times(fs, groups):
    view = view_of(fs, groups)
    parts = view.train_test_split(
        test_size=0.25, train_start="2026-01-01 10:00", test_end="2026-01-02 06:00", event_time=True
    )
    assert [len(part) for part in parts[:2]] == [15, 5]
    times = pd.concat(parts[:2])["datetime"]
    assert times.min() == pd.Timestamp("2026-01-01 10:00", tz="UTC")
    assert times.max() == pd.Timestamp("2026-01-02 05:00", tz="UTC")
    pd.testing.assert_frame_equal(view.get_train_test_split(1, event_time=True)[0], parts[0])
