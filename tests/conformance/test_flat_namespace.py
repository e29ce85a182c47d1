"""Features by their names alone, and the joins that follow."""

from __future__ import annotations

from typing import Any

import pytest

from groups import make_group
from hopyard.errors import AmbiguousFeatureError, HopyardWarning, JoinKeyError, NotFoundError, QueryError
from hopyard.feature_store import FeatureStore
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer

RIDES = {"ride": "bigint", "at": "timestamp", "place": "string", "km": "double"}
WEATHER = {"place": "string", "t": "timestamp", "temp": "double"}
PLACES = {"place": "string", "country": "string", "height": "bigint"}
COUNTRIES = {"country": "string", "vat": "double"}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "rides": [(1, "2025-01-02", "oslo", 1.5), (2, "2025-01-04", "oslo", 2.5), (3, "2025-01-04", "rome", 3.5)],
    "weather": [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-03", 3.0)],
    "places": [("oslo", "no", 12), ("rome", "it", 21)],
    "countries": [("no", 0.25), ("it", 0.22)],
}


@pytest.fixture
def store_of_four(fs: FeatureStore) -> FeatureStore:
    make_group(fs, "rides", RIDES, ROWS["rides"], primary_key="ride", event_time="at", foreign_key="place")
    make_group(fs, "weather", WEATHER, ROWS["weather"], primary_key="place", event_time="t")
    make_group(fs, "places", PLACES, ROWS["places"], primary_key="place", foreign_key="country")
    make_group(fs, "countries", COUNTRIES, ROWS["countries"], primary_key="country")
    return fs


def labels(query: Any) -> list[str]:
    return [node.source.label for node in query.plan.nodes]


def parents(query: Any) -> dict[str, str]:
    """Return for each joined group the one that it is joined to."""
    nodes = labels(query)
    return {nodes[index]: nodes[join.parent] for index, join in enumerate(query.plan.joins, start=1)}


def test_one_group_gives_a_plain_select_in_the_order_asked_for(store_of_four: FeatureStore) -> None:
    query = store_of_four.get_features(["height", "places.place"])
    assert labels(query) == ["places_1"]
    expected = [{"height": 12, "place": "oslo"}, {"height": 21, "place": "rome"}]
    assert_same_rows(query.read(dataframe_type="python", order_by=["height"]), expected)
    assert store_of_four.get_features("height").features == ["height"]


def test_groups_are_joined_point_in_time_right_columns_in_the_order_asked_for(
    store_of_four: FeatureStore,
) -> None:
    query = store_of_four.get_features(["temp", "km", "height", "ride"])
    assert parents(query) == {"weather_1": "rides_1", "places_1": "rides_1"}
    expected = [
        {"temp": 1.0, "km": 1.5, "height": 12, "ride": 1},
        {"temp": 3.0, "km": 2.5, "height": 12, "ride": 2},
        {"temp": None, "km": 3.5, "height": 21, "ride": 3},
    ]
    assert_same_rows(query.read(dataframe_type="python", order_by=["ride"]), expected)
    specs = {group.spec.label: group.spec for group in store_of_four.list_feature_groups()}
    tables = []
    for label in labels(query):
        spec = specs[label]
        features = {field.name: field.type for field in spec.schema}
        tables.append(frame(features, ROWS[spec.name]).to_pylist())
    assert_same_rows(expected, answer(query.plan, tables))


def test_a_group_is_nested_where_only_a_joined_group_reaches_it(store_of_four: FeatureStore) -> None:
    query = store_of_four.get_features(["vat", "km", "height"])
    assert parents(query) == {"places_1": "rides_1", "countries_1": "places_1"}
    found = query.read(dataframe_type="python", order_by=["km"])
    assert [row["vat"] for row in found] == [0.25, 0.25, 0.22]


def test_a_bridge_is_not_added_silently(store_of_four: FeatureStore) -> None:
    with pytest.raises(JoinKeyError) as error:
        store_of_four.get_features(["km", "vat"])
    assert "from 'rides_1' (primary: ride; foreign: place)" in str(error.value)
    assert "from 'countries_1' (primary: country)" in str(error.value)
    assert "the primary key of 'countries_1' is (country)" in str(error.value)
    assert "do not cover country." in str(error.value)
    assert "name a feature of a group that lies between" in str(error.value)


def test_the_root_has_the_largest_primary_key_then_it_is_named_first(fs: FeatureStore) -> None:
    both = {"a": "bigint", "b": "bigint"}
    make_group(fs, "small", {**both, "x": "bigint"}, [(1, 2, 10)], primary_key="a", foreign_key="b")
    make_group(fs, "large", {**both, "y": "bigint"}, [(1, 2, 20)], primary_key=["a", "b"])
    make_group(fs, "twin", {"a": "bigint", "z": "bigint"}, [(1, 30)], primary_key="a")
    assert labels(fs.get_features(["x", "y"])) == ["large_1", "small_1"]  # each reaches the other
    assert labels(fs.get_features(["z", "x"])) == ["twin_1", "small_1"]
    assert labels(fs.get_features(["x", "z"])) == ["small_1", "twin_1"]


def test_a_larger_key_that_does_not_reach_all_is_no_root(fs: FeatureStore) -> None:
    make_group(fs, "wide", {"a": "bigint", "b": "bigint", "x": "bigint"}, primary_key=["a", "b"])
    make_group(fs, "facts", {"id": "bigint", "a": "bigint", "b": "bigint", "c": "bigint"}, primary_key="id",
               foreign_key=["a", "b", "c"])  # fmt: skip
    make_group(fs, "dims", {"c": "bigint", "z": "bigint"}, primary_key="c")
    assert labels(fs.get_features(["x", "id", "z"])) == ["facts_1", "wide_1", "dims_1"]


def test_a_group_without_a_primary_key_can_only_be_the_root(fs: FeatureStore) -> None:
    make_group(fs, "events", {"a": "bigint", "n": "bigint"}, [(1, 5), (1, 5)], foreign_key="a")
    make_group(fs, "things", {"a": "bigint", "x": "bigint"}, [(1, 7)], primary_key="a")
    query = fs.get_features(["x", "n"])
    assert labels(query) == ["events_1", "things_1"]
    assert query.read(dataframe_type="python") == [{"x": 7, "n": 5}] * 2


def test_two_ways_to_one_group_are_no_way(fs: FeatureStore) -> None:
    make_group(fs, "orders", {"o": "bigint", "shop": "bigint", "buyer": "bigint"}, primary_key="o",
               foreign_key=["shop", "buyer"])  # fmt: skip
    make_group(fs, "shops", {"shop": "bigint", "region": "bigint", "s": "bigint"}, primary_key="shop",
               foreign_key="region")  # fmt: skip
    make_group(fs, "buyers", {"buyer": "bigint", "region": "bigint", "b": "bigint"}, primary_key="buyer",
               foreign_key="region")  # fmt: skip
    make_group(fs, "regions", {"region": "bigint", "r": "bigint"}, primary_key="region")
    assert labels(fs.get_features(["o", "s", "r"])) == ["orders_1", "shops_1", "regions_1"]
    with pytest.raises(
        JoinKeyError, match="'regions_1' is reached from 'shops_1' and 'buyers_1', which may differ"
    ):
        fs.get_features(["o", "s", "b", "r"])


def test_two_columns_for_one_key_are_no_way(fs: FeatureStore) -> None:
    make_group(fs, "flights", {"id": "bigint", "origin": "string", "dest": "string"}, primary_key="id",
               foreign_key={"origin": "faa", "dest": "faa"})  # fmt: skip
    make_group(fs, "airports", {"faa": "string", "height": "bigint"}, primary_key="faa")
    with pytest.raises(JoinKeyError, match=r"could be joined to airports_1\.faa: dest, origin\."):
        fs.get_features(["id", "height"])


def test_the_rule_follows_the_event_time_of_the_root(store_of_four: FeatureStore) -> None:
    query = store_of_four.get_features(["height", "temp"])
    assert labels(query) == ["places_1", "weather_1"]
    with pytest.warns(HopyardWarning, match="'places_1' has no event time"):
        found = query.read(dataframe_type="python", order_by=["height"])
    assert [row["temp"] for row in found] == [3.0, None]


def test_names_are_looked_up_in_latest_versions_and_an_older_one_is_named(
    store_of_four: FeatureStore,
) -> None:
    fs = store_of_four
    make_group(fs, "weather", {**WEATHER, "rain": "double"}, primary_key="place", event_time="t")
    assert labels(fs.get_features(["temp"])) == ["weather_2"]
    assert labels(fs.get_features(["weather.temp"])) == ["weather_2"]
    assert labels(fs.get_features(["weather@1.temp"])) == ["weather_1"]
    query = fs.get_features(["weather@1.temp", "weather.rain"])
    assert (labels(query), query.features) == (["weather_1", "weather_2"], ["temp", "rain"])
    with pytest.raises(NotFoundError, match="No version of feature group 'weather' named '3'"):
        fs.get_features(["weather@3.temp"])
    with pytest.raises(NotFoundError, match="No feature of 'weather_1' named 'rain'"):
        fs.get_features(["weather@1.rain"])


def test_a_name_of_several_groups_is_ambiguous(store_of_four: FeatureStore) -> None:
    with pytest.raises(AmbiguousFeatureError) as error:
        store_of_four.get_features(["km", "place"])
    assert "3 feature groups have a feature 'place'" in str(error.value)
    assert "'places.place', 'rides.place', 'weather.place'" in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tempp", "No feature named 'tempp'. Did you mean 'temp'?"),
        ("wether.temp", "No feature group named 'wether'. Did you mean 'weather'?"),
        ("weather.tmp", "No feature of 'weather_1' named 'tmp'. Did you mean 'temp'?"),
    ],
)
def test_unknown_names_have_close_matches(store_of_four: FeatureStore, name: str, message: str) -> None:
    with pytest.raises(NotFoundError) as error:
        store_of_four.get_features([name])
    assert str(error.value) == message
    with pytest.raises(NotFoundError):
        store_of_four.get_feature(name)


@pytest.mark.parametrize("name", ["", "a.b.c", "a@.b", "a@x.b", "@1.b", "a@1", ".b", "a.", 7, None, ["temp"]])
def test_what_names_no_feature_is_refused(store_of_four: FeatureStore, name: Any) -> None:
    with pytest.raises(QueryError, match="names no feature: write 'feature', 'group.feature'"):
        store_of_four.get_features([name])


def test_nothing_and_twice_are_refused(store_of_four: FeatureStore) -> None:
    with pytest.raises(QueryError, match="No features are named"):
        store_of_four.get_features([])
    with pytest.raises(QueryError, match=r"weather_1\.temp is named twice\. "):
        store_of_four.get_features(["temp", "temp"])
    with pytest.raises(QueryError, match=r"named twice, as 'temp' and as 'weather@1\.temp'"):
        store_of_four.get_features(["temp", "weather@1.temp"])


def test_equal_names_of_two_groups_are_refused_with_the_way_out(store_of_four: FeatureStore) -> None:
    with pytest.raises(AmbiguousFeatureError) as error:
        store_of_four.get_features(["rides.place", "km", "weather.place"])
    assert "Both rides_1.place and weather_1.place would be called 'place'" in str(error.value)
    assert "prefix='weather_'" in str(error.value)


def test_a_feature_by_its_name_is_that_of_its_group(store_of_four: FeatureStore) -> None:
    fs = store_of_four
    feature = fs.get_feature("temp")
    assert (feature.name, feature.type) == ("temp", "double")
    assert (
        repr(fs.get_feature("weather@1.temp"))
        == repr(feature)
        == repr(fs.get_feature_group("weather")["temp"])
    )
    query = fs.get_features(["ride", "temp"]).filter(feature > 2)
    assert query.read(dataframe_type="python") == [{"ride": 2, "temp": 3.0}]


def test_a_view_is_made_of_features_by_name(store_of_four: FeatureStore) -> None:
    view = store_of_four.create_feature_view("v", store_of_four.get_features(["temp", "km"]), labels="km")
    features, kilometres = view.training_data(dataframe_type="python")
    assert ([row["temp"] for row in features], kilometres) == ([1.0, 3.0, None], [1.5, 2.5, 3.5])


def test_a_store_without_groups_says_so(fs: FeatureStore) -> None:
    with pytest.raises(NotFoundError, match="There are none yet"):
        fs.get_features(["temp"])
