"""Expectation suites, run by Great Expectations where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hopyard
from hopyard.compat.hsfs.client.exceptions import DataValidationException
from hopyard.compat.hsfs.expectation_suite import ExpectationSuite
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.ge_expectation import GeExpectation

gx = pytest.importorskip("great_expectations", reason="needs the extra great-expectations")
pytestmark = pytest.mark.filterwarnings("ignore::Warning")

GOOD = pd.DataFrame({"id": [1, 2], "km": [1.5, 9.0]})
BAD = pd.DataFrame({"id": [3, 4], "km": [-1.0, 2.0]})
BETWEEN = {
    "expectation_type": "expect_column_values_to_be_between",
    "kwargs": {"column": "km", "min_value": 0, "max_value": 10},
}


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    return FeatureStore(hopyard.login(tmp_path / "store"))


def group_with(fs: FeatureStore, suite: Any) -> Any:
    return fs.create_feature_group("trips", version=1, primary_key=["id"], expectation_suite=suite)


def test_always_writes_and_reports(fs: FeatureStore) -> None:
    group = group_with(fs, ExpectationSuite("km", [BETWEEN]))
    _, report = group.insert(GOOD)
    assert report["success"] is True
    _, report = group.insert(BAD)
    assert report["success"] is False
    assert len(group.read()) == 4
    assert group.validate(BAD)["success"] is False
    assert group.validate(GOOD, save_report=True)["success"] is True
    assert group.get_latest_validation_report()["success"] is True
    (result,) = group.get_validation_history(expectation_id=1)[:1]
    assert result["success"] is True


def test_strict_refuses_and_writes_nothing(fs: FeatureStore) -> None:
    group = group_with(fs, ExpectationSuite("km", [BETWEEN], validation_ingestion_policy="strict"))
    group.insert(GOOD)
    with pytest.raises(DataValidationException, match="Nothing was written"):
        group.insert(BAD)
    assert len(group.read()) == 2


def test_suites_of_great_expectations_go_in_and_come_out(fs: FeatureStore) -> None:
    suite = gx.ExpectationSuite(name="own")
    suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="km"))
    group = group_with(fs, suite)
    group.insert(GOOD)
    kept = group.get_expectation_suite(ge_type=True)
    assert [item.expectation_type for item in kept.expectations] == ["expect_column_values_to_not_be_null"]
    added = GeExpectation.from_ge_type(gx.expectations.ExpectColumnMaxToBeBetween(column="km", max_value=10))
    assert (added.expectation_type, added.kwargs["max_value"]) == ("expect_column_max_to_be_between", 10)
    assert added.to_ge_type().kwargs["column"] == "km"
