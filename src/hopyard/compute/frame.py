"""The scale on which a column's values are added up, and the bins in which they are counted: made of its ends alone.

So what is counted in one frame, of rows apart, adds up to what would be counted of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from sqlglot import exp

from hopyard.compute.fixed_point import Scale, Type, cast, number, scale_of, to_float

Number = int | float

HALF = scale_of(0.5)
"""The scale of squares: a deviation is less than a half of what it is divided by."""


@dataclass(frozen=True)
class Frame:
    """The frame of the finite values from `low` to `high`, whole numbers or floats."""

    low: Number
    high: Number
    is_whole: bool

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(float(self.low)), abs(float(self.high)))

    @cached_property
    def scale(self) -> Scale | None:
        """What floats are multiplied by before they are added; None: whole numbers, or nothing but zeros."""
        return None if self.is_whole or not self.largest else scale_of(self.largest)

    @cached_property
    def centre(self) -> Number:
        """A number near the middle, on a grid of about a tenth of the width: it stays where an end moves a little."""
        low, high = Fraction(self.low), Fraction(self.high)
        if low == high:
            return self.low
        width = high - low
        step = Fraction(2) ** (width.numerator.bit_length() - width.denominator.bit_length() - 3)
        if self.is_whole:
            step = max(step, Fraction(1))
        middle = min(max(round((low + high) / 2 / step) * step, low), high)
        return int(middle) if self.is_whole else to_float(middle)

    @property
    def key(self) -> tuple[object, ...]:
        """What sums and squares depend on."""
        return (self.scale and self.scale.power, self.centre, self.unit(self.centre).power)

    def edges(self, n_bins: int) -> tuple[float, ...]:
        """Return the edges of bins of equal width, each the float nearest to where it is; in a tiny range fewer."""
        if not n_bins or self.low == self.high:
            return ()
        start, width = Fraction(self.low), Fraction(self.high) - Fraction(self.low)
        return tuple(sorted({float(start + width * step / n_bins) for step in range(n_bins + 1)}))

    def unit(self, centre: Number) -> Scale:
        """Return what deviations from a number are multiplied by, so that they are less than a half."""
        furthest = max(abs(Fraction(end) - Fraction(centre)) for end in (self.low, self.high))
        return scale_of(to_float(furthest * self._zoom) * 2, 0)

    def square(self, value: exp.Expr, centre: Number) -> exp.Expr:
        """Return the square of the deviation from a number, as a whole number in SQL."""
        unit = self.unit(centre).apply(self._deviation(value, centre))
        square = exp.Mul(this=exp.Paren(this=unit), expression=exp.Paren(this=unit.copy()))
        return HALF.apply(square)

    def _deviation(self, value: exp.Expr, centre: Number) -> exp.Expr:
        if self.is_whole:
            type_ = Type.BIGINT if self.high - self.low < 2**62 else Type.INT128
            whole = cast(exp.Literal.string(str(centre)), type_)
            return cast(exp.Paren(this=exp.Sub(this=cast(value, type_), expression=whole)), Type.DOUBLE)
        # Scaled first: the difference of two floats may be beyond the largest one.
        near = number(to_float(Fraction(centre) * self._zoom))
        return exp.Sub(this=scale_of(self.largest, 0).apply(value), expression=near)

    def total(self, units: int) -> Fraction:
        """Return the exact value of a sum."""
        if self.is_whole:
            return Fraction(units)
        return self.scale.undo(units) if self.scale else Fraction(0)

    def squares(self, units: int, centre: Number) -> Fraction:
        """Return the exact value of a sum of squares of deviations from a number."""
        return HALF.undo(units) * (Fraction(2) ** self.unit(centre).power * self._zoom) ** -2

    @property
    def _zoom(self) -> Fraction:
        """What floats are multiplied by before their deviations are taken."""
        return Fraction(1) if self.is_whole else Fraction(2) ** scale_of(self.largest, 0).power
