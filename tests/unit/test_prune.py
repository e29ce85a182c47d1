"""Which files of a snapshot a plan cannot need, rule by rule; and that nothing is ever missing for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.test_query_properties import KEY_TYPES, check, joined, store_table, tables
from groups import make_group
from hopyard.feature_store import FeatureStore
from hopyard.model.commit import DataFile, Snapshot
from hopyard.model.plan import literal
from hopyard.query.prune import prune
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, open_store
from hopyard.time import to_micros
from variants import VARIANTS, in_variant

FEATURES = {
    "id": "bigint",
    "n": "int",
    "t": "timestamp",
    "day": "date",
    "x": "double",
    "s": "string",
    "d": "decimal(6,2)",
}


def file(name: str, **ranges: tuple[Any, Any]) -> DataFile:
    return DataFile(
        path=name, n_rows=1, size_bytes=1, ranges={key: _numbers(pair) for key, pair in ranges.items()}
    )


def _numbers(pair: tuple[Any, Any]) -> tuple[int, int]:
    low, high = (to_micros(end) if isinstance(end, str) else end for end in pair)
    return low, high


def snapshot(*files: DataFile) -> Snapshot:
    return Snapshot(
        location="g", commit=1, table_version=1, committed_at_us=0, files=files, columns=tuple(FEATURES)
    )


def kept(plan: Any, *snapshots: Snapshot, node: int = 0) -> list[str]:
    return [file.path for file in prune(plan, dict(enumerate(snapshots)))[node].files]


DAYS = (20_000, 20_009)  # 2024-10-04 to 2024-10-13


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda g: g["n"] == 5, ["a", "unknown"]),
        (lambda g: g["n"] == 10, ["a", "b", "unknown"]),
        (lambda g: g["n"] == 30, ["unknown"]),
        (lambda g: g["n"] != 5, ["a", "b", "unknown"]),
        (lambda g: g["n"] < 10, ["a", "unknown"]),
        (lambda g: g["n"] <= 10, ["a", "b", "unknown"]),
        (lambda g: g["n"] > 10, ["b", "unknown"]),
        (lambda g: g["n"] >= 20, ["b", "unknown"]),
        (lambda g: g["n"] > 20, ["unknown"]),
        (lambda g: g["n"] > 9.5, ["a", "b", "unknown"]),
        (lambda g: g["n"] > 10.5, ["b", "unknown"]),
        (lambda g: g["n"] == 10.5, ["unknown"]),
        (lambda g: g["n"] < Decimal("10.1"), ["a", "b", "unknown"]),
        (lambda g: g["n"] < float("inf"), ["a", "b", "unknown"]),
        (lambda g: g["n"] > float("inf"), ["unknown"]),
        (lambda g: g["n"] == float("nan"), ["unknown"]),
        (lambda g: g["n"] < 2**62, ["a", "b", "unknown"]),
        (lambda g: g["n"].isin([-7, 15]), ["b", "unknown"]),
        (lambda g: g["n"].isin([]), ["unknown"]),
        (lambda g: g["n"].between(11, 12), ["b", "unknown"]),
        (lambda g: g["n"].is_null(), ["a", "b", "unknown"]),
        (lambda g: ~(g["n"] == 5), ["a", "b", "unknown"]),
        (lambda g: (g["n"] == 5) | (g["n"] == 15), ["a", "b", "unknown"]),
        (lambda g: (g["n"] == 5) & (g["n"] == 15), ["unknown"]),
        (lambda g: (g["n"] > 0) & (g["x"] > 3), ["a", "b", "unknown"]),
        (lambda g: g["s"] == "x", ["a", "b", "unknown"]),
        (lambda g: g["t"] < datetime(2025, 1, 2), ["a", "unknown"]),
        (lambda g: g["t"] <= datetime(2025, 1, 2), ["a", "b", "unknown"]),
        (lambda g: g["t"] > "2025-01-02", ["b", "unknown"]),
        (lambda g: g["t"] == date(2025, 1, 3), ["b", "unknown"]),
        (lambda g: g["day"] == date(2024, 10, 4), ["a", "unknown"]),
        (lambda g: g["day"] > "2024-10-13", ["b", "unknown"]),
    ],
)  # fmt: skip
def test_a_groups_own_filter_leaves_out_files(
    fs: FeatureStore, make: Callable[[Any], Any], expected: list[str]
) -> None:
    group = make_group(fs, "g", FEATURES, primary_key="id")
    files = snapshot(
        file("a", n=(0, 10), t=("2025-01-01", "2025-01-01T23:59:59.999999"), day=DAYS),
        file("b", n=(10, 20), t=("2025-01-02", "2025-01-03"), day=(DAYS[1] + 1, DAYS[1] + 9)),
        file("unknown"),
    )
    assert kept(group.filter(make(group)).plan, files) == expected


def test_partition_values_leave_out_files(fs: FeatureStore) -> None:
    group = make_group(fs, "g", FEATURES, primary_key="id")
    parts = [
        DataFile(
            path=str(value),
            n_rows=1,
            size_bytes=1,
            partition={"s": value if value is None else literal(value)},
        )
        for value in ("a", "b", None)
    ]
    files = snapshot(*parts)
    assert kept(group.filter(group["s"] == "a").plan, files) == ["a"]
    assert kept(group.filter(group["s"].isin(["a", "b"])).plan, files) == ["a", "b"]
    assert kept(group.filter(group["s"] > "a").plan, files) == ["a", "b"]
    assert kept(group.filter(group["s"].is_null()).plan, files) == ["a", "b", "None"]
    assert kept(group.filter(~(group["s"] == "a")).plan, files) == ["a", "b", "None"]


def test_a_filter_after_the_join_and_one_of_another_group_leave_out_nothing(fs: FeatureStore) -> None:
    left = make_group(fs, "a", FEATURES, primary_key="id")
    right = make_group(fs, "b", FEATURES, primary_key="id")
    files = snapshot(file("a", n=(0, 10)), file("b", n=(10, 20)))
    after = left.select_all().join(right.select(["x"]), on=["id"], prefix="r_").filter(left["n"] == 5)
    before = left.filter(left["n"] == 5).join(right.select(["x"]), on=["id"], prefix="r_")
    assert kept(after.plan, files, files, node=0) == ["a", "b"]
    assert kept(before.plan, files, files, node=0) == ["a"]
    assert kept(before.plan, files, files, node=1) == ["a", "b"]


@pytest.mark.parametrize(
    ("max_age", "expected"),
    [
        (None, ["old", "edge", "inside", "at_end", "unknown"]),
        (timedelta(days=1), ["edge", "inside", "at_end", "unknown"]),
        (timedelta(days=1, microseconds=-1), ["inside", "at_end", "unknown"]),
    ],
)
def test_point_in_time_joins_leave_out_files_that_are_later_or_too_old_for_every_row(
    fs: FeatureStore, max_age: timedelta | None, expected: list[str]
) -> None:
    left = make_group(fs, "a", FEATURES, primary_key="id", event_time="t")
    right = make_group(fs, "b", FEATURES, primary_key="id", event_time="t")
    root = snapshot(file("1", t=("2025-01-10", "2025-01-12")), file("2", t=("2025-01-11", "2025-01-20")))
    files = snapshot(
        file("old", t=("2024-01-01", "2025-01-08")),
        file("edge", t=("2024-01-01", "2025-01-09")),
        file("inside", t=("2025-01-12", "2025-03-01")),
        file("at_end", t=("2025-01-20", "2025-03-01")),
        file("later", t=("2025-01-20T00:00:00.000001", "2025-03-01")),
        file("unknown"),
    )
    query = left.select_all().join(right.select(["x"]), on=["id"], prefix="r_", max_age=max_age)
    assert kept(query.plan, root, files, node=1) == expected
    unknown_root = msgspec.structs.replace(root, files=(*root.files, file("?")))
    assert len(kept(query.plan, unknown_root, files, node=1)) == len(files.files)


def test_the_roots_own_filter_narrows_what_joined_groups_are_read(fs: FeatureStore) -> None:
    left = make_group(fs, "a", FEATURES, primary_key="id", event_time="t")
    right = make_group(fs, "b", FEATURES, primary_key="id", event_time="t")
    root = snapshot(file("1", t=("2025-01-10", "2025-01-12")), file("2", t=("2025-01-13", "2025-01-20")))
    files = snapshot(
        file("soon", t=("2025-01-12", "2025-01-12")), file("late", t=("2025-01-14", "2025-01-15"))
    )
    query = left.filter(left["t"] < "2025-01-13").join(right.select(["x"]), on=["id"], prefix="r_")
    assert kept(query.plan, root, files, node=1) == ["soon"]


def test_plain_and_newest_joins_leave_out_nothing(fs: FeatureStore) -> None:
    untimed = make_group(fs, "a", FEATURES, primary_key="id")
    timed = make_group(fs, "b", FEATURES, primary_key="id", event_time="t")
    files = snapshot(file("1", t=("2020-01-01", "2020-01-02")), file("2", t=("2030-01-01", "2030-01-02")))
    for left, right in ((untimed, timed), (timed, untimed)):
        query = left.select_all().join(right.select(["x"]), on=["id"], prefix="r_")
        assert kept(query.plan, files, files, node=1) == ["1", "2"]


@pytest.mark.parametrize(
    ("type_", "unit", "ranges", "expected"),
    [
        ("date", None, [(19_999, 20_000), (20_001, 20_002)], ["0"]),
        ("bigint", "s", [(0, 1_728_000_000), (1_728_000_001, 1_728_000_002)], ["0"]),
        ("bigint", "ms", [(0, 1_728_000_000_000), (1_728_000_000_001, 2**42)], ["0"]),
        ("bigint", "us", [(-5, 1_728_000_000_000_000), (1_728_000_000_000_001, 2**60)], ["0"]),
    ],
)
def test_event_times_of_every_type_are_compared_as_instants(
    fs: FeatureStore, type_: str, unit: Any, ranges: list[tuple[int, int]], expected: list[str]
) -> None:
    left = make_group(fs, "a", FEATURES, primary_key="id", event_time="t")
    features = {"id": "bigint", "at": type_, "x": "double"}
    right = make_group(fs, "b", features, primary_key="id", event_time="at", event_time_unit=unit)
    root = snapshot(file("r", t=("2024-10-04", "2024-10-04")))  # day 20,000
    files = snapshot(*(file(str(n), at=range_) for n, range_ in enumerate(ranges)))
    query = left.select(["id"]).join(right.select(["x"]), on=["id"])
    assert kept(query.plan, root, files, node=1) == expected


@pytest.fixture(scope="module", params=["one_statement", "late_features"])
def random_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    assert request.param in VARIANTS
    store = open_store(tmp_path_factory.mktemp("prune") / "store", clock=ManualClock("2026-01-01"))
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


@pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
@settings(suppress_health_check=list(HealthCheck), max_examples=settings().max_examples // 2)
@given(data=st.data())
def test_many_small_files_answer_as_the_oracle(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int]
) -> None:
    """One file per row: nearly every query leaves some out, and none that holds an answer."""
    keys = {"k0": data.draw(st.sampled_from(KEY_TYPES))}
    drawn = [data.draw(tables(keys, is_root=place == 0, max_rows=5)) for place in range(2)]
    stored = [(store_table(random_store, numbers, replace(table, rows=[])), table) for table in drawn]
    for group, table in stored:
        for row in table.rows:
            group.insert(frame(table.features, [[row[name] for name in table.features]]))
    for _ in range(3):
        query, may_raise = data.draw(joined(stored))
        check(query, {group.spec.id: table.rows for group, table in stored}, may_raise=may_raise)
