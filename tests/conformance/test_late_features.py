"""Features that are fetched for the winners alone: results in several parts, and nothing physical that shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups import column, make_group
from hopyard.engines.duckdb import DuckDBEngine
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.query.prune import prune
from hopyard.query.resolve import resolve
from hopyard.retrieve.assemble import BATCH_ROWS, late_nodes, rows_per_part
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer
from hopyard.testing.store import open_store
from variants import VARIANTS, in_variant

N = 300_000
LEFT = {"id": "bigint", "k": "bigint", "t": "timestamp", "a": "double", "b": "string"}
RIGHT = {"k": "bigint", "t": "timestamp", "x": "double", "s": "string"}


@pytest.fixture
def fs(store: Project) -> FeatureStore:
    return in_variant(store.get_feature_store(), "late_features")


def late(query: Any) -> frozenset[int]:
    """Return which nodes of a query are fetched late."""
    plan, snapshots = resolve(query._session, query.plan)
    n_rows = query._frame.num_rows if query._frame is not None else snapshots[0].n_rows
    return late_nodes(plan, prune(plan, snapshots, query._frame), n_rows, (), query._session.config)


@pytest.mark.parametrize(
    ("n_labels", "n_rows", "n_features", "memory_limit", "expected"),
    [
        (100_000, 1_000_000, 6, "8GB", {1}),
        (100_000, 1_000_000, 5, "8GB", set()),  # few features: to carry them is cheaper
        (500_001, 1_000_000, 6, "8GB", set()),  # most rows win
        (1_000_000, 1_000_000, 6, "400MB", {1}),  # 54 MB would be carried
        (1_000_000, 1_000_000, 2, "400MB", set()),
        (1_000_000, 9_000_000, 2, "400MB", {1}),
        (10_000, 100_000, 20, "8GB", set()),  # so little that two statements cost more
        (50_000, 100_000, 500, "8GB", {1}),
    ],
)
def test_features_are_fetched_late_where_few_of_many_win_or_memory_is_short(
    store: Project, n_labels: int, n_rows: int, n_features: int, memory_limit: str, expected: set[int]
) -> None:
    fs = store.get_feature_store()
    left = make_group(fs, "lefts", LEFT, [(1, 1, "2025-01-02", 1.0, "b")], primary_key="id", event_time="t")
    names = [f"x{n}" for n in range(n_features)]
    features = {"k": "bigint", "t": "timestamp"} | dict.fromkeys(names, "double")
    row = (1, "2025-01-01", *([1.0] * n_features))
    right = make_group(fs, "rights", features, [row], primary_key="k", event_time="t")
    query = left.select(["a"]).join(right.select(names), on=["k"])
    plan, snapshots = resolve(query._session, query.plan)
    counts = {0: n_labels, 1: n_rows}
    for node, snapshot in snapshots.items():
        (file,) = snapshot.files
        snapshots[node] = msgspec.structs.replace(
            snapshot, files=(msgspec.structs.replace(file, n_rows=counts[node]),)
        )
    config = replace(query._session.config, memory_limit=memory_limit)
    assert late_nodes(plan, snapshots, n_labels, (), config) == expected


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Return a store with 300,000 left rows and 1,000 right ones, with room for one batch at a time."""
    fs = open_store(tmp_path_factory.mktemp("large") / "store").get_feature_store()
    fs = in_variant(fs, "late_features")
    session = fs._session
    fs = FeatureStore(replace(session, config=replace(session.config, memory_limit="256MB")))
    left = fs.create_feature_group("lefts", primary_key="id", event_time="t", features=LEFT)
    ids = np.random.default_rng(5).permutation(N)
    times = pa.array(ids * 1_000_000, pa.timestamp("us", "UTC"))
    left.insert(
        pa.table(
            {"id": ids, "k": ids % 1_100, "t": times, "a": ids * 0.5, "b": [f"b{n}" for n in ids.tolist()]}
        )
    )
    right = fs.create_feature_group("rights", primary_key="k", event_time="t", features=RIGHT)
    for start in (0, 500):  # keys from 1,000 on have no row; each row is known from second 100,000 on
        keys = np.arange(start, start + 500)
        at = pa.array(np.full(500, 100_000_000_000), pa.timestamp("us", "UTC"))
        right.insert(pa.table({"k": keys, "t": at, "x": keys + 0.25, "s": [f"s{n}" for n in keys.tolist()]}))
    return fs


def expected_x(ids: np.ndarray[Any, Any]) -> list[float | None]:
    keys = (ids % 1_100).tolist()
    return [
        key + 0.25 if key < 1_000 and id_ >= 100_000 else None
        for key, id_ in zip(keys, ids.tolist(), strict=True)
    ]


def test_a_result_in_several_parts_is_whole(large: FeatureStore) -> None:
    left, right = large.get_feature_group("lefts"), large.get_feature_group("rights")
    query = left.select_all().join(right.select_all(), on=["k"])
    assert late(query) == {0, 1}
    wide = query
    for copy in range(12):  # until one batch is all that there is room for
        wide = wide.join(right.select_all(), on=["k"], prefix=f"r{copy}_")
    n_rows = rows_per_part(wide.plan, wide._session.config.memory_bytes)
    assert n_rows < N
    batches = list(wide.read_batches())
    assert len(batches) >= 3
    assert max(batch.num_rows for batch in batches) <= BATCH_ROWS
    rows = pa.Table.from_batches(batches).sort_by("id")
    ids = np.arange(N)
    assert rows["id"].to_numpy().tolist() == ids.tolist()
    assert rows["a"].to_numpy().tolist() == (ids * 0.5).tolist()
    assert rows["b"].to_pylist() == [f"b{n}" for n in ids.tolist()]
    for name in ("x", "r0_x", "r11_x"):
        assert rows[name].to_pylist() == expected_x(ids)
    assert rows["r5_s"].to_pylist() == [None if x is None else f"s{int(x)}" for x in expected_x(ids)]


def test_an_order_holds_across_parts_and_a_limit_is_kept(large: FeatureStore) -> None:
    left, right = large.get_feature_group("lefts"), large.get_feature_group("rights")
    query = left.select_all().join(right.select_all(), on=["k"])
    rows = query.read(
        dataframe_type="arrow", order_by=["s", "id"]
    )  # the order needs a feature of a late node
    known = [
        row for row in zip(rows["s"].to_pylist(), rows["id"].to_pylist(), strict=True) if row[0] is not None
    ]
    assert known == sorted(known)
    assert len(known) == sum(x is not None for x in expected_x(np.arange(N)))
    assert rows["s"].slice(len(known)).null_count == N - len(known)  # nulls last
    first = query.read(dataframe_type="arrow", order_by=["id"], limit=100_010)
    assert first["id"].to_pylist() == list(range(100_010))
    assert first["x"].to_pylist() == expected_x(np.arange(100_010))
    assert query.read(dataframe_type="arrow", limit=0).num_rows == 0


def test_a_dataframe_keeps_its_order_across_parts(large: FeatureStore) -> None:
    right = large.get_feature_group("rights")
    ids = np.random.default_rng(6).permutation(N)
    times = pa.array(ids * 1_000_000, pa.timestamp("us", "UTC"))
    spine = pa.table({"id": ids, "key": ids % 1_100, "t": times, "note": [f"n{n}" for n in ids.tolist()]})
    query = large.spine(spine, event_time="t").join(right.select(["x", "s"]), left_on=["key"], right_on=["k"])
    for copy in range(12):
        query = query.join(right.select(["x", "s"]), left_on=["key"], right_on=["k"], prefix=f"r{copy}_")
    assert 0 in late(query)
    assert rows_per_part(query.plan, query._session.config.memory_bytes) < N
    rows = query.read(dataframe_type="arrow")
    assert rows["id"].to_numpy().tolist() == ids.tolist()
    assert rows["note"].to_pylist() == [f"n{n}" for n in ids.tolist()]
    assert rows["r7_x"].to_pylist() == expected_x(ids)


def test_nothing_matches_nothing_is_there_and_nothing_is_left(fs: FeatureStore) -> None:
    rows = [(n, n, "2025-01-02", 1.0, "b") for n in range(5)]
    left = make_group(fs, "lefts", LEFT, rows, primary_key="id", event_time="t")
    right = make_group(fs, "rights", RIGHT, [(99, "2025-01-01", 1.0, "s")], primary_key="k", event_time="t")
    empty = make_group(fs, "empty", RIGHT, primary_key="k", event_time="t")
    unmatched = (
        left.select_all().join(right.select_all(), on=["k"]).join(empty.select_all(), on=["k"], prefix="e_")
    )
    assert late(unmatched) == {0, 1, 2}
    assert column(unmatched, "x") == column(unmatched, "e_s") == [None] * 5
    assert column(unmatched, "b") == ["b"] * 5
    inner = left.select_all().join(right.select_all(), on=["k"], join_type="inner")
    assert inner.read(dataframe_type="arrow").num_rows == 0
    names = [out.name for out in inner.plan.outputs]
    found = unmatched.read(dataframe_type="arrow").select(names).schema
    assert inner.read(dataframe_type="arrow").schema == found
    none = empty.select_all().join(right.select_all(), on=["k"], prefix="r_")
    assert none.read(dataframe_type="arrow").num_rows == 0
    gone = unmatched.filter(left["a"] > 5)
    assert gone.read(dataframe_type="arrow").num_rows == 0


EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 9), st.sampled_from([None, 0.0, -0.0, 1.5])),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@settings(suppress_health_check=list(HealthCheck), max_examples=settings().max_examples // 5)
@given(data=st.data())
def test_chunks_order_of_commits_compaction_and_threads_change_no_answer(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    features = {"k": "bigint", "t": "timestamp", "x": "double", "y": "string"}
    events = [(k, f"2025-01-0{day}", x, f"{k}/{day}") for k, day, x in data.draw(EVENTS)]
    lefts = [
        (n, data.draw(st.integers(0, 4)), f"2025-01-0{data.draw(st.integers(1, 9))}", 1.0, "b")
        for n in range(6)
    ]
    expected: list[Any] | None = None
    for _ in range(2):
        folder: Path = tmp_path_factory.mktemp("physical")
        fs = open_store(folder / "store").get_feature_store()
        make_group(fs, "lefts", LEFT, data.draw(st.permutations(lefts)), primary_key="id", event_time="t")
        right = make_group(fs, "rights", features, primary_key="k", event_time="t")
        rest = data.draw(st.permutations(events))
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            right.insert(frame(features, rest[:size]))
            rest = rest[size:]
        for is_merged in (False, True):
            if is_merged:
                right.maintain()
            ways = [(name, n_threads) for name in VARIANTS for n_threads in (1, 2)]
            for name, n_threads in data.draw(st.lists(st.sampled_from(ways), min_size=3, max_size=3)):
                session = in_variant(fs, name)._session
                if name != "without_asof":
                    session = replace(session, engine=DuckDBEngine(n_threads=n_threads))
                there = FeatureStore(session)
                query = there.get_feature_group("lefts").select_all().join(
                    there.get_feature_group("rights").select_all(), on=["k"]
                )  # fmt: skip
                found = query.read(dataframe_type="python", order_by=["id"])
                if expected is None:
                    tables = [frame(LEFT, lefts).to_pylist(), frame(features, events).to_pylist()]
                    expected = answer(query.plan, tables)
                assert_same_rows(found, expected)
                session.engine.close()
