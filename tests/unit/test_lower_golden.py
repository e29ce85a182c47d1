"""The SQL of typical plans, as reviewed files: a change of the lowering shows in a diff.

`HOPYARD_TEST_WRITE_GOLDEN=1 pytest tests/unit/test_lower_golden.py` writes them again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlglot

from groups import make_group
from hopyard.errors import QueryError
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query
from hopyard.query.dialects import DIALECTS
from hopyard.testing.store import ManualClock, open_store

FOLDER = Path(__file__).parent.parent / "golden" / "sql"


class Shop:
    """Orders (root), prices by (item, shop) and time, users without time, cities with ttl."""

    def __init__(self, fs: FeatureStore) -> None:
        self.fs = fs
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
            [("oslo", 1735772400, 1.0, [])],
            primary_key=["city"],
            event_time="at",
            event_time_unit="s",
            ttl=timedelta(hours=6),
        )
        self.stock = make_group(
            fs,
            "stock",
            {
                "item": "int", "shop": "string", "shelf": "bigint", "t": "timestamp", "n": "int", "x": "double",
                "y": "float", "code": "binary", "price": "decimal(10,2)", "day": "date", "is_open": "boolean",
            },
            [(1, "a", 2, "2025-01-01", 3, 0.5, 0.5, b"", Decimal("1.50"), "2025-01-01", True)],
            primary_key=["item", "shop", "shelf"],
            event_time="t",
        )  # fmt: skip
        self.old = make_group(fs, "old", {"k": "bigint"}, [(1,)], primary_key=["k"])
        self.old.append_features({"x": "double"})
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
    "two_open_keys": lambda s: s.orders.select(["id"]).join(s.stock.select(["n"]), on=["item"]),
    "self_join": lambda s: s.cities.select(["temp"]).join(s.cities.select(["temp"]), on=["city"], prefix="again_"),
    "spine": lambda s: s.fs.spine(
        {"user": ["ann"], "at": [datetime(2025, 1, 2)], "note": ["x"]}, event_time="at", foreign_key="user"
    ).join(s.users.select(["city"]).join(s.cities.select(["temp"]))),
    "special_values": lambda s: s.stock.filter(
        s.stock["x"].isin([float("nan"), float("inf"), -0.0])
        & (s.stock["x"] != float("nan"))
        & (s.stock["y"] <= 0.5)
        & s.stock["shop"].like("a\\%\\b_%")
        & (s.stock["code"] > b"\x00'")
        & s.stock["price"].between(0.1, Decimal("99.999"))
        & (s.stock["shop"] != "a\\'\n`\"")
        & (s.stock["day"] < "1969-12-31")
        & ~s.stock["is_open"].isin([])
    ),
    "appended_feature": lambda s: s.old.filter(s.old["x"].is_null()).as_of(1),
    "as_known": lambda s: s.orders.select(["id"]).join(s.prices.select(["price"]), on=["item"]).as_known(),
    "exclude_until": lambda s: s.orders.select(["id"]).as_of(None, exclude_until=0),
    "empty_group": lambda s: s.orders.select(["id"]).join(s.empty.select_all()),
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a shop whose commit times are the same every time."""
    return Shop(open_store(tmp_path / "store", clock=ManualClock()).get_feature_store())


ONLY_DUCKDB = {"as_known": ["spark"], "exclude_until": ["spark"]}
"""Plans that other dialects refuse."""


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sql_of_a_plan_is_as_reviewed(shop: Shop, dialect: str, name: str) -> None:
    query = PLANS[name](shop)
    if dialect in ONLY_DUCKDB.get(name, ()):
        with pytest.raises(QueryError, match="cannot do"):
            query.to_string(dialect=dialect)
        return
    text = query.to_string(dialect=dialect)
    text = re.sub(r"(['`])[^'`]*/groups/(\w+)-[0-9a-f]{8}(/[^']*\.parquet)?\1", r"\1<\2>\1", text) + "\n"
    assert "/" not in text, "a path is left in the text"
    file = FOLDER / dialect / f"{name}.sql"
    if os.environ.get("HOPYARD_TEST_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), f"{file} differs; see this file's docstring"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_reviewed_file_has_a_plan(dialect: str) -> None:
    assert {file.stem for file in (FOLDER / dialect).glob("*.sql")} == {
        name for name in PLANS if dialect not in ONLY_DUCKDB.get(name, ())
    }


def test_reviewed_files_are_of_known_dialects() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == set(DIALECTS)


def test_a_store_writes_the_sql_of_its_engine_and_an_unknown_dialect_is_refused(shop: Shop) -> None:
    query = PLANS["point_in_time"](shop)
    assert query.to_string() == query.to_string(dialect="duckdb") != query.to_string(dialect="spark")
    for dialect in ("postgres", "", "Spark", "duckdb; drop table x", 7):
        with pytest.raises(QueryError, match=r"There are: duckdb, spark\.") as error:
            query.to_string(dialect=dialect)  # type: ignore[arg-type]
        assert repr(dialect) in str(error.value)


@pytest.mark.parametrize(
    ("dialect", "name"), [(d, name) for d in DIALECTS for name in PLANS if d not in ONLY_DUCKDB.get(name, ())]
)
def test_the_sql_is_one_statement_that_is_read_back_as_the_same_tree(
    shop: Shop, dialect: str, name: str
) -> None:
    text = PLANS[name](shop).to_string(dialect=dialect)
    statements = sqlglot.parse(text, dialect=dialect)
    assert len(statements) == 1
    assert statements[0] is not None
    assert statements[0].sql(dialect=dialect, pretty=True) == text
