"""What a transformation is to those who apply it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import FittedStatistics
from hopyard.model.plan import literal
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec


@dataclass(frozen=True, slots=True)
class Transform:
    """A transformation with its statistics.

    Attributes:
        outputs: names and feature types of the results.
        columns: returns the results of the columns that it takes, in order; all have equal chunks.
        values: returns the results of single values; the same bits as `columns`.
    """

    outputs: Schema
    columns: Callable[[Sequence[pa.ChunkedArray]], list[pa.ChunkedArray]]
    values: Callable[[Sequence[object]], list[object]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of transformation is made of.

    Attributes:
        kernel: the function whose source is hashed.
        takes: the kinds of feature types of its arguments.
        declare: returns the names and types of the results, from the types of the arguments; None: only the fit tells.
        bind: returns the transformation ready for use, from the arguments' names and types and the statistics.
        fit: returns the statistics of the arguments' columns in train; None: there is nothing to fit.
    """

    kernel: Callable[..., object]
    takes: tuple[str, ...]
    declare: Callable[[TransformationSpec, Schema], Schema | None]
    bind: Callable[[TransformationSpec, Schema, FittedStatistics], Transform]
    fit: Callable[[TransformationSpec, Sequence[pa.ChunkedArray]], FittedStatistics] | None = None


def in_place(spec: TransformationSpec, type_: str) -> Schema:
    """Return the one result of a transformation that replaces its feature."""
    return (Field(name=spec.features[0], type=type_),)


def replaced_by(type_: str) -> Callable[[TransformationSpec, Schema], Schema]:
    """Return what declares that a feature is replaced by one of this type."""
    return lambda spec, arguments: in_place(spec, type_)


def same_type(spec: TransformationSpec, arguments: Schema) -> Schema:
    """Declare that a feature is replaced by one of its own type."""
    return in_place(spec, arguments[0].type)


def fitted(
    spec: TransformationSpec, values: dict[str, float] | None = None, categories: Sequence[object] = ()
) -> FittedStatistics:
    """Return statistics with exact values."""
    return FittedStatistics(
        feature=spec.features[0],
        transformation=spec.name,
        values={name: literal(value) for name, value in (values or {}).items()},
        categories=tuple(literal(value) for value in categories),
    )


def number(statistics: FittedStatistics, name: str) -> float:
    """Return a single number of the statistics."""
    value = statistics.values[name].to_python()
    assert isinstance(value, float)
    return value


def numbers(statistics: FittedStatistics) -> list[float]:
    """Return the list of numbers in the statistics."""
    return [float(value.to_python()) for value in statistics.categories]  # type: ignore[arg-type]


def check_share(spec: TransformationSpec, name: str, *, low: float, high: float) -> None:
    """Raise TrainingDatasetError unless a parameter is a number between two others."""
    value = spec.parameters[name]
    if isinstance(value, (bool, str)) or not low <= value <= high:
        raise TrainingDatasetError(
            f"{spec.name}({spec.features[0]!r}, {name}={value!r}): {name} must be a number from {low:g} to {high:g}."
        )
