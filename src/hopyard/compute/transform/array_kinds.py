"""Transformations of arrays of numbers, such as embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.transform.columns import Floats, floats
from hopyard.compute.transform.kind import Kind, Transform, in_place
from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Schema
from hopyard.model.specs import TransformationSpec

_ELEMENTS = ("float", "double")

# The kernel. Its source is hashed into every manifest: an edit, even of layout, shows in every training dataset.


def _normalize(rows: Floats) -> Floats:
    squares = np.zeros(len(rows))
    for (
        column
    ) in rows.T:  # one after the other, as for a single row: a sum of all at once may round otherwise
        squares += column * column
    norms = np.sqrt(squares)[:, None]
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms != 0.0)


def _declare(spec: TransformationSpec, arguments: Schema) -> Schema:
    element = arguments[0].feature_type.element
    if element is None or element.kind not in _ELEMENTS:
        raise TrainingDatasetError(
            f"{spec.name} cannot transform {spec.features[0]!r}, which is {arguments[0].type}: it takes array<double> "
            f"or array<float>. Transform another feature, or store this one as one of those types."
        )
    return in_place(spec, "array<double>")


def _bind(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    type_ = pa.list_(pa.float64())

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        return [pa.chunked_array([_of_lists(chunk) for chunk in taken[0].chunks], type_)]

    def values(taken: Sequence[Any]) -> list[object]:
        if taken[0] is None:
            return [None]
        known = np.array([0.0 if item is None else float(item) for item in taken[0]])
        with np.errstate(all="ignore"):
            found = _normalize(known[None, :])[0].tolist()
        pairs = zip(taken[0], found, strict=True)
        return [[None if item is None else result for item, result in pairs]]

    return Transform(_declare(spec, arguments), columns, values)


def _of_lists(array: pa.Array) -> pa.Array:
    """Return lists of numbers normalized, those of one length at a time; a null element counts as 0 and stays null."""
    lengths = (
        np.asarray(array.value_lengths().fill_null(0)) if not _is_fixed(array) else _fixed_lengths(array)
    )
    elements = array.flatten()
    numbers, valid = floats(elements)
    starts = np.cumsum(lengths) - lengths
    result = np.empty(len(numbers))
    for length in np.unique(lengths[lengths > 0]):
        places: npt.NDArray[np.int64] = starts[lengths == length][:, None] + np.arange(length)
        with np.errstate(all="ignore"):
            result[places] = _normalize(numbers[places])
    found = pa.array(result, pa.float64(), mask=None if valid is None else ~valid)
    offsets = pa.array(np.concatenate([starts, [len(numbers)]]), pa.int32())
    mask = None if array.null_count == 0 else array.is_null()
    return pa.ListArray.from_arrays(offsets, found, mask=mask)


def _is_fixed(array: pa.Array) -> bool:
    return bool(pa.types.is_fixed_size_list(array.type))


def _fixed_lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    is_valid = np.asarray(array.is_valid())
    return np.where(is_valid, array.type.list_size, 0).astype(np.int64)


KINDS = {"l2_norm": Kind(_normalize, ("array",), _declare, _bind)}
