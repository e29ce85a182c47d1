"""What a query says of itself: its joins and why, what it reads, and what became of the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.test_query_properties import KEY_TYPES, Row, joined, store_table, tables
from groups import make_group
from hopyard.errors import MultipleMatchesError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.codec import from_json, to_json
from hopyard.model.explanation import EXPLANATION_FORMAT, Explanation, StepCounts
from hopyard.model.plan import Plan
from hopyard.queries import Query
from hopyard.testing import oracle
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, open_store
from variants import VARIANTS, in_variant

RIDES = {"ride": "bigint", "city": "string", "t": "timestamp", "km": "double"}
WEATHER = {"city": "string", "t": "timestamp", "temp": "double", "rain": "double"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2025-06-01")


@pytest.fixture(params=VARIANTS)
def fs(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return in_variant(open_store(tmp_path / "store", clock=clock).get_feature_store(), request.param)


def rides(fs: FeatureStore, rows: list[tuple[Any, ...]]) -> FeatureGroup:
    return make_group(fs, "rides", RIDES, rows, primary_key="ride", event_time="t", foreign_key="city")


def weather(fs: FeatureStore, rows: list[tuple[Any, ...]], **options: Any) -> FeatureGroup:
    """Return a group with a file per row, so that pruning has something to leave out."""
    group = make_group(fs, "weather", WEATHER, primary_key="city", event_time="t", **options)
    for row in rows:
        group.insert(frame(WEATHER, [row]))
    return group


def counts(query: Query, node: int = 1) -> StepCounts:
    found = query.explain(analyze=True).nodes[node].counts
    assert found is not None
    return found


def test_every_cause_is_told_apart(fs: FeatureStore) -> None:
    left = rides(
        fs,
        [
            (1, "oslo", "2025-01-03", 1.0),  # a match
            (2, None, "2025-01-03", 1.0),  # a null key
            (3, "rome", "2025-01-03", 1.0),  # no row with the key
            (4, "oslo", "2025-01-01", 1.0),  # only later rows, in a file that the query need not open
            (5, "oslo", "2025-01-20", 1.0),  # too old
            (6, "bonn", "2025-01-03", 1.0),  # filtered out
            (7, "kiel", "2025-01-03", 1.0),  # only later rows, all later than any ride
        ],
    )
    right = weather(
        fs,
        [
            ("oslo", "2025-01-02", 1.0, 0.0),
            ("bonn", "2025-01-02", -9.0, 0.0),
            ("kiel", "2025-03-01", 1.0, 0.0),
        ],
        ttl=timedelta(days=2),
    )
    query = left.select_all().join(right.filter(right["temp"] > 0))
    found = counts(query)
    assert found.causes() == {
        "null key": 1,
        "no row with the key": 1,
        "filtered out": 1,
        "too old": 1,
        "only later rows": 2,
    }
    assert (found.n_rows_in, found.n_matched, found.match_rate) == (7, 1, 1 / 7)


def test_rows_whose_parent_has_no_match_count_as_that(fs: FeatureStore) -> None:
    left = rides(fs, [(1, "oslo", "2025-01-03", 1.0), (2, "rome", "2025-01-03", 1.0)])
    middle = make_group(
        fs, "cities", {"city": "string", "land": "string"}, [("oslo", "no")], primary_key="city",
        foreign_key="land",
    )  # fmt: skip
    lands = make_group(fs, "lands", {"land": "string", "vat": "double"}, [("no", 0.25)], primary_key="land")
    query = left.select_all().join(middle.select_all().join(lands.select_all(), join_type="inner"))
    assert counts(query, 1).causes() == {"no row with the key": 1}
    assert counts(query, 2).causes() == {"no match of its parent": 1}


@pytest.mark.parametrize("fs", [name for name in VARIANTS if name != "without_asof"], indirect=True)
def test_rows_that_were_not_known_yet_count_as_that(fs: FeatureStore, clock: ManualClock) -> None:
    left = rides(
        fs, [(1, "oslo", "2025-01-03", 1.0), (2, "oslo", "2025-07-01", 1.0), (3, None, "2025-01-03", 1.0)]
    )
    right = weather(fs, [("oslo", "2025-01-02", 1.0, 0.0)])  # committed in June
    found = counts(left.select_all().join(right.select_all()).as_known())
    assert found.causes() == {"null key": 1, "not known yet": 1}
    assert found.n_matched == 1


def test_without_analyze_nothing_is_counted_and_without_rows_no_rate_is_given(fs: FeatureStore) -> None:
    query = rides(fs, []).select_all().join(weather(fs, []).select_all())
    plain = query.explain()
    assert not plain.is_analyzed
    assert (
        plain.n_rows
        is plain.nodes[1].counts
        is plain.nodes[1].n_rows_kept
        is plain.features[0].null_rate
        is None
    )
    analyzed = query.explain(analyze=True)
    assert (analyzed.n_rows, analyzed.features[0].null_rate) == (0, None)
    assert counts(query) == StepCounts(n_rows_in=0, n_matched=0)
    assert counts(query).match_rate is None
    assert "empty" in str(analyzed)


def test_files_that_cannot_matter_are_said_to_be_left_out(fs: FeatureStore) -> None:
    left = rides(fs, [(1, "oslo", "2025-01-10", 1.0)])
    right = weather(fs, [("oslo", f"2025-01-{day:02d}", float(day), 0.0) for day in range(1, 21)])
    near = left.select_all().join(right.select_all(), max_age=timedelta(days=3))
    node = near.explain().nodes[1]
    assert (node.n_files, node.n_files_read) == (20, 4)  # those of the 7th to the 10th
    assert (node.n_rows, node.n_rows_read) == (20, 4)
    assert 0 < node.size_bytes_read < node.size_bytes
    assert near.read(dataframe_type="python")[0]["temp"] == 10.0
    before = left.select_all().join(right.select_all()).explain().nodes[1]
    assert before.n_files_read == 10
    filtered = (
        left.select_all().join(right.filter(right["t"] <= date(2025, 1, 5))).explain(analyze=True).nodes[1]
    )
    assert (filtered.n_files_read, filtered.n_rows_kept) == (5, 5)


def test_shares_of_nulls_are_those_of_the_result(fs: FeatureStore) -> None:
    left = rides(
        fs, [(n, "oslo" if n % 4 else "rome", "2025-01-03", None if n == 1 else 1.0) for n in range(8)]
    )
    right = weather(fs, [("oslo", "2025-01-02", 1.0, None)])
    query = left.select_all().join(right.select_all())
    explained = query.explain(analyze=True)
    rates = {feature.name: feature.null_rate for feature in explained.features}
    assert rates == {"ride": 0.0, "city": 0.0, "t": 0.0, "km": 1 / 8, "temp": 2 / 8, "rain": 1.0}
    kept = query.filter(query["temp"] > 0).explain(analyze=True)
    assert (explained.n_rows, kept.n_rows) == (8, 6)
    assert {feature.name: feature.null_rate for feature in kept.features}["temp"] == 0.0
    inner = left.select_all().join(right.select_all(), join_type="inner").explain(analyze=True)
    assert inner.n_rows == 6


def test_a_dataframe_is_explained_as_the_root(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-02", 1.0, 0.0)])
    spine = frame({"city": "string", "at": "timestamp"}, [("oslo", "2025-01-03"), ("oslo", "2025-01-01")])
    explained = (
        fs.spine(spine, event_time="at", foreign_key="city").join(right.select_all()).explain(analyze=True)
    )
    assert (explained.nodes[0].name, explained.nodes[0].n_rows, explained.nodes[0].commit) == (
        "spine",
        2,
        None,
    )
    assert "a dataframe of 2 rows" in str(explained)
    assert explained.nodes[1].counts is not None
    assert explained.nodes[1].counts.causes() == {"only later rows": 1}


def test_joins_without_event_times_say_so(fs: FeatureStore) -> None:
    left = make_group(fs, "cities", {"city": "string"}, [("oslo",)], primary_key="city")
    right = weather(fs, [("oslo", "2025-01-02", 1.0, 0.0)])
    newest = left.select_all().join(right.select_all()).explain()
    assert "the newest row per key" in newest.nodes[1].rule_text
    assert [note for note in newest.notes if "'cities_1' has no event time" in note]
    parts = make_group(
        fs, "parts", {"city": "string", "part": "bigint", "x": "bigint"}, [("oslo", 1, 1), ("oslo", 2, 2)],
        primary_key=["city", "part"],
    )  # fmt: skip
    many = left.select_all().join(parts.select_all(), on=["city"], allow_many=True)
    explained = many.explain(analyze=True)
    assert "all rows of an open key (part) match" in explained.nodes[1].rule_text
    assert (explained.n_rows, explained.nodes[1].open_key) == (2, ("part",))


def test_a_filter_that_leaves_one_row_of_many_counts_each_left_row_once(fs: FeatureStore) -> None:
    left = rides(
        fs, [(1, "oslo", "2025-01-03", 1.0), (2, "rome", "2025-01-03", 1.0), (3, "paris", "2025-01-03", 1.0)]
    )
    features = {"city": "string", "source": "string", "is_main": "boolean"}
    rows = [("oslo", "a", True), ("oslo", "b", False), ("rome", "a", False), ("rome", "b", False)]
    stations = make_group(fs, "stations", features, rows, primary_key=["city", "source"])
    main = stations.select(["source", "is_main"]).filter(stations["is_main"] == True)  # noqa: E712
    expected = StepCounts(n_rows_in=3, n_matched=1, n_filtered=1, n_no_key=1)
    assert counts(left.select(["ride"]).join(main, on="city")) == expected
    assert counts(left.select(["ride"]).join(main, on="city", allow_many=True)) == expected
    every = counts(left.select(["ride"]).join(stations.select(["source"]), on="city", allow_many=True))
    assert every == StepCounts(n_rows_in=5, n_matched=4, n_no_key=1)


def test_an_explanation_survives_json(fs: FeatureStore) -> None:
    right = weather(fs, [("oslo", "2025-01-02", 1.0, 0.0)], ttl=timedelta(days=2))
    query = rides(fs, [(1, "oslo", "2025-01-03", 1.0)]).select_all().join(right.filter(right["temp"] > 0))
    for explained in (query.explain(), query.explain(analyze=True)):
        again = from_json(Explanation, to_json(explained), known=EXPLANATION_FORMAT, what="an explanation")
        assert again == explained
        assert str(again) == str(explained)


TEXT = """\
rides_1 (root), commit 1 of 2025-06-01T00:00:00.000001Z
│ reads 1 of 1 files, SIZE of SIZE, 3 of 3 rows
└─ left join weather_1 on city, commit 3 of 2025-06-01T00:00:00.000003Z
     key city: foreign key 'city' of rides_1, part of the primary key of weather_1
     point in time: the newest row at or before the event time of rides_1, at most 1 day, 0:00:00 old (ttl of the group)
     only its rows where temp > 0.0
     reads 1 of 3 files, SIZE of SIZE, 1 of 3 rows
     2 rows take part
     1 of 3 rows match (33.33%)
       without: 1 no row with the key
       without: 1 too old
then only rows where rides_1.km < 9.0
result: 3 rows

feature, share of nulls
  ride    0.00%  rides_1.ride (bigint)
  city    0.00%  rides_1.city (string)
  t       0.00%  rides_1.t (timestamp)
  km      0.00%  rides_1.km (double)
  temp   66.67%  weather_1.temp (double)
  rain   66.67%  weather_1.rain (double)

WITH n0 AS ("""


@pytest.mark.parametrize("fs", ["one_statement"], indirect=True)
def test_the_text_is_as_reviewed(fs: FeatureStore) -> None:
    left = rides(
        fs, [(1, "oslo", "2025-01-03", 1.0), (2, "rome", "2025-01-03", 2.0), (3, "oslo", "2025-01-09", 2.0)]
    )
    right = weather(
        fs,
        [
            ("oslo", "2025-01-03", 1.0, 0.0),
            ("oslo", "2024-01-02", -1.0, 0.0),
            ("oslo", "2025-02-01", 1.0, 0.0),
        ],
        ttl=timedelta(days=1),
    )
    query = left.select_all().join(right.filter(right["temp"] > 0.0)).filter(left["km"] < 9.0)
    text = re.sub(r"\d+\.\d kB", "SIZE", str(query.explain(analyze=True)))
    assert text[: len(TEXT)] == TEXT


def causes_by_the_rules(plan: Plan, tables: list[list[Row]], node: int) -> StepCounts:
    """Count what becomes of the left rows of a join, row by row, with the oracle's rules; inner joins keep all rows."""
    chain = [node]
    while chain[0]:
        chain.insert(0, plan.join_of(chain[0]).parent)
    root = plan.root.source
    causes: Counter[str] = Counter()
    for start in oracle._filtered(plan, tables, 0):
        at = None if root.event_time is None else oracle.event_time_us(root, start)
        lefts: list[Row | None] = [start]
        for place in chain[1:]:
            found = [matched_rows(plan, tables, place, left, at) or [None] for left in lefts]
            if place == node:
                for left, rows in zip(lefts, found, strict=True):
                    cause = "" if rows != [None] else cause_of(plan, tables, node, left, at)
                    causes[cause] += len(rows)
            lefts = [row for rows in found for row in rows]
    return StepCounts(
        n_rows_in=causes.total(),
        n_matched=causes.pop("", 0),
        **{f"n_{name}": n for name, n in causes.items()},
    )


def matched_rows(
    plan: Plan, tables: list[list[Row]], node: int, left: Row | None, at: int | None
) -> list[Row | None]:
    return [] if left is None else [*oracle._choose(plan, node, equal_rows(plan, tables, node, left), at)]


def equal_rows(plan: Plan, tables: list[list[Row]], node: int, left: Row) -> list[Any]:
    join = plan.join_of(node)
    return [row for row in oracle._filtered(plan, tables, node) if oracle._keys_equal(join, left, row)]


def cause_of(plan: Plan, tables: list[list[Row]], node: int, left: Row | None, at: int | None) -> str:
    join, source = plan.join_of(node), plan.nodes[node].source
    if left is None:
        return "parent_unmatched"
    if any(left.get(key.left) is None for key in join.keys):
        return "null_key"
    with_key = [row for row in tables[node] if oracle._keys_equal(join, left, row)]
    if not with_key:
        return "no_key"
    if join.rule != "point_in_time":
        return "filtered"
    assert at is not None
    early = [row for row in with_key if oracle.event_time_us(source, row) <= at]
    if not early:
        return "only_later"
    kept = [row for row in equal_rows(plan, tables, node, left) if oracle.event_time_us(source, row) <= at]
    return "too_old" if kept else "filtered"


@pytest.fixture(scope="module", params=VARIANTS)
def random_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    store = open_store(tmp_path_factory.mktemp("explain") / "store", clock=ManualClock("2026-01-01"))
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


@pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_counts_are_those_of_the_rules(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int]
) -> None:
    keys = {
        f"k{index}": data.draw(st.sampled_from(KEY_TYPES)) for index in range(data.draw(st.integers(1, 2)))
    }
    stored = []
    for place in range(data.draw(st.integers(2, 3))):
        table = data.draw(tables(keys, is_root=place == 0))
        half = data.draw(st.integers(0, len(table.rows)))
        group = store_table(random_store, numbers, replace(table, rows=table.rows[:half]))
        if table.rows[half:]:
            group.insert(table.frame(table.rows[half:]))  # in a file of its own
        stored.append((group, table))
    query, _ = data.draw(joined(stored))
    plan = query.plan
    by_id = {group.spec.id: table.rows for group, table in stored}
    rows = [by_id[node.source.id] for node in plan.nodes]  # type: ignore[union-attr]
    explained = query.explain(analyze=True)
    for node in explained.nodes[1:]:
        found = node.counts
        assert found is not None
        assert sum(found.causes().values()) == found.n_rows_in - found.n_matched
        if not any(is_open(plan, place) for place in range(1, len(plan.nodes))):
            assert found == causes_by_the_rules(plan, rows, node.node)
    for node in explained.nodes:
        assert node.n_rows_kept == len(oracle._filtered(plan, rows, node.node))
        assert node.n_rows == len(rows[node.node])
        assert node.n_files_read <= node.n_files
        assert node.n_rows_read <= node.n_rows
    try:
        expected = oracle.answer(plan, rows)
    except MultipleMatchesError:
        return
    assert explained.n_rows == len(expected)
    for feature in explained.features:
        n_null = sum(row[feature.name] is None for row in expected)
        assert feature.null_rate == (1 - (len(expected) - n_null) / len(expected) if expected else None)


def is_open(plan: Plan, node: int) -> bool:
    """Return whether a plain join may meet several rows without being allowed to: reading would be refused."""
    join = plan.join_of(node)
    return join.rule == "equal" and not join.allow_many and bool(plan.remaining_key(node))
