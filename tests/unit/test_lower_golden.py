"""The SQL of typical plans, as reviewed files: a change of the lowering shows in a diff.

`HOPYARD_TEST_WRITE_GOLDEN=1 pytest tests/unit/test_lower_golden.py` writes them again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from groups import make_group
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query

FOLDER = Path(__file__).parent.parent / "golden" / "sql"


class Shop:
    """Orders (root), prices by (item, shop) and time, users without time, cities with ttl."""

    def __init__(self, fs: FeatureStore) -> None:
        self.orders = make_group(
            fs,
            "orders",
            {"id": "bigint", "user": "string", "item": "int", "t": "timestamp", "amount": "double"},
            [(1, "ann", 1, "2025-01-02", 5.0)],
            primary_key=["id"],
            event_time="t",
            foreign_key="user",
        )
        self.prices = make_group(
            fs,
            "prices",
            {"item": "bigint", "shop": "string", "day": "date", "price": "decimal(10,2)"},
            [(1, "a", "2025-01-01", Decimal("1.50"))],
            primary_key=["item", "shop"],
            event_time="day",
        )
        self.users = make_group(
            fs,
            "users",
            {"user": "string", "city": "string", "is_new": "boolean"},
            [("ann", "oslo", True)],
            primary_key=["user"],
            foreign_key="city",
        )
        self.cities = make_group(
            fs,
            "cities",
            {"city": "string", "at": "bigint", "temp": "float", "tags": "array<string>"},
            [("oslo", 1735689600, 1.0, [])],
            primary_key=["city"],
            event_time="at",
            event_time_unit="s",
            ttl=timedelta(hours=6),
        )
        self.empty = make_group(fs, "empty", {"user": "string", "x": "double"}, primary_key=["user"])


PLANS: dict[str, Callable[[Shop], Query]] = {
    "scan": lambda s: s.orders.select(["id", "amount"]),
    "filter": lambda s: s.orders.filter(
        ((s.orders["amount"] > 1.5) | ~s.orders["user"].isin(["it's", "bob"]))
        & s.orders["user"].like("a%")
        & (s.orders["item"] < 2.5)
        & (s.orders["t"] >= date(2025, 1, 1))
        & ~s.orders["item"].is_null()
    ),
    "equal": lambda s: s.orders.select_all().join(s.users.select_all()),
    "point_in_time": lambda s: s.orders.select_all().join(
        s.prices.filter(s.prices["shop"] == "a"), on=["item"], include_event_time=True
    ),
    "tie": lambda s: s.orders.select_all().join(s.prices.select(["price"]), on=["item"], max_age=timedelta(days=1)),
    "snowflake": lambda s: s.orders.select(["id"]).join(
        s.users.select(["is_new"]).join(s.cities.select_all(), prefix="c_", join_type="inner"), prefix="u_"
    ),
    "newest": lambda s: s.users.select_all().join(s.cities.select(["temp"])),
    "inner_and_filter": lambda s: s.orders.select_all().join(s.users.select_all(), join_type="inner").filter(
        s.users["is_new"] == True  # noqa: E712
    ),
    "empty_group": lambda s: s.orders.select(["id"]).join(s.empty.select_all()),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_the_sql_of_a_plan_is_as_reviewed(fs: FeatureStore, name: str) -> None:
    text = PLANS[name](Shop(fs)).to_string()
    text = re.sub(r"'[^']*/groups/(\w+)-[0-9a-f]{8}/[^']*\.parquet'", r"'<\1>'", text) + "\n"
    assert "/" not in text, "a path is left in the text"
    file = FOLDER / f"{name}.sql"
    if os.environ.get("HOPYARD_TEST_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), f"{file} differs; see this file's docstring"


def test_every_reviewed_file_has_a_plan() -> None:
    assert {file.stem for file in FOLDER.glob("*.sql")} == set(PLANS)
