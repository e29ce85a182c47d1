"""What an insert tells of the rows that it writes, from memory: counts, nulls, least and greatest values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from hopyard.model.plan import Value, literal
from hopyard.model.schema import Field, Schema
from hopyard.model.statistics import ColumnStatistics

FEW_ROWS = 100_000
"""Of so many rows the columns are looked at one by one: a thread would take longer to start."""
N_THREADS = 2


def written(rows: pa.Table, schema: Schema) -> tuple[ColumnStatistics, ...]:
    """Return what the rows of a schema say by themselves."""
    columns = [(item, rows.column(item.name)) for item in schema]
    if rows.num_rows <= FEW_ROWS:
        return tuple(_written(item, values) for item, values in columns)
    with ThreadPoolExecutor(N_THREADS) as threads:
        return tuple(threads.map(lambda column: _written(*column), columns))


def _written(item: Field, values: pa.ChunkedArray) -> ColumnStatistics:
    kind, n_nans = item.feature_type.kind, 0
    if kind in ("float", "double"):
        n_nans = sum(chunk.true_count for chunk in pc.is_nan(values).chunks)
    low: object = None
    high: object = None
    if kind not in ("array", "struct") and n_nans < len(values) - values.null_count:
        ends = pc.min_max(values)  # which passes over NaN
        low, high = _python(ends["min"]), _python(ends["max"])
    return ColumnStatistics(
        name=item.name,
        type=item.type,
        count=len(values),
        n_nulls=values.null_count,
        n_nans=n_nans,
        min_value=_stored(low),
        max_value=_stored(high),
    )


def _python(value: pa.Scalar) -> object:
    """Return a scalar as a Python object, and an instant as it is kept: it may lie beyond Python's years."""
    if pa.types.is_timestamp(value.type) and value.is_valid:
        return Value(type="timestamp", value=value.value)
    found = value.as_py()
    return found + 0.0 if isinstance(found, float) else found  # zero has one sign


def _stored(value: object) -> Value | None:
    return value if value is None or isinstance(value, Value) else literal(value)
