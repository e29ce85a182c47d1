"""Titanic passengers joined with bank balances: two feature groups, one inferred key, one set of training data."""

import sys
from pathlib import Path
from tempfile import mkdtemp

import hopyard

folder = sys.argv[1] if len(sys.argv) > 1 else Path(mkdtemp()) / "titanic"
fs = hopyard.login(folder).get_feature_store()

passengers = fs.create_feature_group("passengers", primary_key=["name"])
passengers.insert(
    [
        {"name": "Allen", "sex": "female", "age": 29.0, "fare": 211.34, "survived": True},
        {"name": "Braund", "sex": "male", "age": 22.0, "fare": 7.25, "survived": False},
        {"name": "Cumings", "sex": "female", "age": 38.0, "fare": 71.28, "survived": True},
        {"name": "Moran", "sex": "male", "age": None, "fare": 8.46, "survived": False},
    ]
)
balances = fs.create_feature_group("balances", primary_key=["name"])
balances.insert([{"name": "Allen", "balance": 1_200}, {"name": "Braund", "balance": 3}])

query = passengers.select_all().join(balances.select_all())  # by `name`: nobody has to say it
view = fs.create_feature_view("titanic", query, labels="survived")
X, y = view.training_data()
print(X.assign(survived=y).to_string(index=False))
