"""The bins of a histogram as areas on an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hopyard.model.plan import Value
from hopyard.model.statistics import Bin, ColumnStatistics
from hopyard.plots.axes import Number, number_of
from hopyard.plots.text import show_share, show_value
from hopyard.time import US_PER_DAY

FEW_STEPS = 20
"""Bins with fewer whole numbers than this, on average, are drawn by how many of them they have."""
MAX_EXACT = 2**52
_STEPS = {"int": 1, "bigint": 1, "date": US_PER_DAY}


@dataclass(frozen=True, slots=True)
class Cell:
    """A bin: its ends, in the numbers of the column (instants in microseconds), and how many values it has.

    `n_steps`: how many whole numbers, or days, it can have values at; None: it counts as continuous.
    """

    start: Number
    end: Number
    count: int
    text: str
    share: str
    n_steps: int | None = None


def cells_of(column: ColumnStatistics) -> list[Cell]:
    """Return the bins of a column.

    Bins of equal width have one whole number more or less than their neighbours, and look uneven where values are not.
    Where they have few, each reaches half a step beyond its first and its last one, so that areas are right.
    """
    total = sum(bin_.count for bin_ in column.bins) or 1
    step = _step(column)
    cells = (
        _discrete(column, bin_, step, total) if step else _continuous(bin_, total) for bin_ in column.bins
    )
    return [cell for cell in cells if cell is not None]


def single_value(column: ColumnStatistics) -> Value | None:
    """Return the value of a column in which all finite values are equal."""
    if len(column.bins) == 1 and column.bins[0].start_value == column.bins[0].end_value:
        return column.bins[0].start_value
    return None


def _step(column: ColumnStatistics) -> int | None:
    step = _STEPS.get(column.type)
    if step is None or not column.bins:
        return None
    low, high = number_of(column.bins[0].start_value), number_of(column.bins[-1].end_value)
    n_steps = (high - low) / step + 1
    if n_steps >= FEW_STEPS * len(column.bins) or max(-low, high) / step > MAX_EXACT:
        return None
    return step


def _continuous(bin_: Bin, total: int) -> Cell:
    return Cell(
        start=number_of(bin_.start_value),
        end=number_of(bin_.end_value),
        count=bin_.count,
        text=f"{show_value(bin_.start_value)} to {show_value(bin_.end_value)}",
        share=show_share(bin_.count / total),
    )


def _discrete(column: ColumnStatistics, bin_: Bin, step: int, total: int) -> Cell | None:
    """Return a bin with the whole numbers that it has; None: it has none."""
    first = math.ceil(number_of(bin_.start_value) / step)
    end = number_of(bin_.end_value) / step
    last = math.floor(end) if bin_ is column.bins[-1] else math.ceil(end) - 1
    if last < first:
        return None
    shown = [show_value(Value(type=column.type, value=place)) for place in dict.fromkeys((first, last))]
    return Cell(
        start=(first - 0.5) * step,
        end=(last + 0.5) * step,
        count=bin_.count,
        text=" to ".join(shown),
        share=show_share(bin_.count / total),
        n_steps=last - first + 1,
    )
