"""What changed between two commits: net, one row per identity, equal to the difference of the two states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable
from hypothesis import given, note
from hypothesis import strategies as st

from conformance.test_query_properties import (
    EXAMPLES,
    KEY_TYPES,
    VALUES,
    History,
    Row,
    apply_change,
    changes,
    nullable,
    same_row,
    store_table,
    tables,
)
from groups import make_group
from hopyard.errors import ConfigError, QueryError, TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.retrieve.changes import _places, _surplus
from hopyard.testing.frames import assert_same_rows, exact, frame
from hopyard.testing.store import ManualClock, open_store

pytestmark = pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")

FEATURES = {"id": "bigint", "x": "double"}
NAN = float("nan")
State = dict[tuple[object, ...], Row]


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture(scope="module")
def fs(tmp_path_factory: pytest.TempPathFactory, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path_factory.mktemp("changes") / "store", clock=clock).get_feature_store()


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(10**9))


@pytest.fixture
def group(fs: FeatureStore, numbers: Iterator[int], clock: ManualClock) -> FeatureGroup:
    """An empty group; its only commit is number 0."""
    clock.set("2026-01-01")
    return make_group(fs, f"named{next(numbers)}", FEATURES, primary_key=["id"])


def put(group: FeatureGroup, *rows: tuple[object, ...], **options: Any) -> int:
    return group.insert(frame(FEATURES, rows), **options).number


def read(group: FeatureGroup, start: Any = None, end: Any = None) -> list[tuple[object, ...]]:
    """Return the changes as tuples that are equal for equal bits only, `_change_type` last."""
    found = group.read_changes(start, end, include_change_type=True, dataframe_type="python")
    return rows_of(found)


def rows_of(rows: Iterable[Row]) -> list[tuple[object, ...]]:
    return [tuple(exact(value) for value in row.values()) for row in rows]


def expected(*rows: tuple[object, ...]) -> list[tuple[object, ...]]:
    return [tuple(exact(value) for value in row) for row in rows]


def test_each_kind_of_change_shows_once_in_the_order_of_the_identity(group: FeatureGroup) -> None:
    first = put(group, (3, 3.0), (1, 1.0), (2, 2.0))
    put(group, (2, 2.5), (4, 4.0))
    group.remove_rows([{"id": 1}])
    assert read(group, first) == expected((1, 1.0, "delete"), (2, 2.5, "update"), (4, 4.0, "insert"))


def test_without_the_change_type_deleted_rows_do_not_show(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0), (2, 2.0))
    put(group, (2, 2.5), (4, 4.0))
    group.remove_rows([{"id": 1}])
    assert group.read_changes(first, dataframe_type="python") == [{"id": 2, "x": 2.5}, {"id": 4, "x": 4.0}]


def test_the_start_is_excluded_and_the_end_included(group: FeatureGroup) -> None:
    numbers = [put(group, (number, float(number))) for number in (1, 2, 3)]
    assert read(group, numbers[0], numbers[1]) == expected((2, 2.0, "insert"))
    assert read(group, numbers[1], numbers[1]) == []
    assert read(group, numbers[2]) == []


def test_without_a_start_from_the_beginning_and_without_an_end_to_the_latest(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0))
    put(group, (1, 2.0), (2, 2.0))
    assert read(group) == read(group, 0) == expected((1, 2.0, "insert"), (2, 2.0, "insert"))
    assert read(group, None, first) == expected((1, 1.0, "insert"))
    assert read(group, None, 0) == []


def test_a_row_that_came_and_went_is_no_change(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0))
    put(group, (2, 2.0))
    group.remove_rows([{"id": 2}])
    assert read(group, first) == []


def test_a_row_that_went_and_came_back_is_an_update_or_nothing(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0), (2, 2.0))
    group.remove_rows([{"id": 1}, {"id": 2}])
    put(group, (1, 1.0), (2, 7.0))
    assert read(group, first) == expected((2, 7.0, "update"))


def test_an_overwrite_with_equal_rows_is_no_change(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0), (2, NAN), (3, None))
    put(group, (1, 1.0), (2, NAN), (3, None), (4, 4.0), overwrite=True)
    assert read(group, first) == expected((4, 4.0, "insert"))


@pytest.mark.parametrize(
    ("before", "after"), [(0.0, -0.0), (None, NAN), (NAN, None), (None, 0.0), (1.0, 1.0000000000000002)]
)
def test_values_are_equal_only_bit_for_bit(
    group: FeatureGroup, before: float | None, after: float | None
) -> None:
    first = put(group, (1, before))
    put(group, (1, after))
    assert read(group, first) == expected((1, after, "update"))


@pytest.mark.parametrize(
    ("type_", "before", "after"),
    [
        ("array<double>", [0.0], [-0.0]),
        ("array<double>", [NAN, None], [None, NAN]),
        ("array<double>", [], None),
        ("array<string>", [""], [None]),
        ("struct<a:double,b:string>", {"a": 0.0, "b": None}, {"a": -0.0, "b": None}),
        ("struct<a:bigint,b:string>", {"a": None, "b": None}, None),
        ("string", "a\u0308", "ä"),
        ("decimal(6,2)", Decimal("0.10"), Decimal("0.11")),
    ],
)
def test_every_type_is_compared_by_what_is_stored(
    fs: FeatureStore, numbers: Iterator[int], type_: str, before: object, after: object
) -> None:
    features = {"id": "bigint", "v": type_}
    rows = [(1, before), (2, after), (3, before)]
    group = make_group(fs, f"typed{next(numbers)}", features, rows, primary_key=["id"])
    group.insert(frame(features, [(1, after), (2, after), (3, before)]), overwrite=True)
    assert read(group, 1) == expected((1, after, "update"))


def test_instants_mean_the_commits_at_or_before_them(group: FeatureGroup, clock: ManualClock) -> None:
    for day in (2, 3, 4):
        clock.set(f"2026-01-0{day}")
        put(group, (day, 0.0))
    assert read(group, "2026-01-02", "2026-01-03") == expected((3, 0.0, "insert"))
    assert read(group, "2026-01-02T23:59:59.999999", datetime(2026, 1, 3, 12, tzinfo=UTC)) == read(
        group, 1, 2
    )
    assert read(group, 1, "2026-01-03") == read(group, "20260102", 2)
    assert read(group, "2030-01-01") == []
    # Before the first commit there was nothing to differ from.
    assert read(group, "2020-01-01", 1) == read(group, None, 1) == expected((2, 0.0, "insert"))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2, 1, "start=2 is later than end=1"),
        ("2026-01-03", "2026-01-02", "start='2026-01-03' is later than end='2026-01-02'"),
        ("2031-01-01", "2030-01-01", "is later than"),
        ("2026-01-03", 1, "is later than end=1"),
        (None, "2020-01-01", "first commit is number 0, at 2026-01-01T00:00:00Z"),
        (9, None, "There is no commit 9"),
        (None, 9, "There is no commit 9"),
        (-1, None, "There is no commit -1"),
        ("soon", None, "'soon' is no instant"),
        (1.5, None, "1.5 is no instant"),
    ],
)
def test_states_that_cannot_be_compared_are_refused(
    group: FeatureGroup, clock: ManualClock, start: Any, end: Any, message: str
) -> None:
    for day in (2, 3):
        clock.set(f"2026-01-0{day}")
        put(group, (day, 0.0))
    with pytest.raises(TimeTravelError, match=message):
        group.read_changes(start, end)


def test_a_feature_that_came_later_counts_as_null_before(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0), (2, 2.0), (3, 3.0))
    group.append_features({"y": "int"})
    group.insert([{"id": 2, "x": 2.0, "y": 5}, {"id": 3, "x": 3.0, "y": None}])
    group.remove_rows([{"id": 1}])
    assert read(group, first) == expected((1, 1.0, None, "delete"), (2, 2.0, 5, "update"))
    assert group.read_changes(0, first, dataframe_type="arrow").column_names == ["id", "x"]


def test_a_default_of_a_feature_that_came_later_is_an_update(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0))
    group.append_features({"y": "int"}, defaults={"y": 7})
    assert read(group, first) == expected((1, 1.0, 7, "update"))


def test_a_group_of_keys_alone_has_inserts_and_deletes(fs: FeatureStore, numbers: Iterator[int]) -> None:
    features = {"id": "bigint"}
    group = make_group(fs, f"keys{next(numbers)}", features, [(1,), (2,)], primary_key=["id"])
    group.insert(frame(features, [(2,), (3,)]), overwrite=True)
    assert read(group, 1) == expected((1, "delete"), (3, "insert"))


def test_compaction_changes_nothing(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0), (2, -0.0))
    for number in range(3, 8):
        put(group, (number, NAN))
    before = read(group, first)
    assert DeltaTable(group.location).optimize.compact()["numFilesRemoved"] > 1
    assert read(group, first) == before
    assert read(group, 6) == []
    last = put(group, (3, 3.0))
    assert read(group, 6, last) == expected((3, 3.0, "update"))


def test_rows_of_a_group_without_key_are_counted(fs: FeatureStore, numbers: Iterator[int]) -> None:
    group = make_group(fs, f"keyless{next(numbers)}", FEATURES, [(1, 0.0), (1, 0.0), (2, NAN), (3, None)])
    put(group, (1, 0.0), (1, -0.0))
    assert Counter(read(group, 1)) == Counter(expected((1, 0.0, "insert"), (1, -0.0, "insert")))
    put(group, (1, 0.0), (2, NAN), (2, NAN), overwrite=True)
    assert Counter(read(group, 1)) == Counter(
        expected((1, 0.0, "delete"), (2, NAN, "insert"), (3, None, "delete"))
    )
    assert read(group, 1) == read(group, 1)


def test_rows_that_share_one_of_their_hashes_stay_apart() -> None:
    start, end = (
        np.array(pairs, np.uint64).T for pairs in ([(7, 1), (7, 3)], [(7, 3), (7, 2), (7, 3), (5, 1)])
    )
    hashes, surplus = _surplus(start, end)
    assert hashes.T.tolist() == [[5, 1], [7, 1], [7, 2], [7, 3]]
    assert surplus.tolist() == [1, -1, 1, 1]
    assert _places(hashes, end).tolist() == [3, 2, 3, 0]


def test_the_order_depends_on_nothing_physical(fs: FeatureStore, numbers: Iterator[int]) -> None:
    """Two groups with the same content by other commits: keys in another order, more files."""
    found = []
    for keys in ([1, 2, 3, 4, 5], [5, 3, 1, 4, 2]):
        for primary_key in (["id"], []):
            group = make_group(fs, f"ordered{next(numbers)}", FEATURES, primary_key=primary_key)
            for key in keys:
                put(group, (key, key / 2))
            found.append(read(group))
    assert found[0] == found[2] and found[1] == found[3] and sorted(found[1]) == sorted(found[0])


def test_the_result_comes_in_the_dataframe_asked_for(group: FeatureGroup) -> None:
    put(group, (1, 1.0))
    assert group.read_changes().columns.tolist() == ["id", "x"]
    table = group.read_changes(include_change_type=True, dataframe_type="arrow")
    assert table.schema.names == ["id", "x", "_change_type"]
    assert [str(type_) for type_ in table.schema.types] == ["int64", "double", "string"]
    assert group.read_changes(1, include_change_type=True, dataframe_type="arrow").schema == table.schema
    with pytest.raises(ConfigError, match="'spark'"):
        group.read_changes(dataframe_type="spark")


def test_a_group_that_is_not_stored_has_no_changes_to_read(fs: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="not stored yet"):
        fs.create_feature_group("draft", primary_key="id").read_changes()


def test_a_state_whose_files_are_gone_is_an_error(group: FeatureGroup) -> None:
    first = put(group, (1, 1.0))
    put(group, (1, 2.0))
    for path in Path(group.location).glob("*.parquet"):
        path.unlink()
    with pytest.raises((TimeTravelError, QueryError)):
        group.read_changes(first)


def test_commit_details_end_at_an_instant_or_a_number(group: FeatureGroup, clock: ManualClock) -> None:
    for day in (2, 3, 4):
        clock.set(f"2026-01-0{day}")
        put(group, (day, 0.0))

    def numbers(**options: Any) -> list[int]:
        return [commit.number for commit in group.commit_details(**options)]

    assert numbers() == [3, 2, 1, 0]
    assert numbers(as_of="2026-01-03") == numbers(as_of=2) == [2, 1, 0]
    assert numbers(as_of="2026-01-03T23:59:59", limit=2) == [2, 1]
    assert numbers(limit=0) == []
    with pytest.raises(TimeTravelError, match="first commit is number 0"):
        numbers(as_of="2025-12-31")
    with pytest.raises(TimeTravelError, match="no commit 9"):
        numbers(as_of=9)
    with pytest.raises(QueryError, match="limit=-1 must be a whole number"):
        numbers(limit=-1)


# --- Properties -------------------------------------------------------------------------------------------------------


def difference(before: State, after: State, features: list[str]) -> list[Row]:
    """Return what read_changes must give from one state to another."""
    rows = []
    for identity in before.keys() | after.keys():
        old, new = (
            None if row is None else {name: row.get(name) for name in features}
            for row in (before.get(identity), after.get(identity))
        )
        if new is None:
            assert old is not None
            rows.append({**old, "_change_type": "delete"})
        elif old is None:
            rows.append({**new, "_change_type": "insert"})
        elif not same_row(old, new):
            rows.append({**new, "_change_type": "update"})
    return rows


def apply(state: State, found: list[Row], identity: tuple[str, ...]) -> State:
    """Return the state after changes, each of which must be possible."""
    after = dict(state)
    for row in found:
        values = {name: value for name, value in row.items() if name != "_change_type"}
        key = tuple(row[name] for name in identity)
        assert (key in after) == (row["_change_type"] != "insert")
        if row["_change_type"] == "delete":
            assert_same_rows([values], [{name: after[key].get(name) for name in values}])
            del after[key]
        else:
            after[key] = values
    return after


def append_feature(data: st.DataObject, history: History) -> None:
    """Append a feature, with a default or without, to the group and to the model of it."""
    type_ = data.draw(st.sampled_from(list(VALUES)))
    name = f"later{len(history.states)}"
    is_scalar = not type_.startswith(("array", "struct"))
    default = data.draw(nullable(type_)) if is_scalar and data.draw(st.booleans()) else None
    history.group.append_features({name: type_}, defaults={} if default is None else {name: default})
    history.table = replace(history.table, features={**history.table.features, name: type_})
    state = {identity: {**row, name: default} for identity, row in history.states[-1][2].items()}
    commit = history.group.commit_details(1)[0]
    history.states.append((commit.number, commit.committed_at_us, state))


@EXAMPLES
@given(data=st.data())
def test_changes_are_the_difference_of_the_states(
    data: st.DataObject, fs: FeatureStore, numbers: Iterator[int], clock: ManualClock
) -> None:
    keys = {"k0": data.draw(st.sampled_from(KEY_TYPES))}
    table = replace(data.draw(tables(keys, is_root=data.draw(st.booleans()), max_rows=0)), rows=[])
    group = store_table(fs, numbers, table)
    created = group.commit_details()[-1]
    history = History(table, group, [(created.number, created.committed_at_us, {})])
    columns = [list(table.features)]
    for _ in range(data.draw(st.integers(1, 5))):
        clock.advance(timedelta(microseconds=data.draw(st.sampled_from([0, 1, 1_000_000]))))
        if data.draw(st.integers(0, 5)) == 0:
            append_feature(data, history)
        else:
            operation, rows = data.draw(changes(history.table))
            note(f"{operation} {rows}")
            apply_change(history, operation, rows, same_row)
        columns.append(list(history.table.features))
        if data.draw(st.integers(0, 4)) == 0:
            DeltaTable(group.location).optimize.compact()
    first = data.draw(st.integers(0, len(history.states) - 1))
    last = data.draw(st.integers(first, len(history.states) - 1))
    (start, start_us, before), (end, end_us, after) = history.states[first], history.states[last]
    by_time = data.draw(st.booleans())
    start_at, end_at = (
        datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us) for us in (start_us, end_us)
    )
    found = group.read_changes(
        start_at if by_time else start,
        end_at if by_time else end,
        include_change_type=True,
        dataframe_type="python",
    )
    assert_same_rows(found, difference(before, after, columns[last]), any_order=True)
    kept = apply(before, found, table.identity)
    complete = [{name: row.get(name) for name in columns[last]} for row in kept.values()]
    assert_same_rows(complete, after.values(), any_order=True)
    shown = group.read_changes(start, end, dataframe_type="python")
    assert_same_rows(
        shown,
        [
            {n: v for n, v in row.items() if n != "_change_type"}
            for row in found
            if row["_change_type"] != "delete"
        ],
    )


@EXAMPLES
@given(data=st.data())
def test_changes_without_key_are_the_difference_of_the_counts(
    data: st.DataObject, fs: FeatureStore, numbers: Iterator[int]
) -> None:
    features = {"n": "bigint", "v": data.draw(st.sampled_from(list(VALUES)))}
    group = make_group(fs, f"counted{next(numbers)}", features)
    row = st.tuples(st.sampled_from([None, 0, 1]), nullable(features["v"]))
    states: list[list[tuple[object, ...]]] = [[]]
    for _ in range(data.draw(st.integers(1, 4))):
        rows, is_overwrite = data.draw(st.lists(row, max_size=5)), data.draw(st.booleans())
        group.insert(frame(features, rows), overwrite=is_overwrite)
        states.append([*([] if is_overwrite else states[-1]), *rows])
    start = data.draw(st.integers(0, len(states) - 1))
    end = data.draw(st.integers(start, len(states) - 1))
    before, after = (Counter(expected(*state)) for state in (states[start], states[end]))
    wanted = Counter({(*found, exact("insert")): n for found, n in (after - before).items()})
    wanted += Counter({(*found, exact("delete")): n for found, n in (before - after).items()})
    assert Counter(read(group, start, end)) == wanted
