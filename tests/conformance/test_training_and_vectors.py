"""Training data that depends on nothing physical, and feature vectors that equal it."""

from __future__ import annotations

import random
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import hopyard
from groups import make_group
from hopyard.errors import FeatureVectorError, HopyardWarning, ServingError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.model.manifest import RandomSplit
from hopyard.queries import Query
from hopyard.testing.frames import exact, frame
from hopyard.testing.store import ManualClock, open_store

LABELS = {"id": "bigint", "city": "string", "t": "timestamp", "y": "int"}
WEATHER = {"city": "string", "t": "timestamp", "temp": "double", "note": "string"}
N = 300


def rows_of_labels() -> list[tuple[Any, ...]]:
    return [(n, f"c{n % 7}", f"2025-01-{1 + n % 28:02d}", n % 2) for n in range(N)]


def rows_of_weather() -> list[tuple[Any, ...]]:
    nan = float("nan")
    return [
        (f"c{n % 6}", f"2025-01-{1 + n // 6:02d}", nan if n % 11 == 0 else n / 7, "ä") for n in range(150)
    ]


def build(folder: Path, *, n_threads: int, n_files: int, shuffle: int | None) -> FeatureView:
    """Return a view over the same rows, written in another order, in other files, read with other threads."""
    fs = open_store(folder, clock=ManualClock("2025-06-01"), n_threads=n_threads).get_feature_store()
    labels = make_group(fs, "labels", LABELS, primary_key=["id"], event_time="t", foreign_key="city")
    weather = make_group(fs, "weather", WEATHER, primary_key=["city"], event_time="t", online_enabled=True)
    for group, features, rows in ((labels, LABELS, rows_of_labels()), (weather, WEATHER, rows_of_weather())):
        if shuffle is not None:
            random.Random(shuffle).shuffle(rows)
        for start in range(n_files):
            group.insert(frame(features, rows[start::n_files]))
    query = labels.select_all().join(weather.select_all(), max_age=timedelta(days=20))
    transforms = [hopyard.standard_scaler("temp"), hopyard.label_encoder("note")]
    return fs.create_feature_view("v", query, labels="y", transformation_functions=transforms)


LAYOUTS: list[dict[str, Any]] = [
    {"n_threads": 1, "n_files": 1, "shuffle": None},
    {"n_threads": 2, "n_files": 1, "shuffle": 1},
    {"n_threads": 2, "n_files": 12, "shuffle": None},
    {"n_threads": 1, "n_files": 5, "shuffle": 2},
]


def test_6_splits_order_statistics_and_hashes_depend_on_nothing_physical(tmp_path: Path) -> None:
    found = []
    for number, layout in enumerate(LAYOUTS):
        manifest = build(tmp_path / str(number), **layout).create_train_test_split(test_size=0.25).manifest
        contents = [(s.name, s.n_rows, s.before, s.after) for s in manifest.splits]
        found.append((contents, manifest.fitted, manifest.split))
    assert [content[1] for content in found[0][0]] == [225, 75]
    assert all(other == found[0] for other in found[1:])


def test_6_rows_are_in_the_order_of_the_roots_identity(tmp_path: Path) -> None:
    view = build(tmp_path / "s", **LAYOUTS[3])
    features, labels = view.training_data(dataframe_type="python")
    assert [row["id"] for row in features] == sorted(range(N))
    assert list(labels) == [n % 2 for n in range(N)]


def test_6_a_row_never_changes_its_split_when_data_grows(tmp_path: Path) -> None:
    view = build(tmp_path / "s", **LAYOUTS[0])
    group = hopyard.login(tmp_path / "s").get_feature_store().get_feature_group("labels")
    before = view.train_test_split(test_size=0.3, exact=False, dataframe_type="python")
    group.insert(frame(LABELS, [(n, "c1", "2025-02-01", 0) for n in range(N, 2 * N)]))
    after = view.train_test_split(test_size=0.3, exact=False, dataframe_type="python")
    for old, new in zip(before[:2], after[:2], strict=True):
        ids = {row["id"] for row in new}
        assert {row["id"] for row in old} == {id_ for id_ in ids if id_ < N}


def test_6_a_time_split_takes_the_start_and_leaves_the_end(tmp_path: Path) -> None:
    view = build(tmp_path / "s", **LAYOUTS[0])
    train, test, _, _ = view.train_test_split(
        train_start="2025-01-02", train_end="2025-01-10", test_end="2025-01-12", dataframe_type="python"
    )
    assert {row["t"].day for row in train} == set(range(2, 10))
    assert {row["t"].day for row in test} == {10, 11}


# --- 7. Online vectors ------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2025-01-10")


@pytest.fixture
def view(tmp_path: Path, clock: ManualClock) -> FeatureView:
    fs = open_store(tmp_path / "store", clock=clock).get_feature_store()
    labels = make_group(fs, "labels", LABELS, primary_key=["id"], event_time="t", foreign_key="city")
    rows = [
        ("oslo", "2025-01-09", 1.5, "a"),
        ("oslo", "2025-01-08", 9.0, "b"),
        ("rome", "2025-01-01", -0.0, None),
    ]
    weather = make_group(
        fs,
        "weather",
        WEATHER,
        rows,
        primary_key=["city"],
        event_time="t",
        online_enabled=True,
        ttl=timedelta(days=2),
    )
    query = labels.select(["id", "y"]).join(weather.select_all(), prefix="w_")
    made = fs.create_feature_view("v", query, labels="y", training_helper_columns=["id"])
    made.init_serving()
    return made


def test_7_a_vector_has_the_features_in_the_order_of_the_view(view: FeatureView) -> None:
    assert view.features == ["w_temp", "w_note"]
    assert view.serving_keys == ["w_city"]
    assert view.get_feature_vector({"w_city": "oslo"}) == [1.5, "a"]
    assert view.get_feature_vector({"city": "oslo"}, return_type="dict") == {"w_temp": 1.5, "w_note": "a"}


def test_7_an_entry_with_other_keys_or_types_is_an_error_with_the_required_set(view: FeatureView) -> None:
    with pytest.raises(FeatureVectorError, match="'w_city'.*Required: w_city"):
        view.get_feature_vector({})
    with pytest.raises(FeatureVectorError, match="'town' is no serving key.*Required: w_city"):
        view.get_feature_vector({"town": "oslo"})
    with pytest.raises(FeatureVectorError, match="city.*string.*12"):
        view.get_feature_vector({"w_city": 12})


def test_7_a_missing_or_expired_row_is_an_error_or_null(view: FeatureView, clock: ManualClock) -> None:
    for city in ("paris", "rome", None):
        with pytest.raises(FeatureVectorError, match="'weather_1' has no row online for.*allow_missing=True"):
            view.get_feature_vector({"w_city": city})
        assert view.get_feature_vector({"w_city": city}, allow_missing=True) == [None, None]
    clock.set("2025-01-11")
    assert view.get_feature_vector({"w_city": "oslo"}) == [1.5, "a"]  # exactly as old as the ttl
    clock.advance(timedelta(microseconds=1))
    assert view.get_feature_vector({"w_city": "oslo"}, allow_missing=True) == [None, None]


def test_7_there_is_one_vector_per_entry_in_their_order_always(view: FeatureView) -> None:
    entries = [{"w_city": city} for city in ("paris", "oslo", "paris", "oslo", "rome")]
    found = view.get_feature_vectors(entries, allow_missing=True)
    assert found == [[None, None], [1.5, "a"], [None, None], [1.5, "a"], [None, None]]
    assert view.get_feature_vectors([]) == []


def test_7_passed_features_win_over_the_online_store(view: FeatureView) -> None:
    found = view.get_feature_vector({"w_city": "oslo"}, passed_features={"w_note": "z"})
    assert found == [1.5, "z"]
    with pytest.raises(FeatureVectorError, match="'nope'.*no feature of view.*w_temp, w_note"):
        view.get_feature_vector({"w_city": "oslo"}, passed_features={"nope": 1})


def test_7_what_cannot_be_served_as_it_was_trained_is_refused_with_every_reason(fs: FeatureStore) -> None:
    labels = make_group(fs, "labels", LABELS, primary_key=["id"], event_time="t")
    offline = make_group(fs, "offline", WEATHER, primary_key=["city"], event_time="t")
    wide = {"city": "string", "part": "bigint", "t": "timestamp", "x": "int"}
    partial = make_group(
        fs, "partial", wide, primary_key=["city", "part"], event_time="t", online_enabled=True
    )
    query = (
        labels.select(["id"])
        .join(offline.select(["temp"]), on=["city"])
        .join(partial.filter(partial["x"] > 0), on=["city"])
    )
    view = fs.create_feature_view("v", query)
    with pytest.raises(ServingError) as caught:
        view.init_serving()
    for part in (
        "'offline_1' is offline only",
        "'partial_1' is filtered",
        "part is open",
        "enable_online()",
    ):
        assert part in str(caught.value)
    with pytest.raises(ServingError, match="init_serving"):
        view.get_feature_vector({"city": "oslo"})


def test_7_an_inner_join_below_another_join_and_a_negative_delay_are_refused(fs: FeatureStore) -> None:
    """In training they leave out rows that are online."""
    labels = make_group(fs, "labels", LABELS, primary_key=["id"], event_time="t", foreign_key="city")
    places = {"city": "string", "land": "string", "x": "int"}
    towns = make_group(fs, "towns", places, primary_key="city", foreign_key="land", online_enabled=True)
    lands = make_group(fs, "lands", {"land": "string", "y": "int"}, primary_key="land", online_enabled=True)
    root = labels.select(["id"])

    def towns_and_lands(how: Any) -> Query:
        return towns.select(["x"]).join(lands.select(["y"]), join_type=how, prefix="land_")

    fs.create_feature_view("v", root.join(towns_and_lands("left"), join_type="inner")).init_serving()
    below = fs.create_feature_view("v", root.join(towns_and_lands("inner")))
    with pytest.raises(ServingError, match="'lands_1' is joined to 'towns_1' by an inner join.*'left'"):
        below.init_serving()
    query = root.join(towns.select(["x"]))
    fs.create_feature_view("v", query.as_known(delay=timedelta(hours=1))).init_serving()
    late = fs.create_feature_view("v", query.as_known(delay=timedelta(hours=-1)))
    with pytest.raises(ServingError, match="the negative delay of as_known"):
        late.init_serving()


def test_7_a_vector_equals_the_point_in_time_row_of_its_moment(tmp_path: Path) -> None:
    """At each moment T the vector is, bit for bit, what training would see for (key, T)."""
    clock = ManualClock("2025-01-01")
    fs = open_store(tmp_path / "s", clock=clock).get_feature_store()
    labels = make_group(fs, "labels", LABELS, primary_key=["id"], event_time="t", foreign_key="city")
    weather = make_group(
        fs,
        "weather",
        WEATHER,
        primary_key=["city"],
        event_time="t",
        online_enabled=True,
        ttl=timedelta(hours=30),
    )
    view = fs.create_feature_view(
        "v", labels.select(["id"]).join(weather.select_all()), training_helper_columns=["id"]
    )
    view.init_serving()
    draw = random.Random(7)
    served = []
    for moment in range(12):
        clock.advance(timedelta(hours=12))
        late = timedelta(hours=draw.choice([0, 0, 30, 90]))
        value = draw.choice([0.1, -0.0, float("nan"), None])
        weather.insert(
            [{"city": draw.choice(["oslo", "rome"]), "t": clock.now - late, "temp": value, "note": "n"}]
        )
        for city in ("oslo", "rome"):
            vector = view.get_feature_vector({"city": city}, allow_missing=True)
            served.append(vector)
            row = (2 * moment + (city == "rome"), city, clock.now, 0)
            labels.insert(frame(LABELS, [row]))
            with warnings.catch_warnings():
                warnings.simplefilter("error", HopyardWarning)
                rows = view.query.read(dataframe_type="python", order_by=["id"])
            trained = rows[-1]
            assert [exact(trained[name]) for name in view.features] == [exact(value) for value in vector]
    assert any(vector != [None, None] for vector in served)


def test_the_share_of_train_is_what_the_sizes_leave_as_written(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert([{"k": key} for key in range(265)])
    view = fs.create_feature_view("v", group.select_all())
    split = view.create_train_test_split(0.7).manifest.split
    assert isinstance(split, RandomSplit)
    assert split.ratios == (0.3, 0.7)
