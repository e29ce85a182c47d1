"""DuckDB in process."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from hopyard.errors import QueryError
from hopyard.ports import EngineCapabilities, Statement

BATCH_ROWS = 122_880
_CANNOT_RUN = "The query cannot be run"


class DuckDBEngine:
    """Implements `ports.QueryEngine`. One database per engine, one cursor per statement; spills to a folder of its own.

    Args:
        memory_bytes: what the engine may use before it spills to disk; None: DuckDB's own choice. Results that it has
            given away are not counted in it.
        n_threads: None: one per core.
        folder: the engine opens no file outside of it, whatever a statement says; None: any file.
    """

    capabilities = EngineCapabilities(dialect="duckdb", has_asof_join=True)

    def __init__(
        self, *, memory_bytes: int | None = None, n_threads: int | None = None, folder: Path | None = None
    ) -> None:
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # DuckDB takes every list of files for one row and would join it in a nested loop: hours instead of seconds.
            # That loop also returns 0.0 for -0.0, in floats and inside lists and structs.
            "asof_loop_join_threshold": 0,
            # Else a batch of more than 2 GiB of text fails; `_parts` makes several of it.
            "arrow_large_buffer_size": True,
            # - The window's turns row_number() = 1 into arg_max(), which returns 0.0 for -0.0 as the loop does.
            # - A scan with a schema counts as one row, and a join would hash its side, the large one. Joins are written
            #   with the small side on the right, which is hashed.
            "disabled_optimizers": "top_n_window_elimination,build_side_probe_side",
            "temp_directory": str(Path(tempfile.gettempdir()) / f"hopyard-duckdb-{os.getpid()}"),
        }
        if memory_bytes is not None:
            self._config["memory_limit"] = f"{memory_bytes // 1_000_000}MB"
        if n_threads is not None:
            self._config["threads"] = n_threads
        self._folder = folder
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._inherited: list[duckdb.DuckDBPyConnection] = []
        """Those of a parent process: to close one here would wait for threads that a fork does not copy."""
        self._pid = 0
        self._guard = threading.Lock()

    def run(self, statement: Statement) -> pa.RecordBatchReader:
        cursor, relation = self._start(statement)
        with _said(_CANNOT_RUN):
            reader = relation.to_arrow_reader(BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(statement.schema, _stream(reader, statement.schema, cursor))

    def collect(self, statement: Statement) -> pa.Table:
        cursor, relation = self._start(statement)
        with _said(_CANNOT_RUN), closing(cursor):
            table = relation.to_arrow_table(BATCH_ROWS)
            return pa.Table.from_batches(_typed(table.to_batches(), statement.schema), statement.schema)

    def close(self) -> None:
        with self._guard:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
                self._connection = None

    def _start(self, statement: Statement) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation]:
        cursor = self._connect().cursor()
        for frame, table in statement.frames.items():
            cursor.register(frame, table)
        with _said(_CANNOT_RUN):
            return cursor, cursor.sql(statement.tree.sql(dialect=self.capabilities.dialect))

    def _connect(self) -> duckdb.DuckDBPyConnection:
        with self._guard:
            if self._connection is None or self._pid != os.getpid():  # a connection does not survive a fork
                if self._connection is not None:
                    self._inherited.append(self._connection)
                connection = duckdb.connect(":memory:", config=self._config)
                connection.execute("SET GLOBAL TimeZone = 'UTC'")  # global, or cursors have the machine's
                if self._folder is not None:
                    folders = exp.Array(expressions=[exp.Literal.string(str(self._folder))])
                    allowed = exp.EQ(this=exp.var("allowed_directories"), expression=folders)
                    connection.execute(exp.Set(expressions=[exp.SetItem(this=allowed)]).sql("duckdb"))
                    connection.execute("SET GLOBAL enable_external_access = false")
                self._connection, self._pid = connection, os.getpid()
            return self._connection


@contextmanager
def _said(what: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # a stream of Arrow reports as OSError
        raise QueryError(f"{what}: {error}") from error


def _stream(
    reader: pa.RecordBatchReader, schema: pa.Schema, cursor: duckdb.DuckDBPyConnection
) -> Iterator[pa.RecordBatch]:
    with closing(cursor), _said("The query failed while it was read"):
        yield from _typed(reader, schema)


def _typed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the batches in exactly the promised types: the engine names list children and zones in its own way."""
    for batch in batches:
        if batch.schema.equals(schema):
            yield batch
        else:
            yield from (_cast(part, schema) for part in _parts(batch))


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts whose text and bytes a 32-bit offset can reach."""
    if batch.num_rows < 2 or all(column.nbytes < 2**31 for column in batch.columns):
        yield batch
    else:
        half = batch.num_rows // 2  # copied: the offsets of a slice count from the beginning of the whole
        yield from _parts(batch.take(pa.array(range(half))))
        yield from _parts(batch.take(pa.array(range(half, batch.num_rows))))


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.names != schema.names:
        raise QueryError(
            f"The query gives the columns {', '.join(batch.schema.names)}, not {', '.join(schema.names)}."
        )
    columns = [
        values if values.type.equals(field.type) else values.cast(field.type)
        for values, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
