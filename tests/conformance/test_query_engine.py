"""What every query engine does: the rules of `ports.QueryEngine`, each as a test. A new engine adds a line here.

Rows go through the files of a Delta table, as those of a feature group do, and must come back exactly.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from hopyard.compute.hashing import ContentHasher
from hopyard.engines.duckdb import DuckDBEngine
from hopyard.errors import QueryError
from hopyard.model.arrow import schema_from_arrow, to_arrow_schema
from hopyard.model.commit import Commit, DataFile, Snapshot
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.offline.delta import DeltaOfflineStore
from hopyard.ports import Change, QueryEngine, Statement
from hopyard.query.scan import column, read_files

Factory = Callable[[], QueryEngine]

ENGINES: dict[str, Factory] = {"duckdb": DuckDBEngine}
AT = "projects/p/groups/g_1-0"
TYPES: dict[str, list[Any]] = {
    "boolean": [True, False, None],
    "int": [-(2**31), 2**31 - 1, 0, None],
    "bigint": [-(2**63), 2**63 - 1, 0, -1, None],
    "float": [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 2.0**-149, None],
    "double": [0.0, -0.0, 0.1, 1e308, 5e-324, math.inf, -math.inf, math.nan, None],
    "string": [
        "",
        " ",
        "a",
        "NULL",
        "\N{MUSICAL SYMBOL G CLEF}",
        "e\u0301",
        "\u00e9",
        "a\x00b",
        "\n\r\t",
        "'\"`\\",
        None,
    ],
    "binary": [b"", b"\x00", b"\x00\xff\x80", b"a'b", None],
    "decimal(10,2)": [Decimal("0.00"), Decimal("-99999999.99"), Decimal("0.01"), None],
    "decimal(38,0)": [Decimal(10**38 - 1), Decimal(-(10**38) + 1), None],
    "decimal(38,38)": [Decimal("0." + "9" * 38), None],
    "timestamp": [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1900, 2, 28, 1, 2, 3, 4, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
        None,
    ],
    "date": [date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(9999, 12, 31), None],
    "array<float>[3]": [[0.5, -0.0, math.nan], [None, 1.0, math.inf], None],
    "array<string>": [[], [""], ["a", None, "\N{MUSICAL SYMBOL G CLEF}"], None],
    "array<array<bigint>>": [[[1], [], None, [2**63 - 1, None]], [], None],
    "array<timestamp>": [[datetime(1960, 1, 1, tzinfo=UTC), None], [], None],
    "struct<a:bigint,b:string>": [{"a": 1, "b": ""}, {"a": None, "b": None}, None],
    "struct<`odd name`:double,`a``b`:binary,when:timestamp>": [
        {"odd name": -0.0, "a`b": b"\x00", "when": datetime(1960, 1, 1, tzinfo=UTC)},
        None,
    ],
    "array<struct<x:decimal(5,1),y:array<date>>>": [
        [{"x": Decimal("1.5"), "y": [date(1960, 1, 1), None]}, None, {"x": None, "y": None}],
        [],
        None,
    ],
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[QueryEngine]:
    made = ENGINES[request.param]()
    yield made
    made.close()


def spec_of(schema: Schema) -> FeatureGroupSpec:
    features = tuple(FeatureSpec(name=field.name, type=field.type) for field in schema)
    return FeatureGroupSpec(project="p", name="g", version=1, id="0", location=AT, features=features)


def stored(folder: Path, schema: Schema, *frames: pa.Table) -> Snapshot:
    """Return a snapshot of a new table, each frame a file of it."""
    store = DeltaOfflineStore(folder)
    commit = Commit(number=0, committed_at_us=0, operation="insert")
    store.create(spec_of(schema), commit)
    for frame in frames:
        store.write(AT, store.snapshot(AT), Change("append", frame), commit)
    return store.snapshot(AT)


def scan(snapshot: Snapshot, schema: Schema, order_by: str | None = None) -> Statement:
    tree = exp.select(*(column(field.name) for field in schema)).from_(read_files(snapshot, schema))
    if order_by is not None:
        tree = tree.order_by(column(order_by))
    return Statement(tree=tree, schema=to_arrow_schema(schema))


def sql(text: str, schema: pa.Schema, **frames: pa.Table) -> Statement:
    return Statement(tree=parse_one(text, read="duckdb"), schema=schema, frames=frames)


Ask = Callable[[QueryEngine, Statement], pa.Table]


def both_ways(engine: QueryEngine, statement: Statement) -> pa.Table:
    """Return the result as a table, which is that of the stream."""
    table = engine.collect(statement)
    stream = engine.run(statement).read_all()
    assert table.schema.equals(stream.schema)
    assert content(schema_from_arrow(table.schema), table) == content(
        schema_from_arrow(stream.schema), stream
    )
    return table


def content(schema: Schema, table: pa.Table) -> str:
    hasher = ContentHasher(schema)
    hasher.update(table)
    return hasher.result().sha256


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_round_trips_through_files(engine: QueryEngine, tmp_path: Path, type_: str) -> None:
    schema = (Field(name="n", type="bigint"), Field(name="value", type=type_))
    values = TYPES[type_]
    arrow = to_arrow_schema(schema)
    frame = pa.table(
        [pa.array(range(len(values))), pa.array(values, arrow.field("value").type)], schema=arrow
    )
    found = both_ways(engine, scan(stored(tmp_path, schema, frame), schema, "n"))
    assert found.schema.equals(arrow)
    assert content(schema, found) == content(schema, frame)
    if "float" not in type_ and "double" not in type_:  # NaN equals nothing; the content hash knows better
        assert found.column("value").to_pylist() == values


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_round_trips_through_a_frame(engine: QueryEngine, type_: str) -> None:
    schema = (Field(name="value", type=type_),)
    arrow = to_arrow_schema(schema)
    frame = pa.table([pa.array(TYPES[type_], arrow.field("value").type)], schema=arrow)
    found = both_ways(engine, sql('SELECT "value" FROM "frame"', arrow, frame=frame))
    assert found.schema.equals(arrow)
    assert content(schema, found) == content(schema, frame)


@pytest.mark.parametrize("type_", TYPES)
def test_a_column_of_nulls_and_an_empty_table_keep_their_types(
    engine: QueryEngine, tmp_path: Path, type_: str
) -> None:
    schema = (Field(name="value", type=type_),)
    arrow = to_arrow_schema(schema)
    empty = both_ways(engine, scan(stored(tmp_path / "empty", schema), schema))
    assert (empty.num_rows, empty.schema) == (0, arrow)
    no_rows = both_ways(engine, scan(stored(tmp_path / "file", schema, arrow.empty_table()), schema))
    assert (no_rows.num_rows, no_rows.schema) == (0, arrow)
    nulls = pa.table([pa.nulls(3, arrow.field("value").type)], schema=arrow)
    found = both_ways(engine, scan(stored(tmp_path / "nulls", schema, nulls), schema))
    assert (found.schema, found.column("value").null_count) == (arrow, 3)


@pytest.mark.parametrize("type_", TYPES)
def test_a_feature_that_an_old_file_lacks_is_null_there(
    engine: QueryEngine, tmp_path: Path, type_: str
) -> None:
    old = (Field(name="n", type="bigint"),)
    new = (*old, Field(name="value", type=type_))
    arrow = to_arrow_schema(new)
    stored(tmp_path, old, pa.table({"n": [0, 1]}))
    store = DeltaOfflineStore(tmp_path)
    store.alter(AT, spec_of(new), Commit(number=0, committed_at_us=0, operation="append_features"))
    before = both_ways(engine, scan(store.snapshot(AT), new, "n"))
    assert (before.schema, before.column("value").null_count) == (arrow, 2)
    values = TYPES[type_]
    frame = pa.table(
        [pa.array(range(2, 2 + len(values))), pa.array(values, arrow.field("value").type)], schema=arrow
    )
    commit = Commit(number=0, committed_at_us=0, operation="insert")
    store.write(AT, store.snapshot(AT), Change("append", frame), commit)
    found = both_ways(engine, scan(store.snapshot(AT), new, "n"))
    assert found.schema.equals(arrow)
    assert found.column("value").slice(0, 2).null_count == 2
    assert content(new, found.slice(2)) == content(new, frame)


SCALARS = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(max_size=5),
    "binary": st.binary(max_size=5),
    "decimal(12,3)": st.decimals(-(10**8), 10**8, places=3, allow_nan=False),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data())
def test_any_rows_round_trip(engine: QueryEngine, tmp_path: Path, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(SCALARS)), min_size=1, max_size=4))
    schema = (
        Field(name="n", type="bigint"),
        *(Field(name=f"v{i}", type=kind) for i, kind in enumerate(kinds)),
    )
    rows = data.draw(
        st.lists(st.tuples(*(st.none() | SCALARS[kind] for kind in kinds)), min_size=1, max_size=8)
    )
    arrow = to_arrow_schema(schema)
    frame = pa.Table.from_pylist(
        [dict(zip(arrow.names, (n, *row), strict=True)) for n, row in enumerate(rows)], arrow
    )
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    pq.write_table(frame, folder / "part.parquet")
    snapshot = Snapshot(
        location="", commit=0, table_version=0, committed_at_us=0, files=(), columns=tuple(arrow.names)
    )
    files = (DataFile(path=str(folder / "part.parquet"), n_rows=len(rows), size_bytes=0),)
    found = both_ways(engine, scan(msgspec.structs.replace(snapshot, files=files), schema, "n"))
    assert found.schema.equals(arrow)
    assert content(schema, found) == content(schema, frame)


class TestStream:
    N_ROWS = 500_000
    SCHEMA = pa.schema([("n", pa.int64())])

    def test_a_large_result_comes_in_batches_of_the_promised_schema(self, engine: QueryEngine) -> None:
        reader = engine.run(sql(f"SELECT range AS n FROM range({self.N_ROWS})", self.SCHEMA))
        assert reader.schema.equals(self.SCHEMA)
        sizes, total = [], 0
        for batch in reader:
            assert batch.schema.equals(self.SCHEMA)
            sizes.append(batch.num_rows)
            total += sum(batch.column(0).to_pylist())
        assert len(sizes) > 1
        assert (sum(sizes), total) == (self.N_ROWS, self.N_ROWS * (self.N_ROWS - 1) // 2)

    def test_two_results_are_read_at_once(self, engine: QueryEngine) -> None:
        frames = [pa.table({"n": pa.array([k] * 300_000)}) for k in range(2)]
        one, other = (engine.run(sql("SELECT n FROM frame", self.SCHEMA, frame=frame)) for frame in frames)
        first, second = one.read_next_batch(), other.read_next_batch()
        assert (first.column(0)[0].as_py(), second.column(0)[0].as_py()) == (0, 1)
        assert one.read_all().num_rows + first.num_rows == 300_000
        assert other.read_all().num_rows + second.num_rows == 300_000

    def test_a_reader_that_is_left_unread_disturbs_nobody(self, engine: QueryEngine) -> None:
        statement = sql("SELECT range AS n FROM range(1000000)", self.SCHEMA)
        for _ in range(20):
            engine.run(statement).read_next_batch()
        assert both_ways(engine, statement).num_rows == 1_000_000

    def test_threads_share_an_engine(self, engine: QueryEngine) -> None:
        def total(k: int) -> int:
            frame = pa.table({"n": pa.array(range(k, k + 1000))})
            return sum(
                both_ways(engine, sql("SELECT n FROM frame", self.SCHEMA, frame=frame))["n"].to_pylist()
            )

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(total, range(40))) == [sum(range(k, k + 1000)) for k in range(40)]

    def test_types_that_fit_are_brought_to_the_promised_ones(self, engine: QueryEngine) -> None:
        schema = pa.schema([("n", pa.int64()), ("text", pa.string()), ("at", pa.timestamp("us", "UTC"))])
        text = "SELECT 1::INTEGER AS n, 'a' AS text, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at"
        found = both_ways(engine, sql(text, schema))
        assert found.schema.equals(schema)
        assert found.to_pylist() == [{"n": 1, "text": "a", "at": datetime(2024, 1, 1, tzinfo=UTC)}]


def streamed(engine: QueryEngine, statement: Statement) -> pa.Table:
    return engine.run(statement).read_all()


def collected(engine: QueryEngine, statement: Statement) -> pa.Table:
    return engine.collect(statement)


@pytest.mark.parametrize("ask", [streamed, collected])
class TestErrors:
    SCHEMA = pa.schema([("n", pa.int64())])

    @pytest.mark.parametrize(
        "text",
        ["SELECT nothing AS n", "SELECT n FROM no_frame", "SELECT n FROM read_parquet('/nowhere/x.parquet')"],
    )
    def test_a_statement_that_cannot_run_is_a_query_error(
        self, engine: QueryEngine, ask: Ask, text: str
    ) -> None:
        with pytest.raises(QueryError):
            ask(engine, sql(text, self.SCHEMA))

    def test_an_error_while_reading_is_a_query_error(self, engine: QueryEngine, ask: Ask) -> None:
        text = "SELECT CASE WHEN k < 400000 THEN k ELSE error('late') END AS n FROM range(500000) AS t(k)"
        with pytest.raises(QueryError, match="late"):
            ask(engine, sql(text, self.SCHEMA))

    def test_a_result_of_another_shape_is_a_query_error(self, engine: QueryEngine, ask: Ask) -> None:
        for text in ("SELECT 1 AS n, 2 AS m", "SELECT 'text' AS n", "SELECT 1 AS other"):
            with pytest.raises(QueryError):
                ask(engine, sql(text, self.SCHEMA))

    def test_a_broken_file_is_a_query_error(self, engine: QueryEngine, ask: Ask, tmp_path: Path) -> None:
        schema = (Field(name="n", type="bigint"),)
        snapshot = stored(tmp_path, schema, pa.table({"n": list(range(1000))}))
        path = Path(snapshot.files[0].path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(QueryError):
            ask(engine, scan(snapshot, schema))

    def test_after_an_error_the_engine_goes_on(self, engine: QueryEngine, ask: Ask) -> None:
        with pytest.raises(QueryError):
            ask(engine, sql("SELECT nothing AS n", self.SCHEMA))
        assert ask(engine, sql("SELECT 1 AS n", self.SCHEMA)).num_rows == 1


class TestIsolation:
    SCHEMA = pa.schema([("n", pa.int64())])

    def test_frames_of_one_statement_are_not_seen_by_the_next(self, engine: QueryEngine) -> None:
        both_ways(engine, sql("SELECT n FROM frame", self.SCHEMA, frame=pa.table({"n": [1]})))
        with pytest.raises(QueryError):
            both_ways(engine, sql("SELECT n FROM frame", self.SCHEMA))

    def test_variables_of_the_caller_are_no_tables(self, engine: QueryEngine) -> None:
        secret = pa.table({"n": [1]})
        with pytest.raises(QueryError):
            both_ways(engine, sql("SELECT n FROM secret", self.SCHEMA))
        assert secret.num_rows == 1

    def test_a_name_that_needs_quotes_is_a_frame(self, engine: QueryEngine) -> None:
        name = 'odd "name'
        tree = exp.select(column("n")).from_(exp.to_table(exp.to_identifier(name, quoted=True)))
        statement = Statement(tree=tree, schema=self.SCHEMA, frames={name: pa.table({"n": [3]})})
        assert both_ways(engine, statement).to_pylist() == [{"n": 3}]

    def test_it_can_be_used_after_close(self, engine: QueryEngine) -> None:
        for _ in range(2):
            assert both_ways(engine, sql("SELECT 1 AS n", self.SCHEMA)).num_rows == 1
            engine.close()
        engine.close()

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_uses_an_engine_of_its_own(self, engine: QueryEngine) -> None:
        assert both_ways(engine, sql("SELECT 1 AS n", self.SCHEMA)).num_rows == 1
        context = multiprocessing.get_context("fork")
        inbox, outbox = context.Pipe(duplex=False)

        def child() -> None:
            found = engine.run(
                sql("SELECT sum(range)::BIGINT AS n FROM range(1000000)", TestIsolation.SCHEMA)
            )
            outbox.send(found.read_all().to_pylist())
            os._exit(0)

        process = context.Process(target=child)
        process.start()
        process.join(30)
        if process.is_alive():
            process.kill()
        assert process.exitcode == 0
        assert inbox.recv() == [{"n": 499999500000}]
        assert both_ways(engine, sql("SELECT 1 AS n", self.SCHEMA)).num_rows == 1
