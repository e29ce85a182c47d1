"""The shapes of the public feature store benchmarks: a read of 50M rows, and joins of three groups of up to 10M rows.

Joins go to pandas and to Parquet; the limit of both is the same join to Arrow. Over their sizes the growth is fitted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import hopyard
from bench import data, pit
from bench.harness import GB, Case, main
from hopyard.feature_group import FeatureGroup

N_READ = data.scaled(50_000_000)
READ_FEATURES = 4
N_JOINED = tuple(data.scaled(n) for n in (1_000_000, 2_000_000, 5_000_000, 10_000_000))
JOIN_FEATURES = 3
N_GROUPS = 3


# 50M rows of six columns, all of them.


@dataclass(slots=True)
class Read:
    group: FeatureGroup
    files: list[str]


def build_read(folder: Path) -> None:
    fs = hopyard.login(folder / "store").get_feature_store()
    group = fs.create_feature_group("readings", primary_key="key", event_time="event_time")
    for n, start_us, span_us in pit.chunks(N_READ):
        group.insert(data.group(n, N_READ // 50, READ_FEATURES, start_us, start_us=start_us, span_us=span_us))


def setup_read(folder: Path, shared: Path) -> Read:
    project = hopyard.login(shared / "store")
    group = project.get_feature_store().get_feature_group("readings")
    files = [file.path for file in project.session.offline.snapshot(group.spec.location).files]
    return Read(group, files)


def read(state: Read, *, work: Callable[[Read], Any]) -> int:
    found = work(state)
    assert len(found) == N_READ, f"{len(found)} rows instead of {N_READ}"
    return N_READ


def arrow_in_duckdb(state: Read) -> pa.Table:
    with duckdb.connect() as connection:
        return connection.sql(f"FROM read_parquet({state.files})").to_arrow_table()


def pandas_in_duckdb(state: Read) -> Any:
    with duckdb.connect() as connection:
        return connection.sql(f"FROM read_parquet({state.files})").df()


def arrow_in_polars(state: Read) -> pa.Table:
    return pl.scan_parquet(state.files).collect(engine="streaming").to_arrow()


def pandas_in_polars(state: Read) -> Any:
    return (
        pl.scan_parquet(state.files).collect(engine="streaming").to_pandas(use_pyarrow_extension_array=True)
    )


def in_hopyard(state: Read, *, form: str) -> Any:
    return state.group.read(dataframe_type=form)


# Joins of three groups.


def join_size(n_rows: int) -> pit.Size:
    n_keys = max(1, n_rows // 20)
    return pit.Size("3 groups", n_rows, (n_rows,) * N_GROUPS, n_keys, n_features=JOIN_FEATURES)


def to_pandas(join: pit.Join) -> pa.Table:
    try:
        found = join.query.read(dataframe_type="pandas")
        assert len(found) == join.size.n_labels
        return found
    finally:
        join.session.engine.close()


def to_parquet(join: pit.Join) -> Path:
    return _file(join, pit.in_hopyard)


def polars_to_pandas(join: pit.Join) -> Any:
    return pl.from_arrow(pit.in_polars(join)).to_pandas(use_pyarrow_extension_array=True)


def polars_to_parquet(join: pit.Join) -> Path:
    return _file(join, pit.in_polars)


def _file(join: pit.Join, work: Callable[[pit.Join], Any]) -> Path:
    found = work(replace(join, size=replace(join.size, memory_limit=pit.IN_4_GB)))
    n_rows = pq.read_metadata(found).num_rows
    assert n_rows == join.size.n_labels, f"{n_rows} rows instead of {join.size.n_labels}"
    return Path(found)


def setup_join(folder: Path, shared: Path, *, size: pit.Size, is_limited: bool) -> pit.Join:
    if is_limited:
        os.environ["HOPYARD_MEMORY_LIMIT"] = pit.IN_4_GB
    return pit.open_join(folder, shared, size)


def _read_cases() -> Iterator[Case]:
    what = f"read {data.short(N_READ)} x {READ_FEATURES + 2}"
    sizes: dict[str, Any] = {
        "block": what,
        "shared": build_read,
        "memory_bytes": N_READ * 150,
        "idle_bytes": GB // 4,
        "disk_bytes": N_READ * 10,
    }
    for form, limit, peer in (
        ("arrow", arrow_in_duckdb, arrow_in_polars),
        ("pandas", pandas_in_duckdb, pandas_in_polars),
    ):
        names = [f"{what} to {form}: {who}" for who in ("DuckDB", "polars", "Hopyard")]
        yield Case(names[0], setup_read, partial(read, work=limit), **sizes)
        yield Case(names[1], setup_read, partial(read, work=peer), limit=names[0], **sizes)
        ours = partial(read, work=partial(in_hopyard, form=form))
        yield Case(names[2], setup_read, ours, limit=names[0], peer=names[1], **sizes)


def _join_cases(n_rows: int) -> Iterator[Case]:
    size = join_size(n_rows)
    what = f"3 groups, {data.short(n_rows)} rows each"
    sizes: dict[str, Any] = {
        "block": what,
        "shared": partial(pit.build, size=size),
        "memory_bytes": GB + n_rows * 600,
        "idle_bytes": GB // 2,
        "disk_bytes": GB // 4 + n_rows * 150,
    }
    limit = f"{what}, to Arrow: Hopyard"
    works: list[tuple[str, Callable[[pit.Join], Any], str | None, str]] = [
        (limit, pit.in_hopyard, None, "join to Arrow"),
        (f"{what}, to pandas: polars", polars_to_pandas, None, ""),
        (f"{what}, to pandas: Hopyard", to_pandas, f"{what}, to pandas: polars", "join to pandas"),
        (f"{what}, to Parquet: polars", polars_to_parquet, None, ""),
        (f"{what}, to Parquet: Hopyard", to_parquet, f"{what}, to Parquet: polars", "join to Parquet"),
    ]
    for name, work, peer, family in works:
        yield Case(
            name,
            partial(setup_join, size=size, is_limited=work is to_parquet),
            partial(pit.timed, work=work),
            limit=limit if name != limit else None,
            peer=peer,
            family=family,
            **sizes,
        )


CASES = (*_read_cases(), *(case for n_rows in N_JOINED for case in _join_cases(n_rows)))

if __name__ == "__main__":
    raise SystemExit(main("bench.shapes"))
