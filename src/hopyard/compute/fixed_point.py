"""Sums of floats that are the same for every order of the rows: in whole numbers of 128 bits.

A float x with |x| < 2^e becomes the whole number nearest to x 2^(90 - e). Whole numbers add up exactly, so no thread,
file or batch shows in the result. Each value loses less than 2^-90 of the largest one; floats themselves are known to
2^-53 of their own size. Fifty thousand million of them fit into the 38 digits in which sums are passed on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

BITS = 90
Type = exp.DType


def cast(value: exp.Expr, type_: exp.DType) -> exp.Expr:
    """Return a value as a plain type; its name is not parsed, which would take most of the time for small groups."""
    return exp.Cast(this=value, to=exp.DataType(this=type_))


@dataclass(frozen=True, slots=True)
class Scale:
    """A power of two by which values are multiplied before they are whole numbers."""

    power: int

    def apply(self, value: exp.Expr) -> exp.Expr:
        """Return the product in SQL. In two steps: the power itself may be beyond a float."""
        half = self.power // 2
        product = exp.Mul(this=exp.Paren(this=value), expression=number(math.ldexp(1.0, half)))
        return exp.Mul(this=product, expression=number(math.ldexp(1.0, self.power - half)))

    def undo(self, total: int) -> Fraction:
        """Return the exact value of a sum of whole numbers."""
        return Fraction(total) * Fraction(2) ** -self.power


def scale_of(largest: float, bits: int = BITS) -> Scale:
    """Return the scale at which finite values up to `largest` have so many bits."""
    return Scale(bits - math.frexp(largest)[1])


def whole_sum(value: exp.Expr) -> exp.Expr:
    """Return the sum of values as whole numbers, in SQL; NaN and infinities, which are none, are left out."""
    return exp.Sum(this=exp.TryCast(this=value, to=exp.DataType(this=Type.INT128)))


def number(value: float) -> exp.Expr:
    """Return a finite float in SQL, exactly; without an exponent it would be a decimal."""
    text = repr(float(value))
    return exp.Literal.number(text if "e" in text else f"{text}e0")


def to_float(exact: Fraction) -> float:
    """Return the nearest float; beyond the largest one, an infinity."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def root(exact: Fraction) -> float:
    """Return the square root of a number that may itself be beyond the floats."""
    if exact <= 0:
        return 0.0
    power = (exact.numerator.bit_length() - exact.denominator.bit_length()) // 2
    try:
        return math.ldexp(math.sqrt(float(exact * Fraction(4) ** -power)), power)
    except OverflowError:
        return math.inf
