"""A filter on the joined rows of a view selects training rows: a batch to score has the other rows, too."""

from __future__ import annotations

from datetime import UTC, datetime

from hopyard.feature_store import FeatureStore


def test_rows_without_a_label_are_scored_and_not_trained_on(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="id", event_time="at")
    orders.insert(
        [
            {"id": 1, "at": datetime(2025, 5, 1, tzinfo=UTC), "amount": 1.0, "is_fraud": True},
            {"id": 2, "at": datetime(2025, 5, 2, tzinfo=UTC), "amount": 2.0, "is_fraud": None},
        ]
    )
    extra = fs.create_feature_group("extra", primary_key="id")
    extra.insert([{"id": 1, "rank": 10}, {"id": 2, "rank": 20}])
    query = orders.select(["amount", "is_fraud"]).join(extra.select_all()).filter(~orders.is_fraud.is_null())
    view = fs.create_feature_view("fraud", query, labels="is_fraud")

    features, _ = view.training_data(dataframe_type="python")
    assert features == [{"amount": 1.0, "rank": 10}]
    assert view.get_batch_data(dataframe_type="python") == [
        {"amount": 1.0, "rank": 10},
        {"amount": 2.0, "rank": 20},
    ]


def test_a_filter_on_the_rows_of_the_root_holds_for_both(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="id")
    orders.insert([{"id": 1, "amount": 1.0}, {"id": 2, "amount": 2.0}])
    view = fs.create_feature_view("large", orders.select(["amount"]).filter(orders.amount > 1))

    assert view.training_data(dataframe_type="python")[0] == [{"amount": 2.0}]
    assert view.get_batch_data(dataframe_type="python") == [{"amount": 2.0}]
