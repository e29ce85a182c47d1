"""What a transformation is to those who apply it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Schema
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
        fit: returns the statistics of the arguments' columns in train; None: there is nothing to fit.
        bind: returns the transformation ready for use, from the arguments' names and types and the statistics.
    """

    kernel: Callable[..., object]
    takes: tuple[str, ...]
    declare: Callable[[TransformationSpec, Schema], Schema | None]
    fit: Callable[[TransformationSpec, Sequence[pa.ChunkedArray]], FittedStatistics] | None
    bind: Callable[[TransformationSpec, Schema, FittedStatistics], Transform]
