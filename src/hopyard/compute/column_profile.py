"""One column while its statistics are computed: what is asked of it, and what the answers say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlglot import exp

from hopyard.compute.fixed_point import Type, cast, number, root, to_float, whole_sum
from hopyard.compute.frame import Frame, Number
from hopyard.compute.tally import Tally
from hopyard.model.arrow import to_arrow
from hopyard.model.plan import Value, literal
from hopyard.model.schema import Field
from hopyard.model.statistics import WHOLE, Bin, ColumnStatistics, ValueCount
from hopyard.time import US_PER_DAY

Aggregates = dict[str, tuple[exp.Expr, pa.DataType]]

_WHOLE = frozenset({"int", "bigint", "timestamp", "date"})
_FLOATS = frozenset({"float", "double"})
_INSTANTS = frozenset({"timestamp", "date"})
_NESTED = frozenset({"array", "struct"})
_CATEGORIES = frozenset({"string", "boolean"})
_SUM = pa.decimal128(38, 0)
_ENTRIES = pa.list_(pa.struct([("key", pa.float64()), ("value", pa.uint64())]))
US_PER_SECOND = 1_000_000
CANCELLED = 4_096
"""Where deviations from the middle are so many times larger than those from the mean, digits are lost."""


def reading(name: str) -> exp.Column:
    """Return a column in SQL."""
    return exp.column(exp.to_identifier(name, quoted=True))


def call(function: str, *arguments: exp.Expr) -> exp.Expr:
    """Return a call of a function that the tree has no name for."""
    return exp.Anonymous(this=function, expressions=list(arguments))


def times() -> exp.Expr:
    """Return the count of rows."""
    return exp.Count(this=exp.Star())


def where(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    """Return the value where a condition holds, else null: quicker for an aggregate than to filter its rows."""
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a column's rows, which add up: those with a value or NaN, and those that are no finite number."""

    n: int = 0
    n_nans: int = 0
    n_positive: int = 0
    n_negative: int = 0

    def plus(self, other: Counts, sign: int = 1) -> Counts:
        """Return the counts of both; with the sign -1, without the other's rows."""
        return Counts(
            self.n + sign * other.n,
            self.n_nans + sign * other.n_nans,
            self.n_positive + sign * other.n_positive,
            self.n_negative + sign * other.n_negative,
        )


@dataclass(frozen=True, slots=True)
class Ends:
    """The least and the greatest finite number, and value where it is no number, or a decimal."""

    low: Any = None
    high: Any = None
    least: Any = None
    greatest: Any = None


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums in the units of a frame, and counts in its bins; of rows apart, they add up."""

    total: int = 0
    squares: int = 0
    bins: tuple[int, ...] = ()

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        """Return the sums of both; with the sign -1, without the other's rows."""
        bins = tuple(mine + sign * its for mine, its in zip(self.bins, other.bins, strict=False))
        return Sums(self.total + sign * other.total, self.squares + sign * other.squares, bins)


class ColumnProfile:
    """What is known so far of a column of some rows.

    Numbers are read as `number()`: whole numbers as bigint (instants and dates as UTC microseconds), others as double.
    """

    def __init__(self, field: Field, n_rows: int) -> None:
        self.field, self.type, self.n_rows = field, field.feature_type, n_rows
        self.name, self.kind = field.name, self.type.kind
        self.is_whole = self.kind in _WHOLE
        self.is_number = self.is_whole or self.kind in _FLOATS or self.kind == "decimal"
        self.is_scalar = self.kind not in _NESTED
        self.is_category = self.kind in _CATEGORIES
        self.arrow = pa.int64() if self.is_whole else pa.float64()
        self.counts, self.ends, self.sums = Counts(), Ends(), Sums()
        self.estimate = 0
        self.deviation: float | None = None
        self.tally: Tally | None = None
        self.n_distinct: int | None = None
        self.n_once: int | None = None
        self.entropy: float | None = None
        self.percentiles: tuple[Value, ...] = ()
        self.percentiles_error = 0.0
        self.frequent: tuple[ValueCount, ...] = ()

    @property
    def n_values(self) -> int:
        """Rows that are neither null nor NaN."""
        return self.counts.n - self.counts.n_nans

    @property
    def n_infinities(self) -> int:
        return self.counts.n_positive + self.counts.n_negative

    @property
    def n_finite(self) -> int:
        return self.n_values - self.n_infinities

    @property
    def _n_counted(self) -> int:
        """Values that ends and sums are of: infinite ones, too, but for instants."""
        return self.n_finite if self.kind in _INSTANTS else self.n_values

    @property
    def frame(self) -> Frame:
        """The frame of the finite values; there must be some."""
        return Frame(self.ends.low, self.ends.high, self.is_whole)

    def value(self) -> exp.Expr:
        """Return the column as values that are told apart: of floats as `number()`."""
        return self.number() if self.kind in _FLOATS else reading(self.name)

    def number(self) -> exp.Expr:
        """Return the column as a bigint or a double; zero has one sign."""
        column = reading(self.name)
        if self.kind == "date":
            return call("epoch_us", cast(column, Type.TIMESTAMP))
        if self.kind == "timestamp":
            return call("epoch_us", column)
        if self.kind in _FLOATS:
            return exp.Paren(this=exp.Add(this=cast(column, Type.DOUBLE), expression=number(0.0)))
        return cast(column, Type.BIGINT if self.is_whole else Type.DOUBLE)

    def is_value(self) -> exp.Expr:
        """Return the condition that there is a value, neither null nor NaN."""
        there = exp.not_(exp.Is(this=reading(self.name), expression=exp.Null()))
        if self.kind not in _FLOATS:
            return there
        return exp.and_(there, exp.not_(call("isnan", self.number())))

    def ask_estimate(self) -> Aggregates:
        """Return what estimates the number of distinct values."""
        if not self.is_scalar:
            return {}
        return {"distinct": (call("approx_count_distinct", self.value()), pa.int64())}

    def ask_counts(self) -> Aggregates:
        """Return what counts rows, and finds the ends."""
        found: Aggregates = {"n": (exp.Count(this=reading(self.name)), pa.int64())}
        if not self.is_scalar:
            return found
        if self.kind in _FLOATS:
            finite = where(call("isfinite", self.number()), self.number())
            found["low"] = (exp.Min(this=finite), pa.float64())
            found["high"] = (exp.Max(this=finite.copy()), pa.float64())
            conditions = {
                "nan": call("isnan", self.number()),
                "pos": exp.EQ(this=self.number(), expression=cast(exp.Literal.string("inf"), Type.DOUBLE)),
                "neg": exp.EQ(this=self.number(), expression=cast(exp.Literal.string("-inf"), Type.DOUBLE)),
            }
            for name, condition in conditions.items():
                found[name] = (call("count_if", condition), pa.int64())
        elif self.is_number:
            found["low"] = (exp.Min(this=self.number()), self.arrow)
            found["high"] = (exp.Max(this=self.number()), self.arrow)
        if self.kind == "timestamp":
            for name, text in (("pos", "infinity"), ("neg", "-infinity")):
                end = cast(exp.Literal.string(text), Type.TIMESTAMPTZ)
                found[name] = (call("count_if", exp.EQ(this=reading(self.name), expression=end)), pa.int64())
        if not self.is_number or self.kind == "decimal":
            found["least"] = (exp.Min(this=reading(self.name)), to_arrow(self.type))
            found["greatest"] = (exp.Max(this=reading(self.name)), to_arrow(self.type))
        return found

    def take_counts(self, found: dict[str, Any]) -> None:
        self.counts = Counts(found["n"], *(found.get(name) or 0 for name in ("nan", "pos", "neg")))
        self.estimate = found.get("distinct") or 0
        self.ends = Ends(*(found.get(name) for name in ("low", "high", "least", "greatest")))

    def ask_sums(self, frame: Frame, n_bins: int) -> Aggregates:
        """Return what adds up the values and their squares in a frame, and counts them in its bins."""
        if not self.n_finite:
            return {}
        found = self.ask_squares(frame, frame.centre)
        if frame.is_whole:
            found["sum"] = (exp.Sum(this=self.number()), _SUM)  # of 128 bits
        elif frame.scale:
            found["sum"] = (whole_sum(frame.scale.apply(self.number())), _SUM)
        return {**found, **self.ask_bins(frame, n_bins)}

    def ask_squares(self, frame: Frame, centre: Number) -> Aggregates:
        """Return what adds up the squares of the deviations from a number."""
        if frame.low == frame.high:
            return {}
        return {"squares": (whole_sum(frame.square(self.number(), centre)), _SUM)}

    def ask_bins(self, frame: Frame, n_bins: int) -> Aggregates:
        """Return what counts the values in the bins of a frame."""
        edges = frame.edges(n_bins)
        if not edges:
            return {}
        # The engine's bins are open below. Of the negated values, backwards, they are open above.
        steps = exp.Array(expressions=[number(-edge) for edge in reversed(edges[:-1])])
        negated: exp.Expr = exp.Neg(this=exp.Paren(this=cast(self.number(), Type.DOUBLE)))
        if self.counts.n_nans or self.n_infinities:
            negated = where(call("isfinite", self.number()), negated)
        counted = call("map_entries", call("histogram", negated, steps))
        return {"bins": (counted, _ENTRIES)}

    def read_sums(self, frame: Frame, n_bins: int, found: dict[str, Any]) -> Sums:
        """Return the answers to `ask_sums`."""
        total, squares = (int(found.get(name) or 0) for name in ("sum", "squares"))
        return Sums(total, squares, self.read_bins(frame, n_bins, found))

    def read_bins(self, frame: Frame, n_bins: int, found: dict[str, Any]) -> tuple[int, ...]:
        """Return the answers to `ask_bins`."""
        edges = frame.edges(n_bins)
        if n_bins and not edges:
            return (self.n_finite,)
        counts = {entry["key"]: entry["value"] for entry in found.get("bins") or ()}
        return tuple(counts.get(-start, 0) for start in edges[:-1])

    def spread(self) -> bool:
        """Find the standard deviation by the sums. Return whether too many digits cancel each other for that.

        sum (x - c)^2 is larger than that around the mean by n (mean - c)^2.
        """
        self.deviation = None
        if not self.is_number or self.n_finite < 2 or self._n_counted > self.n_finite:
            return False
        frame = self.frame
        if frame.low == frame.high:
            self.deviation = 0.0
            return False
        squares = frame.squares(self.sums.squares, frame.centre)
        around_mean = self._around_mean(squares, frame.centre)
        self.deviation = root(around_mean / (self.n_finite - 1))
        return around_mean * CANCELLED < squares

    def take_squares(self, centre: Number, units: int) -> None:
        """Find the standard deviation by the squares of the deviations from a number near the mean."""
        around_mean = self._around_mean(self.frame.squares(units, centre), centre)
        self.deviation = root(around_mean / (self.n_finite - 1))

    def near_mean(self) -> Number:
        """Return a number near the mean, in the column's type."""
        return round(self._average) if self.is_whole else to_float(self._average)

    def _around_mean(self, squares: Fraction, centre: Number) -> Fraction:
        return squares - self.n_finite * (self._average - Fraction(centre)) ** 2

    @property
    def _average(self) -> Fraction:
        return self.frame.total(self.sums.total) / self.n_finite

    def stored(self, value: Number) -> Value:
        """Return a number of the column as it is kept: microseconds as an instant."""
        if self.kind in _INSTANTS:
            return Value(type="timestamp", value=round(value))
        return literal(value)

    def result(self, n_bins: int) -> ColumnStatistics:
        """Return what was found."""
        least, greatest = self._least_and_greatest()
        tallied = self.tally if self.n_distinct is None else None
        return ColumnStatistics(
            name=self.name,
            type=str(self.type),
            count=self.n_rows,
            n_nulls=self.n_rows - self.counts.n,
            n_nans=self.counts.n_nans,
            n_infinities=self.n_infinities,
            min_value=least,
            max_value=greatest,
            sum_value=self._sum(),
            mean_value=self._mean(),
            std_value=self._std(),
            n_distinct=min(tallied.n_distinct, self.n_values) if tallied else self.n_distinct,
            distinct_error=tallied.error if tallied else 0.0,
            n_once=self.n_once,
            entropy=self.entropy,
            percentile_values=self.percentiles,
            percentiles_error=self.percentiles_error,
            bins=self._bins(n_bins),
            frequent=self.frequent,
        )

    def extremes(self) -> tuple[Number, Number]:
        """Return the least and the greatest number, infinities included; there must be one. Instants are finite."""
        low, high = self.ends.low, self.ends.high
        if self.kind in _INSTANTS:
            return low, high
        if self.counts.n_negative or low is None:
            low = -math.inf if self.counts.n_negative else math.inf
        if self.counts.n_positive or high is None:
            high = math.inf if self.counts.n_positive else -math.inf
        return low, high

    def take_percentiles(self, found: Sequence[Number], error: float = 0.0) -> None:
        """Keep percentiles, and how far their ranks may be off."""
        self.percentiles, self.percentiles_error = tuple(self.stored(value) for value in found), error

    def _least_and_greatest(self) -> tuple[Value | None, Value | None]:
        if self.ends.least is not None:
            return literal(self.ends.least), literal(self.ends.greatest)
        if not self.is_number or not self._n_counted:
            return None, None
        low, high = self.extremes()
        return self._end(low), self._end(high)

    def _end(self, value: Number) -> Value:
        if self.kind == "date":
            return Value(type="date", value=int(value) // US_PER_DAY)
        return self.stored(value)

    def _bins(self, n_bins: int) -> tuple[Bin, ...]:
        if not n_bins or not self.is_number or not self.n_finite:
            return ()
        edges = self.frame.edges(n_bins) or (self.ends.low, self.ends.low)
        ends = [self.stored(edge) for edge in edges]
        return tuple(
            Bin(start_value=start, end_value=end, count=count)
            for start, end, count in zip(ends, ends[1:], self.sums.bins, strict=False)
        )

    def _infinite(self) -> float | None:
        """Return what sums with infinities are; None: there are none."""
        if not self.n_infinities:
            return None
        positive, negative = self.counts.n_positive, self.counts.n_negative
        return math.nan if positive and negative else math.inf if positive else -math.inf

    def _sum(self) -> Value | None:
        if self.kind in _INSTANTS or not self.is_number or not self.n_values:
            return None
        if (infinite := self._infinite()) is not None:
            return literal(infinite)
        total = self.frame.total(self.sums.total)
        return Value(type=WHOLE, value=str(total)) if self.is_whole else literal(to_float(total))

    def _mean(self) -> Value | None:
        if not self.is_number or not self._n_counted:
            return None
        if self.kind in _INSTANTS:
            return Value(type="timestamp", value=round(self._average))
        if (infinite := self._infinite()) is not None:
            return literal(infinite)
        return literal(to_float(self._average))

    def _std(self) -> Value | None:
        if self.n_infinities and self.n_values > 1 and self.kind not in _INSTANTS:
            return literal(math.nan)
        if self.deviation is None:
            return None
        return literal(self.deviation / US_PER_SECOND if self.kind in _INSTANTS else self.deviation)
