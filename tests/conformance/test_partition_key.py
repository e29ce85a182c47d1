"""Groups whose files are divided by a partition key answer as the others do."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from groups import make_group
from hopyard.errors import AlreadyExistsError, SchemaMismatchError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.testing.frames import frame
from hopyard.testing.store import open_store
from parity import assert_online_equals_offline

START = datetime(2024, 1, 1, tzinfo=UTC)
FEATURES = {"id": "bigint", "at": "timestamp", "part": "string", "x": "double"}
ODD = [
    "a b",
    "a/b",
    "../up",
    "a=b",
    "ü𝄞",
    "100%",
    "%41",
    "#",
    "?",
    "*",
    "[ab]",
    "'",
    '"',
    "a\nb",
    "\\",
    "NULL",
    "{}",
    "~",
    ":",
]


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    return open_store(tmp_path / "store").get_feature_store()


def row(id_: int, hour: int, part: str | None, x: float) -> tuple[object, ...]:
    return (id_, START + timedelta(hours=hour), part, x)


def rows_of(group: FeatureGroup) -> list[tuple[Any, ...]]:
    return sorted(tuple(found.values()) for found in group.read(dataframe_type="python"))


def new(fs: FeatureStore, *rows: tuple[object, ...], **options: Any) -> FeatureGroup:
    options = {"primary_key": "id", "event_time": "at", "partition_key": "part", **options}
    return make_group(fs, "g", FEATURES, rows, **options)


def folders(group: FeatureGroup) -> list[str]:
    return sorted(path.name for path in Path(group.location).iterdir() if not path.name.startswith("_"))


def test_files_are_divided_by_value(fs: FeatureStore) -> None:
    group = new(fs, row(1, 0, "a", 1.0), row(2, 0, "b", 2.0), row(3, 0, None, 3.0))
    assert group.partition_key == ["part"]
    assert folders(group) == ["part=__HIVE_DEFAULT_PARTITION__", "part=a", "part=b"]
    assert [row["part"] for row in group.read(dataframe_type="python", order_by=["id"])] == ["a", "b", None]


def test_an_upsert_moves_a_row_to_another_partition(fs: FeatureStore) -> None:
    group = new(fs, row(1, 0, "a", 1.0), row(2, 0, "a", 2.0), online_enabled=True)
    commit = group.insert(frame(FEATURES, [row(1, 0, "b", 9.0), row(2, 1, None, 3.0)]))
    assert (commit.n_updated, commit.n_inserted) == (1, 1)
    assert [found[2:] for found in rows_of(group)] == [("b", 9.0), ("a", 2.0), (None, 3.0)]
    group.insert(frame(FEATURES, [row(2, 1, "a", 3.0)]))
    assert [found[2:] for found in rows_of(group)] == [("b", 9.0), ("a", 2.0), ("a", 3.0)]
    assert [found[2:] for found in rows_of_commit(group, 1)] == [("a", 1.0), ("a", 2.0)]
    assert_online_equals_offline(open_store(Path(group.location).parents[3]), group)


def rows_of_commit(group: FeatureGroup, number: int) -> list[tuple[Any, ...]]:
    return sorted(tuple(found.values()) for found in group.read(as_of=number, dataframe_type="python"))


def test_rows_are_removed_wherever_they_are(fs: FeatureStore) -> None:
    group = new(fs, row(1, 0, "a", 1.0), row(1, 1, "b", 2.0), row(2, 0, None, 3.0))
    assert group.remove_rows([{"id": 1}]).n_deleted == 2
    assert [found[0] for found in rows_of(group)] == [2]


@pytest.mark.parametrize("value", ODD)
def test_any_text_is_a_partition(fs: FeatureStore, value: str) -> None:
    group = new(fs, row(1, 0, value, 1.0), row(2, 0, "other", 2.0))
    group.insert(frame(FEATURES, [row(1, 0, value, 5.0), row(3, 0, value, 6.0)]))
    assert [found[2:] for found in rows_of(group)] == [(value, 5.0), ("other", 2.0), (value, 6.0)]
    found = group.filter(group["part"] == value).read(dataframe_type="python", order_by=["id"])
    assert [row["id"] for row in found] == [1, 3]
    outside = [path for path in Path(group.location).parent.iterdir() if path != Path(group.location)]
    assert outside == []


@pytest.mark.parametrize("value", ["", "__HIVE_DEFAULT_PARTITION__", "x" * 251, "€" * 30])
def test_text_that_cannot_name_a_folder_is_refused(fs: FeatureStore, value: str) -> None:
    group = new(fs, row(1, 0, "a", 1.0))
    with pytest.raises(SchemaMismatchError, match="1 of 2 rows .* cannot name a folder"):
        group.insert(frame(FEATURES, [row(2, 0, "a", 1.0), row(3, 0, value, 1.0)]))
    assert len(group.commit_details()) == 2
    group.insert(frame(FEATURES, [row(2, 0, "x" * 250, 1.0)]))
    assert len(rows_of(group)) == 2


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("int", [0, -1, 2**31 - 1, None]),
        ("bigint", [0, -(2**63), 2**63 - 1, None]),
        ("boolean", [True, False, None]),
        ("date", [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None]),
    ],
)
def test_other_types(fs: FeatureStore, type_: str, values: list[object]) -> None:
    features = {"id": "bigint", "part": type_, "x": "double"}
    rows = [(id_, value, 1.0) for id_, value in enumerate(values)]
    group = make_group(fs, "g", features, rows, primary_key="id", partition_key=["part"])
    assert rows_of(group) == rows
    shifted = [(id_, values[id_ - 1], 2.0) for id_ in range(len(values))]
    assert group.insert(frame(features, shifted)).n_updated == len(values)
    assert rows_of(group) == shifted
    assert rows_of_commit(group, 1) == rows


def test_a_partition_key_may_be_in_the_primary_key(fs: FeatureStore) -> None:
    features = {"id": "bigint", "day": "date", "x": "double"}
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    rows = [(id_, day, 1.0) for id_ in (1, 2) for day in days]
    group = make_group(fs, "g", features, rows, primary_key=["id"], event_time="day", partition_key=["day"])
    assert group.insert(frame(features, [(1, days[0], 5.0), (3, days[1], 6.0)])).n_updated == 1
    assert rows_of(group) == sorted([*rows[1:], (1, days[0], 5.0), (3, days[1], 6.0)])


@pytest.mark.parametrize("name", ["at", "x", "none"])
def test_other_columns_are_refused(fs: FeatureStore, name: str) -> None:
    with pytest.raises(SchemaMismatchError, match=name):
        new(fs, partition_key=name)
    assert fs.list_feature_groups() == []


def test_get_or_create_says_where_it_differs(fs: FeatureStore) -> None:
    new(fs)
    assert fs.get_or_create_feature_group("g", partition_key="part").partition_key == ["part"]
    with pytest.raises(AlreadyExistsError, match="partition_key"):
        fs.get_or_create_feature_group("g", partition_key=["x"])


def test_features_are_appended_with_and_without_a_default(fs: FeatureStore) -> None:
    group = new(fs, row(1, 0, "a", 1.0), row(2, 0, None, 2.0))
    group.append_features({"y": "bigint", "z": "string"}, defaults={"y": 7})
    assert [found[2:] for found in rows_of(group)] == [("a", 1.0, 7, None), (None, 2.0, 7, None)]
    group.append_features({"w": "double"})
    assert [found[2:] for found in rows_of(group)] == [("a", 1.0, 7, None, None), (None, 2.0, 7, None, None)]


@pytest.mark.parametrize("seed", range(3))
def test_a_partitioned_group_and_a_plain_one_stay_equal(fs: FeatureStore, seed: int) -> None:
    random_ = random.Random(seed)
    groups = [
        make_group(
            fs, f"g{n}", FEATURES, primary_key="id", event_time="at", partition_key=key, online_enabled=True
        )
        for n, key in enumerate([(), "part"])
    ]
    for _ in range(12):
        keys = sorted({(random_.randrange(5), random_.randrange(4)) for _ in range(random_.randrange(1, 8))})
        rows = [row(*key, random_.choice(["a", "b", None]), random_.choice([1.0, 2.0])) for key in keys]
        operation = random_.choice(["insert", "insert", "insert", "remove", "overwrite"])
        for group in groups:
            if operation == "remove":
                group.remove_rows([{"id": id_} for id_ in {key[0] for key in keys[:2]}])
            else:
                group.insert(frame(FEATURES, rows), overwrite=operation == "overwrite")
        assert rows_of(groups[0]) == rows_of(groups[1])
    for commit in groups[0].commit_details():
        assert rows_of_commit(groups[0], commit.number) == rows_of_commit(groups[1], commit.number)
    assert_online_equals_offline(open_store(Path(groups[1].location).parents[3]), groups[1])
    filtered = [
        g.filter(g["part"] == "a").read(dataframe_type="python", order_by=["id", "at"]) for g in groups
    ]
    assert filtered[0] == filtered[1]
