"""Arrow arrays as the numpy arrays and pandas Series that users' functions take, without nulls, and back.

| feature type | numpy | pandas |
|---|---|---|
| boolean, int, bigint, float, double | bool, int32, int64, float32, float64 | the same |
| timestamp | datetime64[us], in UTC | datetime64[us, UTC] |
| date | datetime64[D] | objects |
| string | objects | str |
| binary, decimal, array, struct | objects | objects |
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.scalar import coerce
from hopyard.model.arrow import to_arrow
from hopyard.model.specs import FunctionMode
from hopyard.model.types import FeatureType
from hopyard.require import require

_DTYPES = {
    "bigint": "int64",
    "boolean": "bool",
    "date": "datetime64[D]",
    "double": "float64",
    "float": "float32",
    "int": "int32",
    "timestamp": "datetime64[us]",
}


def to_argument(array: pa.Array, type_: FeatureType, mode: FunctionMode) -> Any:
    """Return an array without nulls as a user's function takes it; a copy, so that the function may change it."""
    if mode == "numpy":
        return _numpy(array, type_)
    pandas = require("pandas", extra="pandas")
    if type_.kind == "string":
        return pandas.Series(array.to_pylist(), dtype="str")
    if type_.kind == "timestamp":
        return pandas.Series(_numpy(array, type_)).dt.tz_localize("UTC")
    return pandas.Series(_objects(array, type_) if type_.kind == "date" else _numpy(array, type_))


def to_values(result: Any, type_: FeatureType, mode: FunctionMode, n_rows: int) -> npt.NDArray[Any]:
    """Return what a user's function returned as an array with one value per row, in which nulls are None or NaT.

    Raises:
        ValueError: it is none; the message says what it is instead.
    """
    if mode == "pandas":
        pandas = require("pandas", extra="pandas")
        if not isinstance(result, pandas.Series):
            raise ValueError(f"{_described(result)}, and not a Series")
        if not result.index.equals(pandas.RangeIndex(n_rows)):
            raise ValueError(
                "a Series with another index than its arguments have: rows must keep their places"
            )
        result = _of_series(result, type_, pandas)
    if not isinstance(result, np.ndarray) or result.shape != (n_rows,):
        raise ValueError(f"{_described(result)}, and not an array of one value for each of {n_rows} row(s)")
    return result


def from_native(values: npt.NDArray[Any], type_: FeatureType) -> pa.Array | None:
    """Return an array of numbers, bools or times as a feature type has it; None: its values must be looked at."""
    kind, dtype = type_.kind, values.dtype
    if kind in ("float", "double"):
        is_native = dtype.kind == "f"
    elif kind == "timestamp":
        is_native = dtype.kind == "M"
    elif kind == "date":
        is_native = dtype == np.dtype("datetime64[D]")
    else:
        is_number = kind in ("boolean", "int", "bigint") and dtype.kind in "biu"
        is_native = (
            is_number and (dtype.kind == "b") == (kind == "boolean") and np.can_cast(dtype, _DTYPES[kind])
        )
    if not is_native:
        return None
    with np.errstate(over="ignore"):  # beyond 32 bits is infinite, as in any conversion of numpy's
        return pa.array(values.astype(_DTYPES[kind]), to_arrow(type_))


def _numpy(array: pa.Array, type_: FeatureType) -> npt.NDArray[Any]:
    if type_.kind in _DTYPES:
        found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False).astype(_DTYPES[type_.kind])
        return found
    return _objects(array, type_)


def _objects(array: pa.Array, type_: FeatureType) -> npt.NDArray[Any]:
    found = np.empty(len(array), object)
    for row, value in enumerate(array.to_pylist()):
        found[row] = coerce("argument", type_, value)
    return found


def _of_series(series: Any, type_: FeatureType, pandas: Any) -> Any:
    """Return the values of a Series; in other columns than floats its NaN is null, as everywhere in pandas."""
    if isinstance(series.dtype, pandas.DatetimeTZDtype):
        return series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(series.dtype, np.dtype) and series.dtype != object:
        return series.to_numpy()
    is_float = type_.kind in ("float", "double")
    found = np.empty(len(series), object)
    for row, value in enumerate(series.to_list()):
        is_null = value is pandas.NA or value is pandas.NaT or (value != value and not is_float)
        found[row] = None if is_null else value
    return found


def _described(result: Any) -> str:
    shape = getattr(result, "shape", None)
    return f"{type(result).__name__}" + (f" of shape {shape}" if shape is not None else "")
