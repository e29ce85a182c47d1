"""A training dataset of 10 million rows and three groups: what order, hashes, splits and fits cost, each apart.

The join alone is the limit: to Arrow in memory, without a memory limit. Every other case has a limit of 4 GB and
writes Parquet. Every run must give the number of rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import hopyard
from bench import data, pit
from bench.harness import GB, Case, main
from hopyard.compute.row_hash import row_hashes
from hopyard.feature_view import FeatureView
from hopyard.model.arrow import schema_from_arrow, to_arrow_schema
from hopyard.query.lower import identity_order
from hopyard.query.resolve import resolve
from hopyard.retrieve.ahead import ahead
from hopyard.retrieve.contents import Contents
from hopyard.retrieve.formats import get_format
from hopyard.retrieve.read import stream_resolved
from hopyard.retrieve.training import TrainingData

SIZE = pit.Size(
    "training",
    data.scaled(10_000_000),
    (data.scaled(4_000_000), data.scaled(3_000_000), data.scaled(3_000_000)),
    data.scaled(100_000),
    memory_limit="4GB",
)
IN_MEMORY = replace(SIZE, memory_limit=None)
N_HASHED = data.scaled(10_000_000)


def counted(join: pit.Join, *, work: Callable[[pit.Join], int]) -> int:
    """Run one of the cases below, and check that every row came."""
    n_rows = work(join)
    assert n_rows == SIZE.n_labels, f"{n_rows} rows instead of {SIZE.n_labels}"
    return n_rows


def join_to_arrow(join: pit.Join) -> int:
    """The join alone, as one table in memory."""
    try:
        found: pa.Table = join.query.read(dataframe_type="arrow")
        return int(found.num_rows)
    finally:
        join.session.engine.close()


def copy_in_duckdb(join: pit.Join) -> int:
    """A plain ASOF join that DuckDB writes as Parquet: no order, no hash, no split."""
    pit.asof_in_duckdb(join)
    return int(pq.read_metadata(join.result).num_rows)


def write(join: pit.Join, *, is_ordered: bool = False, is_hashed: bool = False) -> int:
    """What a training dataset is made of, without some of it: the joined rows, in order or not, hashed or not."""
    folder = _empty(join.result.with_suffix(""))
    plan, snapshots = resolve(join.session, join.query.plan)
    order = identity_order(plan) if is_ordered else ()
    rows = stream_resolved(join.session, plan, snapshots, order_by=order)
    tables = ahead(pa.Table.from_batches([batch]) for batch in rows)
    format_ = get_format("parquet")
    n_rows = 0
    try:
        if not is_hashed:
            writer = format_.open(folder, to_arrow_schema(plan.schema))
            for table in tables:
                writer.write(table)
                n_rows += table.num_rows
            writer.close()
            return n_rows
        shape = TrainingData(plan, None, (), before_schema=plan.schema, schema=plan.schema, notes=())
        with Contents((), format_=format_, folder=folder) as contents:
            contents.open(shape)
            for table in tables:
                contents.take(0, table, table)
            return sum(split.n_rows for split in contents.finish())
    finally:
        join.session.engine.close()


def create(join: pit.Join, *, make: Callable[[FeatureView], Any], is_fitted: bool = False) -> int:
    """All of it, by the feature view."""
    view = _view(join, is_fitted=is_fitted)
    try:
        dataset = make(view)
        n_rows = sum(int(split.n_rows) for split in dataset.manifest.splits)
        dataset.delete()
        return n_rows
    finally:
        join.session.engine.close()


def _view(join: pit.Join, *, is_fitted: bool) -> FeatureView:
    fs = hopyard.login(join.session.root).get_feature_store()
    scaled = [hopyard.min_max_scaler("g0_f0"), hopyard.winsorize("g1_f0")] if is_fitted else []
    return fs.get_or_create_feature_view(
        "fitted" if is_fitted else "plain", join.query, labels="label", transformation_functions=scaled
    )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def setup_keys(folder: Path) -> pa.Table:
    """Return what identifies 10 million rows: a whole number, a string, an instant."""
    n = N_HASHED
    return pa.table(
        {
            "id": pa.array(range(n), pa.int64()),
            "customer": [f"customer-{number % 100_000}" for number in range(n)],
            "at": pa.array(range(n), pa.timestamp("us", "UTC")),
        }
    )


def hash_keys(keys: pa.Table) -> int:
    return len(row_hashes(keys, schema_from_arrow(keys.schema), seed=7))


def _cases() -> list[Case]:
    shared = partial(pit.build, size=SIZE)
    result = SIZE.n_labels * 3 * 130
    what = SIZE.what
    limit = f"{what}: join to Arrow"
    unordered = f"{what}: written, no order, no hashes"
    split = partial(create, make=lambda view: view.create_train_test_split(0.2))
    works: list[tuple[str, Callable[[pit.Join], int], str]] = [
        (f"{what}: DuckDB COPY", copy_in_duckdb, limit),
        (unordered, write, limit),
        (f"{what}: written, hashed", partial(write, is_hashed=True), unordered),
        (f"{what}: written, ordered", partial(write, is_ordered=True), unordered),
        (f"{what}: create_training_data", partial(create, make=FeatureView.create_training_data), limit),
        (f"{what}: create_train_test_split", split, limit),
        (f"{what}: the same, two features fitted", partial(split, is_fitted=True), limit),
    ]
    return [
        Case(
            limit,
            lambda folder, shared: pit.open_join(folder, shared, IN_MEMORY),
            partial(counted, work=join_to_arrow),
            shared=shared,
            memory_bytes=2 * GB + 3 * result,
            idle_bytes=GB // 2,
            disk_bytes=GB,
        ),
        *(
            Case(
                name,
                lambda folder, shared: pit.open_join(folder, shared, SIZE),
                partial(counted, work=work),
                limit=against,
                shared=shared,
                memory_bytes=5 * GB,
                idle_bytes=GB // 2,
                disk_bytes=3 * result,
            )
            for name, work, against in works
        ),
        Case(f"split hash of {data.short(N_HASHED)} keys", setup_keys, hash_keys, memory_bytes=2 * GB),
    ]


CASES = tuple(_cases())

if __name__ == "__main__":
    raise SystemExit(main("bench.training"))
