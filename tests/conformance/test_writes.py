"""Writing: commits, identities, duplicates, the online state, idempotence, types."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from groups import column, make_group
from hopyard.errors import ExistingRowsError, HopyardWarning
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.testing.frames import assert_same_rows, exact, frame
from hopyard.testing.store import InjectedError, ManualClock, fail_at, open_store

FEATURES = {"id": "bigint", "t": "timestamp", "x": "double"}


def readings(fs: FeatureStore, rows: list[tuple[Any, ...]] | None = None) -> FeatureGroup:
    return make_group(fs, "g", FEATURES, rows or [], primary_key=["id"], event_time="t", online_enabled=True)


def serve(fs: FeatureStore, group: FeatureGroup) -> FeatureView:
    view = fs.create_feature_view("v", group.select(["x"]))
    view.init_serving()
    return view


def online(view: FeatureView, id_: int) -> object:
    return view.get_feature_vector({"id": id_}, allow_missing=True)[0]


# --- 3.1 and 3.2: frames and commits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda columns: pd.DataFrame(columns),
        lambda columns: pl.DataFrame(columns),
        lambda columns: pl.DataFrame(columns).lazy().collect(),
        lambda columns: pa.table(columns),
        lambda columns: pa.RecordBatchReader.from_batches(
            pa.table(columns).schema, pa.table(columns).to_batches()
        ),
        lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
    ],
    ids=["pandas", "polars", "collected", "arrow", "stream", "dicts"],
)
def test_every_kind_of_frame_gives_the_same_group(fs: FeatureStore, make: Any) -> None:
    columns = {"id": [1, 2], "t": [datetime(2025, 1, 1, tzinfo=UTC)] * 2, "x": [0.5, -0.0], "s": ["a", "ä"]}
    group = fs.create_feature_group("g", primary_key=["id"], event_time="t")
    commit = group.insert(make(columns))
    assert (commit.n_rows_in, commit.n_inserted) == (2, 2)
    assert {f.name: f.type for f in group.features} == {
        "id": "bigint",
        "t": "timestamp",
        "x": "double",
        "s": "string",
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert_same_rows(group.read(dataframe_type="python", order_by=["id"]), rows)


def test_a_commit_says_what_it_did(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-01", 1.0), (2, "2025-01-01", 2.0)])
    rows = [(1, "2025-01-01", 1.0), (2, "2025-01-01", 9.0), (3, "2025-01-01", 3.0), (3, "2025-01-01", 4.0)]
    with pytest.warns(HopyardWarning, match="1 of 4 rows"):
        commit = group.insert(frame(FEATURES, rows))
    assert (commit.number, commit.n_rows_in, commit.n_duplicates) == (2, 4, 1)
    assert (commit.n_inserted, commit.n_updated, commit.n_unchanged) == (1, 1, 1)
    assert commit.is_online and commit.operation == "upsert"


def test_an_insert_is_all_or_nothing_when_it_fails_before_its_commit(tmp_path: Path) -> None:
    readings(open_store(tmp_path / "s").get_feature_store(), [(1, "2025-01-01", 1.0)])
    broken = open_store(tmp_path / "s", failpoint=fail_at("before_offline_commit")).get_feature_store()
    with pytest.raises(InjectedError):
        broken.get_feature_group("g").insert(frame(FEATURES, [(2, "2025-01-01", 2.0)]))
    group = open_store(tmp_path / "s").get_feature_store().get_feature_group("g")
    assert column(group, "id") == [1]


def test_a_commit_whose_online_apply_was_lost_is_applied_by_the_next_writer(tmp_path: Path) -> None:
    readings(open_store(tmp_path / "s").get_feature_store(), [(1, "2025-01-01", 1.0)])
    broken = open_store(tmp_path / "s", failpoint=fail_at("after_offline_commit")).get_feature_store()
    with pytest.raises(InjectedError):
        broken.get_feature_group("g").insert(frame(FEATURES, [(2, "2025-01-01", 2.0)]))
    fs = open_store(tmp_path / "s").get_feature_store()
    group = fs.get_feature_group("g")
    view = serve(fs, group)
    assert column(group, "id") == [1, 2]  # the commit stands
    assert online(view, 2) is None  # and readers never finish what a writer left
    group.insert(frame(FEATURES, [(3, "2025-01-01", 3.0)]))
    assert [online(view, id_) for id_ in (1, 2, 3)] == [1.0, 2.0, 3.0]


def test_a_known_commit_id_returns_its_commit_and_writes_nothing(fs: FeatureStore) -> None:
    group = readings(fs)
    first = group.insert(frame(FEATURES, [(1, "2025-01-01", 1.0)]), commit_id="a")
    group.insert(frame(FEATURES, [(1, "2025-01-01", 2.0)]))
    again = group.insert(frame(FEATURES, [(1, "2025-01-01", 1.0)]), commit_id="a")
    assert again == first
    assert column(group, "x") == [2.0]
    assert len(group.commit_details()) == 3


# --- 3.3 and 3.4: identities ------------------------------------------------------------------------------------------


def test_upsert_replaces_by_primary_key_and_event_time(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-01", 1.0), (1, "2025-01-02", 2.0)])
    group.insert(frame(FEATURES, [(1, "2025-01-02", None), (1, "2025-01-03", 3.0)]))
    assert column(group, "x", ["t"]) == [1.0, None, 3.0]


def test_insert_keeps_its_promise_or_raises(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-01", 1.0)])
    assert group.insert(frame(FEATURES, [(1, "2025-01-02", 2.0)]), operation="insert").n_inserted == 1
    with pytest.raises(ExistingRowsError):
        group.insert(frame(FEATURES, [(1, "2025-01-02", 2.0)]), operation="insert")


def test_the_last_row_of_an_identity_wins_offline_and_online(fs: FeatureStore) -> None:
    group = readings(fs)
    view = serve(fs, group)
    with pytest.warns(HopyardWarning, match="2 of 3 rows"):
        group.insert(frame(FEATURES, [(1, "2025-01-01", float(n)) for n in (3, 9, 1)]))
    assert column(group, "x") == [1.0]
    assert online(view, 1) == 1.0


def test_a_keyless_group_only_grows(fs: FeatureStore) -> None:
    features = {"t": "timestamp", "line": "string"}
    group = make_group(fs, "log", features, [("2025-01-01", "a")] * 2, event_time="t")
    commit = group.insert(frame(features, [("2025-01-01", "a")]))
    assert (commit.n_inserted, commit.n_duplicates) == (1, 0)
    assert column(group, "line", ["t"]) == ["a", "a", "a"]


def test_equal_values_are_unchanged_bit_for_bit(fs: FeatureStore) -> None:
    features = {"id": "bigint", "x": "double", "a": "array<double>"}
    nan = float("nan")
    rows = [(1, nan, [nan, None]), (2, -0.0, [-0.0]), (3, None, None), (4, 0.0, [])]
    group = make_group(fs, "g", features, rows, primary_key=["id"])
    assert group.insert(frame(features, rows)).n_unchanged == 4
    commit = group.insert(
        frame(features, [(1, None, [nan, None]), (2, 0.0, [-0.0]), (3, nan, None), (4, 0.0, None)])
    )
    assert (commit.n_updated, commit.n_unchanged) == (4, 0)
    assert [exact(x) for x in column(group, "x")] == [exact(x) for x in (None, 0.0, nan, 0.0)]


# --- 3.5 and 3.8: the online state is a function of the snapshot ------------------------------------------------------


def test_an_older_row_never_overwrites_a_newer_one_online(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-02", 2.0)])
    view = serve(fs, group)
    group.insert(frame(FEATURES, [(1, "2025-01-01", 1.0)]))
    assert online(view, 1) == 2.0
    group.insert(frame(FEATURES, [(1, "2025-01-02", 2.5), (1, "1960-01-01", 0.0)]))
    assert online(view, 1) == 2.5


def test_without_event_time_the_row_is_the_newest(fs: FeatureStore) -> None:
    features = {"id": "bigint", "x": "double"}
    group = make_group(fs, "g", features, [(1, 2.0)], primary_key=["id"], online_enabled=True)
    view = serve(fs, group)
    group.insert(frame(features, [(1, 1.0)]))
    assert online(view, 1) == 1.0
    group.remove_rows([{"id": 1}])
    assert online(view, 1) is None


def test_removing_rows_shows_the_newest_one_that_remains(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-01", 1.0), (1, "2025-01-02", 2.0), (2, "2025-01-01", 5.0)])
    view = serve(fs, group)
    commit = group.remove_rows([{"id": 1, "t": datetime(2025, 1, 2)}, {"id": 7, "t": datetime(2025, 1, 2)}])
    assert (commit.operation, commit.n_rows_in, commit.n_deleted) == ("delete", 2, 1)
    assert online(view, 1) == 1.0
    group.insert(frame(FEATURES, [(1, "2025-01-01T12:00", 1.5)]))  # a removal leaves no tombstone
    assert online(view, 1) == 1.5
    assert group.remove_rows([{"id": 1}]).n_deleted == 2
    assert (online(view, 1), online(view, 2)) == (None, 5.0)


def test_overwrite_replaces_offline_and_online(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-02", 1.0), (2, "2025-01-02", 2.0)])
    view = serve(fs, group)
    group.insert(frame(FEATURES, [(2, "2025-01-01", 9.0)]), overwrite=True)
    assert column(group, "id") == [2]
    assert (online(view, 1), online(view, 2)) == (None, 9.0)
    group.insert(frame(FEATURES, []), overwrite=True)
    assert (column(group, "id"), online(view, 2)) == ([], None)


def test_a_row_of_the_future_is_kept_where_it_is_allowed(tmp_path: Path) -> None:
    clock = ManualClock("2025-01-01")
    fs = open_store(tmp_path / "s", clock=clock).get_feature_store()
    group = readings(fs)
    view = serve(fs, group)
    group.insert(frame(FEATURES, [(1, "2025-01-01", 1.0)]))  # dated now
    group.insert(frame(FEATURES, [(1, "2025-06-01", 6.0)]), allow_future=True)
    assert online(view, 1) == 6.0


def test_appended_features_are_null_or_their_default_offline_and_online(fs: FeatureStore) -> None:
    group = readings(fs, [(1, "2025-01-01", 1.0)])
    group.append_features({"y": "int", "z": "string"}, defaults={"z": "none"})
    view = fs.create_feature_view("v", group.select(["x", "y", "z"]))
    view.init_serving()
    assert view.get_feature_vector({"id": 1}) == [1.0, None, "none"]
    wide = {**FEATURES, "y": "int", "z": "string"}
    group.insert(frame(wide, [(2, "2025-01-01", 2.0, 7, None)]))
    assert view.get_feature_vector({"id": 2}) == [2.0, 7, None]
    assert column(group, "z") == ["none", None]


# --- 3.7 and 10: types ------------------------------------------------------------------------------------------------


def test_incoming_values_that_fit_exactly_are_accepted(fs: FeatureStore) -> None:
    features = {"id": "bigint", "n": "int", "x": "double", "f": "float"}
    group = make_group(fs, "g", features, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1.0, 2.0], "n": [1.0, np.nan], "x": [2**53, 1], "f": [0.5, 1.0]}))
    assert column(group, "n") == [1, None]
    assert column(group, "x") == [2.0**53, 1.0]


def test_nan_of_numpy_in_pandas_is_null_and_elsewhere_it_is_not(fs: FeatureStore) -> None:
    features = {"id": "bigint", "x": "double"}
    group = make_group(fs, "g", features, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1], "x": [np.nan]}))
    group.insert(pl.DataFrame({"id": [2, 3], "x": [float("nan"), None]}))
    assert [exact(x) for x in column(group, "x")] == [exact(x) for x in (None, float("nan"), None)]


def test_nanoseconds_are_truncated_with_one_warning(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"id": "bigint", "t": "timestamp"}, primary_key=["id"])
    times = pa.array([1, 1999, -1], pa.timestamp("ns"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        group.insert(pa.table({"id": [1, 2, 3], "t": times}))
    assert [warning.category for warning in caught] == [HopyardWarning]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert column(group, "t") == [epoch + timedelta(microseconds=us) for us in (0, 1, -1)]


def test_aware_and_naive_times_mean_utc(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"id": "bigint", "t": "timestamp"}, primary_key=["id"])
    zoned = pa.array([0], pa.timestamp("s", "America/New_York"))
    group.insert(pa.table({"id": [1], "t": zoned}))
    group.insert(pa.table({"id": [2], "t": pa.array([0], pa.timestamp("ms"))}))
    assert column(group, "t") == [datetime(1970, 1, 1, tzinfo=UTC)] * 2


EXTREMES: dict[str, list[object]] = {
    "bigint": [2**63 - 1, -(2**63)],
    "int": [2**31 - 1, -(2**31)],
    "double": [-0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308],
    "float": [-0.0, float("inf"), float("nan"), 1.401298464324817e-45],
    "string": ["", "\x00", "\U0001d4b3", "\u202e", " ", "ä", "a\u0308"],
    "binary": [b"", b"\x00\xff"],
    "boolean": [True, False],
    "timestamp": [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)],
    "array<float>[2]": [[-0.0, None], None],
    "array<string>": [[], [""], [None]],
    "struct<a:array<bigint>,b:struct<c:double>>": [{"a": [1], "b": {"c": -0.0}}, {"a": None, "b": None}],
}  # fmt: skip


@pytest.mark.parametrize("type_", EXTREMES)
def test_extreme_values_round_trip_offline_and_online(fs: FeatureStore, type_: str) -> None:
    values = [*EXTREMES[type_], None]
    features = {"id": "bigint", "v": type_}
    group = make_group(fs, "g", features, enumerate(values), primary_key=["id"], online_enabled=True)
    view = fs.create_feature_view("v", group.select(["v"]))
    view.init_serving()
    vectors = view.get_feature_vectors([{"id": n} for n in range(len(values))])
    expected = [exact(value) for value in values]
    assert [exact(vector[0]) for vector in vectors] == expected
    assert [exact(value) for value in column(group, "v")] == expected
    joined = group.select(["id"]).join(group.select(["v"]), on=["id"])
    assert [exact(value) for value in column(joined, "v")] == expected
