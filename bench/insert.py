"""A million rows of 15 columns into a new group: checked, sorted, committed; offline, and with the online store.

The limit of the offline insert is a plain Parquet file. That of both stores is the offline insert and, after it, LMDB's
own bulk put of the same bytes, encoded and sorted beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import hopyard
from bench import data
from bench.harness import GB, Case, main
from hopyard.feature_group import FeatureGroup
from hopyard.model.schema import Field
from hopyard.online.codec import encode_keys, encode_rows
from hopyard.ports import OnlineTable

SIZES = tuple(data.scaled(n) for n in (1_000_000, 10_000_000))
N_FEATURES = 13
PUT_ROWS = 100_000
SEED = 1


@dataclass(slots=True)
class Insert:
    folder: Path
    rows: pa.Table
    group: FeatureGroup | None = None
    encoded: list[tuple[bytes, bytes]] = field(default_factory=list)


def _rows(n_rows: int) -> pa.Table:
    """Return rows in the order of time, each of a key of its own; the keys are in no order."""
    rows = data.group(n_rows, 1, N_FEATURES, SEED)
    return rows.set_column(0, "key", pa.array(np.random.default_rng(SEED).permutation(n_rows)))


def setup_parquet(folder: Path, *, n_rows: int) -> Insert:
    return Insert(folder, _rows(n_rows))


def write_parquet(state: Insert) -> int:
    pq.write_table(state.rows, state.folder / "rows.parquet", compression="zstd", compression_level=1)
    return int(state.rows.num_rows)


def setup_insert(folder: Path, *, n_rows: int, online: bool) -> Insert:
    fs = hopyard.login(folder / "store").get_feature_store()
    group = fs.create_feature_group(
        "readings", primary_key="key", event_time="event_time", online_enabled=online
    )
    return Insert(folder, _rows(n_rows), group)


def insert(state: Insert) -> int:
    assert state.group is not None
    state.group.insert(state.rows)
    return int(state.rows.num_rows)


def setup_both(folder: Path, *, n_rows: int) -> Insert:
    state = setup_insert(folder, n_rows=n_rows, online=False)
    kinds = {"double": "double", "int64": "bigint", "string": "string", "timestamp[us, tz=UTC]": "timestamp"}
    fields = tuple(Field(name=f.name, type=kinds[str(f.type)]) for f in state.rows.schema)
    table = OnlineTable(id="load", name="load_1", key=fields[:1], values=fields[2:])
    rows = state.rows.take(pc.sort_indices(state.rows.column("key")))
    keys, values = encode_keys(table, rows), encode_rows(table, rows, None)
    state.encoded = list(zip(keys.to_pylist(), values.to_pylist(), strict=True))
    return state


def insert_and_put(state: Insert) -> int:
    """Insert into the offline store, and put the encoded rows into an LMDB file, a transaction per 100,000."""
    n_rows = insert(state)
    with lmdb.open(str(state.folder / "bare"), map_size=1 << 40, lib_version=0) as environment:
        for start in range(0, n_rows, PUT_ROWS):
            with environment.begin(write=True) as txn:
                txn.cursor().putmulti(state.encoded[start : start + PUT_ROWS], append=True)
    return n_rows


def _cases(n_rows: int) -> Iterator[Case]:
    what = f"insert {data.short(n_rows)} x {N_FEATURES + 2}"
    parquet = f"{what}: Parquet write"
    sizes: dict[str, Any] = {
        "is_fresh": True,
        "memory_bytes": GB // 2 + n_rows * 700,
        "idle_bytes": GB // 4,
        "disk_bytes": n_rows * 400,
    }
    yield Case(parquet, partial(setup_parquet, n_rows=n_rows), write_parquet, **sizes)
    setup = partial(setup_insert, n_rows=n_rows)
    yield Case(f"{what}, offline: Hopyard", partial(setup, online=False), insert, limit=parquet, **sizes)
    if n_rows > SIZES[0]:
        return
    both = f"{what}, offline: Hopyard, then a bare LMDB load"
    yield Case(both, partial(setup_both, n_rows=n_rows), insert_and_put, **sizes)
    yield Case(
        f"{what}, offline and online: Hopyard", partial(setup, online=True), insert, limit=both, **sizes
    )


CASES = tuple(case for n_rows in SIZES for case in _cases(n_rows))

if __name__ == "__main__":
    raise SystemExit(main("bench.insert"))
