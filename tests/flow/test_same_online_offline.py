"""`assert_same_online_offline` over every form of view: it holds where it must, and finds what was tampered with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

import hopyard
from groups import make_group
from hopyard.compute.layout import online_table
from hopyard.errors import FeatureVectorError, LockTimeoutError, NotFoundError, ServingError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.ingest.apply import encode
from hopyard.observe import vector_parity
from hopyard.observe.vector_parity import check_vectors
from hopyard.observe.vector_report import VectorParity
from hopyard.ports import EncodedRows, Lookup, OnlineStore
from hopyard.project import Project
from hopyard.testing import (
    InjectedError,
    ManualClock,
    assert_same_online_offline,
    fail_at,
    frame,
    open_store,
)

NAN = float("nan")
LABELS = {"id": "bigint", "t": "timestamp", "city": "string", "part": "int", "amount": "double", "y": "int"}
WEATHER = {
    "city": "string",
    "part": "int",
    "t": "timestamp",
    "temp": "double",
    "seen": "timestamp",
    "x": "float",
}
TOWNS = {
    "city": "string",
    "country": "bigint",
    "name": "string",
    "price": "decimal(9,2)",
    "tags": "array<double>",
}
COUNTRIES = {
    "country": "bigint",
    "t": "date",
    "about": "struct<n:bigint,s:string>",
    "raw": "binary",
    "is_in": "boolean",
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2025-01-10")


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock) -> Project:
    return open_store(tmp_path / "store", clock=clock)


@pytest.fixture
def fs(project: Project) -> FeatureStore:
    return project.get_feature_store()


def labels(fs: FeatureStore, **options: Any) -> FeatureGroup:
    rows = [
        (1, "2025-01-02", "oslo", 1, 1.5, 0),
        (2, "2025-01-03", "oslo", 1, -0.0, 1),
        (3, "2025-01-09", "rome", 2, NAN, 1),
        (4, "2025-01-09", "nowhere", 1, None, 0),
        (5, "2025-01-09", None, 1, 7.0, 0),
    ]
    return make_group(
        fs, "labels", LABELS, rows, primary_key="id", event_time="t", foreign_key=["city", "part"], **options
    )


def weather(fs: FeatureStore) -> FeatureGroup:
    """Return a group with two keys, some rows of which are past their time to live, and one at its limit."""
    rows = [
        ("oslo", 1, "2025-01-09", 0.1, "1969-12-31 23:59", 0.1),
        ("oslo", 1, "2025-01-08", 9.0, None, 9.0),
        ("oslo", 2, "2025-01-08", -0.0, None, None),
        ("rome", 2, "2025-01-07 23:59", 3.0, None, 3.0),
        ("pisa", 1, "2025-01-08", NAN, "2025-01-01", NAN),
    ]
    return make_group(
        fs,
        "weather",
        WEATHER,
        rows,
        primary_key=["city", "part"],
        event_time="t",
        online_enabled=True,
        ttl=timedelta(days=2),
    )


def towns(fs: FeatureStore) -> FeatureGroup:
    rows = [
        ("oslo", 47, "Ošlo \U0001f33f", Decimal("1.50"), [1.0, -0.0, NAN]),
        ("rome", 39, "", None, []),
        ("pisa", None, None, Decimal("-0.01"), None),
    ]
    return make_group(
        fs, "towns", TOWNS, rows, primary_key="city", foreign_key="country", online_enabled=True
    )


def countries(fs: FeatureStore) -> FeatureGroup:
    rows = [
        (47, "2025-01-01", {"n": 1, "s": "a"}, b"\0\xff", True),
        (47, "2024-12-01", {"n": 0, "s": None}, b"", False),
        (39, "2025-01-02", {"n": None, "s": ""}, None, None),
    ]
    return make_group(
        fs, "countries", COUNTRIES, rows, primary_key="country", event_time="t", online_enabled=True
    )


Build = Callable[[FeatureStore], FeatureView]


def plain(fs: FeatureStore) -> FeatureView:
    query = labels(fs).select(["amount", "y"]).join(weather(fs).select_all(), prefix="w_")
    return fs.create_feature_view("v", query, labels="y")


def snowflake(fs: FeatureStore) -> FeatureView:
    nested = towns(fs).select_all().join(countries(fs).select_all(), prefix="c_")
    query = labels(fs).select(["id", "y", "amount"]).join(weather(fs).select_all()).join(nested, prefix="t_")
    return fs.create_feature_view("v", query, labels="y", training_helper_columns="id")


def root_online(fs: FeatureStore) -> FeatureView:
    group = labels(fs, online_enabled=True, ttl=timedelta(days=7, hours=12))
    nested = towns(fs).select_all().join(countries(fs).select_all(), prefix="c_")
    query = group.select_all().join(weather(fs).select_all(), prefix="w_").join(nested, prefix="t_")
    return fs.create_feature_view("v", query, labels="y")


def without_event_time(fs: FeatureStore) -> FeatureView:
    root = make_group(
        fs,
        "root",
        {"id": "bigint", "city": "string", "part": "int"},
        [(1, "oslo", 1), (2, "rome", 2), (3, "nowhere", 7)],
        primary_key="id",
        foreign_key=["city", "part"],
        online_enabled=True,
    )
    return fs.create_feature_view("v", root.select_all().join(weather(fs).select_all(), prefix="w_"))


def inner(fs: FeatureStore) -> FeatureView:
    query = labels(fs).select(["amount"]).join(weather(fs).select_all(), join_type="inner")
    return fs.create_feature_view("v", query)


def filtered_and_known(fs: FeatureStore) -> FeatureView:
    group = labels(fs)
    query = group.filter(group["amount"] > 0).join(weather(fs).select_all(), prefix="w_").as_known()
    return fs.create_feature_view("v", query.filter(group["y"] == 1), labels="y")


def transformed(fs: FeatureStore) -> FeatureView:
    """Return a view with two training datasets, whose fitted statistics differ."""
    group = labels(fs)
    query = group.select(["amount", "y"]).join(weather(fs).select_all()).join(towns(fs).select(["name"]))
    view = fs.create_feature_view(
        "v",
        query,
        labels="y",
        transformation_functions=[
            hopyard.impute_mean("amount"),
            hopyard.standard_scaler("amount"),
            hopyard.min_max_scaler("temp"),
            hopyard.one_hot_encoder("name"),
        ],
    )
    view.create_training_data()
    group.insert(frame(LABELS, [(9, "2025-01-09", "oslo", 1, 100.0, 0)]))
    view.create_training_data()
    return view


BUILDS: list[Build] = [
    plain,
    snowflake,
    root_online,
    without_event_time,
    inner,
    filtered_and_known,
    transformed,
]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("hours", [0, 1, 24, 24 * 365])
def test_online_equals_offline(build: Build, hours: int, fs: FeatureStore, clock: ManualClock) -> None:
    view = build(fs)
    clock.advance(timedelta(hours=hours))
    assert_same_online_offline(view)


@pytest.mark.parametrize("build", BUILDS)
def test_each_value_that_was_tampered_with_is_found(build: Build, fs: FeatureStore) -> None:
    view = build(fs)
    group = fs.get_feature_group("weather")
    tamper(group, [("oslo", 1, "2025-01-09", 0.1, "1969-12-31 23:59", 0.25)])
    prefix = "w_" if "w_x" in view.features else ""
    with pytest.raises(AssertionError) as caught:
        assert_same_online_offline(view)
    text = str(caught.value)
    assert f"'{prefix}x' (weather_1) is 0.25 online, and 0.10000000149011612 offline" in text
    assert f"'{prefix}temp'" not in text


def tamper(group: FeatureGroup, rows: Sequence[Sequence[object]]) -> None:
    """Write rows into the online table of a group, past everything that guards it."""
    session, spec = group._session, group.spec
    encoded = encode(spec, frame({field.name: field.type for field in spec.schema}, rows))
    position = session.online.position(spec.id)
    assert position is not None
    session.online.write(online_table(spec), replace(encoded, is_final=True), position)


def remove_online(group: FeatureGroup, rows: Sequence[Sequence[object]]) -> None:
    """Remove rows from the online table of a group alone."""
    session, spec = group._session, group.spec
    encoded = encode(spec, frame({field.name: field.type for field in spec.schema}, rows))
    nothing = EncodedRows(keys=encoded.keys, rows=pa.nulls(len(encoded.keys), pa.binary()), is_final=True)
    position = session.online.position(spec.id)
    assert position is not None
    session.online.write(online_table(spec), nothing, position)


def found(view: FeatureView, **options: Any) -> VectorParity:
    return check_vectors(view._session, view.spec, **{"sample": 1_000, **options})


def test_keys_are_those_of_the_root_and_of_the_groups(fs: FeatureStore) -> None:
    """(oslo, 1) is in both; of two equal keys of the root one is compared."""
    view = plain(fs)
    assert found(view).n_keys == 4 + 2
    assert found(view, sample=3).n_keys == 3


def test_a_sample_is_the_same_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    """Two stores whose root has the same rows in another order of commits; the online table of both is emptied."""
    keys = []
    for name, order in (("a", 1), ("b", -1)):
        fs = open_store(tmp_path / name, clock=ManualClock("2025-01-10")).get_feature_store()
        features = {"city": "string", "t": "timestamp", "x": "bigint"}
        rows = [(f"c{n}", "2025-01-01", n) for n in range(100)]
        right = make_group(
            fs, "right", features, rows, primary_key="city", event_time="t", online_enabled=True
        )
        root = {"id": "bigint", "city": "string", "t": "timestamp"}
        group = make_group(fs, "root", root, primary_key="id", event_time="t", foreign_key="city")
        visits = [(n, f"c{n}", "2025-01-02") for n in range(100)]
        for part in (visits[:50], visits[50:])[::order]:
            group.insert(frame(root, part))
        remove_online(right, rows)
        view = fs.create_feature_view("v", group.select([]).join(right.select(["x"])))
        keys.append([difference.entry for difference in found(view, sample=20).differences])
    assert keys[0] == keys[1]
    assert len(keys[0]) == 20


def test_a_row_that_is_missing_online_and_one_too_many_are_found(fs: FeatureStore) -> None:
    view = plain(fs)
    group = fs.get_feature_group("weather")
    remove_online(group, [("oslo", 1, "2025-01-09", 0.1, None, 0.1)])
    tamper(group, [("nowhere", 1, "2025-01-09", 4.0, None, 4.0)])
    text = str(found(view))
    assert "'w_temp' (weather_1) is None online, and 0.1 offline" in text
    assert "{'w_city': 'nowhere', 'w_part': 1}: 'w_temp' (weather_1) is 4.0 online, and None offline" in text


def test_the_sign_of_zero_counts(fs: FeatureStore) -> None:
    view = plain(fs)
    tamper(fs.get_feature_group("weather"), [("oslo", 2, "2025-01-08", 0.0, None, None)])
    (difference,) = found(view).differences
    assert str(difference) == (
        "{'w_city': 'oslo', 'w_part': 2}: 'w_temp' (weather_1) is 0.0 online, and -0.0 offline: type: another type, or "
        "another sign of zero"
    )


def test_a_row_of_the_future_is_named_as_the_cause(fs: FeatureStore, clock: ManualClock) -> None:
    view = plain(fs)
    group = fs.get_feature_group("weather")
    group.insert(frame(WEATHER, [("oslo", 1, "2025-02-01", 5.0, None, 5.0)]), allow_future=True)
    with pytest.raises(
        AssertionError,
        match=r"temp.* is 5\.0 online, and 0\.1 offline: future row: .* is dated later than 2025-01-10",
    ):
        assert_same_online_offline(view)
    clock.set("2025-02-02")
    assert_same_online_offline(view)


class WatchedOnlineStore:
    """An online store that calls a function before each read of vectors, with the number of the read."""

    def __init__(self, store: OnlineStore, before_read: Callable[[int], None]) -> None:
        self._store = store
        self._before_read = before_read
        self.n_reads = 0

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        self._before_read(self.n_reads)
        self.n_reads += 1
        return self._store.read(lookups)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def watched(view: FeatureView, before_read: Callable[[int], None]) -> tuple[FeatureView, WatchedOnlineStore]:
    """Return the view over a session whose online store is watched."""
    store = WatchedOnlineStore(view._session.online, before_read)
    return FeatureView(replace(view._session, online=cast(OnlineStore, store)), view.spec), store


def test_a_transformation_that_serves_otherwise_is_named_as_the_cause(fs: FeatureStore) -> None:
    """What is read a second time, to be transformed, is another row."""
    view = transformed(fs)
    group = fs.get_feature_group("weather")
    row = ("oslo", 1, "2025-01-09", 0.5, "1969-12-31 23:59", 0.1)
    # Two levels of joins would be two reads per stage: this view has one.
    view, _ = watched(view, lambda n_reads: tamper(group, [row]) if n_reads == 1 else None)
    with pytest.raises(
        AssertionError,
        match=r"'temp' is .* online, .*: transformation: before transformations they are equal",
    ):
        assert_same_online_offline(view)


@hopyard.udf("double")
def noisy(temp: float | None) -> float | None:
    import random

    return None if temp is None else temp + random.random()


@hopyard.udf("double", drop=["temp", "amount"])
def ratio(temp: float | None, amount: float | None) -> float | None:
    return None if temp is None or not amount else temp / amount


def test_a_users_function_that_is_not_one_is_found(fs: FeatureStore) -> None:
    query = labels(fs).select(["amount", "y"]).join(weather(fs).select_all())
    fine = fs.create_feature_view("fine", query, labels="y", transformation_functions=ratio("temp", "amount"))
    fine.create_training_data()
    assert_same_online_offline(fine)
    view = fs.create_feature_view("v", query, labels="y", transformation_functions=noisy("temp"))
    view.create_training_data()
    with pytest.raises(
        AssertionError,
        match=r"'noisy_temp' is .* online, .*: transformation: before transformations they are equal",
    ):
        assert_same_online_offline(view)


def test_each_training_dataset_has_its_own_statistics(fs: FeatureStore) -> None:
    view = transformed(fs)
    assert_same_online_offline(view, training_dataset_version=1)
    assert_same_online_offline(view, training_dataset_version=2)
    with pytest.raises(NotFoundError, match="training dataset"):
        assert_same_online_offline(view, training_dataset_version=3)


def test_entries_of_ones_own_also_without_a_row(fs: FeatureStore) -> None:
    view = plain(fs)
    entries = [{"w_city": "paris", "w_part": 1}, {"city": "oslo", "part": 1}, {"w_city": None, "w_part": 1}]
    assert found(view, entries=entries).n_keys == 3
    assert_same_online_offline(view, entries=entries)
    tamper(fs.get_feature_group("weather"), [("paris", 1, "2025-01-09", 4.0, None, 4.0)])
    with pytest.raises(AssertionError, match=r"{'w_city': 'paris', 'w_part': 1}: 'w_temp'"):
        assert_same_online_offline(view, entries=entries)
    with pytest.raises(FeatureVectorError, match="'town' is no serving key"):
        assert_same_online_offline(view, entries=[{"town": "oslo"}])
    with pytest.raises(FeatureVectorError, match="string.*12"):
        assert_same_online_offline(view, entries=[{"w_city": 12, "w_part": 1}])


def test_groups_that_are_behind_are_compared_where_they_are_and_named(
    tmp_path: Path, clock: ManualClock
) -> None:
    fs = open_store(tmp_path / "store", clock=clock).get_feature_store()
    view = plain(fs)
    failing = open_store(tmp_path / "store", clock=clock, failpoint=fail_at("after_offline_commit"))
    group = failing.get_feature_store().get_feature_group("weather")
    with pytest.raises(InjectedError):
        group.insert(frame(WEATHER, [("oslo", 1, "2025-01-10", 6.0, None, 6.0)]))
    parity = found(view)
    assert parity.is_equal
    assert [position.n_behind for position in parity.positions] == [1]
    assert "weather_1 is 1 commit(s) behind: its online table has commit 1, and the last one is 2" in str(
        parity
    )
    assert_same_online_offline(view)
    tamper(fs.get_feature_group("weather"), [("oslo", 1, "2025-01-09", 0.2, None, 0.1)])
    with pytest.raises(
        AssertionError, match=r"(?s)is 0\.2 online, and 0\.1 offline.*weather_1 is 1 commit\(s\) behind"
    ):
        assert_same_online_offline(view)


def test_nothing_to_compare_is_a_failure(fs: FeatureStore) -> None:
    root = make_group(fs, "root", LABELS, primary_key="id", event_time="t", foreign_key=["city", "part"])
    right = make_group(
        fs, "right", WEATHER, primary_key=["city", "part"], event_time="t", online_enabled=True
    )
    view = fs.create_feature_view("v", root.select(["amount"]).join(right.select(["temp"])))
    with pytest.raises(AssertionError, match="no key to compare"):
        assert_same_online_offline(view)


def test_a_view_that_cannot_be_served_says_why(fs: FeatureStore) -> None:
    offline = make_group(fs, "offline", TOWNS, primary_key="city")
    view = fs.create_feature_view(
        "v", labels(fs).select(["amount"]).join(offline.select(["name"]), on=["city"])
    )
    with pytest.raises(ServingError, match="offline only"):
        assert_same_online_offline(view)


def test_writers_may_go_on_meanwhile(fs: FeatureStore) -> None:
    """A commit between the position and the rows: they are read again, in the end without writers."""
    view = plain(fs)
    group = fs.get_feature_group("weather")

    def insert(n_reads: int) -> None:
        if n_reads < 2:
            group.insert(frame(WEATHER, [("oslo", 1, "2025-01-10", float(n_reads), None, None)]))

    view, store = watched(view, insert)
    assert_same_online_offline(view)
    assert store.n_reads == 2 * 2  # each time with limits to the age of rows, and without


def test_a_group_that_always_changes_is_held(fs: FeatureStore) -> None:
    view = plain(fs)
    group = fs.get_feature_group("weather")
    number = count()

    def insert(n_reads: int) -> None:
        row = ("oslo", 1, "2025-01-10", float(next(number)), None, None)
        with suppress(LockTimeoutError):
            group.insert(frame(WEATHER, [row]))

    held = replace(group._session, config=replace(group._session.config, lock_timeout_seconds=0.2))
    group = FeatureGroup(held, group.spec, is_stored=True)
    view, store = watched(view, insert)
    assert_same_online_offline(view)
    assert store.n_reads == 2 * (vector_parity.FREE_TRIES + 1)
