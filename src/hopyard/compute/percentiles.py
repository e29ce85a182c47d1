"""Percentiles by order statistics: exact, and the same for every order of the values."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

N_STEPS = 100


def percentiles(column: pa.ChunkedArray | pa.Array) -> list[int | float]:
    """Return p0 to p100 of a column of int64 or double; nothing if it has no values. Null and NaN are left out.

    With n sorted values x, percentile p is at place h = (n - 1) p / 100, and between two values by the share of h that
    is not whole: type 7 of Hyndman and Fan (1996), the default of numpy. What lies between whole numbers is rounded to
    the nearest float; a percentile that is a value is that value.
    """
    values = pc.drop_null(column).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = values[~np.isnan(values)]
    n = len(values)
    if not n:
        return []
    places = [divmod((n - 1) * step, N_STEPS) for step in range(N_STEPS + 1)]
    ordered = np.sort(values)  # faster than to select the two hundred that are needed
    return [_between(ordered[at].item(), ordered[min(at + 1, n - 1)].item(), rest) for at, rest in places]


def _between(low: float, high: float, rest: int) -> int | float:
    """Return what is `rest` hundredths of the way from one value to the next."""
    if rest == 0 or low == high:
        return low
    if isinstance(low, int):
        return (low * (N_STEPS - rest) + high * rest) / N_STEPS
    share = rest / N_STEPS
    if math.isinf(low) or math.isinf(high):  # the nearer one: between a number and infinity there is no way
        return low if rest <= N_STEPS // 2 else high
    step = high - low
    return low + step * share if math.isfinite(step) else low * (1 - share) + high * share
