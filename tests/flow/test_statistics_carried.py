"""Statistics that are carried on over changes are those that a look at all rows gives, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

import hopyard.compute.profile
import hopyard.compute.tally
import hopyard.ingest.kept_profile
import hopyard.ingest.statistics
from hopyard.compute.carry import Change, carry
from hopyard.compute.profile import Rows, profiled
from hopyard.compute.tally import Tally, tally_of
from hopyard.engines.duckdb import DuckDBEngine
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.arrow import schema_from_arrow
from hopyard.model.statistics import Statistics, StatisticsConfig
from hopyard.project import Project

SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "x": pa.float64(),
        "i": pa.int32(),
        "s": pa.string(),
        "b": pa.bool_(),
        "t": pa.timestamp("us", "UTC"),
        "d": pa.date32(),
        "m": pa.decimal128(9, 2),
        "l": pa.list_(pa.int64()),
    }
)
CONFIG = StatisticsConfig(histogram_bins=5)


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(n_threads=2)
    yield engine
    engine.close()


def rows_of(engine: DuckDBEngine, table: pa.Table, percentile_rows: int = 8) -> Rows:
    return Rows(
        source=lambda: exp.to_table("given"),
        schema=schema_from_arrow(table.schema),
        n_rows=table.num_rows,
        identity=("id",),
        percentile_rows=percentile_rows,
        collect=engine.collect,
        run=engine.run,
        frames={"given": table},
    )


def without(table: pa.Table, ids: set[int]) -> pa.Table:
    return table.filter(pa.array([id_ not in ids for id_ in table.column("id").to_pylist()], pa.bool_()))


def only(table: pa.Table, ids: set[int]) -> pa.Table:
    return table.filter(pa.array([id_ in ids for id_ in table.column("id").to_pylist()], pa.bool_()))


values = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, 1e300, -5e-324]),
        "i": st.none() | st.integers(-3, 3),
        "s": st.none() | st.sampled_from(["", "a", "b", "é", "long" * 9]) | st.text(max_size=2),
        "b": st.none() | st.booleans(),
        "t": st.none() | st.integers(-(2**60), 2**60) | st.integers(0, 9),
        "d": st.none() | st.integers(-99_999, 99_999),
        "m": st.none() | st.decimals(-999, 999, places=2),
        "l": st.none() | st.lists(st.integers(0, 3), max_size=2),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(values, min_size=9, max_size=30),
    steps=st.lists(
        st.tuples(st.lists(values, max_size=6), st.sets(st.integers(0, 45), max_size=6)),
        min_size=1,
        max_size=3,
    ),
    limit=st.sampled_from([3, 10, 100_000]),
    few=st.sampled_from([0, 100_000]),
)
def test_rows_come_and_go(
    engine: DuckDBEngine,
    before: list[dict[str, Any]],
    steps: list[tuple[list[dict[str, Any]], set[int]]],
    limit: int,
    few: int,
) -> None:
    """The profile after each step, carried on, is the profile of all rows; of each step, so that mistakes add up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hopyard.compute.tally, "MAX_VALUES", limit)
        patch.setattr(hopyard.compute.profile, "MAX_VALUES", limit)
        patch.setattr(hopyard.compute.profile, "FEW_ROWS", few)
        table = pa.Table.from_pylist([{"id": n, **row} for n, row in enumerate(before)], SCHEMA)
        _, kept = profiled(rows_of(engine, table), CONFIG)
        assert kept is not None
        for number, (come, go) in enumerate(steps):
            added = pa.Table.from_pylist(
                [{"id": 1_000 * (number + 1) + n, **row} for n, row in enumerate(come)], SCHEMA
            )
            removed = only(table, go)
            table = pa.concat_tables([without(table, go), added])
            rows = rows_of(engine, table)
            expected, looked_at = profiled(rows, CONFIG)
            found = carry(kept, rows, Change(rows_of(engine, added), rows_of(engine, removed)), CONFIG)
            if looked_at is None or found is None:  # too few rows are left, or the share of the sample fell
                assert rows.share is None or rows.share < kept.sample.share
                return
            assert found[0] == expected
            kept = found[1]
            assert kept.sample.hashes.tolist() == looked_at.sample.hashes.tolist()
            for column in looked_at.columns:
                mine = next(other for other in kept.columns if other.name == column.name)
                assert (mine.counts, mine.ends, mine.sums) == (column.counts, column.ends, column.sums)


def frame(start: int, stop: int, **more: Any) -> dict[str, list[Any]]:
    ids = range(start, stop)
    return {
        "id": list(ids),
        "at": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=k) for k in ids],
        "x": [None if k % 4 == 0 else float(k % 50) for k in ids],
        "kind": [("a", "b", "c")[k % 3] for k in ids],
        **more,
    }


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of rows that were looked at as a whole; a group of more than 50 rows is a large one."""
    found: list[int] = []

    def looked(rows: Rows, config: StatisticsConfig) -> Any:
        found.append(rows.n_rows)
        return profiled(rows, config)

    monkeypatch.setattr(hopyard.ingest.statistics, "Rows", partial(Rows, percentile_rows=50))
    monkeypatch.setattr(hopyard.ingest.statistics, "profiled", looked)
    return found


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    group = fs.create_feature_group("readings", primary_key="id", event_time="at")
    group.insert(frame(0, 300))
    return group


def profile_file(store: Project) -> Path:
    (found,) = (Path(store.location) / "projects" / "default" / "statistics").rglob("profile.npz")
    return found


def test_a_commit_of_a_few_rows_is_no_look_at_all(group: FeatureGroup, looks: list[int]) -> None:
    def check() -> Statistics:
        found = group.get_statistics()
        n_looks = len(looks)
        assert group.compute_statistics().columns == found.columns
        assert found.n_rows == looks[-1]
        del looks[n_looks:]
        return found

    group.get_statistics()
    assert looks == [300]
    group.insert(frame(300, 320))
    assert check()["kind"].frequent[0].count == 107
    group.insert(frame(310, 330, x=[-1.0] * 20))
    assert check()["x"].min == -1.0
    group.remove_rows([{"id": k, "at": frame(k, k + 1)["at"][0]} for k in range(315, 325)])
    check()
    group.append_features({"extra": "double"})
    group.insert(frame(400, 410, extra=[0.5] * 10))
    assert check()["extra"].mean == 0.5
    for start in range(500, 560, 10):
        group.insert(frame(start, start + 10, extra=[float(start)] * 10))
    assert looks == [300], "only the first commit was looked at as a whole"
    group.maintain()
    group.insert(frame(600, 610, extra=[1.5] * 10))
    check()


def test_many_new_rows_are_a_new_look(group: FeatureGroup, looks: list[int]) -> None:
    group.get_statistics()
    group.insert(frame(300, 600))
    group.get_statistics()
    assert looks == [300, 600]
    group.insert(frame(600, 610))
    group.get_statistics()
    assert looks == [300, 600]


def test_files_that_went_are_looked_at_only_while_they_are_there(
    group: FeatureGroup, looks: list[int]
) -> None:
    group.insert(frame(300, 310))
    group.get_statistics()
    group.insert(frame(305, 315, x=[7.0] * 10))
    group.vacuum(keep=1)
    assert group.get_statistics().n_rows == 315
    assert looks == [310, 315]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_damaged_profile_counts_as_absent(
    group: FeatureGroup, store: Project, looks: list[int], content: bytes
) -> None:
    group.get_statistics()
    profile_file(store).write_bytes(content)
    group.insert(frame(300, 310))
    assert group.get_statistics().n_rows == 310
    assert looks == [300, 310]
    group.insert(frame(310, 320))
    group.get_statistics()
    assert looks == [300, 310]


def test_a_profile_of_another_engine_counts_as_absent(
    group: FeatureGroup, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    group.get_statistics()
    monkeypatch.setattr(hopyard.ingest.kept_profile, "PROFILE_FORMAT", "1 0.0.0")
    group.insert(frame(300, 310))
    group.get_statistics()
    assert looks == [300, 310]


def test_another_number_of_bins_is_a_new_look(group: FeatureGroup, looks: list[int]) -> None:
    group.get_statistics()
    group.update_statistics_config({"histogram_bins": 7})
    assert len(group.get_statistics()["x"].bins) == 7
    assert looks == [300, 300]


def test_an_earlier_commit_does_not_take_the_place_of_a_later_one(
    group: FeatureGroup, looks: list[int]
) -> None:
    group.insert(frame(300, 310))
    group.get_statistics()
    first = group.get_statistics(at=1)
    group.insert(frame(310, 320))
    assert group.get_statistics().n_rows == 320 and first.n_rows == 300
    assert looks == [310], "the first commit was told by the second, and the third, too"
    assert group.compute_statistics(at=1).columns == first.columns


def test_rows_without_a_key_are_only_added(fs: FeatureStore, looks: list[int]) -> None:
    group = fs.create_feature_group("events", event_time="at")
    group.insert(frame(0, 300))
    group.get_statistics()
    group.insert(frame(290, 310))
    found = group.get_statistics()
    assert looks == [300]
    assert group.compute_statistics().columns == found.columns
    group.append_features({"extra": "double"})
    group.insert(frame(310, 320, extra=[1.0] * 10))
    found = group.get_statistics()
    assert looks[-1] == 330, "the hash of a row is another one with more columns"


def test_options_that_ask_for_more_look_for_that_alone(group: FeatureGroup, looks: list[int]) -> None:
    group.get_statistics()
    group.update_statistics_config({"exact_uniqueness": True, "columns": ("id", "kind")})
    group.insert(frame(300, 310))
    found = group.get_statistics()
    assert (found["id"].uniqueness, found["kind"].n_once) == (1.0, 0)
    assert looks == [300]
    assert group.compute_statistics().columns == found.columns


def values_of(*hashes: int) -> Tally:
    return tally_of(1, np.array(hashes, np.uint64), np.ones(len(hashes), np.int64))


def test_tallies_keep_the_values_with_small_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hopyard.compute.tally, "MAX_VALUES", 4)
    found = values_of(*(k * 2**60 for k in range(16))).narrowed()
    assert (found.share, found.hashes.tolist()) == (4, [0, 2**60, 2 * 2**60, 3 * 2**60])
    assert found.n_distinct == 16 and found.n_above == 8
    assert found.error == 3 * math.sqrt(0.75 / 4)
    nothing = tally_of(2, np.array([], np.uint64), np.array([], np.int64))
    gone = tally_of(2, np.array([5 * 2**60], np.uint64), np.array([1], np.int64))
    changed = found.changed(nothing, gone)
    assert changed is not None and (changed.share, changed.n_above) == (4, 7)
    many = tally_of(2, np.array([k * 2**60 for k in range(4, 8)], np.uint64), np.ones(4, np.int64))
    assert found.changed(nothing, many) is None, "perhaps no more than four are left in the first half"


@pytest.mark.parametrize("n", [99_999, 100_000, 100_001, 1_000_000])
def test_distinct_values_are_counted_up_to_a_hundred_thousand(engine: DuckDBEngine, n: int) -> None:
    values = np.random.default_rng(n).permutation(n) * 7919
    table = pa.table({"id": values, "s": pa.array(values % 50_000).cast(pa.string())})
    (ids, strings), _ = profiled(rows_of(engine, table, 2_000_000), StatisticsConfig(histograms=False))
    assert ids.n_distinct is not None and strings.n_distinct == 50_000
    if n <= 100_000:
        assert (ids.n_distinct, ids.distinct_error) == (n, 0.0)
    else:
        assert 0 < ids.distinct_error < 0.02
        assert abs(ids.n_distinct - n) <= ids.distinct_error * n


def test_partitions_are_columns_as_others(fs: FeatureStore, looks: list[int]) -> None:
    group = fs.create_feature_group("readings", primary_key="id", event_time="at", partition_key="kind")
    group.insert(frame(0, 300))
    group.get_statistics()
    group.insert(frame(295, 310, x=[9.5] * 15))
    group.remove_rows([{"id": 300, "at": frame(300, 301)["at"][0]}])
    found = group.get_statistics()
    assert found["kind"].n_distinct == 3 and found.n_rows == 309
    assert group.compute_statistics().columns == found.columns
    group.insert(frame(400, 402, kind=["d", "d"]))
    found = group.get_statistics()
    assert [item.value for item in found["kind"].frequent][-1] == "d"
    assert group.compute_statistics().columns == found.columns
