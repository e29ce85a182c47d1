"""The file behind a feature view: its columns, and its rows as a feature group takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds

from hopyard.errors import SchemaMismatchError
from hopyard.model.arrow import to_arrow
from hopyard.model.types import parse_type

ROWS_PER_INSERT = 1_000_000
INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of a group: where it is in the file, and the name and type that it gets."""

    source: str
    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How the rows of a file become those of a group.

    Attributes:
        columns: all of them, without the constant.
        keys: names of key columns in the file: rows with a null there match nothing, and are left out.
        event_time: its name in the file.
        created: of rows with equal keys and event time, the one with the newest value here counts; None: the last.
        constant: a key column that is 0 in each row, for a view without entities; None: there is none.
    """

    columns: tuple[ColumnPlan, ...]
    keys: tuple[str, ...]
    event_time: str
    created: str | None
    constant: str | None


class SourceFile:
    """A Parquet file or folder, a CSV file or a Delta table.

    Raises:
        SchemaMismatchError: it cannot be opened as what it is said to be.
    """

    def __init__(self, path: Path, format_: str, csv_types: Mapping[str, pa.DataType]) -> None:
        self.path = path
        self.is_csv = format_ == "csv"
        try:
            self._version, self._dataset = _open(path, format_, csv_types)
            self.schema: pa.Schema = self._dataset.schema
        except Exception as error:  # each format has its own errors, some without a common base
            raise SchemaMismatchError(f"{path} cannot be read as {format_}: {error}") from error
        names = self.schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaMismatchError(f"{path} has two columns called {twice[0]!r}. Rename one of them.")

    def fingerprint(self, plan: RowPlan) -> str:
        """Return a text that is equal for equal content, read in the same way."""
        digest = hashlib.blake2b(repr((plan, self._version)).encode(), digest_size=16)
        if not self._version:
            for file in sorted(self._dataset.files):
                with Path(file).open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "blake2b").digest())
        return digest.hexdigest()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns in the order of the file. Raises SchemaMismatchError for what cannot be read so."""
        try:
            yield from self._dataset.scanner(columns=list(dict.fromkeys(columns))).to_batches()
        except (pa.ArrowException, OSError) as error:
            raise SchemaMismatchError(f"{self.path} cannot be read: {error}") from error

    def n_rows(self) -> int:
        """Return how many rows there are, without reading them where the format knows."""
        if self.is_csv:  # read to its end, so that a value that is not of its type shows
            return sum(batch.num_rows for batch in self.batches(self.schema.names))
        return int(self._dataset.count_rows())

    def latest(self, column: str) -> int | None:
        """Return the greatest instant of a column in microseconds since 1970; None: it has none.

        Raises:
            SchemaMismatchError: a value is no instant.
        """
        latest = None
        for batch in self.batches([column]):
            try:
                newest = pc.max(instants(batch.column(0))).cast(pa.int64()).as_py()
            except pa.ArrowException as error:  # a text that is no instant, or one that is out of range
                raise SchemaMismatchError(
                    f"Column {column!r} of {self.path} has no instants: {error}"
                ) from error
            if newest is not None and (latest is None or newest > latest):
                latest = newest
        return latest

    def casts_exactly(self, column: str, type_: str) -> bool:
        """Return whether each value of a column is one of another type, with nothing lost."""
        wanted = to_arrow(parse_type(type_))
        for batch in self.batches([column]):
            try:
                batch.column(0).cast(wanted)
            except pa.ArrowException:
                return False
        return True

    def tables(self, plan: RowPlan, n_rows: int = ROWS_PER_INSERT) -> Iterator[tuple[pa.Table, int]]:
        """Yield the rows in pieces, ready to insert, each with how many rows were left out for a null key or time."""
        is_newest = self._newest(plan) if plan.created else None
        needed = [*(column.source for column in plan.columns), *plan.keys, plan.event_time]
        held: list[pa.RecordBatch] = []
        n_held = n_read = 0
        for batch in self.batches(needed):
            kept = batch
            if is_newest is not None:
                kept = batch.filter(pa.array(is_newest[n_read : n_read + batch.num_rows]))
            n_read += batch.num_rows
            held.append(kept)
            n_held += kept.num_rows
            if n_held >= n_rows:
                yield _ready(pa.Table.from_batches(held), plan)
                held, n_held = [], 0
        if n_held:
            yield _ready(pa.Table.from_batches(held), plan)

    def _newest(self, plan: RowPlan) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return for each row whether it is the one that counts among those of its keys and event time."""
        assert plan.created is not None
        names = list(dict.fromkeys([*plan.keys, plan.event_time, plan.created]))
        table = pa.Table.from_batches(
            list(self.batches(names)), self._dataset.schema.empty_table().select(names).schema
        )
        order = np.asarray(
            pc.sort_indices(
                table.append_column("__n", pa.array(np.arange(table.num_rows))),
                sort_keys=[(plan.created, "ascending", "at_start"), ("__n", "ascending", "at_start")],
            )
        )
        rank = np.empty(table.num_rows, dtype=np.int64)
        rank[order] = np.arange(table.num_rows)
        identity = [*plan.keys, plan.event_time]
        newest = (
            table.select(identity)
            .append_column("__rank", pa.array(rank))
            .group_by(identity)
            .aggregate([("__rank", "max")])
            .column("__rank_max")
        )
        mask = np.zeros(table.num_rows, dtype=np.bool_)
        mask[order[np.asarray(newest)]] = True
        return mask


def instants(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return times as UTC microseconds: a naive one is UTC, and nanoseconds are cut off."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = column.cast(INSTANT)
        except pa.ArrowInvalid:  # the texts have no zone
            column = column.cast(pa.timestamp("us"))
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    if column.type.tz is None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if column.type.unit == "ns":  # floor, also before 1970
        nanos = column.cast(pa.int64())
        whole = pc.divide(pc.subtract(nanos, _remainder(nanos)), 1_000)
        return whole.cast(INSTANT)
    return column.cast(INSTANT)


def _remainder(nanos: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    cut = pc.subtract(nanos, pc.multiply(pc.divide(nanos, 1_000), 1_000))
    return pc.if_else(pc.less(cut, 0), pc.add(cut, 1_000), cut)


def _ready(table: pa.Table, plan: RowPlan) -> tuple[pa.Table, int]:
    """Return the rows under the group's names and types, and how many were left out."""
    is_whole = pc.is_valid(table.column(plan.event_time))
    for key in plan.keys:
        is_whole = pc.and_(is_whole, pc.is_valid(table.column(key)))
    whole = table.filter(is_whole)
    columns: dict[str, pa.ChunkedArray] = {}
    for column in plan.columns:
        values = whole.column(column.source)
        is_time = column.source == plan.event_time or column.type == "timestamp"
        columns[column.name] = instants(values) if is_time else values.cast(to_arrow(parse_type(column.type)))
    if plan.constant:
        columns = {plan.constant: pa.array(np.zeros(whole.num_rows, dtype=np.int64)), **columns}
    return pa.table(columns), table.num_rows - whole.num_rows


def _open(path: Path, format_: str, csv_types: Mapping[str, pa.DataType]) -> tuple[str, ds.Dataset]:
    """Return the version of a Delta table (else nothing), and the rows."""
    if format_ == "delta" or (path / "_delta_log").is_dir():
        from deltalake import DeltaTable

        table = DeltaTable(str(path))
        return f"{table.metadata().id}@{table.version()}", table.to_pyarrow_dataset()
    if format_ == "csv":
        convert = pa.csv.ConvertOptions(column_types=dict(csv_types), strings_can_be_null=True)
        return "", ds.dataset(str(path), format=ds.CsvFileFormat(convert_options=convert))
    return "", ds.dataset(str(path), format="parquet", partitioning="hive")
