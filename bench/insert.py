"""A million rows of 15 columns into a new group: checked, sorted, committed; offline, and with the online store.

The limit of the offline insert is a plain Parquet file. That of both stores is the offline insert and, after it, LMDB's
own bulk put of the same bytes, encoded and sorted beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench import data
from bench.harness import GB, Case, main
from bench.online import BATCH_ROWS, bare_put, encoded_pairs
from bench.write import Write, create_group, parquet_writer, run
from hopyard.model.arrow import schema_from_arrow
from hopyard.ports import OnlineTable

SIZES = tuple(data.scaled(n) for n in (1_000_000, 10_000_000))
N_FEATURES = 13
SEED = 1


def _rows(n_rows: int) -> pa.Table:
    """Return rows in the order of time, each of a key of its own; the keys are in no order."""
    rows = data.group(n_rows, 1, N_FEATURES, SEED)
    return rows.set_column(0, "key", pa.array(np.random.default_rng(SEED).permutation(n_rows)))


def setup_parquet(folder: Path, *, n_rows: int) -> Write:
    return Write(_rows(n_rows), parquet_writer(folder))


def setup_insert(folder: Path, *, n_rows: int, online: bool) -> Write:
    return Write(_rows(n_rows), create_group(folder / "store", online=online).insert)


def setup_both(folder: Path, *, n_rows: int) -> Write:
    """Insert into the offline store, and put the encoded rows into an LMDB file, a transaction per 100,000."""
    state = setup_insert(folder, n_rows=n_rows, online=False)
    fields = schema_from_arrow(state.rows.schema)
    table = OnlineTable(id="load", name="load_1", key=fields[:1], values=fields[2:])
    encoded = encoded_pairs(table, state.rows.take(pc.sort_indices(state.rows.column("key"))))
    batches = [encoded[start : start + BATCH_ROWS] for start in range(0, n_rows, BATCH_ROWS)]
    insert = state.write

    def insert_and_put(rows: pa.Table) -> None:
        insert(rows)
        bare_put(folder / "bare", batches)

    return Write(state.rows, insert_and_put)


def _cases(n_rows: int) -> Iterator[Case]:
    what = f"insert {data.short(n_rows)} x {N_FEATURES + 2}"
    parquet = f"{what}: Parquet write"
    sizes: dict[str, Any] = {
        "is_fresh": True,
        "memory_bytes": GB // 2 + n_rows * 700,
        "idle_bytes": GB // 4,
        "disk_bytes": n_rows * 400,
    }
    yield Case(parquet, partial(setup_parquet, n_rows=n_rows), run, **sizes)
    setup = partial(setup_insert, n_rows=n_rows)
    yield Case(f"{what}, offline: Hopyard", partial(setup, online=False), run, limit=parquet, **sizes)
    if n_rows > SIZES[0]:
        return
    both = f"{what}, offline: Hopyard, then a bare LMDB load"
    yield Case(both, partial(setup_both, n_rows=n_rows), run, **sizes)
    yield Case(f"{what}, offline and online: Hopyard", partial(setup, online=True), run, limit=both, **sizes)


CASES = tuple(case for n_rows in SIZES for case in _cases(n_rows))

if __name__ == "__main__":
    raise SystemExit(main("bench.insert"))
