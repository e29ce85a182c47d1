"""Telecom churn: who will leave? Made-up customers, features that change, training data as it was known, one vector."""

import sys
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import hopyard

N_CUSTOMERS, N_WEEKS, WEEK = 3_000, 26, timedelta(weeks=1)
start = pd.Timestamp.now("UTC").floor("D") - N_WEEKS * WEEK
weeks = pd.date_range(start + WEEK, periods=N_WEEKS, freq=WEEK)
customers = np.arange(N_CUSTOMERS)

# What nobody sees and everything follows from: how unhappy each customer is, week by week.
rng = np.random.default_rng(seed=1)
unhappy = rng.normal(0, 0.3, (N_WEEKS, N_CUSTOMERS)).cumsum(axis=0)
chance = 1 / (1 + np.exp(3.5 - 2 * unhappy))

contracts = pd.DataFrame(
    {
        "customer_id": customers,
        "plan": rng.choice(["basic", "family", "business"], N_CUSTOMERS),
        "monthly_fee": rng.choice([9.9, 19.9, 39.9], N_CUSTOMERS),
    }
)
usage = pd.DataFrame(  # a row per customer and week, known at its end
    {
        "customer_id": np.tile(customers, N_WEEKS),
        "week_end": weeks.repeat(N_CUSTOMERS),
        "minutes": rng.normal(120 - 40 * unhappy, 20).clip(0).round().ravel(),
        "dropped_calls": rng.poisson(np.exp(0.5 * unhappy)).ravel(),
    }
)
week, customer = np.nonzero(rng.random(unhappy.shape) < chance)
complaints = pd.DataFrame(
    {
        "customer_id": customer,
        "complained_at": weeks[week] - pd.to_timedelta(rng.integers(1, 7 * 24, len(week)), unit="h"),
        "waited_minutes": rng.exponential(10, len(week)).round(1),
    }
)
asked = rng.integers(
    4, N_WEEKS, N_CUSTOMERS
)  # each customer is asked about once: will they leave within four weeks?
churn = pd.DataFrame(
    {
        "customer_id": customers,
        "asked_at": weeks[asked] + timedelta(hours=9),
        "churned": rng.random(N_CUSTOMERS) < chance[asked, customers],
    }
)

fs = hopyard.login(sys.argv[1] if len(sys.argv) > 1 else Path(mkdtemp()) / "churn").get_feature_store()
groups = {
    "contracts": fs.create_feature_group("contracts", primary_key="customer_id", online_enabled=True),
    "usage": fs.create_feature_group(
        "usage", primary_key="customer_id", event_time="week_end", online_enabled=True
    ),
    "complaints": fs.create_feature_group(
        "complaints",
        primary_key="customer_id",
        event_time="complained_at",
        ttl=timedelta(days=60),  # after which a complaint is forgiven
        online_enabled=True,
    ),
    "churn": fs.create_feature_group("churn", primary_key="customer_id", event_time="asked_at"),
}
for name, frame in {"contracts": contracts, "usage": usage, "complaints": complaints, "churn": churn}.items():
    print(f"{name}: {groups[name].insert(frame).n_inserted} rows")

# Each label with the contract, the newest usage and the newest complaint from before the question: never from after it.
query = groups["churn"].select(["churned"])
for name in ("contracts", "usage", "complaints"):
    query = query.join(groups[name].select_all())
view = fs.create_feature_view(
    "churn", query, labels="churned", transformation_functions=[hopyard.label_encoder("plan")]
)
dataset = view.create_train_test_split(train_end=start + 18 * WEEK)
X_train, X_test, y_train, y_test = view.get_training_data(dataset.version)
model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0).fit(X_train, y_train)
print(f"{dataset}: AUC {roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]):.2f}")

view.init_serving(dataset.version)
vector = view.get_feature_vector({"customer_id": 42}, allow_missing=True, return_type="pandas")
print(f"customer 42: {vector.iloc[0].to_dict()}: leaves with {model.predict_proba(vector)[0, 1]:.0%}")
