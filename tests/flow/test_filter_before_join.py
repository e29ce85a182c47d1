"""A filter on a group's own query, joined as a right side: it chooses among the group's rows before the join."""

from __future__ import annotations

from datetime import UTC, datetime

from hopyard.feature_store import FeatureStore


def _hour(hour: int) -> datetime:
    return datetime(2025, 5, 1, hour, tzinfo=UTC)


def test_a_right_side_is_filtered_by_its_own_features_before_the_join(fs: FeatureStore) -> None:
    sales = fs.create_feature_group("sales", primary_key="shop", event_time="known_at")
    sales.insert(
        [
            {"shop": "s", "known_at": _hour(9), "level": 4.0},
            {"shop": "s", "known_at": _hour(11), "level": 9.0},
        ]
    )
    orders = fs.create_feature_group("orders", primary_key="id", event_time="ordered_at", foreign_key="shop")
    # The root has a feature of the same name and another type: the filter must not be read as a condition on it.
    orders.insert([{"id": 1, "ordered_at": _hour(12), "shop": "s", "level": "gold"}])

    low = orders.select(["id"]).join(sales.filter(sales.level < 9))

    assert low.read(dataframe_type="python") == [{"id": 1, "level": 4.0}]


def test_a_filtered_right_side_may_use_a_feature_that_the_root_lacks(fs: FeatureStore) -> None:
    shops = fs.create_feature_group("shops", primary_key="shop")
    shops.insert([{"shop": "a", "is_open": True}, {"shop": "b", "is_open": False}])
    orders = fs.create_feature_group("orders", primary_key="id", foreign_key="shop")
    orders.insert([{"id": 1, "shop": "a"}, {"id": 2, "shop": "b"}])

    query = orders.select(["id"]).join(shops.filter(shops["is_open"] == True))  # noqa: E712 - builds a condition

    assert query.read(dataframe_type="python", order_by=["id"]) == [
        {"id": 1, "is_open": True},
        {"id": 2, "is_open": None},
    ]
