"""Statistics as programs for Hopsworks read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hopyard
from hopyard.compat.hsfs.feature_group import FeatureGroup
from hopyard.compat.hsfs.feature_store import FeatureStore


@pytest.fixture
def group(tmp_path: Path) -> FeatureGroup:
    fs = FeatureStore(hopyard.login(tmp_path / "store"))
    group = fs.create_feature_group(
        "sales", version=1, primary_key=["id"], statistics_config={"correlations": True, "histograms": True}
    )
    group.insert(rows(0, 100))
    return group


def rows(start: int, stop: int) -> pd.DataFrame:
    ids = np.arange(start, stop)
    half = pd.array([None if k % 2 else float(k) for k in ids], "Float64")
    return pd.DataFrame({"id": ids, "half": half, "is_new": ids % 4 == 0})


def test_a_column_that_is_half_null_is_half_complete(group: FeatureGroup) -> None:
    found = group.statistics
    assert found is not None
    by_name = {feature.feature_name: feature for feature in found.feature_descriptive_statistics}
    half = by_name["half"]
    assert (half.count, half.completeness, half.num_non_null_values, half.num_null_values) == (
        100,
        0.5,
        50,
        50,
    )
    values = np.arange(0, 100, 2)
    assert half.mean == values.mean() and half.stddev == pytest.approx(values.std(ddof=1))
    quartiles = [half.percentiles[place] for place in (24, 49, 74)]
    assert quartiles == pytest.approx(np.percentile(values, [25, 50, 75]).tolist())
    assert len(half.percentiles) == 100 and 0.0 not in half.percentiles
    assert (by_name["id"].feature_type, half.feature_type, by_name["is_new"].feature_type) == (
        *("Integral", "Fractional", "Boolean"),
    )
    histogram = by_name["id"].extended_statistics["histogram"]
    assert len(histogram) == 20 and histogram[0] == {"value": "0.00 to 4.95", "count": 5, "ratio": 0.05}
    assert by_name["is_new"].extended_statistics["histogram"][0] == {
        "value": "false",
        "count": 75,
        "ratio": 0.75,
    }
    correlations = by_name["id"].extended_statistics["correlations"]
    assert {item["column"]: item["correlation"] for item in correlations} == pytest.approx(
        {"id": 1.0, "half": 1.0}
    )


def test_statistics_of_commits(group: FeatureGroup) -> None:
    first = max(group.commit_details())
    group.insert(rows(100, 140))
    before = group.get_statistics(first, feature_names=["id"])
    assert before is not None
    assert [feature.count for feature in before.feature_descriptive_statistics] == [100]
    now = group.get_statistics()
    assert now is not None and now.feature_descriptive_statistics[0].count == 140
    counts = [kept.feature_descriptive_statistics[0].count for kept in group.get_all_statistics()]
    assert counts == [140, 100]
    later = group.get_statistics_by_commit_window(first, None)
    assert [kept.feature_descriptive_statistics[0].count for kept in later] == [140]
