"""check_leakage(): each finding on groups that have it, and none on the same groups without it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groups import make_group
from hopyard.errors import HopyardWarning, NotFoundError, QueryError, TrainingDatasetError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.retrieve.leakage.report import LeakageFinding, LeakageReport
from hopyard.testing.frames import frame, hours
from hopyard.testing.store import ManualClock, open_store
from variants import VARIANTS, in_variant

START = "2025-01-01"
N = 1000
RIDES = {"ride": "bigint", "at": "timestamp", "city": "string", "km": "double", "is_late": "boolean"}
WEATHER = {"city": "string", "at": "timestamp", "rain": "double"}


def at(hour: float) -> Any:
    return hours(hour, START)


def ride_rows(n: int = N) -> list[tuple[Any, ...]]:
    chance = random.Random(7)
    return [(k, at(k), f"c{k % 5}", chance.random(), chance.random() < 0.4) for k in range(n)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2024-12-31")


@pytest.fixture
def fs(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path / "store", clock=clock).get_feature_store()


def make_rides(fs: FeatureStore, rows: Sequence[Sequence[object]] | None = None) -> FeatureGroup:
    rows = ride_rows() if rows is None else rows
    return make_group(fs, "rides", RIDES, rows, primary_key="ride", event_time="at", foreign_key="city")


def make_weather(fs: FeatureStore, *, minute: float = 30) -> FeatureGroup:
    """Rain of each city, known some minutes before each hour: committed before any ride."""
    chance = random.Random(8)
    rows = [(f"c{k % 5}", at(k - minute / 60), chance.random()) for k in range(N)]
    return make_group(fs, "weather", WEATHER, rows, primary_key="city", event_time="at")


def with_feature(fs: FeatureStore, type_: str, value: Callable[[int, list[bool]], object]) -> LeakageReport:
    """Return the report on rides with one more feature, `extra`, made of the row's number and all labels."""
    rides = ride_rows()
    labels = [row[4] for row in rides]
    rows = [(*row, value(k, labels)) for k, row in enumerate(rides)]
    group = make_group(
        fs, "rides", {**RIDES, "extra": type_}, rows, primary_key="ride", event_time="at", foreign_key="city"
    )
    return group.select_all().check_leakage("is_late")


def kinds(report: LeakageReport) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.kind, found.features) for found in report.findings]


def only(report: LeakageReport, kind: str) -> LeakageFinding:
    (found,) = [found for found in report.findings if found.kind == kind]
    return found


# --- nothing to find ----------------------------------------------------------------------------------------


def test_clean_groups_give_no_finding(fs: FeatureStore) -> None:
    query = make_rides(fs).select_all().join(make_weather(fs).select_all())
    report = query.check_leakage(label="is_late")
    assert report.findings == () and report.is_clean and report.skipped == ()
    assert report.features == ("ride", "at", "city", "km", "rain") and report.n_rows == N
    assert str(report) == "no leakage found: 5 feature(s) against is_late in 1000 row(s)"


def test_the_view_checks_its_features_and_no_helper_columns(fs: FeatureStore) -> None:
    query = make_rides(fs).select_all().join(make_weather(fs).select_all())
    view = fs.create_feature_view(
        "v",
        query,
        labels="is_late",
        training_helper_columns=["ride"],
        inference_helper_columns=["at"],
    )
    report = view.check_leakage()
    assert (report.labels, report.features) == (("is_late",), ("city", "km", "rain"))
    assert report.findings == ()


# --- 1. later than the label --------------------------------------------------------------------------------


def test_1_a_label_joined_at_an_earlier_time_than_a_feature(fs: FeatureStore) -> None:
    users = {"user": "bigint", "at": "timestamp"}
    spine = make_group(
        fs, "spine", users, [(k, at(10)) for k in range(30)], primary_key="user", event_time="at"
    )
    status = make_group(
        fs,
        "status",
        {**users, "has_left": "boolean"},
        [(k, at(5), True) for k in range(30)],
        primary_key="user",
        event_time="at",
    )
    usage = make_group(
        fs,
        "usage",
        {**users, "minutes": "double"},
        [(k, at(6 if k < 12 else 4), float(k)) for k in range(30)],
        primary_key="user",
        event_time="at",
    )
    query = spine.select(["user"]).join(status.select(["has_left"])).join(usage.select(["minutes"]))
    report = query.check_leakage("has_left")
    late = [found for found in report.findings if found.kind == "later_event"]
    assert [(f.group, f.features, f.n_rows, f.n_checked) for f in late] == [
        ("spine_1", ("user",), 30, 30),
        ("usage_1", ("minutes",), 12, 30),
    ]
    assert late[1].severity == "error" and not report.is_clean
    assert late[1].example == {
        "user": 0,
        "at": at(10),
        "has_left event time": at(5),
        "usage_1 event time": at(6),
    }
    assert "by up to 1:00:00" in late[1].message


def test_1_a_root_without_event_time_leaves_the_times_to_the_label(fs: FeatureStore) -> None:
    """Of the newest rows, those after the label are found where the label has a time, and doubted where not."""
    users = make_group(
        fs,
        "users",
        {"user": "bigint", "is_good": "boolean"},
        [(k, k % 2 == 0) for k in range(40)],
        primary_key="user",
    )
    timed = {"user": "bigint", "at": "timestamp", "x": "double"}
    older = make_group(
        fs, "older", timed, [(k, at(2), 0.5) for k in range(40)], primary_key="user", event_time="at"
    )
    newer = make_group(
        fs,
        "newer",
        timed,
        [(k, at(3 if k == 7 else 1), 0.5) for k in range(40)],
        primary_key="user",
        event_time="at",
    )
    query = users.select_all().join(older.select_all(), prefix="a_").join(newer.select_all(), prefix="b_")
    with pytest.warns(HopyardWarning, match="has no event time"):
        by_root = query.check_leakage("is_good")
    assert [(f.kind, f.group, f.n_rows) for f in by_root.findings if f.kind != "later_commit"] == [
        ("unknown_time", "older_1", 40),
        ("unknown_time", "newer_1", 40),
    ]
    assert by_root.is_clean
    with pytest.warns(HopyardWarning, match="has no event time"):
        by_older = query.check_leakage("a_x")
    late = only(by_older, "later_event")
    assert (late.group, late.features, late.n_rows, late.n_checked) == ("newer_1", ("b_x",), 1, 40)
    assert late.example == {"user": 7, "a_x event time": at(2), "newer_1 event time": at(3)}


def test_1_rows_committed_after_the_label(fs: FeatureStore, clock: ManualClock) -> None:
    rides, weather = make_rides(fs), make_weather(fs)
    clock.set(at(N))
    weather.insert(
        frame(WEATHER, [("c3", at(2.5), 0.25), ("c4", at(3.8), 0.75)])  # one is changed, the other is new
    )
    query = rides.select_all().join(weather.select_all())
    late = only(query.check_leakage("is_late"), "later_commit")
    # The ride at 3 h in c3 sees what was there before, and changed; that at 4 h in c4 a row that was not there at all.
    assert (late.severity, late.group, late.features) == ("warning", "weather_1", ("rain",))
    assert late.n_rows == 2 and late.n_checked == N
    assert "In 1 of them an earlier version" in late.message
    assert late.example == {
        "ride": 3,
        "at": at(3),
        "is_late event time": at(3),
        "weather_1 committed at": at(N),
    }
    assert query.check_leakage("is_late").is_clean


def test_1_as_known_has_nothing_committed_later(fs: FeatureStore, clock: ManualClock) -> None:
    rides, weather = make_rides(fs), make_weather(fs)
    clock.set(at(N))
    weather.insert(frame(WEATHER, [("c3", at(2.5), 0.25)]))
    query = rides.select_all().join(weather.select_all()).as_known()
    assert query.check_leakage("is_late").findings == ()


def test_1_an_untimed_group_that_was_changed_later(fs: FeatureStore, clock: ManualClock) -> None:
    rides = make_rides(fs)
    features = {"city": "string", "people": "bigint"}
    cities = make_group(fs, "cities", features, [(f"c{k}", k) for k in range(5)], primary_key="city")
    query = rides.select_all().join(cities.select_all())
    assert query.check_leakage("is_late").findings == ()
    clock.set(at(9.5))
    cities.insert(frame(features, [("c1", 10)]))
    late = only(query.check_leakage("is_late"), "later_commit")
    assert (late.n_rows, late.n_checked) == (2, N)  # the rides at 1 h and 6 h
    assert "In 2 of them an earlier version" in late.message


@pytest.mark.parametrize("variant", VARIANTS)
def test_1_a_partial_key_finds_the_very_row_that_was_joined(
    fs: FeatureStore, clock: ManualClock, variant: str
) -> None:
    rides = make_rides(fs)
    features = {"city": "string", "sensor": "int", "at": "timestamp", "rain": "double"}
    rows = [(f"c{k}", s, at(-1), 0.5) for k in range(5) for s in (1, 2)]
    weather = make_group(fs, "sensors", features, rows, primary_key=["city", "sensor"], event_time="at")
    clock.set(at(N))
    weather.insert(frame(features, [("c0", 1, at(-1), 0.75)]))  # sensor 2 wins the tie
    rides, weather = (in_variant(fs, variant).get_feature_group(g.name) for g in (rides, weather))
    query = rides.select_all().join(weather.select(["rain"]), on="city")
    assert query.check_leakage("is_late").findings == ()
    weather.insert(frame(features, [("c0", 2, at(-1), 0.75)]))
    assert only(query.check_leakage("is_late"), "later_commit").n_rows == N // 5


# --- 2. changed after their event time ----------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_2_root_features_changed_after_their_event_time(
    fs: FeatureStore, clock: ManualClock, variant: str
) -> None:
    rides, rows = make_rides(fs), ride_rows()
    clock.set(at(N))
    changed = [(4, at(4), "c9", rows[4][3], rows[4][4]), (7, at(7), rows[7][2], None, rows[7][4])]
    rides.insert(frame(RIDES, changed))
    rides = in_variant(fs, variant).get_feature_group("rides")
    found = only(rides.select_all().check_leakage("is_late"), "changed_later")
    assert (found.severity, found.features, found.group) == ("error", ("city", "km"), "rides_1")
    assert (found.n_rows, found.n_checked) == (2, N)
    assert "(city in 1, km in 1)" in found.message
    assert found.example == {
        "ride": 4,
        "at": at(4),
        "changed at": at(N),
        "city then": "c4",
        "city now": "c9",
    }
    without = rides.select(["ride", "is_late"]).check_leakage("is_late")
    assert without.findings == ()


def test_2_labels_that_come_later_are_no_leakage(fs: FeatureStore, clock: ManualClock) -> None:
    rows = [(*row[:4], None) for row in ride_rows()]
    rides = make_rides(fs, rows)
    clock.set(at(N))
    rides.insert(frame(RIDES, ride_rows()))
    assert rides.select_all().check_leakage("is_late").findings == ()


def test_2_rows_that_always_come_late_are_no_change(fs: FeatureStore, clock: ManualClock) -> None:
    clock.set(at(2 * N))
    rides, rows = make_rides(fs), ride_rows()
    assert rides.select_all().check_leakage("is_late").findings == ()
    rides.insert(frame(RIDES, [rows[3]]))  # the same values again
    assert rides.select_all().check_leakage("is_late").findings == ()
    rides.insert(frame(RIDES, [(*rows[3][:3], 0.5, rows[3][4])]))
    assert only(rides.select_all().check_leakage("is_late"), "changed_later").n_rows == 1


def test_2_a_change_before_the_event_time_is_known_then(fs: FeatureStore, clock: ManualClock) -> None:
    rides, rows = make_rides(fs), ride_rows()
    rides.insert(frame(RIDES, [(*rows[3][:3], 0.5, rows[3][4])]))  # still 2024
    assert rides.select_all().check_leakage("is_late").findings == ()


def test_2_a_change_that_was_taken_back_is_none(fs: FeatureStore, clock: ManualClock) -> None:
    rides, rows = make_rides(fs), ride_rows()
    clock.set(at(N))
    rides.insert(frame(RIDES, [(*rows[3][:3], 0.5, rows[3][4])]))
    rides.insert(frame(RIDES, [rows[3]]))
    assert rides.select_all().check_leakage("is_late").findings == ()


def test_2_a_default_in_older_rows_is_no_change(fs: FeatureStore, clock: ManualClock) -> None:
    rides = make_rides(fs)
    clock.set(at(N))
    rides.append_features({"price": "double"}, defaults={"price": 2.5})
    assert rides.select_all().read(dataframe_type="arrow").column("price").null_count == 0
    assert rides.select_all().check_leakage("is_late").findings == ()
    row = ride_rows()[3]
    rides.insert(frame({**RIDES, "price": "double"}, [(*row, 9.0)]))
    assert only(rides.select_all().check_leakage("is_late"), "changed_later").features == ("price",)


def test_2_only_the_rows_of_the_query_count(fs: FeatureStore, clock: ManualClock) -> None:
    rides, rows = make_rides(fs), ride_rows()
    clock.set(at(N))
    rides.insert(frame(RIDES, [(*rows[3][:3], 0.5, rows[3][4])]))
    query = rides.select_all()
    assert only(query.filter(rides["ride"] <= 3).check_leakage("is_late"), "changed_later").n_rows == 1
    assert query.filter(rides["ride"] > 3).check_leakage("is_late").findings == ()


def test_2_the_state_of_before_the_change_is_clean(fs: FeatureStore, clock: ManualClock) -> None:
    rides, rows = make_rides(fs), ride_rows()
    before = rides.commit_details()[0].committed_at
    clock.set(at(N))
    rides.insert(frame(RIDES, [(*rows[3][:3], 0.5, rows[3][4])]))
    assert rides.select_all().as_of(before).check_leakage("is_late").findings == ()


# --- 3. equal to the label ----------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["boolean", "int", "bigint", "float", "double"])
def test_3_a_copy_of_the_label(fs: FeatureStore, type_: str) -> None:
    number = float if type_ in ("float", "double") else bool if type_ == "boolean" else int
    report = with_feature(fs, type_, lambda k, labels: None if k % 10 == 0 else number(labels[k]))
    found = only(report, "label_copy")
    assert (found.severity, found.features) == ("error", ("extra",))
    assert (found.n_rows, found.n_checked) == (900, 900)
    assert found.example["ride"] == 1 and "(100.00%)" in found.message
    assert kinds(report) == [("label_copy", ("extra",))]  # and not once more because it predicts


def test_3_nearly_a_copy(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k] != (k < 10))
    assert (only(report, "label_copy").n_rows, only(report, "label_copy").n_checked) == (990, 1000)


def test_3_less_than_nearly_a_copy(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k] != (k < 11))
    assert report.findings == ()


def test_3_fewer_than_200_pairs_say_nothing(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k] if k < 199 else None)
    assert report.findings == ()


def test_3_a_constant_says_nothing(fs: FeatureStore) -> None:
    features = {"id": "bigint", "at": "timestamp", "x": "int", "y": "int"}
    rows = [(k, at(k), 0, 0 if k else 1) for k in range(N)]
    group = make_group(fs, "g", features, rows, primary_key="id", event_time="at")
    assert group.select_all().check_leakage("y").findings == ()


def test_3_two_rare_events_are_no_copies(fs: FeatureStore) -> None:
    """They agree in 99 % of the rows, because nearly nothing happens, and never where something does."""
    features = {"id": "bigint", "at": "timestamp", "x": "int", "y": "int"}
    rows = [(k, at(k), int(k % 300 == 1), int(k % 250 == 7)) for k in range(N)]
    group = make_group(fs, "g", features, rows, primary_key="id", event_time="at")
    assert group.select_all().check_leakage("y").findings == ()


def test_3_the_label_of_the_next_row_of_the_entity(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k + 5] if k + 5 < N else None)
    found = only(report, "next_label")  # each city has a ride every five hours
    assert (found.severity, found.features, found.n_rows, found.n_checked) == ("error", ("extra",), 995, 995)
    assert "is_late of the next row of the same city" in found.message
    assert found.example == {
        "ride": 0,
        "at": at(0),
        "extra": ride_rows()[5][4],
        "is_late of the next row": ride_rows()[5][4],
    }


def test_3_the_label_of_the_previous_row_may_be_right(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k - 5] if k >= 5 else None)
    found = only(report, "previous_label")
    assert (found.severity, found.n_rows) == ("warning", 995) and report.is_clean


def test_3_rows_of_other_entities_are_no_neighbours(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k + 1] if k + 1 < N else None)
    assert report.findings == ()


def test_3_a_primary_key_with_time_is_the_entity(fs: FeatureStore) -> None:
    chance = random.Random(3)
    labels = [[chance.randrange(100) for _ in range(31)] for _ in range(10)]
    rows = [(user, at(k), labels[user][k + 1], labels[user][k]) for user in range(10) for k in range(30)]
    random.Random(4).shuffle(rows)
    features = {"user": "bigint", "at": "timestamp", "extra": "double", "y": "int"}
    group = make_group(fs, "g", features, rows, primary_key="user", event_time="at")
    found = only(group.select_all().check_leakage("y"), "next_label")
    assert (found.n_rows, found.n_checked) == (290, 290) and "of the same user" in found.message


@pytest.mark.parametrize(
    ("type_", "label_type", "make"),
    [
        ("string", "string", lambda n: f"v{n}"),
        ("timestamp", "timestamp", at),
        ("date", "date", lambda n: at(24 * n).date()),
        ("binary", "binary", lambda n: bytes([n])),
        ("decimal(10,2)", "decimal(12,4)", lambda n: Decimal(n) / 4),
        ("decimal(10,2)", "double", lambda n: n / 4),
        ("float", "double", lambda n: n / 10),
    ],
)
def test_3_copies_of_every_type(fs: FeatureStore, type_: str, label_type: str, make: Any) -> None:
    """A number is equal in the less precise type: 0.1 stored as float is the double 0.1 no more."""
    features = {"id": "bigint", "at": "timestamp", "x": type_, "other": type_, "y": label_type}
    cast: Any = (lambda v: Decimal(str(v))) if type_.startswith("decimal") else (lambda v: v)
    rows = [(k, at(k), cast(make(k % 9)), cast(make(k * k % 7)), make(k % 9)) for k in range(300)]
    group = make_group(fs, "g", features, rows, primary_key="id", event_time="at")
    assert kinds(group.select_all().check_leakage("y")) == [("label_copy", ("x",))]


# --- 4. one feature alone -----------------------------------------------------------------------------------


def test_4_a_number_that_separates_the_classes(fs: FeatureStore) -> None:
    report = with_feature(fs, "double", lambda k, labels: (k % 97) / 97 + labels[k])
    found = only(report, "predicts_alone")
    assert (found.severity, found.features) == ("error", ("extra",)) and "AUC of 1.0000" in found.message
    assert found.example == {
        "ride": 0,
        "at": at(0),
        "extra": 0.0 + ride_rows()[0][4],
        "is_late": ride_rows()[0][4],
    }


def test_4_in_either_direction(fs: FeatureStore) -> None:
    report = with_feature(fs, "decimal(8,2)", lambda k, labels: Decimal(k % 97) / 100 - 2 * labels[k])
    assert "AUC of 0.0000" in only(report, "predicts_alone").message


def test_4_a_good_feature_is_no_leakage(fs: FeatureStore) -> None:
    report = with_feature(fs, "double", lambda k, labels: (k % 97) / 97 + 0.8 * labels[k])
    assert report.findings == ()


def test_4_being_null_gives_the_label_away(fs: FeatureStore) -> None:
    report = with_feature(fs, "double", lambda k, labels: None if labels[k] else (k % 97) / 97)
    found = only(report, "predicts_alone")
    assert "Whether it is null separates" in found.message and "AUC of 1.0000" in found.message
    assert found.example["extra"] is None and found.example["is_late"] is True


def test_4_nan_is_as_null(fs: FeatureStore) -> None:
    nan = float("nan")
    report = with_feature(fs, "double", lambda k, labels: nan if labels[k] else (k % 97) / 97)
    assert "Whether it is null separates" in only(report, "predicts_alone").message


def test_4_nulls_at_random_are_no_leakage(fs: FeatureStore) -> None:
    report = with_feature(fs, "double", lambda k, labels: None if k % 3 else (k % 97) / 97)
    assert report.findings == ()


def test_4_a_category_that_names_the_class(fs: FeatureStore) -> None:
    report = with_feature(fs, "string", lambda k, labels: f"{'ab'[labels[k]]}{k % 8}")
    assert "AUC of 1.0000" in only(report, "predicts_alone").message


def test_4_rare_categories_are_left_out(fs: FeatureStore) -> None:
    """A name of its own per row would order the rows as the label does."""
    report = with_feature(fs, "string", lambda k, labels: f"{'ab'[labels[k]]}{k // 30}")
    assert report.findings == ()


def test_4_needs_two_hundred_rows_of_each_class(fs: FeatureStore) -> None:
    features = {"id": "bigint", "at": "timestamp", "x": "double", "y": "string"}

    def report(name: str, n_positive: int) -> LeakageReport:
        labels = [1 if k < n_positive else 0 for k in range(600)]
        random.Random(5).shuffle(labels)
        rows = [(k, at(k), (k % 97) / 97 + 5 * y, ["no", "yes"][y]) for k, y in enumerate(labels)]
        group = make_group(fs, name, features, rows, primary_key="id", event_time="at")
        return group.select_all().check_leakage("y")

    assert kinds(report("enough", 200)) == [("predicts_alone", ("x",))]
    few = report("few", 199)
    assert few.findings == ()
    assert few.skipped == (
        "whether one feature alone predicts 'y': its two values have 199 and 401 rows, and 200 of each are needed",
    )


def test_4_other_labels_are_not_asked(fs: FeatureStore) -> None:
    rides = make_rides(fs)
    report = rides.select_all().check_leakage("km")
    assert report.findings == ()
    assert report.skipped == (
        "whether one feature alone predicts 'km': that is asked of labels with two values, and it has 1000",
    )


# --- 5. entities in two splits ------------------------------------------------------------------------------


def test_5_entities_in_train_and_test(fs: FeatureStore) -> None:
    query = make_rides(fs).select_all().join(make_weather(fs).select_all())
    view = fs.create_feature_view("v", query, labels="is_late")
    report = view.check_leakage(test_size=0.2)
    found = only(report, "same_entity")  # each ride is in one split, each city in both
    assert (found.severity, found.features, found.n_rows, found.n_checked) == ("warning", ("city",), 5, 5)
    assert "5 of the 5 values of city in test are in train, too (100.0%)" in found.message
    assert set(found.example) == {"city"} and report.is_clean
    assert view.check_leakage().findings == ()


def test_5_the_splits_are_those_of_the_training_dataset(fs: FeatureStore) -> None:
    rows = [(user, at(100 * half + user), 0.5, user % 2) for user in range(30) for half in (0, 1)][:-10]
    features = {"user": "bigint", "at": "timestamp", "x": "double", "y": "int"}
    group = make_group(fs, "g", features, rows, primary_key="user", event_time="at")
    view = fs.create_feature_view("v", group.select_all(), labels="y")
    dataset = view.create_train_validation_test_split(
        train_end=at(50), validation_end=at(105), test_end=at(200)
    )
    group.insert(
        frame(features, [(user, at(60), 0.5, 1) for user in range(30)])
    )  # after the dataset was made
    report = view.check_leakage(training_dataset_version=dataset.version)
    assert report.n_rows == 50
    shares = [(f.message.split(" are in")[0], f.n_rows, f.n_checked) for f in report.findings]
    assert shares == [
        ("5 of the 5 values of user in validation", 5, 5),
        ("20 of the 20 values of user in test", 20, 20),
    ]


def test_5_a_split_that_keeps_entities_apart_is_clean(fs: FeatureStore) -> None:
    rows = [(user, at(24 * user + k), 0.5, k % 2) for user in range(20) for k in range(5)]
    features = {"user": "bigint", "at": "timestamp", "x": "double", "y": "int"}
    group = make_group(fs, "g", features, rows, primary_key="user", event_time="at")
    view = fs.create_feature_view("v", group.select_all(), labels="y")
    report = view.check_leakage(train_end=at(240), test_end=at(480))
    assert report.n_rows == 100 and report.findings == ()


# --- 6. the same time everywhere ----------------------------------------------------------------------------


def test_6_every_match_has_the_time_of_its_row(fs: FeatureStore) -> None:
    query = make_rides(fs).select_all().join(make_weather(fs, minute=0).select_all())
    report = query.check_leakage("is_late")
    found = only(report, "same_time")
    assert (found.severity, found.group, found.features) == ("warning", "weather_1", ("rain",))
    assert (found.n_rows, found.n_checked) == (N, N) and report.is_clean
    assert found.example == {"ride": 0, "at": at(0), "weather_1 event time": at(0)}


def test_6_one_earlier_match_is_enough(fs: FeatureStore) -> None:
    rides, weather = make_rides(fs), make_weather(fs, minute=0)
    weather.remove_rows(frame({"city": "string", "at": "timestamp"}, [("c2", at(502))]))
    report = rides.select_all().join(weather.select_all()).check_leakage("is_late")
    assert report.findings == ()


# --- arguments and reports ----------------------------------------------------------------------------------


def test_labels_that_cannot_be(fs: FeatureStore) -> None:
    query = make_rides(fs).select_all()
    with pytest.raises(NotFoundError, match="'is_lat'. Did you mean 'is_late'?"):
        query.check_leakage("is_lat")
    with pytest.raises(QueryError, match=r"label=.* names no column"):
        query.check_leakage([])
    view = fs.create_feature_view("v", query)
    with pytest.raises(TrainingDatasetError, match="has no labels"):
        view.check_leakage()


def test_a_view_takes_a_dataset_or_a_split(fs: FeatureStore) -> None:
    view = fs.create_feature_view("v", make_rides(fs).select_all(), labels="is_late")
    with pytest.raises(TrainingDatasetError, match="has its own split"):
        view.check_leakage(training_dataset_version=1, test_size=0.2)
    with pytest.raises(NotFoundError, match="training dataset"):
        view.check_leakage(training_dataset_version=1)
    with pytest.raises(TrainingDatasetError, match="train_end= or test_start="):
        view.check_leakage(train_start=at(0))


def test_several_labels_are_checked_each(fs: FeatureStore) -> None:
    report = with_feature(fs, "boolean", lambda k, labels: labels[k])
    group = fs.get_feature_group("rides")
    assert kinds(report) == [("label_copy", ("extra",))]
    both = group.select_all().check_leakage(["is_late", "extra"])
    assert both.labels == ("is_late", "extra") and both.findings == ()


def test_an_empty_result_has_no_findings(fs: FeatureStore) -> None:
    rides = make_rides(fs, [])
    report = rides.select_all().join(make_weather(fs).select_all()).check_leakage("is_late")
    assert report.n_rows == 0 and report.findings == () and report.is_clean


def test_a_report_is_json_and_text(fs: FeatureStore) -> None:
    report = with_feature(fs, "decimal(8,2)", lambda k, labels: Decimal(labels[k]))
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["is_clean"] is False and document["n_rows"] == N
    (found,) = document["findings"]
    assert found["kind"] == "label_copy" and found["features"] == ["extra"]
    assert found["example"]["at"] == "2025-01-01T00:00:00Z"
    assert found["example"]["extra"] in ("0.00", "1.00")
    lines = str(report).splitlines()
    assert lines[0].startswith("1 error(s), 0 warning(s): 5 feature(s) against is_late in 1000 row(s)")
    assert lines[1].startswith("error: extra: It equals is_late in 1000 of 1000 pairs")


def test_a_history_that_is_gone_is_said_to_be_unchecked(
    fs: FeatureStore, clock: ManualClock, tmp_path: Path
) -> None:
    """What stands in the files that are left is still checked."""
    rides, weather = make_rides(fs), make_weather(fs)
    clock.set(at(N))
    rides.insert(frame(RIDES, ride_rows()), overwrite=True)
    query = rides.select_all().join(weather.select_all())
    assert query.check_leakage("is_late").skipped == ()
    location = tmp_path / "store" / rides.spec.location
    lines = (location / "_delta_log" / f"{1:020}.json").read_text().splitlines()
    (added,) = [action["add"] for action in map(json.loads, lines) if "add" in action]
    (location / added["path"]).unlink()
    opened = open_store(tmp_path / "store").get_feature_store().get_feature_group("rides")
    report = opened.select_all().check_leakage("is_late")
    (skipped,) = report.skipped
    assert skipped.startswith("when the rows of rides_1 were committed: ")
    assert report.n_rows == N and f"not checked: {skipped}" in str(report)


def test_nested_and_untypical_columns_do_not_matter(fs: FeatureStore) -> None:
    features = {"id": "bigint", "at": "bigint", "a": "array<int>", "s": "struct<x:int>", "y": "int"}
    rows = [(k, 2**62 - N + k, [k], {"x": k}, k % 7) for k in range(300)]
    group = make_group(fs, "g", features, rows, primary_key="id", event_time="at", event_time_unit="us")
    other = make_group(
        fs, "o", {"id": "bigint", "at": "bigint", "x": "int"}, [(k, 2**62 - N + k, k % 5) for k in range(300)],
        primary_key="id", event_time="at", event_time_unit="us",
    )  # fmt: skip
    report = group.select_all().join(other.select_all()).check_leakage("y")
    assert [found.kind for found in report.findings] == ["same_time"]
    assert json.dumps(report.to_dict())


def test_a_dataframe_as_root(fs: FeatureStore) -> None:
    weather = make_weather(fs)
    rows = frame({**RIDES, "extra": "boolean"}, [(*row, row[4]) for row in ride_rows()])
    spine = fs.spine(rows, event_time="at", foreign_key="city")
    report = spine.join(weather.select_all()).check_leakage("is_late")
    assert kinds(report) == [("label_copy", ("extra",))]
    assert report.findings[0].group == "spine"


def test_nothing_physical_changes_a_report(tmp_path: Path) -> None:
    """Written in another order and in other files, with keys or without, the report is the same."""
    for key in ("ride", ()):
        found = []
        for order in (None, 1, 2):
            fs = open_store(tmp_path / f"{key}{order}", clock=ManualClock("2024-12-31")).get_feature_store()
            rows = ride_rows()
            if order is not None:
                random.Random(order).shuffle(rows)
            group = make_group(fs, "rides", RIDES, primary_key=key, event_time="at", foreign_key="city")
            parts = 1 if order is None else 5
            for part in range(parts):
                group.insert(frame(RIDES, rows[part::parts]))
            weather = make_weather(fs, minute=0)
            query = group.select_all().join(weather.select_all(), max_age=timedelta(hours=1))
            found.append(query.check_leakage("is_late"))
        assert found[0].findings and found[1] == found[0] and found[2] == found[0]


def test_what_too_few_rows_cannot_tell_is_listed(fs: FeatureStore) -> None:
    rows = [(k, at(k), k % 2 == 0, None if k < 100 else k % 2 == 0) for k in range(250)]
    features = {"ride": "bigint", "at": "timestamp", "is_late": "boolean", "copied": "boolean"}
    group = make_group(fs, "rides", features, rows, primary_key="ride", event_time="at")
    report = group.select(["is_late", "copied"]).check_leakage("is_late")
    assert kinds(report) == []
    assert any(
        "whether copied equal(s) 'is_late': fewer than 200 rows" in reason for reason in report.skipped
    )
    few = group.select(["is_late", "copied"]).filter(group["ride"] < 10).check_leakage("is_late")
    assert any("whether a feature equals 'is_late'" in reason for reason in few.skipped)
    assert any("10 rows have it, and 200 are needed" in reason for reason in few.skipped)
