"""Transformations of single numbers: scalers, bins, ranks.

Null stays null. NaN stays NaN, and has no bin. An infinity is no measurement: it is left out of the fit like NaN; a
scaler returns it as it is, also where every other value becomes 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from hopyard.compute.transform.columns import NUMBERS, Floats, finite, floats, percentiles
from hopyard.compute.transform.kind import Kind, Transform, fitted, in_place, number, numbers, replaced_by
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Schema
from hopyard.model.specs import TransformationSpec

Number = float | Floats

# Kernels. Their source is hashed into every manifest: an edit, even of layout, shows in every training dataset.


def _scale(values: Number, origin: float, width: float) -> Any:
    if width == 0.0:
        return np.where(np.isfinite(values), 0.0, values)
    return (values - origin) / width


def _log(values: Number) -> Any:
    positive = np.asarray(values) > 0
    return np.where(positive, np.log(np.where(positive, values, 1.0)), np.nan)


def _clip(values: Number, low: float, high: float) -> Any:
    return np.clip(values, low, high)


def _bin(values: Number, edges: Floats) -> Any:
    return np.searchsorted(edges, values, side="right")


def _rank(values: Number, percentiles: Floats) -> Any:
    ranks = np.searchsorted(percentiles, values, side="right") / len(percentiles)
    return np.where(np.isnan(values), values, ranks)


# Fits


def _fit_min_max(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    blocks = finite(spec, columns[0])
    return fitted(
        spec, {"min": min(float(b.min()) for b in blocks), "max": max(float(b.max()) for b in blocks)}
    )


def _fit_standard(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    blocks = finite(spec, columns[0])
    n = sum(len(block) for block in blocks)
    average = mean(blocks)
    squares = math.fsum(chain.from_iterable(np.square(block - average).tolist() for block in blocks))
    if min(float(b.min()) for b in blocks) == max(float(b.max()) for b in blocks):
        squares = 0.0  # the rounding of the mean may leave a trace where there is no spread
    return fitted(spec, {"mean": average, "std": math.sqrt(squares / (n - 1)) if n > 1 else 0.0})


def _fit_robust(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    found = percentiles(finite(spec, columns[0]), [25, 50, 75])
    return fitted(spec, dict(zip(("p25", "p50", "p75"), found, strict=True)))


def _fit_winsorize(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    wanted = [float(spec.parameters[name]) for name in ("p_low", "p_high")]
    return fitted(
        spec, dict(zip(("low", "high"), percentiles(finite(spec, columns[0]), wanted), strict=True))
    )


def _fit_equal_width(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    blocks = finite(spec, columns[0])
    low, high = min(float(b.min()) for b in blocks), max(float(b.max()) for b in blocks)
    n = int(spec.parameters["n_bins"])
    return fitted(spec, categories=[low + (high - low) * (k / n) for k in range(1, n)])


def _fit_quantile(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    n = int(spec.parameters["n_bins"])
    return fitted(spec, categories=percentiles(finite(spec, columns[0]), [100 * k / n for k in range(1, n)]))


def _fit_rank(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    return fitted(spec, categories=percentiles(finite(spec, columns[0]), [float(p) for p in range(101)]))


def mean(blocks: Sequence[Floats]) -> float:
    """Return the mean of numbers, its sum rounded once, whatever their order.

    Shewchuk: Adaptive Precision Floating-Point Arithmetic, 1997, by math.fsum.
    """
    n = sum(len(block) for block in blocks)
    return math.fsum(chain.from_iterable(block.tolist() for block in blocks)) / n + 0.0


# Ready for use


def _bind_min_max(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    least, greatest = number(statistics, "min"), number(statistics, "max")
    return _doubles(spec, _scale, least, greatest - least)


def _bind_standard(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _doubles(spec, _scale, number(statistics, "mean"), number(statistics, "std"))


def _bind_robust(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    width = number(statistics, "p75") - number(statistics, "p25")
    return _doubles(spec, _scale, number(statistics, "p50"), width)


def _bind_log(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _doubles(spec, _log)


def _bind_winsorize(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _doubles(spec, _clip, number(statistics, "low"), number(statistics, "high"))


def _bind_rank(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    return _doubles(spec, _rank, np.array(numbers(statistics)))


def _bind_bins(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    edges = np.array(numbers(statistics))
    assert all(left <= right for left, right in pairwise(edges))

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in taken[0].chunks:
            values, valid = floats(chunk)
            has_bin = ~np.isnan(values) if valid is None else ~np.isnan(values) & valid
            chunks.append(pa.array(_bin(values, edges), pa.int64(), mask=~has_bin))
        return [pa.chunked_array(chunks, pa.int64())]

    def values(taken: Sequence[Any]) -> list[object]:
        value = math.nan if taken[0] is None else float(taken[0])
        return [None if math.isnan(value) else int(_bin(value, edges))]

    return Transform(in_place(spec, "bigint"), columns, values)


def _doubles(spec: TransformationSpec, kernel: Callable[..., Any], *statistics: Any) -> Transform:
    """Return a transformation to doubles by a kernel, null for null."""

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        chunks = []
        for chunk in taken[0].chunks:
            values, valid = floats(chunk)
            with np.errstate(all="ignore"):  # NaN and infinities are answers here
                found = kernel(values, *statistics)
            chunks.append(pa.array(found, pa.float64(), mask=None if valid is None else ~valid))
        return [pa.chunked_array(chunks, pa.float64())]

    def values(taken: Sequence[Any]) -> list[object]:
        return [None if taken[0] is None else float(kernel(float(taken[0]), *statistics))]

    return Transform(in_place(spec, "double"), columns, values)


_DOUBLE, _BIN = replaced_by("double"), replaced_by("bigint")
KINDS = {
    "equal_width_binner": Kind(_bin, NUMBERS, _BIN, _bind_bins, _fit_equal_width),
    "log": Kind(_log, NUMBERS, _DOUBLE, _bind_log),
    "min_max_scaler": Kind(_scale, NUMBERS, _DOUBLE, _bind_min_max, _fit_min_max),
    "quantile_binner": Kind(_bin, NUMBERS, _BIN, _bind_bins, _fit_quantile),
    "rank_normalizer": Kind(_rank, NUMBERS, _DOUBLE, _bind_rank, _fit_rank),
    "robust_scaler": Kind(_scale, NUMBERS, _DOUBLE, _bind_robust, _fit_robust),
    "standard_scaler": Kind(_scale, NUMBERS, _DOUBLE, _bind_standard, _fit_standard),
    "winsorize": Kind(_clip, NUMBERS, _DOUBLE, _bind_winsorize, _fit_winsorize),
}
