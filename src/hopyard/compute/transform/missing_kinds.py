"""Transformations that fill what is missing: null, and NaN in numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from hopyard.compute.transform.columns import LABELS, NUMBERS, counts, finite, floats, no_values, percentiles
from hopyard.compute.transform.kind import Kind, Transform, fitted, in_place, number, replaced_by, same_type
from hopyard.compute.transform.number_kinds import mean
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import to_arrow
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Schema
from hopyard.model.specs import TransformationSpec
from hopyard.model.types import FeatureType

_TAKES = ("double", "float", *LABELS)
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_BITS = {"int": 31, "bigint": 63}

# The kernel. Its source is hashed into every manifest: an edit, even of layout, shows in every training dataset.


def _fill(values: Any, is_missing: Any, filling: Any) -> Any:
    return np.where(is_missing, filling, values)


def _fit_mean(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    return fitted(spec, {"mean": mean(finite(spec, columns[0]))})


def _fit_median(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    return fitted(spec, {"median": percentiles(finite(spec, columns[0]), [50])[0]})


def _fit_mode(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    counted = counts(columns[0])
    if not counted:
        raise no_values(spec, columns[0], "is null or NaN")
    return fitted(spec, categories=list(counted)[:1])


def _bind_mean(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _filled_numbers(spec, number(statistics, "mean"))


def _bind_median(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _filled_numbers(spec, number(statistics, "median"))


def _bind_mode(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    (category,) = statistics.categories
    return _filled(spec, arguments, category.to_python())


def _bind_constant(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _filled(spec, arguments, _constant(spec, arguments[0].feature_type))


def _declare_constant(spec: TransformationSpec, arguments: Schema) -> Schema:
    _constant(spec, arguments[0].feature_type)
    return same_type(spec, arguments)


def _constant(spec: TransformationSpec, type_: FeatureType) -> object:
    """Return the constant as a value of the feature's type. Raises TrainingDatasetError: it is none."""
    value, kind = spec.parameters["value"], type_.kind
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "string" and isinstance(value, str):
        return value
    if not isinstance(value, (bool, str)):
        if kind in _BITS and value == int(value) and abs(int(value)) < 2 ** _BITS[kind]:
            return int(value)
        if kind == "double":
            return float(value)
        if kind == "float" and abs(value) <= _LARGEST_FLOAT:
            return struct.unpack("<f", struct.pack("<f", value))[0]
    raise TrainingDatasetError(
        f"impute_constant cannot fill {spec.features[0]!r}, which is {type_}, with {value!r} "
        f"({type(value).__name__}). Give a value of the feature's type."
    )


def _filled_numbers(spec: TransformationSpec, filling: float) -> Transform:
    """Return the filling of a number, as a double."""

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in taken[0].chunks:
            found, valid = floats(chunk)
            is_missing = np.isnan(found) if valid is None else np.isnan(found) | ~valid
            chunks.append(pa.array(_fill(found, is_missing, filling), pa.float64()))
        return [pa.chunked_array(chunks, pa.float64())]

    def values(taken: Sequence[Any]) -> list[object]:
        is_missing = taken[0] is None or taken[0] != taken[0]
        return [float(_fill(0.0 if taken[0] is None else float(taken[0]), is_missing, filling))]

    return Transform(in_place(spec, "double"), columns, values)


def _filled(spec: TransformationSpec, arguments: Schema, filling: object) -> Transform:
    """Return the filling of a value with one of its own type."""
    type_ = to_arrow(arguments[0].feature_type)
    has_nan = pa.types.is_floating(type_)
    if not has_nan:
        return Transform(same_type(spec, arguments), _with_filling(type_, filling), _value_or(filling))

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in taken[0].chunks:
            found = chunk.fill_null(float("nan")).to_numpy(zero_copy_only=False)
            chunks.append(pa.array(_fill(found, np.isnan(found), filling), type_))
        return [pa.chunked_array(chunks, type_)]

    return Transform(same_type(spec, arguments), columns, _value_or(filling))


def _with_filling(
    type_: pa.DataType, filling: object
) -> Callable[[Sequence[pa.ChunkedArray]], list[pa.ChunkedArray]]:
    return lambda taken: [taken[0].cast(type_).fill_null(pa.scalar(filling, type_))]


def _value_or(filling: object) -> Callable[[Sequence[object]], list[object]]:
    return lambda taken: [filling if taken[0] is None or taken[0] != taken[0] else taken[0]]


KINDS = {
    "impute_constant": Kind(_fill, _TAKES, _declare_constant, _bind_constant),
    "impute_mean": Kind(_fill, NUMBERS, replaced_by("double"), _bind_mean, _fit_mean),
    "impute_median": Kind(_fill, NUMBERS, replaced_by("double"), _bind_median, _fit_median),
    "impute_mode": Kind(_fill, _TAKES, same_type, _bind_mode, _fit_mode),
}
