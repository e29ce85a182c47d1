"""Built-in transformations: fitted once on train, applied offline to columns and online to single values.

Each kind has one kernel, a function over a float or an array of floats (or over labels); `Transform.columns` and
`Transform.values` only bring values to it and back, so that both give the same bits.

Null stays null and NaN stays NaN. An infinity is no measurement: it is left out of the fit like NaN, and a scaler
returns it as it is, also where every other value becomes 0.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.canonical import FixedColumn, take_apart
from hopyard.compute.transform.kind import Kind, Transform
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import from_arrow
from hopyard.model.manifest import FittedStatistics
from hopyard.model.plan import literal
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec

LARGEST = 2.0**480
"""Scalers are fitted to values up to this size (3e144), so that no sum of squares can overflow, in whatever order."""

Floats = npt.NDArray[np.float64]
Number = float | Floats


def min_max_scaler(feature: str) -> TransformationSpec:
    """Return the scaling of a number to (x - min) / (max - min), a double; 0 where all train values are equal."""
    return _spec("min_max_scaler", feature)


def standard_scaler(feature: str) -> TransformationSpec:
    """Return the scaling of a number to (x - mean) / std, a double, by the sample standard deviation; std 0 gives 0."""
    return _spec("standard_scaler", feature)


def label_encoder(feature: str) -> TransformationSpec:
    """Return the encoding of a category as its index, a bigint, in the sorted values of train; -1 if it is not there.

    Strings sort by code point, false before true.
    """
    return _spec("label_encoder", feature)


def source_hash(name: str) -> str:
    """Return the SHA-256 of a kind's kernel as it is written here. Raises TrainingDatasetError: no such kind."""
    return hashlib.sha256(inspect.getsource(_kind(name).kernel).encode()).hexdigest()


def declare(spec: TransformationSpec, arguments: Schema) -> Schema | None:
    """Return the names and types of the results of a transformation; None: only the fit tells.

    Args:
        arguments: the names and types of the features that it takes.
    Raises:
        TrainingDatasetError: it cannot take such a feature, or there is no such transformation.
    """
    kind = _kind(spec.name)
    for field in arguments:
        if field.feature_type.kind not in kind.takes:
            raise TrainingDatasetError(
                f"{spec.name} cannot transform {field.name!r}, which is {field.type}: it takes "
                f"{', '.join(kind.takes)}. Transform another feature, or store this one as one of those types."
            )
    return kind.declare(spec, arguments)


def fit(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    """Return the statistics of the columns that it takes, exact: equal for any order of the rows and any chunks.

    Args:
        columns: the features in the train split; null, NaN and infinities are left out.
    Returns:
        min and max, or mean = fsum(x) / n and std = sqrt(fsum((x - mean)^2) / (n - 1)), whose sums are rounded once
        (Shewchuk: Adaptive Precision Floating-Point Arithmetic, 1997, by math.fsum); or the sorted distinct values.
    Raises:
        TrainingDatasetError: there is no value to fit to, or one beyond 3e144 in size, or the type does not suit.
    """
    declare(spec, _fields(spec, columns))
    kind = _kind(spec.name)
    if kind.fit is None:
        return FittedStatistics(feature=spec.features[0], transformation=spec.name)
    return kind.fit(spec, columns)


def bind(spec: TransformationSpec, arguments: Schema, fitted: FittedStatistics) -> Transform:
    """Return a transformation ready for use.

    Args:
        arguments: the names and types of the features that it takes.
    Raises:
        TrainingDatasetError: the statistics are of another transformation.
    """
    if fitted.transformation != spec.name or fitted.feature != spec.features[0]:
        raise TrainingDatasetError(
            f"{spec.name} of {spec.features[0]!r} cannot use statistics that were fitted for {fitted.transformation} "
            f"of {fitted.feature!r}. Create the training dataset anew with this view."
        )
    return _kind(spec.name).bind(spec, arguments, fitted)


# Kernels. Their source is hashed into every manifest: an edit, even of layout, shows in every training dataset.


def _scale(values: Number, origin: float, width: float) -> Any:
    if width == 0.0:
        return np.where(np.isfinite(values), 0.0, values)
    return (values - origin) / width


def _encode(labels: Sequence[object], places: Mapping[object, int]) -> list[int]:
    return [places.get(label, -1) for label in labels]


# Scalers


def _fit_min_max(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    blocks = _finite(spec, columns[0])
    # Adding 0.0 makes -0.0 and 0.0 one value: which of the two is the least would depend on their order.
    least, greatest = min(float(b.min()) for b in blocks) + 0.0, max(float(b.max()) for b in blocks) + 0.0
    return _fitted(spec, min=least, max=greatest)


def _fit_standard(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    blocks = _finite(spec, columns[0])
    n = sum(len(block) for block in blocks)
    mean = math.fsum(chain.from_iterable(block.tolist() for block in blocks)) / n + 0.0
    squares = math.fsum(chain.from_iterable(np.square(block - mean).tolist() for block in blocks))
    if min(float(b.min()) for b in blocks) == max(float(b.max()) for b in blocks):
        squares = 0.0  # the rounding of the mean may leave a trace where there is no spread
    return _fitted(spec, mean=mean, std=math.sqrt(squares / (n - 1)) if n > 1 else 0.0)


def _bind_min_max(spec: TransformationSpec, arguments: Schema, fitted: FittedStatistics) -> Transform:
    least, greatest = _number(fitted, "min"), _number(fitted, "max")
    return _scaler(spec, least, greatest - least)


def _bind_standard(spec: TransformationSpec, arguments: Schema, fitted: FittedStatistics) -> Transform:
    return _scaler(spec, _number(fitted, "mean"), _number(fitted, "std"))


def _scaler(spec: TransformationSpec, origin: float, width: float) -> Transform:
    def columns(arguments: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in arguments[0].chunks:
            numbers, valid = _floats(chunk)
            with np.errstate(all="ignore"):  # NaN and infinities are answers here
                scaled = _scale(numbers, origin, width)
            chunks.append(pa.array(scaled, pa.float64(), mask=None if valid is None else ~valid))
        return [pa.chunked_array(chunks, pa.float64())]

    def values(arguments: Sequence[Any]) -> list[object]:
        (number,) = arguments
        return [None if number is None else float(_scale(float(number), origin, width))]

    return Transform(_in_place(spec, "double"), columns, values)


def _finite(spec: TransformationSpec, column: pa.ChunkedArray) -> list[Floats]:
    """Return the finite values of a column, chunk by chunk, the empty ones left out."""
    blocks = []
    for chunk in column.chunks:
        numbers, valid = _floats(chunk)
        keep = np.isfinite(numbers) if valid is None else np.isfinite(numbers) & valid
        if keep.any():
            blocks.append(numbers[keep])
    if not blocks:
        raise _no_values(spec, column, "is null, NaN or infinite")
    largest = max(float(np.abs(block).max()) for block in blocks)
    if largest > LARGEST:
        raise TrainingDatasetError(
            f"{spec.name} cannot be fitted to {spec.features[0]!r}: it has a value of size {largest!r}, and beyond "
            f"{LARGEST:.0e} sums of squares overflow. Remove such values, or store the feature's logarithm."
        )
    return blocks


def _floats(array: pa.Array) -> tuple[Floats, npt.NDArray[np.bool_] | None]:
    """Return numbers as doubles, each rounded as Python's float() does it, and which of them are not null."""
    if pa.types.is_decimal(array.type):
        # Through Python, because casts from decimals do not all round to the nearest double.
        numbers = np.array(
            [0.0 if number is None else float(number) for number in array.to_pylist()], np.float64
        )
        return numbers, None if array.null_count == 0 else array.is_valid().to_numpy(zero_copy_only=False)
    parts = take_apart(array, from_arrow(array.type, column="values"), name="values")
    assert isinstance(parts, FixedColumn)
    return parts.values.astype(np.float64), parts.valid


# Categories


def _fit_labels(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    (column,) = columns
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # chunks may have dictionaries of their own
    distinct = [label for label in column.unique().to_pylist() if label is not None]
    if not distinct:
        raise _no_values(spec, column, "is null")
    return FittedStatistics(
        feature=spec.features[0],
        transformation=spec.name,
        categories=tuple(literal(label) for label in sorted(distinct)),
    )


def _bind_labels(spec: TransformationSpec, arguments: Schema, fitted: FittedStatistics) -> Transform:
    places = {category.to_python(): place for place, category in enumerate(fitted.categories)}

    def columns(arguments: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in arguments[0].chunks:
            coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            labels = coded.dictionary.to_pylist()
            found = [
                None if label is None else at
                for label, at in zip(labels, _encode(labels, places), strict=True)
            ]
            chunks.append(pa.array(found, pa.int64()).take(coded.indices))
        return [pa.chunked_array(chunks, pa.int64())]

    def values(arguments: Sequence[object]) -> list[object]:
        (label,) = arguments
        return [None if label is None else _encode((label,), places)[0]]

    return Transform(_in_place(spec, "bigint"), columns, values)


# The kinds


def _in_place(spec: TransformationSpec, type_: str) -> Schema:
    """Return the one result of a transformation that replaces its feature."""
    return (Field(name=spec.features[0], type=type_),)


def _replaced_by(type_: str) -> Callable[[TransformationSpec, Schema], Schema]:
    return lambda spec, arguments: _in_place(spec, type_)


_NUMBERS = ("int", "bigint", "float", "double", "decimal")
_LABELS = ("string", "bigint", "int", "boolean")
_KINDS = {
    "min_max_scaler": Kind(_scale, _NUMBERS, _replaced_by("double"), _fit_min_max, _bind_min_max),
    "standard_scaler": Kind(_scale, _NUMBERS, _replaced_by("double"), _fit_standard, _bind_standard),
    "label_encoder": Kind(_encode, _LABELS, _replaced_by("bigint"), _fit_labels, _bind_labels),
}
KINDS = tuple(sorted(_KINDS))
"""The names of all built-in transformations."""


def _kind(name: str) -> Kind:
    if name not in _KINDS:
        raise TrainingDatasetError(f"There is no transformation {name!r}. There are: {', '.join(KINDS)}.")
    return _KINDS[name]


def _fields(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> Schema:
    return tuple(
        Field(name=name, type=str(from_arrow(column.type, column=name)))
        for name, column in zip(spec.features, columns, strict=True)
    )


def _spec(name: str, feature: str) -> TransformationSpec:
    if not isinstance(feature, str):
        raise TrainingDatasetError(
            f"{name}({feature!r}) takes the name of one feature. Write one {name}(...) for each."
        )
    return TransformationSpec(name=name, features=(feature,), source_hash=source_hash(name))


def _fitted(spec: TransformationSpec, **values: float) -> FittedStatistics:
    exact = {name: literal(value) for name, value in values.items()}
    return FittedStatistics(feature=spec.features[0], transformation=spec.name, values=exact)


def _number(fitted: FittedStatistics, name: str) -> float:
    number = fitted.values[name].to_python()
    assert isinstance(number, float)
    return number


def _no_values(spec: TransformationSpec, column: pa.ChunkedArray, why: str) -> TrainingDatasetError:
    return TrainingDatasetError(
        f"{spec.name} cannot be fitted to {spec.features[0]!r}: none of the {len(column)} rows of the train split has "
        f"a value (each {why}). Give the train split rows that have one, or take the transformation out of the view."
    )
