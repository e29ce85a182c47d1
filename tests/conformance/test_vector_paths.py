"""The short way to feature vectors gives what the long way gives: the same values, the same types, the same errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import hopyard
from hopyard.errors import HopyardError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.online import VectorReader
from hopyard.online.direct import Direct
from hopyard.online.vectors import Entry
from hopyard.testing.store import ManualClock, open_store

NOW = datetime(2026, 1, 10, tzinfo=UTC)


class LongWay(VectorReader):
    """A reader that never takes the short way."""

    def _way(self, entries: Sequence[Entry], passed: Sequence[Entry] | None) -> Direct | None:
        return None


def make_views(fs: FeatureStore) -> dict[str, FeatureView]:
    """Return views of every shape: plain, joined, composite keys, ttl, an online root, a snowflake, functions."""
    days = lambda n: NOW - timedelta(days=n)  # noqa: E731
    people = fs.create_feature_group(
        "people", primary_key="id", event_time="at", online_enabled=True, ttl=timedelta(days=5)
    )
    people.insert(
        [{"id": n, "at": days(n), "age": 20 + n, "score": n / 3 if n % 3 else None} for n in range(9)]
    )
    people.append_features({"born": "date"}, defaults={"born": date(2000, 1, 1)})
    people.append_features({"money": "decimal(9,2)"})
    people.insert([{"id": 20, "at": days(0), "age": 1, "score": 0.5, "born": None, "money": Decimal("1.50")}])
    shops = fs.create_feature_group("shops", primary_key=["city", "number"], online_enabled=True)
    shops.insert(
        [
            {"city": city, "number": n, "rating": float(n), "name": f"{city}{n}"}
            for city in ("a", "b\x00c", "k" * 600)
            for n in range(3)
        ]
    )
    orders = fs.create_feature_group(
        "orders", primary_key="order_id", event_time="at", foreign_key={"id": "id"}
    )
    orders.insert(
        [{"order_id": 1, "at": days(0), "id": 1, "city": "a", "number": 1, "amount": 2.5, "small": 1, "y": 0}]
    )
    online_orders = fs.create_feature_group(
        "online_orders", primary_key="order_id", online_enabled=True, foreign_key={"id": "id"}
    )
    online_orders.insert(
        [{"order_id": n, "id": n + 3, "city": "a", "number": n, "amount": n / 2} for n in range(6)]
    )
    joined = orders.select(["amount", "small", "id", "y"]).join(
        people.select(["score", "age", "money", "born"])
    )
    every = joined.join(shops.select_all(), on=["city", "number"], prefix="s_")
    nested = orders.select(["amount"]).join(
        online_orders.select(["amount"]).join(people.select(["age"])), on=["order_id"], prefix="o_"
    )
    views = {
        "plain": fs.create_feature_view("plain", people.select_all()),
        "joined": fs.create_feature_view("joined", joined, labels="y"),
        "every": fs.create_feature_view(
            "every",
            every,
            labels="y",
            transformation_functions=[
                hopyard.min_max_scaler("amount"),
                hopyard.impute_constant("score", -1.0),
            ],
        ),
        "composite": fs.create_feature_view("composite", shops.select(["name", "number", "rating"])),
        "online_root": fs.create_feature_view(
            "online_root", online_orders.select(["amount", "id"]).join(people.select(["age"]))
        ),
        "snowflake": fs.create_feature_view("snowflake", nested),
    }
    views["every"].create_training_data()
    for view in views.values():
        view.init_serving()
    return views


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FeatureView]:
    folder: Path = tmp_path_factory.mktemp("paths")
    return make_views(open_store(folder / "store", clock=ManualClock(NOW)).get_feature_store())


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.one_of(st.integers(0, 9), st.sampled_from([20, None, "1", 1.0, True, np.int64(2), 2**70])),
    "city": st.sampled_from(["a", "b\x00c", "k" * 600, "x", None, 3]),
    "number": st.sampled_from([0, 1, 2, 7, None, "1"]),
    "order_id": st.integers(0, 7),
    "amount": st.sampled_from([1, 2.5, np.float64(3), None, "2"]),
    "small": st.sampled_from([1, None, 2**40]),
    "score": st.sampled_from([0.25, None, 1]),
    "age": st.sampled_from([30, None]),
    "born": st.sampled_from([date(1999, 1, 2), datetime(1999, 1, 2)]),
    "rating": st.sampled_from([1.5]),
}
NAMES = [*VALUES, "s_city", "s_number", "o_order_id", "unknown"]


def outcome(reader: VectorReader, entries: Any, passed: Any, *, is_single: bool, allow_missing: bool) -> Any:
    """Return what a reader answers, with the types of the values; or its error, as text."""
    try:
        if is_single:
            vectors = [
                reader.get_feature_vector(
                    entries[0], passed_features=passed and passed[0], allow_missing=allow_missing
                )
            ]
        else:
            vectors = reader.get_feature_vectors(entries, passed_features=passed, allow_missing=allow_missing)
    except HopyardError as error:
        return type(error).__name__, str(error)
    return [[(type(value).__name__, repr(value)) for value in vector] for vector in vectors]


@given(data=st.data())
def test_both_ways_answer_the_same(views: dict[str, FeatureView], data: st.DataObject) -> None:
    view = views[data.draw(st.sampled_from(sorted(views)))]
    short = view._serving()
    long = LongWay(short.plan, view._session.online, lambda: view._session.clock())
    keys = list(
        dict.fromkeys([*short.serving_keys, *data.draw(st.lists(st.sampled_from(NAMES), max_size=2))])
    )
    if data.draw(st.integers(0, 4)) == 0:
        keys = keys[1:]
    passed_names = data.draw(
        st.one_of(st.none(), st.lists(st.sampled_from([*view.features, *NAMES]), max_size=3, unique=True))
    )
    n = data.draw(st.integers(1, 3))

    def draw(names: list[str]) -> dict[str, Any]:
        return {
            name: data.draw(VALUES.get(name.removeprefix("s_").removeprefix("o_"), st.just(1)))
            for name in names
        }

    entries = [draw(keys) for _ in range(n)]
    passed = None if passed_names is None else [draw(passed_names) for _ in range(n)]
    allow_missing = data.draw(st.booleans())
    for is_single in (True, False):
        expected = outcome(long, entries, passed, is_single=is_single, allow_missing=allow_missing)
        for _ in range(2):  # the second time the way is known
            found = outcome(short, entries, passed, is_single=is_single, allow_missing=allow_missing)
            assert found == expected
    event("a vector" if isinstance(expected, list) else f"an error: {expected[0]}")


def test_the_short_way_is_taken(views: dict[str, FeatureView]) -> None:
    asked = {
        "plain": ({"id": 2}, None),
        "joined": ({"id": 2}, {"amount": 1.0, "small": 3, "id": 2}),
        "every": ({"id": 2, "s_city": "k" * 600, "s_number": 1}, {"amount": 1.0, "small": 3, "id": 2}),
        "composite": ({"city": "a", "number": 1}, None),
        "online_root": ({"order_id": 1, "id": 2}, None),
    }
    for name, (entry, passed) in asked.items():
        reader = views[name]._serving()
        reader.get_feature_vector(entry, passed_features=passed)
        assert reader._ways[tuple(entry), tuple(passed or {})] is not None, name


def test_names_that_are_made_up_are_not_kept(views: dict[str, FeatureView]) -> None:
    reader = views["plain"]._serving()
    before = dict(reader._ways)
    for number in range(10):
        with pytest.raises(HopyardError):
            reader.get_feature_vector({"id": 1, f"made_up_{number}": 1})
    assert reader._ways == before
