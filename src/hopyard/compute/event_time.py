"""Event times as stored, and as the UTC microseconds by which they are compared."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hopyard.errors import SchemaMismatchError
from hopyard.model.schema import Field
from hopyard.model.specs import EventTimeUnit
from hopyard.time import US_PER_DAY, US_PER_UNIT

MAX_US = 2**63 - 1


def event_times_us(
    field: Field, unit: EventTimeUnit | None, column: pa.ChunkedArray | pa.Array
) -> pa.Int64Array:
    """Return event times as UTC microseconds since 1970, as many as `column` has; null stays null.

    Args:
        field: the event-time column: a timestamp (UTC), a date (00:00 UTC of that day), or a bigint.
        unit: what a bigint counts since 1970; None for the other types.
        column: its values, in the Arrow type in which the feature type is stored.
    Raises:
        SchemaMismatchError: a bigint without its unit, a type that is no event time, or times beyond 64 bits of
            microseconds (some 292,000 years from 1970); names the column, the count and the first row.
    """
    kind = field.feature_type.kind
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if kind == "timestamp":
        return array.view(pa.int64())
    if kind == "date":
        return _scaled(field.name, array.view(pa.int32()), array, US_PER_DAY)
    if kind != "bigint":
        raise SchemaMismatchError(
            f"The event time {field.name!r} has type {field.type}: use a timestamp, a date, or a bigint with its unit."
        )
    if unit not in US_PER_UNIT:
        raise SchemaMismatchError(
            f"The event time {field.name!r} is a bigint with event_time_unit={unit!r}: "
            f"say what it counts since 1970, with event_time_unit='s', 'ms' or 'us'."
        )
    return _scaled(field.name, array, array, US_PER_UNIT[unit])


def _scaled(name: str, counts: pa.Array, shown: pa.Array, factor: int) -> pa.Int64Array:
    values = np.asarray(counts.fill_null(0)).astype(np.int64)
    limit = MAX_US // factor
    bad = np.flatnonzero((values > limit) | (values < -limit))
    if factor > 1 and len(bad):
        row = int(bad[0])
        raise SchemaMismatchError(
            f"{len(bad)} of {len(values)} event times in {name!r} are more than 292,000 years away from 1970, "
            f"the first in row {row}: {int(values[row])} ({shown.type}). Is event_time_unit right?"
        )
    return pa.array(values * factor, pa.int64(), mask=np.asarray(counts.is_null()))
