"""Queries as programs build them: keys, kinds of joins, filters, names, points in time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hopyard.compat import hsfs
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.constructor.filter import Filter, Logic
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.feature_group import FeatureGroup
from hopyard.compat.hsfs.feature_store import FeatureStore

DAY = pd.to_datetime("2020-01-01")


@pytest.fixture
def fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("HOPYARD_URL", str(tmp_path / "store"))
    monkeypatch.delenv("HOPSWORKS_PROJECT", raising=False)
    return hsfs.connection().get_feature_store()


def group(
    fs: FeatureStore, name: str, key: list[str], event_time: str | None = None, **columns: Any
) -> FeatureGroup:
    made = fs.create_feature_group(
        name, version=1, primary_key=key, event_time=event_time, online_enabled=True
    )
    made.insert(pd.DataFrame(columns))
    return made


@pytest.fixture
def sales(fs: FeatureStore) -> FeatureGroup:
    return group(
        fs,
        "sales",
        ["store", "dept", "date"],
        store=[1, 1, 2],
        dept=[1, 2, 1],
        date=[DAY] * 3,
        weekly_sales=[1.0, 2.0, 3.0],
    )


@pytest.fixture
def weather(fs: FeatureStore) -> FeatureGroup:
    return group(fs, "weather", ["store", "date"], store=[1, 3], date=[DAY] * 2, temp=[10.0, 30.0])


@pytest.fixture
def shops(fs: FeatureStore) -> FeatureGroup:
    return group(fs, "shops", ["store"], store=[1, 2], size=[100, 200])


def rows(query: Any, *names: str) -> list[list[Any]]:
    frame = query.read()
    found = frame[list(names)].astype(object).where(frame[list(names)].notna(), None).values.tolist()
    return sorted(found, key=str)


def test_a_chain_joins_each_group_to_the_first(
    sales: FeatureGroup, weather: FeatureGroup, shops: FeatureGroup
) -> None:
    query = sales.select_all().join(weather.select_all()).join(shops.select_all(), on=["store"])
    assert [feature.name for feature in query.features] == [
        "store",
        "dept",
        "date",
        "weekly_sales",
        "temp",
        "size",
    ]
    assert rows(query, "store", "dept", "temp", "size") == [
        [1, 1, 10.0, 100],
        [1, 2, 10.0, 100],
        [2, 1, None, 200],
    ]
    assert query.featuregroups == [sales, weather, shops] and len(query.joins) == 2


def test_calls_change_the_query_and_return_it(sales: FeatureGroup, weather: FeatureGroup) -> None:
    query = sales.select(["store", "dept"])
    assert query.join(weather.select(["temp"])) is query and query.filter(sales.dept > 1) is query
    assert query.limit(1) is query and query.as_of(None) is query
    assert rows(query, "store", "dept", "temp") == [[1, 2, 10.0]]


def test_a_left_join_is_the_default_and_an_inner_one_can_be_asked_for(
    sales: FeatureGroup, weather: FeatureGroup
) -> None:
    assert len(sales.select_all().join(weather.select_all()).read()) == 3
    for kind in ("inner", "INNER"):
        assert len(sales.select_all().join(weather.select_all(), [], [], [], kind).read()) == 2
    for kind in ("right", "full", "outer", "cross", "left_semi_join"):
        with pytest.raises(CompatError, match="fs.sql"):
            sales.select_all().join(weather.select_all(), join_type=kind)


def test_keys_that_cover_a_part_of_the_right_key_return_every_match(
    sales: FeatureGroup, shops: FeatureGroup, weather: FeatureGroup
) -> None:
    query = shops.select_all().join(sales.select(["dept", "weekly_sales"]))
    assert rows(query, "store", "dept", "weekly_sales") == [[1, 1, 1.0], [1, 2, 2.0], [2, 1, 3.0]]
    assert [feature.name for feature in query.features] == ["store", "size", "dept", "weekly_sales"]


def test_keys_may_have_different_names_and_a_snowflake_is_nested(
    fs: FeatureStore, sales: FeatureGroup, shops: FeatureGroup
) -> None:
    visits = group(fs, "visits", ["visit"], visit=[1, 2], place=[1, 2], who=["a", "b"])
    cities = group(fs, "cities", ["size"], size=[100, 200], city=["Kista", "Solna"])
    nested = shops.select_all().join(cities.select(["city"]), left_on=["size"], right_on=["size"])
    query = visits.select(["who"]).join(nested, left_on=["place"], right_on=["store"], prefix="shop_")
    assert rows(query, "who", "shop_size", "shop_city") == [["a", 100, "Kista"], ["b", 200, "Solna"]]


def test_a_selected_key_comes_once(sales: FeatureGroup, weather: FeatureGroup) -> None:
    query = sales.select(["store", "date", "weekly_sales"]).join(weather.select(["store", "date", "temp"]))
    assert list(query.read().columns) == ["store", "date", "weekly_sales", "temp"]


def test_names_that_occur_twice_are_returned_in_full(
    fs: FeatureStore, sales: FeatureGroup, caplog: pytest.LogCaptureFixture
) -> None:
    plans = group(
        fs, "plans", ["store", "dept"], store=[1, 1, 2], dept=[1, 2, 1], weekly_sales=[7.0, 8.0, 9.0]
    )
    query = sales.select_all().join(plans.select_all())
    with caplog.at_level(logging.WARNING):
        assert rows(query, "weekly_sales", "default_plans_1_weekly_sales")[0] == [1.0, 7.0]
    assert "Ambiguous features detected during query construction" in caplog.text
    prefixed = sales.select_all().join(plans.select_all(), prefix="plan_")
    assert rows(prefixed, "weekly_sales", "plan_weekly_sales")[0] == [1.0, 7.0]
    assert prefixed["plan_weekly_sales"].name == "plan_weekly_sales"
    assert prefixed.filter(plans.weekly_sales > 8).read()["plan_weekly_sales"].tolist() == [9.0]


def test_filters_are_combined(sales: FeatureGroup) -> None:
    both = (sales.store == 1) & (sales["dept"] > 1)
    assert isinstance(both, Logic) and isinstance(sales.store == 1, Filter)
    either = both | (Feature("weekly_sales") >= 3)
    assert sorted(sales.filter(either).read()["weekly_sales"]) == [2.0, 3.0]
    assert sorted(sales.select(["weekly_sales"]).filter(sales.dept.isin([2])).read()["weekly_sales"]) == [2.0]
    assert len(sales.filter(sales.date == "2020-01-01").filter(sales.store != 2).read()) == 2
    with pytest.raises(FeatureStoreException, match="yes or no"):
        bool(sales.store == 1)


def test_text_is_matched_by_a_pattern(fs: FeatureStore) -> None:
    people = group(fs, "people", ["id"], id=[1, 2], nick=["Anna", "Bert"])
    assert people.filter(people["nick"].like("An%")).read()["id"].tolist() == [1]


def test_a_filter_before_a_join_is_of_its_group_and_one_after_it_of_the_result(
    sales: FeatureGroup, weather: FeatureGroup
) -> None:
    query = sales.select_all().join(weather.filter(weather.temp > 10))
    assert len(query.read()) == 3
    assert len(query.filter(Feature("temp") > 10).read()) == 0


@pytest.mark.parametrize("name", ["temp", "Temp"])
def test_features_of_a_query_are_found(sales: FeatureGroup, weather: FeatureGroup, name: str) -> None:
    query = sales.select_all().join(weather.select_all())
    assert query.get_feature(name).type == query[name].type == query.temp.type == "double"
    with pytest.raises(FeatureStoreException, match="could not found be found"):
        query.get_feature("rain")


def test_points_in_time(fs: FeatureStore) -> None:
    """The golden shape of 2021: a label group, and groups whose newest row at or before its time counts."""
    times = pd.to_datetime(["2021-01-02", "2021-01-04", "2021-01-04"])
    labels = group(fs, "labels", ["id"], "at", id=[1, 2, 3], at=times, label=[0, 1, 0])
    when = pd.to_datetime(["2021-01-01", "2021-01-02", "2021-01-03", "2021-01-05"])
    values = group(fs, "amounts", ["id"], "at", id=[1, 1, 1, 2], at=when, amount=[1.0, 2.0, 3.0, 4.0])
    query = labels.select_all().join(values.select_all())
    assert rows(query, "id", "label", "amount") == [[1, 0, 2.0], [2, 1, None], [3, 0, None]]
    assert rows(labels.select_all().join(values.select(["amount"]), join_type="inner"), "id", "amount") == [
        [1, 2.0]
    ]
    assert query.read(start_time="2021-01-03", end_time="2021-01-05")["id"].tolist() in ([2, 3], [3, 2])


def test_as_of_reaches_every_group_of_a_query(sales: FeatureGroup, weather: FeatureGroup) -> None:
    before = max(*sales.commit_details(), *weather.commit_details())
    weather.insert(pd.DataFrame({"store": [2], "date": [DAY], "temp": [20.0]}))
    query = sales.select(["store", "dept"]).join(weather.select(["temp"]))
    assert [2, 20.0] in rows(query, "store", "temp")
    assert [2, None] in rows(query.as_of(before), "store", "temp")
    assert query.is_time_travel()


def test_a_query_is_shown_as_sql_and_read_online(sales: FeatureGroup, shops: FeatureGroup) -> None:
    query = sales.select(["weekly_sales"]).join(shops.select(["size"]), on=["store"])
    assert "SELECT" in query.to_string() and "SELECT" in str(query)
    assert sorted(query.read(online=True, dataframe_type="python")) == [[1.0, 100], [2.0, 100], [3.0, 200]]
    assert len(query.show(2)) == 2


def test_a_spine_is_a_frame_on_the_left(fs: FeatureStore) -> None:
    when = pd.to_datetime(["2021-01-01", "2021-01-03"])
    values = group(fs, "amounts", ["id"], "at", id=[1, 1], at=when, amount=[1.0, 3.0])
    frame = pd.DataFrame({"id": [1, 1], "at": pd.to_datetime(["2021-01-02", "2021-01-04"]), "y": [0, 1]})
    spine = fs.get_or_create_spine_group("spine", 1, primary_key=["id"], event_time="at", dataframe=frame)
    query = spine.select(["y"]).join(values.select(["amount"]))
    assert rows(query, "y", "amount") == [[0, 1.0], [1, 3.0]]
    spine.dataframe = frame.head(1)
    assert rows(query, "y", "amount") == [[0, 1.0]]


@pytest.mark.parametrize("value", ["soon", "2020-13-01", object()])
def test_times_that_are_none_are_refused(sales: FeatureGroup, value: Any) -> None:
    with pytest.raises(ValueError, match="Unable to identify format of the provided date value"):
        sales.as_of(value)


def test_selections(sales: FeatureGroup) -> None:
    assert [f.name for f in sales.select_features().features] == ["weekly_sales"]
    assert [f.name for f in sales.select_except(["dept", sales.date]).features] == ["store", "weekly_sales"]
    assert [f.name for f in sales.select_all(include_primary_key=False).features] == ["weekly_sales"]
    assert [f.name for f in sales.select([sales.dept, "store"]).append_feature("date").features] == [
        "dept",
        "store",
        "date",
    ]
    with pytest.raises(FeatureStoreException, match="no feature called 'rain'"):
        sales.select(["rain"])
