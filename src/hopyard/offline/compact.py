"""Small data files become larger ones, with the same rows in order of time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import deltalake
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hopyard.durable import sync
from hopyard.errors import CorruptStoreError
from hopyard.failpoint import Failpoint, around
from hopyard.model.commit import DataFile
from hopyard.offline.actions import Add, MetaData
from hopyard.offline.encoding import CODEC, has_dictionary, has_statistics
from hopyard.time import EPOCH, from_micros

BATCH_BYTES = 32 * 2**20
_US_PER_MS = 1_000
_LONGEST_TEXT = 32
"""Longer text has no statistics: cut short, its greatest value would have to be rounded up."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Files and the one file that takes their place."""

    replaced: tuple[Add, ...]
    added: Add


def batches(files: Sequence[tuple[Add, DataFile]], event_time: str | None) -> list[list[Add]]:
    """Return which small files to merge, each list into one file: of one partition, close in time, not too large.

    Args:
        files: the files of the table's latest version.
        event_time: the column whose order the files follow.
    """

    def start(item: tuple[Add, DataFile]) -> tuple[int, str]:
        return (item[1].ranges[event_time][0] if event_time in item[1].ranges else -(2**63), item[0].path)

    found: list[list[Add]] = []
    by_partition: dict[tuple[tuple[str, str | None], ...], list[tuple[Add, DataFile]]] = {}
    for add, file in files:
        if file.is_small:
            by_partition.setdefault(tuple(sorted(add.partition_values.items())), []).append((add, file))
    for small in by_partition.values():
        batch: list[Add] = []
        for add, _ in sorted(small, key=start):
            if sum(other.size for other in batch) + add.size > BATCH_BYTES:
                found.append(batch)
                batch = []
            batch.append(add)
        found.append(batch)
    return [batch for batch in found if len(batch) > 1]


def merge(
    table: Path, files: Sequence[Add], metadata: MetaData, order: Sequence[str], failpoint: Failpoint
) -> Merged:
    """Write the rows of files of one partition into one new file, in order; return what takes the place of what.

    The new file is safe on the disk and no part of the table yet.

    Args:
        order: columns to sort by; none: the rows stay as they come.
    Raises:
        OSError: a file is gone, or the disk is full; no new file is left.
    """
    schema = _schema(metadata)
    rows = pa.concat_tables([_read(table / unquote(file.path), schema) for file in files])
    by = [(name, "ascending") for name in order if name in schema.names]
    if by:
        rows = rows.sort_by(by)
    expected = sum(_n_rows(file) for file in files)
    if rows.num_rows != expected:
        raise CorruptStoreError(
            f"The files that are to be merged in {table} have {rows.num_rows} rows, and the table's log says "
            f"{expected}. Look with `hopyard verify`."
        )
    # The log quotes names, and a folder of a partition is quoted in itself.
    folder = files[0].path.rpartition("/")[0]
    name = f"part-00000-{uuid.uuid4()}-c000.{CODEC.lower()}.parquet"
    path = table / unquote(folder) / name
    try:
        pq.write_table(
            rows,
            path,
            compression=CODEC,
            store_schema=False,
            use_dictionary=[
                field.name
                for field in schema
                if not pa.types.is_nested(field.type) and has_dictionary(rows.column(field.name))
            ],
            write_statistics=[field.name for field in schema if has_statistics(field.type)],
        )
        with around(failpoint, "merged_file_sync"):
            sync(path)
            sync(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    added = Add(
        path=f"{folder}/{quote(name)}" if folder else quote(name),
        partition_values=files[0].partition_values,
        size=path.stat().st_size,
        data_change=False,
        stats=msgspec.json.encode(statistics(rows)).decode(),
    )
    return Merged(tuple(files), added)


def actions(merged: Merged, *, now_us: int) -> Iterator[Mapping[str, Any]]:
    """Yield Delta's actions that put the new file in the place of the others, without a change of data."""
    now_ms = now_us // _US_PER_MS
    for file in merged.replaced:
        yield {
            "remove": {
                "path": file.path,
                "deletionTimestamp": now_ms,
                "dataChange": False,
                "extendedFileMetadata": True,
                "partitionValues": file.partition_values,
                "size": file.size,
            }
        }
    added = merged.added
    yield {
        "add": {
            "path": added.path,
            "partitionValues": added.partition_values,
            "size": added.size,
            "modificationTime": now_ms,
            "dataChange": False,
            "stats": added.stats,
        }
    }


def statistics(rows: pa.Table) -> dict[str, Any]:
    """Return what Delta's log says of a file: counts, nulls, and the ranges of columns that have an order."""
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    for name in rows.column_names:
        range_ = _range(rows.column(name))
        if range_ is not None:
            least[name], greatest[name] = range_
    nulls = {
        name: rows.column(name).null_count for name in rows.column_names if not _is_nested(rows.column(name))
    }
    return {"numRecords": rows.num_rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}


def _range(column: pa.ChunkedArray) -> tuple[Any, Any] | None:
    """Return the least and greatest value as the log writes them; None: the type has none here, or all is null."""
    type_ = column.type
    if pa.types.is_timestamp(type_):
        low, high = _min_max(column.cast(pa.int64()))
        try:
            return None if low is None else (_instant(low), _instant(high))
        except OverflowError:
            return None
    if pa.types.is_date32(type_):
        low, high = _min_max(column.cast(pa.int32()))
        try:
            return None if low is None else (_day(low), _day(high))
        except (OverflowError, ValueError):
            return None
    if pa.types.is_integer(type_):
        low, high = _min_max(column)
        return None if low is None else (low, high)
    if pa.types.is_string(type_):
        low, high = _min_max(column)
        return None if low is None or max(len(low), len(high)) > _LONGEST_TEXT else (low, high)
    return None  # of floats: NaN has no place in the order


def _min_max(column: pa.ChunkedArray) -> tuple[Any, Any]:
    found = pc.min_max(column)
    return found["min"].as_py(), found["max"].as_py()


def _instant(micros: int) -> str:
    """Return an instant as text, cut to milliseconds as Delta has it."""
    return (
        from_micros(micros // _US_PER_MS * _US_PER_MS)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def _day(days: int) -> str:
    return date.fromordinal(EPOCH.toordinal() + days).isoformat()


def _is_nested(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_nested(column.type))


def _n_rows(file: Add) -> int:
    return int(msgspec.json.decode(file.stats or "{}").get("numRecords", 0))


def _schema(metadata: MetaData) -> pa.Schema:
    """Return the columns that stand in the files: all but the partition's."""
    schema = pa.schema(deltalake.Schema.from_json(metadata.schema_string).to_arrow())
    return pa.schema([field for field in schema if field.name not in metadata.partition_columns])


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    """Return a file's rows in the table's columns; those that were added later are null."""
    found = pq.read_table(path, partitioning=None)
    columns = [
        found.column(field.name).cast(field.type)
        if field.name in found.column_names
        else pa.nulls(found.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
