"""From the call that writes a row until a feature vector has it, beside the least that two durable stores take.

The limit appends the row to a Delta table, forces its files to disk, and commits the encoded row to an LMDB file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import pyarrow as pa
from deltalake import write_deltalake

import hopyard
from bench import data
from bench.harness import GB, Case, Outcome, main
from bench.peers import with_feast

N_ENTITIES = data.scaled(10_000)
N_FEATURES = 13
N_WRITES = 200
CHANGED = "f0"
SEED = 5


@dataclass(slots=True)
class Fresh:
    """Rows of one key each, what writes them, and what reads the changed value of a key."""

    rows: list[pa.Table]
    write: Callable[[pa.Table], Any]
    read: Callable[[int], float]
    close: Callable[[], None]


def _rows() -> pa.Table:
    """Return a row of each key."""
    rows = data.group(N_ENTITIES, N_ENTITIES, N_FEATURES, SEED)
    return rows.set_column(0, "key", pa.array(range(N_ENTITIES), pa.int64()))


def _changes(n_rows: int) -> list[pa.Table]:
    """Return later rows of some keys, `n_rows` at a time."""
    start_us, span_us = data.START_US + data.YEAR_US, data.YEAR_US // 100
    rows = data.group(N_WRITES * n_rows, N_ENTITIES, N_FEATURES, SEED + 1, start_us=start_us, span_us=span_us)
    return [rows.slice(at * n_rows, n_rows) for at in range(N_WRITES)]


def setup_hopyard(folder: Path, *, n_rows: int) -> Fresh:
    fs = hopyard.login(folder / "store").get_feature_store()
    group = fs.create_feature_group(
        "readings", primary_key="key", event_time="event_time", online_enabled=True
    )
    group.insert(_rows())
    view = fs.create_feature_view("readings", group.select([CHANGED]))
    view.init_serving()
    ask = view.get_feature_vector
    return Fresh(_changes(n_rows), group.insert, lambda key: ask({"key": key})[0], lambda: None)


def setup_bare(folder: Path, *, n_rows: int) -> Fresh:
    """A Delta append forced to disk, then the same row as msgpack in an LMDB file."""
    table, decode = str(folder / "table"), msgspec.msgpack.decode
    write_deltalake(table, _rows())
    environment = lmdb.open(str(folder / "online"), map_size=GB, lib_version=0)

    def write(rows: pa.Table) -> None:
        before = set(_files(folder / "table"))
        write_deltalake(table, rows, mode="append")
        for path in [*(path for path in _files(folder / "table") if path not in before), folder / "table"]:
            _force(path)
        _force(folder / "table" / "_delta_log")
        with environment.begin(write=True) as txn:
            for row in rows.to_pylist():
                values = [value for name, value in row.items() if name not in ("key", "event_time")]
                txn.put(row["key"].to_bytes(8, "big"), msgspec.msgpack.encode(values))

    def read(key: int) -> float:
        with environment.begin() as txn:
            return float(decode(txn.get(key.to_bytes(8, "big")) or b"")[0])

    return Fresh(_changes(n_rows), write, read, environment.close)


def _files(table: Path) -> list[Path]:
    folders = (table, table / "_delta_log")
    return [Path(entry.path) for folder in folders for entry in os.scandir(folder) if entry.is_file()]


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def write_and_read(state: Fresh) -> Outcome:
    """Write each change and read it back at once."""
    latencies, clock = [], time.perf_counter_ns
    for rows in state.rows:
        key, value = (rows.column(name)[-1].as_py() for name in ("key", CHANGED))
        before = clock()
        state.write(rows)
        found = state.read(key)
        latencies.append((clock() - before) / 1000)
        assert found == value, f"{found} instead of {value}"
    return Outcome(N_WRITES, latencies)


def close(state: Fresh) -> None:
    state.close()


def build_for_feast(folder: Path) -> None:
    with_feast.write_rows(folder / "feast", {"group_0": _rows()})


def _cases() -> list[Case]:
    cases: list[Case] = []
    sizes: dict[str, Any] = {"is_fresh": True, "memory_bytes": GB, "idle_bytes": GB // 4}
    peer = None
    if with_feast.is_there():
        peer = "1 row, online only, not durable: Feast"
        cases.append(
            with_feast.case(peer, "fresh", shared=build_for_feast, memory_bytes=2 * GB, idle_bytes=GB)
        )
    for n_rows in (1, 100):
        what = f"{n_rows} row{'s' if n_rows > 1 else ''}"
        limit = f"{what}: Delta append + LMDB commit"
        cases.append(Case(limit, partial(setup_bare, n_rows=n_rows), write_and_read, close, **sizes))
        cases.append(
            Case(
                f"{what}: Hopyard",
                partial(setup_hopyard, n_rows=n_rows),
                write_and_read,
                close,
                limit=limit,
                peer=peer if n_rows == 1 else None,
                **sizes,
            )
        )
    return cases


CASES = tuple(_cases())

if __name__ == "__main__":
    raise SystemExit(main("bench.freshness"))
