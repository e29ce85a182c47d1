"""Transformations of a view, one after another: the same values in training data, in batches and in vectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import hopyard
from hopyard.errors import TrainingDatasetError
from hopyard.feature_view import FeatureView
from hopyard.project import Project

START = datetime(2026, 1, 1, tzinfo=UTC)
N = 40


@pytest.fixture
def view(store: Project) -> FeatureView:
    fs = store.get_feature_store()
    riders = fs.create_feature_group("riders", primary_key="rider", event_time="at", online_enabled=True)
    riders.insert(
        [
            {
                "rider": n,
                "at": START,
                "km": None if n % 5 == 0 else float(n),
                "plan": [None, "day", "month", "year"][n % 4],
                "taste": [float(n), 1.0, 2.0],
            }
            for n in range(N)
        ]
    )
    rides = fs.create_feature_group("rides", primary_key="ride", event_time="at", foreign_key="rider")
    rides.insert(
        [{"ride": n, "rider": n, "at": START + timedelta(hours=1), "is_late": n % 3 == 0} for n in range(N)]
    )
    return fs.create_feature_view(
        "late_rides",
        rides.select(["is_late"]).join(riders.select(["km", "plan", "taste"])),
        labels="is_late",
        transformation_functions=[
            hopyard.impute_median("km"),
            hopyard.standard_scaler("km"),
            hopyard.one_hot_encoder("plan"),
            hopyard.l2_norm("taste"),
        ],
    )


def test_training_data_batches_and_vectors_are_alike(view: FeatureView) -> None:
    dataset = view.create_training_data()
    names = ["km", "plan_day", "plan_month", "plan_year", "taste"]
    stored = dataset.read(dataframe_type="arrow").drop_columns(["is_late"])
    assert stored.column_names == names
    assert stored.column("km").null_count == 0
    assert dataset.verify().is_same
    assert [field.name for field in dataset.manifest.schema] == ["is_late", *names]
    batch = view.get_batch_data(dataframe_type="arrow")
    assert batch.equals(stored)
    view.init_serving()
    vectors = view.get_feature_vectors([{"rider": n} for n in range(N)])
    assert vectors == [list(row.values()) for row in stored.to_pylist()]
    (first,) = view.get_feature_vectors([{"rider": 1}], return_type="dict")
    assert list(first) == names
    raw = view.get_feature_vector({"rider": 1}, transform=False, return_type="dict")
    assert raw == {"km": 1.0, "plan": "day", "taste": [1.0, 1.0, 2.0]}
    dataset.delete()
    assert dataset.rebuild().read(dataframe_type="arrow").drop_columns(["is_late"]).equals(stored)


def test_they_are_fitted_on_train_alone(view: FeatureView) -> None:
    dataset = view.create_train_test_split(0.5)
    statistics = {(f.transformation, f.feature): f for f in dataset.manifest.fitted}
    train = dataset.read("train", dataframe_type="arrow").column("km").to_pylist()
    assert abs(sum(train)) < 1e-9
    assert set(statistics) == {
        ("impute_median", "km"),
        ("standard_scaler", "km"),
        ("one_hot_encoder", "plan"),
        ("l2_norm", "taste"),
    }


def test_a_column_that_collides_is_refused_before_anything_is_written(
    store: Project, view: FeatureView
) -> None:
    fs = store.get_feature_store()
    odd = fs.create_feature_group("odd", primary_key="k")
    odd.insert([{"k": 1, "c": "a", "c_a": 1.0}])
    clash = fs.create_feature_view(
        "clash", odd.select_all(), transformation_functions=hopyard.one_hot_encoder("c")
    )
    with pytest.raises(TrainingDatasetError, match="gives 'c_a'"):
        clash.create_training_data()
    assert clash.get_training_datasets() == []
