"""Any dataframe becomes an Arrow table with valid column names, its values untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from hopyard.errors import InvalidNameError, SchemaMismatchError
from hopyard.ingest.objects import from_objects
from hopyard.model.names import check_name, nearest_name


def to_arrow_table(frame: object) -> pa.Table:
    """Return a dataframe as an Arrow table: its rows in order, its columns by valid, distinct names.

    The caller's frame is never changed; the table may share its memory. Dictionary-encoded columns (categories) become
    their values. What a NaN means:

    - in a column that pandas keeps in numpy, NaN is null: pandas cannot tell them apart;
    - everywhere else (polars, Arrow, pandas' ArrowDtype, lists of dicts) NaN is NaN and null is null.

    A pandas index without a name is left out. A named one holds data (of `set_index` or `groupby`), so its levels
    become the first columns, as `reset_index()` would make them; `reset_index(drop=True)` leaves them out.

    Args:
        frame: an object with the Arrow C stream interface (pandas, polars, pyarrow, DuckDB, ...), a list of dicts (a
            key that a dict lacks is null), or a dict of columns. A stream that can be read once is read.
    Raises:
        SchemaMismatchError: no dataframe, columns of one name or of unequal lengths, a column of mixed types.
        InvalidNameError: columns whose names cannot name features; shows the nearest valid names.
    """
    table = _to_table(frame)
    _check_names(table.column_names)
    for index, field in enumerate(table.schema):
        plain = _plain(field.type)
        if plain != field.type:
            table = table.set_column(index, field.name, _unpack(table.column(index), plain))
    return table


def _to_table(frame: object) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if _is_pandas(frame, "DataFrame"):
        return _from_pandas(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return _from_stream(frame)
    if hasattr(frame, "__arrow_c_array__") and not isinstance(frame, pa.Array):
        return pa.Table.from_batches([pa.record_batch(frame)])
    if isinstance(frame, Mapping):
        return _from_columns(frame)
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes, bytearray)):
        return _from_records(frame)
    hint = " It is lazy: call .collect() first." if hasattr(frame, "collect") else ""
    raise _no_frame(frame, hint)


def _no_frame(frame: object, hint: str = "") -> SchemaMismatchError:
    type_ = type(frame)
    return SchemaMismatchError(
        f"A {type_.__module__}.{type_.__qualname__} is no dataframe.{hint} Give a pandas, polars or pyarrow dataframe, "
        f"a DuckDB relation, a list of dicts, or a dict of columns."
    )


def _is_pandas(value: object, name: str) -> bool:
    """Tell a pandas object, or one of a subclass, without importing pandas."""
    return any(c.__name__ == name and c.__module__.partition(".")[0] == "pandas" for c in type(value).__mro__)


def _from_stream(frame: object) -> pa.Table:
    try:
        reader = pa.RecordBatchReader.from_stream(frame)
    except pa.ArrowInvalid as error:
        raise _no_frame(frame, " It is a single column.") from error
    return reader.read_all()


def _from_pandas(frame: Any) -> pa.Table:
    columns = [
        (name, frame.index.get_level_values(level).to_series())
        for level, name in enumerate(frame.index.names)
        if name is not None
    ]
    columns += [(name, frame.iloc[:, position]) for position, name in enumerate(frame.columns)]
    names = [name for name, _ in columns]
    _check_names(names)
    return pa.Table.from_arrays([_from_series(series, name) for name, series in columns], names=names)


def _from_series(series: Any, name: str) -> pa.Array | pa.ChunkedArray:
    if series.dtype == object:
        return from_objects(series.to_list(), column=name, nan_is_null=True)
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SchemaMismatchError(
            f"Column {name!r} has the pandas type {series.dtype}, which Arrow cannot hold ({error}). "
            f"Change it, for example with frame.astype({{{name!r}: 'float64'}})."
        ) from error


def _from_records(records: Sequence[object]) -> pa.Table:
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise SchemaMismatchError(
                f"A list of dicts is expected: row {row} is {record!r} ({type(record).__name__}). "
                f"Give each row as a dict from column names to values."
            )
    names = list(dict.fromkeys(name for record in records for name in record))  # type: ignore[attr-defined]
    _check_names(names)
    return pa.table(
        {
            name: from_objects([record.get(name) for record in records], column=name)  # type: ignore[attr-defined]
            for name in names
        }
    )


def _from_columns(columns: Mapping[Any, Any]) -> pa.Table:
    _check_names(list(columns))
    arrays = {name: _from_column(values, name) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaMismatchError(
            f"The columns have unequal lengths: {lengths}. Give each one value per row."
        )
    return pa.table(arrays)


def _from_column(values: Any, name: str) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if _is_pandas(values, "Series"):
        return _from_series(values, name)
    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biufM":
        return pa.array(values)
    if isinstance(values, np.ndarray) and values.ndim > 0:
        return from_objects(list(values), column=name)
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes, bytearray)):
        return from_objects(values, column=name)
    raise SchemaMismatchError(
        f"Column {name!r} is {values!r} ({type(values).__name__}), not a column. Give a list or an array, "
        f"one value per row."
    )


def _check_names(names: Sequence[Any]) -> None:
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise SchemaMismatchError(
            f"The dataframe has several columns named {', '.join(map(repr, repeated))} (a named pandas index counts "
            f"as columns). Rename or drop all but one; an index is dropped with reset_index(drop=True)."
        )
    invalid = [name for name in names if not _is_valid(name)]
    if len(invalid) == 1:
        check_name("feature", invalid[0])
    if invalid:
        renames = {name: nearest_name(str(name)) for name in invalid}
        raise InvalidNameError(
            f"{len(invalid)} columns cannot name features: use lower-case letters, digits and '_', start with a "
            f"letter, at most 63 characters. For example, rename them by {renames}."
        )


def _is_valid(name: Any) -> bool:
    try:
        check_name("feature", name)
    except InvalidNameError:
        return False
    return True


def _plain(type_: pa.DataType) -> pa.DataType:
    """Return the type without the layouts that most of Arrow's functions cannot take: dictionaries and text views."""
    is_ = pa.types
    if is_.is_dictionary(type_):
        return _plain(type_.value_type)
    if is_.is_string_view(type_):
        return pa.large_string()
    if is_.is_binary_view(type_):
        return pa.large_binary()
    if is_.is_list(type_):
        return pa.list_(type_.value_field.with_type(_plain(type_.value_type)))
    if is_.is_large_list(type_):
        return pa.large_list(type_.value_field.with_type(_plain(type_.value_type)))
    if is_.is_fixed_size_list(type_):
        return pa.list_(type_.value_field.with_type(_plain(type_.value_type)), type_.list_size)
    if is_.is_struct(type_):
        return pa.struct([field.with_type(_plain(field.type)) for field in type_])
    return type_


def _unpack(column: pa.ChunkedArray, plain: pa.DataType) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return column.cast(plain)
    # Not by a cast of the whole: Arrow cannot take from text views, which polars uses for its categories.
    chunks = [chunk.dictionary.cast(plain).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, type=plain)
