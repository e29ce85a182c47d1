"""Programs of 2020 and 2021: training datasets of queries and dataframes, and transformation functions by name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import hopyard
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.training_dataset_split import TrainingDatasetSplit

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
SPLITS = [
    TrainingDatasetSplit("train", "RANDOM_SPLIT", 0.8),
    TrainingDatasetSplit("test", "RANDOM_SPLIT", 0.2),
]


@pytest.fixture
def fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(tmp_path / "trusted"))
    return FeatureStore(hopyard.login(str(tmp_path / "store")))


@pytest.fixture
def query(fs):
    sales = fs.create_feature_group(
        "sales", version=1, primary_key=["store"], online_enabled=True, time_travel_format=None
    )
    sales.save(
        pd.DataFrame(
            {"store": range(20), "size": [1.0 * n for n in range(20)], "Sold": [n * 2 for n in range(20)]}
        )
    )
    kinds = fs.create_feature_group("kinds", version=1, primary_key=["store"], online_enabled=True)
    kinds.save(pd.DataFrame({"store": range(20), "kind": list("abcd") * 5}))
    return sales.select(["size", "sold"]).join(kinds.select(["kind"]), on=["store"])


def test_a_dataset_of_a_query(fs, query):
    td = fs.create_training_dataset(
        name="sales_model",
        version=1,
        data_format="csv",
        splits={"train": 0.7, "test": 0.3},
        label=["sold"],
        seed=3,
    )
    assert td.save(query) is td
    found = fs.get_training_dataset("sales_model", 1)
    assert len(found.read(split="train")) == 14
    assert len(found.read("test")) == 6
    assert len(found.read()) == 20
    assert found.label == ["sold"]
    assert sorted(split.name for split in found.splits) == ["test", "train"]
    assert len(found.show(3)) == 3
    assert "SELECT" in found.get_query().upper()
    assert "sold" not in found.get_query()
    assert "sold" in found.get_query(online=False, with_label=True)
    with pytest.raises(FeatureStoreException, match="no split 'validation'"):
        found.read("validation")


def test_serving_vectors(fs, query):
    td = fs.create_training_dataset("served", version=1, label=["sold"])
    td.save(query)
    td = fs.get_training_dataset("served", version=1)
    td.init_prepared_statement()
    assert td.serving_keys == {"store"}
    assert td.get_serving_vector({"store": 3}) == [3.0, "d"]
    assert td.get_serving_vectors({"store": [1, 2]}) == [[1.0, "b"], [2.0, "c"]]
    with pytest.raises(ValueError, match="Provided primary key map doesn't correspond to serving_keys"):
        td.get_serving_vector({"shop": 3})


def test_a_dataset_of_a_dataframe(fs):
    td = fs.create_training_dataset("rows", description="from a frame", data_format="parquet")
    td.save(pd.DataFrame({"A b": [1, 2, 3]}))
    assert td.version == 1
    assert td.description == "from a frame"
    assert td.read()["a_b"].tolist() == [1, 2, 3]
    with pytest.raises(FeatureStoreException, match="made of a dataframe"):
        td.get_serving_vector({"a": 1})


def test_transformations_of_2021(fs, query):
    def plus_one(value):
        return value + 1

    fs.create_transformation_function(plus_one, output_type=float, version=1).save()
    function = fs.get_transformation_function("plus_one", 1)
    scaler = fs.get_transformation_function("min_max_scaler")
    td = fs.create_training_dataset(
        "changed", version=1, label=["sold"], transformation_functions={"size": function}
    )
    td.save(query)
    assert td.read().sort_values("sold")["size"].tolist() == [n + 1.0 for n in range(20)]
    assert fs.get_training_dataset("changed", 1).get_serving_vector({"store": 3}) == [4.0, "d"]
    other = fs.create_training_dataset("scaled", version=1, transformation_functions={"size": scaler})
    other.save(query)
    assert other.read()["size"].max() == 1
    names = {(item.name, item.version) for item in fs.get_transformation_functions()}
    assert {("plus_one", 1), ("min_max_scaler", 1), ("label_encoder", 1)} <= names
    function.delete()
    assert fs.get_transformation_function("plus_one", 1) is None


def test_tags_versions_and_removal(fs, query):
    td = fs.create_training_dataset("tagged", version=1)
    with pytest.raises(RestAPIError, match="not saved"):
        td.add_tag("a", 1)
    td.save(query)
    td.add_tag("quality", {"level": 3})
    assert fs.get_training_dataset("tagged", 1).get_tag("quality") == {"level": 3}
    with pytest.raises(RestAPIError):
        fs.create_training_dataset("tagged", version=1)
    second = fs.create_training_dataset("tagged", splits=SPLITS)
    second.save(query)
    assert second.version == 2
    assert [item.version for item in fs.get_training_datasets("tagged")] == [1, 2]
    td.delete()
    with pytest.raises(RestAPIError):
        fs.get_training_dataset("tagged", 1)


def test_what_is_absent_says_so(fs, query):
    td = fs.create_training_dataset("absent", version=1)
    td.save(query)
    with pytest.raises(CompatError, match="never changes"):
        td.insert(query, True)
    with pytest.raises(CompatError, match="from_tensor_slices"):
        td.tf_data("sold")
    by_time = [
        TrainingDatasetSplit("train", "TIME_SERIES_SPLIT", start_time="2024-01-01", end_time="2024-02-01"),
        TrainingDatasetSplit("test", "TIME_SERIES_SPLIT", start_time="2024-02-01", end_time="2024-03-01"),
    ]
    with pytest.raises(CompatError, match=r"create_train_test_split\(train_end="):
        fs.create_training_dataset("by_time", version=1, splits=by_time)


def test_a_version_that_was_made_in_memory_says_how_it_is_read(fs, query):
    view = fs.create_feature_view("in_memory", query, version=1, labels=["sold"])
    view.train_test_split(test_size=0.2)
    version, _ = view.create_training_data(data_format="parquet")
    in_memory, stored = view.get_training_datasets()
    assert (in_memory.version, stored.version) == (1, version) == (1, 2)
    assert len(stored.read()) == 20
    with pytest.raises(FeatureStoreException, match="made in memory"):
        in_memory.read()
