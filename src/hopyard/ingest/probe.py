"""Which files of a snapshot may hold a row that is about to be written, by what the log knows of each file."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from hopyard.compute.ordinals import Ordinals, ordinals
from hopyard.model.commit import DataFile, Snapshot

_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


def files_to_probe(snapshot: Snapshot, rows: pa.Table, on: Sequence[str]) -> Snapshot:
    """Return the snapshot with only the files that may hold a row that equals one of `rows` in the columns `on`.

    A file is left out only where its ranges exclude all the rows; without known ranges it stays.
    """
    files: Sequence[DataFile] = snapshot.files
    columns = {name: values for name in on if (values := ordinals(rows.column(name))) is not None}
    for name, values in columns.items():
        files = _overlapping(files, name, values)
    for name, values in columns.items():
        if not files:
            break  # to sort is what costs, and most rows are newer than everything that is there
        ascending = np.sort(values)
        files = [file for file in files if _meets(file, name, ascending)]
    return (
        snapshot
        if len(files) == len(snapshot.files)
        else msgspec.structs.replace(snapshot, files=tuple(files))
    )


def _overlapping(files: Sequence[DataFile], name: str, values: Ordinals) -> Sequence[DataFile]:
    if not len(values):
        return [file for file in files if name not in file.ranges]
    least, greatest = int(values.min()), int(values.max())
    return [
        file for file in files
        if name not in file.ranges or (file.ranges[name][0] <= greatest and file.ranges[name][1] >= least)
    ]  # fmt: skip


def _meets(file: DataFile, name: str, ascending: Ordinals) -> bool:
    range_ = file.ranges.get(name)
    if range_ is None:
        return True
    low, high = (max(min(bound, _GREATEST), _SMALLEST) for bound in range_)
    first = int(np.searchsorted(ascending, low, side="left"))
    return first < len(ascending) and int(ascending[first]) <= high
