"""Writes into a large feature group, and many small ones, beside Parquet and a bare delta-rs over the same files."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

import hopyard
from bench import data
from bench.harness import GB, Case, Outcome, main
from hopyard.feature_group import FeatureGroup
from hopyard.offline.change import merge_condition

N_ROWS = data.scaled(10_000_000)
N_KEYS = data.scaled(100_000)
N_NEW = data.scaled(1_000_000)
N_UPSERT = data.scaled(10_000)
N_COMMITS = max(20, data.scaled(1_000))
ROWS_PER_COMMIT = 100
N_FEATURES = 13
CHUNK_ROWS = 2_000_000
RECENT_SHARE = 0.01
SEED = 3

PROPERTIES = WriterProperties(compression="ZSTD", compression_level=1)
CHANGED = "f0"


# The group of 10M rows that the large writes meet: made once; each run works on files of its own.


def build(folder: Path) -> None:
    group = _create(folder / "store")
    for rows in _chunks():
        group.insert(rows)
    (folder / "location").write_text(str(Path(group.location).relative_to(folder / "store")))


def _chunks() -> list[pa.Table]:
    return [_chunk(index) for index in range(-(-N_ROWS // CHUNK_ROWS))]


def _n_rows() -> int:
    n_chunks = -(-N_ROWS // CHUNK_ROWS)
    return N_ROWS // n_chunks * n_chunks


def _chunk(index: int) -> pa.Table:
    """Return the rows of one stretch of time; the stretches follow each other."""
    n_chunks = -(-N_ROWS // CHUNK_ROWS)
    span_us = data.YEAR_US // n_chunks
    return data.group(
        N_ROWS // n_chunks,
        N_KEYS,
        N_FEATURES,
        SEED + index,
        start_us=data.START_US + index * span_us,
        span_us=span_us,
    )


def _create(folder: Path) -> FeatureGroup:
    fs = hopyard.login(folder).get_feature_store()
    return fs.create_feature_group("readings", primary_key="key", event_time="event_time")


def _copy(shared: Path, folder: Path) -> Path:
    """Copy the store without copying its data files, which nobody changes: they get a second name."""

    def copy(source: str, target: str) -> None:
        if source.endswith(".parquet"):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    return Path(shutil.copytree(shared / "store", folder / "store", copy_function=copy))


@dataclass(slots=True)
class Write:
    """Rows, and what writes them; `table` must have `n_expected` rows afterwards."""

    rows: pa.Table
    write: Callable[[pa.Table], Any]
    table: Path | None = None
    n_expected: int = 0


def run(state: Write) -> int:
    state.write(state.rows)
    n_rows: int = state.rows.num_rows
    return n_rows


def check(state: Write) -> None:
    """Fail if rows were lost or doubled: a faster wrong write would be no feat."""
    if state.table is not None:
        actions: Any = DeltaTable(str(state.table)).get_add_actions(flatten=True)
        found = sum(actions.column("num_records").to_pylist())
        assert found == state.n_expected, f"{found} rows instead of {state.n_expected}"


def setup_hopyard(folder: Path, shared: Path, *, rows: Callable[[], pa.Table], n_new: int = 0) -> Write:
    store = _copy(shared, folder)
    group = hopyard.login(store).get_feature_store().get_feature_group("readings")
    return Write(rows(), group.insert, Path(group.location), _n_rows() + n_new)


def new_rows() -> pa.Table:
    """Return rows that are later than all others."""
    start_us = data.START_US + data.YEAR_US
    return data.group(N_NEW, N_KEYS, N_FEATURES, SEED - 1, start_us=start_us, span_us=data.YEAR_US // 10)


def recent_rows() -> pa.Table:
    """Return some of the last rows, one value of each changed."""
    last = _chunk(-(-N_ROWS // CHUNK_ROWS) - 1)
    n_recent = max(N_UPSERT, round(N_ROWS * RECENT_SHARE))
    return _changed(last.slice(last.num_rows - min(n_recent, last.num_rows)), N_UPSERT)


def random_rows() -> pa.Table:
    """Return rows from everywhere in the group, one value of each changed."""
    chunks = -(-N_ROWS // CHUNK_ROWS)
    return pa.concat_tables([_changed(_chunk(index), N_UPSERT // chunks) for index in range(chunks)])


def _changed(rows: pa.Table, n: int) -> pa.Table:
    places = np.sort(np.random.default_rng(SEED).choice(rows.num_rows, n, replace=False))
    rows = rows.take(pa.array(places))
    index = rows.column_names.index(CHANGED)
    return rows.set_column(index, rows.schema.field(index), pa.array(np.full(n, 1e6)))


# New rows: the limit is a Parquet file of them.


def setup_parquet(folder: Path) -> Write:
    path = folder / "rows.parquet"
    return Write(new_rows(), partial(pq.write_table, where=path, compression="zstd", compression_level=1))


# Upserts: the peer is a MERGE on a copy of the same table, with the bounds that Hopyard writes into its own.


def setup_merge(folder: Path, shared: Path, *, rows: Callable[[], pa.Table]) -> Write:
    table = _copy(shared, folder) / (shared / "location").read_text()
    return Write(rows(), partial(_merge, str(table)), table, _n_rows())


def _merge(uri: str, rows: pa.Table) -> None:
    predicate = merge_condition(rows, ("key", "event_time")).sql(dialect="postgres")
    merge = DeltaTable(uri).merge(
        rows, predicate, source_alias="source", target_alias="target", writer_properties=PROPERTIES
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()


# Many small commits.


def setup_commits(folder: Path) -> Write:
    group = _create(folder / "store")
    group.insert(_small(0))  # the group is made by its first insert
    return Write(_small_rows(), group.insert, Path(group.location), (N_COMMITS + 1) * ROWS_PER_COMMIT)


def setup_appends(folder: Path) -> Write:
    uri = str(folder / "table")
    write_deltalake(uri, _small(0), writer_properties=PROPERTIES)
    append = partial(write_deltalake, uri, mode="append", writer_properties=PROPERTIES)
    return Write(_small_rows(), append, Path(uri), (N_COMMITS + 1) * ROWS_PER_COMMIT)


def _small_rows() -> pa.Table:
    return data.group((N_COMMITS + 1) * ROWS_PER_COMMIT, N_KEYS, N_FEATURES, SEED)


def _small(number: int) -> pa.Table:
    return _small_rows().slice(number * ROWS_PER_COMMIT, ROWS_PER_COMMIT)


def run_commits(state: Write) -> Outcome:
    latencies, clock = [], time.perf_counter_ns
    for number in range(1, N_COMMITS + 1):
        rows = state.rows.slice(number * ROWS_PER_COMMIT, ROWS_PER_COMMIT)
        before = clock()
        state.write(rows)
        latencies.append((clock() - before) / 1000)
    tenth = max(1, N_COMMITS // 10)
    first, last = (statistics.median(part) / 1000 for part in (latencies[:tenth], latencies[-tenth:]))
    figures = {f"first {tenth} p50 ms": first, f"last {tenth} p50 ms": last, "last / first": last / first}
    return Outcome(N_COMMITS * ROWS_PER_COMMIT, latencies, figures)


INTO = f"into {data.short(N_ROWS)}"
NEW = f"{data.short(N_NEW)} new rows x 15"
SMALL = f"{N_COMMITS:,} commits of {ROWS_PER_COMMIT} rows"
TABLE_BYTES = N_ROWS * 90


def _upserts(what: str, rows: Callable[[], pa.Table], *, share_rewritten: float) -> tuple[Case, Case]:
    what = f"upsert {data.short(N_UPSERT)} {what} {INTO}"
    peer = f"{what}: delta-rs MERGE"
    disk = GB // 4 + 2 * round(TABLE_BYTES * share_rewritten)
    setups = {peer: setup_merge, f"{what}: Hopyard": setup_hopyard}
    first, second = (
        Case(
            name,
            partial(setup, rows=rows),
            run,
            check,
            against=None if name == peer else peer,
            is_fresh=True,
            shared=build,
            memory_bytes=4 * GB,
            idle_bytes=GB,
            disk_bytes=disk,
        )
        for name, setup in setups.items()
    )
    return first, second


CASES = (
    Case(f"{NEW}: Parquet write", setup_parquet, run, is_fresh=True, memory_bytes=GB),
    Case(
        f"{NEW} {INTO}: Hopyard",
        partial(setup_hopyard, rows=new_rows, n_new=N_NEW),
        run,
        check,
        against=f"{NEW}: Parquet write",
        is_fresh=True,
        shared=build,
        memory_bytes=2 * GB,
        idle_bytes=GB,
        disk_bytes=GB // 4 + TABLE_BYTES,
    ),
    *_upserts("recent rows", recent_rows, share_rewritten=0.2),
    *_upserts("random rows", random_rows, share_rewritten=1.0),
    Case(
        f"{SMALL}: delta-rs append",
        setup_appends,
        run_commits,
        check,
        is_fresh=True,
        memory_bytes=GB,
        idle_bytes=GB // 2,
    ),
    Case(
        f"{SMALL}: Hopyard",
        setup_commits,
        run_commits,
        check,
        against=f"{SMALL}: delta-rs append",
        is_fresh=True,
        memory_bytes=GB,
        idle_bytes=GB // 2,
    ),
)

if __name__ == "__main__":
    raise SystemExit(main("bench.write"))
