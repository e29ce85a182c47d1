"""Training datasets without a feature view: of a query or of a dataframe, saved under a name of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from groups import make_group
from hopyard.errors import (
    AlreadyExistsError,
    HopyardError,
    InvalidNameError,
    NotFoundError,
    TrainingDatasetError,
)
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query
from hopyard.testing.frames import frame
from hopyard.testing.store import open_store

RATES = {"item": "string", "rate": "double"}
SALES = {"sale": "bigint", "item": "string", "is_late": "boolean"}
SPLITS = {"train": 0.8, "test": 0.2}


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    fs = open_store(tmp_path / "store").get_feature_store()
    make_group(fs, "rates", RATES, [("pen", 1.0), ("ink", 2.0)], primary_key="item")
    rows = [(n, "pen" if n % 3 else "ink", n % 2 == 0) for n in range(50)]
    make_group(fs, "sales", SALES, rows, primary_key="sale", foreign_key="item")
    return fs


@pytest.fixture
def query(fs: FeatureStore) -> Query:
    return fs.get_feature_group("sales").select_all().join(fs.get_feature_group("rates").select_all())


def test_a_dataset_of_a_query(fs: FeatureStore, query: Query) -> None:
    td = fs.create_training_dataset("late", splits=SPLITS, label=["is_late"], data_format="csv")
    with pytest.raises(TrainingDatasetError, match=r"has no rows yet: call save\(query\)"):
        td.read("train")
    assert fs.list_training_datasets() == []
    assert td.save(query) is td
    assert (td.name, td.version, td.splits, td.manifest.labels) == (
        "late",
        1,
        ["train", "test"],
        ("is_late",),
    )
    assert [split.n_rows for split in td.manifest.splits] == [40, 10]
    assert len(td.read("train", dataframe_type="python")) == 40
    assert len(td.show(3, "test")) == 3
    assert set(td.balance["train"]["is_late"]) == {True, False}
    fs.get_feature_group("rates").insert(frame(RATES, [("pen", 7.0)]))
    stored = fs.get_training_dataset("late")
    assert stored.verify().status == "same"
    rates = {row["rate"] for row in stored.get_query().read(dataframe_type="python")}
    assert rates == {1.0, 2.0}  # as committed then
    stored.delete()
    assert stored.rebuild().manifest == td.manifest
    assert [node.kind for node in stored.provenance().nodes] == ["feature group"] * 2 + ["training dataset"]


def test_a_dataset_of_a_dataframe(fs: FeatureStore) -> None:
    rows = pa.table({"x": [3.0, 1.0, float("nan")], "y": ["b", "a", None]})
    td = fs.create_training_dataset("scores", data_format="arrow").save(rows)
    assert td.read(dataframe_type="arrow").to_pydict()["y"] == ["b", "a", None]
    assert td.verify().status == "same"
    assert td.get_query().read(dataframe_type="arrow").num_rows == 3
    split = fs.create_training_dataset("scores", splits={"train": 2 / 3, "test": 1 / 3}).save(rows)
    reverse = fs.create_training_dataset("scores", splits={"train": 2 / 3, "test": 1 / 3}).save(rows[::-1])
    assert (split.version, reverse.version) == (2, 3)
    assert [s.before.rows for s in split.manifest.splits] == [s.before.rows for s in reverse.manifest.splits]


def test_a_dataset_of_a_dataframe_with_joins_and_of_some_of_its_columns(fs: FeatureStore) -> None:
    asked = fs.spine([{"sale": n, "item": "pen", "note": str(n)} for n in range(9)], primary_key="sale")
    joined = asked.join(fs.get_feature_group("rates").select_all(), on=["item"])
    td = fs.create_training_dataset("asked", splits=SPLITS).save(joined)
    assert td.verify().status == "same"
    assert [field.name for field in td.manifest.schema] == ["sale", "item", "note", "rate"]


def test_versions_and_names(fs: FeatureStore, query: Query) -> None:
    first, second = (fs.create_training_dataset("late") for _ in range(2))
    first.save(query)
    assert second.save(query).version == 2
    with pytest.raises(TrainingDatasetError, match="was saved already"):
        first.save(query)
    with pytest.raises(AlreadyExistsError, match="version 2 exists"):
        fs.create_training_dataset("late", 2)
    assert fs.create_training_dataset("late", 7).save(query).version == 7
    assert [td.version for td in fs.list_training_datasets("late")] == [1, 2, 7]
    assert fs.get_training_dataset("late", 2).version == 2
    view = fs.create_feature_view("late", query)
    with pytest.raises(AlreadyExistsError, match="feature view 'late' version 1"):
        fs.create_training_dataset("late_1")
    view.create_training_data()
    assert fs.get_training_dataset("late_1").manifest.view == "late"
    fs.create_training_dataset("other_1").save(query)
    with pytest.raises(AlreadyExistsError, match="that of training datasets of a query"):
        fs.create_feature_view("other", query).create_training_data()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"splits": {"train": 0.8, "test": 0.3}}, TrainingDatasetError, "make their sum 1"),
        ({"splits": {"train": 1.0}}, TrainingDatasetError, "above 0 and below 1"),
        ({"splits": {"train": "0.8", "test": 0.2}}, TrainingDatasetError, "must be a number"),
        ({"splits": {"../x": 0.8, "test": 0.2}}, InvalidNameError, "split"),
        ({"splits": 0.8}, TrainingDatasetError, "must be a dict of shares"),
        ({"data_format": "feather"}, TrainingDatasetError, "There are: arrow, csv, parquet"),
        ({"version": 0}, HopyardError, "version"),
        ({"location": __file__}, TrainingDatasetError, "is a file"),
        ({"seed": -1}, TrainingDatasetError, "seed=-1"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    fs: FeatureStore, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fs.create_training_dataset("late", **{"splits": SPLITS, **options})


def test_sources_that_make_no_dataset(fs: FeatureStore, query: Query) -> None:
    td = fs.create_training_dataset("late", label="is_latte")
    with pytest.raises(NotFoundError, match="'is_latte'.*'is_late'"):
        td.save(query)
    with pytest.raises(HopyardError, match="is no dataframe"):
        td.save(5)
    assert fs.list_training_datasets() == []
    with pytest.raises(NotFoundError, match="late"):
        fs.get_training_dataset("late")
