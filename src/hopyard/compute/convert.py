"""Results in the dataframe that the user asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.errors import ConfigError, QueryError
from hopyard.require import require

_EXACT_IN_DOUBLE = 2**53


def to_dataframe(table: pa.Table, dataframe_type: str = "default") -> Any:
    """Return a table in another form: the same rows and columns in the same order.

    Args:
        table: columns in the types of `model.arrow`; timestamps are UTC microseconds.
        dataframe_type: one of

            - "pandas": timestamps are `datetime64[us, UTC]`, text is pandas' `str`, dates, decimals, bytes, arrays
              (numpy) and structs (dict) are objects. An int, bigint or boolean column with nulls is `Int32`, `Int64`
              or `boolean`, without nulls it is numpy's. Floats are numpy's, so null becomes NaN.
            - "polars": a `polars.DataFrame`; null and NaN stay different.
            - "arrow": the table itself.
            - "numpy": rows x columns. All numbers: their common type, as long as it holds every value exactly. Null
              becomes NaN among floats; whole numbers or booleans with nulls, and anything else, give an array of
              Python objects with None for null.
            - "python": a list of dicts; timestamps are aware datetimes in UTC.
            - "default": "pandas" if it is installed, else "arrow".
    Raises:
        ConfigError: another type.
        MissingPackageError: pandas or polars is asked for and not installed.
    """
    return _CONVERTERS[check_dataframe_type(dataframe_type)](table)


def check_limit(limit: object) -> None:
    """Raise QueryError unless a number of rows or commits is None or a whole number from 0."""
    if limit is None or (isinstance(limit, int | np.integer) and not isinstance(limit, bool) and limit >= 0):
        return
    raise QueryError(f"limit={limit!r} must be a whole number from 0, or None for all.")


def check_dataframe_type(dataframe_type: str) -> str:
    """Return the form that is meant, before any work is done for it. Raises ConfigError for an unknown one."""
    if dataframe_type == "default":
        return "pandas" if find_spec("pandas") else "arrow"
    if dataframe_type not in _CONVERTERS:
        raise ConfigError(
            f"dataframe_type={dataframe_type!r} is unknown: use {', '.join(map(repr, _CONVERTERS))} or 'default'."
        )
    return dataframe_type


def to_labels(table: pa.Table, dataframe_type: str = "default") -> Any:
    """Return labels as models take them: one column as a Series or a vector, several as a frame, none as None."""
    if table.num_columns == 0:
        return None
    frame = to_dataframe(table, dataframe_type)
    if table.num_columns > 1:
        return frame
    form = check_dataframe_type(dataframe_type)
    if form == "numpy":
        return frame[:, 0]
    if form == "python":
        return [row[table.column_names[0]] for row in frame]
    return frame if form == "arrow" else frame[table.column_names[0]]


def _to_pandas(table: pa.Table) -> Any:
    pandas = require("pandas", extra="pandas")
    nullable = {
        pa.bool_(): pandas.BooleanDtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.int64(): pandas.Int64Dtype(),
    }
    # Column by column, because only those with nulls need the nullable types.
    columns = {
        field.name: column.to_pandas(types_mapper=nullable.get if column.null_count else None)
        for field, column in zip(table.schema, table.columns, strict=True)
    }
    return pandas.DataFrame(columns, index=pandas.RangeIndex(table.num_rows), copy=False)


def _to_polars(table: pa.Table) -> Any:
    return require("polars", extra="polars").from_arrow(table)


def _to_arrow(table: pa.Table) -> pa.Table:
    return table


def _to_python(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _to_numpy(table: pa.Table) -> npt.NDArray[Any]:
    dtype = _common_dtype(table)
    if dtype is not None:
        result = np.empty((table.num_rows, table.num_columns), dtype=dtype)
        for index, column in enumerate(table.columns):
            result[:, index] = column.to_numpy()
        return result
    objects = np.empty((table.num_rows, table.num_columns), dtype=object)
    for index, column in enumerate(table.columns):
        # An element at a time: numpy would unpack lists into further dimensions.
        for row, value in enumerate(column.to_pylist()):
            objects[row, index] = value
    return objects


def _common_dtype(table: pa.Table) -> np.dtype[Any] | None:
    """Return the numeric type that holds every value of the table exactly, or None."""
    types = set(table.schema.types)
    if not types:
        return None
    if not all(_is_number(type_) for type_ in types) and types != {pa.bool_()}:
        return None
    whole = [c for c in table.columns if not pa.types.is_floating(c.type)]
    if any(column.null_count for column in whole):
        return None
    dtype = np.result_type(*(type_.to_pandas_dtype() for type_ in types))
    if dtype == np.float64 and not all(_is_exact(column) for column in whole):
        return None
    return dtype


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _is_exact(column: pa.ChunkedArray) -> bool:
    values = column.to_numpy()
    return bool(((values <= _EXACT_IN_DOUBLE) & (values >= -_EXACT_IN_DOUBLE)).all())


_CONVERTERS: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": _to_pandas,
    "polars": _to_polars,
    "arrow": _to_arrow,
    "numpy": _to_numpy,
    "python": _to_python,
}
