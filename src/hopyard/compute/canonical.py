"""Arrow columns taken apart into NumPy arrays that no longer show how Arrow laid them out.

Offsets of slices, bytes hidden under nulls, large or dictionary-encoded strings, batch boundaries: all gone. Content
hashes and row hashes are defined on these parts (docs/reference/hashes.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.errors import SchemaMismatchError
from hopyard.model.arrow import from_arrow, to_arrow
from hopyard.model.schema import Schema
from hopyard.model.types import FeatureType

PIECE_ROWS = 16_384
"""How many rows are taken apart at once: their columns stay in a core's cache. No result depends on it."""

Valid = npt.NDArray[np.bool_] | None
"""Which rows have a value; None: all."""

_DTYPES: dict[str, np.dtype[Any]] = {
    "boolean": np.dtype("<u1"),
    "int": np.dtype("<i4"),
    "bigint": np.dtype("<i8"),
    "float": np.dtype("<f4"),
    "double": np.dtype("<f8"),
    "timestamp": np.dtype("<i8"),
    "date": np.dtype("<i4"),
    "decimal": np.dtype([("low", "<u8"), ("high", "<i8")]),
}
_EXACT = {("int", "bigint"), ("bigint", "int"), ("float", "double")}
"""Casts between kinds that lose nothing, or that Arrow refuses for the values that would lose."""
_QUIET_NAN: dict[str, Any] = {"float": np.uint32(0x7FC00000), "double": np.uint64(0x7FF8000000000000)}


@dataclass(frozen=True, slots=True)
class FixedColumn:
    """Values of one width, little-endian; null slots are zero bytes, every NaN has the same bits."""

    n_rows: int
    valid: Valid
    values: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class BytesColumn:
    """Strings as UTF-8, or binaries: their lengths in bytes (null: 0), and the bytes end to end."""

    n_rows: int
    valid: Valid
    lengths: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """Lists: their lengths in elements (null: 0), and the elements end to end."""

    n_rows: int
    valid: Valid
    lengths: npt.NDArray[np.int64]
    elements: CanonicalColumn


@dataclass(frozen=True, slots=True)
class StructColumn:
    """Structs: their fields in order, which are null where the struct is."""

    n_rows: int
    valid: Valid
    fields: tuple[CanonicalColumn, ...]


CanonicalColumn = FixedColumn | BytesColumn | ListColumn | StructColumn


def pieces(rows: pa.Table | pa.RecordBatch, schema: Schema) -> Iterator[tuple[int, list[CanonicalColumn]]]:
    """Yield the number of rows, at most `PIECE_ROWS`, and the columns of the schema in order, piece by piece.

    Raises:
        SchemaMismatchError: a column is missing, there twice, or has values that its feature type cannot hold.
    """
    for field in schema:
        count = rows.schema.names.count(field.name)
        if count != 1:
            raise SchemaMismatchError(
                f"The rows to hash have {count} columns named {field.name!r} and need exactly one. "
                f"They have: {', '.join(rows.schema.names)}."
            )
    types = [(field.name, field.feature_type) for field in schema]
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    for batch in table.to_batches(max_chunksize=PIECE_ROWS):
        if batch.num_rows:
            yield batch.num_rows, [take_apart(batch.column(name), type_, name=name) for name, type_ in types]


def take_apart(array: pa.Array, type_: FeatureType, *, name: str) -> CanonicalColumn:
    """Return a column's canonical parts, cast to its feature type without loss.

    Args:
        name: the column's name, for the message.
    Raises:
        SchemaMismatchError: a value does not fit the feature type.
    """
    if type_.kind == "array" and _is_list(array.type):
        assert type_.element is not None
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        elements = take_apart(
            array.flatten(), type_.element, name=f"{name}[]"
        )  # without what null lists hide
        return ListColumn(len(array), _valid(array), lengths.astype(np.int64), elements)
    if type_.kind == "struct" and [label for label, _ in type_.fields] == _field_names(array.type):
        fields = zip(
            array.flatten(), type_.fields, strict=True
        )  # flatten gives the struct's nulls to its fields
        parts = tuple(take_apart(field, inner, name=f"{name}.{label}") for field, (label, inner) in fields)
        return StructColumn(len(array), _valid(array), parts)
    array = _cast(array, type_, name)
    return _bytes(array) if type_.kind in ("string", "binary") else _fixed(array, type_.kind)


def _cast(array: pa.Array, type_: FeatureType, name: str) -> pa.Array:
    """Return the values in the Arrow type of their feature type; strings and binaries may keep large offsets."""
    target = to_arrow(type_)
    if array.type.equals(target):
        return array
    if type_.kind in ("string", "binary"):
        # A slice of a large column keeps offsets that small ones cannot hold.
        target = pa.large_string() if type_.kind == "string" else pa.large_binary()
    found = from_arrow(array.type, column=name).kind
    reason = f"it holds values of type {found}"
    # Arrow would cast a struct of other fields to nulls.
    if type_.kind != "struct" and (found == type_.kind or (found, type_.kind) in _EXACT):
        try:
            return array.cast(target)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = str(error)
    raise SchemaMismatchError(
        f"Column {name!r} ({array.type}) cannot be read as {type_} without loss: {reason}. Cast it to {type_} before."
    )


def _is_list(type_: pa.DataType) -> bool:
    is_ = pa.types
    kinds = (is_.is_list, is_.is_large_list, is_.is_fixed_size_list, is_.is_list_view, is_.is_large_list_view)
    return any(kind(type_) for kind in kinds)


def _field_names(type_: pa.DataType) -> list[str] | None:
    return [field.name for field in type_] if pa.types.is_struct(type_) else None


def _fixed(array: pa.Array, kind: str) -> FixedColumn:
    if kind == "boolean":
        array = array.cast(pa.uint8())
    dtype, valid = _DTYPES[kind], _valid(array)
    values = _buffer(array.buffers()[1], dtype, len(array), array.offset)
    if kind in _QUIET_NAN and (is_nan := np.isnan(values)).any():
        values = values.copy()
        values.view(_QUIET_NAN[kind].dtype)[is_nan] = _QUIET_NAN[kind]
    if valid is not None:
        values = np.where(valid, values, np.zeros(1, dtype))
    return FixedColumn(len(array), valid, values)


def _bytes(array: pa.Array) -> BytesColumn:
    n_rows, valid = len(array), _valid(array)
    dense = array if valid is None else array.drop_null()  # a null slot may hide bytes
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offset_buffer, data_buffer = dense.buffers()
    if len(dense) == 0:
        return BytesColumn(n_rows, valid, np.zeros(n_rows, np.int64), np.empty(0, np.uint8))
    offsets = _buffer(offset_buffer, np.dtype("<i8" if is_large else "<i4"), len(dense) + 1, dense.offset)
    start, end = int(offsets[0]), int(offsets[-1])
    data = _buffer(data_buffer, np.dtype(np.uint8), end - start, start)
    lengths = np.diff(offsets).astype(np.int64)
    if valid is not None:
        spread = np.zeros(n_rows, np.int64)
        spread[valid] = lengths
        lengths = spread
    return BytesColumn(n_rows, valid, lengths, data)


def _valid(array: pa.Array) -> Valid:
    if array.null_count == 0:
        return None
    mask: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _buffer(buffer: pa.Buffer | None, dtype: np.dtype[Any], count: int, offset: int) -> npt.NDArray[Any]:
    """Return `count` values of an Arrow buffer, from the value `offset` on; Arrow may leave out empty buffers."""
    if buffer is None or count == 0:
        return np.zeros(count, dtype)
    return np.frombuffer(buffer, dtype, count, offset * dtype.itemsize)
