"""Each kind of expectation against plain Python, on values that are easily got wrong."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hopyard.errors import ValidationError
from hopyard.expectations import (
    Expectation,
    foreign_key,
    fresh,
    in_range,
    in_set,
    matches,
    not_null,
    row_count,
    sql,
    unique,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.arrow import to_arrow
from hopyard.model.types import parse_type
from hopyard.testing.store import ManualClock, open_store

TYPES = {
    "id": "bigint",
    "whole": "bigint",
    "small": "int",
    "real": "double",
    "exact": "decimal(10,2)",
    "text": "string",
    "moment": "timestamp",
    "day": "date",
    "flag": "boolean",
}
POOLS: dict[str, list[Any]] = {
    "whole": [None, 0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)],
    "small": [None, 0, 5, 2**31 - 1, -(2**31)],
    "real": [None, 0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 1e308, 5e-324],
    "exact": [None, Decimal("0.10"), Decimal("-3.00"), Decimal("99999999.99")],
    "text": [None, "", "AA", "aa", "N12", "N12\n", "x'y", "ünï", "%_\\"],
    "moment": [
        None,
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 12, tzinfo=UTC),
    ],
    "day": [None, date(1900, 1, 1), date(1970, 1, 1), date(2024, 2, 29)],
    "flag": [None, True, False],
}

Row = dict[str, Any]


def rows_of(seed: int, n: int = 60) -> list[Row]:
    """Return rows of values at random, each pool's values several times."""
    chance = random.Random(seed)
    return [
        {"id": number, **{name: chance.choice(pool) for name, pool in POOLS.items()}} for number in range(n)
    ]


def table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as Arrow in the stored types: NaN stays NaN, and null null."""
    return pa.table(
        {
            name: pa.array([row[name] for row in rows], to_arrow(parse_type(type_)))
            for name, type_ in TYPES.items()
        }
    )


def failing_ids(group: FeatureGroup, rows: Sequence[Row], expectation: Expectation) -> list[int]:
    """Return the ids of the rows that fail, by keeping them apart."""
    group.set_expectations([expectation], policy="always")
    report = group.validate(table(rows))
    (result,) = report.results
    assert (result.status == "failed") == bool(report.n_failed)
    assert result.n_failed == report.n_failed
    if not report.n_failed:
        return []
    with pytest.warns(match="kept apart"):
        group.insert(table(rows), quarantine=True)
    apart: list[int] = group.quarantined(dataframe_type="arrow").column("id").to_pylist()
    kept: list[int] = group.read(dataframe_type="arrow").column("id").to_pylist()
    assert sorted(apart + kept) == [row["id"] for row in rows]
    assert [example.values["id"] for example in result.examples] == sorted(apart)[:3]
    assert [example.place for example in result.examples] == sorted(apart)[:3]
    return sorted(apart)


def no_check(_: Any) -> bool:
    return False


BETWEEN: list[tuple[Expectation, str, Callable[[Any], bool]]] = [
    (not_null("real"), "real", no_check),
    (in_range("whole", min=0), "whole", lambda x: x < 0),
    (in_range("whole", max=2**53), "whole", lambda x: x > 2**53),
    (in_range("whole", max=float(2**53), exclude_max=True), "whole", lambda x: x >= 2**53),
    (in_range("whole", min=-0.5, max=0.5), "whole", lambda x: x != 0),
    (in_range("whole", max=math.inf), "whole", no_check),
    (in_range("small", min=5, exclude_min=True), "small", lambda x: x <= 5),
    (in_range("real", min=0), "real", lambda x: not x >= 0),
    (in_range("real", max=0), "real", lambda x: not x <= 0),
    (in_range("real", min=-math.inf, max=math.inf), "real", math.isnan),
    (in_range("real", min=0, exclude_min=True, max=1e308), "real", lambda x: not 0 < x <= 1e308),
    (in_range("exact", min=0.1), "exact", lambda x: x < Decimal("0.10")),
    (in_range("text", min="A", max="b"), "text", lambda x: not "A" <= x <= "b"),
    (in_range("moment", min="1970-01-01"), "moment", lambda x: x < datetime(1970, 1, 1, tzinfo=UTC)),
    (
        in_range("moment", min=datetime(1969, 1, 1), max=date(2000, 1, 1)),
        "moment",
        lambda x: not datetime(1969, 1, 1, tzinfo=UTC) <= x <= datetime(2000, 1, 1, tzinfo=UTC),
    ),
    (in_range("day", max="1970-01-01", exclude_max=True), "day", lambda x: x >= date(1970, 1, 1)),
    (in_set("whole", [0, 2**63 - 1, 1.0]), "whole", lambda x: x not in (0, 1, 2**63 - 1)),
    (in_set("real", [0, 1.5, math.inf, math.nan]), "real", lambda x: x not in (0, 1.5, math.inf)),
    (in_set("text", ["AA", "x'y", "%_\\"]), "text", lambda x: x not in ("AA", "x'y", "%_\\")),
    (in_set("flag", [True]), "flag", lambda x: not x),
    (in_set("exact", [0.1, -3]), "exact", lambda x: x not in (Decimal("0.10"), Decimal("-3.00"))),
    (in_set("day", ["2024-02-29"]), "day", lambda x: x != date(2024, 2, 29)),
    (matches("text", "N[0-9]+"), "text", lambda x: not re.fullmatch("N[0-9]+", x)),
    (matches("text", ".*"), "text", lambda x: not re.fullmatch(".*", x)),
    (matches("text", "a|AA|x'y"), "text", lambda x: not re.fullmatch("a|AA|x'y", x)),
    (matches("text", r"%_\\"), "text", lambda x: not re.fullmatch(r"%_\\", x)),
    (matches("text", "ü.ï|"), "text", lambda x: not re.fullmatch("ü.ï|", x)),
]


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    return fs.create_feature_group("things", primary_key="id", features=TYPES).save()


@pytest.mark.parametrize(
    ("expectation", "column", "fails"), BETWEEN, ids=[str(expectation)[:60] for expectation, *_ in BETWEEN]
)
def test_a_row_alone(
    group: FeatureGroup, expectation: Expectation, column: str, fails: Callable[[Any], bool]
) -> None:
    rows = rows_of(1)
    is_not_null = str(expectation).endswith("not null")
    expected = [
        row["id"]
        for row in rows
        if (row[column] is None if is_not_null else row[column] is not None and fails(row[column]))
    ]
    assert failing_ids(group, rows, expectation) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "columns", [("small",), ("text",), ("moment", "flag"), ("whole", "day"), ("exact", "small")]
)
def test_unique_in_a_frame(group: FeatureGroup, columns: tuple[str, ...], seed: int) -> None:
    rows = rows_of(seed, 25)

    def key(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in columns)

    counts = Counter(key(row) for row in rows)
    expected = [row["id"] for row in rows if None not in key(row) and counts[key(row)] > 1]
    assert failing_ids(group, rows, unique(*columns)) == expected


def test_nan_and_the_two_zeros_repeat(group: FeatureGroup) -> None:
    rows = [
        {**row, "real": value}
        for row, value in zip(rows_of(1, 5), [math.nan, 0.0, math.nan, -0.0, 1.0], strict=True)
    ]
    assert failing_ids(group, rows, unique("real")) == [0, 1, 2, 3]


def test_several_columns_are_not_null(group: FeatureGroup) -> None:
    rows = rows_of(2)
    expected = [row["id"] for row in rows if row["real"] is None or row["text"] is None]
    assert failing_ids(group, rows, not_null("real", "text")) == expected


def test_an_empty_frame_and_one_row(group: FeatureGroup) -> None:
    group.expect(
        not_null("real"),
        unique("text"),
        in_range("real", min=0),
        row_count(max=1),
        sql("from new_rows where false"),
    )
    assert group.validate([]).is_met
    assert group.insert([]).n_inserted == 0
    assert group.insert(table([{**rows_of(1, 1)[0], "real": 1.0}])).n_inserted == 1


@pytest.mark.parametrize("column", ["whole", "text", "moment", "exact", "day", "flag"])
def test_foreign_keys(fs: FeatureStore, group: FeatureGroup, column: str) -> None:
    rows = rows_of(4)
    known = [value for value in POOLS[column] if value is not None][::2]
    type_ = to_arrow(parse_type(TYPES[column]))
    other = fs.create_feature_group("other", primary_key="key")
    other.insert(pa.table({"key": pa.array(known[:1], type_)}))
    other.insert(pa.table({"key": pa.array(known[1:], type_)}))
    expected = [row["id"] for row in rows if row[column] is not None and row[column] not in known]
    assert failing_ids(group, rows, foreign_key(column, other)) == expected
    assert failing_ids_of_stored(group, foreign_key(column, "other", references="key")) == 0


def failing_ids_of_stored(group: FeatureGroup, expectation: Expectation) -> int:
    """Return how many stored rows fail; those that failed before were kept apart."""
    group.set_expectations([expectation])
    return group.validate().results[0].n_failed


def test_a_foreign_key_of_int_to_bigint_and_of_two_columns(fs: FeatureStore, group: FeatureGroup) -> None:
    rows = rows_of(5)
    places = fs.create_feature_group("places", primary_key=["small", "flag"])
    pairs = pa.table({"small": pa.array([0, 5], pa.int64()), "flag": [True, False], "id": [1, 2]})
    places.insert(pairs)
    expected = [
        row["id"]
        for row in rows
        if None not in (row["small"], row["flag"])
        and (row["small"], row["flag"]) not in [(0, True), (5, False)]
    ]
    assert failing_ids(group, rows, foreign_key(["small", "flag"], places)) == expected


def test_sql_says_which_rows(group: FeatureGroup) -> None:
    rows = rows_of(6)
    expected = [row["id"] for row in rows if row["flag"] and row["small"] is not None and row["small"] > 0]
    assert failing_ids(group, rows, sql("select * from new_rows where flag and small > 0")) == expected


def test_sql_may_join_what_is_stored_and_say_just_the_place(fs: FeatureStore, group: FeatureGroup) -> None:
    group.insert(table(rows_of(7, 10)))
    limits = fs.create_feature_group("limits", primary_key="flag")
    limits.insert([{"flag": True, "most": 0}, {"flag": False, "most": 10}])
    rows = [{**row, "id": row["id"] + 100} for row in rows_of(8)]
    joined = "new_rows n join limits l on n.flag = l.flag join things t on t.id = 3"
    query = f"select n._row from {joined} where n.small > l.most"
    group.set_expectations([sql(query)])
    most = {True: 0, False: 10}
    expected = [
        row["id"]
        for row in rows
        if row["flag"] is not None and row["small"] is not None and row["small"] > most[row["flag"]]
    ]
    with pytest.raises(ValidationError) as caught:
        group.insert(table(rows))
    assert caught.value.report.n_failed == len(expected)
    with pytest.warns(match="kept apart"):
        group.insert(table(rows), quarantine=True)
    assert sorted(group.quarantined(dataframe_type="arrow").column("id").to_pylist()) == expected


def test_row_counts(group: FeatureGroup) -> None:
    group.insert(table(rows_of(1, 10)))
    five = table(rows_of(2, 5))
    for expectation, is_met in [
        (row_count(min=5, max=5), True),
        (row_count(min=6), False),
        (row_count(max=4), False),
        (row_count(min=10, max=10, of="group"), True),  # they replace five of the ten
        (row_count(min=11, of="group"), False),
    ]:
        report = group.set_expectations([expectation]).validate(five)
        assert report.is_met == is_met, str(report)
    group.set_expectations([row_count(max=5, of="group"), row_count(min=10)], policy="strict")
    with pytest.raises(ValidationError, match="it has 10.*\n.*it has 5"):
        group.insert(five)
    group.set_expectations([row_count(max=5, of="group")])
    assert group.insert(five, overwrite=True).n_inserted == 5
    (of_group,) = group.validate().results
    assert of_group.status == "met"
    (of_frame,) = group.set_expectations([row_count(min=1)]).validate().results
    assert of_frame.status == "skipped"


@pytest.mark.parametrize(("type_", "unit"), [("timestamp", None), ("date", None), ("bigint", "ms")])
def test_freshness(tmp_path: Path, type_: str, unit: Any) -> None:
    clock = ManualClock("2026-01-10")
    fs = open_store(tmp_path / "store", clock=clock).get_feature_store()
    group = fs.create_feature_group(
        "readings",
        primary_key="id",
        event_time="at",
        event_time_unit=unit,
        features={"id": "bigint", "at": type_},
    ).save()

    def row(day: int) -> list[Row]:
        at = datetime(2026, 1, day, tzinfo=UTC)
        value = {"timestamp": at, "date": at.date(), "bigint": int(at.timestamp()) * 1000}[type_]
        return [{"id": day, "at": value}]

    group.expect(fresh(timedelta(days=2)))
    assert not group.validate().is_met
    with pytest.raises(ValidationError, match="it is of 2026-01-07T00:00:00Z, 3 days, 0:00:00 ago"):
        group.insert(row(7))
    group.insert(row(8))  # exactly two days old
    group.insert(row(1))  # the group stays fresh
    clock.advance(timedelta(microseconds=1))
    assert not group.validate().is_met


@pytest.mark.parametrize("n_threads", [1, 2])
def test_results_do_not_depend_on_threads_or_files(tmp_path: Path, n_threads: int) -> None:
    rows = rows_of(9, 400)
    found = []
    for parts in ([rows], [rows[200:], rows[:200]]):
        store = open_store(tmp_path / f"store{len(parts)}", n_threads=n_threads)
        fs = store.get_feature_store()
        group = fs.create_feature_group("things", primary_key="id", features=TYPES).save()
        for part in parts:
            group.insert(table(part))
        group.expect(
            not_null("real"),
            in_range("whole", min=0),
            unique("text"),
            matches("text", "N.*"),
            policy="always",
        )
        group.expect(
            foreign_key("small", "things", references="whole"), sql("select * from new_rows where small = 5")
        )
        found.append([(result.n_failed, result.examples) for result in group.validate().results[:5]])
        found.append([(result.n_failed, result.examples) for result in group.validate(table(rows)).results])
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert [n for n, _ in found[1][:5]] == [n for n, _ in found[0]]
