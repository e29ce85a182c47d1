"""Values of any Arrow type become values of one feature type, exactly; what does not fit is pointed at, never changed.

Exactly means: the value that is stored equals the value that came. The one exception, of semantics, is nanoseconds:
they are truncated towards the past, and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.event_time import MAX_US
from hopyard.model.arrow import to_arrow
from hopyard.model.types import FeatureType
from hopyard.time import US_PER_DAY, US_PER_UNIT

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]

_RANGE = {"int": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}
_EXACT_INTEGERS = {"float": 2**24, "double": 2**53}
_MAX_CHUNK_BYTES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Fitted:
    """A column as it is stored, or the rows that do not fit.

    Attributes:
        values: as many as came, in the feature type; meaningless where `misfits` is not empty.
        misfits: the numbers of the rows that do not fit, ascending, from 0.
        is_truncated: nanoseconds were cut off.
    """

    values: pa.ChunkedArray
    misfits: npt.NDArray[np.int64]
    is_truncated: bool = False


def fit(column: pa.ChunkedArray | pa.Array, type_: FeatureType) -> Fitted:
    """Return a column in the Arrow type of a feature type, and the rows whose value that type cannot hold exactly.

    What fits: integers and integral floats and decimals in range, as int or bigint; integers below 2^53 (2^24) and
    floats as double (float); integers and decimals in range and scale as decimal; timestamps of any unit and zone as
    timestamp, naive ones as UTC; dates as timestamp (00:00 UTC) and back; arrays and structs by their parts. Text,
    bytes and booleans fit their own types only. Null fits everywhere.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    target = to_arrow(type_)
    parts: list[pa.Array] = []
    misfits: list[npt.NDArray[np.int64]] = []
    is_truncated, offset = False, 0
    for piece in (piece for chunk in chunks for piece in _pieces(chunk)):
        part = _fit(piece, type_)
        parts.append(part.values)
        misfits.append(np.flatnonzero(part.bad) + offset)
        is_truncated |= part.is_truncated
        offset += len(piece)
    rows = np.concatenate(misfits) if misfits else np.empty(0, np.int64)
    values = pa.chunked_array([] if len(rows) else parts, type=target)
    return Fitted(values, rows, is_truncated)


def _pieces(chunk: pa.Array) -> Iterator[pa.Array]:
    """Yield a chunk in pieces whose text or bytes a 32-bit offset can reach."""
    if chunk.nbytes <= _MAX_CHUNK_BYTES or len(chunk) < 2:
        # Copied where its text begins beyond: offsets count from the beginning of the buffer.
        yield (
            chunk if chunk.offset == 0 or not _is_far(chunk) else chunk.take(pa.array(np.arange(len(chunk))))
        )
    else:
        half = len(chunk) // 2
        yield from _pieces(chunk.slice(0, half))
        yield from _pieces(chunk.slice(half))


def _is_far(chunk: pa.Array) -> bool:
    """Return whether one of the buffers that a slice shares with others is beyond a 32-bit offset."""
    return any(buffer is not None and buffer.size > _MAX_CHUNK_BYTES for buffer in chunk.buffers())


@dataclass(frozen=True, slots=True)
class _Part:
    """One array, fitted; `bad` marks the rows that do not fit, and then `values` are nulls."""

    values: pa.Array
    bad: Mask
    is_truncated: bool = False


def _fit(array: pa.Array, type_: FeatureType) -> _Part:
    target = to_arrow(type_)
    if pa.types.is_null(array.type):
        return _good(pa.nulls(len(array), target))
    if array.type == target and type_.kind not in ("array", "struct"):
        return _good(array)
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    return _FITTERS[type_.kind](array, type_)


def _good(values: pa.Array) -> _Part:
    return _Part(values, np.zeros(len(values), np.bool_))


def _checked(array: pa.Array, type_: FeatureType, bad: Mask, convert: Callable[[], pa.Array]) -> _Part:
    """Return the converted values if all fit: conversions are undefined for values out of range."""
    return _Part(pa.nulls(len(array), to_arrow(type_)) if bad.any() else convert(), bad)


def _wrong_type(array: pa.Array, type_: FeatureType) -> _Part:
    """Return every value as a misfit; nulls fit, so an untyped empty column passes."""
    return _checked(array, type_, _mask(array.is_valid()), lambda: pa.nulls(len(array), to_arrow(type_)))


def _mask(array: pa.Array) -> Mask:
    return np.asarray(array).astype(np.bool_)


def _numbers(array: pa.Array) -> Numbers:
    """Return numbers as numpy's, null as 0, which fits every type."""
    return np.asarray(array.fill_null(0))


def _fit_same(array: pa.Array, type_: FeatureType) -> _Part:
    """Fit text, bytes and booleans, which differ in layout only."""
    is_ = pa.types
    is_text = type_.kind == "string" and (is_.is_large_string(array.type) or is_.is_string_view(array.type))
    is_bytes = type_.kind == "binary" and (
        is_.is_large_binary(array.type)
        or is_.is_binary_view(array.type)
        or is_.is_fixed_size_binary(array.type)
    )
    return _good(array.cast(to_arrow(type_))) if is_text or is_bytes else _wrong_type(array, type_)


def _fit_integer(array: pa.Array, type_: FeatureType) -> _Part:
    low, high = _RANGE[type_.kind]
    if pa.types.is_decimal(array.type):
        return _fit_by_value(array, type_, array, lambda v: low <= v <= high and v == int(v))
    values = _numbers(array) if _is_number(array.type) else None
    if values is None:
        return _wrong_type(array, type_)
    if pa.types.is_integer(array.type):
        bad = (values < low) | (values > high)
    else:
        # high + 1 is a power of two, exact as a float; high is not.
        bad = ~((np.floor(values) == values) & (values >= low) & (values < high + 1))
    return _checked(array, type_, bad, lambda: array.cast(to_arrow(type_), safe=False))


def _fit_floating(array: pa.Array, type_: FeatureType) -> _Part:
    if not _is_number(array.type):
        return _wrong_type(array, type_)
    values = _numbers(array)
    if pa.types.is_integer(array.type):
        limit = _EXACT_INTEGERS[type_.kind]
        bad = (values > limit) | (values < -limit)
    elif type_.kind == "float":
        with np.errstate(over="ignore"):
            bad = (values.astype(np.float32) != values) & ~np.isnan(values)
    else:
        bad = np.zeros(len(array), np.bool_)
    return _checked(array, type_, bad, lambda: array.cast(to_arrow(type_), safe=False))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _fit_decimal(array: pa.Array, type_: FeatureType) -> _Part:
    def is_exact(value: Decimal) -> bool:
        scaled = Fraction(value) * 10**type_.scale
        return bool(scaled.denominator == 1 and abs(scaled) < 10**type_.precision)

    if pa.types.is_integer(array.type):
        return _fit_by_value(array, type_, array.cast(pa.decimal128(20, 0)), is_exact)
    if pa.types.is_decimal(array.type):
        return _fit_by_value(array, type_, array, is_exact)
    return _wrong_type(array, type_)


def _fit_by_value(
    array: pa.Array, type_: FeatureType, decimals: pa.Array, is_exact: Callable[[Decimal], bool]
) -> _Part:
    """Fit decimals by Arrow's own exact cast; only if it refuses, ask value by value which ones do not fit."""
    try:
        return _good(decimals.cast(to_arrow(type_)))
    except pa.ArrowInvalid:
        bad = np.array([v is not None and not is_exact(v) for v in decimals.to_pylist()], np.bool_)
        return _checked(array, type_, bad, lambda: _from_python(decimals, type_))


def _from_python(decimals: pa.Array, type_: FeatureType) -> pa.Array:
    values = decimals.to_pylist()
    if type_.kind != "decimal":
        values = [None if v is None else int(v) for v in values]
    return pa.array(values, to_arrow(type_))


def _fit_timestamp(array: pa.Array, type_: FeatureType) -> _Part:
    if pa.types.is_date32(array.type):
        return _scaled(array, type_, _numbers(array.view(pa.int32())).astype(np.int64), US_PER_DAY)
    if pa.types.is_date64(array.type):
        array = array.view(pa.timestamp("ms"))
    if not pa.types.is_timestamp(array.type):
        return _wrong_type(array, type_)
    counts = _numbers(array.view(pa.int64()))
    if array.type.unit != "ns":
        return _scaled(array, type_, counts, US_PER_UNIT[array.type.unit])
    micros = np.floor_divide(counts, 1000)
    is_truncated = bool((micros * 1000 != counts).any())
    return _Part(_micros(micros, array, type_), np.zeros(len(array), np.bool_), is_truncated)


def _scaled(array: pa.Array, type_: FeatureType, counts: Numbers, factor: int) -> _Part:
    limit = MAX_US // factor
    bad = (counts > limit) | (counts < -limit) if factor > 1 else np.zeros(len(array), np.bool_)
    return _checked(array, type_, bad, lambda: _micros(counts * factor, array, type_))


def _micros(micros: npt.NDArray[np.int64], array: pa.Array, type_: FeatureType) -> pa.Array:
    return pa.array(micros, pa.int64(), mask=_mask(array.is_null())).view(to_arrow(type_))


def _fit_date(array: pa.Array, type_: FeatureType) -> _Part:
    """Fit dates, and timestamps at 00:00 UTC."""
    if pa.types.is_date(array.type):
        unit_per_day, counts = 86_400_000, _numbers(array.view(pa.int64()))
    elif pa.types.is_timestamp(array.type):
        unit_per_day = {"s": 86_400, "ms": 86_400_000, "us": US_PER_DAY, "ns": 1000 * US_PER_DAY}[
            array.type.unit
        ]
        counts = _numbers(array.view(pa.int64()))
    else:
        return _wrong_type(array, type_)
    days, rest = np.divmod(counts, unit_per_day)
    bad = (rest != 0) | (np.abs(days) >= 2**31)
    mask = _mask(array.is_null())
    return _checked(
        array, type_, bad, lambda: pa.array(days.astype(np.int32), pa.int32(), mask=mask).view(pa.date32())
    )


def _fit_array(array: pa.Array, type_: FeatureType) -> _Part:
    assert type_.element is not None
    if not _is_list(array.type):
        return _wrong_type(array, type_)
    # Lengths and flat values are rebuilt into a list: Arrow's cast of list views to lists loses values.
    lengths = np.asarray(pc.list_value_length(array).fill_null(0)).astype(np.int64)
    element = _fit(array.flatten(), type_.element)
    bad = np.zeros(len(array), np.bool_)
    bad[np.repeat(np.arange(len(array)), lengths)[element.bad]] = True
    mask = _mask(array.is_null())
    if type_.size is not None:
        bad |= (lengths != type_.size) & ~mask
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())

    def convert() -> pa.Array:
        return pa.ListArray.from_arrays(offsets, element.values, type=to_arrow(type_), mask=pa.array(mask))

    fitted = _checked(array, type_, bad, convert)
    return _Part(fitted.values, fitted.bad, element.is_truncated)


def _is_list(type_: pa.DataType) -> bool:
    is_ = pa.types
    return bool(
        is_.is_list(type_)
        or is_.is_large_list(type_)
        or is_.is_fixed_size_list(type_)
        or is_.is_list_view(type_)
        or is_.is_large_list_view(type_)
    )


def _fit_struct(array: pa.Array, type_: FeatureType) -> _Part:
    """Fit structs with the same names, in any order."""
    if not pa.types.is_struct(array.type):
        return _wrong_type(array, type_)
    names = [field.name for field in array.type]
    if sorted(names) != sorted(name for name, _ in type_.fields):
        return _wrong_type(array, type_)
    children = dict(zip(names, array.flatten(), strict=True))
    parts = [_fit(children[name], field) for name, field in type_.fields]
    bad = np.logical_or.reduce([part.bad for part in parts])
    target = to_arrow(type_)

    def convert() -> pa.Array:
        values = [part.values for part in parts]
        return pa.StructArray.from_arrays(values, fields=list(target), mask=pa.array(_mask(array.is_null())))

    fitted = _checked(array, type_, bad, convert)
    return _Part(fitted.values, fitted.bad, any(part.is_truncated for part in parts))


_FITTERS: dict[str, Callable[[pa.Array, FeatureType], _Part]] = {
    "boolean": _fit_same,
    "string": _fit_same,
    "binary": _fit_same,
    "int": _fit_integer,
    "bigint": _fit_integer,
    "float": _fit_floating,
    "double": _fit_floating,
    "decimal": _fit_decimal,
    "timestamp": _fit_timestamp,
    "date": _fit_date,
    "array": _fit_array,
    "struct": _fit_struct,
}
