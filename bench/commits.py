"""Many small commits, with maintenance on, beside bare appends of delta-rs; and what compacting their files takes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from bench import data
from bench.harness import GB, Case, Outcome, main
from bench.write import PROPERTIES, Write, check, copy_store, create_group, open_group

N_COMMITS = max(20, data.scaled(1_000))
N_FILES = max(20, data.scaled(300))
ROWS_PER_COMMIT = 100
N_KEYS = data.scaled(100_000)
N_FEATURES = 13
SEED = 3


def small_rows(n_commits: int) -> list[pa.Table]:
    rows = data.group(n_commits * ROWS_PER_COMMIT, N_KEYS, N_FEATURES, SEED)
    return [rows.slice(at * ROWS_PER_COMMIT, ROWS_PER_COMMIT) for at in range(n_commits)]


# Commits, one after the other, into a group that its first one has made.


def setup_commits(folder: Path) -> Write:
    group = create_group(folder / "store")
    first, *others = small_rows(N_COMMITS + 1)
    group.insert(first)
    return Write(
        pa.concat_tables(others), group.insert, Path(group.location), (N_COMMITS + 1) * ROWS_PER_COMMIT
    )


def setup_appends(folder: Path) -> Write:
    uri = str(folder / "table")
    first, *others = small_rows(N_COMMITS + 1)
    write_deltalake(uri, first, writer_properties=PROPERTIES)
    append = partial(write_deltalake, uri, mode="append", writer_properties=PROPERTIES)
    return Write(pa.concat_tables(others), append, Path(uri), (N_COMMITS + 1) * ROWS_PER_COMMIT)


def run_commits(state: Write) -> Outcome:
    latencies, clock = [], time.perf_counter_ns
    for number in range(N_COMMITS):
        rows = state.rows.slice(number * ROWS_PER_COMMIT, ROWS_PER_COMMIT)
        before = clock()
        state.write(rows)
        latencies.append((clock() - before) / 1000)
    tenth = max(1, N_COMMITS // 10)
    first, last = (statistics.median(part) / 1000 for part in (latencies[:tenth], latencies[-tenth:]))
    figures = {f"first {tenth} p50 ms": first, f"last {tenth} p50 ms": last, "last / first": last / first}
    return Outcome(N_COMMITS * ROWS_PER_COMMIT, latencies, figures)


# Compaction of a group of many small files, which nobody has compacted in between.


@dataclass(slots=True)
class Compaction:
    table: Path
    compact: Callable[[], Any]


def build_files(folder: Path) -> None:
    os.environ["HOPYARD_MAINTENANCE"] = "off"
    group = create_group(folder / "store")
    for rows in small_rows(N_FILES):
        group.insert(rows)
    (folder / "location").write_text(str(Path(group.location).relative_to(folder / "store")))


def setup_compaction(folder: Path, shared: Path) -> Compaction:
    group = open_group(copy_store(shared, folder))
    return Compaction(Path(group.location), group.maintain)


def setup_optimize(folder: Path, shared: Path) -> Compaction:
    table = copy_store(shared, folder) / (shared / "location").read_text()
    return Compaction(table, lambda: DeltaTable(str(table)).optimize.compact(writer_properties=PROPERTIES))


def run_compaction(state: Compaction) -> int:
    state.compact()
    return N_FILES * ROWS_PER_COMMIT


def check_compaction(state: Compaction) -> None:
    actions: Any = DeltaTable(str(state.table)).get_add_actions(flatten=True)
    counts = actions.column("num_records").to_pylist()
    assert sum(counts) == N_FILES * ROWS_PER_COMMIT, (
        f"{sum(counts)} rows instead of {N_FILES * ROWS_PER_COMMIT}"
    )
    assert len(counts) < N_FILES / 10, f"{len(counts)} of {N_FILES} files are left"


SMALL = f"{N_COMMITS:,} commits of {ROWS_PER_COMMIT} rows"
COMPACT = f"compaction of {N_FILES} files"
SIZES: dict[str, Any] = {"is_fresh": True, "memory_bytes": GB, "idle_bytes": GB // 2}
CASES = (
    Case(f"{SMALL}: delta-rs append", setup_appends, run_commits, check, **SIZES),
    Case(f"{SMALL}: Hopyard", setup_commits, run_commits, check, peer=f"{SMALL}: delta-rs append", **SIZES),
    Case(
        f"{COMPACT}: delta-rs", setup_optimize, run_compaction, check_compaction, shared=build_files, **SIZES
    ),
    Case(
        f"{COMPACT}: Hopyard",
        setup_compaction,
        run_compaction,
        check_compaction,
        peer=f"{COMPACT}: delta-rs",
        shared=build_files,
        **SIZES,
    ),
)

if __name__ == "__main__":
    raise SystemExit(main("bench.commits"))
