"""Whole programs in the style of 2020, 2023 and today, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hopyard

SOURCE = Path(hopyard.__file__).parents[1]

TAXI = """
import datetime as dt
import pandas as pd, numpy as np
import hopsworks
from hopsworks import udf
from hsfs.transformation_statistics import TransformationStatistics
from hopsworks.hsfs.builtin_transformations import label_encoder, standard_scaler

project = hopsworks.login()
fs = project.get_feature_store()
n = 200
rng = np.random.default_rng(0)
trips = pd.DataFrame({
    "ride_id": [f"r{i}" for i in range(n)],
    "zone": rng.integers(0, 5, n),
    "pickup": pd.date_range("2025-01-01", periods=n, freq="30min"),
    "miles": rng.gamma(2, 3, n),
    "fare": rng.normal(20, 5, n),
    "pay": rng.choice(["Cash", "Card"], n),
})
trips.loc[3, "miles"] = np.nan
fg = fs.get_or_create_feature_group(
    name="rides", version=1, primary_key=["ride_id"], event_time="pickup", online_enabled=True)
fg.insert(trips)
zones = pd.DataFrame({
    "zone": np.repeat(range(5), 4),
    "hour": pd.to_datetime(["2024-12-31", "2025-01-01", "2025-01-02", "2025-01-03"] * 5),
    "demand": range(20),
})
zg = fs.get_or_create_feature_group(
    name="zones", version=1, primary_key=["zone"], event_time="hour", online_enabled=True)
zg.insert(zones, write_options={"wait_for_job": True})

@udf(int)
def pickup_hour(pickup):
    return pickup.dt.hour

stats = TransformationStatistics("fare")

@udf(float, drop=["fare"])
def norm(fare, statistics=stats):
    return (fare - statistics.fare.min) / (statistics.fare.max - statistics.fare.min)

q = fg.select_except(["ride_id"]).join(zg.select(["demand"]), on=["zone"], prefix="z_")
fv = fs.get_or_create_feature_view(
    name="rides_view", version=1, query=q, labels=["fare"],
    transformation_functions=[label_encoder("pay"), standard_scaler("miles"), pickup_hour("pickup"), norm("fare")])
X_train, X_test, y_train, y_test = fv.train_test_split(test_size=0.2)
assert list(y_train.columns) == ["norm_fare_"] and y_train["norm_fare_"].max() == 1
version, job = fv.create_train_validation_test_split(
    validation_size=0.2, test_size=0.1, data_format="parquet", write_options={"wait_for_job": True}, seed=1)
assert version == 2 and len(fv.get_train_validation_test_split(version)[0]) == 140
fv.init_serving(training_dataset_version=version)
vector = fv.get_feature_vector({"ride_id": "r5"})
assert vector[:1] == [trips["zone"][5]] and vector[4] == 2 and len(vector) == X_train.shape[1]
assert len(fv.get_feature_vectors([{"ride_id": "r5"}, {"ride_id": "r6"}], return_type="pandas")) == 2
fv.init_batch_scoring(version)
assert len(fv.get_batch_data(start_time=dt.datetime(2025, 1, 2), end_time=dt.datetime(2025, 1, 3))) == 48
"""

SERVING = """
import hopsworks
fs = hopsworks.login().get_feature_store()
fv = fs.get_feature_view(name="rides_view", version=1)
fv.init_serving(training_dataset_version=2)
print(fv.get_feature_vector(entry={"ride_id": "r5"}))
"""

STORES_2020 = """
import numpy as np, pandas as pd
import hsfs
connection = hsfs.connection()
fs = connection.get_feature_store()
df = pd.DataFrame({
    "store": np.arange(30) % 3,
    "dept": np.arange(30) % 5,
    "date": pd.date_range("2020-01-01", periods=30).strftime("%Y-%m-%d"),
    "weekly_sales": np.arange(30) * 1.0,
})
sales = fs.create_feature_group("sales_fg", version=1, primary_key=["store", "dept", "date"], time_travel_format=None)
sales.save(df)
exogenous = fs.create_feature_group("exogenous_fg", version=1, primary_key=["store", "date"], time_travel_format=None)
exogenous.save(df[["store", "date"]].assign(temp=1.5))
td = fs.create_training_dataset(
    "sales_model", version=1, data_format="tfrecords", splits={"train": 0.7, "validate": 0.3}, label=["weekly_sales"])
td.save(sales.select_all().join(exogenous.select(["temp"])))
assert td.read("train").shape == (21, 5)
assert len(fs.get_training_dataset("sales_model").show(2)) == 2
"""

LOANS_2023 = """
import numpy as np, pandas as pd
import hopsworks
project = hopsworks.login()
fs = project.get_feature_store()
fg = fs.get_or_create_feature_group(
    name="loans", version=1, primary_key=["id"], event_time="issue_d", online_enabled=True)
n = 80
fg.insert(pd.DataFrame({
    "id": range(n), "Issue_D": pd.date_range("2020-01-01", periods=n), "amnt": np.linspace(1, 9, n),
    "grade": list("abcd") * 20, "status": np.arange(n) % 2,
}), write_options={"wait_for_job": False})
scaler = fs.get_transformation_function(name="min_max_scaler")
encoder = fs.get_transformation_function(name="label_encoder")
fv = fs.create_feature_view(
    name="loans_view", version=1, query=fg.select_except(["id", "issue_d"]), labels=["status"],
    transformation_functions={"amnt": scaler, "grade": encoder})
version, job = fv.create_train_test_split(test_size=0.25, data_format="csv", write_options={"wait_for_job": True})
X_train, X_test, y_train, y_test = fv.get_train_test_split(version)
assert list(X_train.columns) == ["amnt", "grade"] and X_train["amnt"].min() == 0
fv.init_serving(1)
assert len(fv.get_feature_vector({"id": 4}, passed_features={"amnt": 2.0})) == 2
again = fs.get_feature_view("loans_view", version=1)
assert again.get_batch_data(start_time="2020-03-01").shape == (20, 2)
assert fv.get_newest_model() is None
fv.delete_all_training_datasets()
fv.delete()
"""


def run(folder: Path, *programs: str) -> str:
    """Run programs one after the other in a folder, and return what they wrote."""
    written = ""
    for place, program in enumerate(programs):
        (folder / f"program_{place}.py").write_text(program)
        environment = {
            **os.environ,
            "HOPYARD_TRUST_FILE": str(folder / "trusted"),
            "PYTHONWARNINGS": "ignore",
        }
        environment |= {"PYTHONPATH": str(SOURCE)}
        environment.pop("HOPYARD_URL", None)
        done = subprocess.run(
            [sys.executable, "-m", "hopyard.compat", "run", f"program_{place}.py"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        written += done.stdout
        assert done.returncode == 0, done.stdout + done.stderr
    return written


@pytest.mark.parametrize("program", [STORES_2020, LOANS_2023], ids=["2020", "2023"])
def test_a_program_of_an_older_era_runs(program: str, tmp_path: Path) -> None:
    run(tmp_path, program)


def test_a_program_of_today_trains_and_another_one_serves(tmp_path: Path) -> None:
    assert "datetime.datetime(2025, 1, 1, 2, 30" in run(tmp_path, TAXI, SERVING)
