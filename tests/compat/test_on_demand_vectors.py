"""Feature vectors in steps: as stored, with on-demand features, transformed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hopyard
from hopyard.compat.hsfs.builtin_transformations import min_max_scaler
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.hopsworks_udf import udf

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
REQUEST = {"asked_km": 8.0}


@udf(float, drop=["asked_km"])
def detour(km, asked_km):
    return asked_km - km


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(tmp_path / "trusted"))
    fs = FeatureStore(hopyard.login(tmp_path / "store"))
    group = fs.create_feature_group(
        "trips",
        version=1,
        primary_key=["id"],
        online_enabled=True,
        transformation_functions=[detour("km", "asked_km").alias("extra")],
    )
    group.insert(pd.DataFrame({"id": [1, 2, 3], "km": [2.0, 4.0, 6.0], "asked_km": [3.0, 4.0, 9.0]}))
    view = fs.create_feature_view(
        "trips", group.select(["extra", "km"]), version=1, transformation_functions=[min_max_scaler("km")]
    )
    view.training_data()
    view.init_serving(1)
    return view


def test_each_step_takes_what_the_one_before_gives(view: Any) -> None:
    stored = view.get_feature_vector({"id": 2}, transform=False, on_demand_features=False)
    assert stored == [4.0]
    whole = view.compute_on_demand_features(stored, request_parameters=REQUEST)
    assert whole == [4.0, 4.0]
    assert view.transform(whole) == [4.0, 0.5]
    assert view.get_feature_vector({"id": 2}, request_parameters=REQUEST) == [4.0, 0.5]
    assert view.get_feature_vector({"id": 2}, request_parameters=REQUEST, transform=False) == whole


def test_several_vectors_and_frames(view: Any) -> None:
    entries = [{"id": 1}, {"id": 3}]
    stored = view.get_feature_vectors(entries, transform=False, on_demand_features=False)
    assert stored == [[2.0], [6.0]]
    requests = [REQUEST, {"asked_km": 6.5}]
    assert view.compute_on_demand_features(stored, requests) == [[6.0, 2.0], [0.5, 6.0]]
    frame = view.get_feature_vectors(entries, transform=False, on_demand_features=False, return_type="pandas")
    computed = view.compute_on_demand_features(frame, requests)
    assert computed.columns.tolist() == ["extra", "km"]
    assert computed["extra"].tolist() == [6.0, 0.5]


def test_what_is_missing_is_named(view: Any) -> None:
    with pytest.raises(FeatureStoreException, match="'asked_km'"):
        view.get_feature_vector({"id": 2})
    with pytest.raises(FeatureStoreException, match="'asked_km'"):
        view.compute_on_demand_features([4.0])
    with pytest.raises(FeatureStoreException, match=r"has 3 values.*extra, km; 1 without"):
        view.compute_on_demand_features([1.0, 2.0, 3.0], REQUEST)
