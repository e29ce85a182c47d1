"""Columns of the train split as the numbers and labels that transformations are fitted to, and applied to."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.canonical import FixedColumn, take_apart
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import from_arrow
from hopyard.model.specs import TransformationSpec

LARGEST = 2.0**480
"""Numbers are fitted to up to this size (3e144), so that no sum of squares can overflow, in whatever order."""

NUMBERS = ("int", "bigint", "float", "double", "decimal")
LABELS = ("string", "bigint", "int", "boolean")

Floats = npt.NDArray[np.float64]


def floats(array: pa.Array) -> tuple[Floats, npt.NDArray[np.bool_] | None]:
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


def finite(spec: TransformationSpec, column: pa.ChunkedArray) -> list[Floats]:
    """Return the finite values of a column, chunk by chunk, the empty ones left out; -0.0 is 0.0.

    Which of the two zeros were the least would depend on their order.

    Raises:
        TrainingDatasetError: there is none, or one is larger than `LARGEST`.
    """
    blocks = []
    for chunk in column.chunks:
        numbers, valid = floats(chunk)
        keep = np.isfinite(numbers) if valid is None else np.isfinite(numbers) & valid
        if keep.any():
            blocks.append(numbers[keep] + 0.0)
    if not blocks:
        raise no_values(spec, column, "is null, NaN or infinite")
    largest = max(float(np.abs(block).max()) for block in blocks)
    if largest > LARGEST:
        raise TrainingDatasetError(
            f"{spec.name} cannot be fitted to {spec.features[0]!r}: it has a value of size {largest!r}, and beyond "
            f"{LARGEST:.0e} sums of squares overflow. Remove such values, or store the feature's logarithm."
        )
    return blocks


def percentiles(blocks: list[Floats], wanted: list[float]) -> list[float]:
    """Return exact percentiles: those of the sorted values, linear between the two nearest.

    The value at p is that at the place (n - 1) p / 100 of the sorted values (Hyndman and Fan: Sample Quantiles in
    Statistical Packages, 1996, definition 7).

    Args:
        wanted: from 0 to 100.
    """
    values = np.sort(np.concatenate(blocks))
    found = []
    for percent in wanted:
        place = Fraction(repr(float(percent))) * (len(values) - 1) / 100
        low = floor(place)
        left, right = float(values[low]), float(values[min(low + 1, len(values) - 1)])
        found.append(left + (right - left) * float(place - low))
    return found


def counts(column: pa.ChunkedArray) -> dict[Any, int]:
    """Return how often each value of a column occurs, without null and NaN, the most frequent first.

    Values that are as frequent come in their own order: strings by code point, false before true.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # chunks may have dictionaries of their own
    counted = column.value_counts()
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    merged: dict[Any, int] = {}
    for value, n in pairs:
        if value is not None and value == value:
            value = value + 0.0 if isinstance(value, float) else value
            merged[value] = merged.get(value, 0) + n
    return dict(sorted(merged.items(), key=lambda pair: (-pair[1], pair[0])))


def no_values(spec: TransformationSpec, column: pa.ChunkedArray, why: str) -> TrainingDatasetError:
    """Return the error of a column that has nothing to fit to."""
    return TrainingDatasetError(
        f"{spec.name} cannot be fitted to {spec.features[0]!r}: none of the {len(column)} rows of the train split has "
        f"a value (each {why}). Give the train split rows that have one, or take the transformation out of the view."
    )
