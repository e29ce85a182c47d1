"""The first quarter of an hour with Hopyard: groups, a view, training data, vectors, and the same after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import hopyard
from hopyard.errors import AlreadyExistsError, NotFoundError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView

START = datetime(2024, 3, 1, tzinfo=UTC)
N_DAYS = 20


def accounts() -> pd.DataFrame:
    return pd.DataFrame(
        {"account": ["a", "b", "c"], "country": ["no", "se", None], "limit": [10.5, 20.0, 5.25]}
    )


def balances() -> pd.DataFrame:
    rows = [
        {"account": account, "at": START + timedelta(days=day), "balance": float(1000 * place + day)}
        for day in range(0, N_DAYS, 2)
        for place, account in enumerate("ab")
    ]
    return pd.DataFrame(rows)


def payments() -> pd.DataFrame:
    rows = [
        {
            "payment": day,
            "account": "abc"[day % 3],
            "paid_at": START + timedelta(days=day, hours=1),
            "amount": day * 1.5,
            "is_fraud": day % 5 == 0,
        }
        for day in range(N_DAYS)
    ]
    return pd.DataFrame(rows)


def fill(fs: FeatureStore) -> FeatureView:
    fs.create_feature_group("accounts", primary_key="account", online_enabled=True).insert(accounts())
    fs.create_feature_group("balances", primary_key="account", event_time="at", online_enabled=True).insert(
        balances()
    )
    paid = fs.create_feature_group(
        "payments", primary_key="payment", event_time="paid_at", foreign_key="account"
    )
    paid.insert(payments())
    query = (
        paid.select(["amount", "is_fraud"])
        .join(fs.get_feature_group("balances").select(["balance"]))
        .join(fs.get_feature_group("accounts").select_all())
    )
    return fs.create_feature_view(
        "fraud",
        query,
        labels="is_fraud",
        transformation_functions=[
            hopyard.min_max_scaler("amount"),
            hopyard.standard_scaler("balance"),
            hopyard.label_encoder("country"),
        ],
    )


def test_from_dataframes_to_training_data(fs: FeatureStore) -> None:
    view = fill(fs)
    assert view.features == ["amount", "balance", "country", "limit"]
    X_train, X_test, y_train, y_test = view.train_test_split(test_size=0.25)  # noqa: N806
    assert (len(X_train), len(X_test)) == (15, 5)
    assert list(X_train.columns) == view.features
    assert (len(y_train), len(y_test)) == (15, 5)
    assert (X_train["amount"].min(), X_train["amount"].max()) == (0.0, 1.0)


def test_each_row_has_the_balance_known_at_its_time(fs: FeatureStore) -> None:
    view = fill(fs)
    rows = view.query.join  # the query is there to be extended; here it is read as it is
    assert callable(rows)
    found = view.query.read(dataframe_type="python", order_by=["amount"])
    for day, row in enumerate(found):
        place = "abc"[day % 3]
        wanted = {"a": day - day % 2, "b": 1000 + day - day % 2, "c": None}[place]
        assert row["balance"] == wanted
        assert row["limit"] == {"a": 10.5, "b": 20.0, "c": 5.25}[place]


def test_a_training_dataset_is_read_back_as_it_was_written(fs: FeatureStore) -> None:
    view = fill(fs)
    td = view.create_train_test_split(test_size=0.25, description="first")
    assert (td.version, td.splits) == (1, ["train", "test"])
    assert td.verify().is_same
    stored = view.get_training_data(1)
    fresh = view.train_test_split(test_size=0.25)
    for one, other in zip(stored, fresh, strict=True):
        compare = (
            pd.testing.assert_series_equal if isinstance(one, pd.Series) else pd.testing.assert_frame_equal
        )
        compare(one, other)
    assert [split.n_rows for split in td.manifest.splits] == [15, 5]
    assert view.get_training_dataset().manifest == td.manifest


def test_a_vector_is_the_row_that_training_would_see(fs: FeatureStore) -> None:
    view = fill(fs)
    view.create_training_data()
    view.init_serving(1)
    passed = {"amount": 3.0}
    for account in "ab":
        raw = view.get_feature_vector(
            {"account": account}, passed_features=passed, transform=False, return_type="dict"
        )
        row = {"a": ("no", 10.5, 18.0), "b": ("se", 20.0, 1018.0)}[account]
        assert raw == {"amount": 3.0, "balance": row[2], "country": row[0], "limit": row[1]}
    scaled = view.get_feature_vector({"account": "a"}, passed_features=passed, return_type="dict")
    assert scaled["amount"] == 3.0 / 28.5
    assert scaled["country"] == 0
    missing = view.get_feature_vector({"account": "zzz"}, passed_features=passed, allow_missing=True)
    assert missing[1:] == [None, None, None]


def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    view = fill(hopyard.login(tmp_path / "store").get_feature_store())
    td = view.create_train_test_split(test_size=0.25)
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    assert [group.name for group in fs.list_feature_groups()] == ["accounts", "balances", "payments"]
    again = fs.get_feature_view("fraud")
    assert again.spec == view.spec
    assert again.get_training_dataset(1).manifest == td.manifest
    assert again.get_training_dataset(1).verify().is_same
    again.init_serving()
    assert len(again.get_feature_vector({"account": "a"}, passed_features={"amount": 1.0})) == 4


def test_two_projects_of_one_store_do_not_see_each_other(tmp_path: Path) -> None:
    fill(hopyard.login(tmp_path / "store", project="one").get_feature_store())
    other = hopyard.login(tmp_path / "store", project="two").get_feature_store()
    assert other.list_feature_groups() == []
    with pytest.raises(NotFoundError):
        other.get_feature_view("fraud")
    fill(other)


def test_the_next_version_lives_beside_the_first(fs: FeatureStore) -> None:
    fill(fs)
    second = fs.create_feature_group("accounts", primary_key="account")
    second.insert([{"account": "a", "country": "no"}])
    assert second.version == 2
    assert fs.get_feature_group("accounts").version == 2
    assert len(fs.get_feature_group("accounts", 1).read()) == 3
    with pytest.raises(AlreadyExistsError):
        fs.create_feature_group("accounts", 2, primary_key="account")
