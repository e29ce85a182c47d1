"""Whole programs in the style of each year, on feature groups and queries above all."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs import compat, write_script

FLAT_2020 = """
from hops import featurestore
import pandas as pd

teams = pd.DataFrame({"team_id": [1, 2], "position": [1, 2]})
attendance = pd.DataFrame({"team_id": [1, 2], "mean_attendance": [100.0, 200.0]})
featurestore.create_featuregroup(teams, "teams_features", primary_key=["team_id"], description="places")
featurestore.create_featuregroup(attendance, "attendances_features", primary_key="team_id", cluster_analysis=False)
features = featurestore.get_features(["position", "mean_attendance"])
assert sorted(features.values.tolist()) == [[1.0, 100.0], [2.0, 200.0]]
featurestore.create_training_dataset(features, "season", data_format="csv", descriptive_statistics=False)
assert featurestore.get_latest_training_dataset_version("season") == 1
assert len(featurestore.get_training_dataset("season")) == 2
"""

CHURN_2020 = """
import hsfs
import pandas as pd

connection = hsfs.connection()
fs = connection.get_feature_store()
telco = pd.DataFrame({"customerID": range(10), "Tenure": range(10), "Churn": [0, 1] * 5})
telco_fg = fs.create_feature_group("telco", version=1, description="customers", primary_key=["customerid"],
                                   time_travel_format=None, statistics_config={"enabled": True, "histograms": True})
telco_fg.save(telco)
genders = fs.create_feature_group(name="genders", version=1, primary_key=["customerID"], online_enabled=True)
genders.save(pd.DataFrame({"customerID": range(10), "gender": ["f", "m"] * 5}))

telco_fg = fs.get_feature_group("telco", 1)
query = telco_fg.select_all().join(genders.select(["gender"]), on=["customerid"])
assert list(query.show(3).columns) == ["customerid", "tenure", "churn", "gender"]
td = fs.create_training_dataset(name="churn", version=1, data_format="csv", label=["churn"],
                                splits={"train": 0.7, "test": 0.3})
td.save(query)
td = fs.get_training_dataset("churn", 1)
assert len(td.read("train")) == 7 and len(td.read(split="test")) == 3

telco_fg.insert(telco.assign(Tenure=99).head(2), operation="upsert")
commits = list(telco_fg.commit_details())
assert len(commits) == 2
assert telco_fg.read(commits[-1])["tenure"].max() == 9
assert len(telco_fg.read_changes(commits[-1], commits[0])) == 2
telco_fg.commit_delete_record(telco[telco.customerID == 0])
assert len(telco_fg.read()) == 9
connection.close()
"""

FRAUD_2023 = """
import hopsworks
import numpy as np
import pandas as pd

project = hopsworks.login()
fs = project.get_feature_store()
rng = np.random.default_rng(1)
n = 200
trans = pd.DataFrame({"tid": [f"t{i}" for i in range(n)], "datetime": pd.date_range("2022-01-01", periods=n, freq="h"),
                      "cc_num": rng.integers(0, 20, n), "category": rng.choice(["Grocery", "Cash"], n),
                      "amount": rng.random(n), "fraud_label": rng.integers(0, 2, n)})
trans["datetime"] = trans["datetime"].map(lambda x: x.value // 10**6)
windows = trans[["cc_num", "datetime"]].assign(mean_amount=rng.random(n))
trans_fg = fs.get_or_create_feature_group(name="transactions", version=1, primary_key=["cc_num"],
                                          event_time="datetime", online_enabled=True)
trans_fg.insert(trans, write_options={"wait_for_job": True})
window_fg = fs.get_or_create_feature_group(name="windows", version=1, primary_key=["cc_num"], event_time="datetime")
job, report = window_fg.insert(windows)
assert job.get_final_status() == "SUCCEEDED"
for name in ("tid", "amount"):
    trans_fg.update_feature_description(name, f"The {name}")

query = trans_fg.select(["fraud_label", "category", "amount"]).join(
    window_fg.select_except(["cc_num", "datetime"]), on="cc_num")
scaler = fs.get_transformation_function(name="min_max_scaler")
view = fs.get_or_create_feature_view(name="fraud", version=1, query=query, labels=["fraud_label"],
                                     transformation_functions=[scaler("amount")])
X_train, X_test, y_train, y_test = view.train_test_split(test_size=0.2)
assert len(X_train) == 160 and "min_max_scaler_amount_" in X_train.columns
batch = view.get_batch_data(start_time="20220101", end_time="20220103")
assert len(batch) == 48
assert [found.name for found in trans_fg.get_generated_feature_views().accessible] == ["fraud"]
assert [found.name for found in fs.search("fraud").feature_views] == ["fraud"]
"""

LOANS_2024 = """
import hopsworks
import numpy as np
import pandas as pd

fs = hopsworks.login().get_feature_store()
applications = pd.DataFrame({"SK_ID_CURR": range(100), "target": [0, 1] * 50, "code": ["a", None] * 50})
bureau = pd.DataFrame({"sk_id_curr": [1, 1, 2], "sk_id_bureau": [10, 11, 12], "days": [1.0, 2.0, 3.0]})
applications_fg = fs.get_or_create_feature_group(name="applications", version=1, primary_key=["sk_id_curr"])
applications_fg.insert(applications)
bureau_fg = fs.get_or_create_feature_group(name="bureaus", version=1, primary_key=["sk_id_curr", "sk_id_bureau"])
bureau_fg.insert(bureau)
query = applications_fg.select_all().join(bureau_fg.select_except(["sk_id_curr"]), left_on="sk_id_curr",
                                          right_on="sk_id_curr", join_type="left", prefix="b_")
rows = query.read()
assert list(rows.columns) == ["sk_id_curr", "target", "code", "b_sk_id_bureau", "b_days"] and len(rows) == 101
view = fs.create_feature_view(name="loans", version=1, query=query, labels=["target"])
X, y = view.training_data()
assert len(X) == 101
either = (applications_fg.code == "a") & (applications_fg["sk_id_curr"] > 50)
assert len(applications_fg.filter(either).read()) == 24
"""

PRICES_2025 = """
import datetime

import hopsworks
import numpy as np
import pandas as pd
from hsfs.client.exceptions import RestAPIError
from hsfs.feature import Feature

fs = hopsworks.login().get_feature_store()
days = pd.date_range("2023-01-01", periods=20, tz="UTC")
prices = pd.DataFrame({"ticker": ["A", "B"] * 20, "timestamp": np.repeat(days, 2), "close": np.arange(40.0)})
schema = [Feature("ticker", "string", "who"), Feature("timestamp", "timestamp"), Feature("close", "double")]
fg = fs.get_or_create_feature_group(name="prices", version=1, primary_key=["ticker"], event_time="timestamp",
                                    features=schema, online_enabled=True, stream=True, ttl=10**10)
fg.insert(prices, write_options={"start_offline_materialization": False}, wait=True)
fg.materialization_job.run(await_termination=True)
assert len(fg.filter(fg.timestamp >= datetime.datetime(2023, 1, 19)).read()) == 4
assert len(fg.filter(Feature("timestamp") > "2023-01-10").read()) == 20
assert fg.read(online=True)["close"].tolist() in ([38.0, 39.0], [39.0, 38.0])
fg.add_tag(name="privacy", value={"pii": False})
assert fg.get_tag("privacy") == {"pii": False}
try:
    fs.create_feature_group("prices", version=1, primary_key=["ticker"]).save(prices)
except RestAPIError as error:
    assert "prices" in str(error)
else:
    raise AssertionError("two groups of one version")
"""

PROGRAMS = {
    "flat_2020": FLAT_2020,
    "churn_2020": CHURN_2020,
    "fraud_2023": FRAUD_2023,
    "loans_2024": LOANS_2024,
    "prices_2025": PRICES_2025,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_its_year_runs_unchanged(tmp_path: Path, name: str) -> None:
    write_script(tmp_path / f"{name}.py", PROGRAMS[name])
    run = compat("run", f"{name}.py", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
