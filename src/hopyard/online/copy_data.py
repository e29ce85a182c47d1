"""Rows in the binary form of PostgreSQL's COPY, whole columns at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.online.keys import LONGEST_PLAIN_KEY, stored_key

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_N_COLUMNS = 2


def copy_data(keys: pa.BinaryArray, rows: pa.BinaryArray) -> bytes:
    """Return a whole COPY of two columns: the stored keys, and the rows, none of them null."""
    if len(keys) and pc.max(pc.binary_length(keys)).as_py() > LONGEST_PLAIN_KEY:
        keys = pa.array([stored_key(key) for key in keys.to_pylist()], pa.binary())
    before_key = np.empty(len(keys), np.dtype([("n", ">i2"), ("length", ">i4")]))
    before_key["n"], before_key["length"] = _N_COLUMNS, pc.binary_length(keys).to_numpy()
    before_row = pc.binary_length(rows).to_numpy().astype(">i4")
    joined = pc.binary_join_element_wise(_binary(before_key), keys, _binary(before_row), rows, b"")
    offsets = np.frombuffer(joined.buffers()[1], np.int32)[joined.offset : joined.offset + len(joined) + 1]
    start, end = (int(offsets[0]), int(offsets[-1])) if len(joined) else (0, 0)
    return b"".join([_HEAD, joined.buffers()[2][start:end] if end > start else b"", _END])


def _binary(values: np.ndarray[tuple[int], np.dtype[np.void]]) -> pa.BinaryArray:
    """Return a column of values of one width as bytes."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(values.dtype.itemsize)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    )
