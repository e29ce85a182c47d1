"""How the columns of a table are written into Parquet files; docs/decisions/0019 has the figures."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

CODEC: Final = "SNAPPY"
_SAMPLE_ROWS = 10_000
_REPEATED = 0.5


def has_statistics(type_: pa.DataType) -> bool:
    """Return whether the files have the least and the greatest value of columns of this type.

    Of floats these do not know NaN, and engines take them as if there were none: rows with NaN are then lost to filters
    that they fulfil. Floats inside of arrays and structs likewise.
    """
    return not (pa.types.is_floating(type_) or pa.types.is_nested(type_))


def has_dictionary(column: pa.ChunkedArray) -> bool:
    """Return whether a column is written with a dictionary of its values: where most of the first rows repeat others.

    Elsewhere the dictionary is given up after a while, and has cost a third of the time of the write.
    """
    sample = column.slice(0, _SAMPLE_ROWS)
    return len(pc.unique(sample)) <= _REPEATED * len(sample)
