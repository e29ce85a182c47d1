"""Statistics of rows, wherever these are: SQL trees over a FROM item, and what becomes of their answers.

What is counted, and what numbers add up to, is the same for every order of the rows and number of threads. Memory is
bounded by the number of columns, not by that of the rows. Of sixteen columns at a time:

1. one pass: counts, least and greatest values, an estimate of the number of distinct values (HyperLogLog);
2. one pass: sums and squares as whole numbers (`fixed_point`) and histograms, in the frame of the ends (`frame`);
3. how often each value occurs, of all values or of those with a small hash (`tally`);
4. percentiles: of all rows while they are a million, else of about 100,000 rows with the smallest hashes of their
   identity, with the bound of Dvoretzky, Kiefer and Wolfowitz (Massart 1990).

All of it is decided by the set of rows, so that it can be carried on when a few rows come and go (`carry`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.compute.column_profile import Aggregates, ColumnProfile, call, reading, times, where
from hopyard.compute.frame import Frame
from hopyard.compute.percentiles import percentiles
from hopyard.compute.sample import Sample, sample_of
from hopyard.compute.tally import HASHES, MAX_VALUES, Tally, tally_of
from hopyard.model.arrow import to_arrow
from hopyard.model.plan import literal
from hopyard.model.schema import Field, Schema
from hopyard.model.statistics import ColumnStatistics, StatisticsConfig, ValueCount
from hopyard.ports import Statement

COLUMNS_AT_ONCE = 16
PERCENTILE_ROWS = 1_000_000
SAMPLE_ROWS = 131_072
"""At most so many rows are sampled; more than half of them in the mean."""
FEW_ROWS = 100_000
"""So many rows are counted value by value: a query per column would take longer."""
MAX_CARRIED_COLUMNS = 128
"""What is carried on takes about 2 MB per column."""
MANY_VALUES = 1_000_000
"""With more distinct values than this, nobody asks which are the most frequent."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be described.

    Attributes:
        source: returns a new FROM item with the columns of the schema.
        n_rows: how many there are.
        identity: the columns that tell rows apart; empty: all of them do.
        percentile_rows: with more rows than this, percentiles are those of a sample.
        collect: runs a statement; `run` gives its result as a stream.
    """

    source: Callable[[], exp.Expr]
    schema: Schema
    n_rows: int
    collect: Callable[[Statement], pa.Table]
    run: Callable[[Statement], pa.RecordBatchReader]
    identity: Sequence[str] = ()
    percentile_rows: int = PERCENTILE_ROWS
    frames: Mapping[str, pa.Table] = field(default_factory=dict)

    def ask(
        self, wanted: Mapping[str, tuple[exp.Expr, pa.DataType]], condition: exp.Expr | None = None
    ) -> pa.Table:
        """Return the values of expressions over the rows, by name."""
        shown = [exp.alias_(tree, name, quoted=True, copy=False) for name, (tree, _) in wanted.items()]
        tree = exp.select(*shown, copy=False).from_(self.source(), copy=False)
        if condition is not None:
            tree = tree.where(condition, copy=False)
        schema = pa.schema([(name, type_) for name, (_, type_) in wanted.items()])
        return self.collect(Statement(tree=tree, schema=schema, frames=self.frames))

    def ask_each(
        self, wanted: Sequence[tuple[ColumnProfile, Aggregates]]
    ) -> Iterator[tuple[ColumnProfile, dict[str, object]]]:
        """Yield each column with the values of its aggregates over all rows."""
        trees = {
            f"{place}.{name}": tree for place, (_, asked) in enumerate(wanted) for name, tree in asked.items()
        }
        found = self.ask(trees).to_pylist()[0] if trees else {}
        for place, (column, asked) in enumerate(wanted):
            yield column, {name: found[f"{place}.{name}"] for name in asked}

    @property
    def hashed(self) -> tuple[str, ...]:
        """The columns of which a row's hash is made."""
        return tuple(self.identity or (field.name for field in self.schema))

    def hash(self) -> exp.Expr:
        """Return the hash of a row's identity."""
        return call("hash", *(reading(name) for name in self.hashed))

    @property
    def share(self) -> int | None:
        """Into how many parts the rows are divided by their hash, of which one is the sample; None: none is needed."""
        if self.n_rows <= self.percentile_rows:
            return None
        return int(2 ** math.ceil(math.log2(self.n_rows / min(SAMPLE_ROWS, self.percentile_rows))))

    def sampled(self, n_rows: int) -> exp.Expr | None:
        """Return the condition of a sample of at most about so many rows; None: there are no more than that."""
        if self.n_rows <= n_rows:
            return None
        return is_below(self.hash(), HASHES * n_rows // self.n_rows)

    def sample(self, columns: Sequence[ColumnProfile], share: int) -> Sample:
        """Return the numbers of the rows in the first of so many parts."""
        numbers = [column for column in columns if column.is_number]
        found = self.numbers(numbers, share)
        read = {column.name: found.column(place).combine_chunks() for place, column in enumerate(numbers)}
        return sample_of(share, found.column("hash").to_numpy(), read)

    def numbers(self, columns: Sequence[ColumnProfile], share: int | None = None) -> pa.Table:
        """Return the numbers of columns, in their order; of a part of the rows, also the rows' hashes."""
        asked = {str(place): (column.number(), column.arrow) for place, column in enumerate(columns)}
        if share is None:
            return self.ask(asked)
        return self.ask({**asked, "hash": (self.hash(), pa.uint64())}, is_below(self.hash(), HASHES // share))


def is_below(hash_: exp.Expr, bound: int) -> exp.Expr:
    """Return the condition that a hash is small."""
    return exp.LT(this=hash_, expression=exp.Literal.number(bound))


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured of columns of some rows: what can be carried on when a few of them come and go."""

    columns: tuple[ColumnProfile, ...]
    sample: Sample


def profile(rows: Rows, config: StatisticsConfig) -> tuple[ColumnStatistics, ...]:
    """Return the statistics of the columns that a config names, in the order of the schema."""
    return profiled(rows, config)[0]


def profiled(rows: Rows, config: StatisticsConfig) -> tuple[tuple[ColumnStatistics, ...], Profile | None]:
    """Return the statistics of columns, and what to carry on; None: there are too few rows, or too many columns."""
    fields, bins = chosen(rows.schema, config), n_bins(config)
    is_kept = rows.share is not None and len(fields) <= MAX_CARRIED_COLUMNS
    found: list[ColumnStatistics] = []
    measured: list[ColumnProfile] = []
    sample: Sample | None = None
    for columns in blocks(rows, fields):
        sampled = measure(rows, columns, bins)
        finish(rows, columns, sampled, config)
        found += [column.result(bins) for column in columns]
        if is_kept and sampled is not None:
            measured += columns
            sample = sampled if sample is None else sample.beside(sampled)
    return tuple(found), None if sample is None else Profile(tuple(measured), sample)


def chosen(schema: Schema, config: StatisticsConfig) -> list[Field]:
    """Return the columns that a config asks for."""
    return [item for item in schema if not config.columns or item.name in config.columns]


def n_bins(config: StatisticsConfig) -> int:
    """Return how many bins a config asks for."""
    return config.histogram_bins if config.histograms else 0


def blocks(rows: Rows, fields: Sequence[Field]) -> Iterator[list[ColumnProfile]]:
    """Yield new profiles of the columns that are looked at together."""
    for start in range(0, len(fields), COLUMNS_AT_ONCE):
        yield [ColumnProfile(item, rows.n_rows) for item in fields[start : start + COLUMNS_AT_ONCE]]


def measure(rows: Rows, columns: Sequence[ColumnProfile], bins: int) -> Sample | None:
    """Look at all rows for what can be carried on. Return their sample, if percentiles are those of a sample."""
    count(rows, columns, with_estimate=True)
    add_up(rows, [(column, column.frame) for column in columns if column.is_number and column.n_finite], bins)
    for column in columns:
        if column.is_scalar:
            column.tally = _tally(rows, column)
    return None if rows.share is None else rows.sample(columns, rows.share)


def count(rows: Rows, columns: Sequence[ColumnProfile], *, with_estimate: bool = False) -> None:
    """Count rows, find the ends, and estimate the number of distinct values."""
    asked = [
        (column, {**column.ask_counts(), **(column.ask_estimate() if with_estimate else {})})
        for column in columns
    ]
    for column, found in rows.ask_each(asked):
        column.take_counts(found)


def add_up(rows: Rows, columns: Sequence[tuple[ColumnProfile, Frame]], bins: int) -> None:
    """Add up values and squares in a frame, and count values in its bins."""
    frames = dict(columns)
    asked = [(column, column.ask_sums(frame, bins)) for column, frame in columns]
    for column, found in rows.ask_each(asked):
        column.sums = column.read_sums(frames[column], bins, found)


def count_bins(
    rows: Rows, columns: Sequence[tuple[ColumnProfile, Frame]], bins: int
) -> dict[ColumnProfile, tuple[int, ...]]:
    """Return how many values are in each bin of a frame."""
    frames = dict(columns)
    asked = [(column, column.ask_bins(frame, bins)) for column, frame in columns]
    return {column: column.read_bins(frames[column], bins, found) for column, found in rows.ask_each(asked)}


def tallied(rows: Rows, column: ColumnProfile, share: int) -> Tally:
    """Return how often the values occur that have a hash in the first of so many parts."""
    condition = column.is_value()
    if share > 1:
        condition = exp.and_(condition, is_below(call("hash", column.value()), HASHES // share))
    grouped = (
        exp.select(exp.alias_(column.value(), "value"), exp.alias_(times(), "n"), copy=False)
        .from_(rows.source(), copy=False)
        .where(condition, copy=False)
        .group_by(column.value(), copy=False)
    )
    shown = {"hash": (call("hash", exp.column("value")), pa.uint64()), "n": (exp.column("n"), pa.int64())}
    if column.is_category and share == 1:
        shown["value"] = (exp.column("value"), to_arrow(column.type))
    tree = exp.select(*(exp.alias_(tree, name) for name, (tree, _) in shown.items()), copy=False)
    schema = pa.schema([(name, type_) for name, (_, type_) in shown.items()])
    found = rows.collect(
        Statement(tree=tree.from_(grouped.subquery("counts"), copy=False), schema=schema, frames=rows.frames)
    )
    values = None
    if "value" in shown:
        values = found.column("value").to_numpy(zero_copy_only=False)
    return tally_of(share, found.column("hash").to_numpy(), found.column("n").to_numpy(), values)


def tallied_together(rows: Rows, columns: Sequence[tuple[ColumnProfile, int]]) -> list[Tally]:
    """Return the same as `tallied`, of columns with their shares; in one pass where rows are few."""
    if rows.n_rows > FEW_ROWS:
        return [tallied(rows, column, share) for column, share in columns]
    asked: Aggregates = {}
    for place, (column, share) in enumerate(columns):
        hash_ = where(column.is_value(), call("hash", column.value()))
        asked[f"{place}.hash"] = (hash_, pa.uint64())
        if column.is_category and share == 1:
            asked[f"{place}.value"] = (column.value(), to_arrow(column.type))
    found = rows.ask(asked) if asked else None
    return [
        _counted(found, str(place), share) for place, (_, share) in enumerate(columns) if found is not None
    ]


def _counted(found: pa.Table, place: str, share: int) -> Tally:
    hashes = found.column(f"{place}.hash")
    values = None
    if f"{place}.value" in found.column_names:
        there = found.column(f"{place}.value").filter(hashes.is_valid())
        values = there.to_numpy(zero_copy_only=False)
    known = hashes.drop_null().to_numpy()
    if share > 1:
        known = known[known < HASHES // share]
    return tally_of(share, known, np.ones(len(known), np.int64), values)


def _tally(rows: Rows, column: ColumnProfile) -> Tally:
    """Return the tally of a column, counted in a part of the hashes that is no smaller than its own."""
    share = 1
    while column.estimate > share * MAX_VALUES * 4:
        share *= 2
    found = tallied(rows, column, share)
    while share > 1 and len(found.hashes) <= MAX_VALUES:  # the estimate was too large
        share //= 2
        found = tallied(rows, column, share)
    return found.narrowed()


def finish(
    rows: Rows, columns: Sequence[ColumnProfile], sample: Sample | None, config: StatisticsConfig
) -> None:
    """Find what follows from what was measured; where it does not, look at the rows again."""
    near = {column: column.near_mean() for column in columns if column.spread()}
    asked = [(column, column.ask_squares(column.frame, centre)) for column, centre in near.items()]
    for column, found in rows.ask_each(asked):
        column.take_squares(near[column], int(str(found["squares"])))
    for column in columns:
        if column.is_scalar and config.exact_uniqueness:
            _uniqueness(rows, column)
        if n_bins(config) and column.is_category:
            column.frequent = _frequent(rows, column, n_bins(config))
    _percentiles(rows, [column for column in columns if column.is_number and column.n_values], sample)


def _uniqueness(rows: Rows, column: ColumnProfile) -> None:
    """Count the distinct values, those that occur once, and the entropy -sum(p ln p).

    The counts of the counts are few, and are added up exactly.
    """
    grouped = (
        exp.select(exp.alias_(times(), "__n"), copy=False)
        .from_(rows.source(), copy=False)
        .where(column.is_value(), copy=False)
        .group_by(column.value(), copy=False)
    )
    tree = (
        exp.select(exp.column("__n"), exp.alias_(times(), "__m"), copy=False)
        .from_(grouped.subquery("counts"), copy=False)
        .group_by(exp.column("__n"), copy=False)
    )
    schema = pa.schema([("__n", pa.int64()), ("__m", pa.int64())])
    table = rows.collect(Statement(tree=tree, schema=schema, frames=rows.frames))
    pairs = list(zip(*(table.column(name).to_pylist() for name in ("__n", "__m")), strict=True))
    total = sum(n * m for n, m in pairs)
    column.n_distinct = sum(m for _, m in pairs)
    column.n_once = sum(m for n, m in pairs if n == 1)
    if total:
        column.entropy = math.log(total) - math.fsum(m * n * math.log(n) for n, m in pairs) / total


def _frequent(rows: Rows, column: ColumnProfile, n: int) -> tuple[ValueCount, ...]:
    """Return the most frequent values, of those that are as frequent the least ones."""
    tally = column.tally
    if tally is None or tally.n_distinct > MANY_VALUES:
        return ()
    if tally.values is not None:
        pairs = zip((-tally.times).tolist(), tally.values.tolist(), strict=True)
        found = [(value, -times_) for times_, value in heapq.nsmallest(n, pairs)]
    else:
        found = _most_frequent(rows, column, n)
    return tuple(ValueCount(stored=literal(value), count=count) for value, count in found)


def _most_frequent(rows: Rows, column: ColumnProfile, n: int) -> list[tuple[object, int]]:
    tree = (
        exp.select(exp.alias_(column.value(), "__value"), exp.alias_(times(), "__n"), copy=False)
        .from_(rows.source(), copy=False)
        .where(column.is_value(), copy=False)
        .group_by(column.value(), copy=False)
        .order_by(
            exp.Ordered(this=exp.column("__n"), desc=True),
            exp.Ordered(this=exp.column("__value")),
            copy=False,
        )
        .limit(n, copy=False)
    )
    schema = pa.schema([("__value", to_arrow(column.type)), ("__n", pa.int64())])
    found = rows.collect(Statement(tree=tree, schema=schema, frames=rows.frames)).to_pylist()
    return [(row["__value"], row["__n"]) for row in found]


def _percentiles(rows: Rows, columns: Sequence[ColumnProfile], sample: Sample | None) -> None:
    if not columns:
        return
    if sample is None:
        table = rows.numbers(columns)
        for place, column in enumerate(columns):
            column.take_percentiles(percentiles(table.column(place)))
        return
    for column in columns:
        values = sample.columns[column.name]
        if found := percentiles(values):  # the ends are known exactly
            low, high = column.extremes()
            n_sampled = len(values) - values.null_count - _n_nans(values)
            error = math.sqrt(math.log(2 / 0.003) / (2 * n_sampled))
            column.take_percentiles([low, *found[1:-1], high], error)


def _n_nans(values: pa.Array) -> int:
    return int(pc.is_nan(values).true_count) if pa.types.is_floating(values.type) else 0
