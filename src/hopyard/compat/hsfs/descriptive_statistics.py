"""Statistics under the names that programs for Hopsworks read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hopyard.compat.hsfs.times import EPOCH, commit_milliseconds
from hopyard.model.statistics import ColumnStatistics, Statistics

_TYPES = {
    "int": "Integral",
    "bigint": "Integral",
    "float": "Fractional",
    "double": "Fractional",
    "decimal": "Decimal",
    "boolean": "Boolean",
}
_DIGITS = 2


class FeatureDescriptiveStatistics:
    """What is known of one feature. Numbers are given for numbers only, as in the original.

    `count` has the nulls in it and `percentiles` are all there: p1 to p100, so that [24], [49] and [74] are the
    quartiles.
    """

    def __init__(self, column: ColumnStatistics, n_rows: int, correlations: dict[str, float | None]) -> None:
        kind = column.type.partition("(")[0]
        is_number = kind in ("int", "bigint", "float", "double", "decimal")
        self.feature_name = column.name
        self.feature_type = _TYPES.get(kind, "String")
        self.count = column.count
        self.completeness = column.completeness
        self.num_non_null_values = column.count - column.n_nulls
        self.num_null_values = column.n_nulls
        self.approx_num_distinct_values = column.n_distinct
        self.min = _number(column.min) if is_number else None
        self.max = _number(column.max) if is_number else None
        self.sum = _number(column.sum) if is_number else None
        self.mean = column.mean if is_number else None
        self.stddev = column.std_dev if is_number else None
        self.percentiles = [float(value) for value in column.percentiles[1:]] if is_number else []
        self.distinctness = column.distinctness
        self.entropy = column.entropy
        self.uniqueness = column.uniqueness
        self.exact_num_distinct_values = None if column.distinct_error else column.n_distinct
        self.extended_statistics = {
            "histogram": _histogram(column, n_rows),
            "correlations": [{"column": name, "correlation": r} for name, r in correlations.items()],
        }

    @property
    def std_dev(self) -> Any:
        """The standard deviation, by its other name."""
        return self.stddev

    def to_dict(self) -> dict[str, Any]:
        """All of it as a dictionary."""
        return dict(vars(self))

    def __repr__(self) -> str:
        return f"FeatureDescriptiveStatistics({self.feature_name!r}, count={self.count}, mean={self.mean})"


class GroupStatistics:
    """The statistics of a feature group as of a commit."""

    def __init__(self, found: Statistics, feature_names: Sequence[str] | None = None) -> None:
        names = [column.name for column in found] if feature_names is None else list(feature_names)
        self.computation_time = (found.computed_at - EPOCH) // timedelta(milliseconds=1)
        self.window_end_commit_time = (
            None if found.committed_at_us is None else commit_milliseconds(found.committed_at_us)
        )
        self.row_percentage = 1.0
        self.feature_descriptive_statistics = [
            FeatureDescriptiveStatistics(found[name], found.n_rows, _correlations(found, name))
            for name in names
        ]

    def to_dict(self) -> dict[str, Any]:
        """All of it as a dictionary."""
        described = [feature.to_dict() for feature in self.feature_descriptive_statistics]
        return {**vars(self), "feature_descriptive_statistics": described}

    def __repr__(self) -> str:
        return f"Statistics({self.computation_time}, {self.feature_descriptive_statistics!r})"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _histogram(column: ColumnStatistics, n_rows: int) -> list[dict[str, Any]]:
    bins = [(f"{_shown(bin_.start)} to {_shown(bin_.end)}", bin_.count) for bin_ in column.bins]
    values = [(_shown(item.value), item.count) for item in column.frequent]
    return [{"value": value, "count": n, "ratio": n / n_rows} for value, n in bins or values]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{_DIGITS}f}" if isinstance(value, (int, float)) else str(value)


def _correlations(found: Statistics, name: str) -> dict[str, float | None]:
    known = found.correlations
    if known is None or name not in known.columns:
        return {}
    return {other: known.between(name, other) for other in known.columns}
