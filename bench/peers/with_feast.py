"""The same work in Feast: point-in-time joins with its DuckDB offline store, vectors from its SQLite and Redis stores.

This module runs in Feast's own virtual environment, which has nothing of Hopyard; `feast` is imported where it is used,
so that the workloads can name these cases. What the cases work on is a folder `feast` beside the shared store of a
workload: `views.json` (features by view), a Parquet file per view with `key`, `event_time` and the features,
`labels.parquet`, and `expected.parquet`, the right answers. Every case counts the rows that differ from those.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.harness import ROOT, Case, Home, Outcome

PYTHON = os.environ.get("HOPYARD_BENCH_FEAST") or str(ROOT / ".venv" / "peers" / "feast" / "bin" / "python")
REDIS_URL = "HOPYARD_TEST_REDIS_URL"
REDIS_DATABASE = 13
SINGLES, BATCHES, BATCH = 2_000, 100, 100
N_FRESH = 200
TYPES = {"double": "Float64", "int64": "Int64", "string": "String"}


def case(name: str, of: str, **options: Any) -> Case:
    """Return a case of a workload under its own name, that does what the case `of` of this module does.

    Args:
        options: fields of `Case`.
    """
    found = next(other for other in CASES if other.name == of)
    return replace(found, name=name, home=Home("Feast", PYTHON, __name__, of), **options)


def is_there() -> bool:
    """Whether Feast is installed where the bench looks for it; `make bench-peers` does that."""
    return Path(PYTHON).exists()


# Feast's own store: a registry in the case's folder, views over the Parquet files.


def open_store(folder: Path, shared: Path, *, online: str) -> Any:
    """Return a Feast store with the views of `shared`, whose online store is `sqlite` or `redis`."""
    warnings.filterwarnings("ignore")
    from feast import FeatureStore, RepoConfig

    online_store = {"type": "sqlite", "path": str(folder / "online.db")}
    if online == "redis":
        address = os.environ[REDIS_URL].partition("://")[2].partition("/")[0]
        online_store = {"type": "redis", "connection_string": f"{address},db={REDIS_DATABASE}"}
    config = RepoConfig(
        project=f"bench_{os.getpid()}",  # cases share a server
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store=online_store,
        entity_key_serialization_version=3,
        repo_path=str(folder),
    )
    store = FeatureStore(config=config)
    store.apply([*_definitions(shared / "feast")])
    return store


def _definitions(folder: Path) -> list[Any]:
    import feast
    from feast import types

    entity = feast.Entity(name="key", join_keys=["key"], value_type=feast.ValueType.INT64)
    found: list[Any] = [entity]
    for view, features in _views(folder).items():
        schema = pq.read_schema(folder / f"{view}.parquet")
        names = ["key", *features]
        found.append(
            feast.FeatureView(
                name=view,
                entities=[entity],
                ttl=timedelta(0),
                schema=[
                    feast.Field(name=n, dtype=getattr(types, TYPES[str(schema.field(n).type)])) for n in names
                ],
                source=feast.FileSource(path=str(folder / f"{view}.parquet"), timestamp_field="event_time"),
            )
        )
    return found


def write_views(folder: Path, views: Mapping[str, Sequence[str]]) -> None:
    """Make the folder with the names of the features of each view; the files of their rows are left to the caller."""
    folder.mkdir()
    (folder / "views.json").write_text(json.dumps(views))


def write_rows(folder: Path, rows: Mapping[str, pa.Table]) -> None:
    """Make the folder with a view of each table: all columns but key and event time are features."""
    names = ("key", "event_time")
    write_views(
        folder, {view: [n for n in table.column_names if n not in names] for view, table in rows.items()}
    )
    for view, table in rows.items():
        pq.write_table(table, folder / f"{view}.parquet")


def _views(folder: Path) -> dict[str, list[str]]:
    views: dict[str, list[str]] = json.loads((folder / "views.json").read_text())
    return views


def _features(folder: Path) -> list[str]:
    return [f"{view}:{name}" for view, features in _views(folder).items() for name in features]


# Point-in-time joins.


@dataclass(slots=True)
class Join:
    store: Any
    labels: Any
    features: list[str]
    n_wrong: int = 0


def setup_join(folder: Path, shared: Path) -> Join:
    store = open_store(folder, shared, online="sqlite")
    labels = pq.read_table(shared / "feast" / "labels.parquet").to_pandas()
    labels = labels.rename(columns={"event_time": "event_timestamp"})
    join = Join(store, labels, _features(shared / "feast"))
    found = _joined(join)
    found = found.rename_columns(_renamed(found.column_names))
    join.n_wrong = _n_wrong(found, pq.read_table(shared / "feast" / "expected.parquet"))
    return join


def run_join(join: Join) -> Outcome:
    _joined(join)
    return Outcome(len(join.labels), figures={"wrong rows": join.n_wrong})


def _joined(join: Join) -> Any:
    return join.store.get_historical_features(entity_df=join.labels, features=join.features).to_arrow()


def _renamed(names: Sequence[str]) -> list[str]:
    return ["event_time" if name == "event_timestamp" else name for name in names]


def _n_wrong(found: Any, expected: Any) -> int:
    """Return how many rows are not as expected; the event times of labels are unique and say which is which."""
    if found.num_rows != expected.num_rows:
        return int(max(found.num_rows, expected.num_rows))
    found, expected = (table.sort_by("event_time") for table in (found, expected))
    wrong = np.zeros(expected.num_rows, dtype=bool)
    for name in expected.column_names:
        mine, theirs = (table.column(name).to_pandas() for table in (found, expected))
        if name == "event_time":
            mine, theirs = (times.astype("datetime64[us, UTC]") for times in (mine, theirs))
        wrong |= ~((mine == theirs) | (mine.isna() & theirs.isna())).to_numpy()
    return int(wrong.sum())


# The online stores.


@dataclass(slots=True)
class Vectors:
    store: Any
    features: list[str]
    requests: list[list[dict[str, Any]]]
    n_wrong: int


def load(state: tuple[Any, Path]) -> int:
    """Fill the online store from the files of all views: what Feast calls materialize."""
    store, _ = state
    store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    return sum(pq.read_metadata(file).num_rows for file in _files(state[1]))


def _files(shared: Path) -> list[Path]:
    return [shared / "feast" / f"{view}.parquet" for view in _views(shared / "feast")]


def setup_load(folder: Path, shared: Path, *, online: str) -> tuple[Any, Path]:
    return open_store(folder, shared, online=online), shared


def close_load(state: tuple[Any, Path]) -> None:
    store, _ = state
    store.teardown()


def setup_vectors(folder: Path, shared: Path, *, online: str, n_entries: int) -> Vectors:
    """Load the store, and check the answers to some requests."""
    store = open_store(folder, shared, online=online)
    load((store, shared))
    keys = pq.read_table(_files(shared)[0], columns=["key"]).column("key").to_numpy()
    n = SINGLES if n_entries == 1 else BATCHES
    drawn = np.random.default_rng(1).choice(keys, n * n_entries).tolist()
    requests = [
        [{"key": key} for key in drawn[at : at + n_entries]] for at in range(0, len(drawn), n_entries)
    ]
    features = _features(shared / "feast")
    return Vectors(store, features, requests, _n_wrong_vectors(store, features, shared, drawn[:BATCH]))


def _values(shared: Path, keys: Sequence[int]) -> dict[str, list[Any]]:
    """Return what a vector of each key must hold, by feature."""
    found: dict[str, list[Any]] = {}
    for file, names in zip(_files(shared), _views(shared / "feast").values(), strict=True):
        rows = pq.read_table(file).to_pandas().set_index("key").loc[list(keys)]
        found |= {name: rows[name].tolist() for name in names}
    return found


def look_up(state: Vectors) -> Outcome:
    """Ask every request once, and time each."""
    ask, features, clock = state.store.get_online_features, state.features, time.perf_counter_ns
    latencies = []
    for entries in state.requests:
        before = clock()
        ask(features=features, entity_rows=entries).to_dict()
        latencies.append((clock() - before) / 1000)
    return Outcome(sum(map(len, state.requests)), latencies, {"wrong vectors": state.n_wrong})


def _n_wrong_vectors(store: Any, features: list[str], shared: Path, keys: Sequence[int]) -> int:
    entries = [{"key": key} for key in keys]
    found = store.get_online_features(features=features, entity_rows=entries).to_dict()
    expected = _values(shared, keys)
    rows = zip(*(found[name] for name in expected), strict=True)
    right = zip(*expected.values(), strict=True)
    return sum(mine != theirs for mine, theirs in zip(rows, right, strict=True))


# Freshness: a row that is written, until a vector has it.


def setup_fresh(folder: Path, shared: Path) -> tuple[Any, str, list[str], Any]:
    store = open_store(folder, shared, online="sqlite")
    (view, names), *_ = _views(shared / "feast").items()
    rows = pq.read_table(shared / "feast" / f"{view}.parquet").to_pandas()
    store.write_to_online_store(view, rows)
    return store, view, names, rows.head(1).copy()


def write_and_read(state: tuple[Any, str, list[str], Any]) -> Outcome:
    """Write one row to the online store alone and read it back, again and again."""
    store, view, names, row = state
    name, key, clock = names[0], int(row["key"].iloc[0]), time.perf_counter_ns
    latencies = []
    for _ in range(N_FRESH):
        value = float(np.random.default_rng().random())
        row[name] = value
        row["event_time"] = datetime.now(UTC)
        before = clock()
        store.write_to_online_store(view, row)
        found = store.get_online_features(features=[f"{view}:{name}"], entity_rows=[{"key": key}]).to_dict()
        latencies.append((clock() - before) / 1000)
        assert found[name] == [value], f"{found[name]} instead of {value}"
    return Outcome(N_FRESH, latencies)


STORES = ("sqlite", "redis")
CASES = (
    Case("join", setup_join, run_join),
    *(Case(f"{s} load", partial(setup_load, online=s), load, close_load, is_fresh=True) for s in STORES),
    *(
        Case(f"{s} {n}", partial(setup_vectors, online=s, n_entries=n), look_up)
        for s in STORES
        for n in (1, BATCH)
    ),
    Case("fresh", setup_fresh, write_and_read),
)
