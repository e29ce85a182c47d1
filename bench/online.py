"""Feature vectors of one, three and ten groups of a million entities, and loads, beside what the bare store takes.

The limit of a lookup is the bare store: a transaction, a get of each encoded key, msgpack's decode of each row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import hopyard
from bench import data
from bench.harness import GB, Case, Outcome, main
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.model.arrow import schema_from_arrow
from hopyard.model.position import CommitPosition
from hopyard.online.codec import encode_keys, encode_rows
from hopyard.online.lmdb import LmdbOnlineStore
from hopyard.ports import EncodedRows, OnlineTable

N_ENTITIES = data.scaled(1_000_000)
N_GROUPS = {"int": 10, "string": 3, "composite": 3}
KEYS = {"int": ["key"], "string": ["key"], "composite": ["region", "key"]}
N_SINGLE = 20_000
N_BATCHES = {100: 300, 500: 100}
BATCH_ROWS = 100_000
N_REGIONS = 100
SEED = 11


# The store: groups of each kind of key, all online, and an offline group of labels that they are joined to.


def build(folder: Path) -> None:
    fs = hopyard.login(folder / "store").get_feature_store()
    for kind, n_groups in N_GROUPS.items():
        build_kind(fs, kind, n_groups)


def build_kind(fs: FeatureStore, kind: str, n_groups: int, n_entities: int = N_ENTITIES) -> None:
    """Make the groups of a kind of key, and a view of the first one, of the first two, and so on."""
    for number in range(n_groups):
        group = fs.create_feature_group(
            _group_name(kind, number), primary_key=KEYS[kind], online_enabled=True
        )
        group.insert(rows_of(kind, number, n_entities))
    labels = fs.create_feature_group(f"{kind}_labels", primary_key="label_id")
    first = next(_batches(kind, SEED)).slice(0, 1).select(KEYS[kind])
    labels.insert(first.append_column("label_id", pa.array([1])).append_column("label", pa.array([0.0])))
    for n in range(1, n_groups + 1):
        fs.create_feature_view(f"{kind}_{n}", _query(fs, kind, n), labels="label")


def rows_of(kind: str, number: int, n_entities: int = N_ENTITIES) -> pa.Table:
    """Return the rows of a group, whose features are named by its number."""
    rows = pa.concat_tables(_batches(kind, SEED + number, n_entities))
    return rows.rename_columns([n if n in KEYS[kind] else f"g{number}_{n}" for n in rows.column_names])


def _group_name(kind: str, number: int) -> str:
    return f"{kind}_{number}"


def _query(fs: FeatureStore, kind: str, n_groups: int) -> Any:
    query = fs.get_feature_group(f"{kind}_labels").select(["label"])
    for number in range(n_groups):
        group = fs.get_feature_group(_group_name(kind, number))
        query = query.join(group.select_all(), on=KEYS[kind])
    return query


def _batches(
    kind: str, seed: int, n_entities: int = N_ENTITIES, *, has_nulls: bool = False
) -> Iterator[pa.Table]:
    """Yield the rows of a group in batches: its key, 10 doubles, 2 whole numbers, a string; with a null in each row."""
    random = np.random.default_rng(seed)
    for start in range(0, n_entities, BATCH_ROWS):
        n = min(BATCH_ROWS, n_entities - start)
        numbers = np.arange(start, start + n)
        columns: dict[str, Any] = dict(zip(KEYS[kind], _keys(kind, numbers), strict=True))
        hidden = random.integers(0, 13, n) if has_nulls else np.full(n, -1)
        for at in range(10):
            columns[f"d{at}"] = pa.array(random.random(n), mask=hidden == at)
        for at in range(2):
            columns[f"n{at}"] = pa.array(random.integers(0, 10**9, n), mask=hidden == 10 + at)
        names = np.array([f"segment-{name}" for name in range(1000)], object)
        columns["s"] = pa.array(names[random.integers(0, 1000, n)], pa.string(), mask=hidden == 12)
        yield pa.table(columns)


def _keys(kind: str, numbers: np.ndarray[Any, Any]) -> list[pa.Array]:
    if kind == "int":
        return [pa.array(numbers)]
    if kind == "string":
        return [pc.binary_join_element_wise("customer-", pa.array(numbers).cast(pa.string()), "")]
    regions = pc.binary_join_element_wise("region-", pa.array(numbers % N_REGIONS).cast(pa.string()), "")
    return [regions, pa.array(numbers)]


# Lookups


@dataclass(slots=True)
class Lookups:
    """What is asked, request by request: entries, and what answers them."""

    requests: Sequence[Any]
    n_entries: int
    answer: Callable[[Any], Any]
    n_features: int


def setup_vectors(
    folder: Path, shared: Path, *, kind: str, n_groups: int, n_entries: int, n_entities: int = N_ENTITIES
) -> Lookups:
    view = open_view(shared, kind, n_groups)
    requests = requests_of(kind, view, n_entries, n_entities)
    answer = view.get_feature_vector if n_entries == 1 else view.get_feature_vectors
    return Lookups(requests, n_entries, answer, 13 * n_groups)


def open_view(shared: Path, kind: str, n_groups: int) -> FeatureView:
    view = hopyard.login(shared / "store").get_feature_store().get_feature_view(f"{kind}_{n_groups}")
    view.init_serving()
    return view


def requests_of(kind: str, view: FeatureView, n_entries: int, n_entities: int = N_ENTITIES) -> list[Any]:
    """Return single entries, or lists of them, of random entities; the same for every run."""
    n_requests = N_SINGLE if n_entries == 1 else N_BATCHES[n_entries]
    numbers = np.random.default_rng(SEED).integers(0, n_entities, n_requests * n_entries)
    columns = [column.to_pylist() for column in _keys(kind, numbers)]
    by_column = dict(zip(KEYS[kind], columns, strict=True))
    names = view.serving_keys
    values = [by_column[name] for name in names]
    entries = iter([dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)])
    if n_entries == 1:
        return list(entries)
    return [list(islice(entries, n_entries)) for _ in range(n_requests)]


def setup_bare_lmdb(
    folder: Path, shared: Path, *, kind: str, n_groups: int, n_entries: int, n_entities: int = N_ENTITIES
) -> Lookups:
    """The same keys, encoded beforehand, in the same file; what is found is decoded and nothing else."""
    view = open_view(shared, kind, n_groups)
    plan = view._serving().plan
    asked = requests_of(kind, view, n_entries, n_entities)
    requests = [[request] if n_entries == 1 else request for request in asked]
    encoded = encoded_keys(plan, requests)
    view._session.online.close()
    environment = lmdb.open(
        str(shared / "store" / "projects" / "default" / "online"),
        map_size=1 << 40,
        max_dbs=512,
        readonly=True,
        readahead=False,
        lib_version=0,
    )
    tables = environment.open_db(b"__tables__", create=False)
    with environment.begin() as txn:
        names = [txn.get(node.table.id.encode(), db=tables) for node in plan.nodes]
    databases = [environment.open_db(name, create=False) for name in names]
    decode = msgspec.msgpack.Decoder(list).decode

    def answer(keys: Sequence[Sequence[bytes]]) -> list[list[Any]]:
        found = []
        with environment.begin() as txn:
            get = txn.get
            for database, of_table in zip(databases, keys, strict=True):
                for key in of_table:
                    found.append(decode(get(key, None, database)))  # type: ignore[arg-type]
        return found

    return Lookups(encoded, n_entries, answer, 15)


def encoded_keys(plan: Any, requests: Sequence[Sequence[Any]]) -> list[list[list[bytes]]]:
    """Return the encoded keys of each request, table by table."""
    from hopyard.online.keys import encode_key

    return [
        [
            [encode_key(node.table, [entry[key.name] for key in node.keys]) for entry in request]
            for node in plan.nodes
        ]
        for request in requests
    ]


def look_up(state: Lookups) -> Outcome:
    """Ask every request once, and time each. Each answer has the right size, or the run fails."""
    answer, clock = state.answer, time.perf_counter_ns
    found = answer(state.requests[0])
    one = found if len(found) == state.n_features else found[0]
    assert len(one) == state.n_features, f"{len(one)} values instead of {state.n_features}"
    latencies = []
    for request in state.requests:
        start = clock()
        answer(request)
        latencies.append((clock() - start) / 1000)
    return Outcome(len(state.requests) * state.n_entries, latencies)


# Loads: encode and write a million rows, batch by batch, beside the bare store writing the same bytes.


@dataclass(slots=True)
class Load:
    table: OnlineTable
    batches: Callable[[], Iterator[pa.Table]]
    store: Any = None
    folder: Path = field(default_factory=Path)
    encoded: list[list[tuple[bytes, bytes]]] = field(default_factory=list)


def _table() -> OnlineTable:
    fields = schema_from_arrow(next(_batches("int", SEED)).schema)
    return OnlineTable(id="load", name="load_1", key=fields[:1], values=fields[1:])


def setup_load(folder: Path, *, open_store: Callable[[Path], Any], has_nulls: bool) -> Load:
    return Load(_table(), partial(_batches, "int", SEED, has_nulls=has_nulls), open_store(folder), folder)


def load(state: Load) -> Outcome:
    """Encode and write all rows; the rows are made in between, which is not counted."""
    state.store.ensure(state.table)
    made_seconds = 0.0

    def encoded() -> Iterator[EncodedRows]:
        nonlocal made_seconds
        batches = state.batches()
        while True:
            start = time.perf_counter()
            rows = next(batches, None)
            made_seconds += time.perf_counter() - start
            if rows is None:
                return
            yield EncodedRows(keys=encode_keys(state.table, rows), rows=encode_rows(state.table, rows, None))

    start = time.perf_counter()
    state.store.replace(state.table, encoded(), CommitPosition(number=1))
    seconds = time.perf_counter() - start - made_seconds
    return Outcome(N_ENTITIES, figures={"rows/s without making the rows": N_ENTITIES / seconds})


def close_load(state: Load) -> None:
    if state.store is not None:
        state.store.drop(state.table.id)
        state.store.close()


def setup_bare_load(folder: Path) -> Load:
    state = Load(_table(), partial(_batches, "int", SEED), folder=folder)
    state.encoded = [encoded_pairs(state.table, rows) for rows in state.batches()]
    return state


def encoded_pairs(table: OnlineTable, rows: pa.Table) -> list[tuple[bytes, bytes]]:
    """Return the key and the bytes of each row."""
    keys, values = encode_keys(table, rows), encode_rows(table, rows, None)
    return list(zip(keys.to_pylist(), values.to_pylist(), strict=True))


def bare_load(state: Load) -> int:
    bare_put(state.folder, state.encoded)
    return N_ENTITIES


def bare_put(folder: Path, encoded: Sequence[list[tuple[bytes, bytes]]]) -> None:
    """Put the encoded rows into an empty LMDB file in order, a transaction per batch."""
    with lmdb.open(str(folder), map_size=1 << 40, max_dbs=2, lib_version=0) as environment:
        database = environment.open_db(b"rows")
        for batch in encoded:
            with environment.begin(write=True) as txn:
                txn.cursor(database).putmulti(batch, append=True)


def _lookup_cases() -> Iterator[Case]:
    asked = [("int", n_groups, n_entries) for n_groups in (1, 3, 10) for n_entries in (1, 100, 500)]
    asked += [
        (kind, n_groups, n) for kind in ("string", "composite") for n_groups in (1, 3) for n in (1, 100)
    ]
    for kind, n_groups, n_entries in asked:
        what = f"{kind} key, {n_groups} group(s), {n_entries} entities"
        options: dict[str, Any] = {"kind": kind, "n_groups": n_groups, "n_entries": n_entries}
        shared: dict[str, Any] = {
            "shared": build,
            "memory_bytes": GB // 2,
            "idle_bytes": GB // 8,
            "disk_bytes": GB // 4,
        }
        yield Case(f"{what}: bare LMDB", partial(setup_bare_lmdb, **options), look_up, **shared)
        yield Case(
            f"{what}: Hopyard",
            partial(setup_vectors, **options),
            look_up,
            limit=f"{what}: bare LMDB",
            **shared,
        )


def _load_cases() -> Iterator[Case]:
    what = f"load {data.short(N_ENTITIES)} rows"
    yield Case(f"{what}: bare LMDB", setup_bare_load, bare_load, is_fresh=True, memory_bytes=2 * GB)
    for name, has_nulls in ((f"{what}: Hopyard", False), (f"{what}, a null in each: Hopyard", True)):
        yield Case(
            name,
            partial(
                setup_load, open_store=lambda folder: LmdbOnlineStore(folder / "online"), has_nulls=has_nulls
            ),
            load,
            close_load,
            limit=f"{what}: bare LMDB",
            is_fresh=True,
            memory_bytes=GB,
        )


CASES = (
    *_lookup_cases(),
    *_load_cases(),
)

if __name__ == "__main__":
    raise SystemExit(main("bench.online"))
