"""Telecom churn: who will leave? Made-up customers, features that change, training data as it was known, one vector."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import hopyard

N_CUSTOMERS, N_WEEKS = 2_000, 26
START = pd.Timestamp("2025-01-06", tz="UTC")
rng = np.random.default_rng(20250106)
customer_id = np.arange(N_CUSTOMERS)
weeks = START + pd.to_timedelta(np.arange(1, N_WEEKS + 1) * 7, unit="D")

# What nobody sees, and everything follows from: how unhappy a customer is, week by week.
unhappy = rng.normal(0, 0.3, (N_WEEKS, N_CUSTOMERS)).cumsum(axis=0)
chance = 1 / (1 + np.exp(3.5 - 1.5 * unhappy))

# Three sources, three feature groups. A contract hardly changes; usage is summed at the end of each week; complaints
# come when they come.
contracts = pd.DataFrame(
    {
        "customer_id": customer_id,
        "plan": rng.choice(["basic", "family", "business"], N_CUSTOMERS),
        "monthly_fee": rng.choice([9.9, 19.9, 39.9], N_CUSTOMERS),
    }
)
usage = pd.DataFrame(
    {
        "customer_id": np.tile(customer_id, N_WEEKS),
        "week_end": weeks.repeat(N_CUSTOMERS),
        "minutes": np.maximum(rng.normal(120 - 40 * unhappy, 20), 0).round(1).ravel(),
        "dropped_calls": rng.poisson(np.exp(0.5 * unhappy)).ravel(),
    }
)
week, who = np.nonzero(rng.random(unhappy.shape) < chance * 0.8)
complaints = pd.DataFrame(
    {
        "customer_id": who,
        "complained_at": weeks[week] - pd.to_timedelta(rng.integers(1, 7 * 24 * 60, len(who)), unit="min"),
        "waited_minutes": rng.exponential(10, len(who)).round(1),
    }
)
# The labels: each customer is asked about at three moments, and leaves within four weeks or not.
asked = np.sort(rng.choice(np.arange(4, N_WEEKS), (N_CUSTOMERS, 3)), axis=1)
labels = pd.DataFrame(
    {
        "customer_id": np.repeat(customer_id, 3),
        "asked_at": weeks[asked.ravel()] + timedelta(hours=9),
        "churned": rng.random(N_CUSTOMERS * 3) < chance[asked.ravel(), np.repeat(customer_id, 3)],
    }
).drop_duplicates(["customer_id", "asked_at"])

folder = sys.argv[1] if len(sys.argv) > 1 else Path(mkdtemp()) / "churn"
fs = hopyard.login(folder).get_feature_store()
key = {"primary_key": ["customer_id"], "online_enabled": True}
contract_group = fs.create_feature_group("contracts", **key)
usage_group = fs.create_feature_group("usage", event_time="week_end", **key)
# After 60 days a complaint is forgotten.
complaint_group = fs.create_feature_group(
    "complaints", event_time="complained_at", ttl=timedelta(days=60), **key
)
churn_group = fs.create_feature_group("churn", primary_key=["customer_id"], event_time="asked_at")
for group, frame in (
    (contract_group, contracts),
    (usage_group, usage),
    (complaint_group, complaints),
    (churn_group, labels),
):
    print(f"{group.name}: {group.insert(frame).n_inserted} rows")

# Each label gets the contract, and the newest usage and complaint of before the question: never of after it.
query = (
    churn_group.select(["churned"])
    .join(contract_group.select_all())
    .join(usage_group.select_all())
    .join(complaint_group.select_all())
)
view = fs.create_feature_view(
    "churn",
    query,
    labels="churned",
    transformation_functions=[hopyard.label_encoder("plan"), hopyard.standard_scaler("minutes")],
)
dataset = view.create_train_test_split(
    train_end=START + timedelta(weeks=20), test_start=START + timedelta(weeks=20)
)
X_train, X_test, y_train, y_test = view.get_training_data(dataset.version)
model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0).fit(X_train, y_train)
print(f"{dataset}: AUC {roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]):.3f}")

view.init_serving(dataset.version)
vector = view.get_feature_vector({"customer_id": 42}, allow_missing=True, return_type="pandas")
print(f"customer 42: {vector.iloc[0].to_dict()}, will leave: {model.predict_proba(vector)[0, 1]:.3f}")
