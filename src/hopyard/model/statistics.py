"""What is known of the values of a group's commit, or of a split of a training dataset. Formats: docs/reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from hopyard.errors import ConfigError, MissingPackageError, NotFoundError
from hopyard.model.codec import Frozen
from hopyard.model.plan import Value
from hopyard.time import from_micros, show

if TYPE_CHECKING:
    from hopyard.plots.plot import Plot

STATISTICS_FORMAT = 1
MAX_BINS = 1_000

Stage = Literal["before", "after"]
Scope = Literal["group", "written", "split"]
"""group: all rows as of a commit. written: the rows that an insert brought. split: those of a training dataset."""


class StatisticsConfig(Frozen, frozen=True, kw_only=True):
    """Which statistics are computed, and when.

    Args:
        enabled: False: nothing is computed at insert, and none are kept; asking for them computes them each time.
        at_insert: compute all of them in the insert, instead of on the first look.
        correlations: also Pearson's correlation of each pair of numeric columns.
        histograms: 20 bins of equal width; of strings and booleans the 20 most frequent values.
        exact_uniqueness: count distinct values exactly however many there are, those that occur once, and the entropy.
        columns: only these; empty: all.
        histogram_bins: how many bins, or most frequent values.
    """

    enabled: bool = True
    at_insert: bool = False
    correlations: bool = False
    histograms: bool = True
    exact_uniqueness: bool = False
    columns: tuple[str, ...] = ()
    histogram_bins: int = 20

    def checked(self, known: tuple[str, ...] = ()) -> StatisticsConfig:
        """Return the config. Raises ConfigError or NotFoundError for what cannot be; `known`: the columns, if known."""
        bins = self.histogram_bins
        if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
            raise ConfigError(f"histogram_bins={bins!r} must be a whole number from 1 to {MAX_BINS}.")
        if not isinstance(self.columns, tuple) or not all(isinstance(name, str) for name in self.columns):
            raise ConfigError(f"columns={self.columns!r} must be a tuple of names.")
        for name in self.columns:
            if known and name not in known:
                raise NotFoundError("column to compute statistics of", name, known)
        return self


def config_of(given: object) -> StatisticsConfig:
    """Return the config that an argument means: a config, a dict of its fields, or a bool for `enabled`.

    Raises:
        ConfigError: it is none, or a dict with other keys or types.
    """
    if isinstance(given, StatisticsConfig):
        given = msgspec.structs.asdict(given)
    if isinstance(given, bool):
        return StatisticsConfig(enabled=given)
    known = StatisticsConfig.__struct_fields__
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"statistics_config={given!r} must be a StatisticsConfig, a bool, or a dict with some of: "
            f"{', '.join(known)}."
        )
    for name in given:
        if name not in known:
            raise ConfigError(f"statistics_config has no {name!r}. It has: {', '.join(known)}.")
    try:
        return msgspec.convert(dict(given), StatisticsConfig).checked()
    except msgspec.ValidationError as error:
        raise ConfigError(f"statistics_config={given!r} cannot be used: {error}.") from error


class Bin(Frozen, frozen=True, kw_only=True):
    """How many values are in `start <= value < end`; the last bin has its end, too."""

    start_value: Value
    end_value: Value
    count: int

    @property
    def start(self) -> Any:
        """Where the bin begins."""
        return self.start_value.to_python()

    @property
    def end(self) -> Any:
        """Where it ends."""
        return self.end_value.to_python()


class ValueCount(Frozen, frozen=True, kw_only=True):
    """How often one value occurs."""

    stored: Value
    count: int

    @property
    def value(self) -> Any:
        """The value."""
        return self.stored.to_python()


class ColumnStatistics(Frozen, frozen=True, kw_only=True):
    """What is known of one column. None, or nothing: it was not computed, or is not defined for such values.

    Attributes:
        count: rows, nulls included.
        n_nulls: how many are null.
        n_nans: how many are NaN: no nulls, and left out of all that follows.
        n_infinities: how many are infinite.
        n_distinct: different values; with `distinct_error` 0 exact, else within this share of it in 997 of 1,000 cases.
        n_once: values that occur once.
        entropy: of the values' frequencies, in nats.
        percentiles_error: 0: exact, else a percentile p is one from p - error to p + error (shares of the rows) in 997
            of 1,000 cases.
        std_value: the standard deviation of a sample (n - 1); of timestamps and dates in seconds.
        bins: bins of numbers and instants.
        frequent: the most frequent values of strings and booleans, most frequent first.
    """

    name: str
    type: str
    count: int
    n_nulls: int
    n_nans: int = 0
    n_infinities: int = 0
    min_value: Value | None = None
    max_value: Value | None = None
    sum_value: Value | None = None
    mean_value: Value | None = None
    std_value: Value | None = None
    n_distinct: int | None = None
    distinct_error: float = 0.0
    n_once: int | None = None
    entropy: float | None = None
    percentile_values: tuple[Value, ...] = ()
    percentiles_error: float = 0.0
    bins: tuple[Bin, ...] = ()
    frequent: tuple[ValueCount, ...] = ()

    @property
    def n_values(self) -> int:
        """Rows that are neither null nor NaN."""
        return self.count - self.n_nulls - self.n_nans

    @property
    def completeness(self) -> float | None:
        """The share of rows that are not null; None without rows."""
        return (self.count - self.n_nulls) / self.count if self.count else None

    @property
    def distinctness(self) -> float | None:
        """Distinct values by values."""
        return self.n_distinct / self.n_values if self.n_distinct is not None and self.n_values else None

    @property
    def uniqueness(self) -> float | None:
        """The share of values that occur once; needs `exact_uniqueness`."""
        return self.n_once / self.n_values if self.n_once is not None and self.n_values else None

    @property
    def min(self) -> Any:
        """The least value, in the column's type."""
        return _plain(self.min_value)

    @property
    def max(self) -> Any:
        """The greatest value, in the column's type."""
        return _plain(self.max_value)

    @property
    def sum(self) -> Any:
        """The sum; an int for whole numbers, however large. Instants have none."""
        return _plain(self.sum_value)

    @property
    def mean(self) -> Any:
        """The mean; of instants an instant."""
        return _plain(self.mean_value)

    @property
    def std_dev(self) -> Any:
        """The standard deviation of a sample; of instants in seconds."""
        return _plain(self.std_value)

    @property
    def percentiles(self) -> list[Any]:
        """The percentiles p0 to p100, 101 values, interpolated linearly."""
        return [value.to_python() for value in self.percentile_values]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as Python values."""
        return {
            "name": self.name,
            "type": self.type,
            "count": self.count,
            "n_nulls": self.n_nulls,
            "n_nans": self.n_nans,
            "n_infinities": self.n_infinities,
            "completeness": self.completeness,
            "n_distinct": self.n_distinct,
            "distinct_error": self.distinct_error,
            "distinctness": self.distinctness,
            "uniqueness": self.uniqueness,
            "entropy": self.entropy,
            "min": self.min,
            "max": self.max,
            "sum": self.sum,
            "mean": self.mean,
            "std_dev": self.std_dev,
            "percentiles": self.percentiles,
            "percentiles_error": self.percentiles_error,
            "histogram": [{"start": bin_.start, "end": bin_.end, "count": bin_.count} for bin_ in self.bins],
            "frequent": [{"value": item.value, "count": item.count} for item in self.frequent],
        }


class Correlations(Frozen, frozen=True, kw_only=True):
    """Pearson's correlations of numeric columns over the rows that have both; None: one of the two is constant."""

    columns: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]

    def between(self, left: str, right: str) -> float | None:
        """Return the correlation of two columns. Raises NotFoundError."""
        for name in (left, right):
            if name not in self.columns:
                raise NotFoundError("numeric column with correlations", name, self.columns)
        return self.matrix[self.columns.index(left)][self.columns.index(right)]


class Point(Frozen, frozen=True, kw_only=True):
    """A row of the sample on the plane, and the cluster that it is in."""

    x: float
    y: float
    cluster: int


class Clusters(Frozen, frozen=True, kw_only=True):
    """k-means clusters of a sample of rows, on the plane of the first two principal components.

    Attributes:
        columns: the numeric columns that were used, each standardised.
        explained: the shares of the variance that the two components have.
        loadings: what each column adds to each component.
        centres: the centres of the clusters on the plane, the largest cluster first.
        sizes: how many rows of the sample each has.
        points: the rows of the sample.
    """

    columns: tuple[str, ...]
    explained: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]
    centres: tuple[tuple[float, float], ...]
    sizes: tuple[int, ...]
    points: tuple[Point, ...]


class Statistics(Frozen, frozen=True, kw_only=True):
    """The statistics of a group as of a commit, or of a split of a training dataset.

    Attributes:
        scope: `group`: all rows as of the commit. `written`: the rows that the commit brought, known since the insert:
            counts, nulls, least and greatest values only. `split`: a split of a training dataset.
        commit: the commit's number, of a group.
        split, stage: the split, and whether before or after transformation, of a training dataset.
    """

    format_version: int = STATISTICS_FORMAT
    scope: Scope
    name: str
    version: int
    commit: int | None = None
    committed_at_us: int | None = None
    split: str = ""
    stage: Stage | None = None
    computed_at_us: int
    config: StatisticsConfig
    n_rows: int
    columns: tuple[ColumnStatistics, ...]
    correlations: Correlations | None = None
    clusters: Clusters | None = None

    @property
    def committed_at(self) -> datetime | None:
        """The commit time in UTC, of a group."""
        return None if self.committed_at_us is None else from_micros(self.committed_at_us)

    @property
    def computed_at(self) -> datetime:
        """When they were computed, in UTC."""
        return from_micros(self.computed_at_us)

    def __getitem__(self, name: str) -> ColumnStatistics:
        """Return the statistics of a column. Raises NotFoundError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFoundError("column with statistics", name, [column.name for column in self.columns])

    def __iter__(self) -> Iterator[ColumnStatistics]:
        return iter(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as Python values: instants as datetimes, what is not known as None."""
        return {
            "scope": self.scope,
            "name": self.name,
            "version": self.version,
            "commit": self.commit,
            "committed_at": self.committed_at,
            "split": self.split or None,
            "stage": self.stage,
            "computed_at": self.computed_at,
            "n_rows": self.n_rows,
            "columns": [column.to_dict() for column in self.columns],
            "correlations": None
            if self.correlations is None
            else {
                "columns": list(self.correlations.columns),
                "matrix": [list(row) for row in self.correlations.matrix],
            },
            "clusters": None
            if self.clusters is None
            else {
                "columns": list(self.clusters.columns),
                "explained": list(self.clusters.explained),
                "loadings": [list(row) for row in self.clusters.loadings],
                "centres": [list(centre) for centre in self.clusters.centres],
                "sizes": list(self.clusters.sizes),
                "points": [[point.x, point.y, point.cluster] for point in self.clusters.points],
            },
        }

    def plot(self, columns: Sequence[str] | str | None = None, *, against: Statistics | None = None) -> Plot:
        """Return a plot: completeness, the distribution of each column, correlations and clusters if there are any.

        Args:
            columns: only these, in this order; None: all.
            against: other statistics, of another commit or split, whose distributions are drawn beside these.
        Raises:
            NotFoundError: a column that there is not.
            ConfigError: `against` is no statistics.
        """
        from hopyard.plots.compose import plot_statistics

        return plot_statistics(self, columns, against=against)

    def _repr_html_(self) -> str:
        """Return the plot, or the numbers as a table where the extra `plots` is not installed."""
        from hopyard.plots.compose import table_of

        try:
            return self.plot()._repr_html_()
        except MissingPackageError:
            return table_of(self)

    def __str__(self) -> str:
        if self.scope == "split":
            what = f"split {self.split} of {self.name} version {self.version}, {self.stage} transformation"
        else:
            written = "rows written by " if self.scope == "written" else ""
            what = f"{self.name}_{self.version}, {written}commit {self.commit}"
        size = f"{self.n_rows} rows, {len(self.columns)} columns"
        return f"statistics of {what}: {size}, computed at {show(self.computed_at_us)}"

    def __repr__(self) -> str:
        return f"<{self}>"


def _plain(value: Value | None) -> Any:
    """Return a stored value; sums of whole numbers, kept as decimals without a fraction, as ints."""
    found = None if value is None else value.to_python()
    if value is not None and value.type == WHOLE and isinstance(found, Decimal):
        return int(found)
    return found


WHOLE = "decimal(39,0)"
"""The type of sums of whole numbers, which may be larger than any column's values."""
