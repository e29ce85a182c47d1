"""The first path, each step beside a limit or a peer over the same data: insert, upsert, point-in-time, vector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import lmdb
import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

import hopyard
from bench import data
from bench.harness import GB, Case, Outcome, main
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.queries import Query

N_ROWS = 1_000_000
N_KEYS = 100_000
N_FEATURES = 13
N_UPSERT = 10_000
N_VECTORS = 20_000
SEED = 1


# Insert: 1M rows x 15 columns into a new group.


@dataclass(slots=True)
class Insert:
    folder: Path
    frame: pa.Table
    group: FeatureGroup | None = None


def setup_write(folder: Path) -> Insert:
    return Insert(folder, data.group(N_ROWS, N_KEYS, N_FEATURES, SEED))


def write_parquet(state: Insert) -> int:
    pq.write_table(state.frame, state.folder / "rows.parquet", compression="zstd", compression_level=1)
    return N_ROWS


def setup_insert(folder: Path, *, online: bool) -> Insert:
    state = setup_write(folder)
    state.group = _group(_open(folder), "readings", online=online)
    return state


def insert(state: Insert) -> int:
    assert state.group is not None
    state.group.insert(state.frame)
    return N_ROWS


# Upsert: 10,000 rows with new values into 1M rows; every run changes the same rows again.


@dataclass(slots=True)
class Upsert:
    write: Callable[[pa.Table], Any]
    frame: pa.Table
    n_runs: int = 0


def _some_rows(frame: pa.Table) -> pa.Table:
    places = np.sort(np.random.default_rng(SEED).choice(N_ROWS, N_UPSERT, replace=False))
    return frame.take(pa.array(places))


def setup_upsert(folder: Path, *, online: bool) -> Upsert:
    state = setup_insert(folder, online=online)
    insert(state)
    assert state.group is not None
    return Upsert(state.group.insert, _some_rows(state.frame))


def setup_merge(folder: Path) -> Upsert:
    frame = setup_write(folder).frame
    uri = str(folder / "table")
    properties = WriterProperties(compression="ZSTD", compression_level=1)
    write_deltalake(uri, frame, writer_properties=properties)

    def merge(rows: pa.Table) -> None:
        DeltaTable(uri).merge(
            rows,
            "t.key = s.key AND t.event_time = s.event_time",
            source_alias="s",
            target_alias="t",
            writer_properties=properties,
        ).when_matched_update_all().when_not_matched_insert_all().execute()

    return Upsert(merge, _some_rows(frame))


def upsert(state: Upsert) -> int:
    state.n_runs += 1
    values = pa.array(np.full(N_UPSERT, float(state.n_runs)))
    state.write(state.frame.set_column(2, state.frame.schema.field(2), values))
    return N_UPSERT


# Point-in-time: labels x groups of 1M rows each.


@dataclass(slots=True)
class Join:
    n_labels: int
    query: Query
    groups: list[FeatureGroup]
    labels: FeatureGroup
    features: list[list[str]] = field(default_factory=list)


def setup_join(folder: Path, *, n_labels: int, n_groups: int) -> Join:
    fs = _open(folder)
    labels = fs.create_feature_group("labels", primary_key="key", event_time="event_time")
    labels.insert(data.labels(n_labels, N_KEYS, SEED))
    query, groups, features = labels.select_all(), [], []
    for name, frame in data.groups(N_ROWS, N_KEYS, N_FEATURES, SEED, n_groups=n_groups).items():
        group = _group(fs, name, online=False)
        group.insert(frame)
        query = query.join(group.select_all())
        groups.append(group)
        features.append(frame.column_names[2:])
    return Join(n_labels, query, groups, labels, features)


def join(state: Join) -> int:
    found = state.query.read(dataframe_type="arrow")
    assert (found.num_rows, found.num_columns) == (state.n_labels, 3 + N_FEATURES * len(state.groups))
    return state.n_labels


def _files(group: FeatureGroup) -> list[str]:
    return [str(path) for path in Path(group.location).glob("*.parquet")]


def join_in_duckdb(state: Join) -> int:
    names = [f"g{i}.{name}" for i, columns in enumerate(state.features) for name in columns]
    sql = f"SELECT l.*, {', '.join(names)} FROM read_parquet({_files(state.labels)}) l"
    for i, group in enumerate(state.groups):
        sql += (
            f" ASOF LEFT JOIN read_parquet({_files(group)}) g{i} "
            f"ON l.key = g{i}.key AND l.event_time >= g{i}.event_time"
        )
    with duckdb.connect() as connection:
        found = connection.sql(sql).to_arrow_table()
    assert (found.num_rows, found.num_columns) == (state.n_labels, 3 + len(names))
    return state.n_labels


def join_in_polars(state: Join) -> int:
    found = pl.scan_parquet(_files(state.labels)).sort("event_time")
    for group in state.groups:
        right = pl.scan_parquet(_files(group)).sort("event_time")
        found = found.join_asof(right, on="event_time", by="key", check_sortedness=False)
    table = found.collect().to_arrow()
    assert table.num_rows == state.n_labels
    return state.n_labels


# Vectors: one key at a time, 1M rows (100,000 keys) per group online.


@dataclass(slots=True)
class Vectors:
    view: FeatureView
    keys: list[int]


@dataclass(slots=True)
class Bare:
    environment: Any
    databases: list[Any]
    keys: list[bytes]


def setup_vectors(folder: Path, *, n_groups: int) -> Vectors:
    fs = _open(folder)
    query: Query | None = None
    present = set(range(N_KEYS))
    for name, frame in data.groups(N_ROWS, N_KEYS, N_FEATURES, SEED, n_groups=n_groups).items():
        group = _group(fs, name, online=True)
        group.insert(frame)
        selected = group.select(frame.column_names[2:])
        query = selected if query is None else query.join(selected)
        present &= set(frame.column("key").to_pylist())
    assert query is not None
    view = fs.create_feature_view("vectors", query)
    view.init_serving()
    return Vectors(
        view, [key for key in data.keys(N_VECTORS * 2, N_KEYS, SEED) if key in present][:N_VECTORS]
    )


def get_vectors(state: Vectors) -> Outcome:
    view = state.view
    return _timed(lambda key: view.get_feature_vector({"key": key}, allow_missing=True), state.keys)


def setup_bare(folder: Path, *, n_groups: int) -> Bare:
    """Put the same row bytes into an environment of our own."""
    fs = _open(folder)
    vectors = setup_vectors(folder, n_groups=n_groups)
    environment = lmdb.open(str(folder / "bare"), map_size=GB, max_dbs=n_groups)
    databases = []
    session = hopyard.login(folder / "store").session
    for group in fs.list_feature_groups():
        database = environment.open_db(group.name.encode())
        with environment.begin(write=True) as txn:
            txn.cursor(database).putmulti(session.online.scan(group.spec.id), append=True)
        databases.append(database)
    keys = [(key + 2**63).to_bytes(8, "big") for key in vectors.keys]
    with environment.begin() as txn:
        found = sum(txn.get(key, db=databases[0]) is not None for key in keys)
    assert found == len(keys), f"{found} of {len(keys)} keys have a row: the encoding of keys has changed"
    return Bare(environment, databases, keys)


def get_bare(state: Bare) -> Outcome:
    environment, databases, decode = state.environment, state.databases, msgspec.msgpack.Decoder(list).decode

    def get(key: bytes) -> list[Any]:
        values: list[Any] = []
        with environment.begin() as txn:
            for database in databases:
                row = txn.get(key, None, database)
                if row is not None:
                    values += decode(row)[2:]
        return values

    return _timed(get, state.keys)


def _timed(call: Callable[[Any], Any], keys: Sequence[Any]) -> Outcome:
    latencies, clock = [], time.perf_counter_ns
    for key in keys:
        before = clock()
        call(key)
        latencies.append((clock() - before) / 1000)
    return Outcome(len(keys), latencies)


def _open(folder: Path) -> FeatureStore:
    return hopyard.login(folder / "store").get_feature_store()


def _group(fs: FeatureStore, name: str, *, online: bool) -> FeatureGroup:
    return fs.create_feature_group(name, primary_key="key", event_time="event_time", online_enabled=online)


def _join_cases(n_labels: int, n_groups: int) -> tuple[Case, ...]:
    def setup(folder: Path) -> Join:
        return setup_join(folder, n_labels=n_labels, n_groups=n_groups)

    what = f"point-in-time {n_labels // 1000}k x {n_groups}"
    memory, disk = GB + n_groups * GB // 4, n_groups * GB // 4
    return (
        Case(f"{what}: DuckDB ASOF", setup, join_in_duckdb, memory_bytes=memory, disk_bytes=disk),
        Case(f"{what}: polars join_asof", setup, join_in_polars, memory_bytes=memory, disk_bytes=disk),
        Case(
            f"{what}: Hopyard",
            setup,
            join,
            against=f"{what}: DuckDB ASOF",
            memory_bytes=memory,
            disk_bytes=disk,
        ),
    )


def _vector_cases(n_groups: int) -> tuple[Case, ...]:
    bare = f"vector of {n_groups}: bare LMDB get + decode"
    return (
        Case(bare, lambda folder: setup_bare(folder, n_groups=n_groups), get_bare, memory_bytes=5 * GB // 4),
        Case(
            f"vector of {n_groups}: Hopyard",
            lambda folder: setup_vectors(folder, n_groups=n_groups),
            get_vectors,
            against=bare,
            memory_bytes=5 * GB // 4,
        ),
    )


PARQUET = "insert 1M x 15: Parquet write"
MERGE = "upsert 10k into 1M: delta-rs MERGE"
CASES = (
    Case(PARQUET, setup_write, write_parquet, is_fresh=True, memory_bytes=GB),
    Case(
        "insert 1M x 15: offline",
        lambda folder: setup_insert(folder, online=False),
        insert,
        against=PARQUET,
        is_fresh=True,
        memory_bytes=5 * GB // 4,
    ),
    Case(
        "insert 1M x 15: offline + online",
        lambda folder: setup_insert(folder, online=True),
        insert,
        against=PARQUET,
        is_fresh=True,
        memory_bytes=5 * GB // 4,
    ),
    Case(MERGE, setup_merge, upsert, memory_bytes=GB),
    Case(
        "upsert 10k into 1M: offline",
        lambda folder: setup_upsert(folder, online=False),
        upsert,
        against=MERGE,
        memory_bytes=5 * GB // 4,
    ),
    Case(
        "upsert 10k into 1M: offline + online",
        lambda folder: setup_upsert(folder, online=True),
        upsert,
        against=MERGE,
        memory_bytes=5 * GB // 4,
    ),
    *_join_cases(100_000, 1),
    *_join_cases(300_000, 3),
    *_vector_cases(1),
    *_vector_cases(3),
)

if __name__ == "__main__":
    raise SystemExit(main("bench.first"))
