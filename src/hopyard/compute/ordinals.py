"""Columns that are whole numbers inside (numbers, instants, dates): quick answers about order and repetition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ordinals = npt.NDArray[np.int64]

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""The constants of splitmix64: every input has its own output."""


def ordinals(column: pa.ChunkedArray) -> Ordinals | None:
    """Return a column of whole numbers, instants (in its own unit) or dates (days) as int64, without its nulls.

    None: the column is of another type.
    """
    type_ = column.type
    if pa.types.is_date32(type_):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(type_):
        column = column.cast(pa.int64())
    elif not (pa.types.is_integer(type_) and not pa.types.is_uint64(type_)):
        return None
    values: Ordinals = pc.drop_null(column).to_numpy().astype(np.int64, copy=False)
    return values


def may_repeat(columns: Sequence[pa.ChunkedArray]) -> bool:
    """Return False if no two rows are equal in all the columns, for sure; True: perhaps two are."""
    mixed = None
    for column in columns:
        values = ordinals(column)
        if values is None or len(values) < len(column):
            return True
        bits = values.view(np.uint64)
        mixed = _mix(bits if mixed is None else mixed + bits)
    if mixed is None:
        return True
    mixed.sort()
    return bool((mixed[1:] == mixed[:-1]).any())


def is_sorted(columns: Sequence[pa.ChunkedArray]) -> bool:
    """Return True if the rows ascend by the columns, the first one first, for sure; False: perhaps they do not."""
    undecided: npt.NDArray[np.bool_] | None = None
    for column in columns:
        values = ordinals(column)
        if values is None or len(values) < len(column):
            return False
        falls, is_equal = values[1:] < values[:-1], values[1:] == values[:-1]
        if (falls if undecided is None else falls & undecided).any():
            return False
        undecided = is_equal if undecided is None else undecided & is_equal
        if not undecided.any():
            return True
    return undecided is not None


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = values + _MIX[0]
    values = (values ^ (values >> np.uint64(30))) * _MIX[1]
    values = (values ^ (values >> np.uint64(27))) * _MIX[2]
    mixed: npt.NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed
