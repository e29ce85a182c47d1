"""Writes into a large feature group, beside Parquet and a bare delta-rs over the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties

import hopyard
from bench import data
from bench.harness import GB, Case, main
from hopyard.feature_group import FeatureGroup
from hopyard.offline.change import merge_condition

N_ROWS = data.scaled(10_000_000)
N_KEYS = data.scaled(100_000)
N_NEW = data.scaled(1_000_000)
N_UPSERT = data.scaled(10_000)
N_MANY = data.scaled(1_000_000)
N_FEATURES = 13
CHUNK_ROWS = 2_000_000
RECENT_SHARE = 0.01
SEED = 3

PROPERTIES = WriterProperties(compression="ZSTD", compression_level=1)
CHANGED = "f0"


# The group of 10M rows that the large writes meet: made once; each run works on files of its own.


def build(folder: Path) -> None:
    group = create_group(folder / "store")
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


def create_group(folder: Path, *, online: bool = False) -> FeatureGroup:
    fs = hopyard.login(folder).get_feature_store()
    return fs.create_feature_group(
        "readings", primary_key="key", event_time="event_time", online_enabled=online
    )


def open_group(folder: Path) -> FeatureGroup:
    return hopyard.login(folder).get_feature_store().get_feature_group("readings")


def copy_store(shared: Path, folder: Path) -> Path:
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
    store = copy_store(shared, folder)
    group = open_group(store)
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


def random_rows(n: int) -> pa.Table:
    """Return rows from everywhere in the group, one value of each changed."""
    chunks = -(-N_ROWS // CHUNK_ROWS)
    return pa.concat_tables([_changed(_chunk(index), n // chunks) for index in range(chunks)])


def _changed(rows: pa.Table, n: int) -> pa.Table:
    places = np.sort(np.random.default_rng(SEED).choice(rows.num_rows, n, replace=False))
    rows = rows.take(pa.array(places))
    index = rows.column_names.index(CHANGED)
    return rows.set_column(index, rows.schema.field(index), pa.array(np.full(n, 1e6)))


# New rows: the limit is a Parquet file of them.


def setup_parquet(folder: Path) -> Write:
    return Write(new_rows(), parquet_writer(folder))


def parquet_writer(folder: Path) -> Callable[[pa.Table], None]:
    return partial(pq.write_table, where=folder / "rows.parquet", compression="zstd", compression_level=1)


# Upserts: the peer is a MERGE on a copy of the same table, with the bounds that Hopyard writes into its own.


def setup_merge(folder: Path, shared: Path, *, rows: Callable[[], pa.Table]) -> Write:
    table = copy_store(shared, folder) / (shared / "location").read_text()
    return Write(rows(), partial(_merge, str(table)), table, _n_rows())


def _merge(uri: str, rows: pa.Table) -> None:
    predicate = merge_condition(rows, ("key", "event_time")).sql(dialect="postgres")
    merge = DeltaTable(uri).merge(
        rows, predicate, source_alias="source", target_alias="target", writer_properties=PROPERTIES
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()


INTO = f"into {data.short(N_ROWS)}"
NEW = f"{data.short(N_NEW)} new rows x 15"
TABLE_BYTES = N_ROWS * 90


def _upserts(what: str, rows: Callable[[], pa.Table], *, share_rewritten: float) -> tuple[Case, Case]:
    what = f"upsert {what} {INTO}"
    peer = f"{what}: delta-rs MERGE"
    disk = GB // 4 + 2 * round(TABLE_BYTES * share_rewritten)
    setups = {peer: setup_merge, f"{what}: Hopyard": setup_hopyard}
    first, second = (
        Case(
            name,
            partial(setup, rows=rows),
            run,
            check,
            peer=None if name == peer else peer,
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
        limit=f"{NEW}: Parquet write",
        is_fresh=True,
        shared=build,
        memory_bytes=2 * GB,
        idle_bytes=GB,
        disk_bytes=GB // 4 + TABLE_BYTES,
    ),
    *_upserts(f"{data.short(N_UPSERT)} recent rows", recent_rows, share_rewritten=0.2),
    *_upserts(f"{data.short(N_UPSERT)} random rows", partial(random_rows, N_UPSERT), share_rewritten=1.0),
    *_upserts(f"{data.short(N_MANY)} random rows", partial(random_rows, N_MANY), share_rewritten=1.0),
)

if __name__ == "__main__":
    raise SystemExit(main("bench.write"))
