"""Statistics of a group of 10M rows of 13 features, beside DuckDB's SUMMARIZE and polars' describe of the same files.

Further: an insert of a million rows that computes nothing beside one that keeps what its rows tell; and the first look
after a commit of 10,000 rows, beside SUMMARIZE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

import hopyard
from bench import data, write
from bench.harness import GB, Case, main
from hopyard.feature_group import FeatureGroup

N_INSERT = data.scaled(1_000_000)
N_UPDATE = data.scaled(10_000)
N_FEATURES = write.N_FEATURES
SEED = 11


@dataclass(slots=True)
class Look:
    group: FeatureGroup
    files: list[str]


def setup_look(folder: Path, shared: Path) -> Look:
    """Open a copy of the group: what is kept of one case must not serve another."""
    return _look(write.open_group(write.copy_store(shared, folder)))


def setup_update(folder: Path, shared: Path) -> Look:
    """Look at the statistics, then commit what comes next, at the same pace: the first look at that commit follows."""
    group = write.open_group(write.copy_store(shared, folder))
    group.get_statistics()
    end_us = data.START_US + data.YEAR_US
    span_us = data.YEAR_US * N_UPDATE // write.N_ROWS
    group.insert(data.group(N_UPDATE, write.N_KEYS, N_FEATURES, SEED, start_us=end_us, span_us=span_us))
    return _look(group)


def _look(group: FeatureGroup) -> Look:
    project = hopyard.login(Path(group.location).parents[3])
    snapshot = project.session.offline.snapshot(group.spec.location)
    return Look(group, [file.path for file in snapshot.files])


def look(state: Look, *, work: Callable[[Look], int]) -> int:
    n_rows = work(state)
    assert n_rows >= write._n_rows(), f"{n_rows} rows instead of {write._n_rows()}"
    return n_rows


def in_duckdb(state: Look) -> int:
    with duckdb.connect() as connection:
        found = connection.sql(f"SUMMARIZE FROM read_parquet({state.files})").fetchall()
        return int(found[0][10])


def in_polars(state: Look) -> int:
    found = pl.scan_parquet(state.files).describe()
    counts = found.filter(pl.col("statistic") == "count").get_column("key")
    return int(float(counts[0]))


def in_hopyard(state: Look) -> int:
    return state.group.compute_statistics().n_rows


def first_look(state: Look) -> int:
    return state.group.get_statistics().n_rows


@dataclass(slots=True)
class Insert:
    group: FeatureGroup
    rows: pa.Table


def setup_insert(folder: Path, *, config: bool) -> Insert:
    rows = data.group(N_INSERT, N_INSERT, N_FEATURES, SEED)
    fs = hopyard.login(folder / "store").get_feature_store()
    group = fs.create_feature_group(
        "readings", primary_key="key", event_time="event_time", statistics_config=config
    )
    return Insert(group, rows)


def insert(state: Insert) -> int:
    return state.group.insert(state.rows).n_rows_in


def _cases() -> Iterator[Case]:
    what = f"statistics of {data.short(write.N_ROWS)} x {N_FEATURES}"
    sizes: dict[str, Any] = {
        "block": what,
        "shared": write.build,
        "memory_bytes": 3 * GB // 2,
        "idle_bytes": GB // 4,
        "disk_bytes": GB // 4 + write.N_ROWS * 200,
    }
    limit, peer = f"{what}: DuckDB SUMMARIZE", f"{what}: polars describe"
    yield Case(limit, setup_look, partial(look, work=in_duckdb), **sizes)
    described = {**sizes, "memory_bytes": GB + write.N_ROWS * 300}  # it reads all columns at once
    yield Case(peer, setup_look, partial(look, work=in_polars), limit=limit, **described)
    yield Case(
        f"{what}: Hopyard", setup_look, partial(look, work=in_hopyard), limit=limit, peer=peer, **sizes
    )
    yield Case(
        f"{what}, after a commit of {data.short(N_UPDATE)}: Hopyard",
        setup_update,
        partial(look, work=first_look),
        limit=limit,
        is_fresh=True,
        **sizes,
    )
    inserted = f"insert {data.short(N_INSERT)} x {N_FEATURES + 2}"
    sizes = {
        "block": inserted,
        "is_fresh": True,
        "memory_bytes": GB // 2 + N_INSERT * 700,
        "idle_bytes": GB // 4,
        "disk_bytes": N_INSERT * 400,
    }
    without = f"{inserted}, no statistics: Hopyard"
    yield Case(without, partial(setup_insert, config=False), insert, **sizes)
    yield Case(
        f"{inserted}, with what its rows tell: Hopyard",
        partial(setup_insert, config=True),
        insert,
        limit=without,
        **sizes,
    )


CASES = tuple(_cases())

if __name__ == "__main__":
    raise SystemExit(main("bench.statistics"))
