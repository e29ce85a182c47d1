"""Which files of a snapshot may hold a row that is about to be written, by what the log knows of each file."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.model.commit import DataFile, Snapshot

Ordinals = np.ndarray
"""The distinct values of a column as whole numbers, in ascending order."""


def files_to_probe(snapshot: Snapshot, rows: pa.Table, on: Sequence[str]) -> Snapshot:
    """Return the snapshot with only the files that may hold a row that equals one of `rows` in the columns `on`.

    A file is left out only where its ranges exclude all the rows; without known ranges it stays.
    """
    columns = {name: values for name in on if (values := _ordinals(rows.column(name))) is not None}
    files = tuple(
        file for file in snapshot.files if all(_meets(file, name, values) for name, values in columns.items())
    )
    return snapshot if len(files) == len(snapshot.files) else msgspec.structs.replace(snapshot, files=files)


def _meets(file: DataFile, name: str, values: Ordinals) -> bool:
    range_ = file.ranges.get(name)
    if range_ is None:
        return True
    low, high = (max(min(bound, 2**63 - 1), -(2**63)) for bound in range_)
    first = int(np.searchsorted(values, low, side="left"))
    return first < len(values) and int(values[first]) <= high


def _ordinals(column: pa.ChunkedArray) -> Ordinals | None:
    """Return a column as files' ranges count it; None: they do not count its type."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if not pa.types.is_integer(column.type):
        return None
    return np.unique(pc.drop_null(column).to_numpy())
