"""Built-in transformations: fitted once on train, applied offline to columns and online to single values.

Each kind has one kernel, a function over a number or an array of numbers (or over labels); `Transform.columns` and
`Transform.values` only bring values to it and back, so that both give the same bits.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Sequence

import pyarrow as pa

from hopyard.compute.transform import array_kinds, category_kinds, missing_kinds, number_kinds
from hopyard.compute.transform.kind import Kind, Transform, check_share
from hopyard.compute.transform.user_kinds import user_kind
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import from_arrow
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec

_KINDS = number_kinds.KINDS | category_kinds.KINDS | missing_kinds.KINDS | array_kinds.KINDS
KINDS = tuple(sorted(_KINDS))
"""The names of all built-in transformations."""
MOST_BINS = 1_000


def min_max_scaler(feature: str) -> TransformationSpec:
    """Return the scaling of a number to (x - min) / (max - min), a double; 0 where all train values are equal."""
    return _spec("min_max_scaler", feature)


def standard_scaler(feature: str) -> TransformationSpec:
    """Return the scaling of a number to (x - mean) / std, a double, by the sample standard deviation; std 0 gives 0."""
    return _spec("standard_scaler", feature)


def robust_scaler(feature: str) -> TransformationSpec:
    """Return the scaling of a number to (x - p50) / (p75 - p25), a double; 0 where the two quartiles are equal."""
    return _spec("robust_scaler", feature)


def log(feature: str) -> TransformationSpec:
    """Return the natural logarithm of a number, a double; NaN where it is not above 0."""
    return _spec("log", feature)


def winsorize(feature: str, *, p_low: float = 1, p_high: float = 99) -> TransformationSpec:
    """Return the clipping of a number to two percentiles of train, a double.

    Raises:
        TrainingDatasetError: percentiles that are not from 0 to 100, or the first above the second.
    """
    spec = _spec("winsorize", feature, p_low=p_low, p_high=p_high)
    check_share(spec, "p_low", low=0, high=100)
    check_share(spec, "p_high", low=float(p_low), high=100)
    return spec


def equal_width_binner(feature: str, *, n_bins: int = 10) -> TransformationSpec:
    """Return the index of a number's bin, a bigint from 0: bins of equal width between min and max of train.

    What is below min is in the first bin, what is above max in the last one; a number on an edge is in the bin above
    it; NaN has none (null).

    Raises:
        TrainingDatasetError: fewer than 2 bins, or more than 1,000.
    """
    return _binner("equal_width_binner", feature, n_bins)


def quantile_binner(feature: str, *, n_bins: int = 4) -> TransformationSpec:
    """Return the index of a number's bin, a bigint from 0: bins that hold equal shares of train; quartiles by default.

    See `equal_width_binner` for numbers outside, edges, NaN and errors.
    """
    return _binner("quantile_binner", feature, n_bins)


def rank_normalizer(feature: str) -> TransformationSpec:
    """Return the share of the 101 percentiles p0 to p100 of train that are not above a number, a double from 0 to 1."""
    return _spec("rank_normalizer", feature)


def label_encoder(feature: str) -> TransformationSpec:
    """Return the encoding of a category as its index, a bigint, in the sorted values of train; -1 if it is not there.

    Strings sort by code point, false before true.
    """
    return _spec("label_encoder", feature)


def one_hot_encoder(feature: str) -> TransformationSpec:
    """Return a boolean for each sorted value of train in the place of a category, called `<feature>_<value>`.

    All are false for a value that train does not have, and for null. Train may have up to 1,000 values.
    """
    return _spec("one_hot_encoder", feature)


def top_k_categorical(feature: str, *, k: int = 10, other: str = "Other") -> TransformationSpec:
    """Return a string if it is among the k most frequent ones of train, else `other`; of equally frequent ones the
    first by code point.

    Raises:
        TrainingDatasetError: k is no whole number from 1 to 1,000,000, or other no text.
    """
    spec = _spec("top_k_categorical", feature, k=k, other=other)
    _check_whole(spec, "k", 1, 1_000_000)
    if not isinstance(other, str):
        raise TrainingDatasetError(f"top_k_categorical({feature!r}, other={other!r}): other must be text.")
    return spec


def impute_mean(feature: str) -> TransformationSpec:
    """Return a number, or the mean of train where it is null or NaN: a double."""
    return _spec("impute_mean", feature)


def impute_median(feature: str) -> TransformationSpec:
    """Return a number, or the median of train where it is null or NaN: a double."""
    return _spec("impute_median", feature)


def impute_mode(feature: str) -> TransformationSpec:
    """Return a value, or the most frequent one of train where it is null or NaN; of equally frequent ones the least."""
    return _spec("impute_mode", feature)


def impute_constant(feature: str, value: float | int | str | bool) -> TransformationSpec:  # noqa: FBT001
    """Return a value, or this one, which must be of the feature's type, where it is null or NaN.

    Raises:
        TrainingDatasetError: it is no finite number, text or bool.
    """
    is_finite = math.isfinite(value) if isinstance(value, (float, int)) else isinstance(value, str)
    if not is_finite:
        raise TrainingDatasetError(
            f"impute_constant({feature!r}, {value!r}) takes a finite number, a text or a bool."
        )
    return _spec("impute_constant", feature, value=value)


def l2_norm(feature: str) -> TransformationSpec:
    """Return an array of numbers divided by its Euclidean length, an array<double>; one of length 0 stays as it is."""
    return _spec("l2_norm", feature)


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
    kind = _kind_of(spec)
    for field in arguments:
        if field.feature_type.kind not in kind.takes:
            raise TrainingDatasetError(
                f"{spec.name} cannot transform {field.name!r}, which is {field.type}: it takes "
                f"{', '.join(kind.takes)}. Transform another feature, or store this one as one of those types."
            )
    return kind.declare(spec, arguments)


def has_fit(spec: TransformationSpec) -> bool:
    """Return whether a transformation is fitted to train. Raises TrainingDatasetError: no such transformation."""
    return _kind_of(spec).fit is not None


def fit(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    """Return the statistics of the columns that it takes, exact: equal for any order of the rows and any chunks.

    Means are sums that are rounded once, divided by n; standard deviations are sqrt(sum((x - mean)^2) / (n - 1)) of
    such a sum; percentiles are those of the sorted values, linear between the two nearest.

    Args:
        columns: the features in the train split, unless there is nothing to fit; null, NaN and infinities are left
            out.
    Raises:
        TrainingDatasetError: there is no value to fit to, or one beyond 3e144 in size, or the type does not suit.
    """
    kind = _kind_of(spec)
    if kind.fit is None:
        return FittedStatistics(feature=spec.features[0], transformation=spec.name)
    declare(spec, _fields(spec, columns))
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
    return _kind_of(spec).bind(spec, arguments, fitted)


def _kind_of(spec: TransformationSpec) -> Kind:
    return _kind(spec.name) if spec.function is None else user_kind(spec.function)


def _kind(name: str) -> Kind:
    if name not in _KINDS:
        raise TrainingDatasetError(f"There is no transformation {name!r}. There are: {', '.join(KINDS)}.")
    return _KINDS[name]


def _fields(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> Schema:
    return tuple(
        Field(name=name, type=str(from_arrow(column.type, column=name)))
        for name, column in zip(spec.features, columns, strict=True)
    )


def _binner(name: str, feature: str, n_bins: int) -> TransformationSpec:
    spec = _spec(name, feature, n_bins=n_bins)
    _check_whole(spec, "n_bins", 2, MOST_BINS)
    return spec


def _check_whole(spec: TransformationSpec, name: str, low: int, high: int) -> None:
    value = spec.parameters[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise TrainingDatasetError(
            f"{spec.name}({spec.features[0]!r}, {name}={value!r}): {name} must be a whole number from {low} to "
            f"{high:,}."
        )


def _spec(name: str, feature: str, **parameters: float | int | str | bool) -> TransformationSpec:
    if not isinstance(feature, str):
        raise TrainingDatasetError(
            f"{name}({feature!r}) takes the name of one feature. Write one {name}(...) for each."
        )
    return TransformationSpec(
        name=name, features=(feature,), source_hash=source_hash(name), parameters=parameters
    )
