"""Dataframes in the place of a query's left-most group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups import make_group
from hopyard.errors import (
    AmbiguousFeatureError,
    ConfigError,
    HopyardWarning,
    InvalidNameError,
    JoinKeyError,
    NotFoundError,
    QueryError,
    SchemaMismatchError,
    TimeTravelError,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.plan import FrameSource
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer
from hopyard.testing.store import open_store
from hopyard.time import from_micros, to_micros
from variants import VARIANTS, in_variant

WEATHER = {"city": "string", "t": "timestamp", "temp": "double"}
ROWS = [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-03", 3.0), ("rome", "2025-01-02", 20.0)]
SPINE = {"n": "bigint", "city": "string", "at": "timestamp"}
OSLO = ZoneInfo("Europe/Oslo")


@pytest.fixture
def weather(fs: FeatureStore) -> FeatureGroup:
    return make_group(fs, "weather", WEATHER, ROWS, primary_key="city", event_time="t")


def rows(query: Any, **options: Any) -> list[dict[str, Any]]:
    return query.read(dataframe_type="python", **options)  # type: ignore[no-any-return]


def temps(query: Any) -> list[Any]:
    return [row["temp"] for row in rows(query)]


def test_each_row_comes_once_in_the_order_of_the_dataframe_its_columns_first(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    given = [
        {"note": "b", "at": datetime(2025, 1, 4), "city": "oslo", "n": 3},
        {"note": "a", "at": datetime(2025, 1, 2), "city": "oslo", "n": 1},
        {"note": "a", "at": datetime(2025, 1, 2), "city": "oslo", "n": 1},
        {"note": None, "at": datetime(2025, 1, 4), "city": "paris", "n": 2},
        {"note": "c", "at": datetime(2025, 1, 4), "city": None, "n": 0},
    ]
    query = fs.spine(given, event_time="at", foreign_key="city").join(weather.select_all())
    expected = [
        {**row, "at": row["at"].replace(tzinfo=UTC), "temp": temp}
        for row, temp in zip(given, [3.0, 1.0, 1.0, None, None], strict=True)
    ]
    assert query.features == ["note", "at", "city", "n", "temp"]
    assert_same_rows(rows(query), expected)


def test_a_hundred_thousand_rows_keep_their_order(fs: FeatureStore, weather: FeatureGroup) -> None:
    numbers = np.random.default_rng(3).permutation(100_000)
    cities = np.where(numbers % 3 == 0, "oslo", "rome")
    spine = pa.table({"n": numbers, "city": cities, "at": pa.array([date(2025, 1, 5)] * len(numbers))})
    found = fs.spine(spine, event_time="at", foreign_key="city").join(weather.select_all())
    table = found.read(dataframe_type="arrow")
    assert table["n"].to_numpy().tolist() == numbers.tolist()
    assert table["temp"].to_numpy().tolist() == np.where(numbers % 3 == 0, 3.0, 20.0).tolist()


@pytest.mark.parametrize(
    "options",
    [{"primary_key": "city"}, {"foreign_key": ["city"]}, {"primary_key": ["n", "city"]}],
    ids=["primary", "foreign", "part-of-primary"],
)
def test_joins_are_inferred_from_keys_as_for_groups(
    fs: FeatureStore, weather: FeatureGroup, options: dict[str, Any]
) -> None:
    spine = fs.spine(frame(SPINE, [(1, "oslo", "2025-01-02")]), event_time="at", **options)
    assert temps(spine.join(weather.select_all())) == [1.0]


def test_a_foreign_key_may_have_another_name(fs: FeatureStore, weather: FeatureGroup) -> None:
    spine = frame({"place": "string", "at": "timestamp"}, [("oslo", "2025-01-02")])
    by_key = fs.spine(spine, event_time="at", foreign_key={"place": "city"})
    assert temps(by_key.join(weather.select_all())) == [1.0]
    plain = fs.spine(spine, event_time="at")
    assert temps(plain.join(weather.select_all(), left_on=["place"], right_on=["city"])) == [1.0]
    with pytest.raises(JoinKeyError, match=r"'spine' \(primary: none\)"):
        plain.join(weather.select_all())


def test_on_names_columns_that_are_no_declared_keys(fs: FeatureStore, weather: FeatureGroup) -> None:
    spine = fs.spine(frame(SPINE, [(1, "rome", "2025-01-02")]), event_time="at")
    assert temps(spine.join(weather.select_all(), on=["city"])) == [20.0]


def test_naive_times_are_utc_and_aware_ones_are_converted(fs: FeatureStore, weather: FeatureGroup) -> None:
    naive = pd.DataFrame({"city": ["oslo"], "at": [pd.Timestamp("2025-01-03 00:30")]})
    aware = naive.assign(at=naive["at"].dt.tz_localize(OSLO))  # 2025-01-02 23:30 UTC
    for spine, temp in ((naive, 3.0), (aware, 1.0)):
        query = fs.spine(spine, event_time="at", foreign_key="city").join(weather.select_all())
        assert temps(query) == [temp]


def test_nanoseconds_are_cut_off_with_a_warning(fs: FeatureStore, weather: FeatureGroup) -> None:
    spine = pa.table(
        {"city": ["oslo"], "at": pa.array([to_micros("2025-01-03") * 1000 - 1], pa.timestamp("ns"))}
    )
    with pytest.warns(HopyardWarning, match="Nanoseconds were cut off in 'at' of 'spine'"):
        query = fs.spine(spine, event_time="at", foreign_key="city")
    assert temps(query.join(weather.select_all())) == [1.0]


@pytest.mark.parametrize(
    ("type_", "value", "unit"),
    [("date", "2025-01-03", None), ("bigint", 1_735_862_400, "s"), ("bigint", 1_735_862_400_000, "ms")],
)
def test_an_event_time_may_be_a_date_or_a_number(
    fs: FeatureStore, weather: FeatureGroup, type_: str, value: Any, unit: Any
) -> None:
    spine = frame({"city": "string", "at": type_}, [("oslo", value)])
    query = fs.spine(spine, event_time="at", event_time_unit=unit, foreign_key="city")
    assert temps(query.join(weather.select_all())) == [3.0]


def test_an_unnamed_index_is_no_column_and_the_frame_is_never_changed(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    given = pd.DataFrame(
        {"n": [2, 1], "city": ["oslo", "rome"], "at": pd.to_datetime(["2025-01-02", "2025-01-03"])},
        index=[7, 5],
    )
    before = given.copy(deep=True)
    query = fs.spine(given, event_time="at", foreign_key="city").join(weather.select_all())
    assert query.features == ["n", "city", "at", "temp"]
    rows(query)
    pd.testing.assert_frame_equal(given, before)


def test_what_becomes_of_the_dataframe_later_has_no_effect(fs: FeatureStore) -> None:
    numbers = np.arange(3)
    query = fs.spine({"n": numbers})
    numbers[:] = 9
    assert [row["n"] for row in rows(query)] == [0, 1, 2]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_any_dataframe_that_insert_takes(fs: FeatureStore, weather: FeatureGroup, make: Any) -> None:
    spine = make({"city": ["rome", "oslo"], "at": [datetime(2025, 1, 5), datetime(2025, 1, 1)]})
    query = fs.spine(spine, event_time="at", foreign_key="city").join(weather.select_all())
    assert temps(query) == [20.0, 1.0]


def test_an_empty_spine_gives_no_rows_in_the_right_types(fs: FeatureStore, weather: FeatureGroup) -> None:
    query = fs.spine(frame(SPINE), event_time="at", foreign_key="city").join(weather.select_all())
    found = query.read(dataframe_type="arrow")
    assert found.num_rows == 0
    assert found.schema == frame({**SPINE, "temp": "double"}).schema


def test_a_null_event_time_is_an_error_with_count_and_rows(fs: FeatureStore) -> None:
    spine = frame(
        SPINE, [(1, "oslo", "2025-01-01"), (2, "oslo", None), (3, None, "2025-01-01"), (4, "", None)]
    )
    with pytest.raises(
        SchemaMismatchError, match=r"'at' is the event time and null in 2 of 4 rows: row 1, row 3"
    ):
        fs.spine(spine, event_time="at", primary_key="city")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_time": "when"}, "event_time of 'spine' names 'when', which is no feature of it"),
        ({"primary_key": "cty"}, "primary_key of 'spine' names 'cty'.*Did you mean 'city'"),
        ({"foreign_key": {"town": "city"}}, "foreign_key of 'spine' names 'town'"),
        ({"event_time": "city"}, "is a string: an event time is a"),
        ({"primary_key": ["n", "n"]}, "names a column twice"),
    ],
)
def test_a_column_that_is_missing_or_cannot_be_used_is_named(
    fs: FeatureStore, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaMismatchError, match=message):
        fs.spine(frame(SPINE, [(1, "oslo", "2025-01-01")]), **options)


def test_a_number_as_event_time_needs_its_unit(fs: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="event_time_unit"):
        fs.spine(frame(SPINE), event_time="n")
    spine = frame(SPINE, [(0, None, None), (2**62, None, None)])
    with pytest.raises(SchemaMismatchError, match=r"more than 292,000 years.*first in row 1"):
        fs.spine(spine, event_time="n", event_time_unit="s")


def test_columns_without_a_feature_type_are_refused_with_the_advice(fs: FeatureStore) -> None:
    with pytest.raises(SchemaMismatchError, match="'nothing' has type null.*give the column a type"):
        fs.spine(pa.table({"n": [1], "nothing": pa.nulls(1)}))
    with pytest.raises(SchemaMismatchError, match="beyond a bigint.*row 1"):
        fs.spine(pa.table({"n": pa.array([1, 2**64 - 1], pa.uint64())}))


@pytest.mark.parametrize("given", [[], {}, pd.DataFrame()])
def test_a_spine_has_columns(fs: FeatureStore, given: Any) -> None:
    with pytest.raises(SchemaMismatchError, match="The spine has no columns"):
        fs.spine(given)


def test_names_follow_the_rule_of_features(fs: FeatureStore) -> None:
    with pytest.raises(InvalidNameError, match="'city_name'"):
        fs.spine(pd.DataFrame({"City name": ["oslo"]}))
    with pytest.raises(SchemaMismatchError, match="is no dataframe"):
        fs.spine("oslo")


def test_an_inner_join_drops_the_rows_without_a_match_and_nothing_else(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    spine = frame(SPINE, [(5, "rome", "2025-01-05"), (4, "oslo", "2024-01-01"), (3, "oslo", "2025-01-05")])
    query = fs.spine(spine, event_time="at", foreign_key="city")
    found = rows(query.join(weather.select_all(), join_type="inner"))
    assert [row["n"] for row in found] == [5, 3]


def test_without_an_event_time_the_newest_row_is_joined_with_a_warning(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    spine = fs.spine([{"city": "oslo"}, {"city": "rome"}], foreign_key="city")
    with pytest.warns(HopyardWarning, match="'spine' has no event time.*newest row of 'weather_1'"):
        assert temps(spine.join(weather.select_all())) == [3.0, 20.0]


def test_every_step_of_a_query_keeps_the_dataframe(fs: FeatureStore, weather: FeatureGroup) -> None:
    spine = frame(SPINE, [(n, "oslo", "2025-01-05") for n in (3, 1, 2)])
    query = fs.spine(spine, event_time="at", foreign_key="city")
    assert [row["n"] for row in rows(query.filter(query["n"] > 1))] == [3, 2]
    joined = query.join(weather.select_all()).join(weather.select_all(), prefix="again_")
    filtered = joined.filter(joined["n"] < 3).as_of(None)
    assert [row["again_temp"] for row in rows(filtered)] == [3.0, 3.0]
    assert [batch.num_rows for batch in filtered.read_batches()] == [2]
    assert filtered.show(1)["n"].tolist() == [1]
    assert "FROM spine" in filtered.to_string()
    with pytest.raises(NotFoundError):
        query["temp"]


def test_as_of_reads_the_groups_as_they_were(fs: FeatureStore, weather: FeatureGroup) -> None:
    first = weather.commit_details()[0].committed_at_us
    weather.insert(frame(WEATHER, [("oslo", "2025-01-03", 33.0)]))
    spine = frame(SPINE, [(1, "oslo", "2025-01-05")])
    query = fs.spine(spine, event_time="at", foreign_key="city").join(weather.select_all())
    assert temps(query) == [33.0]
    assert temps(query.as_of(from_micros(first))) == [3.0]
    with pytest.raises(TimeTravelError, match="a dataframe has no commits"):
        fs.spine(spine).as_of(1)


def test_order_by_sorts_the_result_and_keeps_the_order_of_the_dataframe_among_equals(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    given = [
        (1, "rome", "2025-01-05"),
        (2, "oslo", "2025-01-05"),
        (3, None, "2025-01-05"),
        (4, "oslo", "2025-01-01"),
    ]
    query = fs.spine(frame(SPINE, given), event_time="at", foreign_key="city").join(weather.select_all())
    assert [row["n"] for row in rows(query, order_by=["city"])] == [2, 4, 1, 3]
    assert [row["n"] for row in rows(query, order_by=["temp"], limit=2)] == [4, 2]
    assert [row["n"] for row in rows(query, limit=2)] == [1, 2]
    with pytest.raises(NotFoundError):
        query.read(order_by=["nothing"])
    with pytest.raises(QueryError, match="limit=-1 must be a whole number"):
        query.read(limit=-1)


def test_a_dataframe_is_the_left_most_side_and_no_part_of_a_view(
    fs: FeatureStore, weather: FeatureGroup
) -> None:
    spine = fs.spine(frame(SPINE, [(1, "oslo", "2025-01-05")]), event_time="at", primary_key="city")
    with pytest.raises(JoinKeyError, match="only be the left-most side"):
        weather.select_all().join(spine)
    with pytest.raises(QueryError, match="made of feature groups"):
        fs.create_feature_view("v", spine.join(weather.select_all()))


def test_equal_names_need_a_prefix(fs: FeatureStore, weather: FeatureGroup) -> None:
    spine = frame({"city": "string", "temp": "double"}, [("oslo", 0.0)])
    with pytest.raises(AmbiguousFeatureError, match=r"spine\.temp and weather_1\.temp"):
        fs.spine(spine, foreign_key="city").join(weather.select_all())


# Instants at which clocks in Oslo change, the same hour twice, before 1970, and a microsecond beside each.
INSTANTS_US = [
    to_micros(datetime(*parts, tzinfo=UTC)) + extra
    for parts in ((2025, 3, 30, 1), (2025, 10, 26, 0), (2025, 10, 26, 1), (1969, 12, 31), (1915, 6, 1, 3))
    for extra in (-1, 0, 1)
]
KEYS: dict[str, list[Any]] = {"bigint": [0, -1, 2**40], "string": ["", "a", "ä"], "boolean": [True, False]}
EXTRAS: dict[str, list[Any]] = {
    "double": [0.0, -0.0, float("nan"), None],
    "string": ["", "x", None],
    "array<bigint>": [[], [1, None], None],
    "timestamp": [from_micros(-1), None],
}
TIMES: dict[str, pa.DataType] = {
    "naive": pa.timestamp("us"),
    "oslo": pa.timestamp("us", "Europe/Oslo"),
    "utc": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "seconds": pa.int64(),
}


@pytest.fixture(scope="module", params=VARIANTS)
def random_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    store = open_store(tmp_path_factory.mktemp("spines") / "store")
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


def random_group(
    data: st.DataObject, fs: FeatureStore, number: int, key_type: str
) -> tuple[FeatureGroup, Any]:
    """Return a group with the key `k`, an event time or none, and the feature `x`; and its rows."""
    features = {"k": key_type, "t": "timestamp", "x": "double"}
    is_timed = data.draw(st.booleans())
    if not is_timed:
        del features["t"]
    identities = st.tuples(st.sampled_from(KEYS[key_type]), st.sampled_from(INSTANTS_US if is_timed else [0]))
    drawn = data.draw(st.lists(st.tuples(identities, st.sampled_from(EXTRAS["double"])), max_size=8))
    stored = [
        {"k": key, **({"t": from_micros(at)} if is_timed else {}), "x": x}
        for (key, at), x in dict(drawn).items()
    ]
    ttl = (
        data.draw(st.sampled_from([None, timedelta(microseconds=1), timedelta(hours=1)]))
        if is_timed
        else None
    )
    group = make_group(
        fs,
        f"g{number}",
        features,
        [tuple(row.values()) for row in stored],
        primary_key="k",
        event_time="t" if is_timed else None,
        ttl=ttl,
    )
    return group, stored


def random_spine(data: st.DataObject, key_type: str) -> tuple[pa.Table, list[dict[str, Any]], dict[str, Any]]:
    """Return a dataframe, its rows as the oracle gets them, and the options of `FeatureStore.spine`."""
    kind = data.draw(st.sampled_from([None, *TIMES]))
    extras = data.draw(st.lists(st.sampled_from(sorted(EXTRAS)), max_size=2))
    types = {"key": key_type, **{f"extra{index}": type_ for index, type_ in enumerate(extras)}}
    names = data.draw(st.permutations([*types, *(["at"] if kind else [])]))
    values = {
        name: st.sampled_from([None, *(KEYS if name == "key" else EXTRAS)[type_]])
        for name, type_ in types.items()
    }
    values["at"] = st.sampled_from(INSTANTS_US)
    drawn = data.draw(st.lists(st.fixed_dictionaries({name: values[name] for name in names}), max_size=10))
    drawn = data.draw(st.permutations(drawn + drawn[: data.draw(st.integers(0, 3))]))  # duplicates, anywhere
    table = frame(
        {name: types.get(name, "bigint") for name in names},
        [tuple(row[name] for name in names) for row in drawn],
    )
    if kind is None:
        return table, drawn, {}
    unit_us = {"seconds": 1_000_000, "date": 86_400_000_000}.get(kind, 1)
    counts = pa.array([row["at"] // unit_us for row in drawn], pa.int64())
    at = counts.cast(pa.int32()).view(pa.date32()) if kind == "date" else counts.view(TIMES[kind])
    table = table.set_column(names.index("at"), "at", at)
    stored = [{**row, "at": _as_stored(kind, row["at"] // unit_us)} for row in drawn]
    return table, stored, {"event_time": "at", **({"event_time_unit": "s"} if kind == "seconds" else {})}


def _as_stored(kind: str, counted: int) -> Any:
    if kind == "date":
        return date(1970, 1, 1) + timedelta(days=counted)
    return counted if kind == "seconds" else from_micros(counted)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spines_answer_as_the_oracle(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int]
) -> None:
    key_type = data.draw(st.sampled_from(sorted(KEYS)))
    table, given, options = random_spine(data, key_type)
    query = random_store.spine(table, foreign_key={"key": "k"}, **options)
    tables: list[Any] = [given]
    for number in range(data.draw(st.integers(1, 2))):
        group, stored = random_group(data, random_store, next(numbers), key_type)
        tables.append(stored)
        how = data.draw(st.sampled_from(["left", "left", "inner"]))
        query = query.join(group.select_all(), prefix=f"r{number}_", join_type=how, include_event_time=True)
    assert isinstance(query.plan.root.source, FrameSource)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HopyardWarning)
        found = query.read(dataframe_type="arrow")
    assert found.column_names[: table.num_columns] == table.column_names
    if all(join.how == "left" for join in query.plan.joins):
        assert found.num_rows == table.num_rows
    assert_same_rows(found.to_pylist(), answer(query.plan, tables))
