"""Dataframes in the place of a feature view's left-most group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import hopyard
from groups import make_group
from hopyard.errors import AmbiguousFeatureError, HopyardWarning, QueryError, SchemaMismatchError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.testing.frames import assert_same_rows, frame

RIDES = {
    "ride": "bigint",
    "city": "string",
    "at": "timestamp",
    "rider": "bigint",
    "km": "double",
    "minutes": "double",
}
WEATHER = {"city": "string", "t": "timestamp", "temp": "double", "storm": "boolean"}
KNOWN = [
    ("oslo", "2025-01-01", 1.0, False),
    ("oslo", "2025-01-03", 3.0, True),
    ("rome", "2025-01-01", 20.0, None),
]
NEEDED = {"city": "string", "at": "timestamp", "rider": "bigint", "km": "double"}
N = 400


def ride_rows() -> list[tuple[Any, ...]]:
    return [
        (n, ("oslo", "rome", "paris")[n % 3], f"2025-01-0{1 + n % 6}", n % 9, n / 4, float(n % 50))
        for n in range(N)
    ]


@pytest.fixture
def weather(fs: FeatureStore) -> FeatureGroup:
    return make_group(fs, "weather", WEATHER, KNOWN, primary_key="city", event_time="t")


@pytest.fixture
def rides(fs: FeatureStore) -> FeatureGroup:
    options: dict[str, Any] = {"primary_key": "ride", "event_time": "at", "foreign_key": "city"}
    return make_group(fs, "rides", RIDES, ride_rows(), **options)


@pytest.fixture
def view(fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup) -> FeatureView:
    query = rides.select(["rider", "km", "minutes"]).join(weather.select(["temp"]))
    return fs.create_feature_view("v", query, labels="minutes", training_helper_columns=["rider"])


def python(view: FeatureView, spine: object, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    return view.training_data(spine=spine, dataframe_type="python", **options)


SPINE = frame(
    {"note": "string", **NEEDED},
    [
        ("b", "oslo", "2025-01-04", 1, 2.5),
        ("a", None, "2025-01-04", 2, None),
        ("b", "oslo", "2024-01-04", 1, 2.5),
    ],
)


def test_x_has_the_columns_of_the_spine_then_the_other_features_in_the_order_of_its_rows(
    view: FeatureView,
) -> None:
    features, y = python(view, SPINE)
    assert y is None
    expected = [
        {**{name: row[name] for name in ("note", "city", "at", "km")}, "temp": temp}
        for row, temp in zip(SPINE.to_pylist(), [3.0, None, None], strict=True)
    ]
    assert_same_rows(features, expected)
    with_helpers, _ = python(view, SPINE, training_helper_columns=True)
    assert list(with_helpers[0]) == ["note", "city", "at", "rider", "km", "temp"]


def test_labels_that_a_spine_brings_are_y(view: FeatureView) -> None:
    labelled = SPINE.add_column(0, "minutes", pa.array([9, None, 7]))
    features, y = python(view, labelled)
    assert list(features[0]) == ["note", "city", "at", "km", "temp"]
    assert y == [9.0, None, 7.0]  # a double, as in the group


def test_of_several_labels_those_are_returned_that_the_spine_has(
    fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup
) -> None:
    query = rides.select(["km", "minutes"]).join(weather.select(["temp", "storm"]))
    view = fs.create_feature_view("two", query, labels=["minutes", "storm"])
    features, y = python(view, SPINE.select(["city", "at", "km"]))
    assert list(features[0]) == ["city", "at", "km", "temp"]
    assert y == [True, None, None]  # another group's label is looked up as ever


def test_the_rows_of_the_group_itself_as_a_spine_give_its_training_data(
    view: FeatureView, rides: FeatureGroup
) -> None:
    features, y = view.training_data(dataframe_type="arrow")
    spine = rides.read(dataframe_type="arrow").take(np.random.default_rng(1).permutation(N))
    features_of_spine, labels_of_spine = view.training_data(spine=spine, dataframe_type="arrow")
    order = np.argsort(spine["ride"].to_numpy())
    assert features_of_spine.select(features.column_names).take(order).equals(features)
    assert labels_of_spine.take(order).equals(y)


def test_everything_that_is_missing_is_listed_with_what_it_is_for(view: FeatureView) -> None:
    with pytest.raises(SchemaMismatchError) as error:
        view.training_data(spine=pd.DataFrame({"note": ["x"]}))
    for part in (
        "'at' (timestamp: the event time)",
        "'city' (string: joins 'weather_1')",
        "'rider' (bigint: a training helper column)",
        "'km' (double: a feature)",
        "It has: note.",
    ):
        assert part in str(error.value)


def test_a_null_event_time_is_an_error(view: FeatureView) -> None:
    spine = frame(NEEDED, [("oslo", None, 1, 1.0), ("oslo", "2025-01-01", 1, 1.0)])
    with pytest.raises(SchemaMismatchError, match="'at' is the event time and null in 1 of 2 rows: row 0"):
        view.training_data(spine=spine)


def test_values_have_the_types_of_the_root_or_the_error_of_an_insert(view: FeatureView) -> None:
    whole = pd.DataFrame({"city": ["oslo"], "at": [pd.Timestamp("2025-01-04")], "rider": [1.0], "km": [2]})
    features, _ = view.training_data(spine=whole, dataframe_type="arrow", training_helper_columns=True)
    assert features.schema.field("km").type == pa.float64()
    assert features.schema.field("rider").type == pa.int64()
    with pytest.raises(
        SchemaMismatchError, match=r"'rider' must be bigint, and 1 of 1 rows do not fit.*row 0 \(1.5\)"
    ):
        view.training_data(spine=whole.assign(rider=1.5))
    with pytest.raises(SchemaMismatchError, match="'ride' must be bigint"):
        view.training_data(spine=whole.assign(ride="seven"))


def test_no_filter_chooses_among_the_rows_of_a_spine(
    fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup
) -> None:
    root = rides.filter(rides["km"] > 50).filter(rides["minutes"] > 3)
    query = root.join(weather.select(["temp"]))
    view = fs.create_feature_view("filtered", query.filter(~rides["minutes"].is_null()), labels="minutes")
    spine = SPINE.append_column("ride", pa.array([1, 2, 3]))
    features, _ = python(view, spine)
    assert [row["temp"] for row in features] == [3.0, None, None]
    assert len(view.get_batch_data(spine=spine)) == 3


def test_an_inner_join_drops_the_rows_of_a_spine_without_a_match(
    fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup
) -> None:
    query = rides.select(["km"]).join(weather.select(["temp"]), join_type="inner")
    features, _ = python(fs.create_feature_view("inner", query), SPINE)
    assert [(row["note"], row["temp"]) for row in features] == [("b", 3.0)]


def test_a_name_that_another_group_gives_is_refused(view: FeatureView) -> None:
    with pytest.raises(AmbiguousFeatureError, match=r"'temp' \(from 'weather_1'\)"):
        view.training_data(spine=SPINE.append_column("temp", pa.array([1.0, 2.0, 3.0])))


@pytest.mark.parametrize("empty", [frame(NEEDED), [], pd.DataFrame({name: [] for name in NEEDED})])
def test_an_empty_spine_gives_no_rows(view: FeatureView, empty: Any) -> None:
    features, y = view.training_data(spine=empty, dataframe_type="arrow")
    assert features.num_rows == 0
    assert y is None
    assert (
        features.schema
        == frame({"city": "string", "at": "timestamp", "km": "double", "temp": "double"}).schema
    )


def test_a_range_of_event_times_takes_a_part_of_a_spine(view: FeatureView) -> None:
    features, _ = python(view, SPINE, start_time="2025-01-01")
    assert [row["note"] for row in features] == ["b", "a"]


def test_a_root_without_an_event_time_needs_none(fs: FeatureStore, weather: FeatureGroup) -> None:
    cities = make_group(fs, "cities", {"city": "string", "size": "bigint"}, [("oslo", 1)], primary_key="city")
    view = fs.create_feature_view("c", cities.select(["size"]).join(weather.select(["temp"])))
    with pytest.warns(HopyardWarning, match="as of now"):
        features, _ = python(view, [{"size": 5, "city": "rome"}])
    assert features == [{"size": 5, "city": "rome", "temp": 20.0}]
    with pytest.raises(QueryError, match="select by event time"):
        view.training_data(spine=[{"size": 5, "city": "rome"}], start_time="2025-01-01")


def shuffled(spine: pa.Table, seed: int = 5) -> pa.Table:
    """Return the rows and the columns in another order."""
    rng = np.random.default_rng(seed)
    table = spine.take(rng.permutation(spine.num_rows))
    return table.select([table.column_names[index] for index in rng.permutation(table.num_columns)])


def numbers(split: pa.Table) -> set[int]:
    return set(split["number"].to_pylist())


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("has_key", [True, False], ids=["key", "no-key"])
def test_a_random_split_of_a_spine_depends_on_no_order(
    view: FeatureView, *, exact: bool, has_key: bool
) -> None:
    rows = frame(RIDES, ride_rows())
    spine = rows.append_column("number", pa.array(range(N)))
    if not has_key:  # a city on a day: some twenty rows each, which exact sizes have to tell apart
        spine = spine.drop_columns(["ride"])
    splits = [
        view.train_test_split(0.25, spine=given, exact=exact, dataframe_type="arrow")
        for given in (spine, shuffled(spine))
    ]
    (train, test, _, _), (again, other, _, _) = splits
    assert numbers(train) == numbers(again)
    assert numbers(test) == numbers(other)
    assert train["number"].to_pylist() == sorted(numbers(train))  # in the order of the spine
    assert train.num_rows + test.num_rows == N
    if exact:
        assert test.num_rows == N // 4
    if not has_key and not exact:
        cities = [{(row["city"], row["at"]) for row in split.to_pylist()} for split in (train, test)]
        assert cities[0].isdisjoint(cities[1])


def test_with_the_key_of_the_root_a_row_is_placed_as_in_the_group(view: FeatureView) -> None:
    spine = shuffled(frame(RIDES, ride_rows()))
    _, test, _, test_labels = view.train_test_split(0.3, spine=spine, exact=False, dataframe_type="arrow")
    expected = view.train_test_split(0.3, exact=False, dataframe_type="arrow", training_helper_columns=True)
    assert test.num_rows == expected[1].num_rows
    assert sorted(test["km"].to_pylist()) == sorted(expected[1]["km"].to_pylist())
    assert len(test_labels) == test.num_rows


def test_without_keys_and_event_time_all_columns_place_a_row(fs: FeatureStore) -> None:
    names = {"a": "bigint", "b": "bigint"}
    group = make_group(fs, "plain", names, [(1, 2)])
    view = fs.create_feature_view("plain", group.select_all(), labels="b")
    spine = frame(names, [(n % 5, n) for n in range(200)])
    _, test, _, test_labels = view.train_test_split(0.5, spine=spine, exact=False, dataframe_type="arrow")
    _, other, _, other_labels = view.train_test_split(
        0.5, spine=shuffled(spine), exact=False, dataframe_type="arrow"
    )
    assert 60 < test.num_rows < 140
    assert other.num_rows == test.num_rows
    assert set(test_labels["b"].to_pylist()) == set(other_labels["b"].to_pylist())


def test_three_parts_and_splits_by_time(view: FeatureView) -> None:
    spine = frame(RIDES, ride_rows())
    parts = view.train_validation_test_split(0.1, 0.2, spine=spine, dataframe_type="arrow")
    assert [part.num_rows for part in parts[:3]] == [280, 40, 80]
    by_time = view.train_test_split(spine=spine, train_end="2025-01-04", dataframe_type="arrow")
    days = [{at.day for at in part["at"].to_pylist()} for part in by_time[:2]]
    assert days == [{1, 2, 3}, {4, 5, 6}]


def scaled_view(fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup) -> FeatureView:
    query = rides.select(["rider", "km", "minutes"]).join(weather.select(["temp"]))
    return fs.create_feature_view(
        "scaled",
        query,
        labels="minutes",
        inference_helper_columns=["rider"],
        transformation_functions=[hopyard.min_max_scaler("km"), hopyard.min_max_scaler("temp")],
    )


def test_transformations_are_fitted_on_the_train_rows_of_the_spine(
    fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup
) -> None:
    view = scaled_view(fs, rides, weather)
    spine = frame(
        {"km": "double", "city": "string", "at": "timestamp"},
        [(10.0, "oslo", "2025-01-02"), (20.0, "rome", "2025-01-02"), (30.0, "oslo", "2025-01-05")],
    )
    features, _ = python(view, spine)
    assert [(row["km"], row["temp"]) for row in features] == [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0 / 19.0)]
    parts = view.train_test_split(spine=spine, train_end="2025-01-04", dataframe_type="python")
    assert [row["km"] for row in parts[1]] == [2.0]


def test_batches_take_a_spine_with_the_statistics_of_a_training_dataset(
    fs: FeatureStore, rides: FeatureGroup, weather: FeatureGroup
) -> None:
    view = scaled_view(fs, rides, weather)
    view.create_training_data()  # km from 0 to 99.75
    spine = frame(
        {"minutes": "double", "km": "double", "city": "string", "at": "timestamp"},
        [(7.0, 99.75, "rome", "2025-01-02"), (8.0, 0.0, "oslo", "2025-01-02")],
    )
    found = view.get_batch_data(spine=spine, dataframe_type="python")
    assert [list(row) for row in found] == [
        ["km", "city", "at", "temp"]
    ] * 2  # no labels; no helper is needed
    assert [(row["km"], row["temp"]) for row in found] == [(1.0, 1.0), (0.0, 0.0)]
    stored = view.get_batch_data(spine=spine, transformed=False, dataframe_type="python")
    assert [(row["km"], row["temp"]) for row in stored] == [(99.75, 20.0), (0.0, 1.0)]
    with pytest.raises(SchemaMismatchError, match=r"'ride' \(bigint: asked for"):
        view.get_batch_data(spine=spine, primary_key=True)


def test_the_caller_s_frame_is_never_changed(view: FeatureView) -> None:
    spine = SPINE.to_pandas()
    before = spine.copy(deep=True)
    view.train_test_split(0.5, spine=spine)
    view.get_batch_data(spine=spine)
    pd.testing.assert_frame_equal(spine, before)
