"""Statistics of training data, as functions get them: one object per argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException

N_PERCENTILES = 100
_N_BINS = 20


@dataclass
class FeatureTransformationStatistics:
    """Statistics of one feature in the train split. Percentiles are those from 1 to 100: "
    "`percentiles[24]` is the 25th."""

    feature_name: str
    count: int | None = None
    completeness: float | None = None
    num_non_null_values: int | None = None
    num_null_values: int | None = None
    approx_num_distinct_values: int | None = None
    min: float | None = None
    max: float | None = None
    sum: float | None = None
    mean: float | None = None
    stddev: float | None = None
    percentiles: list[float] | None = None
    distinctness: float | None = None
    entropy: float | None = None
    uniqueness: float | None = None
    exact_num_distinct_values: int | None = None
    extended_statistics: dict[str, Any] = field(default_factory=dict)

    @property
    def std_dev(self) -> float | None:
        """The sample standard deviation."""
        return self.stddev

    @property
    def unique_values(self) -> list[Any] | None:
        """The different values, sorted."""
        return self.extended_statistics.get("unique_values")

    @property
    def histogram(self) -> list[dict[str, Any]] | None:
        """How many values are in each of 20 ranges, or equal each value."""
        return self.extended_statistics.get("histogram")

    @property
    def correlations(self) -> list[dict[str, Any]] | None:
        """Not computed for transformations."""
        return self.extended_statistics.get("correlations")

    @property
    def kll(self) -> dict[str, Any] | None:
        """Not computed for transformations."""
        return self.extended_statistics.get("kll")

    def to_dict(self) -> dict[str, Any]:
        """The statistics as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureTransformationStatistics:
        """Return statistics from their plain values."""
        return cls(**values)


class TransformationStatistics:
    """Statistics of the arguments of a function: `statistics.amount.mean` for an argument called `amount`."""

    def __init__(self, *features: str) -> None:
        self._features = {name: FeatureTransformationStatistics(name) for name in features}

    def init_statistics(
        self, feature_name: str, feature_statistics: FeatureTransformationStatistics | None = None
    ) -> FeatureTransformationStatistics:
        """Return the statistics of an argument, which are set if they are given."""
        self._features[feature_name] = feature_statistics or FeatureTransformationStatistics(feature_name)
        return self._features[feature_name]

    def set_statistics(self, feature_name: str, statistics: dict[str, Any]) -> None:
        """Set the statistics of an argument."""
        known = FeatureTransformationStatistics.__dataclass_fields__
        values = {name: value for name, value in statistics.items() if name in known}
        values["feature_name"] = feature_name
        self._features[feature_name] = FeatureTransformationStatistics(**values)

    @property
    def features(self) -> list[str]:
        """The arguments that have statistics."""
        return list(self._features)

    @property
    def feature(self) -> FeatureTransformationStatistics:
        """The statistics of the argument `feature`, the usual name where there is one."""
        return self._of("feature")

    def _of(self, name: str) -> FeatureTransformationStatistics:
        if name not in self._features:
            raise FeatureStoreException(
                f"There are no statistics of the argument {name!r}, only of {', '.join(self._features) or 'none'}. "
                f"Name it in "
                f"TransformationStatistics({name!r})."
            )
        return self._features[name]

    def __getattr__(self, name: str) -> FeatureTransformationStatistics:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._of(name)
        except FeatureStoreException as error:
            raise AttributeError(str(error)) from None

    def __repr__(self) -> str:
        return f"TransformationStatistics({', '.join(map(repr, self._features))})"


def describe(name: str, values: Any) -> FeatureTransformationStatistics:
    """Return the statistics of a pandas Series; infinities count as values, NaN as null."""
    import numpy as np
    import pandas as pd

    present = values.dropna()
    n_rows, n_present = len(values), len(present)
    found = FeatureTransformationStatistics(
        name,
        count=n_rows,
        completeness=n_present / n_rows if n_rows else 1.0,
        num_non_null_values=n_present,
        num_null_values=n_rows - n_present,
    )
    try:
        counts = present.value_counts()
    except TypeError:  # arrays and structs cannot be counted
        return found
    shares = counts.to_numpy() / n_present if n_present else np.empty(0)
    found.exact_num_distinct_values = found.approx_num_distinct_values = len(counts)
    found.distinctness = len(counts) / n_present if n_present else 0.0
    found.uniqueness = float((counts == 1).sum() / n_present) if n_present else 0.0
    found.entropy = float(-(shares * np.log(shares)).sum())
    is_number = pd.api.types.is_numeric_dtype(present.dtype) and not pd.api.types.is_bool_dtype(present.dtype)
    if is_number and n_present:
        numbers = present.to_numpy(dtype="float64")
        found.min, found.max = float(numbers.min()), float(numbers.max())
        found.sum, found.mean = float(numbers.sum()), float(numbers.mean())
        found.stddev = float(numbers.std(ddof=1)) if n_present > 1 else 0.0
        found.percentiles = [float(value) for value in np.percentile(numbers, range(1, N_PERCENTILES + 1))]
        bars: list[tuple[str, int]] = []
        if np.isfinite(numbers).all():
            sizes, edges = np.histogram(numbers, bins=_N_BINS)
            bars = [
                (f"{edges[place]:.2f} to {edges[place + 1]:.2f}", int(size))
                for place, size in enumerate(sizes)
            ]
    else:
        bars = [(str(value), int(count)) for value, count in counts.items()]
    found.extended_statistics["histogram"] = [
        {"value": value, "count": count, "ratio": count / n_present} for value, count in bars
    ]
    found.extended_statistics["unique_values"] = sorted((_plain(value) for value in counts.index), key=_order)
    return found


def _plain(value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") else value
    try:
        json.dumps(plain)
    except TypeError:
        return str(plain)
    return plain


def _order(value: Any) -> tuple[str, Any]:
    return ("", value) if isinstance(value, int | float) else (type(value).__name__, value)
