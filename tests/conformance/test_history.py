"""What an offline store knows of its history: the changes of every commit, and the ranges of values of every file."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from hopyard.errors import CorruptStoreError, TimeTravelError
from hopyard.model.commit import ChangeFile, Commit, DataFile, Operation
from hopyard.model.plan import Value
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.offline.delta import DeltaOfflineStore
from hopyard.ports import Change, OfflineStore

AT = "projects/shop/groups/stock_1-0a1b2c3d"
KEY = ("item", "day")
TYPES = {
    "item": "bigint",
    "day": "int",
    "at": "timestamp",
    "on": "date",
    "price": "double",
    "place": "string",
}
SCHEMA = pa.schema(
    [
        ("item", pa.int64()),
        ("day", pa.int32()),
        ("at", pa.timestamp("us", "UTC")),
        ("on", pa.date32()),
        ("price", pa.float64()),
        ("place", pa.string()),
    ]
)
FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999."""

Key = tuple[int, int]
Row = tuple[int, int, int | None, int | None, float | None, str | None]


def made(folder: Path, *partition_key: str) -> DeltaOfflineStore:
    store = DeltaOfflineStore(folder)
    spec = FeatureGroupSpec(
        project="shop",
        name="stock",
        version=1,
        id="0a1b2c3d",
        location=AT,
        features=tuple(FeatureSpec(name=name, type=type_) for name, type_ in TYPES.items()),
        primary_key=KEY,
        partition_key=partition_key,
    )
    store.create(spec, draft("create"))
    return store


@pytest.fixture
def store(tmp_path: Path) -> DeltaOfflineStore:
    return made(tmp_path)


def draft(operation: Operation = "upsert") -> Commit:
    return Commit(number=0, committed_at_us=1_000, operation=operation)


def rows(*values: Row) -> pa.Table:
    columns = list(zip(*values, strict=True)) if values else [()] * len(SCHEMA)
    return pa.table(
        [pa.array(column, type_) for column, type_ in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA
    )


def row(item: int, day: int = 0, price: float | None = 0.0, place: str | None = "a") -> Row:
    return (item, day, 1_000_000 * day, day, price, place)


def put(store: OfflineStore, change: Change) -> Commit:
    return store.write(AT, store.snapshot(AT), change, draft())


def append(store: OfflineStore, *values: Row) -> Commit:
    return put(store, Change("append", rows(*values)))


def contents(file: DataFile | ChangeFile) -> list[dict[str, object]]:
    """Return the rows of a file, with the values of its partition columns."""
    known = {name: None if value is None else value.value for name, value in file.partition.items()}
    return [known | values for values in stored_rows(file.path)]


@cache
def stored_rows(path: str) -> list[dict[str, object]]:
    found = pq.read_table(path, partitioning=None)
    for name in ("at", "on"):
        if name in found.column_names:
            found = found.set_column(
                found.column_names.index(name), name,
                found[name].cast(pa.int64() if name == "at" else pa.int32()),
            )  # fmt: skip
    rows_: list[dict[str, object]] = found.to_pylist()
    return rows_


def shown(values: dict[str, object]) -> tuple[object, ...]:
    return tuple(values[name] for name in TYPES)


def state_of(store: OfflineStore, commit: int) -> Counter[tuple[object, ...]]:
    return Counter(shown(values) for file in store.snapshot(AT, commit).files for values in contents(file))


def replay(state: Counter[tuple[object, ...]], changes: Iterable[ChangeFile]) -> Counter[tuple[object, ...]]:
    """Return a state after the changes; a removal of what is not there is a mistake."""
    state = state.copy()
    by_commit: dict[int, list[ChangeFile]] = {}
    for change in changes:
        by_commit.setdefault(change.commit, []).append(change)
    for of_commit in by_commit.values():
        gone: Counter[tuple[object, ...]] = Counter()
        new: Counter[tuple[object, ...]] = Counter()
        for change in of_commit:
            for values in contents(change):
                kind = values.get("_change_type", {"put": "insert"}.get(change.kind, change.kind))
                assert kind in ("insert", "update_preimage", "update_postimage", "delete")
                (new if kind in ("insert", "update_postimage") else gone)[shown(values)] += 1
        state.subtract(gone)
        assert min(state.values(), default=0) >= 0
        state = +state + new
    return state


def change_at_random(random_: random.Random, store: OfflineStore, folder: Path) -> None:
    kind = random_.choice(["append", "merge", "merge", "merge", "delete", "overwrite", "nothing", "compact"])
    keys = {(random_.randrange(8), random_.randrange(3)) for _ in range(random_.randrange(1, 6))}
    values = [
        row(item, day, random_.choice([None, 1.0, 2.0]), random_.choice("ab")) for item, day in sorted(keys)
    ]
    if kind == "compact":
        DeltaTable(str(folder / AT)).optimize.compact()
    elif kind == "append":
        existing = {key[:2] for key in state_of(store, store.commits(AT)[-1].number)}
        put(store, Change("append", rows(*(value for value in values if value[:2] not in existing))))
    elif kind == "merge":
        put(store, Change("merge", rows(*values), KEY))
    elif kind == "delete":
        on = random_.choice([KEY, ("item",)])
        put(store, Change("delete", rows(*values).select(list(on)).group_by(list(on)).aggregate([]), on))
    elif kind == "overwrite":
        put(store, Change("overwrite", rows(*values)))
    else:
        put(store, Change("append", rows()))


@pytest.mark.parametrize("partition_key", [(), ("place",)])
@pytest.mark.parametrize("seed", range(3))
def test_the_changes_between_two_commits_lead_from_one_to_the_other(
    tmp_path: Path, seed: int, partition_key: tuple[str, ...]
) -> None:
    random_, store = random.Random(seed), made(tmp_path, *partition_key)
    for _ in range(25):
        change_at_random(random_, store, tmp_path)
    numbers = [commit.number for commit in store.commits(AT)]
    states = {number: state_of(store, number) for number in numbers}
    states[-1] = Counter()
    assert sum(bool(state) for state in states.values()) > 5, "most states have rows"
    for reader in (store, DeltaOfflineStore(tmp_path)):
        for after in (-1, *numbers):
            for upto in (number for number in numbers if number >= after):
                changes = reader.changes(AT, after, upto)
                assert [change.commit for change in changes] == sorted(change.commit for change in changes)
                assert {change.commit for change in changes} <= {n for n in numbers if after < n <= upto}
                assert replay(states[after], changes) == states[upto], (after, upto)


def test_changes_are_of_our_commits_and_have_their_times(store: DeltaOfflineStore, tmp_path: Path) -> None:
    append(store, row(1), row(2))
    DeltaTable(str(tmp_path / AT)).optimize.compact()
    append(store, row(3))
    DeltaTable(str(tmp_path / AT)).optimize.compact()
    put(store, Change("merge", rows(row(1, price=5.0)), KEY))
    put(store, Change("overwrite", rows(row(7))))
    times = {commit.number: commit.committed_at_us for commit in store.commits(AT)}
    changes = store.changes(AT, -1, max(times))
    assert [(change.kind, change.n_rows) for change in changes] == [
        ("put", 2), ("put", 1), ("mixed", 0), ("delete", 3), ("put", 1)
    ]  # fmt: skip
    assert all(change.committed_at_us == times[change.commit] for change in changes)
    assert all(change.size_bytes == Path(change.path).stat().st_size for change in changes)
    assert store.changes(AT, max(times), max(times)) == ()


def test_a_changed_file_that_is_gone_is_an_error_that_says_from_where_on_history_is_whole(
    store: DeltaOfflineStore,
) -> None:
    numbers = [append(store, row(item)).number for item in range(4)]
    second = store.changes(AT, numbers[0], numbers[1])[0]
    Path(second.path).unlink()
    for after in (-1, 0, numbers[0]):
        with pytest.raises(TimeTravelError, match=f"whole from commit {numbers[1]} "):
            store.changes(AT, after, numbers[-1])
    assert len(store.changes(AT, -1, numbers[0])) == 1
    assert len(store.changes(AT, numbers[1], numbers[-1])) == 2


def test_a_log_without_its_begin_is_read_as_far_as_it_goes(store: DeltaOfflineStore, tmp_path: Path) -> None:
    """Another program may have cleaned it up: Delta allows that behind a checkpoint."""
    for item in range(12):
        append(store, row(item, item))
    wanted = {number: state_of(store, number) for number in range(13)}
    log = tmp_path / AT / "_delta_log"
    DeltaTable(str(tmp_path / AT)).create_checkpoint()
    for item in range(12, 15):
        append(store, row(item, item))
        wanted[item + 1] = state_of(store, item + 1)
    for number in range(10):
        (log / f"{number:020}.json").unlink()
    other = DeltaOfflineStore(tmp_path)
    assert [state_of(other, number) for number in (12, 13, 15)] == [wanted[12], wanted[13], wanted[15]]
    assert [commit.number for commit in other.commits(AT)] == list(range(10, 16))
    with pytest.raises(TimeTravelError, match="can no longer be read"):
        other.snapshot(AT, 10)
    assert replay(wanted[12], other.changes(AT, 12, 15)) == wanted[15]
    with pytest.raises(TimeTravelError, match="whole from commit 12 "):
        other.changes(AT, 5, 15)
    other.write(AT, other.snapshot(AT), Change("append", rows(row(99))), draft())
    assert other.snapshot(AT).n_rows == 16


@pytest.mark.parametrize("number", [0, 2])
def test_a_hole_in_the_log_is_an_error(store: DeltaOfflineStore, tmp_path: Path, number: int) -> None:
    for item in range(4):
        append(store, row(item))
    (tmp_path / AT / "_delta_log" / f"{number:020}.json").unlink()
    with pytest.raises(CorruptStoreError, match="missing before"):
        DeltaOfflineStore(tmp_path).snapshot(AT)


class TestRanges:
    def test_they_hold_every_value_of_whole_numbers_and_times(self, store: DeltaOfflineStore) -> None:
        random_ = random.Random(7)
        for item in range(30):
            drawn = [
                (
                    random_.choice([0, -1, 2**53 + 1, 2**63 - 1, -(2**63) + 1, random_.randrange(-99, 99)]),
                    random_.choice([0, 2**31 - 1, -(2**31), random_.randrange(-99, 99)]),
                    random_.choice(
                        [
                            None,
                            FIRST_US,
                            LAST_US,
                            -1,
                            999,
                            random_.randrange(-(10**6), 10**6),
                            random_.randrange(10**15),
                        ]
                    ),
                    random_.choice([None, 0, -1, random_.randrange(-9999, 9999)]),
                    1.0,
                    "a",
                )
                for _ in range(random_.randrange(1, 4))
            ]
            values = list({value[:2]: value for value in drawn}.values())
            put(store, Change("append" if item % 2 else "merge", rows(*values), () if item % 2 else KEY))
        files = store.snapshot(AT).files
        assert len(files) > 5
        for file in files:
            found = pq.read_table(file.path, partitioning=None)
            for name in ("item", "day", "at", "on"):
                values = found[name].cast(pa.int32()) if name == "on" else found[name]
                bounds = pc.min_max(values.cast(pa.int64()))
                if bounds["min"].is_valid:
                    low, high = file.ranges[name]
                    assert low <= bounds["min"].as_py() <= bounds["max"].as_py() <= high
                    assert low >= bounds["min"].as_py() - 1_000 and high <= bounds["max"].as_py() + 1_000
                else:
                    assert name not in file.ranges
            assert not {"price", "place"} & set(file.ranges)

    def test_years_that_text_cannot_say_are_unknown(self, store: DeltaOfflineStore) -> None:
        append(store, (1, 1, LAST_US + 1, 0, 1.0, "a"))
        append(store, (1, 2, FIRST_US - 1, 0, 1.0, "a"))
        append(store, (1, 3, 2**63 - 1, 0, 1.0, "a"))
        append(store, (1, 4, None, None, 1.0, "a"))
        assert ["at" in file.ranges for file in store.snapshot(AT).files] == [False] * 4

    def test_a_column_that_a_file_lacks_is_unknown(self, store: DeltaOfflineStore) -> None:
        append(store, row(1))
        spec = store.spec(AT)
        wider = FeatureGroupSpec(
            project=spec.project,
            name=spec.name,
            version=1,
            id=spec.id,
            location=AT,
            features=(*spec.features, FeatureSpec(name="rank", type="int")),
            primary_key=KEY,
        )
        store.alter(AT, wider, draft("append_features"))
        put(store, Change("append", rows(row(2)).append_column("rank", pa.array([5], pa.int32()))))
        ranges = [file.ranges.get("rank") for file in store.snapshot(AT).files]
        assert sorted(ranges, key=str) == [(5, 5), None]


def test_partition_values_come_typed(tmp_path: Path) -> None:
    store = made(tmp_path, "on", "day", "place")
    append(store, (1, -7, 0, -1, 1.0, "a b/c=é%"), (2, 8, 0, None, 1.0, None))
    files = sorted(store.snapshot(AT).files, key=lambda file: file.ranges["item"])
    assert [file.partition for file in files] == [
        {
            "on": Value(type="date", value=(date(1969, 12, 31) - date(1970, 1, 1)).days),
            "day": Value(type="int", value=-7),
            "place": Value(type="string", value="a b/c=é%"),
        },
        {"on": None, "day": Value(type="int", value=8), "place": None},
    ]
    assert all(Path(file.path).exists() for file in files)
    assert state_of(store, 1) == Counter([(1, -7, 0, -1, 1.0, "a b/c=é%"), (2, 8, 0, None, 1.0, None)])
    changes = store.changes(AT, 0, 1)
    assert [change.partition for change in changes] in (
        [f.partition for f in files],
        [f.partition for f in files][::-1],
    )
