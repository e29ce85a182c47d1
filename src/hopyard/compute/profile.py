"""Statistics of rows, wherever these are: SQL trees over a FROM item, and what becomes of their answers.

What is counted, and what numbers add up to, is the same for every order of the rows, number of threads and cut into
files. Memory is bounded by the number of columns, not by that of the rows:

1. one pass: counts, least and greatest values, an estimate of the number of distinct values (HyperLogLog);
2. one pass: sums as whole numbers (`fixed_point`) and histograms between the least and the greatest value;
3. one pass: squared deviations from the mean, and distinct values: all of them while they are about 100,000, else those
   with a small hash (Wegman's adaptive sampling, Flajolet 1990), from which their number is extrapolated;
4. percentiles, a few columns at a time: of all rows while they are a million, else of a million rows with the smallest
   hashes of their identity, with the bound of Dvoretzky, Kiefer and Wolfowitz (Massart 1990).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.compute.column_profile import HASHES, Aggregates, ColumnProfile, call, reading, times
from hopyard.compute.percentiles import percentiles
from hopyard.model.arrow import to_arrow
from hopyard.model.plan import Value, literal
from hopyard.model.schema import Schema
from hopyard.model.statistics import ColumnStatistics, StatisticsConfig, ValueCount
from hopyard.ports import Statement

COLUMNS_AT_ONCE = 16
EXACT_DISTINCT_ESTIMATE = 150_000
"""Up to this estimate distinct values are counted. Its standard error is 3 %: 100,000 of them are, for sure."""
HASHED_VALUES = 65_536
DISTINCT_ERROR = 3 / math.sqrt(HASHED_VALUES / 2 * 0.8)
"""Three standard errors of what is extrapolated from half of them, less what the estimate may be off."""
PERCENTILE_ROWS = 1_000_000
MANY_VALUES = 1_000_000
"""With more distinct values than this, nobody asks which are the most frequent."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be described.

    Attributes:
        source: returns a new FROM item with the columns of the schema.
        n_rows: how many there are.
        identity: the columns that tell rows apart; empty: all of them do.
        percentile_rows: with more rows than this, percentiles are those of a sample of about so many.
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
        self, wanted: Mapping[str, tuple[exp.Expr, pa.DataType]], where: exp.Expr | None = None
    ) -> pa.Table:
        """Return the values of expressions over the rows, by name."""
        shown = [exp.alias_(tree, name, quoted=True) for name, (tree, _) in wanted.items()]
        tree = exp.select(*shown, copy=False).from_(self.source(), copy=False)
        if where is not None:
            tree = tree.where(where, copy=False)
        schema = pa.schema([(name, type_) for name, (_, type_) in wanted.items()])
        return self.collect(Statement(tree=tree, schema=schema, frames=self.frames))

    def one(self, wanted: Mapping[str, tuple[exp.Expr, pa.DataType]]) -> dict[str, object]:
        """Return the values of aggregates over all rows, by name."""
        found = self.ask(wanted).to_pylist()[0] if wanted else {}
        return dict(found)

    def sampled(self, n_rows: int) -> exp.Expr | None:
        """Return the condition of a sample of about so many rows; None: there are no more than that."""
        if self.n_rows <= n_rows:
            return None
        columns = self.identity or [field.name for field in self.schema]
        threshold = HASHES * n_rows // self.n_rows
        return exp.LT(
            this=call("hash", *(reading(name) for name in columns)), expression=exp.Literal.number(threshold)
        )


def profile(rows: Rows, config: StatisticsConfig) -> tuple[ColumnStatistics, ...]:
    """Return the statistics of the columns that a config names, in the order of the schema."""
    wanted = [field for field in rows.schema if not config.columns or field.name in config.columns]
    found: list[ColumnStatistics] = []
    for start in range(0, len(wanted), COLUMNS_AT_ONCE):
        columns = [
            ColumnProfile(f"__c{place}_", field, rows.n_rows)
            for place, field in enumerate(wanted[start : start + COLUMNS_AT_ONCE])
        ]
        found += _profile(rows, config, columns)
    return tuple(found)


def _profile(
    rows: Rows, config: StatisticsConfig, columns: Sequence[ColumnProfile]
) -> list[ColumnStatistics]:
    _pass(rows, columns, lambda column: column.counts(), lambda column, found: column.take_counts(found))
    bins = config.histogram_bins if config.histograms else 0
    _pass(rows, columns, lambda column: column.sums(bins), lambda column, found: column.take_sums(found))
    for column in columns:
        if column.is_scalar and config.exact_uniqueness:
            _uniqueness(rows, column)
        if bins and column.is_category and column.estimate <= MANY_VALUES:
            _frequent(rows, column, bins)
    _pass(rows, columns, _deviations_and_distinct, _take_deviations_and_distinct)
    _percentiles(rows, [column for column in columns if column.is_number and column.n_values])
    return [column.result() for column in columns]


def _pass(
    rows: Rows,
    columns: Sequence[ColumnProfile],
    ask: Callable[[ColumnProfile], Aggregates],
    take: Callable[[ColumnProfile, dict[str, object]], None],
) -> None:
    wanted = {column.prefix + name: tree for column in columns for name, tree in ask(column).items()}
    found = rows.one(wanted)
    for column in columns:
        length = len(column.prefix)
        take(
            column, {name[length:]: value for name, value in found.items() if name.startswith(column.prefix)}
        )


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


def _share(column: ColumnProfile) -> int:
    """Return into how many parts the values are divided by their hash, of which one is counted."""
    if column.estimate <= EXACT_DISTINCT_ESTIMATE:
        return 1
    return int(2 ** math.ceil(math.log2(column.estimate / HASHED_VALUES)))


def _deviations_and_distinct(column: ColumnProfile) -> Aggregates:
    is_open = column.is_scalar and column.n_distinct is None
    return {**column.deviations(), **(column.distinct(_share(column)) if is_open else {})}


def _take_deviations_and_distinct(column: ColumnProfile, found: dict[str, object]) -> None:
    column.take_deviations(found)
    counted = found.get("distinct")
    if isinstance(counted, int):
        share = _share(column)
        column.n_distinct = min(counted * share, column.n_values)
        column.distinct_error = 0.0 if share == 1 else DISTINCT_ERROR


def _frequent(rows: Rows, column: ColumnProfile, n: int) -> None:
    """Find the most frequent values, of those that are as frequent the least ones; and how many values there are."""
    n_groups = exp.Window(this=times())
    tree = (
        exp.select(
            exp.alias_(column.value(), "__value"),
            exp.alias_(times(), "__n"),
            exp.alias_(n_groups, "__groups"),
            copy=False,
        )
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
    schema = pa.schema([("__value", to_arrow(column.type)), ("__n", pa.int64()), ("__groups", pa.int64())])
    found = rows.collect(Statement(tree=tree, schema=schema, frames=rows.frames)).to_pylist()
    column.frequent = tuple(ValueCount(stored=literal(row["__value"]), count=row["__n"]) for row in found)
    column.n_distinct = found[0]["__groups"] if found else 0


def _percentiles(rows: Rows, columns: Sequence[ColumnProfile]) -> None:
    if not columns:
        return
    wanted = {column.prefix: (column.number(), column.arrow) for column in columns}
    where = rows.sampled(rows.percentile_rows)
    table = rows.ask(wanted, where)
    for column in columns:
        found = percentiles(table.column(column.prefix))
        if where is not None and found:  # the ends are known exactly
            found = [column.low, *found[1:-1], column.high]
            n_sampled = len(table) - table.column(column.prefix).null_count
            column.percentiles_error = math.sqrt(math.log(2 / 0.003) / (2 * max(n_sampled, 1)))
        column.percentiles = tuple(column.stored(value) for value in found)


def written(rows: pa.Table, schema: Schema) -> tuple[ColumnStatistics, ...]:
    """Return what an insert tells of the rows that it writes: counts, nulls, least and greatest values."""
    found = []
    for item in schema:
        values = rows.column(item.name)
        n_nans = 0
        low: object = None
        high: object = None
        if item.feature_type.kind in ("float", "double"):
            n_nans = sum(chunk.true_count for chunk in pc.is_nan(values).chunks)
        if item.feature_type.kind not in ("array", "struct"):
            ends = pc.min_max(values)  # which passes over NaN
            low, high = _python(ends["min"]), _python(ends["max"])
            if n_nans and n_nans == len(values) - values.null_count:
                low = high = None
        found.append(
            ColumnStatistics(
                name=item.name,
                type=item.type,
                count=rows.num_rows,
                n_nulls=rows.column(item.name).null_count,
                n_nans=n_nans,
                min_value=_stored(low),
                max_value=_stored(high),
            )
        )
    return tuple(found)


def _python(value: pa.Scalar) -> object:
    """Return a scalar as a Python object, and an instant as it is kept: it may lie beyond Python's years."""
    if pa.types.is_timestamp(value.type) and value.is_valid:
        return Value(type="timestamp", value=value.value)
    return value.as_py()


def _stored(value: object) -> Value | None:
    return value if value is None or isinstance(value, Value) else literal(value)
