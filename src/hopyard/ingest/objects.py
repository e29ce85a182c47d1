"""Columns of plain Python objects become typed Arrow, or an error that names the first row that breaks the type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa

from hopyard.errors import SchemaMismatchError

# In this order: a bool is an int, and a datetime is a date.
_FAMILIES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("boolean", (bool, np.bool_)),
    ("number", (int, float, np.integer, np.floating)),
    ("decimal", (Decimal,)),
    ("text", (str,)),
    ("bytes", (bytes, bytearray)),
    ("timestamp", (datetime, np.datetime64)),
    ("date", (date,)),
    ("time", (time,)),
    ("duration", (timedelta, np.timedelta64)),
    ("array", (list, tuple, np.ndarray)),
    ("struct", (Mapping,)),
)
_PANDAS_NULLS = {"NAType", "NaTType"}
_MAX_PRECISION = 38


def from_objects(values: Sequence[object], *, column: str, nan_is_null: bool = False) -> pa.Array:
    """Return Python objects as an Arrow array of the one type that they share; None is null.

    Integers among floats become floats where that is exact. Decimals get 38 digits, because the digits of the first
    rows say nothing about the next ones. A naive datetime is UTC.

    Args:
        column: named in errors.
        nan_is_null: a NaN is null, as in pandas.
    Raises:
        SchemaMismatchError: the objects are of several types, or of none that Arrow knows.
    """
    values = _with_nulls(values, nan_is_null=nan_is_null)
    _check_family(values, column)
    try:
        array = _convert(values, nan_is_null=nan_is_null)
    except _CONVERSION_ERRORS as error:
        row = _first_failure(values, nan_is_null=nan_is_null)
        raise SchemaMismatchError(
            f"Column {column!r} cannot be given one type: row {row} holds {shown(values[row])} "
            f"({type(values[row]).__name__}), after rows of another type or out of range ({error}). "
            f"Give every row the same type."
        ) from error
    if pa.types.is_decimal128(array.type) and array.type.scale >= 0:
        return array.cast(pa.decimal128(_MAX_PRECISION, array.type.scale))
    return array


def shown(value: object) -> str:
    """Return a value as it appears in messages: its repr, cut at 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_CONVERSION_ERRORS = (pa.ArrowException, OverflowError, TypeError, ValueError)


def _convert(values: Sequence[object], *, nan_is_null: bool) -> pa.Array:
    return pa.array(values, from_pandas=nan_is_null)


def _with_nulls(values: Sequence[object], *, nan_is_null: bool) -> Sequence[object]:
    """Return the values with None for what pandas uses as null."""
    types = set(map(type, values))
    if any(type_.__name__ in _PANDAS_NULLS for type_ in types):
        values = [None if type(value).__name__ in _PANDAS_NULLS else value for value in values]
    if nan_is_null and any(issubclass(type_, (float, np.floating)) for type_ in types):
        values = [
            None if isinstance(value, (float, np.floating)) and value != value else value for value in values
        ]
    return values


def _check_family(values: Sequence[object], column: str) -> None:
    """Refuse values of several families: Arrow would silently turn text into bytes and timestamps into dates."""
    types = set(map(type, values)) - {type(None)}
    if len({_family(type_) for type_ in types}) < 2:
        return
    rows = [(row, value) for row, value in enumerate(values) if value is not None]
    first_row, first = rows[0]
    row, value = next((row, value) for row, value in rows if _family(type(value)) != _family(type(first)))
    raise SchemaMismatchError(
        f"Column {column!r} mixes types: row {first_row} holds {shown(first)} ({type(first).__name__}), "
        f"row {row} holds {shown(value)} ({type(value).__name__}). Give every row the same type."
    )


def _family(type_: type) -> str:
    return next((name for name, classes in _FAMILIES if issubclass(type_, classes)), type_.__name__)


def _first_failure(values: Sequence[object], *, nan_is_null: bool) -> int:
    """Return the first row that makes the conversion fail, by halving: when a start fails, longer ones do."""
    passes, fails = 0, len(values)
    while fails - passes > 1:
        middle = (passes + fails) // 2
        try:
            _convert(values[:middle], nan_is_null=nan_is_null)
            passes = middle
        except _CONVERSION_ERRORS:
            fails = middle
    return fails - 1
