"""Training data by point-in-time joins in several shapes, beside Feast and the best by hand over the same files.

Every case is checked before it is timed: its rows must be those of a plain ASOF join, by number and by an order-free
digest of some columns. Every run opens its engine anew, ours too: none finds in memory what it has read before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import hopyard
from bench import data
from bench.harness import GB, Case, main
from bench.peers import with_feast
from hopyard.compute.row_hash import row_digest
from hopyard.model.arrow import schema_from_arrow
from hopyard.queries import Query
from hopyard.session import Session

SEED = 7
CHUNK_ROWS = 4_000_000
CHECKED_FEATURES = (0, 2, 3)  # a double, a whole number, a string
ADDRESS_BITS = 40
IN_4_GB = "4GB"
NO_LOOP = "SET asof_loop_join_threshold = 0"
"""DuckDB takes a list of files for few rows and would join it in a nested loop, hours instead of seconds."""


@dataclass(frozen=True)
class Size:
    """One size of the join. `memory_limit` stands for results that need not fit: they go to a Parquet file."""

    name: str
    n_labels: int
    n_rows: tuple[int, ...]
    n_keys: int
    memory_limit: str | None = None
    n_features: int = 13
    zipf: float | None = None
    has_peer: bool = False

    def features(self, index: int) -> list[str]:
        """Return the names of a group's features."""
        return [f"g{index}_f{n}" for n in range(self.n_features)]

    @property
    def checked(self) -> list[str]:
        """The columns that answers are checked by: the label's, and of each group a double, a number, a string."""
        kinds = [n for n in CHECKED_FEATURES if n < self.n_features]
        groups = range(len(self.n_rows))
        return ["key", "event_time", "label", *(f"g{index}_f{n}" for index in groups for n in kinds)]

    @property
    def what(self) -> str:
        return f"{self.name}, {data.short(self.n_labels)} x {data.short(sum(self.n_rows))}"


SIZES = (
    Size("small", data.scaled(100_000), (data.scaled(1_000_000),), data.scaled(100_000), has_peer=True),
    Size(
        "medium",
        data.scaled(1_000_000),
        (data.scaled(4_000_000), data.scaled(3_000_000), data.scaled(3_000_000)),
        data.scaled(100_000),
        has_peer=True,
    ),
    Size(
        "large",
        data.scaled(5_000_000),
        (data.scaled(32_000_000),),
        data.scaled(200_000),
        memory_limit=IN_4_GB,
    ),
    Size("wide", data.scaled(50_000), (data.scaled(100_000),), data.scaled(10_000), n_features=500),
    Size("many", data.scaled(100_000), (data.scaled(100_000),) * 20, data.scaled(10_000), n_features=5),
    Size("skewed", data.scaled(100_000), (data.scaled(1_000_000),), data.scaled(100_000), zipf=1.2),
)


# The data: one store per size, which its cases only read.


def build(folder: Path, *, size: Size) -> None:
    """Make the store of a size, and the number and digest of the rows that every case must return."""
    fs = hopyard.login(folder / "store").get_feature_store()
    spine = fs.create_feature_group("labels", primary_key="key", event_time="event_time")
    for n, start_us, span_us in chunks(size.n_labels):
        spine.insert(
            data.labels(n, size.n_keys, SEED + start_us, start_us=start_us, span_us=span_us, zipf=size.zipf)
        )
    for index, n_rows in enumerate(size.n_rows):
        group = fs.create_feature_group(f"group_{index}", primary_key="key", event_time="event_time")
        for n, start_us, span_us in chunks(n_rows):
            group.insert(
                data.group(
                    n,
                    size.n_keys,
                    size.n_features,
                    SEED + 1 + index + start_us,
                    name=f"g{index}_",
                    start_us=start_us,
                    span_us=span_us,
                    zipf=size.zipf,
                )
            )
    join = open_join(folder, folder, size)
    right = asof_in_duckdb(join)
    (folder / "expected.json").write_text(json.dumps(_digest(join, right)))
    if size.has_peer and with_feast.is_there():
        _write_for_feast(folder / "feast", join, right)


def _write_for_feast(folder: Path, join: Join, right: pa.Table | Path) -> None:
    """Write the same tables as a file each, and the right answers."""
    names = [f"group_{index}" for index in range(len(join.groups))]
    with_feast.write_views(folder, {name: join.size.features(index) for index, name in enumerate(names)})
    with duckdb.connect() as connection:
        for name, files in zip(["labels", *names], [join.labels, *join.groups], strict=True):
            connection.execute(f"COPY (FROM read_parquet({files})) TO '{folder / name}.parquet'")
    pq.write_table(_checked(join.size, right), folder / "expected.parquet")


def chunks(n_rows: int) -> list[tuple[int, int, int]]:
    """Return (rows, first time, span) of parts of the year, one after the other: what inserts by time look like."""
    n_chunks = -(-n_rows // CHUNK_ROWS)
    span_us = data.YEAR_US // n_chunks
    sizes = [n_rows // n_chunks + (index < n_rows % n_chunks) for index in range(n_chunks)]
    return [(n, data.START_US + index * span_us, span_us) for index, n in enumerate(sizes)]


# What every case has: the files of the tables, and where the result goes.


@dataclass(slots=True)
class Join:
    size: Size
    labels: list[str]
    groups: list[list[str]]
    result: Path
    query: Query
    session: Session
    options: list[str] = field(default_factory=lambda: [NO_LOOP])

    @property
    def features(self) -> list[str]:
        return [name for index in range(len(self.groups)) for name in self.size.features(index)]


def setup_join(folder: Path, shared: Path, *, size: Size, work: Callable[[Join], Any]) -> Join:
    """Open the store of a size and check that `work` returns the right rows."""
    join = open_join(folder, shared, size)
    expected = json.loads((shared / "expected.json").read_text())
    found = _digest(join, work(join))
    assert found == expected, f"wrong rows: {found} instead of {expected}"
    return join


def open_join(folder: Path, shared: Path, size: Size) -> Join:
    if size.memory_limit is not None:
        os.environ["HOPYARD_MEMORY_LIMIT"] = size.memory_limit
    project = hopyard.login(shared / "store")
    fs, session = project.get_feature_store(), project.session
    spine = fs.get_feature_group("labels")
    groups = [fs.get_feature_group(f"group_{index}") for index in range(len(size.n_rows))]
    query = spine.select_all()
    for group in groups:
        query = query.join(group.select_all())
    labels, *files = (
        [file.path for file in session.offline.snapshot(group.spec.location).files]
        for group in (spine, *groups)
    )
    join = Join(size, labels, files, folder / "result.parquet", query, session)
    if size.memory_limit is not None:
        join.options.append(f"SET memory_limit = '{size.memory_limit}'")
        join.options.append(f"SET temp_directory = '{folder / 'spill'}'")
    return join


def _digest(join: Join, found: pa.Table | Path) -> list[object]:
    """Return the number of rows, and the digest of labels and some features, which does not depend on their order."""
    width = len(pq.read_schema(found).names) if isinstance(found, Path) else found.num_columns
    found = _checked(join.size, found)
    return [found.num_rows, width, row_digest(found, schema_from_arrow(found.schema))]


def _checked(size: Size, found: pa.Table | Path) -> pa.Table:
    names = size.checked
    table = pq.read_table(found, columns=names) if isinstance(found, Path) else found.select(names)
    # Engines give text and zones in types of their own.
    schema = pa.schema([(f.name, pa.string() if _is_text(f.type) else f.type) for f in table.schema])
    schema = schema.set(1, pa.field("event_time", pa.timestamp("us", "UTC")))
    return table.cast(schema)


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


# The cases. Each returns its result: a table, or the Parquet file of one that need not fit into memory.


def in_hopyard(join: Join) -> pa.Table | Path:
    try:
        if join.size.memory_limit is None:
            return join.query.read(dataframe_type="arrow")
        reader = join.query.read_batches()
        with pq.ParquetWriter(join.result, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return join.result
    finally:
        join.session.engine.close()


def late_in_duckdb(join: Join) -> pa.Table | Path:
    """ASOF on keys and times alone, to the address of the winning row, then its features: one statement."""
    addresses = ", ".join(f"n{index}.address AS a{index}" for index in range(len(join.groups)))
    narrow = f"SELECT l.*, {addresses} FROM read_parquet({join.labels}) l"
    wide = f"SELECT n.* EXCLUDE ({', '.join(f'a{index}' for index in range(len(join.groups)))})"
    wide += f", {', '.join(join.features)} FROM narrow n"
    address = f"(file_index::BIGINT << {ADDRESS_BITS}) | file_row_number AS address"
    for index, files in enumerate(join.groups):
        narrow += (
            f" ASOF LEFT JOIN (SELECT key, event_time, {address} FROM read_parquet({files})) n{index}"
            f" ON l.key = n{index}.key AND l.event_time >= n{index}.event_time"
        )
        wide += (
            f" LEFT JOIN (SELECT {address}, {', '.join(join.size.features(index))} FROM read_parquet({files})) w{index}"
            f" ON n.a{index} = w{index}.address"
        )
    return _run(join, f"WITH narrow AS ({narrow}) {wide}")


def asof_in_duckdb(join: Join) -> pa.Table | Path:
    sql = f"SELECT l.*, {', '.join(join.features)} FROM read_parquet({join.labels}) l"
    for index, files in enumerate(join.groups):
        sql += (
            f" ASOF LEFT JOIN read_parquet({files}) g{index}"
            f" ON l.key = g{index}.key AND l.event_time >= g{index}.event_time"
        )
    return _run(join, sql)


def _run(join: Join, sql: str) -> pa.Table | Path:
    with duckdb.connect() as connection:
        for option in join.options:
            connection.execute(option)
        if join.size.memory_limit is None:
            return connection.sql(sql).to_arrow_table()
        connection.execute(f"COPY ({sql}) TO '{join.result}' (FORMAT parquet)")
        return join.result


def in_polars(join: Join) -> pa.Table | Path:
    found = pl.scan_parquet(join.labels).sort("event_time")
    for files in join.groups:
        right = pl.scan_parquet(files).sort("event_time")
        found = found.join_asof(right, on="event_time", by="key", check_sortedness=False)
    if join.size.memory_limit is None:
        return found.collect(engine="streaming").to_arrow()
    found.sink_parquet(join.result, compression="snappy", engine="streaming")
    return join.result


def scan_in_duckdb(join: Join) -> None:
    """Read every column that the join reads, of all rows, and keep a hash: what reading alone costs."""
    tables = [(join.labels, ["key", "event_time", "label"])]
    tables += [
        (files, ["key", "event_time", *join.size.features(index)]) for index, files in enumerate(join.groups)
    ]
    with duckdb.connect() as connection:
        for option in join.options:
            connection.execute(option)
        for files, names in tables:
            connection.sql(f"SELECT bit_xor(hash({', '.join(names)})) FROM read_parquet({files})").fetchall()


def timed(join: Join, *, work: Callable[[Join], Any]) -> int:
    work(join)
    return join.size.n_labels


def _cases(size: Size) -> Iterator[Case]:
    n_rows, n_features = sum(size.n_rows), size.n_features
    # A store takes about 6 bytes per value on disk; a result about 10 per value in memory.
    store, result = n_rows * (n_features + 2) * 6, size.n_labels * len(size.n_rows) * n_features * 10
    what, shared = size.what, partial(build, size=size)
    scan, late = f"{what}: scan of the columns", f"{what}: DuckDB, late by hand"
    memory = 5 * GB if size.memory_limit else GB + 3 * result + n_rows * 60
    yield Case(
        scan,
        partial(open_join, size=size),
        partial(timed, work=scan_in_duckdb),
        block=what,
        shared=shared,
        memory_bytes=GB,
        idle_bytes=GB // 2,
        disk_bytes=store,
    )
    options: dict[str, Any] = {
        "block": what,
        "shared": shared,
        "idle_bytes": GB // 2,
        "disk_bytes": 2 * result,
    }
    works: list[tuple[str, Callable[[Join], Any], str, int]] = [
        (late, late_in_duckdb, scan, memory),
        (f"{what}: DuckDB, plain ASOF", asof_in_duckdb, late, memory + GB),
        (f"{what}: polars join_asof", in_polars, late, memory + n_rows * 150),
    ]
    for name, work, limit, needed in works:
        setup, run = partial(setup_join, size=size, work=work), partial(timed, work=work)
        yield Case(name, setup, run, limit=limit, memory_bytes=needed, **options)
    peer = works[-1][0]
    if size.has_peer and with_feast.is_there():
        peer = f"{what}: Feast"
        yield with_feast.case(peer, "join", limit=late, memory_bytes=memory + n_rows * 400, **options)
    yield Case(
        f"{what}: Hopyard",
        partial(setup_join, size=size, work=in_hopyard),
        partial(timed, work=in_hopyard),
        limit=late,
        peer=peer,
        memory_bytes=memory,
        **options,
    )


CASES = tuple(case for size in SIZES for case in _cases(size))

if __name__ == "__main__":
    raise SystemExit(main("bench.pit"))
