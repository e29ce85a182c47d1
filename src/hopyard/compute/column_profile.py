"""One column while its statistics are computed: what is asked of it in each pass, and what the answers say."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlglot import exp

from hopyard.compute.fixed_point import Type, cast, number, root, scale_of, to_float, whole_sum
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
US_PER_SECOND = 1_000_000
HASHES = 2**64
"""How many hashes there are."""


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


class ColumnProfile:
    """What is known so far of a column.

    Numbers are read as `number()`: whole numbers as bigint (instants and dates as UTC microseconds), others as double.
    """

    def __init__(self, prefix: str, field: Field, n_rows: int) -> None:
        self.prefix, self.name, self.type, self.n_rows = prefix, field.name, field.feature_type, n_rows
        self.kind = self.type.kind
        self.is_whole = self.kind in _WHOLE
        self.is_number = self.is_whole or self.kind in _FLOATS or self.kind == "decimal"
        self.is_scalar = self.kind not in _NESTED
        self.is_category = self.kind in _CATEGORIES
        self.arrow = pa.int64() if self.is_whole else pa.float64()
        self.n_nulls = n_rows
        self.n_nans = self.n_positive = self.n_negative = self.estimate = 0
        self.least: Value | None = None
        self.greatest: Value | None = None
        self.low: Any = None
        self.high: Any = None
        self.edges: list[float] = []
        self.bins: tuple[Bin, ...] = ()
        self.total: Fraction | None = None
        self.deviation: float | None = None
        self.n_distinct: int | None = None
        self.distinct_error = 0.0
        self.n_once: int | None = None
        self.entropy: float | None = None
        self.percentiles: tuple[Value, ...] = ()
        self.percentiles_error = 0.0
        self.frequent: tuple[ValueCount, ...] = ()

    @property
    def n_values(self) -> int:
        """Rows that are neither null nor NaN."""
        return self.n_rows - self.n_nulls - self.n_nans

    @property
    def n_infinities(self) -> int:
        return self.n_positive + self.n_negative

    @property
    def n_finite(self) -> int:
        return self.n_values - self.n_infinities

    def value(self) -> exp.Expr:
        """Return the column; zero has one sign, so that it is one value."""
        column = reading(self.name)
        if self.kind not in _FLOATS:
            return column
        return exp.Paren(this=exp.Add(this=cast(column, Type.DOUBLE), expression=number(0.0)))

    def number(self) -> exp.Expr:
        """Return the column as a bigint or a double."""
        column = reading(self.name)
        if self.kind == "date":
            return call("epoch_us", cast(column, Type.TIMESTAMP))
        if self.kind == "timestamp":
            return call("epoch_us", column)
        return cast(column, Type.BIGINT if self.is_whole else Type.DOUBLE)

    def is_value(self) -> exp.Expr:
        """Return the condition that there is a value, neither null nor NaN."""
        there = exp.not_(exp.Is(this=reading(self.name), expression=exp.Null()))
        if self.kind not in _FLOATS:
            return there
        return exp.and_(there, exp.not_(call("isnan", self.number())))

    def distinct(self, share: int) -> Aggregates:
        """Return what counts the distinct values whose hash is in the first of so many parts."""
        conditions = [call("isnan", self.number())] if self.n_nans else []
        conditions = [exp.not_(condition) for condition in conditions]
        if share > 1:
            threshold = exp.Literal.number(HASHES // share)
            conditions.append(exp.LT(this=call("hash", self.value()), expression=threshold))
        values = where(exp.and_(*conditions), self.value()) if conditions else self.value()
        return {"distinct": (exp.Count(this=exp.Distinct(expressions=[values])), pa.int64())}

    def counts(self) -> Aggregates:
        """Return what the first pass asks."""
        found: Aggregates = {"n": (exp.Count(this=reading(self.name)), pa.int64())}
        if not self.is_scalar:
            return found
        found["d"] = (call("approx_count_distinct", self.value()), pa.int64())
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
        if not self.is_number or self.kind == "decimal":
            found["least"] = (exp.Min(this=reading(self.name)), to_arrow(self.type))
            found["greatest"] = (exp.Max(this=reading(self.name)), to_arrow(self.type))
        return found

    def take_counts(self, found: dict[str, Any]) -> None:
        self.n_nulls = self.n_rows - found["n"]
        self.n_nans, self.n_positive, self.n_negative = (
            found.get(name) or 0 for name in ("nan", "pos", "neg")
        )
        self.estimate = found.get("d") or 0
        self.low, self.high = found.get("low"), found.get("high")
        if found.get("least") is not None:
            self.least, self.greatest = literal(found["least"]), literal(found["greatest"])
        elif self.is_number and self.n_values:
            low = -math.inf if self.n_negative else math.inf if self.low is None else self.low
            high = math.inf if self.n_positive else -math.inf if self.high is None else self.high
            self.least, self.greatest = self._end(low), self._end(high)

    def sums(self, n_bins: int) -> Aggregates:
        """Return what the second pass asks: sums and, with bins, the histogram."""
        if not self.is_number or not self.n_finite:
            return {}
        found: Aggregates = {}
        if self.is_whole:
            found["sum"] = (whole_sum(self.number()), _SUM)
        elif self._largest:
            found["sum"] = (whole_sum(scale_of(self._largest).apply(self.number())), _SUM)
        if n_bins and self.low < self.high:
            # The engine's bins are open below. Of the negated values, backwards, they are open above.
            self.edges = _edges(self.low, self.high, n_bins)
            steps = exp.Array(expressions=[number(-edge) for edge in reversed(self.edges[:-1])])
            negated: exp.Expr = exp.Neg(this=exp.Paren(this=cast(self.number(), Type.DOUBLE)))
            if self.n_nans or self.n_infinities:
                negated = where(call("isfinite", self.number()), negated)
            counted = call("histogram", negated, steps)
            found["steps"] = (call("map_keys", counted), pa.list_(pa.float64()))
            found["counts"] = (call("map_values", counted.copy()), pa.list_(pa.uint64()))
        elif n_bins:
            end = self.stored(self.low)
            self.bins = (Bin(start_value=end, end_value=end, count=self.n_finite),)
        return found

    def take_sums(self, found: dict[str, Any]) -> None:
        if self.is_number and self.n_finite:
            total = int(found.get("sum") or 0)
            self.total = (
                Fraction(total) if self.is_whole or not self._largest else scale_of(self._largest).undo(total)
            )
        if "steps" in found:
            counts = dict(zip(found["steps"], found["counts"], strict=True))
            self.bins = tuple(
                Bin(
                    start_value=self.stored(start),
                    end_value=self.stored(end),
                    count=int(counts.get(-start, 0)),
                )
                for start, end in zip(self.edges, self.edges[1:], strict=False)
            )

    def deviations(self) -> Aggregates:
        """Return what the third pass asks: the sum of (x - c)^2 for a number c near the mean."""
        if self.total is None or self.n_infinities or self.n_finite < 2 or self.low == self.high:
            return {}
        if self.is_whole:
            centre: exp.Expr = cast(exp.Literal.string(str(self._centre)), Type.INT128)
            deviation: exp.Expr = cast(
                exp.Paren(this=exp.Sub(this=cast(self.number(), Type.INT128), expression=centre)), Type.DOUBLE
            )
        else:
            # Scaled first: the difference of two floats may be beyond the largest one.
            scale = scale_of(self._largest, 0)
            centre = number(to_float(Fraction(self._centre) * Fraction(2) ** scale.power))
            deviation = exp.Sub(this=scale.apply(self.number()), expression=centre)
        unit = scale_of(self._largest_deviation, 0).apply(deviation)
        square = exp.Mul(this=exp.Paren(this=unit), expression=exp.Paren(this=unit.copy()))
        return {"squares": (whole_sum(scale_of(0.5).apply(square)), _SUM)}

    def take_deviations(self, found: dict[str, Any]) -> None:
        if self.total is None or self.n_finite < 2 or self.n_infinities:
            return
        if "squares" not in found:
            self.deviation = 0.0
            return
        squares = scale_of(0.5).undo(int(found["squares"]))
        power = scale_of(self._largest_deviation, 0).power
        if not self.is_whole:
            power += scale_of(self._largest, 0).power
        squares *= Fraction(4) ** -power
        # sum (x - c)^2 is larger than that around the mean by n (mean - c)^2
        squares -= self.n_finite * (self.total / self.n_finite - Fraction(self._centre)) ** 2
        self.deviation = root(squares / (self.n_finite - 1))

    def stored(self, value: float) -> Value:
        """Return a number of the column as it is kept: microseconds as an instant."""
        if self.kind in _INSTANTS:
            return Value(type="timestamp", value=round(value))
        return literal(value)

    def _end(self, value: float) -> Value:
        """Return the least or the greatest value, in the column's type."""
        if self.kind == "date":
            return Value(type="date", value=int(value) // US_PER_DAY)
        return self.stored(value)

    def result(self) -> ColumnStatistics:
        """Return what was found."""
        return ColumnStatistics(
            name=self.name,
            type=str(self.type),
            count=self.n_rows,
            n_nulls=self.n_nulls,
            n_nans=self.n_nans,
            n_infinities=self.n_infinities,
            min_value=self.least,
            max_value=self.greatest,
            sum_value=self._sum(),
            mean_value=self._mean(),
            std_value=self._std(),
            n_distinct=self.n_distinct,
            distinct_error=self.distinct_error,
            n_once=self.n_once,
            entropy=self.entropy,
            percentile_values=self.percentiles,
            percentiles_error=self.percentiles_error,
            bins=self.bins,
            frequent=self.frequent,
        )

    @property
    def _largest(self) -> float:
        """The largest finite absolute value."""
        return max(abs(float(self.low)), abs(float(self.high)))

    @property
    def _centre(self) -> int | float:
        """A number near the mean: exact in its type."""
        assert self.total is not None
        mean = self.total / self.n_finite
        return round(mean) if self.is_whole else to_float(mean)

    @property
    def _largest_deviation(self) -> float:
        """At least the largest deviation from the centre; of floats after they are scaled."""
        ends = [abs(Fraction(end) - Fraction(self._centre)) for end in (self.low, self.high)]
        if self.is_whole:
            return to_float(max(ends)) * 2
        return to_float(max(ends) * Fraction(2) ** scale_of(self._largest, 0).power) * 2

    def _infinite(self) -> float | None:
        """Return what sums with infinities are; None: there are none."""
        if not self.n_infinities:
            return None
        return math.nan if self.n_positive and self.n_negative else math.inf if self.n_positive else -math.inf

    def _sum(self) -> Value | None:
        if self.kind in _INSTANTS or not self.is_number or not self.n_values:
            return None
        if (infinite := self._infinite()) is not None:
            return literal(infinite)
        assert self.total is not None
        return Value(type=WHOLE, value=str(self.total)) if self.is_whole else literal(to_float(self.total))

    def _mean(self) -> Value | None:
        if not self.is_number or not self.n_values:
            return None
        if (infinite := self._infinite()) is not None:
            return literal(infinite)
        assert self.total is not None
        mean = self.total / self.n_finite
        if self.kind in _INSTANTS:
            return Value(type="timestamp", value=round(mean))
        return literal(to_float(mean))

    def _std(self) -> Value | None:
        if self.n_infinities and self.n_values > 1:
            return literal(math.nan)
        if self.deviation is None:
            return None
        return literal(self.deviation / US_PER_SECOND if self.kind in _INSTANTS else self.deviation)


def _edges(low: float, high: float, n_bins: int) -> list[float]:
    """Return the edges of bins of equal width, each the float nearest to where it is; in a tiny range fewer."""
    start, width = Fraction(low), Fraction(high) - Fraction(low)
    edges = [float(start + width * step / n_bins) for step in range(n_bins + 1)]
    return sorted(set(edges))
