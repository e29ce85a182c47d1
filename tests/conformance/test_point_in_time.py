"""The point-in-time rule, one test per sentence."""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from groups import column, make_group
from hopyard.errors import HopyardWarning
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.frames import assert_same_rows
from hopyard.testing.oracle import answer
from hopyard.testing.store import open_store
from variants import VARIANTS, in_variant

SPINE = {"id": "bigint", "city": "string", "t": "timestamp"}
WEATHER = {"city": "string", "t": "timestamp", "temp": "double"}


@pytest.fixture(params=VARIANTS)
def fs(request: pytest.FixtureRequest, store: Project) -> FeatureStore:
    """Return a feature store that runs queries in one of the ways that must not differ."""
    return in_variant(store.get_feature_store(), request.param)


def spine(fs: FeatureStore, rows: list[tuple[Any, ...]]) -> FeatureGroup:
    return make_group(fs, "spine", SPINE, rows, primary_key=["id"], event_time="t", foreign_key="city")


def weather(fs: FeatureStore, rows: list[tuple[Any, ...]], **options: Any) -> FeatureGroup:
    return make_group(fs, "weather", WEATHER, rows, primary_key=["city"], event_time="t", **options)


def test_the_newest_row_at_or_before_the_event_time_wins(fs: FeatureStore) -> None:
    left = spine(fs, [(1, "oslo", "2025-01-03"), (2, "oslo", "2025-01-01"), (3, "oslo", "2024-12-31")])
    right = weather(
        fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-02", 2.0), ("oslo", "2025-01-04", 4.0)]
    )
    assert column(left.select_all().join(right.select_all()), "temp") == [2.0, 1.0, None]


def test_equal_is_included_and_a_microsecond_later_is_not(fs: FeatureStore) -> None:
    left = spine(fs, [(1, "oslo", "2025-01-01T00:00:00.000001"), (2, "oslo", "2025-01-01")])
    right = weather(fs, [("oslo", "2025-01-01T00:00:00.000001", 1.0)])
    assert column(left.select_all().join(right.select_all()), "temp") == [1.0, None]


def test_event_times_before_1970_count(fs: FeatureStore) -> None:
    left = spine(fs, [(1, "oslo", "1960-01-01"), (2, "oslo", "1950-01-01")])
    right = weather(fs, [("oslo", "1955-06-01", 1.0), ("oslo", "1970-01-01", 2.0)])
    assert column(left.select_all().join(right.select_all()), "temp") == [1.0, None]


def test_left_gives_exactly_one_row_per_left_row(fs: FeatureStore) -> None:
    rows = [(id_, city, "2025-01-05") for id_, city in enumerate(["oslo", "oslo", "rome", None])]
    right = weather(fs, [("oslo", f"2025-01-0{day}", float(day)) for day in range(1, 5)])
    query = spine(fs, rows).select_all().join(right.select_all())
    assert column(query, "id") == [0, 1, 2, 3]
    assert column(query, "temp") == [4.0, 4.0, None, None]


def test_inner_drops_the_left_rows_without_a_match_and_nothing_else(fs: FeatureStore) -> None:
    rows = [
        (1, "oslo", "2025-01-05"),
        (2, "rome", "2025-01-05"),
        (3, None, "2025-01-05"),
        (4, "oslo", "2024-01-01"),
    ]
    right = weather(fs, [("oslo", "2025-01-01", None), ("oslo", "2025-01-02", 2.0)])
    query = spine(fs, rows).select_all().join(right.select_all(), join_type="inner")
    assert column(query, "id") == [1]


def test_a_tie_goes_to_the_greatest_remaining_key_column_by_column(fs: FeatureStore) -> None:
    features = {"city": "string", "station": "string", "sensor": "bigint", "t": "timestamp", "temp": "double"}
    rows = [
        ("oslo", "b", 1, "2025-01-01", 1.0),
        ("oslo", "b", 2, "2025-01-01", 2.0),
        ("oslo", "a", 9, "2025-01-01", 9.0),
        ("oslo", "z", 9, "2024-12-31", 8.0),
    ]
    for number, ordered in enumerate((rows, rows[::-1])):  # never by arrival
        right = make_group(
            fs, f"sensors_{number}", features, primary_key=["city", "station", "sensor"], event_time="t"
        )
        for row in ordered:
            right.insert([dict(zip(features, row, strict=True)) | {"t": date.fromisoformat(str(row[3]))}])
        left = make_group(
            fs, f"spine_{number}", SPINE, [(1, "oslo", "2025-01-02")], primary_key=["id"], event_time="t"
        )
        query = left.select_all().join(right.select_all(), on=["city"])
        assert column(query, "temp") == [2.0]


def test_a_null_key_matches_nothing_not_even_null(fs: FeatureStore) -> None:
    features = {"id": "bigint", "city": "string", "t": "timestamp"}
    left = make_group(fs, "a", features, [(1, None, "2025-01-01")], primary_key=["id"], event_time="t")
    right = weather(fs, [("", "2025-01-01", 1.0)])
    assert column(left.select_all().join(right.select_all(), on=["city"]), "temp") == [None]


def test_a_null_in_one_of_two_keys_matches_nothing(fs: FeatureStore) -> None:
    features = {"id": "bigint", "a": "bigint", "b": "bigint", "t": "timestamp"}
    left = make_group(
        fs,
        "a",
        features,
        [(1, 1, None, "2025-01-02"), (2, 1, 1, "2025-01-02")],
        primary_key=["id"],
        event_time="t",
    )
    wide = {"a": "bigint", "b": "bigint", "t": "timestamp", "x": "int"}
    right = make_group(fs, "b", wide, [(1, 1, "2025-01-01", 7)], primary_key=["a", "b"], event_time="t")
    assert column(left.select_all().join(right.select_all(), on=["a", "b"]), "x") == [None, 7]


def test_duplicate_left_rows_of_a_keyless_group_are_each_kept(fs: FeatureStore) -> None:
    left = make_group(
        fs, "log", {"city": "string", "t": "timestamp"}, [("oslo", "2025-01-02")] * 3, event_time="t"
    )
    right = weather(fs, [("oslo", "2025-01-01", 1.0)])
    rows = left.select_all().join(right.select_all(), on=["city"]).read(dataframe_type="python")
    assert [row["temp"] for row in rows] == [1.0, 1.0, 1.0]


AGES = [(1, "oslo", "2025-01-02"), (2, "oslo", "2025-01-02T00:00:00.000001")]


def test_a_row_exactly_as_old_as_the_ttl_matches_and_an_older_one_does_not(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-01", 1.0)], ttl=timedelta(days=1))
    left = spine(fs, AGES)
    assert column(left.select_all().join(right.select_all()), "temp") == [1.0, None]
    inner = left.select_all().join(right.select_all(), join_type="inner")
    assert column(inner, "id") == [1]


def test_max_age_wins_over_the_ttl_in_both_directions(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-01", 1.0)], ttl=timedelta(days=1))
    left = spine(fs, AGES).select_all()
    longer = left.join(right.select_all(), max_age=timedelta(days=1, microseconds=1))
    shorter = left.join(right.select_all(), max_age=timedelta(hours=23))
    assert column(longer, "temp") == [1.0, 1.0]
    assert column(shorter, "temp") == [None, None]
    assert column(left.join(right.select_all(), max_age=timedelta(0)), "temp") == [None, None]


def test_an_expired_newest_row_is_not_replaced_by_anything(fs: FeatureStore) -> None:
    """The newest row is chosen first, then its age is looked at; an older one would be older still."""
    right = weather(fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2024-12-31", 0.0)], ttl=timedelta(hours=1))
    assert column(spine(fs, AGES).select_all().join(right.select_all()), "temp") == [None, None]


def test_the_newest_row_wins_even_if_its_features_are_null(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-02", None)])
    query = (
        spine(fs, [(1, "oslo", "2025-01-03")])
        .select_all()
        .join(right.select_all(), include_event_time=True, prefix="w_")
    )
    row = query.read(dataframe_type="python")[0]
    assert row["w_temp"] is None
    assert row["w_t"].date() == date(2025, 1, 2)


def test_nested_joins_use_the_roots_event_time_at_every_level(fs: FeatureStore) -> None:
    users = {"name": "string", "t": "timestamp", "city": "string"}
    left_features = {"id": "bigint", "name": "string", "t": "timestamp"}
    left = make_group(
        fs,
        "orders",
        left_features,
        [(1, "ann", "2025-01-10")],
        primary_key=["id"],
        event_time="t",
        foreign_key="name",
    )
    middle = make_group(
        fs,
        "users",
        users,
        [("ann", "2025-01-01", "oslo")],
        primary_key=["name"],
        event_time="t",
        foreign_key="city",
    )
    right = weather(
        fs, [("oslo", "2024-12-31", 0.0), ("oslo", "2025-01-09", 9.0), ("oslo", "2025-01-11", 11.0)]
    )
    query = left.select_all().join(middle.select_all().join(right.select_all()))
    assert column(query, "temp") == [9.0]  # not the 0.0 that was known when the user's row was


@pytest.mark.parametrize(
    ("type_", "unit", "rows"),
    [
        ("date", None, [date(2025, 1, 1), date(2025, 1, 2)]),
        ("bigint", "s", [1735689600, 1735776000]),
        ("bigint", "ms", [1735689600000, 1735776000000]),
        ("bigint", "us", [1735689600000000, 1735776000000000]),
    ],
)
def test_event_times_of_every_type_compare_as_utc_microseconds(
    fs: FeatureStore, type_: str, unit: Any, rows: list[Any]
) -> None:
    features = {"city": "string", "t": type_, "temp": "double"}
    right = make_group(
        fs,
        "weather",
        features,
        [("oslo", rows[0], 1.0), ("oslo", rows[1], 2.0)],
        primary_key=["city"],
        event_time="t",
        event_time_unit=unit,
    )
    left = spine(
        fs,
        [
            (1, "oslo", "2025-01-01T23:59:59.999999"),
            (2, "oslo", "2025-01-02"),
            (3, "oslo", "2024-12-31T23:59"),
        ],
    )
    query = left.select_all().join(right.select_all(), include_event_time=True, prefix="w_")
    assert column(query, "w_temp") == [1.0, 2.0, None]
    assert column(query, "w_t") == [rows[0], rows[1], None]  # returned as stored


def test_a_root_without_event_time_gets_the_newest_row_and_a_warning(fs: FeatureStore) -> None:
    left = make_group(
        fs, "cities", {"id": "bigint", "city": "string"}, [(1, "oslo"), (2, None)], primary_key=["id"]
    )
    right = weather(fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2099-01-02", 2.0)], ttl=timedelta(days=1))
    with pytest.warns(HopyardWarning, match="'cities_1' has no event time.*'weather_1'"):
        assert column(left.select_all().join(right.select_all(), on=["city"]), "temp") == [2.0, None]


def test_a_filter_on_the_group_is_applied_before_the_choice_and_on_the_query_after(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-02", -2.0)])
    left = spine(fs, [(1, "oslo", "2025-01-03"), (2, "rome", "2025-01-03")])
    before = left.select_all().join(right.filter(right["temp"] > 0))
    after = left.select_all().join(right.select_all()).filter(right["temp"] > 0)
    assert column(before, "temp") == [1.0, None]
    assert column(after, "temp") == []


def test_self_joins_and_repeated_groups_are_apart(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-01", 1.0), ("oslo", "2025-01-02", 2.0)])
    one = right.select_all().join(right.filter(right["temp"] < 2), on=["city"], prefix="low_")
    two = one.join(right.select_all(), on=["city"], prefix="any_")
    rows = two.read(dataframe_type="python", order_by=["t"])
    assert [(row["temp"], row["low_temp"], row["any_temp"]) for row in rows] == [
        (1.0, 1.0, 1.0),
        (2.0, 1.0, 2.0),
    ]


def test_threads_files_and_the_order_of_inserts_change_nothing(tmp_path: Path) -> None:
    """Nothing physical may influence a value: one thread or two, one file or twenty, forwards or backwards."""
    events = [(f"c{n % 5}", f"2025-01-{1 + n % 9:02d}", float(n)) for n in range(45)]
    spine_rows = [(n, f"c{n % 6}", f"2025-01-{1 + n % 10:02d}") for n in range(60)]
    found = []
    for index, (n_threads, step, n_files) in enumerate([(1, 1, 1), (2, -1, 1), (2, 1, 20), (1, -1, 20)]):
        fs = open_store(tmp_path / str(index), n_threads=n_threads).get_feature_store()
        left = spine(fs, spine_rows[::step])
        right = weather(fs, [])
        ordered = events[::step]
        for start in range(0, len(ordered), -(-len(ordered) // n_files)):
            rows = ordered[start : start + -(-len(ordered) // n_files)]
            right.insert([{"city": c, "t": date.fromisoformat(t), "temp": x} for c, t, x in rows])
        query = left.select_all().join(right.select_all())
        found.append(query.read(dataframe_type="python", order_by=["id"]))
    for other in found[1:]:
        assert_same_rows(other, found[0])
    tables = [left.read(dataframe_type="python", order_by=["id"]), right.read(dataframe_type="python")]
    assert_same_rows(found[0], answer(query.plan, tables))


SIGNED = {
    "float": -0.0,
    "double": -0.0,
    "array<double>": [-0.0, float("nan")],
    "struct<a:float>": {"a": -0.0},
}


@pytest.mark.parametrize("type_", SIGNED)
@pytest.mark.parametrize("n_left", [1, 200])
def test_minus_zero_survives_every_rule_of_choice(fs: FeatureStore, type_: str, n_left: int) -> None:
    """Engines that compute the newest row as a maximum of encoded values lose the sign of zero."""
    with_time = {"city": "string", "t": "timestamp", "x": type_}
    with_part = {"city": "string", "part": "bigint", "t": "timestamp", "x": type_}
    value = SIGNED[type_]
    one = make_group(
        fs, "one", with_time, [("oslo", "2025-01-01", value)], primary_key=["city"], event_time="t"
    )
    many = make_group(
        fs,
        "many",
        with_part,
        [("oslo", 1, "2025-01-01", value)],
        primary_key=["city", "part"],
        event_time="t",
    )
    timed = spine(fs, [(n, "oslo", "2025-01-02") for n in range(n_left)])
    untimed = make_group(
        fs,
        "untimed",
        {"id": "bigint", "city": "string"},
        [(n, "oslo") for n in range(n_left)],
        primary_key=["id"],
    )
    for left in (timed, untimed):
        for right in (one, many):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HopyardWarning)
                rows = (
                    left.select(["id"]).join(right.select(["x"]), on=["city"]).read(dataframe_type="python")
                )
            assert_same_rows([{"x": row["x"]} for row in rows], [{"x": value}] * n_left)
