"""Transformations by users' functions: row by row in Python, or by arrays and Series whose rows do not know each other.

In the modes `numpy` and `pandas` a single row is an array of length one, on the same path as a column. Whether its bits
are then the same depends on the function alone: that is checked on some rows of train.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.row_hash import equal_rows
from hopyard.compute.transform.arrays import from_native, to_argument, to_values
from hopyard.compute.transform.call import Call
from hopyard.compute.transform.kind import Kind, Transform
from hopyard.compute.transform.load import load
from hopyard.errors import TrainingDatasetError, UserFunctionError
from hopyard.model.arrow import from_arrow, to_arrow
from hopyard.model.manifest import FittedStatistics
from hopyard.model.names import check_name
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FunctionSpec, TransformationSpec
from hopyard.model.types import Kind as TypeKind

BLOCK_ROWS = 65_536
"""So many rows of a column are given to a function, or exist as Python values, at a time."""
N_CHECKED = 16
_ANYTHING = tuple(kind for group in get_args(TypeKind) for kind in (get_args(group) or (group,)))


def user_kind(function: FunctionSpec) -> Kind:
    """Return the kind of a user's function. Those of arrays are not fitted, but checked, on the train split."""
    return _BY_ROW if function.mode == "python" else _BY_BATCH


def _declare(spec: TransformationSpec, arguments: Schema) -> Schema:
    for name in spec.outputs:
        check_name(f"feature (rename the result with {spec.name}(...).alias('name'))", name)
    pairs = zip(spec.outputs, _function(spec).returns, strict=True)
    return tuple(Field(name=name, type=type_) for name, type_ in pairs)


def _bind_rows(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    outputs, call = _declare(spec, arguments), Call(_function(spec), arguments)
    types = [to_arrow(type_) for type_ in call.returns]

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks: list[list[pa.Array]] = [[] for _ in types]
        for block in _blocks(taken, arguments):
            results = [call.row(row) for row in zip(*(array.to_pylist() for array in block), strict=True)]
            for place, type_ in enumerate(types):
                chunks[place].append(pa.array([result[place] for result in results], type_))
        return [pa.chunked_array(found, type_) for found, type_ in zip(chunks, types, strict=True)]

    return Transform(outputs, columns, call.row)


def _bind_batches(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    outputs, call = _declare(spec, arguments), Call(_function(spec), arguments)
    types = [to_arrow(type_) for type_ in call.returns]
    takes = [to_arrow(field.feature_type) for field in arguments]

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        parts = [_batch(call, block, arguments) for block in _blocks(taken, arguments)]
        return [pa.chunked_array([part[place] for part in parts], type_) for place, type_ in enumerate(types)]

    def values(taken: Sequence[object]) -> list[object]:
        block = [pa.array([value], type_) for value, type_ in zip(taken, takes, strict=True)]
        results = _batch(call, block, arguments)
        return [call.checked(place, array[0].as_py(), taken) for place, array in enumerate(results)]

    return Transform(outputs, columns, values)


def _batch(call: Call, block: Sequence[pa.Array], arguments: Schema) -> list[pa.Array]:
    """Return the results for the rows of a block: of the function where no argument is null, null elsewhere."""
    if len(block[0]) and not any(array.null_count for array in block):
        return _batch_of_known(call, block, arguments)
    known = np.ones(len(block[0]), dtype=bool)
    for array in block:
        known &= array.is_valid().to_numpy(zero_copy_only=False)
    if not known.any():
        return [pa.nulls(len(known), to_arrow(type_)) for type_ in call.returns]
    found = _batch_of_known(call, [array.filter(pa.array(known)) for array in block], arguments)
    places = pa.array(np.cumsum(known) - 1, mask=~known)
    return [array.take(places) for array in found]


def _batch_of_known(call: Call, block: Sequence[pa.Array], arguments: Schema) -> list[pa.Array]:
    given = [
        to_argument(array, field.feature_type, call.function.mode)
        for array, field in zip(block, arguments, strict=True)
    ]
    results = call.run(given, [array[0].as_py() for array in block], n_rows=len(block[0]))
    return [_result(call, place, result, block) for place, result in enumerate(results)]


def _result(call: Call, place: int, result: object, taken: Sequence[pa.Array]) -> pa.Array:
    n_rows, type_ = len(taken[0]), call.returns[place]
    try:
        values = to_values(result, type_, call.function.mode, n_rows)
    except ValueError as error:
        which = f"as result {place} " if len(call.returns) > 1 else ""
        shown = call.shown([array[0].as_py() for array in taken], n_rows=n_rows)
        raise UserFunctionError(f"{shown} returned {which}{error}.") from None
    native = from_native(values, type_)
    if native is not None:
        return native
    checked = [
        call.checked(place, value, [array[row].as_py() for array in taken])
        for row, value in enumerate(values.tolist())
    ]
    return pa.array(checked, to_arrow(type_))


def _check_by_row(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    """Return no statistics. Raises TrainingDatasetError: a row alone gives other bits than among others."""
    arguments = tuple(
        Field(name=name, type=str(from_arrow(column.type, column=name)))
        for name, column in zip(spec.features, columns, strict=True)
    )
    call, outputs = Call(_function(spec), arguments), _declare(spec, arguments)
    rows = pa.array(_some_rows(columns))
    block = [_plain(column.take(rows), field) for column, field in zip(columns, arguments, strict=True)]
    names = [field.name for field in outputs]
    together = pa.table(dict(zip(names, _batch(call, block, arguments), strict=True)))
    for row in range(len(rows)):
        one = [array.slice(row, 1) for array in block]
        alone = pa.table(dict(zip(names, _batch(call, one, arguments), strict=True)))
        if not equal_rows(together.slice(row, 1), alone, outputs).all():
            raise TrainingDatasetError(
                f"{call.shown([array[0].as_py() for array in one])} gives "
                f"{list(alone.to_pylist()[0].values())} for that row alone, and "
                f"{list(together.slice(row, 1).to_pylist()[0].values())} among {len(rows)} rows, so a vector would not "
                f"equal the training data. Does it use something of all its rows, such as a mean, a rank or a shift? "
                f"Built-in transformations such as standard_scaler, min_max_scaler or rank_normalizer are fitted to "
                f"train; one of them may come before or after {spec.name}."
            )
    return FittedStatistics(feature=spec.features[0], transformation=spec.name)


def _some_rows(columns: Sequence[pa.ChunkedArray]) -> npt.NDArray[np.int64]:
    """Return the places of some rows that have no null, spread over all of them."""
    known = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        known &= np.asarray(column.is_valid())
    places = np.flatnonzero(known)
    return places[np.unique(np.linspace(0, len(places) - 1, min(N_CHECKED, len(places))).astype(np.int64))]


def _blocks(taken: Sequence[pa.ChunkedArray], arguments: Schema) -> Iterator[list[pa.Array]]:
    for start in range(0, len(taken[0]), BLOCK_ROWS):
        yield [
            _plain(column.slice(start, BLOCK_ROWS), field)
            for column, field in zip(taken, arguments, strict=True)
        ]


def _plain(column: pa.ChunkedArray, field: Field) -> pa.Array:
    """Return a few rows of a column as one array of its feature type, whatever their layout."""
    type_ = to_arrow(field.feature_type)
    plain = column if column.type == type_ else column.cast(type_)
    return pa.concat_arrays(plain.chunks) if plain.num_chunks else pa.nulls(0, type_)


def _function(spec: TransformationSpec) -> FunctionSpec:
    assert spec.function is not None
    return spec.function


_BY_ROW = Kind(load, _ANYTHING, _declare, _bind_rows)
_BY_BATCH = Kind(load, _ANYTHING, _declare, _bind_batches, _check_by_row)
